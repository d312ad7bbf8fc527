"""The rules of the cinema, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backendhub.kit import clock
from backendhub.kit.db import Db, Store
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.kit.states import IllegalMove, Machine
from backendhub.systems.cinema.films import BOOKING, SHOW, TICKET
from backendhub.systems.cinema.models import (
    AlreadyScanned,
    SeatsTaken,
    ShowOver,
    TokenOver,
)
from backendhub.systems.cinema.service import (
    bookings,
    events,
    movies,
    seats,
    shows,
    takings,
    tickets,
    tokens,
)
from backendhub.systems.cinema.service.bookings import Choice
from backendhub.systems.cinema.service.orders import Best, Order, Wanted

TEN = timedelta(minutes=10)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# -- films and shows ---------------------------------------------------------------------------------------


def test_films_by_genre_and_title(db: Db, cinema: Any) -> None:
    second = movies.add(db, title="Été sur Mars", minutes=100, genres=["Drama", "Family", "Drama"])
    assert second.genres == ["Drama", "Family"]
    assert [m.title for m in movies.find(db, genre="Family")] == ["Paper Planets", "Été sur Mars"]
    assert [m.title for m in movies.find(db, text="ÉTÉ")] == ["Été sur Mars"]
    assert movies.find(db, text="100%") == []
    assert [m.id for m in movies.find(db, after=cinema.movie.id)] == [second.id]
    assert {g.name: g.movies for g in movies.genres(db)} == {"Animation": 1, "Drama": 1, "Family": 2}
    movies.edit(db, second.id, genres=["Drama"], title="Mars")
    assert [m.title for m in movies.find(db, genre="Family")] == ["Paper Planets"]
    movies.remove(db, second.id)
    with pytest.raises(NotFound):
        movies.get(db, second.id)
    with pytest.raises(Conflict):
        movies.remove(db, cinema.movie.id)


def test_a_hall_has_one_show_at_a_time(db: Db, cinema: Any, invariants: Any) -> None:
    start = cinema.show.starts_at
    with pytest.raises(Conflict) as caught:
        cinema.announce(db, start + timedelta(minutes=83))
    assert caught.value.details["show"] == cinema.show.id
    after = cinema.announce(db, start + timedelta(minutes=84))
    cinema.announce(db, start - timedelta(minutes=84))
    cinema.announce(db, start, hall=cinema.other)
    shows.cancel(db, after.id)
    cinema.announce(db, start + timedelta(minutes=84))
    found = shows.find(db, since=start, until=start + timedelta(days=1))
    assert [s.state for s in found] == ["scheduled", "scheduled", "cancelled", "scheduled"]
    assert [
        s.id for s in shows.find(db, since=start, until=start + timedelta(days=1), after=found[1].id)
    ] == [s.id for s in found[2:]]
    assert invariants(db)


def test_what_no_show_can_be(db: Db, cinema: Any) -> None:
    with pytest.raises(Invalid, match="before it begins"):
        cinema.announce(db, at("2026-01-05T09:00"))
    when = {"movie_id": cinema.movie.id, "hall_id": cinema.other, "starts_at": at("2026-01-07T20:00")}
    with pytest.raises(Invalid, match="no price for premium"):
        shows.add(db, **when, prices={"standard": 1})
    with pytest.raises(Invalid, match="no category gold"):
        shows.add(db, **when, prices={"standard": 1, "premium": 1, "gold": 1})
    with pytest.raises(Invalid):
        shows.add(db, **when, prices={"standard": 1, "premium": 1}, currency="XXQ")
    with pytest.raises(NotFound):
        shows.add(db, **when | {"hall_id": "none"}, prices={})
    with pytest.raises(Invalid, match="category 'gold'"):
        shows.add_hall(db, name="Third", rows={"A": (3, "gold")}, categories=[{"key": "x", "label": "X"}])


# -- holds and bookings ------------------------------------------------------------------------------------


def test_seats_are_held_booked_and_given_back(db: Db, cinema: Any, invariants: Any) -> None:
    kept = cinema.hold(db, "A-1", "A-2")
    assert cinema.statuses(db) == {"A-1": "reservedByToken", "A-2": "reservedByToken"}
    assert bookings.held(db, kept.token.token).seats == ["A-1", "A-2"]
    booked = cinema.book(db, token=kept.token.token, email="amira@example.com")
    assert [(t.label, t.price, t.state) for t in booked.tickets] == [
        ("A-1", 950, "valid"),
        ("A-2", 950, "valid"),
    ]
    assert (booked.booking.amount, booked.booking.currency) == (1900, "EUR")
    assert cinema.statuses(db) == {"A-1": "booked", "A-2": "booked"}
    with pytest.raises(TokenOver):
        bookings.held(db, kept.token.token)
    assert invariants(db)
    gone = bookings.cancel(db, booked.booking.id)
    assert (gone.booking.state, {t.state for t in gone.tickets}) == ("cancelled", {"void"})
    assert cinema.statuses(db) == {}
    with pytest.raises(IllegalMove):
        bookings.cancel(db, booked.booking.id)
    cinema.book(db, "A-1", name="Jonas")
    assert invariants(db)


def test_all_or_nothing_and_every_seat_is_named(db: Db, cinema: Any, invariants: Any) -> None:
    cinema.book(db, "A-2")
    cinema.hold(db, "A-4")
    with pytest.raises(SeatsTaken) as caught:
        cinema.book(db, "A-1", "A-2", "A-3", "A-4")
    assert list(caught.value.details["seats"]) == ["A-2", "A-4"]
    assert "A-2, A-4" in caught.value.message
    with pytest.raises(SeatsTaken):
        cinema.hold(db, "A-3", "A-4")
    assert cinema.statuses(db) == {"A-2": "booked", "A-4": "reservedByToken"}
    with pytest.raises(Invalid) as unknown:
        cinema.book(db, "A-1", "Z-9", "Y-1")
    assert unknown.value.details["seats"] == ["Z-9", "Y-1"]
    with pytest.raises(Invalid, match="Say which seats"):
        cinema.book(db)
    assert invariants(db)


def test_a_hold_takes_more_seats_and_books_with_others(db: Db, cinema: Any, invariants: Any) -> None:
    kept = cinema.hold(db, "A-1")
    cinema.hold(db, "B-1", token=kept.token.token)
    assert bookings.held(db, kept.token.token).seats == ["A-1", "B-1"]
    booked = cinema.book(db, "A-1", "C-1", token=kept.token.token)
    assert [t.label for t in booked.tickets] == ["A-1", "C-1"]
    assert booked.booking.amount == 950 + 1350
    assert cinema.statuses(db) == {"A-1": "booked", "C-1": "booked", "B-1": "reservedByToken"}
    bookings.give_up(db, kept.token.token)
    assert "B-1" not in cinema.statuses(db)
    bookings.give_up(db, kept.token.token)
    with pytest.raises(TokenOver):
        cinema.hold(db, "A-5", token=kept.token.token)
    with pytest.raises(NotFound):
        bookings.give_up(db, "nothing")
    assert invariants(db)


@pytest.mark.parametrize(
    ("moment", "alive"), [("09:09:59.999", True), ("09:10:00", False), ("09:10:00.001", False)]
)
def test_a_hold_ends_at_its_millisecond(
    db: Db, cinema: Any, frozen: Callable[[str], None], invariants: Any, moment: str, alive: bool
) -> None:
    kept = cinema.hold(db, "A-1", "A-2", ttl=TEN)
    frozen(f"2026-01-05T{moment}Z")
    if alive:
        with pytest.raises(SeatsTaken):
            cinema.book(db, "A-1", name="Jonas")
        assert len(cinema.book(db, token=kept.token.token).tickets) == 2
    else:
        assert cinema.statuses(db) == {}
        for late in (
            lambda: cinema.book(db, token=kept.token.token),
            lambda: cinema.book(db, "A-1", token=kept.token.token),
            lambda: cinema.hold(db, "A-3", token=kept.token.token),
            lambda: bookings.held(db, kept.token.token),
            lambda: tokens.extend(db, kept.token, TEN),
        ):
            with pytest.raises(TokenOver):
                late()
        assert cinema.book(db, "A-1", name="Jonas").booking.amount == 950
    assert invariants(db)


def test_the_claim_itself_tests_the_time(db: Db, cinema: Any, frozen: Callable[[str], None]) -> None:
    """Even where the token was looked at in time: what releases its claim refuses."""
    kept = cinema.hold(db, "A-1", ttl=TEN)
    event = events.by_id(db, cinema.show.event_id)
    seen = seats.views(db, [event], ["A-1"])
    frozen("2026-01-05T09:10:00Z")
    with pytest.raises(Conflict) as caught:
        seats._singles(db, seen, [Wanted("A-1")], Order("booked", kept.token.token))
    assert caught.value.code == "hold_over"


@pytest.mark.parametrize(
    ("moment", "open"), [("19:59:59.999", True), ("20:00:00", False), ("20:00:00.001", False)]
)
def test_a_show_is_sold_and_cancelled_until_it_begins(
    db: Db, cinema: Any, frozen: Callable[[str], None], moment: str, open: bool
) -> None:
    mine = cinema.book(db, "A-1").booking.id
    frozen(f"2026-01-06T{moment}Z")
    if open:
        cinema.book(db, "A-2")
        bookings.cancel(db, mine)
        shows.cancel(db, cinema.show.id)
        return
    for late in (
        lambda: cinema.book(db, "A-2"),
        lambda: cinema.hold(db, "A-2"),
        lambda: bookings.cancel(db, mine),
        lambda: shows.cancel(db, cinema.show.id),
    ):
        with pytest.raises(ShowOver), db.savepoint():
            late()
    assert cinema.statuses(db) == {"A-1": "booked"}


def test_a_show_that_is_called_off(db: Db, cinema: Any, invariants: Any) -> None:
    mine = cinema.book(db, "A-1", "A-2")
    kept = cinema.hold(db, "B-1")
    assert shows.cancel(db, cinema.show.id).state == "cancelled"
    found = bookings.get(db, mine.booking.id)
    assert (found.booking.state, {t.state for t in found.tickets}) == ("cancelled", {"void"})
    for late in (lambda: cinema.book(db, "B-2"), lambda: cinema.book(db, token=kept.token.token)):
        with pytest.raises(ShowOver, match="called off"):
            late()
    with pytest.raises(IllegalMove):
        shows.cancel(db, cinema.show.id)
    assert invariants(db)


def test_an_empty_cinema_can_be_read(store: Store) -> None:
    """Where reading cannot write: PostgreSQL reads on connections that are read-only."""
    store.use("cinema")
    with pytest.raises(NotFound):
        store.read(bookings.held, "x")
    assert store.read(movies.find) == []
    assert store.read(takings.takings, since=at("2026-01-01"), until=at("2026-02-01")) == []


# -- best available ----------------------------------------------------------------------------------------


def test_the_best_seats_leave_nobody_alone(db: Db, cinema: Any) -> None:
    def best(number: int, **options: Any) -> list[str]:
        choice = Choice(best=Best(number, categories=["standard"], **options))
        return [t.label for t in bookings.book(db, cinema.show.id, choice, name="x").tickets]

    assert best(2) == ["B-3", "B-4"]  # the middle of the rows that are far enough from the screen
    assert best(2) == ["A-3", "A-4"]
    with pytest.raises(SeatsTaken):
        best(3, together=True)
    assert len(best(3)) == 3  # apart, where there are no three next to each other
    assert len(best(5)) == 5
    with pytest.raises(SeatsTaken):
        best(1)


# -- tickets -----------------------------------------------------------------------------------------------


def test_a_ticket_is_scanned_once(
    db: Db, cinema: Any, frozen: Callable[[str], None], invariants: Any
) -> None:
    booked = cinema.book(db, "A-1", "A-2")
    key = tickets.secret(db)
    assert key is not None
    code = tickets.code(key, booked.tickets[0].id)
    assert code.isalnum() and code.upper() == code
    with pytest.raises(tickets.WrongShow, match="Doors open at 2026-01-06T17:00:00Z"):
        tickets.scan(db, code, by="door")
    frozen("2026-01-06T19:30:00Z")
    with pytest.raises(tickets.WrongShow):
        tickets.scan(db, code, by="door", show_id="another")
    ticket, show = tickets.scan(db, code.lower(), by="door", show_id=cinema.show.id)
    assert (ticket.state, ticket.scanned_by, show.id) == ("used", "door", cinema.show.id)
    frozen("2026-01-06T19:31:00Z")
    with pytest.raises(AlreadyScanned) as caught:
        tickets.scan(db, code, by="door")
    assert caught.value.details == {"scannedAt": "2026-01-06T19:30:00Z", "seat": "A-1"}
    for no in (lambda: bookings.cancel(db, booked.booking.id), lambda: shows.cancel(db, cinema.show.id)):
        with pytest.raises(Conflict), db.savepoint():
            no()
    assert invariants(db)


def test_what_is_no_ticket(db: Db, cinema: Any, frozen: Callable[[str], None]) -> None:
    with pytest.raises(tickets.NoTicket):
        tickets.scan(db, "BHT1AAAA", by="door")  # before anything was sold
    booked = cinema.book(db, "A-1")
    key = tickets.secret(db)
    assert key is not None
    frozen("2026-01-06T19:30:00Z")
    code = tickets.code(key, booked.tickets[0].id)
    other = tickets.code("another key", booked.tickets[0].id)
    changed = code[:10] + ("A" if code[10] != "A" else "B") + code[11:]
    for bad in ("", "BHT1", "BHT1!!!!", code[:-1], code + "AA", changed, other, "X" + code, "ß", "BHT1é"):
        with pytest.raises(tickets.NoTicket):
            tickets.scan(db, bad, by="door")
    frozen("2026-01-05T10:00:00Z")
    bookings.cancel(db, booked.booking.id)
    frozen("2026-01-06T19:30:00Z")
    with pytest.raises(tickets.TicketVoid):
        tickets.scan(db, code, by="door")
    second = tickets.code(key, cinema.book(db, "A-1").tickets[0].id)
    frozen("2026-01-06T21:24:00Z")
    with pytest.raises(ShowOver, match="ended"):
        tickets.scan(db, second, by="door")


@pytest.mark.parametrize("machine", [SHOW, BOOKING, TICKET], ids=lambda m: m.name)
def test_states_of_the_tables(db: Db, cinema: Any, machine: Machine) -> None:
    booked = cinema.book(db, "A-1")
    ids = {"show": cinema.show.id, "booking": booked.booking.id, "ticket": booked.tickets[0].id}
    for state, verb, target in machine.pairs():
        scanned = clock.now() if state == "used" else None
        extra = ", scanned_at = :scanned" if machine is TICKET else ""
        given = {"scanned": scanned} if machine is TICKET else {}
        db.run(
            f"UPDATE {machine.table} SET state = :state{extra} WHERE id = :id",
            state=state,
            id=ids[machine.name],
            **given,
        )
        changes = {"scanned_at": clock.now()} if verb == "scan" else {}
        if target is None:
            with pytest.raises(IllegalMove):
                machine.move(db, ids[machine.name], verb, **changes)
        else:
            assert machine.move(db, ids[machine.name], verb, **changes) == target


# -- reports -----------------------------------------------------------------------------------------------


def test_revenue_and_occupancy(db: Db, cinema: Any, frozen: Callable[[str], None]) -> None:
    cinema.book(db, "A-1", "C-1")
    gone = cinema.book(db, "B-1")
    bookings.cancel(db, gone.booking.id)
    cinema.hold(db, "B-2", "B-3")
    late = cinema.announce(db, at("2026-01-06T23:30"), hall=cinema.other)
    bookings.book(db, late.id, Choice(["C-2"]), name="Jonas")
    first, last = at("2026-01-06"), at("2026-01-08")
    found = takings.takings(db, since=first, until=last)
    assert [(t.capacity, t.sold, t.held, t.amount) for t in found] == [(16, 2, 2, 2300), (16, 1, 0, 1350)]
    by_movie = takings.revenue(found, "movie", UTC)
    assert [(r.label, r.amount, r.tickets, r.shows) for r in by_movie] == [("Paper Planets", 3650, 3, 2)]
    assert [(r.label, r.amount) for r in takings.revenue(found, "hall", UTC)] == [
        ("Grand", 2300),
        ("Studio", 1350),
    ]
    assert [r.label for r in takings.revenue(found, "day", UTC)] == ["2026-01-06"]
    from zoneinfo import ZoneInfo

    assert [r.label for r in takings.revenue(found, "day", ZoneInfo("Europe/Berlin"))] == [
        "2026-01-06",
        "2026-01-07",
    ]
    frozen("2026-01-05T09:10:00Z")
    assert takings.takings(db, since=first, until=last)[0].held == 0
    with pytest.raises(Invalid):
        takings.takings(db, since=last, until=first)
