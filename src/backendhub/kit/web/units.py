"""How units of work are run for requests: in the loop, committed in groups, or in threads.

- A read on SQLite takes microseconds and runs where it is.
- Writes on SQLite of all requests that are ready in one turn of the loop are committed together.
- Reads on PostgreSQL go to a thread, those that are ready at once in one hop: the hop and the fight of several threads
  for the interpreter cost more than most queries. One that is slow holds up the others for 5 ms at most: then another
  thread goes on with them. Writes have a thread each, because they wait for locks and for the disk.
- What is declared heavy always has a thread of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from backendhub.kit.errors import StoreBusy
from backendhub.kit.hub import Hub

from .endpoint import Endpoint
from .request import Request

THREADS = 10
"""Threads for units that wait: PostgreSQL, heavy ones, and writes while another process holds SQLite's lock."""
HELP_AFTER_S = 0.005
"""How long a thread may work on what was ready at once before another one helps."""

Job = tuple[Callable[..., Any], asyncio.Future[Any]]


class Units:
    """Runs the units of work of one application."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="unit")
        self._queue: list[Job] = []
        self._share: Share | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, endpoint: Endpoint, request: Request, args: dict[str, Any]) -> Any:
        """The result of an endpoint's function; raises what it raises."""
        blocking = endpoint.needs_store and self._hub.store.blocking
        if endpoint.route.heavy or (blocking and endpoint.writes):
            return await self._hop(endpoint.execute, request, args)
        if not endpoint.needs_store:
            return endpoint.call(None, request, args)
        if blocking:
            return await self._queued(partial(endpoint.execute, request, args))
        if endpoint.writes:
            return await self._queued(partial(endpoint.call, request=request, args=args))
        return endpoint.execute(request, args)

    async def admit(self, endpoint: Endpoint, request: Request) -> None:
        """Finds out who asks in a unit of its own. Raises Unauthenticated, Denied."""
        if endpoint.gate is None or endpoint.gate.stateless:
            endpoint.admit(None, request)
        elif self._hub.store.blocking:
            await self._queued(partial(self._hub.store.read, endpoint.admit, request))
        else:
            self._hub.store.read(endpoint.admit, request)

    def close(self) -> None:
        """Lets the threads finish."""
        self._executor.shutdown()

    def _hop(self, fn: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        return asyncio.get_running_loop().run_in_executor(self._executor, fn, *args)

    def _queued(self, fn: Callable[..., Any]) -> asyncio.Future[Any]:
        """Waits for the end of this turn of the loop, so that whatever else is ready comes along."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._queue.append((fn, future))
        if len(self._queue) == 1:
            loop.call_soon(self._flush)
        return future

    def _flush(self) -> None:
        if self._share is not None or not self._queue:
            return  # what is queued goes on when the share at work is done, or takes too long
        queue, self._queue = self._queue, []
        if self._hub.store.blocking:
            self._share = Share(queue)
            self._help(self._share)
            return
        try:
            results = self._hub.store.group([fn for fn, _ in queue])
        except StoreBusy:  # another process is writing: wait for it in a thread, with the loop free
            self._begin(self._group_in_thread(queue))
            return
        except Exception as error:
            results = [error] * len(queue)
        for (_, future), result in zip(queue, results, strict=True):
            _settle(future, result)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # the loop itself keeps only weak references
        task.add_done_callback(self._tasks.discard)

    async def _group_in_thread(self, queue: list[Job]) -> None:
        try:
            results = await self._hop(self._hub.store.group, [fn for fn, _ in queue])
        except Exception as error:
            results = [error] * len(queue)
        for (_, future), result in zip(queue, results, strict=True):
            _settle(future, result)

    def _help(self, share: Share) -> None:
        """Puts a thread to a share as long as something in it waits; looks again a little later."""
        share.settle()
        if share.timer is not None:  # it takes long: let the next share begin
            self._next(share)
        if share.waiting:
            self._begin(self._work(share))
        if share.left:
            share.timer = asyncio.get_running_loop().call_later(HELP_AFTER_S, self._help, share)

    async def _work(self, share: Share) -> None:
        await self._hop(share.work)
        share.settle()
        if not share.left:
            if share.timer is not None:
                share.timer.cancel()
            self._next(share)

    def _next(self, share: Share) -> None:
        if self._share is share:
            self._share = None
            self._flush()


class Share:
    """Units that were ready at once, and the results of those that are done."""

    def __init__(self, queue: list[Job]) -> None:
        self.waiting = deque(queue)
        self.done: deque[tuple[asyncio.Future[Any], Any]] = deque()
        self.left = len(queue)
        self.timer: asyncio.TimerHandle | None = None

    def work(self) -> None:
        """In a thread: runs one after the other until none is left."""
        while True:
            try:
                unit, future = self.waiting.popleft()
            except IndexError:
                return
            try:
                result = unit()
            except Exception as error:
                result = error
            self.done.append((future, result))

    def settle(self) -> None:
        """In the loop: hands out the results that are there."""
        while self.done:
            _settle(*self.done.popleft())
            self.left -= 1


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    """Hands a waiting request its result; one that has gone away is passed over."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
