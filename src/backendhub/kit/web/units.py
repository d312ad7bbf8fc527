"""How units of work are run for requests: in the loop, committed in groups, or in threads.

- A read on SQLite takes microseconds and runs where it is.
- Writes on SQLite of all requests that are ready in one turn of the loop are committed together.
- Reads on PostgreSQL go to one thread: the fight of several for the interpreter costs more than most queries. One that
  is slow holds up the others for 5 ms at most: then another thread goes on with them. Writes have a thread each, because
  they wait for locks and for the disk.
- What is declared heavy always has a thread of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any

from backendhub.kit.errors import StoreBusy
from backendhub.kit.hub import Hub
from backendhub.kit.telemetry import traceparent

from .endpoint import Endpoint
from .request import Request
from .threads import Job, Threads, settle

THREADS = 10
"""Threads for units that wait: PostgreSQL, heavy ones, and writes while another process holds SQLite's lock."""
HELP_AFTER_S = 0.005
"""How long a read may wait behind others before another thread helps."""


class Units:
    """Runs the units of work of one application."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._readers = Threads(THREADS, patience_s=HELP_AFTER_S)
        self._others = Threads(THREADS, patience_s=0)
        self._queue: list[Job] = []

    async def run(self, endpoint: Endpoint, request: Request, args: dict[str, Any]) -> Any:
        """The result of an endpoint's function; raises what it raises."""
        blocking = endpoint.needs_store and self._hub.store.blocking
        if endpoint.route.heavy or (blocking and endpoint.writes):
            return await self._others.run(_traced(partial(endpoint.execute, request, args)))
        if not endpoint.needs_store:
            return endpoint.call(None, request, args)
        if blocking:
            return await self._readers.run(_traced(partial(endpoint.execute, request, args)))
        if endpoint.writes:
            return await self._queued(_traced(partial(endpoint.call, request=request, args=args)))
        return endpoint.execute(request, args)

    async def admit(self, endpoint: Endpoint, request: Request) -> None:
        """Finds out who asks in a unit of its own. Raises Unauthenticated, Denied."""
        if endpoint.gate is None or endpoint.gate.stateless:
            endpoint.admit(None, request)
        elif self._hub.store.blocking:
            await self._readers.run(partial(self._hub.store.read, endpoint.admit, request))
        else:
            self._hub.store.read(endpoint.admit, request)

    def close(self) -> None:
        """Lets the threads finish."""
        self._readers.close()
        self._others.close()

    def _queued(self, fn: Callable[..., Any]) -> asyncio.Future[Any]:
        """Waits for the end of this turn of the loop, so that whatever else is ready is committed together."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._queue.append((fn, future))
        if len(self._queue) == 1:
            loop.call_soon(self._flush, context=Context())  # in no request's trace: each unit brings its own
        return future

    def _flush(self) -> None:
        queue, self._queue = self._queue, []
        units = [fn for fn, _ in queue]
        try:
            results = self._hub.store.group(units)
        except StoreBusy:  # another process is writing: wait for it in a thread, with the loop free
            waiting = self._others.run(partial(self._hub.store.group, units))
            waiting.add_done_callback(partial(_share_out, queue))
            return
        except Exception as error:
            results = [error] * len(queue)
        for (_, future), result in zip(queue, results, strict=True):
            settle(future, result)


def _traced(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A unit that is run elsewhere, in the context of its request where that belongs to a trace."""
    return fn if traceparent.get() is None else partial(copy_context().run, fn)


def _share_out(queue: list[Job], done: asyncio.Future[list[Any]]) -> None:
    """Hands each request its result of a group that ran in a thread."""
    error = done.exception()
    results = [error] * len(queue) if error is not None else done.result()
    for (_, future), result in zip(queue, results, strict=True):
        settle(future, result)
