"""A fault injector: TCP proxies that are slow, lossy or down when told so, as https://github.com/Shopify/toxiproxy has it."""
