"""Envoy's `ShouldRateLimit` over gRPC, and gRPC's own health service, beside the HTTP server."""

from __future__ import annotations

import asyncio
from typing import Any

from backendhub.kit.errors import HubError, Invalid, Malformed, MissingExtra
from backendhub.kit.hub import Hub

from . import board as boards
from . import protobuf

SERVICE = "envoy.service.ratelimit.v3.RateLimitService"
SERVING = b"\x08\x01"
MAX_MESSAGE = 1 << 20
GRACE = 5


async def serve(hub: Hub, address: str) -> None:
    """Serves until it is cancelled. Raises Invalid, MissingExtra."""
    server = start(hub, address)
    await server.start()
    hub.output.note(f"rate-limiter: gRPC on {address}.")
    try:
        await asyncio.Event().wait()
    finally:
        await server.stop(GRACE)


def start(hub: Hub, address: str) -> Any:
    """A server that listens. Raises Invalid, MissingExtra."""
    try:
        import grpc
    except ImportError:
        raise MissingExtra("gRPC", "grpc") from None

    async def should_rate_limit(data: bytes, context: Any) -> bytes:
        try:
            verdict = await boards.of(hub).engine.check(*protobuf.request(data))
        except Malformed as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        except HubError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, error.message)
        return protobuf.response(verdict)

    async def check(data: bytes, context: Any) -> bytes:
        return SERVING

    server = grpc.aio.server(options=[("grpc.max_receive_message_length", MAX_MESSAGE)])
    for name, method, fn in (
        (SERVICE, "ShouldRateLimit", should_rate_limit),
        ("grpc.health.v1.Health", "Check", check),
    ):
        handler = grpc.unary_unary_rpc_method_handler(fn)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {method: handler}),))
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise Invalid(f"gRPC cannot listen on {address}: {error}.") from None
    return server
