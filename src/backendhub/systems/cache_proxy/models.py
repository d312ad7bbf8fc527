"""What the interface tells of the cache."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Counts:
    """What the cache has done and holds."""

    origin: str
    hits: int
    misses: int
    ratio: float
    stale: int
    validated: int
    passed: int
    collapsed: int
    fetches: int
    stored: int
    purged: int
    evicted: int
    errors: int
    truncated: int
    damaged: int
    disk_errors: int
    objects: int
    memory_bytes: int
    disk_bytes: int
    bytes_in: int
    bytes_out: int
    in_flight: int


@dataclass(frozen=True)
class StoredObject:
    """A stored response."""

    target: str
    status: int
    size: int
    age: int
    ttl: int
    freshness: str
    stored_at: datetime
    hits: int
    where: str
    vary: dict[str, str | None]
    tags: list[str]


@dataclass(frozen=True)
class Explanation:
    """What would become of a request now, and why."""

    target: str
    decision: str
    why: str
    stored: StoredObject | None


@dataclass(frozen=True)
class Purged:
    """How much a purge has removed, or marked."""

    purged: int


@dataclass(frozen=True)
class Check:
    """Whether everything is as it must be."""

    ok: bool
    problems: list[str]
    objects: int
