"""A job, a schedule, and how a handler says what should become of its job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

STATES = ("scheduled", "waiting", "ready", "running", "done", "dead", "cancelled")
PENDING = ("scheduled", "waiting", "ready")


@dataclass(frozen=True, slots=True)
class Job:
    """A row of `jobs_job`.

    `run_at` is the time it was asked for. `due_at` is when somebody may take it next: the time of the next attempt,
    or the end of the lease of one that runs. `attempts` counts the runs that were begun and so names one of them.
    """

    id: int
    name: str
    queue: str
    priority: int
    state: str
    unique_key: str | None
    serial: str | None
    payload: dict[str, Any]
    run_at: datetime
    due_at: datetime
    attempts: int
    max_attempts: int | None
    worker: str | None
    cancelling: bool
    progress: float | None
    note: str | None
    result: str | None
    error: str | None
    traceparent: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A declared job with its cron expression, as the store knows it."""

    name: str
    system: str
    attempts: int
    topics: list[str]
    cron: str | None
    zone: str | None
    next_at: datetime | None
    last_at: datetime | None


class Depth(NamedTuple):
    """How many jobs of a queue are in a state."""

    queue: str
    state: str
    jobs: int


class Later(Exception):
    """Raised by a handler: try again after so many seconds, and do not count this as a failure (unless `counts`)."""

    def __init__(self, seconds: float | timedelta, why: str = "", *, counts: bool = False) -> None:
        super().__init__(why or "the handler asked for a later time")
        self.counts = counts
        self.seconds = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds


class GiveUp(Exception):
    """Raised by a handler: no further attempt can help; the job is dead at once."""


class Cancelled(Exception):
    """Raised by `Run.check` when somebody has cancelled the job, its time is up or its lease is lost."""


class LeaseLost(Exception):
    """Another worker has taken the job, or it was cancelled: what this run has done is rolled back."""
