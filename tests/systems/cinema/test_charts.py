"""What is drawn, what is announced on it, and by which key: on both engines."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from backendhub.kit import reservation
from backendhub.kit.db import Db, Store, connect
from backendhub.kit.errors import HubError, Invalid
from backendhub.systems.cinema import plan, seats_out
from backendhub.systems.cinema.models import Chart, IllegalStatusChange, Refused, SeatsTaken, Workspace
from backendhub.systems.cinema.service import (
    bookings,
    charts,
    events,
    seasons,
    seats,
    shows,
    tickets,
    workspaces,
)
from backendhub.systems.cinema.service.bookings import Choice
from backendhub.systems.cinema.service.orders import Best, Order, Wanted
from backendhub.systems.cinema.service.workspaces import Span

GOLD = {"key": "gold", "label": "Gold", "color": "#B8860B"}


def drawing(**areas: int) -> dict[str, Any]:
    """A row of three seats, and areas of so many places."""
    made = plan.hall("Club", {"A": (3, "gold")}, [GOLD])
    made["subChart"]["generalAdmissionAreas"] = [
        {"label": label, "capacity": n, "categoryKey": "gold", "center": {"x": 0, "y": 90}}
        for label, n in areas.items()
    ]
    return made


def club(db: Db) -> tuple[Workspace, Chart]:
    own = workspaces.own(db)
    return own, charts.add(db, own, drawing(FLOOR=10, BAR=2), key="club")


def redraw(db: Db, own: Workspace, **areas: int) -> None:
    chart = charts.get(db, own, "club", lock=True)
    charts._publish(db, own, chart, drawing(**areas))


def taken(db: Db, own: Workspace, key: str, label: str, quantity: int) -> None:
    event = events.get(db, own, key, lock=True)
    seats.change(db, own, event, [Wanted(label, quantity)], Order("booked"))


# -- areas -------------------------------------------------------------------------------------------------


def test_an_area_that_grows_sells_more_and_keeps_what_is_sold(
    db: Db, frozen: Callable[[str], None], invariants: Any
) -> None:
    own, chart = club(db)
    first, _ = events.create_all(db, own, chart, [{"eventKey": "one"}, {"eventKey": "two"}])
    taken(db, own, "one", "FLOOR", 10)
    redraw(db, own, FLOOR=15, BAR=1, TERRACE=4)
    taken(db, own, "one", "FLOOR", 5)
    taken(db, own, "two", "TERRACE", 4)
    assert reservation.stock(db, events.area(first.id, "BAR")).total == 1
    for lost in ({"FLOOR": 14, "BAR": 1, "TERRACE": 4}, {"FLOOR": 15, "BAR": 1}):
        with pytest.raises(Refused) as caught, db.savepoint():
            redraw(db, own, **lost)
        assert caught.value.code == "CHART_HAS_TAKEN_OBJECTS"
    assert invariants(db)


def test_several_events_are_made_at_once(db: Db, frozen: Callable[[str], None]) -> None:
    own, chart = club(db)
    made = events.create_all(db, own, chart, [{"eventKey": key} for key in ("b", "a", "c")])
    assert [e.key for e in made] == ["b", "a", "c"]
    assert {reservation.stock(db, events.area(e.id, "FLOOR")).free for e in made} == {10}
    for keys in (["d", "d"], ["e", "a"]):
        with pytest.raises(Refused, match=keys[1]):
            events.create_all(db, own, chart, [{"eventKey": key} for key in keys])
    assert events.create_all(db, own, chart, []) == []
    twice = {"eventKey": "f", "channels": [{"key": "x"}, {"key": "x"}]}
    with pytest.raises(Refused, match="already exists"):
        events.create(db, own, chart, twice)


def test_a_season_hands_on_in_few_statements(
    db: Db, frozen: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, invariants: Any
) -> None:
    """Neither its events nor what it says costs a statement for each of them."""
    own, _ = club(db)
    said: list[str] = []
    for name in ("fetch", "run", "all", "one", "value"):
        real = getattr(type(db), name)

        def note(self: Db, *args: Any, _real: Any = real, **kwargs: Any) -> Any:
            said.append(str(args))
            return _real(self, *args, **kwargs)

        monkeypatch.setattr(type(db), name, note)
    costs = []
    for number in (2, 40):
        said.clear()
        top = seasons.create(db, own, "club", {"key": f"s{number}", "numberOfEvents": number})
        seasons.share(db, top, {"tableBookingConfig": {"mode": "ALL_BY_SEAT"}})
        costs.append(len(said))
    assert costs[1] <= costs[0]
    below = events.below(db, top)
    assert len(below) == 40 and {e.tables["mode"] for e in below} == {"ALL_BY_SEAT"}
    said.clear()
    page = charts.find(db, own, Span())
    seats_out.chart_shapes(db, page.items, ["events", "zones"])
    few = len(said)
    charts.add(db, own, drawing(), key="second")
    said.clear()
    page = charts.find(db, own, Span())
    assert [len(s["events"]) for s in seats_out.chart_shapes(db, page.items, ["events", "zones"])] == [0, 44]
    assert len(said) == few
    assert invariants(db)


@pytest.mark.postgres
def test_a_drawing_waits_for_sales(postgres_url: str, frozen: Callable[[str], None], invariants: Any) -> None:
    """Nobody is sold a seat that is taken off the drawing at the same time."""
    store = connect(postgres_url)
    store.use("cinema")
    own, chart = store.unit(club)
    store.unit(events.create, own, chart, {"eventKey": "one"})

    def draw(db: Db) -> None:
        db.run("SET LOCAL lock_timeout = '100ms'")
        redraw(db, own)

    def sell(db: Db) -> str:
        labels = ["A-1"]
        events.lock_all(db, own, ["one"], shared=seats.side_by_side(db, own, "one", labels, "booked"))
        seats.change(db, own, events.get(db, own, "one"), [Wanted("A-1")], Order("booked", shared=True))
        with pytest.raises(HubError) as caught:
            pool.submit(store.unit, draw).result(30)
        return caught.value.code

    with ThreadPoolExecutor(1) as pool:
        assert store.unit(sell) != "CHART_HAS_TAKEN_OBJECTS"
    store.unit(redraw, own)
    assert store.read(invariants)
    store.close()


# -- shows -------------------------------------------------------------------------------------------------


def test_the_day_of_a_show_is_the_cinemas(db: Db, cinema: Any) -> None:
    """Half past midnight in Berlin is another day in London; on the night when the clocks go back two shows are an hour
    apart that begin at the same time of day."""
    berlin = ZoneInfo("Europe/Berlin")
    about = {"movie_id": cinema.movie.id, "hall_id": cinema.other, "prices": {"standard": 1, "premium": 1}}
    late = shows.add(db, **about, starts_at=datetime(2026, 3, 3, 23, 30, tzinfo=UTC), zone=berlin)
    assert events.by_id(db, late.event_id).date == "2026-03-04"
    first = shows.add(db, **about, starts_at=datetime(2026, 10, 24, 23, 0, tzinfo=UTC), zone=berlin)
    start = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=berlin)
    second = shows.add(db, **about, starts_at=start, zone=berlin)
    assert second.starts_at - first.starts_at == timedelta(minutes=150)
    with pytest.raises(HubError, match="taken at that time"):
        shows.add(db, **about, starts_at=start.replace(fold=0) + timedelta(minutes=25), zone=berlin)
    with pytest.raises(Invalid, match="too far away"):
        shows.add(db, **about, starts_at=datetime(9999, 12, 31, 23, 59, tzinfo=UTC))


def test_a_long_film_is_still_in_the_way(db: Db, cinema: Any) -> None:
    from backendhub.systems.cinema.service import movies

    epic = movies.add(db, title="Epic", minutes=1000).id
    start = datetime(2026, 2, 1, 8, tzinfo=UTC)
    about = {"hall_id": cinema.other, "prices": {"standard": 1, "premium": 1}}
    shows.add(db, movie_id=epic, **about, starts_at=start)
    with pytest.raises(HubError, match="taken at that time"):
        shows.add(db, movie_id=epic, **about, starts_at=start + timedelta(minutes=999))
    shows.add(db, movie_id=epic, **about, starts_at=start + timedelta(minutes=1000))


def test_a_seat_without_a_price_is_not_for_sale(db: Db, cinema: Any, invariants: Any) -> None:
    """The other wire may give a seat a category of which the show knows nothing."""
    own = workspaces.own(db)
    event = events.get(db, own, cinema.show.id, lock=True)
    events.update(db, own, event, {"objectCategories": {"A-1": "none", "B-3": "none"}})
    for wanted in (cinema.hold, cinema.book):
        with pytest.raises(Invalid, match="no price for A-1"), db.savepoint():
            wanted(db, "A-1", "A-2")
    best = bookings.book(db, cinema.show.id, Choice(best=Best(2)), name="x")
    assert "B-3" not in [t.label for t in best.tickets]
    kept = cinema.hold(db, "A-2")
    events.update(db, own, event, {"objectCategories": {"A-2": "none"}})
    from backendhub.systems.cinema.plain_shapes import hold_out

    with pytest.raises(Invalid, match="no price for A-2"):
        hold_out(bookings.held(db, kept.token.token))
    assert set(cinema.statuses(db)) == {"A-2", *(t.label for t in best.tickets)}
    assert invariants(db)


def test_the_key_of_a_show_is_its_id(db: Db, cinema: Any) -> None:
    own = workspaces.own(db)
    event = events.get(db, own, cinema.show.id, lock=True)
    with pytest.raises(Refused) as caught:
        events.update(db, own, event, {"eventKey": "renamed"})
    assert caught.value.code == "EVENT_HAS_SHOW"
    assert events.update(db, own, event, {"eventKey": event.key, "name": "New"}).name == "New"


# -- keys --------------------------------------------------------------------------------------------------


def test_tickets_are_signed_with_a_new_key(db: Db, cinema: Any, frozen: Callable[[str], None]) -> None:
    booked = cinema.book(db, "A-1", "A-2")
    first = str(tickets.secret(db))
    codes = [tickets.code(first, t.id) for t in booked.tickets]
    frozen("2026-01-06T18:00:00Z")
    until = tickets.rotate(db, timedelta(hours=2))
    second = str(tickets.secret(db))
    assert until == datetime(2026, 1, 6, 20, tzinfo=UTC) and second != first
    frozen("2026-01-06T19:59:59.999Z")
    assert tickets.scan(db, codes[0], by="door")[0].label == "A-1"
    frozen("2026-01-06T20:00:00Z")
    with pytest.raises(tickets.NoTicket):
        tickets.scan(db, codes[1], by="door")
    assert tickets.scan(db, tickets.code(second, booked.tickets[1].id), by="door")[0].label == "A-2"
    tickets.rotate(db, timedelta(0))
    assert second not in tickets.secrets_of(db) and len(tickets.secrets_of(db)) == 1
    assert db.value("SELECT count(*) FROM cinema_key") == 1


def test_two_servers_start_at_once(store: Store, frozen: Callable[[str], None]) -> None:
    """Whoever comes second finds the workspace that the first has made."""
    store.use("cinema")
    real = Db.one
    seen = iter([None])

    def late(db: Db, record: Any, sql: Any, **params: Any) -> Any:
        found = real(db, record, sql, **params)
        return next(seen, found) if params == {"company": "cinema"} else found

    first = store.unit(workspaces.own)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Db, "one", late)
        assert store.unit(workspaces.own) == first
    assert next(seen, "asked") == "asked"


# -- the other wire, over the same seats -------------------------------------------------------------------


def test_what_has_a_ticket_is_the_bookings_alone(db: Db, cinema: Any, invariants: Any) -> None:
    own = workspaces.own(db)
    booked = cinema.book(db, "A-1")
    event = events.get(db, own, cinema.show.id, lock=True)
    for status in ("free", "resale", "vip"):
        with pytest.raises(Refused) as caught:
            seats.change(db, own, event, [Wanted("A-1")], Order(status))
        assert caught.value.code == "OBJECT_HAS_TICKET"
    with pytest.raises(Refused):
        events.delete(db, own, event)
    seats.change(db, own, event, [Wanted("A-2")], Order("booked", order_id="elsewhere"))
    with pytest.raises(SeatsTaken):
        cinema.book(db, "A-2")
    seats.change(db, own, event, [Wanted("A-2")], Order("free"))
    bookings.cancel(db, booked.booking.id)
    assert cinema.statuses(db) == {}
    assert invariants(db)


def test_a_drawing_keeps_the_seats_that_somebody_has(db: Db, cinema: Any) -> None:
    own = workspaces.own(db)
    cinema.book(db, "C-4")
    chart = charts.of(db, events.by_id(db, cinema.show.event_id))
    drawing = charts.drawing(db, chart)
    rows = drawing["subChart"]["rows"]
    chart = charts.update(db, own, chart, name="Smaller")
    db.run(
        "UPDATE cinema_chart SET draft = :draft WHERE id = :id",
        id=chart.id,
        draft={**drawing, "subChart": {**drawing["subChart"], "rows": rows[:2]}},
    )
    with pytest.raises(Refused, match="C-4"):
        charts.publish(db, own, chart)
    charts.discard(db, chart)
    assert charts.get(db, own, chart.key).status == "PUBLISHED"


def test_a_token_of_one_event_frees_nothing_of_another(db: Db, cinema: Any, invariants: Any) -> None:
    own = workspaces.own(db)
    other = cinema.announce(db, cinema.show.starts_at, hall=cinema.other)
    kept = cinema.hold(db, "A-1")
    bookings.hold(db, other.id, Choice(["A-1"]), token=kept.token.token)
    event = events.get(db, own, other.id, lock=True)
    seats.change(db, own, event, [Wanted("A-1")], Order("free", kept.token.token))
    assert cinema.statuses(db) == {"A-1": "reservedByToken"}
    with pytest.raises(IllegalStatusChange):
        seats.change(db, own, events.get(db, own, cinema.show.id), [Wanted("A-1")], Order("free"))
    assert invariants(db)
