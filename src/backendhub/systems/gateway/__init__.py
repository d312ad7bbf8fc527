"""An API gateway with Kong's declarative configuration: route, authenticate, limit, transform, aggregate, balance."""
