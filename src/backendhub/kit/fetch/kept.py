"""Connections that lie idle for a moment after a request, so that the next one to the same place needs no handshake.

A connection is never evidence: every request looks its host up and judges the addresses anew, and takes a kept connection
only if that leads to an address that has just been admitted, for the same scheme, host and port. So a name that changes its
mind, a rule that does, or a request that is less trusted than the one before finds nothing to use.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from contextlib import suppress
from typing import NamedTuple
from weakref import WeakKeyDictionary

import httpcore

IDLE_S = 4.0
"""How long a connection lies idle: less than the five seconds after which many servers close theirs."""
MOST = 64
MOST_AT_ONE = 4
"""Idle connections of a loop in all, and to one place."""


class Place(NamedTuple):
    """Where a connection leads: what was asked for, and the address that this was judged to be."""

    scheme: bytes
    host: bytes
    port: int
    address: str


class Kept:
    """The idle connections of one event loop, which closes them when it ends."""

    def __init__(self) -> None:
        self._idle: OrderedDict[httpcore.AsyncHTTPConnection, tuple[Place, float]] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def take(self, place: Place) -> httpcore.AsyncHTTPConnection | None:
        """The connection to a place that was used last, if there is one that still stands."""
        for connection, (leads, _) in reversed(self._idle.items()):
            if leads == place and not connection.has_expired():
                del self._idle[connection]
                return connection
        return None

    async def give(self, connection: httpcore.AsyncHTTPConnection, place: Place | None) -> None:
        """Keeps a connection after its request, or closes it where it cannot serve another one."""
        if place is None or not _at_rest(connection):
            await connection.aclose()
            return
        self._idle[connection] = (place, time.monotonic() + IDLE_S)
        here = [each for each, (leads, _) in self._idle.items() if leads == place]
        surplus = here[:-MOST_AT_ONE] or list(self._idle)[:-MOST]
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._sweep(), name="fetch-idle")
        for each in surplus:
            await self._close(each)

    async def _sweep(self) -> None:
        """Closes what has lain idle for too long; all of it when the loop ends, which cancels its tasks."""
        try:
            while self._idle:
                first = next(iter(self._idle.values()))[1]
                await asyncio.sleep(max(first - time.monotonic(), 0.01))
                now = time.monotonic()
                for connection in [c for c, (_, until) in self._idle.items() if until <= now]:
                    await self._close(connection)
        finally:
            for connection in list(self._idle):
                await self._close(connection)

    async def _close(self, connection: httpcore.AsyncHTTPConnection) -> None:
        if self._idle.pop(connection, None) is not None:
            with suppress(OSError, httpcore.NetworkError):
                await connection.aclose()


def _at_rest(connection: httpcore.AsyncHTTPConnection) -> bool:
    """Whether an answer was read to its end and nothing came after it: what did could pass for the next answer."""
    if not connection.is_idle() or connection.has_expired():
        return False
    protocol = getattr(getattr(connection, "_connection", None), "_h11_state", None)
    return protocol is not None and protocol.trailing_data == (b"", False)


class Pools:
    """What one fetcher keeps, by event loop: a connection belongs to the loop that made it."""

    def __init__(self) -> None:
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Kept] = WeakKeyDictionary()

    def here(self) -> Kept:
        """That of the running loop."""
        return self._by_loop.setdefault(asyncio.get_running_loop(), Kept())
