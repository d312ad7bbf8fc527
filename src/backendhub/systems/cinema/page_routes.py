"""The routes of the pages: programme, seats, checkout, tickets. Forms only; what they do is what the plain routes do."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, Field

from backendhub.kit import clock, web
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, NotFound

from . import page, screening
from .films import BOOKED, Show
from .models import CANCELLED
from .plain import period
from .plain_bookings import mine, qr, told
from .plain_shapes import Name, SeatsOut, hold_out, seats_out
from .service import bookings, charts, events, movies, shows
from .service.bookings import Choice
from .service.orders import Best
from .service.views import view
from .wire import router
from .zone import zone_of

HTML = "text/html; charset=utf-8"
FORM = ("application/x-www-form-urlencoded",)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' https: data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
STATIC = {
    "cinema.css": "text/css; charset=utf-8",
    "cinema.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
EXPLAINED = (Conflict, Invalid, NotFound)
"""What a page says in words; the rest is for the server to tell."""
DAYS = 7
MAX_SHOWS = 200


class PickIn(BaseModel):
    """Seats that were ticked, or how many of the best."""

    seats: Annotated[list[str], Field(max_length=page.MAX_AT_ONCE)] = Field(default_factory=list)
    best: Annotated[int | None, Field(ge=1, le=page.MAX_AT_ONCE)] = None


class CheckoutIn(BaseModel):
    """Who comes."""

    name: Name
    email: Annotated[str, Field(max_length=254, pattern=r"^([^\s@\x00]+@[^\s@\x00]+)?$")] = ""


def _html(text: str, status: int = 200) -> web.Reply:
    return web.Reply(text, status, headers=HEADERS, media_type=HTML)


def _to(request: web.Request, path: str, cookie: tuple[str, str] | None = None) -> web.Reply:
    headers = [("Location", f"{request.prefix}{path}"), ("Cache-Control", "no-store")]
    return web.Reply(None, 303, headers=[*headers, *([cookie] if cookie else [])])


@router.get("/static/{name}", in_schema=False, public=True)
def static(name: str) -> web.Reply:
    """Style and script."""
    if name not in STATIC:
        raise NotFound(f"There is no {name[:80]!r}.")
    return web.Reply(_asset(name), headers={"Cache-Control": "no-cache"}, media_type=STATIC[name])


@cache
def _asset(name: str) -> bytes:
    return files(__package__).joinpath("static", name).read_bytes()


@router.get("/", media_type=HTML, in_schema=False)
def programme(db: Db, request: web.Request) -> web.Reply:
    """What is on in the next days."""
    zone = zone_of(request.hub.settings)
    since, until = period(None, DAYS, zone)
    found = shows.find(db, since=since, until=until, limit=MAX_SHOWS)
    on = [s for s in found if s.state != CANCELLED]
    films = movies.by_ids(db, {s.movie_id for s in on})
    return _html(page.programme(on, films, zone, request.prefix))


# -- seats -------------------------------------------------------------------------------------------------


@router.get("/shows/{id}/pick", media_type=HTML, in_schema=False)
def show_seats(db: Db, request: web.Request, id: str) -> web.Reply:
    """The seat map as a form."""
    return _pick(db, request, shows.get(db, id))


@router.post("/shows/{id}/pick", media_type=HTML, consumes=FORM, in_schema=False)
def pick_seats(db: Db, request: web.Request, id: str, body: PickIn) -> web.Reply:
    """Keep what was ticked, and go on to the checkout; or say what was taken meanwhile."""
    show = shows.get(db, id)
    choice = Choice(body.seats, Best(body.best) if body.best else None)
    if not body.seats and not body.best:
        return _pick(db, request, show, trouble="Choose at least one seat.", status=422)
    minutes = request.hub.settings.number("cinema.hold_minutes")
    try:
        with db.savepoint():
            held = bookings.hold(db, id, choice, ttl=timedelta(minutes=minutes))
    except EXPLAINED as error:
        lost = error.details.get("seats") or ()
        kept = [name for name in body.seats if name not in lost]
        return _pick(db, request, show, chosen=kept, trouble=error.message, status=error.status)
    return _to(request, f"/holds/{held.token.token}/checkout")


def _pick(
    db: Db,
    request: web.Request,
    show: Show,
    *,
    chosen: list[str] | None = None,
    trouble: str | None = None,
    status: int = 200,
) -> web.Reply:
    event = events.by_id(db, show.event_id)
    seats = seats_out(show, view(db, event))
    names = {str(c["key"]): str(c["label"]) for c in charts.of(db, event).categories}
    closed = show.state == CANCELLED or show.starts_at <= clock.precise()
    if closed and trouble is None:
        trouble = "The show was called off." if show.state == CANCELLED else "The show has begun."
    text = page.pick(
        seats,
        names,
        zone_of(request.hub.settings),
        request.prefix,
        chosen=chosen or (),
        trouble=trouble,
        json_ld=_json_ld(db, request, show, seats),
        closed=closed,
    )
    return _html(text, status)


def _json_ld(db: Db, request: web.Request, show: Show, seats: SeatsOut) -> str:
    base = f"{request.base_url}{request.prefix}"
    return screening.text(screening.event(show, movies.get(db, show.movie_id), seats, base))


# -- checkout ----------------------------------------------------------------------------------------------


@router.get("/holds/{id}/checkout", media_type=HTML, in_schema=False)
def show_checkout(db: Db, request: web.Request, id: str) -> web.Reply:
    """Who comes?"""
    return _checkout(db, request, id)


@router.post("/holds/{id}/checkout", media_type=HTML, consumes=FORM, in_schema=False)
def check_out(db: Db, request: web.Request, id: str, body: CheckoutIn) -> web.Reply:
    """Book what is kept. The tickets are for the browser that has booked, by a cookie."""
    try:
        with db.savepoint():
            held = bookings.held(db, id)
            made = bookings.book(
                db, held.show.id, Choice(), name=body.name, email=body.email or None, token=id
            )
    except EXPLAINED as error:
        return _html(page.message("Not booked", error.message, request.prefix), error.status)
    here = f"{request.prefix}/bookings/{made.booking.id}"
    secure = request.scope.get("scheme") == "https"
    secret = web.cookie("booking", made.secret or "", path=here, max_age=60 * 86400, secure=secure)
    return _to(request, f"/bookings/{made.booking.id}/tickets", secret)


@router.post("/holds/{id}/give-up", media_type=HTML, consumes=FORM, in_schema=False)
def give_up(db: Db, request: web.Request, id: str) -> web.Reply:
    """Give the seats back and go to the programme."""
    bookings.give_up(db, id)
    return _to(request, "/")


def _checkout(db: Db, request: web.Request, id: str) -> web.Reply:
    try:
        held = bookings.held(db, id)
    except EXPLAINED as error:
        return _html(
            page.message("These seats are not kept any more", error.message, request.prefix), error.status
        )
    text = page.checkout(hold_out(held), held.show, zone_of(request.hub.settings), request.prefix)
    return _html(text)


# -- tickets -----------------------------------------------------------------------------------------------


@router.get("/bookings/{id}/tickets", media_type=HTML, in_schema=False)
def show_tickets(db: Db, request: web.Request, user: web.MaybeUser, id: str) -> web.Reply:
    """The tickets of a booking, for who has made it."""
    found = mine(bookings.get(db, id), user, request.cookies.get("booking"))
    booking = told(db, found)
    codes = {t.id: qr(t.code, t.seat) for t in booking.tickets}
    can = booking.state == BOOKED and booking.starts_at > clock.precise()
    can = can and all(t.state == "valid" for t in booking.tickets)
    zone = zone_of(request.hub.settings)
    return _html(page.tickets(booking, codes, zone, request.prefix, can_cancel=can))


@router.post("/bookings/{id}/give-back", media_type=HTML, consumes=FORM, in_schema=False)
def give_back(db: Db, request: web.Request, user: web.MaybeUser, id: str) -> web.Reply:
    """Cancel a booking and show what is left of it."""
    mine(bookings.get(db, id), user, request.cookies.get("booking"))
    try:
        with db.savepoint():
            bookings.cancel(db, id)
    except EXPLAINED as error:
        return _html(page.message("Not cancelled", error.message, request.prefix), error.status)
    return _to(request, f"/bookings/{id}/tickets")
