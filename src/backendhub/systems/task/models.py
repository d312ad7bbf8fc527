"""What a task is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from backendhub.kit.db import derived


class Status(StrEnum):
    """Where a task stands. "Not done" is todo and in-progress."""

    TODO = "todo"
    IN_PROGRESS = "in-progress"
    DONE = "done"


class Priority(StrEnum):
    """How much it matters; none at all ranks between M and L."""

    HIGH = "H"
    MEDIUM = "M"
    LOW = "L"


class RecurMode(StrEnum):
    """When the next one is due: by the calendar, or so long after this one was done."""

    FIXED = "fixed"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Task:
    """A task. `due` is an RFC 3339 date (a whole day) or a time in UTC; both sort as text.

    `recur_rule` is a number and a unit (`2w`); `recur_anchor` is the due date that the series started with,
    so that the 31st stays the 31st where a month has one. `revision` counts its changes.
    """

    id: int
    uuid: str
    description: str
    status: Status
    priority: Priority | None
    due: str | None
    project: str | None
    recur_rule: str | None
    recur_mode: RecurMode | None
    recur_anchor: str | None
    recur_from: int | None
    revision: int
    created_at: datetime
    updated_at: datetime
    done_at: datetime | None
    tags: tuple[str, ...] = derived(())
    depends_on: tuple[int, ...] = derived(())


@dataclass(frozen=True, slots=True)
class Note:
    """A remark on a task."""

    id: int
    task_id: int
    text: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of work on a task; `stopped_at` is None while it runs."""

    id: int
    task_id: int
    started_at: datetime
    stopped_at: datetime | None


class Filter(NamedTuple):
    """Which tasks to list; every part that is given must hold. `due_before` is exclusive.

    `owner` is an account's id; None means those of whoever sits at this machine.
    """

    statuses: tuple[Status, ...] = ()
    tag: str | None = None
    project: str | None = None
    priority: Priority | None = None
    text: str | None = None
    due_before: str | None = None
    due_after: str | None = None
    ids: tuple[int, ...] | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts over all tasks; `seconds` is the time tracked."""

    total: int
    todo: int
    in_progress: int
    done: int
    overdue: int
    done_last_7_days: int
    seconds: int
