"""What seat plans and events keep; films, shows and tickets are in `films`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backendhub.kit.db import derived
from backendhub.kit.errors import Conflict, Invalid, NotFound

FREE, BOOKED, HELD, RESALE = "free", "booked", "reservedByToken", "resale"
NO_CHANNEL = "NO_CHANNEL"
EVENT, SEASON, PARTIAL = "event", "season", "partial"
SCHEDULED, CANCELLED = "scheduled", "cancelled"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Charts and events that belong together; the secret key opens it. That of a company's first one opens them all."""

    id: int
    key: str
    company: str
    name: str
    secret_key: str
    is_test: bool
    is_active: bool
    is_default: bool
    is_first: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Chart:
    """A seat plan, without its drawings. `categories` are those of the published one."""

    id: int
    key: str
    workspace_id: int
    status: str
    name: str
    archived: bool
    tags: list[str]
    categories: list[Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """A date on which the places of a chart can be had, once each; or a season of such dates.

    What is derived comes with it: chart, season, and the show of the cinema that it belongs to.
    """

    id: int
    key: str
    workspace_id: int
    chart_id: int
    kind: str
    season_id: int | None
    name: str | None
    date: str | None
    tables: dict[str, Any]
    object_categories: dict[str, Any] | None
    categories: list[Any]
    channels: list[Any]
    for_sale: dict[str, Any] | None
    for_sale_propagated: bool
    in_past: bool
    created_at: datetime
    updated_at: datetime | None
    chart_key: str = derived("")
    chart_categories: tuple[Any, ...] = derived(())
    season_key: str | None = derived()
    show_starts: datetime | None = derived()  # noqa: RUF009
    show_state: str | None = derived()


@dataclass(frozen=True, slots=True)
class State:
    """The status of a seat, table or booth, and what was said with it. `claim_id` is its hold in the reservations."""

    event_id: int
    label: str
    status: str
    claim_id: str | None = None
    order_id: str | None = None
    ticket_type: str | None = None
    listing_id: str | None = None
    extra: dict[str, Any] | None = None
    season_id: int | None = None
    overridden: bool = False


@dataclass(frozen=True, slots=True)
class Places:
    """Places of an area that are held or taken together."""

    id: int
    event_id: int
    label: str
    status: str
    claim_id: str
    order_id: str | None
    ticket_type: str | None
    channel: str | None
    season_id: int | None
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
class Entry:
    """An entry of a workspace's log: what was made, published, deleted."""

    id: int
    type: str
    data: dict[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A basket: what it holds is free again when its time is over."""

    token: str
    workspace_id: int
    expires_at: datetime


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


class IllegalStatusChange(Conflict):
    """A status that cannot follow the present one; `details["seats"]` names the places."""

    code = "ILLEGAL_STATUS_CHANGE"

    def __init__(self, old: str, new: str, why: str = "", seats: tuple[str, ...] = ()) -> None:
        text = f"Cannot change from [{old}] to [{new}]" + (f": {why}" if why else "")
        super().__init__(text, seats=list(seats))
        self.old, self.why = old, why


class TokenOver(Conflict):
    """The hold has expired, or was given up."""

    code = "HOLD_TOKEN_EXPIRED"


class ShowOver(Conflict):
    """The show has begun, or is cancelled."""

    code = "show_over"


class SeatsTaken(Conflict):
    """Somebody has some of the seats (`details["seats"]`); none was taken."""

    code = "seats_taken"


class AlreadyScanned(Conflict):
    """The ticket was used before (`details["scannedAt"]`)."""

    code = "already_scanned"
