"""The worker: takes jobs under a lease, runs them, keeps the lease, and ends without losing one.

It lives in an event loop (of `serve` or of `backendhub jobs run`) that it never blocks: whatever touches the store
runs in threads. On SQLite there is one thread for the queue and for handlers that are units of work, because the
file has one writer; on PostgreSQL there are several.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from backendhub.kit import clock, ids, telemetry
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, HubError, StoreError

from . import declared, queue
from .declared import Kind, Modules
from .failures import OutOfTime, told
from .models import Cancelled, GiveUp, Job, Later, LeaseLost
from .run import Run, Threads

if TYPE_CHECKING:
    from backendhub.kit.hub import Hub

T = TypeVar("T")
log = logging.getLogger("backendhub.jobs")

LEASE_S = 60.0
CONCURRENCY = 10
BEAT_S = 1.0
IDLE_S = 30.0
"""How long a worker sleeps at most when nothing wakes it."""
GRACE_S = 8.0
"""How long running jobs may go on when the worker is told to stop."""
QUIET_S = 6.0
"""How long to wait for a statement that is under way: longer than SQLite waits for its lock."""
TIDY_S = 60.0
STOPS = "the worker stops"


class Source(Protocol):
    """Something else that makes jobs of what is in the store (the outbox); looked at whenever the worker wakes."""

    part: str
    """The part of the kit whose tables it needs."""

    def waiting(self, db: Db) -> bool:
        """Whether there is something to do. Takes no write lock."""

    def pump(self, db: Db) -> None:
        """Does it."""

    def tidy(self, db: Db) -> None:
        """Forgets what is old."""


class Worker:
    """Runs the jobs of a store. `await worker.run()` until it is cancelled; with `once`, until nothing is due."""

    def __init__(
        self,
        hub: Hub,
        modules: Modules,
        *,
        sources: Sequence[Source] = (),
        queues: Sequence[str] = (),
        concurrency: int = CONCURRENCY,
        lease: float = LEASE_S,
        once: bool = False,
    ) -> None:
        """`queues` are those to serve (`mail`, `webhook.*`; none: all), each with up to `concurrency` jobs at a time; a lost worker's
        jobs are taken by another after `lease` seconds."""
        self.hub = hub
        self.modules = modules
        self.sources = sources
        self.queues = tuple(queues)
        self.concurrency = concurrency
        self.lease = lease
        self.once = once
        self.id = ids.uuid7()
        self.running: dict[tuple[int, int], Run] = {}
        self.tasks: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._places: Counter[str] = Counter()
        self.done = 0
        self._units = Threads(1 if not hub.store.blocking else 4, "jobs-unit")
        self._beats = Threads(1, "jobs-beat")
        self._work = Threads(4 * concurrency, "jobs-work")
        self._wake = asyncio.Event()
        self._woken = True

    # -- life ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Takes and runs jobs; on cancellation lets those that run go on for a moment and gives back the rest."""
        loop = asyncio.get_running_loop()
        store = self.hub.store
        self.hub.use("jobs", *(source.part for source in self.sources))
        wake = partial(loop.call_soon_threadsafe, self._wake.set)
        listener = partial(self._listen, wake)
        store.listeners.append(listener)
        end_watch = store.watch(partial(_quietly, wake))
        beats = asyncio.create_task(self._beat_forever())
        try:
            await self._take_forever()
        finally:
            store.listeners.remove(listener)
            end_watch()
            await asyncio.shield(self._drain())
            beats.cancel()
            await asyncio.shield(self._quiet())
            for pool in (self._units, self._beats, self._work):
                pool.shutdown()

    def _listen(self, wake: Callable[[], Any], topic: str) -> None:
        if topic == queue.TOPIC or topic in {source.part for source in self.sources}:
            _quietly(wake)

    async def _take_forever(self) -> None:
        declared_ = False
        tidied, patience = 0.0, 0.0
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            try:
                if not declared_:
                    await self._hop(self._declare)
                    declared_ = True
                jobs, due = await self._hop(self._take, Counter(self._places))
                if loop.time() - tidied > TIDY_S:
                    tidied = loop.time()
                    await self._hop(self._tidy)
                patience = 0.0
            except HubError as error:  # the store is busy, or gone for a moment: it will come back
                patience = min(patience * 2 + 0.2, 10.0)
                log.warning("the queue cannot be reached: %s", error.message)
                await self._sleep(patience)
                continue
            for job in jobs:
                self._start(job)
            if self.once and not jobs and not self.tasks and not self._wake.is_set():
                return
            await self._sleep(IDLE_S if due is None else min(IDLE_S, due))

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(
                max(seconds, 0.0)
            ):  # wait_for may swallow a cancellation (Python 3.11)
                await self._wake.wait()

    async def _drain(self) -> None:
        """Lets what runs end; gives back what does not."""
        await self._ends(GRACE_S)
        for key, run in list(self.running.items()):
            run.stop(STOPS)
            if run.kind.style == "async":
                self.tasks[key].cancel()
        await self._ends(2.0)
        for task in self.tasks.values():
            task.cancel()
        await self._ends(0.1)

    async def _quiet(self) -> None:
        """Waits for the threads that use the store: whoever stops the worker closes it next."""
        deadline = asyncio.get_running_loop().time() + QUIET_S
        while (self._units.busy or self._beats.busy) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.005)

    async def _ends(self, seconds: float) -> None:
        if self.tasks:
            await asyncio.wait(list(self.tasks.values()), timeout=seconds)

    # -- taking ----------------------------------------------------------------------------------------------

    def _declare(self) -> None:
        """Writes down what the code declares, where it has changed since the store was last used."""
        hashes = self.modules.hashes()
        for system in self.hub.store.read(declared.stale, hashes):
            try:
                kinds = self.modules.of(system)
            except Exception:
                log.exception("the jobs of %s cannot be imported", system)
                continue
            self.hub.store.unit(declared.adopt, system, hashes[system], kinds)

    def _take(self, busy: Counter[str]) -> tuple[list[Job], float | None]:
        """In a thread: what can run now, and the seconds until there is something to do again."""
        store = self.hub.store
        now = clock.wall()
        due, queues = store.read(self._look)
        if due is not None and due <= now:
            store.unit(queue.advance)
            due, queues = store.read(self._look)
        if any(store.read(source.waiting) for source in self.sources):
            for source in self.sources:
                store.unit(source.pump)
            due, queues = store.read(self._look)
            if any(store.read(source.waiting) for source in self.sources):
                due = now  # more than one pump takes at a time: come back at once
        taken: list[Job] = []
        for name in queues:
            free = self.concurrency - busy[name]
            if free > 0 and self._serves(name):
                taken += store.unit(queue.claim, name, limit=free, worker=self.id, lease=self.lease)
        if busy.total():
            for key in store.read(queue.cancelling, self.id):
                self._cancel(key)
        return taken, None if due is None else (due - clock.wall()).total_seconds()

    def _serves(self, name: str) -> bool:
        return not self.queues or any(fnmatchcase(name, pattern) for pattern in self.queues)

    def _look(self, db: Db) -> tuple[datetime | None, list[str]]:
        return queue.next_due(db), queue.ready_queues(db)

    def _cancel(self, key: tuple[int, int]) -> None:
        run = self.running.get(key)
        task = self.tasks.get(key)
        if run is not None and not run.stopped.is_set():
            run.stop("cancelled")
            if run.kind.style == "async" and task is not None:
                task.get_loop().call_soon_threadsafe(task.cancel)

    def _tidy(self) -> None:
        self.hub.store.unit(queue.tidy)
        for source in self.sources:
            self.hub.store.unit(source.tidy)

    # -- running ---------------------------------------------------------------------------------------------

    def _start(self, job: Job) -> None:
        key = (job.id, job.attempts)
        task = asyncio.create_task(self._one(job, key))
        self.tasks[key] = task
        self._places[job.queue] += 1
        task.add_done_callback(lambda _: self._ended(job.queue, key))

    def _ended(self, place: str, key: tuple[int, int]) -> None:
        self._places[place] -= 1
        self.tasks.pop(key, None)
        self.running.pop(key, None)
        self.done += 1
        self._wake.set()

    async def _one(self, job: Job, key: tuple[int, int]) -> None:
        """A job from its start to its end in the store."""
        try:
            known = self.modules.known(job.name)
            kind = await self._hop(self.modules.find, job.name) if known is None else known
        except Exception as error:  # a module that cannot be imported, a name that nobody knows
            log.warning("job %d (%s) cannot run: %s", job.id, job.name, error)
            await self._settle(queue.fail, job, str(error), 60.0)
            return
        run = self.running[key] = Run(self.hub, job, kind, self._units)
        telemetry.traceparent.set(job.traceparent)
        try:
            tracing = self.hub.tracing
            with contextlib.nullcontext() if tracing is None else tracing.job(job, (Cancelled, Later)):
                value = await self._within(kind, run)
            if not run.finished:
                await self._settle(queue.finish, job, value, keep=kind.keep, anyway=True)
        except asyncio.CancelledError:
            await self._stopped(run)
        except Cancelled as stop:
            if run.why == STOPS:
                await self._settle(queue.release, job)
            else:
                await self._settle(queue.end, job, "cancelled", str(stop), keep=kind.keep)
        except LeaseLost:
            # Cancelled in its last moment, or taken by another: only the former is still ours to end.
            await self._settle(queue.end, job, "cancelled", "cancelled", keep=kind.keep)
        except Later as wish:
            if wish.counts:
                await self._failed(run, str(wish), wish.seconds)
            else:
                await self._settle(queue.later, job, wish.seconds, str(wish))
        except GiveUp as error:
            log.warning("job %d (%s) gives up: %s", job.id, job.name, error)
            await self._settle(queue.fail, job, str(error), None)
        except Exception as error:
            state = await self._failed(run, told(error))
            log.warning(
                "job %d (%s), attempt %d failed: %s → %s", job.id, job.name, job.attempts, error, state
            )

    async def _within(self, kind: Kind, run: Run) -> Any:
        """Runs the handler within its time."""
        payload = run.job.payload
        if kind.style == "async":
            try:
                async with asyncio.timeout(kind.timeout) as limit:
                    return await kind.fn(run, **payload)
            except TimeoutError:
                if limit.expired():
                    raise OutOfTime(kind.timeout) from None
                raise  # one of the handler's own
        pool = self._units if kind.style == "unit" else self._work
        fn: Callable[..., Any] = self._unit if kind.style == "unit" else kind.fn
        context = contextvars.copy_context()
        work = asyncio.get_running_loop().run_in_executor(pool, partial(context.run, fn, run, **payload))
        work.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        done, _ = await asyncio.wait([work], timeout=kind.timeout)
        if not done:
            error = OutOfTime(kind.timeout)
            run.stop(str(error))
            await self._failed(run, str(error))
            run.finished = True
            await asyncio.wait([work])  # a thread cannot be ended: its place stays taken until it returns
            return None
        return work.result()

    def _unit(self, run: Run, **payload: Any) -> Any:
        run.check()
        return run.finish(run.kind.fn, **payload)

    async def _stopped(self, run: Run) -> None:
        """The task was cancelled: by somebody who wants the job gone, or because the worker stops."""
        if run.why == "cancelled":
            await self._settle(queue.end, run.job, "cancelled", "cancelled", keep=run.kind.keep)
        elif run.kind.style == "async":
            await self._settle(queue.release, run.job)
        # A thread goes on until the process ends; its lease keeps others away until then.

    async def _failed(self, run: Run, error: str, delay: float | None = None) -> str | None:
        kind = run.kind
        delay = kind.delay(run.attempt) if delay is None else delay
        return await self._settle(queue.fail, run.job, error, delay, attempts=kind.attempts, keep=kind.keep)

    async def _settle(self, fn: Callable[..., T], job: Job, *args: Any, **kwargs: Any) -> T | None:
        """Writes down how a run has ended, more than once if need be. If it never works, the lease runs out."""
        for wait in (0.05, 0.3, 1.0, 3.0, 10.0):
            try:
                return await self._hop(partial(self.hub.store.unit, fn, job, *args, **kwargs))
            except (StoreError, Conflict):  # a conflict: another job has come under the same key meanwhile
                await asyncio.sleep(wait)
        log.error("how job %d ended cannot be written down; it will run again", job.id)
        return None

    # -- heartbeat -------------------------------------------------------------------------------------------

    async def _beat_forever(self) -> None:
        loop = asyncio.get_running_loop()
        beaten = loop.time()
        while True:
            await asyncio.sleep(min(BEAT_S, self.lease / 4))
            runs = [run for run in self.running.values() if not run.finished]
            due = loop.time() - beaten > self.lease / 3
            told = [run for run in runs if run.told is not None]
            if not told and not (due and runs):
                continue
            if due:
                beaten = loop.time()
            try:
                await loop.run_in_executor(self._beats, self._beat, runs if due else [], told)
            except HubError as error:
                beaten = 0.0
                log.warning("a heartbeat failed: %s", error.message)

    def _beat(self, runs: list[Run], told: list[Run]) -> None:
        """In a thread: extends leases (not of those whose time is up), writes progress down."""
        alive = [run.job for run in runs if not run.stopped.is_set()]
        news = [(run.job, *run.told) for run in told if run.told is not None]
        for run in told:
            run.told = None

        def unit(db: Db) -> None:
            if alive:
                queue.extend(db, alive, self.lease)
            if news:
                queue.progress(db, news)

        self.hub.store.unit(unit)

    def _hop(self, fn: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._units, fn, *args)


def _quietly(wake: Callable[[], Any]) -> None:
    """Wakes a loop that may be gone already."""
    with contextlib.suppress(RuntimeError):
        wake()
