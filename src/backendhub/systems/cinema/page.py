"""Pages in which a person chooses seats. They work without scripts; with them they add up and stay current."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from itertools import groupby
from zoneinfo import ZoneInfo

from backendhub.kit.clock import iso
from backendhub.kit.money import Money, exponent

from .films import VOID, Movie, Show
from .plain_shapes import BookingOut, HoldOut, SeatOut, SeatsOut, movie_poster

MAX_AT_ONCE = 50


def document(title: str, body: str, prefix: str, head: str = "") -> str:
    """A whole page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="{prefix}/static/icon.svg">'
        f'<link rel="stylesheet" href="{prefix}/static/cinema.css">{head}'
        f'<script src="{prefix}/static/cinema.js" defer></script></head><body>'
        f'<a class="skip" href="#main">To the content</a><nav><a href="{prefix}/">Programme</a></nav>'
        f'<main id="main">{body}</main></body></html>'
    )


def _when(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f'<time datetime="{iso(moment)}">{local:%A, %d %B, %H:%M}</time>'


def price(minor: int, currency: str) -> str:
    """An amount for people."""
    return f"{currency} {Money(minor, currency).decimal}"


def _alert(trouble: str | None) -> str:
    return f'<p class="bad" role="alert">{escape(trouble)}</p>' if trouble else ""


# -- programme ---------------------------------------------------------------------------------------------


def programme(shows: Sequence[Show], movies: dict[str, Movie], zone: ZoneInfo, prefix: str) -> str:
    """What is on, day by day."""
    parts = ["<h1>What is on</h1>"]
    if not shows:
        parts.append('<p class="dim">No shows are announced for the next days.</p>')
    for day, found in groupby(shows, key=lambda s: s.starts_at.astimezone(zone).date()):
        films: dict[str, list[Show]] = {}
        for show in found:
            films.setdefault(show.movie_id, []).append(show)
        items = "".join(_film(movies[id], mine, zone, prefix) for id, mine in films.items())
        parts.append(f'<h2>{day:%A, %d %B}</h2><ul class="films">{items}</ul>')
    return document("What is on", "".join(parts), prefix)


def _film(movie: Movie, shows: Sequence[Show], zone: ZoneInfo, prefix: str) -> str:
    times = "".join(
        f'<li><a href="{prefix}/shows/{s.id}/pick">{s.starts_at.astimezone(zone):%H:%M}'
        f'<span class="unseen"> {escape(movie.title)}</span> <span class="dim">{escape(s.hall)}</span></a></li>'
        for s in shows
    )
    facts = " · ".join([f"{movie.minutes} min", *([movie.rating] if movie.rating else []), *movie.genres])
    return (
        f'<li><img src="{escape(movie_poster(movie, prefix))}" alt="" loading="lazy"><div><h3>{escape(movie.title)}</h3>'
        f'<p class="dim">{escape(facts)}</p><ul class="times">{times}</ul></div></li>'
    )


# -- seats -------------------------------------------------------------------------------------------------


def pick(
    seats: SeatsOut,
    names: dict[str, str],
    zone: ZoneInfo,
    prefix: str,
    *,
    chosen: Sequence[str] = (),
    trouble: str | None = None,
    json_ld: str = "",
    closed: bool = False,
) -> str:
    """The seat map of a show, as a form. `names` are those of the categories."""
    show = seats.show
    order = list(show.prices)
    rows = "".join(
        _row(name, list(found), order, names, show.currency, chosen, closed=closed)
        for name, found in groupby(seats.seats, key=lambda s: s.row)
    )
    legend = "".join(
        f'<li><span class="seat c{n % 4}"><span></span></span>{escape(names.get(c, c))}, {price(show.prices[c], show.currency)}</li>'
        for n, c in enumerate(order)
    )
    legend += '<li><span class="seat taken"><span></span></span>taken</li>'
    action = f"{prefix}/shows/{show.id}/pick"
    body = (
        f'<h1>{escape(show.title)}</h1><p class="dim">{_when(show.starts_at, zone)} · {escape(show.hall)} · '
        f"{seats.free} of {show.capacity} seats free</p>{_alert(trouble)}"
        f'<p id="news" role="status" class="dim"></p><form method="post" action="{action}" '
        f'data-seats="{prefix}/shows/{show.id}/seats" data-currency="{show.currency}" data-digits="{exponent(show.currency)}">'
        '<div class="hall"><fieldset><legend class="unseen">Seats; with the arrow keys from one to the next</legend>'
        f'<div class="screen" aria-hidden="true">SCREEN</div>{rows}</fieldset></div>'
        f'<ul class="legend">{legend}</ul>{"" if closed else _bar()}</form>{"" if closed else _best(action)}'
    )
    head = f'<script type="application/ld+json">{json_ld}</script>' if json_ld else ""
    return document(f"{show.title}: choose seats", body, prefix, head)


def _bar() -> str:
    return '<div class="bar"><output aria-live="polite"></output><button class="main">Keep these seats</button></div>'


def _best(action: str) -> str:
    return (
        f'<form method="post" action="{action}" class="best"><label>How many<br><input type="number" name="best" value="2" min="1" '
        f'max="{MAX_AT_ONCE}" required></label><button>Choose the best for me</button></form>'
    )


def _row(
    name: str,
    seats: list[SeatOut],
    order: list[str],
    names: dict[str, str],
    currency: str,
    chosen: Sequence[str],
    *,
    closed: bool,
) -> str:
    boxes = "".join(_seat(s, order, names, currency, chosen, closed=closed) for s in seats)
    label = escape(name)
    return f'<div class="row" role="group" aria-label="Row {label}"><span aria-hidden="true">{label}</span>{boxes}<span aria-hidden="true">{label}</span></div>'


def _seat(
    seat: SeatOut,
    order: list[str],
    names: dict[str, str],
    currency: str,
    chosen: Sequence[str],
    *,
    closed: bool,
) -> str:
    name = f"Row {seat.row} seat {seat.number}, {names.get(seat.category, seat.category)}, {price(seat.price, currency)}"
    taken = seat.status != "free"
    state = " disabled" if taken or closed else " checked" if seat.label in chosen else ""
    told = escape(name + (", taken" if taken else ""))
    return (
        f'<label class="seat c{order.index(seat.category) % 4}"><input type="checkbox" name="seats" value="{escape(seat.label)}" '
        f'data-price="{seat.price}" data-name="{escape(name)}" aria-label="{told}"{state}>'
        f'<span aria-hidden="true">{escape(seat.number)}</span></label>'
    )


# -- checkout and tickets ----------------------------------------------------------------------------------


def checkout(hold: HoldOut, show: Show, zone: ZoneInfo, prefix: str, *, trouble: str | None = None) -> str:
    """Who comes? The seats are kept until then."""
    body = (
        f'<h1>{escape(show.title)}</h1><p class="dim">{_when(show.starts_at, zone)} · {escape(show.hall)}</p>{_alert(trouble)}'
        f"<p>Seats <strong>{escape(', '.join(hold.seats))}</strong>, {price(hold.amount, hold.currency)} · "
        f'<span data-until="{iso(hold.expires_at)}">kept until {hold.expires_at.astimezone(zone):%H:%M}</span></p>'
        f'<form method="post" action="{prefix}/holds/{hold.id}/checkout"><div class="fields">'
        '<label>Name<br><input type="text" name="name" autocomplete="name" maxlength="140" required></label>'
        '<label>E-mail (for our records)<br><input type="email" name="email" autocomplete="email" maxlength="254"></label></div>'
        '<button class="main">Book</button></form>'
        f'<form method="post" action="{prefix}/holds/{hold.id}/give-up"><p><button>Give the seats back</button></p></form>'
    )
    return document(f"{show.title}: book", body, prefix)


def tickets(
    booking: BookingOut, codes: dict[str, str], zone: ZoneInfo, prefix: str, *, can_cancel: bool
) -> str:
    """The tickets of a booking; `codes` are their QR codes as SVG."""
    gone = booking.state == "cancelled"
    items = "".join(
        f"<li>{'' if t.state == VOID else codes[t.id]}<strong>{escape(t.seat)}</strong>"
        f'<span class="dim">{escape(t.state)} · {price(t.price, booking.currency)}</span></li>'
        for t in booking.tickets
    )
    cancel = (
        f'<form method="post" action="{prefix}/bookings/{booking.id}/give-back"><p><button>Cancel this booking</button></p></form>'
        if can_cancel
        else ""
    )
    said = "This booking is cancelled." if gone else f"Booked for {booking.name}."
    body = (
        f'<h1>{escape(booking.title)}</h1><p class="dim">{_when(booking.starts_at, zone)} · {escape(booking.hall)}</p>'
        f'<p role="status">{escape(said)} {price(booking.amount, booking.currency)}</p><ul class="tickets">{items}</ul>{cancel}'
    )
    return document(f"{booking.title}: tickets", body, prefix)


def message(title: str, text: str, prefix: str) -> str:
    """A page that says one thing."""
    return document(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>", prefix)
