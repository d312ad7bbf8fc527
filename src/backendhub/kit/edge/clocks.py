"""One look a second at every connection: deadlines that cost a request nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .protocol import HttpProtocol

LOOK_EVERY_S = 1.0


class Clock:
    """The connections of a process, and a time that is at most one look old."""

    def __init__(self) -> None:
        self.connections: set[HttpProtocol] = set()
        self.now = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, protocol: HttpProtocol) -> None:
        """Watches a connection."""
        self.connections.add(protocol)
        if self._timer is None:
            self.now = protocol.loop.time()
            self._timer = protocol.loop.call_later(LOOK_EVERY_S, self._look, protocol.loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time()
        for protocol in list(self.connections):
            protocol.look(self.now)
        self._timer = loop.call_later(LOOK_EVERY_S, self._look, loop) if self.connections else None
