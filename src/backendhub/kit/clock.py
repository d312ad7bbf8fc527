"""The one clock. Everything that needs the time asks here, so that tests and documents can hold it still.

`BACKENDHUB_NOW` (ISO 8601) freezes it for a whole process; `frozen()` for a block; `traveling()` gives one tenant a
clock of its own, for what this thread or task does inside a block (test clocks).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, tzinfo

_frozen: datetime | None = None
_traveling: ContextVar[datetime | None] = ContextVar("traveling", default=None)
_anchor = time.time() - time.monotonic()


def _start() -> datetime | None:
    text = os.environ.get("BACKENDHUB_NOW")
    return parse(text) if text else None


def parse(text: str) -> datetime:
    """Reads an ISO 8601 time; one without an offset is UTC. Raises ValueError."""
    return _utc(datetime.fromisoformat(text))


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def precise() -> datetime:
    """The present in UTC with microseconds, for measuring and ordering."""
    return _traveling.get() or _frozen or datetime.now(UTC)


def wall() -> datetime:
    """The present outside of every `traveling` block: for what other processes and other people's servers judge by their
    own clocks (when a job may run, leases, signatures, how long something is kept)."""
    return _frozen or datetime.now(UTC)


def now() -> datetime:
    """The present in UTC, whole seconds: what people are shown and rows are stamped with."""
    return precise().replace(microsecond=0)


def steady() -> float:
    """Seconds since 1970 that never go back while a process runs, whatever is done to the system's clock: what
    lifetimes and limits are measured with."""
    return _anchor + time.monotonic() if _frozen is None else _frozen.timestamp()


def held() -> float | None:
    """Where the clock is held, in seconds since 1970; None while it runs."""
    return None if _frozen is None else _frozen.timestamp()


def local_zone() -> tzinfo:
    """The time zone of the person at the keyboard."""
    zone = precise().astimezone().tzinfo
    assert zone is not None
    return zone


def today() -> date:
    """Today in the local time zone."""
    return precise().astimezone().date()


def iso(moment: datetime) -> str:
    """`2026-01-05T09:00:00Z`: RFC 3339 in UTC, with a fraction only where there is one."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return text + "Z"


def ago(moment: datetime) -> str:
    """How long ago in one unit: `just now`, `5m ago`, `3h ago`, `2d ago`."""
    seconds = int((precise() - moment).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return "just now"


@contextmanager
def frozen(at: datetime | str) -> Iterator[None]:
    """Holds the clock at a time for the length of a block."""
    global _frozen
    before = _frozen
    _frozen = parse(at) if isinstance(at, str) else _utc(at)
    try:
        yield
    finally:
        _frozen = before


@contextmanager
def traveling(to: datetime | str | None) -> Iterator[None]:
    """Another present for the block, in this thread or task alone: what it does happens at that time.

    None changes nothing, so that a caller need not ask whether a tenant has a clock of its own. Jobs, events, mail, keys
    of idempotency, the audit log and files go by `wall()` all the same; see `kit.clocks` for what is due on such a clock.
    """
    if to is None:
        yield
        return
    token = _traveling.set(parse(to) if isinstance(to, str) else _utc(to))
    try:
        yield
    finally:
        _traveling.reset(token)


_frozen = _start()
