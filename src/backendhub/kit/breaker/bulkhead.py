"""A bulkhead: so many calls at a time, so many that wait for a place, so long."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backendhub.kit.errors import Invalid, TooMany


class BulkheadFull(TooMany):
    """There is no place for another call (503)."""

    status, code, title = 503, "bulkhead_full", "Too many calls at a time"


class Bulkhead:
    """For one event loop. Who waits is served in the order of coming."""

    def __init__(self, name: str, *, calls: int = 25, waiting: int = 0, wait_s: float = 0.0) -> None:
        """Raises Invalid for numbers that make no sense."""
        if calls < 1 or waiting < 0 or wait_s < 0:
            raise Invalid("A bulkhead has room for at least one call.")
        self.name = name
        self.calls = calls
        self.waiting = waiting
        self.wait_s = wait_s
        self.inside = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for the length of a block. Raises BulkheadFull."""
        await self._enter()
        try:
            yield
        finally:
            self._leave()

    async def _enter(self) -> None:
        if self.inside < self.calls and not self._queue:
            self.inside += 1
            return
        if len(self._queue) >= self.waiting or not self.wait_s:
            raise BulkheadFull(f"{self.name} has no place for another call.", hint="try again later")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(self.wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._leave()  # its turn came in the same moment
            elif turn in self._queue:
                self._queue.remove(turn)
            if isinstance(error, TimeoutError):
                raise BulkheadFull(f"{self.name} had no place within {self.wait_s:g} s.") from None
            raise

    def _leave(self) -> None:
        """Gives the place to the first who waits, else back."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.inside -= 1
