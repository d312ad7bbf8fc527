"""Halls, and the shows in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.kit.ids import uuid7
from backendhub.kit.money import currency as known_currency
from backendhub.systems.cinema import plan, store
from backendhub.systems.cinema.films import SHOW, Hall, Show
from backendhub.systems.cinema.models import SCHEDULED, Chart, ShowOver
from backendhub.systems.cinema.plan import AREA, TABLE, Spot

from . import charts, events, movies, workspaces

MAX_SEATS = 3000
LONGEST = timedelta(minutes=1000)
"""No film is longer: what began earlier is over."""


# -- halls -------------------------------------------------------------------------------------------------


def add_hall(
    db: Db,
    *,
    name: str,
    rows: Mapping[str, tuple[int, int | str]],
    categories: Sequence[Mapping[str, Any]],
) -> Hall:
    """A hall of rows, each with so many seats of a category. Raises Invalid, Conflict for a name that is taken."""
    known = {str(c["key"]) for c in categories}
    if len(known) != len(categories):
        raise Invalid("A category was named twice.", field="categories")
    if unknown := sorted({str(category) for _, category in rows.values()} - known):
        raise Invalid(f"There is no category {unknown[0]!r}.", field="rows")
    drawing = plan.hall(name, rows, categories)
    return hall_of_chart(db, name=name, chart=charts.add(db, workspaces.own(db), drawing, name=name))


def hall_of_chart(db: Db, *, name: str, chart: Chart) -> Hall:
    """A hall with a chart of the cinema's workspace, however it was drawn. Raises Invalid."""
    seats = len(_singles(charts.spots(db, chart.id)))
    if not 1 <= seats <= MAX_SEATS:
        raise Invalid(f"A hall has 1 to {MAX_SEATS} seats, not {seats}.", field="rows")
    return db.insert(
        Hall, "cinema_hall", id=uuid7(), name=name, chart_id=chart.id, seats=seats, created_at=clock.now()
    )


def hall(db: Db, id: str, *, lock: bool = False) -> Hall:
    """A hall. Raises NotFound."""
    if lock:
        db.fetch(store.LOCK_HALL[db.dialect], {"id": id})
    found = db.one(Hall, store.HALL, id=id)
    if found is None:
        raise NotFound(f"There is no hall {id[:80]!r}.")
    return found


def halls(db: Db, *, after: str = "", limit: int = 20) -> list[Hall]:
    """Halls by name, behind a name."""
    return db.all(Hall, store.HALLS, after=after, limit=limit)


def _singles(spots: Sequence[Spot]) -> list[Spot]:
    """What is sold one by one: tables as they are drawn to be had."""
    whole = {s.label: bool(s.whole) for s in spots if s.kind == TABLE}
    return [
        s
        for s in spots
        if s.kind != AREA and (whole[s.label] if s.kind == TABLE else not whole.get(s.row, False))
    ]


# -- shows -------------------------------------------------------------------------------------------------


def add(
    db: Db,
    *,
    movie_id: str,
    hall_id: str,
    starts_at: datetime,
    prices: Mapping[str, int],
    currency: str = "EUR",
    zone: tzinfo = UTC,
) -> Show:
    """Announces a show. `prices`: minor units for each category of the hall; `zone`: the cinema's, whose day is the show's.
    Raises NotFound, Invalid, and Conflict where the hall is taken at that time."""
    movie, place = movies.get(db, movie_id), hall(db, hall_id, lock=True)
    if starts_at <= clock.now():
        raise Invalid("A show is announced before it begins.", field="startsAt")
    try:
        ends_at = starts_at + timedelta(minutes=movie.minutes)
        day = starts_at.astimezone(zone).date().isoformat()
        times = {"starts_at": starts_at.astimezone(UTC), "ends_at": ends_at.astimezone(UTC)}
    except OverflowError:
        raise Invalid("This day is too far away.", field="startsAt") from None
    if other := db.value(store.OVERLAPPING, hall_id=hall_id, **times, earliest=starts_at - LONGEST):
        raise Conflict(f"{place.name} is taken at that time.", show=other)
    own = workspaces.own(db)
    chart = charts.by_id(db, place.chart_id)
    _check_prices(db, chart, prices)
    id = uuid7()
    event = events.create(db, own, chart, {"eventKey": id, "name": movie.title, "date": day})
    db.insert(
        Show,
        "cinema_show",
        id=id,
        movie_id=movie_id,
        hall_id=hall_id,
        event_id=event.id,
        state=SCHEDULED,
        **times,
        currency=known_currency(currency),
        prices=dict(prices),
        capacity=place.seats,
        created_at=clock.now(),
    )
    return get(db, id)


def _check_prices(db: Db, chart: Chart, prices: Mapping[str, int]) -> None:
    wanted = {str(s.category) for s in _singles(charts.spots(db, chart.id))}
    if missing := sorted(wanted - set(prices)):
        raise Invalid(f"There is no price for {', '.join(missing)}.", field="prices")
    if unknown := sorted(set(prices) - {str(c["key"]) for c in chart.categories}):
        raise Invalid(f"The hall has no category {', '.join(unknown)}.", field="prices")


def get(db: Db, id: str) -> Show:
    """A show. Raises NotFound."""
    found = db.one(Show, store.ONE_SHOW, id=id)
    if found is None:
        raise NotFound(f"There is no show {id[:80]!r}.")
    return found


def by_ids(db: Db, ids: Iterable[str]) -> dict[str, Show]:
    """Shows by their ids."""
    found = db.all(Show, store.SHOWS_BY_ID[db.dialect], ids=sorted(ids))
    return {show.id: show for show in found}


def find(
    db: Db,
    *,
    since: datetime,
    until: datetime,
    movie_id: str | None = None,
    after: str | None = None,
    limit: int = 20,
) -> list[Show]:
    """Shows that begin in a period, by time: all, or those of a film; behind a show. Raises NotFound."""
    start, last = ("", "") if after is None else (get(db, after).starts_at, after)
    params: dict[str, Any] = {"since": since, "until": until, "start": start, "after": last, "limit": limit}
    if movie_id is None:
        return db.all(Show, store.SHOWS, **params)
    return db.all(Show, store.SHOWS_OF, **params, movie_id=movie_id)


def cancel(db: Db, id: str) -> Show:
    """Calls a show off before it begins, with every booking of it. Raises NotFound, IllegalMove, ShowOver, and Conflict
    where somebody has been let in."""
    show = get(db, id)
    events.by_id(db, show.event_id, lock=True)
    now = clock.now()
    SHOW.move(db, id, "cancel", cancelled_at=now)
    if show.starts_at <= clock.precise():
        raise ShowOver(f"The show began at {clock.iso(show.starts_at)}.")
    labels = [row[0] for row in db.fetch(store.LABELS_OF_SHOW, {"show_id": id})]
    db.run(store.CANCEL_SHOWS_BOOKINGS, show_id=id, now=now)
    if db.run(store.VOID_SHOW, show_id=id) != len(labels):
        raise Conflict("Somebody has been let in already.")
    return get(db, id)
