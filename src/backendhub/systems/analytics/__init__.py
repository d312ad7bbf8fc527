"""Web and product analytics: a collector that loses nothing, and a dashboard over it."""
