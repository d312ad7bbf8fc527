"""Holds and bookings of a show's seats: all of those that were asked for, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from backendhub.kit import clock
from backendhub.kit.accounts import secret as secrets
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.kit.ids import uuid7
from backendhub.systems.cinema import store
from backendhub.systems.cinema.films import BOOKING, Booking, Show, Ticket
from backendhub.systems.cinema.models import (
    BOOKED,
    FREE,
    HELD,
    Event,
    IllegalStatusChange,
    Refused,
    SeatsTaken,
    ShowOver,
    Token,
    TokenOver,
)
from backendhub.systems.cinema.plan import AREA

from . import events, seats, shows, tickets, tokens, workspaces
from .orders import Best, Order, Wanted
from .views import View, view

HOLD = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Choice:
    """The seats that somebody wants: by label, or the best that are left."""

    seats: Sequence[str] = ()
    best: Best | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Seats of a show that are kept for somebody, until `token.expires_at`."""

    token: Token
    show: Show
    seats: list[str]
    seen: View


@dataclass(frozen=True, slots=True)
class Booked:
    """A booking with its tickets; `secret` only when it was just made."""

    booking: Booking
    show: Show
    tickets: list[Ticket]
    secret: str | None = None


# -- holds -------------------------------------------------------------------------------------------------


def hold(db: Db, show_id: str, choice: Choice, *, token: str | None = None, ttl: timedelta = HOLD) -> Held:
    """Keeps seats for somebody, in a new hold or further ones in theirs. Raises NotFound, Invalid, SeatsTaken, TokenOver,
    ShowOver."""
    show, event = _locked(db, show_id, choice, token)
    own = workspaces.own(db)
    kept = tokens.add(db, own, ttl) if token is None else tokens.live(db, own, token)
    order = Order(HELD, token=kept.token, ignore_channels=True, origin="CINEMA")
    seen, labels = _take(db, show, event, choice, order)
    for label in labels:
        price(show, seen, label)
    return _held(db, kept, show, event)


def held(db: Db, token: str) -> Held:
    """What a hold keeps now. Raises NotFound, and TokenOver where its time is over."""
    kept = tokens.live(db, workspaces.existing(db), token)
    event_id = db.value(store.STATES_OF_CLAIM, claim_id=token)
    if event_id is None:
        raise TokenOver("The hold is over.")
    event = events.by_id(db, event_id)
    return _held(db, kept, shows.get(db, event.key), event)


def give_up(db: Db, token: str) -> None:
    """Gives up a hold; one that is over stays over. Raises NotFound."""
    tokens.end(db, tokens.get(db, workspaces.existing(db), token))


def _held(db: Db, kept: Token, show: Show, event: Event) -> Held:
    seen = view(db, event)
    mine = [s.label for s in seen.states.values() if s.status == HELD and s.claim_id == kept.token]
    return Held(kept, show, sorted(mine), seen)


# -- bookings ----------------------------------------------------------------------------------------------


def book(
    db: Db,
    show_id: str,
    choice: Choice,
    *,
    name: str,
    email: str | None = None,
    token: str | None = None,
    user_id: str | None = None,
) -> Booked:
    """Sells seats: those of a hold, others, or both; all or none. Raises NotFound, Invalid, SeatsTaken, TokenOver,
    ShowOver."""
    show, event = _locked(db, show_id, choice, token)
    wanted = choice if choice.seats or choice.best else Choice(_of_hold(db, token, event))
    id = uuid7()
    order = Order(BOOKED, token, id, ignore_channels=True, origin="CINEMA", ticketed=True)
    seen, labels = _take(db, show, event, wanted, order)
    prices = {label: price(show, seen, label) for label in labels}
    key = secrets.opaque()
    booking = db.insert(
        Booking,
        "cinema_booking",
        id=id,
        show_id=show.id,
        user_id=user_id,
        name=name,
        email=email,
        state=BOOKING.initial,
        amount=sum(price for _, price in prices.values()),
        currency=show.currency,
        secret_hash=secrets.digest(key),
        created_at=clock.now(),
    )
    rows = [
        {"id": uuid7(), "booking_id": id, "show_id": show.id, "label": label, "category": c, "price": p}
        for label, (c, p) in prices.items()
    ]
    db.run_many(store.ADD_TICKET, rows)
    tickets.ensured_secret(db)
    return Booked(booking, show, of_bookings(db, [id])[id], key)


def get(db: Db, id: str) -> Booked:
    """A booking with its tickets. Raises NotFound."""
    found = db.one(Booking, store.ONE_BOOKING, id=id)
    if found is None:
        raise unknown(id)
    return Booked(found, shows.get(db, found.show_id), of_bookings(db, [id]).get(id, []))


def unknown(id: str) -> NotFound:
    """What is said of a booking that is not there, and of one that is somebody else's."""
    return NotFound(f"There is no booking {id[:80]!r}.")


def of_user(db: Db, user_id: str, *, before: str | None = None, limit: int = 20) -> list[Booking]:
    """The bookings of an account, the latest first."""
    return db.all(Booking, store.BOOKINGS_OF, user_id=user_id, before=before or "~", limit=limit)


def of_show(db: Db, show_id: str, *, after: str = "", limit: int = 20) -> list[Booking]:
    """The bookings of a show, the earliest first. Raises NotFound."""
    shows.get(db, show_id)
    return db.all(Booking, store.BOOKINGS_OF_SHOW, show_id=show_id, after=after, limit=limit)


def of_bookings(db: Db, ids: Sequence[str]) -> dict[str, list[Ticket]]:
    """The tickets of bookings."""
    found: dict[str, list[Ticket]] = {}
    for ticket in db.all(Ticket, store.TICKETS_OF[db.dialect], ids=list(ids)) if ids else []:
        found.setdefault(ticket.booking_id, []).append(ticket)
    return found


def cancel(db: Db, id: str) -> Booked:
    """Gives the seats of a booking back before the show begins. Raises NotFound, IllegalMove, ShowOver, and Conflict where
    one of its tickets was used."""
    found = get(db, id)
    event = events.by_id(db, found.show.event_id, lock=True)
    BOOKING.move(db, id, "cancel", cancelled_at=clock.now())
    if found.show.starts_at <= clock.precise():
        raise ShowOver(f"The show began at {clock.iso(found.show.starts_at)}.")
    if db.run(store.VOID_TICKETS, booking_id=id) != len(found.tickets):
        raise Conflict("A ticket of this booking was used already.")
    order = Order(FREE, ignore_channels=True, origin="CINEMA", ticketed=True)
    seats.change(db, workspaces.own(db), event, [Wanted(t.label) for t in found.tickets], order)
    return get(db, id)


# -- inside ------------------------------------------------------------------------------------------------


def _locked(db: Db, show_id: str, choice: Choice, token: str | None) -> tuple[Show, Event]:
    """A show and its event: shared with others who take named seats, or locked for who wants the best.

    Who is too late is told so before he stands in the queue: of hundreds who want a seat most need not wait.
    """
    show = shows.get(db, show_id)
    event = events.by_id(db, show.event_id)
    seats.check_open(event, BOOKED)
    if token is not None:
        tokens.live(db, workspaces.own(db), token)
    if choice.seats:
        seen = view(db, event, choice.seats)
        _check_labels(seen, choice.seats)
        states = [seen.state(label) for label in seen.spots]
        if taken := sorted(s.label for s in states if s.status != FREE and s.claim_id != token):
            raise _seats_taken(taken)
    return show, events.by_id(db, show.event_id, lock=choice.best is not None, shared=choice.best is None)


def _seats_taken(names: Sequence[str]) -> SeatsTaken:
    return SeatsTaken(f"Not free: {', '.join(names)}. No seat was taken.", seats=list(names))


def _of_hold(db: Db, token: str | None, event: Event) -> list[str]:
    if token is None:
        raise Invalid("Say which seats: `seats`, `best` or a `hold`.", field="seats")
    tokens.live(db, workspaces.own(db), token)
    rows = db.fetch(store.STATES_OF_CLAIM, {"claim_id": token})
    labels = [label for event_id, label in rows if event_id == event.id]
    if not labels:
        raise TokenOver("The hold keeps no seats of this show.")
    return labels


def _take(db: Db, show: Show, event: Event, choice: Choice, order: Order) -> tuple[View, list[str]]:
    own = workspaces.own(db)
    try:
        if choice.best is not None:
            wanted = replace(choice.best, categories=choice.best.categories or list(show.prices))
            seen, labels, _ = seats.change_best(db, own, event, wanted, order)
            return seen, labels
        labels = list(dict.fromkeys(choice.seats))
        order = replace(order, shared=True)
        return seats.change(db, own, event, [Wanted(label) for label in labels], order), labels
    except IllegalStatusChange as error:
        names: Any = error.details["seats"]
        raise _seats_taken(names) from None
    except Refused as error:
        if error.code != "BEST_AVAILABLE_OBJECTS_NOT_FOUND":
            raise
        raise SeatsTaken("There are not so many seats that fit.", seats=[]) from None


def _check_labels(seen: View, labels: Sequence[str]) -> None:
    names = list(dict.fromkeys(labels))
    if unknown := [name for name in names if name not in seen.spots]:
        raise Invalid(f"The hall has no seat {', '.join(unknown)}.", field="seats", seats=unknown)
    if areas := [name for name in names if seen.spots[name].kind == AREA]:
        raise Invalid(f"{', '.join(areas)} is no seat.", field="seats", seats=areas)


def price(show: Show, seen: View, label: str) -> tuple[str, int]:
    """Category and price of a seat. Raises Invalid where its category has none."""
    category = str(events.category_key(seen.event, seen.spots[label]))
    if category not in show.prices:
        raise Invalid(f"There is no price for {label}.", field="seats", seats=[label])
    return category, show.prices[category]
