"""Many at once, on both engines: one seat one ticket, groups whole or not at all, one scan."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from backendhub.kit import clock
from backendhub.kit.db import Db, Store, connect
from backendhub.kit.errors import Conflict, HubError
from backendhub.systems.cinema.models import AlreadyScanned, Refused, SeatsTaken, TokenOver
from backendhub.systems.cinema.service import bookings, events, seats, shows, tickets, workspaces
from backendhub.systems.cinema.service.bookings import Choice
from backendhub.systems.cinema.service.orders import Best, Order, Wanted


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
        except TokenOver:
            return "over"
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


@pytest.mark.postgres
def test_different_seats_of_a_show_are_taken_side_by_side(
    postgres_url: str, building: Any, invariants: Any, frozen: Callable[[str], None]
) -> None:
    """Whoever wants another seat does not wait for a transaction that is still open; whoever wants the best does, and so
    does a cancellation."""
    store = connect(postgres_url)
    store.use("cinema")
    world = store.unit(building)
    booked = store.unit(world.book, "C-1").booking.id
    best = Choice(best=Best(1))

    def others() -> list[str]:
        def attempt(fn: Any, *args: Any, **kwargs: Any) -> None:
            def go(db: Db) -> None:
                db.run("SET LOCAL lock_timeout = '100ms'")
                fn(db, *args, **kwargs)

            store.unit(go)

        attempt(world.book, "A-2")
        attempt(world.hold, "B-1", "B-2")
        waited = []
        for fn, *args in (
            (bookings.book, world.show.id, best, "x"),
            (bookings.cancel, booked),
            (shows.cancel, world.show.id),
        ):
            try:
                attempt(fn, *args[:2], **({"name": "x"} if len(args) > 2 else {}))
            except HubError as error:
                waited.append(error.code)
        return waited

    def slow(db: Db) -> list[str]:
        world.book(db, "A-1")
        return pool.submit(others).result(30)

    with ThreadPoolExecutor(1) as pool:
        assert len(store.unit(slow)) == 3
    assert set(store.read(world.statuses)) == {"A-1", "A-2", "B-1", "B-2", "C-1"}
    assert store.read(invariants)
    store.close()


def test_one_token_is_booked_once(store: Store, world: Any, invariants: Any) -> None:
    """Somebody presses the button several times: one booking, and the others are told."""
    token = store.unit(world.hold, "A-1", "A-2").token.token
    outcome = race(6, lambda n: store.unit(world.book, token=token))
    assert outcome["got"] == 1 and outcome["over"] + outcome["seats_taken"] == 5
    assert store.read(lambda db: db.value("SELECT count(*) FROM cinema_ticket")) == 2
    assert store.read(invariants)


def test_everything_at_once(store: Store, world: Any, invariants: Any) -> None:
    """Holds, bookings, cancellations, the best seats, and the other wire, over the same few seats."""

    def go(n: int) -> None:
        chance = random.Random(n)
        for _ in range(6):
            mine = chance.sample(["A-1", "A-2", "A-3", "B-1"], 2)
            try:
                match chance.randrange(4):
                    case 0:
                        kept = store.unit(world.hold, *mine)
                        store.unit(world.book, token=kept.token.token)
                    case 1:
                        store.unit(bookings.cancel, store.unit(world.book, *mine).booking.id)
                    case 2:
                        made = store.unit(bookings.book, world.show.id, Choice(best=Best(2)), name="x")
                        store.unit(bookings.cancel, made.booking.id)
                    case _:
                        store.unit(elsewhere, mine[0], "booked")
                        store.unit(elsewhere, mine[0], "free")
            except (Conflict, Refused):
                continue

    def elsewhere(db: Db, label: str, status: str) -> None:
        own = workspaces.own(db)
        shared = seats.side_by_side(db, own, world.show.id, [label], status)
        events.lock_all(db, own, [world.show.id], shared=shared)
        event = events.get(db, own, world.show.id)
        seats.change(db, own, event, [Wanted(label)], Order(status, shared=shared))

    assert race(8, go) == {"got": 8}
    assert store.read(invariants)
