"""Reservations against a model of a few lines of Python: whatever Hypothesis does to both, they agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from backendhub.kit import clock, reservation
from backendhub.kit.db import Store, connect
from backendhub.kit.errors import Conflict
from backendhub.kit.reservation import HoldOver, Nights, Slot, State, Unavailable, Units

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
worlds = count(1)
GOODS = ("mug", "cap")
SEATS = tuple(f"A-{n}" for n in range(1, 6))
ARRIVALS = tuple(date(2026, 3, n) for n in range(1, 7))
Stay = tuple[date, int]


@dataclass
class Held:
    """A hold as it was asked for; `expires` None: never. A night is a seat that is named after its date."""

    state: State
    expires: datetime | None
    units: dict[str, int] = field(default_factory=dict)
    seats: set[str] = field(default_factory=set)


class Model:
    """What reservations are, said as plainly as possible: nothing is counted, everything is looked at."""

    def __init__(self) -> None:
        self.now = START
        self.total = dict.fromkeys(GOODS, 0)
        self.holds: dict[str, Held] = {}

    def live(self, held: Held) -> bool:
        if held.state is State.HELD:
            return held.expires is None or held.expires > self.now
        return held.state is State.CONFIRMED

    def free(self, good: str) -> int:
        return self.total[good] - sum(h.units.get(good, 0) for h in self.holds.values() if self.live(h))

    def busy(self, seat: str) -> bool:
        return any(seat in h.seats for h in self.holds.values() if self.live(h))

    def missing(self, units: dict[str, int], seats: set[str]) -> list[str]:
        short = [good for good, n in sorted(units.items()) if self.free(good) < n]
        return short + sorted(seat for seat in seats if self.busy(seat))


def nights(stay: Stay | None) -> set[str]:
    """The nights of a stay by their dates."""
    return {(stay[0] + timedelta(days=n)).isoformat() for n in range(stay[1])} if stay else set()


class ReservationMachine(RuleBasedStateMachine):
    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.world = f"w{next(worlds)}"
        self.model = Model()
        with self.at_now():
            for good, many in (("mug", 6), ("cap", 3)):
                self.restock(good, many)

    @contextmanager
    def at_now(self) -> Iterator[None]:
        with clock.traveling(self.model.now):
            yield

    def restock(self, good: str, many: int) -> None:
        self.store.unit(reservation.restock, f"{self.world}:{good}", many)
        self.model.total[good] += many

    def items(
        self, units: dict[str, int], seats: set[str], stay: Stay | None = None
    ) -> list[Units | Slot | Nights]:
        goods = [Units(f"{self.world}:{good}", n) for good, n in units.items()]
        room = [Nights(f"{self.world}:room", stay[0], stay[0] + timedelta(days=stay[1]))] if stay else []
        return [*goods, *room, *(Slot(f"{self.world}:show", seat) for seat in seats)]

    wanted_units = st.dictionaries(st.sampled_from(GOODS), st.integers(1, 4), max_size=2)
    wanted_seats = st.sets(st.sampled_from(SEATS), max_size=3)
    wanted_stay = st.none() | st.tuples(st.sampled_from(ARRIVALS), st.integers(1, 4))
    ttls = st.sampled_from([None, 5, 60, 600])

    @rule(units=wanted_units, seats=wanted_seats, stay=wanted_stay, ttl=ttls, sold=st.booleans())
    def hold(
        self, units: dict[str, int], seats: set[str], stay: Stay | None, ttl: int | None, sold: bool
    ) -> None:
        if not units and not seats and not stay:
            return
        slots = seats | nights(stay)
        expected = self.model.missing(units, slots)
        span = None if ttl is None or sold else timedelta(seconds=ttl)

        def make() -> str:
            items = self.items(units, seats, stay)
            if sold:
                return self.store.unit(reservation.take, items, owner=self.world).id
            return self.store.unit(reservation.hold, items, ttl=span, owner=self.world).id

        with self.at_now():
            if expected:
                with pytest.raises(Unavailable) as caught:
                    make()
                assert [name.partition(":")[2] or name for name in caught.value.details["items"]] == expected
            else:
                state = State.CONFIRMED if sold else State.HELD
                expires = None if span is None else self.model.now + span
                self.model.holds[make()] = Held(state, expires, dict(units), slots)

    def pick(self, data: st.DataObject) -> tuple[str, Held]:
        id = data.draw(st.sampled_from(sorted(self.model.holds)))
        return id, self.model.holds[id]

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        id, held = self.pick(data)
        with self.at_now():
            if self.model.live(held):
                assert self.store.unit(reservation.confirm, id).state is State.CONFIRMED
                held.state = State.CONFIRMED
            else:
                with pytest.raises(HoldOver):
                    self.store.unit(reservation.confirm, id)

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), seconds=st.sampled_from([1, 60]))
    def extend(self, data: st.DataObject, seconds: int) -> None:
        id, held = self.pick(data)
        with self.at_now():
            if self.model.live(held) and held.state is State.HELD:
                self.store.unit(reservation.extend, id, timedelta(seconds=seconds))
                held.expires = self.model.now + timedelta(seconds=seconds)
            else:
                with pytest.raises(HoldOver):
                    self.store.unit(reservation.extend, id, timedelta(seconds=seconds))

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), confirmed=st.booleans())
    def end(self, data: st.DataObject, confirmed: bool) -> None:
        id, held = self.pick(data)
        act = reservation.cancel if confirmed else reservation.release
        wrong = (held.state is State.CONFIRMED) != confirmed and held.state is not State.RELEASED
        with self.at_now():
            if wrong:
                with pytest.raises(Conflict):
                    self.store.unit(act, id)
            else:
                ended = self.store.unit(act, id)
                if self.model.live(held):
                    held.state = State.RELEASED
                over = State.RELEASED if held.state is State.RELEASED else State.EXPIRED
                assert ended.state is over  # whether or not it was swept

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), units=wanted_units, seats=wanted_seats, stay=wanted_stay)
    def add(self, data: st.DataObject, units: dict[str, int], seats: set[str], stay: Stay | None) -> None:
        id, held = self.pick(data)
        if held.state is State.CONFIRMED or not (units or seats or stay):
            return
        new = (seats | nights(stay)) - held.seats
        with self.at_now():
            if not self.model.live(held):
                with pytest.raises(HoldOver):
                    self.store.unit(reservation.add, id, self.items(units, seats, stay))
            elif self.model.missing(units, new):
                with pytest.raises(Unavailable):
                    self.store.unit(reservation.add, id, self.items(units, seats, stay))
            else:
                self.store.unit(reservation.add, id, self.items(units, seats, stay))
                held.seats |= new
                for good, n in units.items():
                    held.units[good] = held.units.get(good, 0) + n

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), units=wanted_units, seats=wanted_seats)
    def drop(self, data: st.DataObject, units: dict[str, int], seats: set[str]) -> None:
        id, held = self.pick(data)
        if held.state is State.CONFIRMED or not (units or seats):
            return
        has = seats <= held.seats and all(held.units.get(good, 0) >= n for good, n in units.items())
        with self.at_now():
            if not self.model.live(held) or not has:
                with pytest.raises(Conflict):
                    self.store.unit(reservation.drop, id, self.items(units, seats))
                return
            self.store.unit(reservation.drop, id, self.items(units, seats))
        held.seats -= seats
        for good, n in units.items():
            held.units[good] -= n

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data())
    def ship(self, data: st.DataObject) -> None:
        id, held = self.pick(data)
        with self.at_now():
            if held.state is not State.CONFIRMED:
                with pytest.raises(Conflict):
                    self.store.unit(reservation.ship, id)
                return
            assert not self.store.unit(reservation.ship, id).units
        for good, n in held.units.items():
            self.model.total[good] -= n
        held.units.clear()

    @rule(good=st.sampled_from(GOODS), many=st.integers(-3, 3))
    def stock(self, good: str, many: int) -> None:
        with self.at_now():
            if many < 0 and self.model.free(good) < -many:
                with pytest.raises(Unavailable):
                    self.store.unit(reservation.restock, f"{self.world}:{good}", many)
            else:
                self.restock(good, many)

    @rule(seconds=st.sampled_from([1, 5, 60, 600]))
    def wait(self, seconds: int) -> None:
        self.model.now += timedelta(seconds=seconds)

    @rule()
    def sweep(self) -> None:
        with self.at_now():
            self.store.unit(reservation.sweep, 10_000)

    @invariant()
    def what_is_taken_agrees(self) -> None:
        with self.at_now():
            taken = {c.slot for c in self.store.read(reservation.claims, f"{self.world}:show")}
            assert taken == {seat for seat in SEATS if self.model.busy(seat)}
            booked = {c.slot for c in self.store.read(reservation.claims, f"{self.world}:room")}
            days = {(ARRIVALS[0] + timedelta(days=n)).isoformat() for n in range(len(ARRIVALS) + 4)}
            assert booked == {day for day in days if self.model.busy(day)}
            for good in GOODS:
                stock = self.store.read(reservation.stock, f"{self.world}:{good}")
                assert stock.total == self.model.total[good]
                assert stock.free <= self.model.free(good) <= stock.free + stock.held

    def teardown(self) -> None:
        with self.at_now():
            for id, held in self.model.holds.items():
                found = self.store.read(reservation.get, id)
                if self.model.live(held):
                    assert found.state is held.state
                    assert {s.slot for s in found.slots} == held.seats
                    units = {u.resource.partition(":")[2]: u.quantity for u in found.units}
                    assert units == {good: n for good, n in held.units.items() if n}
            report = self.store.read(reservation.verify)
            assert report.ok, report
            for id in (
                self.model.holds
            ):  # worlds share a store, but not their clocks: leave nothing that may expire
                if self.store.read(reservation.get, id).state is State.HELD:
                    self.store.unit(reservation.release, id)
            self.store.unit(reservation.sweep, 10_000)


def test_reservations_are_their_model_on_sqlite() -> None:
    ReservationMachine.store = connect(":memory:")
    ReservationMachine.store.use("reservation")
    run(examples=60, steps=30)
    ReservationMachine.store.close()


@pytest.mark.postgres
def test_reservations_are_their_model_on_postgres(postgres_url: str) -> None:
    ReservationMachine.store = connect(postgres_url)
    ReservationMachine.store.use("reservation")
    run(examples=8, steps=20)
    ReservationMachine.store.close()


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        ReservationMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
