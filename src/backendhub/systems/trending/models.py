"""Repositories and lists of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository as one answer describes it."""

    repo: str
    description: str | None
    language: str | None
    topics: tuple[str, ...]
    url: str
    created_at: datetime
    stars: int
    forks: int


@dataclass(frozen=True, slots=True)
class Gain:
    """A repository with its stars now and at an earlier snapshot."""

    repo: str
    description: str | None
    language: str | None
    topics: tuple[str, ...]
    url: str
    stars: int
    before: int
    since: datetime
    until: datetime


class Item(NamedTuple):
    """A row of a list."""

    rank: int
    full_name: str
    description: str | None
    stars: int
    gained: int | None
    language: str | None
    url: str


class Trend(NamedTuple):
    """A list, where it is from, and whether it is all there is."""

    source: str
    since: str
    incomplete: bool
    items: list[Item]


class Snapshot(NamedTuple):
    """What `snapshot` measured."""

    taken_at: datetime
    repos: int
    known: int
    requests: int


class Wanted(NamedTuple):
    """A question."""

    duration: str = "week"
    limit: int = 10
    language: str | None = None
    topic: str | None = None
    min_stars: int | None = None
    by: str = "created"
