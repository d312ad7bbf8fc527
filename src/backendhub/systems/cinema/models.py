"""What a cinema keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backendhub.kit.errors import Conflict, Invalid, NotFound

FREE, BOOKED, HELD, RESALE = "free", "booked", "reservedByToken", "resale"
NO_CHANNEL = "NO_CHANNEL"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Charts and events that belong together; the secret key opens it."""

    id: int
    key: str
    company: str
    name: str
    secret_key: str
    is_test: bool
    is_active: bool
    is_default: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Chart:
    """A seat plan, without its drawings. `has_draft`: changed since events use it."""

    id: int
    key: str
    workspace_id: int
    status: str
    name: str
    archived: bool
    tags: list[str]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """A date on which the places of a chart can be had, once each."""

    id: int
    key: str
    workspace_id: int
    chart_id: int
    name: str | None
    date: str | None
    tables: dict[str, Any]
    object_categories: dict[str, Any] | None
    categories: list[Any]
    channels: list[Any]
    for_sale: dict[str, Any] | None
    in_past: bool
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class State:
    """The status of a seat, table or booth, and what was said with it. `claim_id` is its hold in the reservations."""

    label: str
    status: str
    claim_id: str | None = None
    order_id: str | None = None
    ticket_type: str | None = None
    listing_id: str | None = None
    extra: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Places of an area that are held or taken together."""

    id: int
    label: str
    status: str
    claim_id: str
    order_id: str | None
    ticket_type: str | None
    quantity: int


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of an event's log."""

    id: int
    event_id: int
    label: str
    status: str
    quantity: int
    order_id: str | None
    token: str | None
    extra: dict[str, Any] | None
    origin: str
    ip: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A basket: what it holds is free again when its time is over."""

    token: str
    workspace_id: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Movie:
    """A film."""

    id: str
    title: str
    synopsis: str
    minutes: int
    poster: str | None
    rating: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Hall:
    """A room with a seat plan."""

    id: str
    name: str
    chart_id: int


@dataclass(frozen=True, slots=True)
class Show:
    """A film in a hall at a time. `prices` are minor units by category key."""

    id: str
    movie_id: str
    hall_id: str
    event_id: int
    starts_at: datetime
    ends_at: datetime
    currency: str
    prices: dict[str, int]
    hall_claim: str
    cancelled_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Booking:
    """Seats of a show that somebody has. `secret_hash` is of what lets a guest see and cancel it."""

    id: str
    show_id: str
    user_id: str | None
    name: str
    email: str | None
    state: str
    amount: int
    currency: str
    secret_hash: str
    created_at: datetime
    cancelled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ticket:
    """One seat of a booking; scanned once."""

    id: str
    booking_id: str
    show_id: str
    label: str
    category: str
    price: int
    live: bool
    scanned_at: datetime | None


class Gone(NotFound):
    """No such chart, event, object or token; `code` is the wire's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Refused(Invalid):
    """What the wire's rules do not allow; `code` is the wire's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class IllegalStatusChange(Refused):
    """A status that cannot follow the present one."""

    def __init__(self, old: str, new: str, why: str = "") -> None:
        super().__init__(
            "ILLEGAL_STATUS_CHANGE", f"Cannot change from [{old}] to [{new}]" + (f": {why}" if why else "")
        )


class ShowOver(Conflict):
    """The show has begun, or is cancelled."""

    code = "show_over"


class AlreadyScanned(Conflict):
    """The ticket was used before (`details["scannedAt"]`)."""

    code = "already_scanned"
