"""Composition root: the only place that sees both the registry and the kit."""
