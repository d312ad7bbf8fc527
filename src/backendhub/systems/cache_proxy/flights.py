"""Asking the origin, once for everybody who wants the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backendhub.kit import clock
from backendhub.kit.edge import Incoming, Interim, Origin
from backendhub.kit.errors import Upstream

from . import rules
from .answers import length_of
from .entry import Entry, prepared
from .fields import Fields, value
from .rules import Asked, Freshness, Policy, Verdict
from .spool import Spool
from .vary import key as variant_of
from .vary import nominated

if TYPE_CHECKING:
    from .shelf import Shelf
    from .stats import Stats

NOTHING = Verdict(False, "")
PRIVATE_S = 10.0
"""How long a key is not shared after its answer turned out to be for one client."""
MAX_PRIVATE = 10_000


@dataclass(slots=True)
class Landed:
    """What came back, once its head is there."""

    status: int = 0
    fields: Fields = field(default_factory=list)
    received: float = 0.0
    verdict: Verdict = NOTHING
    variant: tuple[str | None, ...] = ()
    names: tuple[str, ...] = ()
    spool: Spool | None = None
    """The body, where it may be shared."""
    incoming: Incoming | None = None
    """The answer itself, where it is for one client alone."""
    entry: Entry | None = None
    """What is stored and may be used: it was validated, or may be served stale."""
    stale_why: str = ""
    error: Upstream | None = None


@dataclass(slots=True, eq=False)
class Flight:
    """One request to the origin and those who wait for it."""

    landed: asyncio.Future[Landed]
    interim: Callable[[Interim], None] | None = None
    passengers: int = 1
    task: asyncio.Task[None] | None = None


class Flights:
    """Fetches for one shelf."""

    def __init__(self, origin: Origin, shelf: Shelf, policy: Policy, stats: Stats, max_object: int) -> None:
        self.origin, self.shelf, self.policy, self.stats = origin, shelf, policy, stats
        self.max_object = max_object
        self.running: dict[object, Flight] = {}
        self.private: dict[bytes, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def shareable(self, key: bytes) -> bool:
        """Whether a fetch of this key is worth waiting for: its last answer was for all."""
        until = self.private.get(key)
        if until is None:
            return True
        if clock.steady() < until:
            return False
        del self.private[key]
        return True

    def join(self, ticket: object) -> Flight | None:
        """The fetch that is under way for the same, if there is one."""
        flight = self.running.get(ticket)
        if flight is not None:
            flight.passengers += 1
            self.stats.collapsed += 1
        return flight

    def start(
        self,
        ticket: object | None,
        key: bytes,
        target: bytes,
        headers: Fields,
        asked: Asked,
        *,
        entry: Entry | None = None,
        interim: Callable[[Interim], None] | None = None,
    ) -> Flight:
        """Begins a fetch. With a `ticket` others can join it. `entry` is validated."""
        loop = asyncio.get_running_loop()
        flight = Flight(loop.create_future(), interim)
        if ticket is not None:
            self.running[ticket] = flight
        task = loop.create_task(self._fly(flight, ticket, key, target, headers, asked, entry))
        flight.task = task
        self.keep(task)
        return flight

    async def _fly(
        self,
        flight: Flight,
        ticket: object | None,
        key: bytes,
        target: bytes,
        headers: Fields,
        asked: Asked,
        entry: Entry | None,
    ) -> None:
        try:
            await self._ask(flight, key, target, headers, asked, entry)
        except Exception as error:
            if not flight.landed.done():
                failed = error if isinstance(error, Upstream) else Upstream(f"The fetch failed: {error}.")
                flight.landed.set_result(Landed(error=failed))
        finally:
            if ticket is not None and self.running.get(ticket) is flight:
                del self.running[ticket]
            if not flight.landed.done():
                flight.landed.set_result(Landed(error=Upstream("The fetch was given up.")))

    async def _ask(
        self, flight: Flight, key: bytes, target: bytes, headers: Fields, asked: Asked, entry: Entry | None
    ) -> None:
        sent = headers + conditions_of(entry) if entry is not None else headers
        start = clock.steady()
        self.stats.fetches += 1
        try:
            incoming = await self.origin.send(b"GET", target, sent, interim=flight.interim)
        except Upstream as error:
            self.stats.errors += 1
            why = entry and rules.stale_on_error(asked, entry.fresh, clock.steady(), self.policy, status=None)
            landed = Landed(entry=entry, stale_why=str(why)) if why else Landed(error=error)
            flight.landed.set_result(landed)
            return
        received = clock.steady()
        if entry is not None:
            if incoming.status == 304:
                incoming.close()
                if self._validated(entry, incoming, start, received):
                    flight.landed.set_result(Landed(304, incoming.headers, received, entry=entry))
                else:  # it is about something else that the origin believes us to have (RFC 9111 §4.3.4)
                    await self._ask(flight, key, target, headers, asked, None)
                return
            if incoming.status in rules.ERRORS:
                why = rules.stale_on_error(asked, entry.fresh, received, self.policy, status=incoming.status)
                if why:
                    incoming.close()
                    flight.landed.set_result(
                        Landed(incoming.status, received=received, entry=entry, stale_why=why)
                    )
                    return
        await self._take(flight, key, asked, incoming, start, received)

    def _validated(self, entry: Entry, incoming: Incoming, start: float, received: float) -> bool:
        """Takes a 304 over; False where it is not about this entry."""
        new, old = value(incoming.headers, b"etag"), value(entry.fields, b"etag")
        if new is not None and old is not None and new != old and not new.startswith(b"W/"):
            return False
        self.freshen(entry, incoming.headers, start, received)
        return True

    def freshen(self, entry: Entry, answer: Fields, start: float, received: float) -> None:
        """Updates an entry by a 304, or by the answer to a HEAD."""
        before = entry.tags
        dated = answer if value(answer, b"date") else [*answer, *prepared([], received)]
        fields = rules.refreshed(entry.fields, dated)
        age = [pair for pair in answer if pair[0] == b"age"]
        entry.freshen(dated, Freshness.of(entry.status, fields + age, start, received, self.policy))
        self.shelf.retag(entry, before)
        if self.shelf.disk is not None and entry.file is not None and not entry.gone:
            self.shelf.disk.update(entry)
        self.stats.validated += 1

    async def _take(
        self, flight: Flight, key: bytes, asked: Asked, incoming: Incoming, start: float, received: float
    ) -> None:
        """Shares an answer that may be stored, and hands any other to the one who asked for it."""
        verdict = self.judged(asked, incoming, received)
        landed = Landed(incoming.status, incoming.headers, received, verdict)
        landed.names = nominated(incoming.headers)
        landed.variant = variant_of(landed.names, asked.fields)
        if not verdict.stored:
            self.forget(key, asked, incoming)
            landed.incoming = incoming
            flight.landed.set_result(landed)
            return
        landed.spool = self.spool()
        flight.landed.set_result(landed)
        await self.fill(key, landed, incoming, start)

    def judged(
        self, asked: Asked, incoming: Incoming, received: float, *, status: int | None = None
    ) -> Verdict:
        """Whether an answer may be stored, by the rules and by what is known of its end; as one of another status where
        it is a part of that."""
        verdict = rules.storable(asked, status or incoming.status, incoming.headers, received, self.policy)
        if verdict.stored and not incoming.framed:
            return Verdict(False, "nothing says where the body ends")
        length = length_of(incoming.headers)
        if verdict.stored and length is not None and length > self.max_object:
            return Verdict(False, f"{length} bytes are more than max_object")
        return verdict

    def fitting(self, verdict: Verdict, span: tuple[int, int, int], length: int | None) -> Verdict:
        """Whether a part may be stored: one that has as many bytes as it says, of something that is not too large."""
        first, end, size = span
        if length != end - first:
            return Verdict(False, "Content-Length is not what Content-Range says")
        if size > self.max_object or length > self.shelf.partials.limit // 2:
            return Verdict(False, f"a part of {length} bytes of {size} is too large")
        return verdict

    def forget(self, key: bytes, asked: Asked, incoming: Incoming) -> None:
        """A newer answer that may not be stored replaces what was, which must not come back; and for a while nobody
        waits for another like it. Where it is the request that forbids storing, nothing is learnt about the rest."""
        if "no-store" in asked.told or b"authorization" in asked.fields or incoming.status >= 500:
            return
        if len(self.private) > MAX_PRIVATE:
            self.private.clear()
        self.private[key] = clock.steady() + PRIVATE_S
        self.shelf.partials.drop([key])
        if (old := self.shelf.find(key, asked.fields)) is not None:
            self.shelf.drop(old)

    def spool(self) -> Spool:
        """Room for a body."""
        return Spool(self.shelf.disk.part() if self.shelf.disk is not None else None)

    async def fill(self, key: bytes, landed: Landed, incoming: Incoming, start: float) -> None:
        """Takes in a body; only when it has arrived to its end is it stored."""
        spool = landed.spool
        assert spool is not None
        too_large = False
        try:
            async for part in incoming.parts():
                spool.append(part)
                self.stats.bytes_in += len(part)
                if spool.size > self.max_object:
                    too_large = True
                    await spool.room()
        except (ConnectionError, TimeoutError) as error:
            self.stats.truncated += not too_large
            spool.fail(error if isinstance(error, ConnectionError) else ConnectionError("it took too long"))
            spool.close(remove=True)
            return
        except BaseException:
            spool.fail(ConnectionError("the server stops"))
            spool.close(remove=True)
            raise
        if not too_large:
            self._store(key, landed, spool, start)
        spool.end()
        spool.close(remove=too_large)

    def _store(self, key: bytes, landed: Landed, spool: Spool, start: float) -> None:
        fields = prepared(landed.fields, landed.received)
        fresh = Freshness.of(landed.status, landed.fields, start, landed.received, self.policy)
        body = None if spool.path is not None else spool.body()
        entry = Entry(
            key,
            landed.status,
            fields,
            fresh,
            landed.variant,
            spool.size,
            body,
            landed.received,
            crcs=spool.crcs,
        )
        disk = self.shelf.disk
        if disk is not None:
            spool.end()  # flushed, so that the file is whole before it gets its name
            try:
                disk.write(entry, spool.path)
            except OSError as error:  # a full disk: served, and kept in memory where it is small
                self.stats.disk_errors += 1
                self.stats.last_disk_error = str(error)
                if body is None:
                    return
        self.shelf.put(entry)
        self.stats.stored += 1

    def put_whole(self, key: bytes, landed: Landed, body: bytes, start: float) -> None:
        """Stores a response whose parts have all come."""
        landed.spool = spool = self.spool()
        spool.append(body)
        self._store(key, landed, spool, start)
        spool.end()
        spool.close(remove=False)

    def keep(self, task: asyncio.Task[None]) -> None:
        """Holds on to work that nobody waits for."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Gives up what is under way."""
        for task in list(self._tasks):
            task.cancel()
        self.origin.close()


def conditions_of(entry: Entry) -> Fields:
    """What asks whether an entry is still good (RFC 9111 §4.3.1)."""
    found = []
    if (etag := value(entry.fields, b"etag")) is not None:
        found.append((b"if-none-match", etag))
    if (modified := value(entry.fields, b"last-modified")) is not None:
        found.append((b"if-modified-since", modified))
    return found


async def drained(incoming: Incoming, stats: Stats) -> AsyncIterator[bytes]:
    """The body of an answer that goes to one client, counted."""
    async for part in incoming.parts():
        stats.bytes_in += len(part)
        yield part
