"""The words that every part of backup shares."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from backendhub.kit.errors import HubError, Invalid, NotFound, StoreError

Severity = Literal["ok", "warning", "error"]


class Type(StrEnum):
    """What a run reads and stores; every type restores in one step."""

    FULL = "full"
    DIFF = "diff"
    INCR = "incr"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `backup test`: what was looked at, how it stands, and what to do if it is not well."""

    name: str
    severity: Severity
    text: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Dump:
    """What an engine says of a finished dump; `meta` is stored in the snapshot and handed back at restore.

    `tables` maps a printable table name to what is known of it (`rows`, `bytes`, `start`, `length`…);
    `warnings` make the run end with exit code 3.
    """

    meta: dict[str, Any]
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Target:
    """A database to back up: where it is, when and how, what to keep. `dsn` never holds a password."""

    id: int
    name: str
    dsn: str
    type: str
    options: dict[str, Any]
    every: str | None
    drill_every: str | None
    keep: dict[str, Any]
    ping: str | None
    next_run_at: datetime | None
    next_drill_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the run log."""

    id: int
    rid: str
    target: str
    action: str
    status: str
    started_at: datetime
    finished_at: datetime | None
    seconds: float | None
    exit_code: int | None
    type: str | None
    snapshot: str | None
    bytes_read: int | None
    bytes_added: int | None
    message: str | None


class BackupError(HubError):
    """A failure with one of backup's own exit codes (restic's where they overlap)."""

    def __init__(self, message: str, exit_code: int, *, hint: str | None = None, **details: Any) -> None:
        super().__init__(message, hint=hint, **details)
        self.exit_code = exit_code


USAGE = 2
WARNINGS, NO_REPOSITORY, LOCK_BUSY, WRONG_KEY = 3, 10, 11, 12
CANNOT_CONNECT, SOURCE_FAILED, TIMED_OUT = 20, 21, 22
STORAGE, CORRUPT, DRILL_MISMATCH, STALE = 30, 40, 41, 50
HUB = "hub"  # the target that is always there: the product's own store

BADNESS = (
    0, WARNINGS, STALE, LOCK_BUSY, USAGE, CANNOT_CONNECT, SOURCE_FAILED, TIMED_OUT, NO_REPOSITORY, WRONG_KEY, STORAGE,
    DRILL_MISMATCH, CORRUPT, 1, 130, 143,
)  # fmt: skip


def coded(error: Exception) -> HubError | None:
    """An error with backup's own exit code: there, the kit's 3 and 7 mean something else. None: unexpected."""
    if isinstance(error, NotFound):
        return Invalid(error.message, hint=error.hint)
    if isinstance(error, StoreError):
        return BackupError(error.message, STORAGE, hint=error.hint)
    if isinstance(error, HubError):
        return error
    if isinstance(error, FileExistsError):
        return Invalid(f"{error.filename} exists.", hint="Nothing is ever overwritten here.")
    if isinstance(error, OSError):
        who = f" (uid {os.getuid()})" if hasattr(os, "getuid") else ""
        return BackupError(f"{error.filename or 'A file'}{who}: {error.strerror or error}", STORAGE)
    return None


def worst(codes: Iterable[int]) -> int:
    """The exit code of several jobs: that of the worst."""
    return max(codes, key=lambda code: BADNESS.index(code) if code in BADNESS else 99, default=0)
