"""One look a second at every connection: deadlines that cost a request nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .framing import Refused
from .turn import Turn

if TYPE_CHECKING:
    from .protocol import HttpProtocol

LOOK_EVERY_S = 1.0
WRITE_PATIENCE_S = 60.0
"""How long a client may take none of what waits for it."""
HEAD, IDLE, BUSY, CLOSING = range(4)
"""What a connection is waiting for: a head, another request, an answer, its end."""


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
            look(protocol, self.now)
        self._timer = loop.call_later(LOOK_EVERY_S, self._look, loop) if self.connections else None


def look(protocol: HttpProtocol, now: float) -> None:
    """Once a second: closes what has taken too long."""
    transport, running = protocol.transport, protocol.running
    if transport.is_closing() or protocol.phase == CLOSING:
        if now > max(protocol.deadline, protocol.unsent_since + WRITE_PATIENCE_S * bool(protocol.unsent)):
            transport.abort()
        return
    waiting = transport.get_write_buffer_size()
    if not waiting or waiting < protocol.unsent or not protocol.unsent:
        protocol.unsent_since = now
    protocol.unsent = waiting
    if waiting and now - protocol.unsent_since > WRITE_PATIENCE_S:
        transport.abort()
    elif protocol.phase == BUSY:
        if isinstance(running, Turn) and running.slow(now):
            protocol.refuse(Refused(408, "The body did not arrive in time."))
    elif now > protocol.deadline:
        if protocol.phase == HEAD:
            protocol.refuse(Refused(408, "The head of the request did not arrive in time."))
        else:
            transport.close()
