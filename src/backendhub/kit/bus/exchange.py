"""The part of a process that sends and reads: it lives in the worker's event loop, beside the jobs.

A bus that is away costs nothing but time: events wait in the store, and everything is begun anew until it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from backendhub.kit import ids
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, StoreError
from backendhub.kit.jobs.run import Threads
from backendhub.kit.outbox.relay import SENDING

from . import intake, leases, sender, store
from .base import Bus, BusLost, Received

if TYPE_CHECKING:
    from backendhub.kit.hub import Hub

T = TypeVar("T")
log = logging.getLogger("backendhub.bus")
BATCH = 200
BEAT_S = 1.0
IDLE_S = 5.0
FIRST_RETRY_S, LAST_RETRY_S = 0.1, 3.0
CANCEL_AGAIN_S = 2.0
BACKLOG = 10_000
"""So many jobs may wait in the store; then messages stay with the bus."""


class Exchange:
    """Sends what a store hands on, and takes in what others send."""

    def __init__(self, hub: Hub, bus: Bus, *, lease: float = leases.LEASE_S, backlog: int = BACKLOG) -> None:
        self.hub, self.bus = hub, bus
        self.lease, self.backlog = lease, backlog
        self.id = ids.uuid7()
        self.group = ""
        self.sends = False
        self.readers: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._threads = Threads(1 if not hub.store.blocking else 4, "bus")

    # -- life ------------------------------------------------------------------------------------------------

    async def beside(self, work: Coroutine[Any, Any, T], *, once: bool = False) -> T:
        """Runs as long as `work` does; with `once` takes in before it what is there, and sends after it what waits."""
        self.hub.use("outbox", "jobs")
        if once:
            await self._once(self._receive_all)
            value = await work
            await self._once(self._flush)
            return value
        with contextlib.suppress(HubError):  # before the first event is handed on, or it would not be sent
            await self._hop(self.hub.store.unit, leases.identity)
        task = asyncio.create_task(self.run())
        try:
            return await work
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        wake = partial(_quietly, partial(loop.call_soon_threadsafe, self._wake.set))
        listener = partial(_listen, wake)
        self.hub.store.listeners.append(listener)
        end_watch = self.hub.store.watch(wake)
        delay = FIRST_RETRY_S
        try:
            while True:
                began = loop.time()
                try:
                    await self._work()
                except HubError as error:
                    self._tell(error)
                except Exception:
                    log.exception("the bus is begun anew")
                await self._stop()
                delay = FIRST_RETRY_S if loop.time() - began > LAST_RETRY_S else min(delay * 2, LAST_RETRY_S)
                await asyncio.sleep(delay)
        finally:
            self.hub.store.listeners.remove(listener)
            end_watch()
            await asyncio.shield(self._stop())
            self._threads.shutdown()

    def _tell(self, error: HubError) -> None:
        if self.bus.trouble is None or not isinstance(error, BusLost):
            log.warning("%s", error.message)
        if isinstance(error, BusLost):
            self.bus.trouble = error.message

    async def _work(self) -> None:
        """From a connection to its end. Raises BusLost."""
        await self._begin()
        tasks = [asyncio.create_task(self._send_forever()), asyncio.create_task(self._beat_forever())]
        try:
            while True:
                everything = [*tasks, *self.readers.values()]
                await asyncio.wait(everything, timeout=BEAT_S, return_when=asyncio.FIRST_EXCEPTION)
                for task in (*tasks, *self.readers.values()):  # those that have begun meanwhile as well
                    if task.cancelled():  # not by us: those are not among them any more
                        raise BusLost(self.bus.shown, "its client has given up")
                    if task.done() and (error := task.exception()) is not None:
                        raise error
                for number in [n for n, task in self.readers.items() if task.done()]:
                    del self.readers[number]
        finally:
            await _ended(tasks)

    async def _begin(self) -> None:
        self.group = await self._hop(self.hub.store.unit, leases.identity)
        positions = await self.bus.join(self.group)
        await self._hop(self.hub.store.unit, leases.prepare, self.bus.kind, positions)
        if self.bus.trouble is not None:
            log.warning("the bus at %s is back", self.bus.shown)
            self.bus.trouble = None

    async def _stop(self) -> None:
        """Ends every reader and gives the leases back, so that others need not wait for their end."""
        await _ended(list(self.readers.values()))
        self.readers.clear()
        self.sends = False
        with contextlib.suppress(HubError):
            await self._hop(self.hub.store.unit, leases.resign, self.id)
        await self.bus.close()

    # -- who does what ---------------------------------------------------------------------------------------

    async def _beat_forever(self) -> None:
        while True:
            await self._beat()
            await asyncio.sleep(min(BEAT_S, self.lease / 4))

    async def _beat(self) -> None:
        unit = self.hub.store.unit
        share = await self._hop(unit, leases.beat, self.bus.kind, self.id, self.lease)
        self.sends = share.sends
        if share.sends:
            self._wake.set()
        waiting = await self._hop(self.hub.store.read, _waiting, self.backlog)
        (self._room.clear if waiting >= self.backlog else self._room.set)()
        lost = [n for n in self.readers if n not in share.reads or n in share.surplus]
        await _ended([self.readers.pop(n) for n in lost])
        for number in share.surplus:
            await self._hop(unit, leases.release, self.bus.kind, self.id, number)
        for number, position in share.reads.items():
            if number not in self.readers and number not in share.surplus:
                self.readers[number] = asyncio.create_task(self._read_forever(number, position))

    # -- reading ---------------------------------------------------------------------------------------------

    async def _read_forever(self, number: int, position: str) -> None:
        """Reads a partition until its lease is lost or the bus is."""
        reader = await self.bus.read(self.group, number, position)
        try:
            while True:
                await self._room.wait()
                received = await reader.take(BATCH)
                await self._room.wait()  # it may have filled up while this waited
                if received and not await self._take_in(number, received):
                    return
                if received:
                    await reader.done()
        finally:
            await asyncio.shield(reader.close())

    async def _take_in(self, number: int, received: Sequence[Received]) -> bool:
        """Takes messages in, however long the store is away; False where another reads the partition now."""
        lease = (self.bus.kind, self.id, number)
        take: Callable[..., int] = intake.take
        delay = FIRST_RETRY_S
        while True:
            try:
                await self._hop(self.hub.store.unit, take, lease, self.group, received)
                return True
            except intake.Taken:
                return False
            except StoreError as error:
                log.warning("events cannot be taken in: %s", error.message)
                await asyncio.sleep(delay)
                delay = min(delay * 2, LAST_RETRY_S)
            except (HubError, ValueError):
                if take is intake.take_each:
                    raise
                take = intake.take_each

    # -- sending ---------------------------------------------------------------------------------------------

    async def _send_forever(self) -> None:
        while True:
            self._wake.clear()
            if self.sends:
                await self._send_all()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_S):
                    await self._wake.wait()

    async def _send_all(self) -> None:
        while True:
            found = await self._hop(self.hub.store.read, sender.batch, self.bus, self.group)
            if found is None:
                return
            for wave in found.waves:
                await self.bus.publish(wave)
            await self._hop(self.hub.store.unit, sender.sent, found)

    # -- once ------------------------------------------------------------------------------------------------

    async def _once(self, part: Callable[[leases.Share], Coroutine[Any, Any, None]]) -> None:
        try:
            await self._begin()
            share = await self._hop(self.hub.store.unit, leases.beat, self.bus.kind, self.id, self.lease)
            await part(share)
        except BusLost as error:
            self._tell(error)
        finally:
            await self._stop()

    async def _flush(self, share: leases.Share) -> None:
        if share.sends:
            await self._send_all()

    async def _receive_all(self, share: leases.Share) -> None:
        """Reads every partition that is free until nothing has come for a second."""
        await asyncio.gather(*(self._receive(n, position) for n, position in share.reads.items()))

    async def _receive(self, number: int, position: str) -> None:
        reader = await self.bus.read(self.group, number, position)
        try:
            while received := await reader.take(BATCH):
                if not await self._take_in(number, received):
                    return
                await reader.done()
        finally:
            await reader.close()

    def _hop(self, fn: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, partial(fn, *args))


def _waiting(db: Db, limit: int) -> int:
    return int(db.value(store.BACKLOG, limit=limit))


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancels tasks and waits for their end; how they end does not matter any more.

    More than once, for a client of a server may swallow it (nats-py does when it flushes, and so does `wait_for` of
    Python 3.11 when what it waits for comes in the same turn), and then its task would go on for ever.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
        for task in done:
            if not task.cancelled():
                task.exception()


def _listen(wake: Callable[[], Any], topic: str) -> None:
    if topic == SENDING:
        wake()


def _quietly(wake: Callable[[], Any]) -> None:
    """Wakes a loop that may be gone already."""
    with contextlib.suppress(RuntimeError):
        wake()
