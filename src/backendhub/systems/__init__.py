"""One folder a system: folder = registry name = table prefix = URL prefix."""
