"""The shop in a browser: a storefront, and the back office. Pages work without their script."""
