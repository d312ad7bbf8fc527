"""A caching proxy in front of any HTTP server."""
