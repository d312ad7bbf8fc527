"""One module an engine: how to test, dump and restore it."""
