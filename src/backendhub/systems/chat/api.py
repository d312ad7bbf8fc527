"""`backendhub serve chat`: the routes, Socket.IO beside them, and a small client at `/`."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from backendhub.kit.hub import Hub

from . import api_accounts, api_messages, api_rooms, page, socket
from .live import Live
from .wire import router

__all__ = ["router"]

api_accounts.add(router)
api_rooms.add(router)
api_messages.add(router)
page.add(router)
socket.attach(router)


@router.on_startup
def start(hub: Hub) -> Coroutine[Any, Any, None]:
    """Renews the leases of who is online here, and looks at who is still signed in."""
    return Live.of(hub).run()
