"""What a request tells its span; imported only where somebody wants traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backendhub.kit import telemetry
from backendhub.kit.tracing import Asked, Requested

if TYPE_CHECKING:
    from backendhub.kit.tracing import Tracing

    from .request import Request


def begin(tracing: Tracing, request: Request) -> Requested:
    """Begins the span of a request."""
    scope = request.scope
    asked = Asked(
        method=request.method,
        path=request.path,
        query=telemetry.masked(scope["query_string"]).decode("latin-1"),
        scheme=scope.get("scheme", "http"),
        host=request.header("host") or "localhost",
        client=(scope.get("client") or ("-",))[0],
        version=scope.get("http_version", "1.1"),
        agent=request.header("user-agent") or "",
    )
    return tracing.begin(asked, request.header("traceparent"), request.header("tracestate"))
