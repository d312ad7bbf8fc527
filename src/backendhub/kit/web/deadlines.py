"""Time limits for waits, by one timer for all of them.

`asyncio.timeout` makes a timer for each wait, which costs 7 µs: a tenth of a whole request. Here a wait notes when it
has to be over, and all of them are looked at a few times a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")
LOOK_EVERY_S = 0.25


class Deadlines:
    """The waits of one event loop."""

    def __init__(self) -> None:
        self._ends: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, awaitable: Awaitable[T], seconds: float) -> T:
        """What an awaitable gives. Raises TimeoutError when it takes longer, by up to a quarter of a second more."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._ends[task] = loop.time() + seconds
        if self._timer is None:
            self._timer = loop.call_later(LOOK_EVERY_S, self._look, loop)
        try:
            return await awaitable
        except asyncio.CancelledError:
            if task in self._late and task.uncancel() == 0:
                raise TimeoutError from None
            raise
        finally:
            self._ends.pop(task, None)
            self._late.discard(task)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task, end in list(self._ends.items()):
            if end < now and task not in self._late:
                self._late.add(task)
                task.cancel()
        self._timer = loop.call_later(LOOK_EVERY_S, self._look, loop) if self._ends else None
