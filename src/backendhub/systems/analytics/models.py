"""What analytics keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from backendhub.kit.errors import HubError, Invalid, NotFound


class Door(StrEnum):
    """Whose wire an event came by."""

    SEGMENT = "segment"
    PLAUSIBLE = "plausible"


class GoalKind(StrEnum):
    """What reaching a goal is: an event of that name, or a look at a page."""

    EVENT = "event"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Source:
    """A site or program whose events are collected; `timezone` is where its days begin."""

    id: str
    name: str
    write_key: str | None
    domain: str | None
    timezone: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Parcel:
    """A request as it came in, not yet digested."""

    no: int
    door: Door
    key: str
    kind: str
    received_at: datetime
    body: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `at` is corrected for the sender's clock; `hour` is by the source's."""

    id: int
    source_id: str
    message_id: str
    type: str
    name: str
    visitor: str
    user_id: str | None
    session_id: int
    at: datetime
    hour: str
    received_at: datetime
    hostname: str | None
    path: str | None
    revenue: int | None
    currency: str | None
    properties: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Session:
    """A visit: events of a visitor with no more than half an hour between them. `duration_s` in seconds."""

    id: int
    source_id: str
    visitor: str
    started_at: datetime
    ended_at: datetime
    duration_s: int
    pageviews: int
    events: int
    entry_page: str | None
    exit_page: str | None
    source: str | None
    referrer: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    utm_term: str | None
    utm_content: str | None
    browser: str | None
    os: str | None
    device: str | None


@dataclass(frozen=True, slots=True)
class Person:
    """A user with an id, and what `identify` has said of them."""

    source_id: str
    user_id: str
    traits: dict[str, Any]
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Reject:
    """An event that could not be used: why, and how it began."""

    id: int
    door: Door
    key: str
    received_at: datetime
    code: str
    detail: str
    payload: str


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the events of one key on one day (UTC)."""

    door: Door
    key: str
    day: str
    received: int
    stored: int
    duplicates: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Goal:
    """What a source wants its visitors to do. `pattern` is the regular expression of a path with `*`."""

    id: int
    source_id: str
    kind: GoalKind
    match: str
    pattern: str | None
    name: str


class Visit(NamedTuple):
    """What the first event of a session says of where it came from and by what."""

    source: str | None = None
    referrer: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None
    browser: str | None = None
    os: str | None = None
    device: str | None = None


class Arrival(NamedTuple):
    """What an event says of how somebody came, as it says it; it is looked at where it begins a visit."""

    query: str = ""
    referrer: str | None = None
    host: str | None = None
    agent: str | None = None
    width: Any = None
    campaign: Any = None


class Seen(NamedTuple):
    """An event that is well-formed, before anybody knows whether it is new.

    `visitor` is the id it names: a user's, or an anonymous one (`known` is False), which may belong to a user by now.
    """

    message_id: str
    type: str
    name: str
    visitor: str
    known: bool
    user_id: str | None
    anonymous_id: str | None
    at: datetime
    hostname: str | None
    path: str | None
    arrival: Arrival
    properties: dict[str, Any]
    traits: dict[str, Any] | None = None
    revenue: int | None = None
    currency: str | None = None
    interactive: bool = True


class Unusable(Exception):
    """An event that has to be refused: a code and the reason."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class UnknownSource(NotFound):
    """No such site or write key."""

    code = "unknown_source"


class BadQuery(Invalid):
    """A question that cannot be answered."""

    code = "bad_query"
    status = 400


class Full(HubError):
    """There are too many sources to make another by itself."""

    status = 403
    code = "too_many_sources"
