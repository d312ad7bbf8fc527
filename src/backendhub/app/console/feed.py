"""What happens in this process, told to the pages that watch: made once a tick, framed once for all of them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.web import Event

from .facts import facts

if TYPE_CHECKING:
    from backendhub.kit.web import Application

TICK_S = 1.0
KEPT = 50
"""Requests that a page shows, and that are kept for the next one that opens."""
WAITING = 8
"""Ticks that a slow page may lag behind; older ones are dropped for it."""


class Seen(NamedTuple):
    """A request that was answered."""

    number: int
    time: float
    method: str
    target: str
    status: int
    seconds: float
    size: int

    def shown(self) -> dict[str, Any]:
        """As a page shows it: what is done for a few of them only."""
        at = datetime.fromtimestamp(self.time, UTC).isoformat(timespec="milliseconds")[11:23]
        return {
            "number": self.number,
            "at": at,
            "method": self.method,
            "target": self.target[:300],
            "status": self.status,
            "ms": round(self.seconds * 1000, 2),
            "size": self.size,
        }


class Feed:
    """Watches one application. While no page is open it keeps the latest requests, but those of hot routes, and does nothing else."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.recent: deque[Seen] = deque(maxlen=KEPT)
        self.count = 0
        self._watchers: set[asyncio.Queue[bytes]] = set()
        self._ticking: asyncio.Task[None] | None = None
        application.observer = self.see
        application.watched = lambda: bool(self._watchers)

    def see(self, method: str, target: str, status: int, seconds: float, size: int, client: str) -> None:
        """Notes a request; those of the console itself are left out."""
        if target.startswith("/_hub"):
            return
        self.count += 1
        self.recent.append(Seen(self.count, clock.steady(), method, target, status, seconds, size))

    async def watch(self) -> AsyncIterator[bytes]:
        """The ticks from now on, as they are sent."""
        queue: asyncio.Queue[bytes] = asyncio.Queue(WAITING)
        self._watchers.add(queue)
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.create_task(self._tick())
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)

    async def _tick(self) -> None:
        """One event a second, as long as somebody watches."""
        shown, before, start = self.count, self.count, time.perf_counter()
        while self._watchers:
            state = await facts(self.application)
            now = time.perf_counter()
            state["rate"] = round((self.count - before) / max(now - start, 0.001), 1)
            state["requests"] = [seen.shown() for seen in self.recent if seen.number > shown]
            shown, before, start = self.count, self.count, now
            self._tell(Event(state, event="tick").encode())
            await asyncio.sleep(TICK_S)

    def _tell(self, frame: bytes) -> None:
        for queue in self._watchers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(frame)

    def state(self) -> list[dict[str, Any]]:
        """The latest requests, the newest first."""
        return [seen.shown() for seen in reversed(self.recent)]
