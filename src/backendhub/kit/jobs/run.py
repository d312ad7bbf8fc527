"""What a handler that is no unit of work is given: its job, progress, cancellation, and the store."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from backendhub.kit.db import Db

from .models import Cancelled, Job, LeaseLost
from .queue import finish

if TYPE_CHECKING:
    from backendhub.kit.hub import Hub

    from .declared import Kind

T = TypeVar("T")
P = ParamSpec("P")


class Run:
    """One run of a job. Its effects happen at least once: a worker that dies leaves the job to another."""

    def __init__(self, hub: Hub, job: Job, kind: Kind, pool: Executor | None = None) -> None:
        self.hub = hub
        self.pool = pool
        """Where units of work of async handlers run."""
        self.job = job
        self.kind = kind
        self.stopped = threading.Event()
        self.why = ""
        self.finished = False
        self.told: tuple[float | None, str | None] | None = None
        """Progress that the next heartbeat writes down."""

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self.job.attempts

    def progress(self, done: float | None = None, note: str | None = None) -> None:
        """Tells how far the job has come (0 to 1) and what it is at. Costs next to nothing: it is written down once a
        second. Raises Cancelled where the job is to stop."""
        self.check()
        self.told = (None if done is None else min(max(done, 0.0), 1.0), note)

    def check(self) -> None:
        """Raises Cancelled where somebody has cancelled the job, its time is up or its lease is lost."""
        if self.stopped.is_set():
            raise Cancelled(self.why)

    def sleep(self, seconds: float) -> None:
        """Waits, in a thread. Raises Cancelled at once where the job is to stop."""
        self.stopped.wait(seconds)
        self.check()

    def stop(self, why: str) -> None:
        """Asks the handler to stop; the worker calls this."""
        self.why = why
        self.stopped.set()

    def finish(self, fn: Callable[Concatenate[Db, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs the last unit of work and marks the job done in the same transaction.

        Raises LeaseLost, and rolls the unit back, where the job has passed to another worker or was cancelled.
        """
        value = self.hub.store.unit(self.last(fn), *args, **kwargs)
        self.finished = True
        return value

    async def aunit(self, fn: Callable[Concatenate[Db, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `fn(db, …)` in one writing transaction, from an async handler."""
        return await self._hop(partial(self.hub.store.unit, fn, *args, **kwargs))

    async def aread(self, fn: Callable[Concatenate[Db, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `fn(db, …)` in one transaction that takes no write lock, from an async handler."""
        return await self._hop(partial(self.hub.store.read, fn, *args, **kwargs))

    async def afinish(self, fn: Callable[Concatenate[Db, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """`finish`, from an async handler."""
        return await self._hop(partial(self.finish, fn, *args, **kwargs))

    async def _hop(self, fn: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.pool, fn)

    def last(self, fn: Callable[Concatenate[Db, P], T]) -> Callable[Concatenate[Db, P], T]:
        """`fn` with the mark that the job is done at its end."""

        def whole(db: Db, /, *args: P.args, **kwargs: P.kwargs) -> T:
            value = fn(db, *args, **kwargs)
            if not finish(db, self.job, value, keep=self.kind.keep):
                raise LeaseLost(f"job {self.job.id}, attempt {self.job.attempts}")
            return value

        return whole


class Threads(Executor):
    """Threads that do not keep the process alive, made as they are needed.

    A handler that never returns must not hang the end of the server; ThreadPoolExecutor would wait for it.
    """

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._name = name
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._threads = 0
        self._idle = 0
        self._lock = threading.Lock()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Runs `fn` in one of the threads, as soon as one is free."""
        future: Future[T] = Future()
        with self._lock:
            self._work.put((future, lambda: fn(*args, **kwargs)))
            if self._idle < self._work.qsize() and self._threads < self._limit:
                self._threads += 1
                name = f"{self._name}-{self._threads}"
                threading.Thread(target=self._serve, name=name, daemon=True).start()
        return future

    def _serve(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            item = self._work.get()
            with self._lock:
                self._idle -= 1
            if item is None:
                return
            future, fn = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(fn())
            except BaseException as error:
                future.set_exception(error)
            del item, future, fn  # or the next job would be waited for with the last one's values in memory

    @property
    def busy(self) -> bool:
        """Whether anything runs in them or waits for one."""
        with self._lock:
            return self._idle < self._threads or not self._work.empty()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Lets the threads end when they have nothing left to do; waits for none of them."""
        for _ in range(self._threads):
            self._work.put(None)
