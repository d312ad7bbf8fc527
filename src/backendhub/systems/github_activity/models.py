"""What an event is, and what is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Event:
    """An event as GitHub sent it; `login` is lower-case."""

    id: str
    login: str
    type: str
    repo: str
    payload: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Compared:
    """How many commits a push brought; None where GitHub could not say."""

    total: int | None
    asked_at: datetime


class Activity(NamedTuple):
    """One line of a feed: an event, or several pushes in a row."""

    id: str
    user: str
    type: str
    action: str
    repo: str
    ref: str | None
    commits: int | None
    commits_source: str | None
    text: str
    title: str | None
    url: str
    created_at: datetime


class Group(NamedTuple):
    """What was done on one day, or in one repository."""

    key: str
    items: list[Activity]


class Count(NamedTuple):
    """How often a kind of thing was done."""

    type: str
    events: int
    commits: int | None
    repos: int


class Synced(NamedTuple):
    """What `sync` did for a user."""

    user: str
    fetched: int
    new: int
    archived: int
    since: datetime | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """Contributions of a day."""

    date: str
    count: int


class Heatmap(NamedTuple):
    """A year of contributions."""

    user: str
    total: int
    days: list[Day]
