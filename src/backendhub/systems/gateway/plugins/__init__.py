"""The plugins that there are, by name."""

from __future__ import annotations

from .aggregate import Aggregate
from .base import Context, Plugin
from .caching import ProxyCache
from .fields import CorrelationId, Cors, RequestTransformer, ResponseTransformer, SecurityHeaders
from .identity import Acl, BasicAuth, Jwt, KeyAuth
from .traffic import Canary, CircuitBreaker, IpRestriction, Mirror, RateLimiting, SizeLimiting, Termination

PLUGINS: dict[str, type[Plugin]] = {
    kind.name: kind
    for kind in (
        CorrelationId, Cors, Jwt, KeyAuth, BasicAuth, IpRestriction, SizeLimiting, Acl, RateLimiting, RequestTransformer,
        ResponseTransformer, SecurityHeaders, ProxyCache, CircuitBreaker, Mirror, Canary, Termination, Aggregate,
    )
}  # fmt: skip

__all__ = ["PLUGINS", "Context", "Plugin"]
