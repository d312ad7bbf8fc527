"""Tickets: signed codes, each of which opens the door once."""

from __future__ import annotations

import hmac
from base64 import b32decode, b32encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from secrets import token_hex
from uuid import UUID

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.kit.ids import uuid7
from backendhub.kit.states import IllegalMove
from backendhub.systems.cinema import store
from backendhub.systems.cinema.films import TICKET, VOID, Show, Ticket
from backendhub.systems.cinema.models import CANCELLED, AlreadyScanned, ShowOver

from . import shows

PREFIX = "BHT1"
CURRENT = "tickets"
DOORS = timedelta(hours=3)
"""How long before a show tickets are scanned."""
MAC = 16


class NoTicket(Invalid):
    """A code that this cinema has not signed."""

    code = "no_ticket"


class WrongShow(Conflict):
    """The ticket is for another show, or its doors are not open yet."""

    code = "wrong_show"


class TicketVoid(Conflict):
    """The ticket's booking was cancelled."""

    code = "ticket_void"


def secret(db: Db) -> str | None:
    """What codes are signed with, if there has been a ticket."""
    found: str | None = db.value(store.SECRET, name=CURRENT)
    return found


def ensured_secret(db: Db) -> str:
    """The same; made where there is none."""
    if (found := secret(db)) is None:
        db.run(store.ADD_SECRET, name=CURRENT, secret=token_hex(32))
        found = secret(db)
    assert found is not None
    return found


def secrets_of(db: Db) -> list[str]:
    """What codes may be signed with now: the key, and those before it that are still good."""
    return [row[0] for row in db.fetch(store.SECRETS, {"name": CURRENT, "now": clock.precise()})]


def rotate(db: Db, keep: timedelta) -> datetime:
    """Signs with a new key from now on; codes of the one before are good until the moment that is given back."""
    until = clock.precise() + keep
    db.run(store.RETIRE_SECRET, name=CURRENT, retired=f"{CURRENT}:{uuid7()}", until=until)
    db.run(store.FORGET_SECRETS, now=clock.precise())
    ensured_secret(db)
    return until


def code(key: str, ticket_id: str) -> str:
    """What a ticket's QR code says: letters and digits only, which makes a small picture."""
    id = UUID(ticket_id).bytes
    return PREFIX + b32encode(id + _mac(key, id)).decode().rstrip("=")


def opened(keys: Sequence[str], text: str) -> str:
    """The id of the ticket that a code is of. Raises NoTicket where none of these keys has signed it."""
    try:
        body = text.strip().upper()
        if not body.startswith(PREFIX):
            raise NoTicket("This is no ticket of this cinema.")
        raw = b32decode(body[len(PREFIX) :] + "=" * (-(len(body) - len(PREFIX)) % 8))
    except ValueError:
        raise NoTicket("This is no ticket of this cinema.") from None
    id, mac = raw[:16], raw[16:]
    signed = [hmac.compare_digest(mac, _mac(key, id)) for key in keys]
    if len(raw) != 16 + MAC or not any(signed):
        raise NoTicket("This is no ticket of this cinema.")
    return str(UUID(bytes=id))


def get(db: Db, id: str) -> Ticket:
    """A ticket. Raises NotFound."""
    found = db.one(Ticket, store.ONE_TICKET, id=id)
    if found is None:
        raise NotFound(f"There is no ticket {id[:80]!r}.")
    return found


def scan(db: Db, text: str, *, by: str, show_id: str | None = None) -> tuple[Ticket, Show]:
    """Lets the holder of a code in: once, whoever else scans it at the same time.

    Raises NoTicket, WrongShow, TicketVoid, AlreadyScanned, ShowOver.
    """
    ticket = get(db, opened(secrets_of(db), text))
    show = shows.get(db, ticket.show_id)
    _admitted(show, show_id)
    now = clock.now()
    try:
        TICKET.move(db, ticket.id, "scan", scanned_at=now, scanned_by=by)
    except IllegalMove as error:
        if error.details["state"] == VOID:
            raise TicketVoid("The booking of this ticket was cancelled.") from None
        used = get(db, ticket.id)
        assert used.scanned_at is not None
        when = clock.iso(used.scanned_at)
        raise AlreadyScanned(f"Scanned before, at {when}.", scannedAt=when, seat=used.label) from None
    return get(db, ticket.id), show


def _admitted(show: Show, show_id: str | None) -> None:
    now = clock.precise()
    if show_id is not None and show_id != show.id:
        raise WrongShow(f"This ticket is for {show.title} at {clock.iso(show.starts_at)}.", show=show.id)
    if show.state == CANCELLED:
        raise ShowOver("The show was called off.")
    if now >= show.ends_at:
        raise ShowOver(f"The show ended at {clock.iso(show.ends_at)}.")
    if now < show.starts_at - DOORS:
        raise WrongShow(
            f"Doors open at {clock.iso(show.starts_at - DOORS)}.", opensAt=clock.iso(show.starts_at - DOORS)
        )


def _mac(key: str, id: bytes) -> bytes:
    return hmac.digest(key.encode(), b"ticket:" + id, "sha256")[:MAC]
