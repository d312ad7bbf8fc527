"""Units of work and tasks of what lives in an event loop."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, StoreBusy

if TYPE_CHECKING:
    from backendhub.kit.hub import Hub

P = ParamSpec("P")
T = TypeVar("T")


class Work:
    """Runs units of work where they hold up nobody, and tasks until they end."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._tasks: set[asyncio.Task[Any]] = set()

    async def read(self, fn: Callable[Concatenate[Db, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a reading unit: here on SQLite, in a thread on PostgreSQL."""
        if self.hub.store.blocking:
            return await asyncio.to_thread(self.hub.store.read, fn, *args, **kwargs)
        return self.hub.store.read(fn, *args, **kwargs)

    async def unit(self, fn: Callable[Concatenate[Db, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a writing unit: here on SQLite unless somebody else is writing, in a thread on PostgreSQL."""
        if not self.hub.store.blocking:
            try:
                return self.hub.store.unit(fn, *args, **kwargs)
            except StoreBusy:
                pass
        return await asyncio.to_thread(self.hub.store.unit, fn, *args, **kwargs)

    def spawn(self, coroutine: Any) -> asyncio.Task[Any]:
        """Runs a coroutine beside; what it raises is printed."""
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None or isinstance(error, HubError):
            return
        traceback.print_exception(error, file=sys.stderr)

    def stop_work(self) -> None:
        """Cancels what runs."""
        for task in list(self._tasks):
            if not task.get_loop().is_closed():
                task.cancel()
