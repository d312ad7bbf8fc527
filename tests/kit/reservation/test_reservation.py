"""The rules of reservations, one by one, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from backendhub.kit import clock, reservation
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, HubError, Invalid, NotFound
from backendhub.kit.reservation import HoldOver, Nights, Slot, State, Unavailable, Units

SYSTEM = "reservation"
TEN = timedelta(minutes=10)


@pytest.fixture(autouse=True)
def _held_clock(frozen: Callable[[str], None]) -> None:
    """Time moves only where a test says so."""


def seat(name: str) -> Slot:
    return Slot("show:1", name)


def counts(db: Db, resource: str, location: str = "") -> tuple[int, int, int]:
    s = reservation.stock(db, resource, location)
    return s.free, s.held, s.sold


def test_units_are_held_sold_and_shipped(db: Db) -> None:
    reservation.restock(db, "mug", 5)
    held = reservation.hold(db, [Units("mug", 2)], ttl=TEN, owner="cart:1")
    assert (held.state, held.units, held.size) == (State.HELD, (Units("mug", 2, ""),), 1)
    assert counts(db, "mug") == (3, 2, 0)
    assert reservation.confirm(db, held.id).state is State.CONFIRMED
    assert reservation.confirm(db, held.id).state is State.CONFIRMED
    assert counts(db, "mug") == (3, 0, 2)
    reservation.ship(db, held.id)
    reservation.ship(db, held.id)
    assert counts(db, "mug") == (3, 0, 0)
    assert reservation.verify(db).ok


def test_what_is_not_there_is_not_sold(db: Db) -> None:
    reservation.restock(db, "mug", 5)
    with pytest.raises(Unavailable):
        reservation.hold(db, [Units("mug", 6)], ttl=TEN)
    with pytest.raises(Unavailable):
        reservation.hold(db, [Units("nothing")], ttl=TEN)
    reservation.take(db, [Units("mug", 5)])
    with pytest.raises(Unavailable):
        reservation.restock(db, "mug", -1)
    with pytest.raises(NotFound):
        reservation.stock(db, "nothing")
    assert counts(db, "mug") == (0, 0, 5)


def test_a_slot_is_one_persons(db: Db) -> None:
    first = reservation.hold(db, [seat("A-1"), seat("A-2")], ttl=TEN)
    with pytest.raises(Unavailable) as caught:
        reservation.hold(db, [seat("A-2"), seat("A-3")], ttl=TEN)
    assert caught.value.details["items"] == ["A-2"]
    assert [c.slot for c in reservation.claims(db, "show:1")] == ["A-1", "A-2"]
    assert reservation.taken(db, [seat("A-3"), seat("A-2")]) == [seat("A-2")]
    reservation.release(db, first.id)
    assert reservation.claims(db, "show:1") == []
    reservation.take(db, [seat("A-2"), seat("A-3")])
    assert reservation.verify(db).ok


def test_all_or_nothing_names_everything_that_failed(db: Db) -> None:
    reservation.restock(db, "mug", 1)
    reservation.restock(db, "cap", 9)
    reservation.take(db, [seat("B-7")])
    wanted = [Units("cap", 2), Units("mug", 2), Units("scarf"), seat("B-6"), seat("B-7")]
    with pytest.raises(Unavailable) as caught, db.savepoint():
        reservation.hold(db, wanted, ttl=TEN)
    assert caught.value.details["items"] == ["mug", "scarf", "B-7"]
    assert (counts(db, "mug"), counts(db, "cap")) == ((1, 0, 0), (9, 0, 0))
    assert [c.slot for c in reservation.claims(db, "show:1")] == ["B-7"]
    assert reservation.verify(db).ok


def test_a_caught_refusal_leaves_nothing_behind(db: Db) -> None:
    """The caller goes on in the same transaction."""
    reservation.restock(db, "cap", 9)
    with pytest.raises(Unavailable):
        reservation.hold(db, [Units("cap", 2), Units("mug", 2)], ttl=TEN)
    assert counts(db, "cap") == (9, 0, 0)
    assert reservation.verify(db).ok


def test_nights_are_inclusive_of_the_first_and_exclusive_of_the_last(db: Db) -> None:
    def stay(a: int, b: int) -> Nights:
        return Nights("room:7", date(2026, 3, a), date(2026, 3, b))

    made = reservation.hold(db, [stay(5, 8)], ttl=TEN)
    assert [s.slot for s in made.slots] == ["2026-03-05", "2026-03-06", "2026-03-07"]
    reservation.hold(db, [stay(8, 10)], ttl=TEN)  # arrival on the day of departure
    with pytest.raises(Unavailable) as caught:
        reservation.hold(db, [stay(4, 9)], ttl=TEN)
    assert caught.value.details["items"] == ["2026-03-05", "2026-03-06", "2026-03-07", "2026-03-08"]
    for a, b in ((5, 5), (6, 5)):
        with pytest.raises(Invalid):
            reservation.hold(db, [stay(a, b)], ttl=TEN)


@pytest.mark.parametrize(("after_ms", "alive"), [(599_999, True), (600_000, False), (600_001, False)])
@pytest.mark.parametrize("item", [Units("mug", 5), seat("A-1")], ids=["units", "slot"])
def test_expiry_at_t_minus_1_t_and_t_plus_1(db: Db, item: Units | Slot, after_ms: int, alive: bool) -> None:
    reservation.restock(db, "mug", 5)
    held = reservation.hold(db, [item], ttl=TEN)
    with clock.frozen(clock.precise() + timedelta(milliseconds=after_ms)):
        assert reservation.get(db, held.id).state is (State.HELD if alive else State.EXPIRED)
        if alive:
            with pytest.raises(Unavailable):
                reservation.hold(db, [item], ttl=TEN)
            assert reservation.confirm(db, held.id).state is State.CONFIRMED
        else:  # nothing was swept: time alone has freed it
            for late in (reservation.confirm, lambda db, id: reservation.extend(db, id, TEN)):
                with pytest.raises(HoldOver) as caught:
                    late(db, held.id)
                assert caught.value.details["why"] == "expired"
            second = reservation.hold(db, [item], ttl=TEN)
            assert reservation.confirm(db, second.id).state is State.CONFIRMED
            reservation.release(db, held.id)  # gives back nothing that is another's now
        with pytest.raises(Unavailable):
            reservation.hold(db, [item], ttl=TEN)
        assert reservation.verify(db).ok


def test_an_extended_hold_lasts_from_now(db: Db) -> None:
    reservation.restock(db, "mug", 5)
    held = reservation.hold(db, [seat("A-1"), Units("mug", 5)], ttl=TEN)
    start = clock.precise()
    with clock.frozen(start + timedelta(minutes=9)):
        assert reservation.extend(db, held.id, TEN).expires_at == start + timedelta(minutes=19)
    with clock.frozen(start + timedelta(minutes=18)):
        with pytest.raises(Unavailable) as caught:
            reservation.hold(db, [seat("A-1"), Units("mug")], ttl=TEN)
        assert caught.value.details["items"] == ["mug", "A-1"]
    with clock.frozen(start + timedelta(minutes=19)):
        reservation.hold(db, [seat("A-1"), Units("mug")], ttl=TEN)
        assert reservation.verify(db).ok


def test_the_sweeper_only_tidies(db: Db) -> None:
    reservation.restock(db, "mug", 5)
    held = reservation.hold(db, [seat("A-1"), Units("mug", 2)], ttl=TEN)
    kept = reservation.take(db, [seat("A-2"), Units("mug", 1)])
    assert reservation.sweep(db) == 0
    with clock.frozen(clock.precise() + TEN):
        assert reservation.sweep(db) == 1
        assert reservation.sweep(db) == 0
        assert counts(db, "mug") == (4, 0, 1)
        assert reservation.get(db, held.id).state is State.EXPIRED
        assert reservation.get(db, kept.id).size == 2
        assert db.value("SELECT count(*) FROM reservation_slot") == 1
        assert reservation.verify(db).ok


def test_an_id_is_one_hold(db: Db) -> None:
    reservation.restock(db, "mug", 5)
    first = reservation.hold(db, [Units("mug", 2)], ttl=TEN, owner="me", id="order-1")
    assert reservation.hold(db, [Units("mug", 2)], ttl=TEN, owner="me", id="order-1") == first
    for items, owner in (([Units("mug", 3)], "me"), ([Units("mug", 2)], "you")):
        with pytest.raises(Conflict):
            reservation.hold(db, items, ttl=TEN, owner=owner, id="order-1")
    assert counts(db, "mug") == (3, 2, 0)
    assert [h.id for h in reservation.holds_of(db, "me")] == ["order-1"]


def test_things_come_and_go_within_a_hold(db: Db) -> None:
    reservation.restock(db, "mug", 5)
    held = reservation.hold(db, [seat("A-1")], ttl=TEN)
    grown = reservation.add(db, held.id, [seat("A-1"), seat("A-2"), Units("mug", 2)])
    assert (grown.size, grown.slots) == (3, (seat("A-1"), seat("A-2")))
    grown = reservation.add(db, held.id, [Units("mug", 1)])
    assert (grown.size, grown.units) == (3, (Units("mug", 3, ""),))
    reservation.take(db, [seat("A-3")])
    with pytest.raises(Unavailable):
        reservation.add(db, held.id, [seat("A-3"), seat("A-4")])
    less = reservation.drop(db, held.id, [seat("A-1"), Units("mug", 1)])
    assert (less.size, less.slots, less.units) == (2, (seat("A-2"),), (Units("mug", 2, ""),))
    for wrong in (seat("A-3"), Units("mug", 3), Units("cap")):
        with pytest.raises(Conflict):
            reservation.drop(db, held.id, [wrong])
    reservation.drop(db, held.id, [Units("mug", 2)])
    assert reservation.confirm(db, held.id).size == 1
    assert counts(db, "mug") == (5, 0, 0)
    assert reservation.verify(db).ok


def test_only_a_confirmed_hold_is_cancelled_and_only_another_released(db: Db) -> None:
    reservation.restock(db, "mug", 5)
    held = reservation.hold(db, [seat("A-1"), Units("mug")], ttl=TEN)
    with pytest.raises(Conflict):
        reservation.cancel(db, held.id)
    with pytest.raises(Conflict):
        reservation.ship(db, held.id)
    reservation.confirm(db, held.id)
    with pytest.raises(Conflict):
        reservation.release(db, held.id)
    for _ in range(2):
        assert reservation.cancel(db, held.id).state is State.RELEASED
    for late in (reservation.confirm, lambda db, id: reservation.add(db, id, [seat("A-9")])):
        with pytest.raises(HoldOver):
            late(db, held.id)
    assert counts(db, "mug") == (5, 0, 0)
    reservation.take(db, [seat("A-1")])


def test_stock_is_where_it_is(db: Db) -> None:
    reservation.restock(db, "mug", 2, "berlin")
    reservation.restock(db, "mug", 5, "lyon")
    assert [(s.location, s.free) for s in reservation.stock_of(db, "mug")] == [("lyon", 5), ("berlin", 2)]
    with pytest.raises(Unavailable):
        reservation.hold(db, [Units("mug", 3, "berlin")], ttl=TEN)
    placed = reservation.hold(db, [Units("mug", 3, None)], ttl=TEN)
    assert placed.units == (Units("mug", 3, "lyon"),)
    with pytest.raises(Unavailable):  # four are left, but nowhere three
        reservation.hold(db, [Units("mug", 3, None)], ttl=TEN)
    with clock.frozen(clock.precise() + TEN):
        assert reservation.hold(db, [Units("mug", 4, None)], ttl=TEN).units == (Units("mug", 4, "lyon"),)
        assert reservation.verify(db).ok


def test_a_basket_begins_empty_and_a_confirmed_one_gives_back_in_part(db: Db) -> None:
    reservation.restock(db, "mug", 5)
    basket = reservation.hold(db, [], ttl=TEN)
    assert basket.size == 0
    reservation.add(db, basket.id, [Units("mug", 3), seat("A-1")])
    reservation.confirm(db, basket.id)
    left = reservation.drop(db, basket.id, [Units("mug", 1), seat("A-1")])
    assert (left.size, counts(db, "mug")) == (1, (3, 0, 2))
    reservation.drop(db, basket.id, [Units("mug", 2)])
    assert counts(db, "mug") == (5, 0, 0)
    with pytest.raises(Invalid):
        reservation.add(db, basket.id, [])
    assert reservation.verify(db).ok


def test_more_of_what_a_basket_has_wherever_it_lies(db: Db) -> None:
    """Without a location the units join the row that the basket has already, and its size does not grow."""
    reservation.restock(db, "mug", 5, "lyon")
    basket = reservation.hold(db, [Units("mug", 1, None)], ttl=TEN)
    more = reservation.add(db, basket.id, [Units("mug", 2, None), Units("mug", 1, "lyon")])
    assert (more.size, more.units) == (1, (Units("mug", 4, "lyon"),))
    assert reservation.drop(db, basket.id, [Units("mug", 1, None)]).units == (Units("mug", 3, "lyon"),)
    assert reservation.confirm(db, basket.id).state is State.CONFIRMED
    with pytest.raises(Conflict, match="does not have"):
        reservation.drop(db, basket.id, [Units("mug", 4, None)])
    assert reservation.drop(db, basket.id, [Units("mug", 3, None)]).size == 0
    assert reservation.verify(db).ok


def test_what_was_cancelled_is_not_shipped(db: Db) -> None:
    reservation.restock(db, "mug", 5)
    sold = reservation.take(db, [Units("mug", 2)])
    reservation.cancel(db, sold.id)
    with pytest.raises(Conflict, match="released"):
        reservation.ship(db, sold.id)
    assert counts(db, "mug") == (5, 0, 0)


BAD = [
    [Units("mug", 0)],
    [Units("mug", -1)],
    [Units("mug", 10**10)],
    [Slot("x" * 201, "a")],
    [Slot("a", "b\x00")],
    [Slot("a", str(n)) for n in range(1001)],
]


@pytest.mark.parametrize("items", BAD, ids=range(len(BAD)))
def test_bad_requests(db: Db, items: list[Units | Slot]) -> None:
    with pytest.raises(Invalid):
        reservation.hold(db, items, ttl=TEN)


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(seconds=-1), timedelta(days=99_999)])
def test_times_have_bounds(db: Db, ttl: timedelta) -> None:
    with pytest.raises(Invalid):
        reservation.hold(db, [seat("A-1")], ttl=ttl)


FORBIDDEN = [
    "UPDATE reservation_stock SET free = free - 6",
    "INSERT INTO reservation_slot SELECT resource, slot, 'x', expires_at FROM reservation_slot",
]


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_the_database_itself_refuses(db: Db, sql: str) -> None:
    reservation.restock(db, "mug", 5)
    reservation.take(db, [seat("A-1")])
    with pytest.raises(HubError), db.savepoint():
        db.run(sql)


TAMPERED = {
    "stock is its holds": "UPDATE reservation_stock SET held = held + 1",
    "a hold has all of its claims": "DELETE FROM reservation_slot",
    "no claim without a hold": "UPDATE reservation_hold SET state = 'released'",
    "sold is confirmed": "UPDATE reservation_units SET sold = TRUE",
}


@pytest.mark.parametrize("name", TAMPERED)
def test_verify_finds_what_was_tampered_with(db: Db, name: str) -> None:
    reservation.restock(db, "mug", 5)
    reservation.hold(db, [Units("mug", 2), seat("A-1")], ttl=TEN)
    assert reservation.verify(db).ok
    assert db.run(TAMPERED[name])
    assert name in [check.name for check in reservation.verify(db).checks if not check.ok]
