"""How many at once: a count that is taken from without waiting, as it nearly always can be."""

from __future__ import annotations

import asyncio
from collections import deque


class Places:
    """`limit` places. Who waits is served in order; `take` alone may come before them where one is free."""

    def __init__(self, limit: int) -> None:
        self.free = limit
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Takes a place, if there is one and nobody waits for it."""
        if self.free and not self._waiting:
            self.free -= 1
            return True
        return False

    async def wait(self, seconds: float) -> None:
        """Takes a place as soon as there is one. Raises TimeoutError."""
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        try:
            async with asyncio.timeout(seconds):
                await mine
        except BaseException:
            if mine.done() and not mine.cancelled():  # it was given, and is not wanted any more
                self.give()
            elif mine in self._waiting:
                self._waiting.remove(mine)
            raise

    def give(self) -> None:
        """Gives a place back."""
        while self._waiting:
            next_one = self._waiting.popleft()
            if not next_one.done():
                next_one.set_result(None)
                return
        self.free += 1
