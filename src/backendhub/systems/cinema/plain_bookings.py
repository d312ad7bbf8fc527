"""The cinema's own routes: accounts, bookings, tickets at the door."""

from __future__ import annotations

import hmac
import io
from collections.abc import Sequence
from typing import Annotated

from fastapi import Header

from backendhub.kit import accounts, web
from backendhub.kit.accounts.secret import digest
from backendhub.kit.db import Db
from backendhub.kit.hub import Hub
from backendhub.kit.identity import Principal
from backendhub.kit.web.fields import Limit

from .films import Booking
from .plain_shapes import (
    After,
    BookingIn,
    BookingOut,
    PersonOut,
    ScanIn,
    ScanOut,
    SignedInOut,
    SignInIn,
    SignUpIn,
    TicketOut,
    booking_out,
    person_out,
    ticket_out,
)
from .service import bookings, shows, tickets
from .wire import ADMIN, Staff, router

# Not in the schema: no schema can say which secret belongs to which booking.
Secret = Annotated[str | None, Header(max_length=100, include_in_schema=False)]


# -- accounts ----------------------------------------------------------------------------------------------


def _signed_in(db: Db, hub: Hub, user: accounts.User) -> SignedInOut:
    lifetime = accounts.of(hub).sessions.lifetime_s
    grant = accounts.sign_in(db, hub, user, lifetime_s=lifetime, idle_s=0)
    return SignedInOut(person_out(user), grant.access_token, grant.expires_in)


@router.post("/users", status=201, statuses=(403, 409, 429), public=True)
async def sign_up(request: web.Request, body: SignUpIn) -> SignedInOut:
    """Make an account and sign in to it."""
    await accounts.registering(request)
    request.hub.passwords.check(body.password, body.email, body.name)
    hash = await request.hub.passwords.ahash(body.password)

    def add(db: Db) -> SignedInOut:
        user = accounts.add(db, email=body.email, name=body.name, password_hash=hash)
        return _signed_in(db, request.hub, user)

    return await request.call(add)


@router.post("/sign-in", statuses=(401, 429), public=True)
async def sign_in(request: web.Request, body: SignInIn) -> SignedInOut:
    """Sign in with address and password."""
    user = await accounts.verified(request, body.email, body.password, find=accounts.by_email)
    return await request.call(_signed_in, request.hub, user)


@router.get("/me", statuses=(401,))
def get_me(db: Db, user: web.CurrentUser) -> PersonOut:
    """Who am I, and which roles do I have?"""
    return person_out(accounts.get(db, user.id))


# -- bookings ----------------------------------------------------------------------------------------------


@router.post("/bookings", status=201, statuses=(404, 409), idempotent=True)
def add_booking(db: Db, request: web.Request, user: web.MaybeUser, body: BookingIn) -> BookingOut:
    """Book the seats of a hold, named seats, or the best that are left: all of them, or none. The answer has the tickets,
    and once the secret by which a guest comes back."""
    made = bookings.book(
        db,
        body.showId,
        body.record(),
        name=body.name,
        email=body.email,
        token=body.hold,
        user_id=user.id if user else None,
    )
    shown = told(db, made)
    return web.reply(shown, headers={"Location": f"{request.prefix}/bookings/{shown.id}"})


@router.get("/bookings", statuses=(401,))
def list_bookings(db: Db, user: web.CurrentUser, before: After = "", limit: Limit = 20) -> list[BookingOut]:
    """List one's own bookings, the latest first; `before` is the last id of the page before."""
    return with_tickets(db, bookings.of_user(db, user.id, before=before or None, limit=limit))


@router.get("/bookings/{id}", statuses=(404,))
def get_booking(db: Db, user: web.MaybeUser, id: str, booking_secret: Secret = None) -> BookingOut:
    """Read a booking: one's own, or with its secret in `Booking-Secret`."""
    return told(db, mine(bookings.get(db, id), user, booking_secret))


@router.post("/bookings/{id}/cancel", statuses=(404, 409))
def cancel_booking(db: Db, user: web.MaybeUser, id: str, booking_secret: Secret = None) -> BookingOut:
    """Give the seats back, before the show begins."""
    mine(bookings.get(db, id), user, booking_secret)
    return told(db, bookings.cancel(db, id))


def mine(found: bookings.Booked, user: Principal | None, secret: str | None) -> bookings.Booked:
    """The booking. Raises NotFound where neither the account nor the secret says that somebody may see a booking."""
    known = secret is not None and hmac.compare_digest(digest(secret), found.booking.secret_hash)
    owner = user is not None and (user.id == found.booking.user_id or user.is_(ADMIN))
    if not known and not owner:
        raise bookings.unknown(found.booking.id)
    return found


def told(db: Db, found: bookings.Booked) -> BookingOut:
    """A booking with the codes of its tickets."""
    key = tickets.secret(db)
    assert key is not None
    shown = [ticket_out(t, tickets.code(key, t.id)) for t in found.tickets]
    return booking_out(found.booking, found.show, shown, found.secret)


def with_tickets(db: Db, found: Sequence[Booking]) -> list[BookingOut]:
    """Bookings with their tickets and shows."""
    key = tickets.secret(db)
    by_booking = bookings.of_bookings(db, [b.id for b in found])
    known = shows.by_ids(db, {b.show_id for b in found})
    shown: list[BookingOut] = []
    for booking in found:
        assert key is not None
        own: list[TicketOut] = [
            ticket_out(t, tickets.code(key, t.id)) for t in by_booking.get(booking.id, [])
        ]
        shown.append(booking_out(booking, known[booking.show_id], own))
    return shown


# -- tickets -----------------------------------------------------------------------------------------------


@router.get("/tickets/{id}/qr.svg", media_type="image/svg+xml", statuses=(404,))
def get_qr(db: Db, user: web.MaybeUser, id: str, booking_secret: Secret = None) -> web.Reply:
    """The QR code of a ticket: of one's own booking, or with its secret in `Booking-Secret`."""
    ticket = tickets.get(db, id)
    mine(bookings.get(db, ticket.booking_id), user, booking_secret)
    key = tickets.secret(db)
    assert key is not None
    return web.Reply(qr(tickets.code(key, ticket.id), ticket.label), media_type="image/svg+xml")


def qr(code: str, seat: str) -> str:
    """A code as a picture, dark on white whatever is around it."""
    import segno

    out = io.BytesIO()
    made = segno.make(code, error="m", micro=False)
    made.save(out, kind="svg", omitsize=True, xmldecl=False, nl=False, title=f"Ticket {seat}", light="#fff")
    return out.getvalue().decode()


@router.post("/tickets/scan", statuses=(401, 403, 404, 409))
def scan_ticket(db: Db, user: Staff, body: ScanIn) -> ScanOut:
    """Let the holder of a ticket in, once (staff and administrators), from three hours before the show until its end."""
    ticket, show = tickets.scan(db, body.code, by=user.id, show_id=body.showId)
    return ScanOut(ticket.id, ticket.label, show.title, show.hall, show.starts_at, ticket.scanned_at)
