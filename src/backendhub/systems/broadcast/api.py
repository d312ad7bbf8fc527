"""`backendhub serve broadcast`: whatever comes in at one door goes out at all of them."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from backendhub.kit import web
from backendhub.kit.hub import Hub

from . import plain, pusher_api
from .engine import Engine

router = web.Router(
    "One message to everyone. Text over WebSocket at `/`, server-sent events at `/sse`, the Pusher protocol at "
    "`/app/{key}` with its signed HTTP API below `/apps/{app_id}`. Messages are kept for a while, so that a client that "
    "comes back goes on where it was.",
    cors=True,
)
plain.add(router)
pusher_api.add(router)


@router.on_startup
def start(hub: Hub) -> Coroutine[Any, Any, None]:
    """Leases and retention."""
    return Engine.of(hub).run()
