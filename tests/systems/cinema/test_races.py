"""Many at once, on both engines: one seat one ticket, groups whole or not at all, one scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from backendhub.kit import clock
from backendhub.kit.db import Store
from backendhub.systems.cinema.models import AlreadyScanned, SeatsTaken
from backendhub.systems.cinema.service import bookings, tickets
from backendhub.systems.cinema.service.bookings import Choice
from backendhub.systems.cinema.service.orders import Best


@pytest.fixture
def world(store: Store, building: Any, frozen: Callable[[str], None]) -> Any:
    """A cinema that is committed."""
    store.use("cinema")
    return store.unit(building)


def race(many: int, attempt: Callable[[int], Any]) -> Counter[str]:
    """Runs `attempt(n)` in `many` threads that start together and counts what came of it."""
    start = Barrier(many)

    def go(n: int) -> str:
        start.wait()
        try:
            attempt(n)
        except (SeatsTaken, AlreadyScanned) as error:
            return error.code
        return "got"

    with ThreadPoolExecutor(many) as pool:
        return Counter(pool.map(go, range(many)))


def test_two_hundred_buyers_one_seat_one_ticket(store: Store, world: Any, invariants: Any) -> None:
    def buy(n: int) -> None:
        store.unit(world.book, "A-1", name=f"buyer {n}")

    assert race(200, buy) == {"got": 1, "seats_taken": 199}
    assert store.read(lambda db: db.value("SELECT count(*) FROM cinema_ticket")) == 1
    assert store.read(lambda db: db.value("SELECT count(*) FROM cinema_booking")) == 1
    assert store.read(invariants)


def test_holds_side_by_side(store: Store, world: Any, invariants: Any) -> None:
    """Forty want two neighbours of the first two rows each: whoever gets them gets both."""

    def hold(n: int) -> None:
        row, first = "AB"[n % 2], n % 5 + 1
        kept = store.unit(world.hold, f"{row}-{first}", f"{row}-{first + 1}")
        store.unit(world.book, token=kept.token.token, name=f"buyer {n}")

    outcome = race(40, hold)
    sold = store.read(world.statuses)
    assert outcome["got"] + outcome["seats_taken"] == 40
    assert len(sold) == 2 * outcome["got"] and set(sold.values()) == {"booked"}
    assert store.read(invariants)


def test_groups_come_whole_or_not_at_all(store: Store, world: Any, invariants: Any) -> None:
    """Groups of five that cross, named in different orders: nobody waits for anybody for ever, nobody gets a part."""
    row = [f"A-{n}" for n in range(1, 7)]

    def book(n: int) -> None:
        wanted = [seat for seat in row if seat != row[n % 6]]
        store.unit(world.book, *(wanted if n % 2 else wanted[::-1]), name=f"group {n}")

    assert race(30, book) == {"got": 1, "seats_taken": 29}
    assert len(store.read(world.statuses)) == 5
    assert store.read(invariants)


def test_who_asks_for_the_best_gets_some(store: Store, world: Any, invariants: Any) -> None:
    """Eight pairs for sixteen seats: nobody is told that his seats were taken meanwhile."""

    def buy(n: int) -> None:
        choice = Choice(best=Best(2, prevent_orphans=True))
        store.unit(bookings.book, world.show.id, choice, name=f"pair {n}")

    assert race(10, buy) == {"got": 8, "seats_taken": 2}
    assert len(store.read(world.statuses)) == 16
    assert store.read(invariants)


def test_thirty_doors_one_ticket(
    store: Store, world: Any, invariants: Any, frozen: Callable[[str], None]
) -> None:
    booked = store.unit(world.book, "A-1")
    code = tickets.code(str(store.read(tickets.secret)), booked.tickets[0].id)
    frozen("2026-01-06T19:45:00Z")
    assert race(30, lambda n: store.unit(tickets.scan, code, by=f"door {n}")) == {
        "got": 1,
        "already_scanned": 29,
    }
    assert store.read(invariants)


def test_a_scan_and_a_cancellation(
    store: Store, world: Any, invariants: Any, frozen: Callable[[str], None]
) -> None:
    """Either somebody is in, or the money goes back; never both."""
    frozen("2026-01-06T19:45:00Z")
    assert clock.now() < world.show.starts_at
    booked = [store.unit(world.book, f"A-{n}") for n in range(1, 7)]
    key = str(store.read(tickets.secret))

    def go(n: int) -> None:
        one = booked[n // 2]
        try:
            if n % 2:
                store.unit(bookings.cancel, one.booking.id)
            else:
                store.unit(tickets.scan, tickets.code(key, one.tickets[0].id), by="door")
        except Exception as error:
            raise SeatsTaken(str(error)) from error

    assert race(12, go) == {"got": 6, "seats_taken": 6}
    assert store.read(invariants)


def test_what_expired_is_taken_over_by_one(
    store: Store, world: Any, invariants: Any, frozen: Callable[[str], None]
) -> None:
    store.unit(world.hold, "A-1", "A-2")
    frozen("2026-01-05T09:10:00Z")
    assert race(30, lambda n: store.unit(world.hold, "A-1", "A-2")) == {"got": 1, "seats_taken": 29}
    assert store.read(invariants)
