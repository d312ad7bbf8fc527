"""The cinema's own routes: films, halls, shows, seats and holds."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Query
from pydantic import AfterValidator, WithJsonSchema

from backendhub.kit import checks, clock, reservation, web
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid
from backendhub.kit.web.fields import NO_NUL, Limit, Search

from . import poster, screening, store
from .films import Genre, Hall, Movie
from .plain_shapes import (
    After,
    ChoiceIn,
    HallIn,
    HallOut,
    HoldOut,
    MovieIn,
    MoviePatch,
    SeatsOut,
    ShowIn,
    ShowOut,
    hall_out,
    hold_out,
    seats_out,
    show_out,
)
from .service import bookings, charts, events, movies, shows
from .service.views import view
from .wire import Admin, router
from .zone import zone_of


def _day(text: str) -> str:
    """A day as it is written: a number of seconds is none."""
    if len(text) != 10:
        raise ValueError("a day is YYYY-MM-DD")
    return date.fromisoformat(text).isoformat()


Day = Annotated[
    str,
    AfterValidator(_day),
    WithJsonSchema(
        {"type": "string", "format": "date", "description": "YYYY-MM-DD in the cinema's time zone"}
    ),
]
MAX_DAYS = 366


def period(day: str | None, days: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """So many days as moments; from now on where no day is named. Raises Invalid."""
    try:
        if day is None:
            return clock.now(), clock.now() + timedelta(days=days)
        first = datetime.combine(date.fromisoformat(day), time.min, zone).astimezone(UTC)
        last = date.fromisoformat(day) + timedelta(days=days)
        return first, datetime.combine(last, time.min, zone).astimezone(UTC)
    except OverflowError:
        raise Invalid("This day is too far away.", field="date") from None


# -- films -------------------------------------------------------------------------------------------------


@router.get("/movies")
def list_movies(
    db: Db,
    genre: Annotated[str | None, Query(max_length=60, pattern=NO_NUL)] = None,
    q: Search = None,
    after: After = "",
    limit: Limit = 20,
) -> list[Movie]:
    """List films: of a genre, whose title holds a text. `after` is the last id of the page before."""
    return movies.find(db, genre=genre, text=q, after=after, limit=limit)


@router.post("/movies", status=201, statuses=(401, 403))
def add_movie(db: Db, request: web.Request, user: Admin, body: MovieIn) -> Movie:
    """Add a film (administrators)."""
    made = movies.add(db, **body.model_dump())
    return web.reply(made, headers={"Location": f"{request.prefix}/movies/{made.id}"})


@router.get("/movies/{id}", statuses=(404,))
def get_movie(db: Db, id: str) -> Movie:
    """Read a film."""
    return movies.get(db, id)


@router.patch("/movies/{id}", statuses=(401, 403, 404))
def edit_movie(db: Db, user: Admin, id: str, body: MoviePatch) -> Movie:
    """Change a film (administrators)."""
    return movies.edit(db, id, **body.model_dump(exclude_unset=True))


@router.delete("/movies/{id}", statuses=(401, 403, 404, 409))
def remove_movie(db: Db, user: Admin, id: str) -> None:
    """Remove a film that was never shown (administrators)."""
    movies.remove(db, id)


@router.get("/movies/{id}/poster.svg", media_type="image/svg+xml", statuses=(404,))
def get_poster(db: Db, id: str) -> web.Reply:
    """A plain poster made of the title, for films that bring none."""
    return web.Reply(poster.svg(movies.get(db, id)), media_type="image/svg+xml")


@router.get("/genres")
def list_genres(db: Db) -> list[Genre]:
    """List genres with the number of their films."""
    return movies.genres(db)


# -- halls -------------------------------------------------------------------------------------------------


@router.post("/halls", status=201, statuses=(401, 403, 409))
def add_hall(db: Db, request: web.Request, user: Admin, body: HallIn) -> HallOut:
    """Build a hall of rows (administrators). The first row is nearest to the screen."""
    rows = {row.label: (row.seats, row.category) for row in body.rows}
    if len(rows) != len(body.rows):
        raise Invalid("A row was named twice.", field="rows")
    made = shows.add_hall(db, name=body.name, rows=rows, categories=[c.model_dump() for c in body.categories])
    return web.reply(_hall(db, made), headers={"Location": f"{request.prefix}/halls/{made.id}"})


@router.get("/halls")
def list_halls(
    db: Db,
    after: Annotated[str, Query(max_length=140, pattern=NO_NUL, description="The last name before")] = "",
    limit: Limit = 50,
) -> list[Hall]:
    """List halls by name."""
    return shows.halls(db, after=after, limit=limit)


@router.get("/halls/{id}", statuses=(404,))
def get_hall(db: Db, id: str) -> HallOut:
    """Read a hall with its rows and categories."""
    return _hall(db, shows.hall(db, id))


def _hall(db: Db, found: Hall) -> HallOut:
    rows: dict[str, dict[str, Any]] = {}
    for spot in charts.spots(db, found.chart_id):
        if spot.capacity is None:
            name = spot.parent or spot.own
            row = rows.setdefault(name, {"label": name, "seats": 0, "category": str(spot.category)})
            row["seats"] += 1
    return hall_out(found, charts.by_id(db, found.chart_id).categories, list(rows.values()))


# -- shows -------------------------------------------------------------------------------------------------


@router.get("/shows")
def list_shows(
    db: Db,
    request: web.Request,
    date: Day | None = None,
    days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = 1,
    movie: Annotated[str | None, Query(max_length=60, pattern=NO_NUL)] = None,
    after: Annotated[str | None, Query(max_length=60, pattern=NO_NUL)] = None,
    limit: Limit = 50,
) -> list[ShowOut]:
    """List shows by time: of a day or several, without a date those of the next 30 days; of one film."""
    zone = zone_of(request.hub.settings)
    since, until = period(date, days if date else 30, zone)
    found = shows.find(db, since=since, until=until, movie_id=movie, after=after, limit=limit)
    return [show_out(s) for s in found]


@router.post("/shows", status=201, statuses=(401, 403, 404, 409))
def add_show(db: Db, request: web.Request, user: Admin, body: ShowIn) -> ShowOut:
    """Announce a show (administrators). A hall has one show at a time."""
    if body.startsAt.tzinfo is None:
        raise Invalid("A time has an offset: 2026-03-01T20:00:00+01:00.", field="startsAt")
    made = shows.add(
        db,
        movie_id=body.movieId,
        hall_id=body.hallId,
        starts_at=body.startsAt,
        prices=body.prices,
        currency=body.currency,
        zone=zone_of(request.hub.settings),
    )
    return web.reply(show_out(made), headers={"Location": f"{request.prefix}/shows/{made.id}"})


@router.get("/shows/{id}", statuses=(404,))
def get_show(db: Db, id: str) -> ShowOut:
    """Read a show."""
    return show_out(shows.get(db, id))


@router.post("/shows/{id}/cancel", statuses=(401, 403, 404, 409))
def cancel_show(db: Db, user: Admin, id: str) -> ShowOut:
    """Call a show off before it begins, and every booking of it (administrators)."""
    return show_out(shows.cancel(db, id))


@router.get("/shows/{id}/seats", statuses=(404,))
def get_seats(db: Db, id: str) -> SeatsOut:
    """The seat map: every seat with its price, and whether it is free."""
    show = shows.get(db, id)
    return seats_out(show, view(db, events.by_id(db, show.event_id)))


@router.get("/shows/{id}/event.jsonld", media_type="application/ld+json", statuses=(404,))
def get_screening_event(db: Db, request: web.Request, id: str) -> web.Reply:
    """The show as a `ScreeningEvent` of schema.org, for search engines."""
    show = shows.get(db, id)
    seen = view(db, events.by_id(db, show.event_id))
    base = f"{request.base_url}{request.prefix}"
    found = screening.event(show, movies.get(db, show.movie_id), seats_out(show, seen), base)
    return web.Reply(screening.text(found), media_type="application/ld+json")


# -- holds -------------------------------------------------------------------------------------------------


@router.post("/shows/{id}/holds", status=201, statuses=(404, 409))
def add_hold(db: Db, request: web.Request, id: str, body: ChoiceIn) -> HoldOut:
    """Keep seats for a while: all that were named, or the best that are left; or add them to a hold."""
    minutes = request.hub.settings.number("cinema.hold_minutes")
    held = bookings.hold(db, id, body.record(), token=body.hold, ttl=timedelta(minutes=minutes))
    return web.reply(hold_out(held), headers={"Location": f"{request.prefix}/holds/{held.token.token}"})


@router.get("/holds/{id}", statuses=(404, 409))
def get_hold(db: Db, id: str) -> HoldOut:
    """Read a hold."""
    return hold_out(bookings.held(db, id))


@router.delete("/holds/{id}", statuses=(404,))
def remove_hold(db: Db, id: str) -> None:
    """Give the seats of a hold back."""
    bookings.give_up(db, id)


@router.get("/_check")
def check(db: Db) -> checks.Report:
    """Look at every invariant of the cinema and its reservations, live."""
    return checks.run(db, [*reservation.CHECKS, *store.CHECKS])
