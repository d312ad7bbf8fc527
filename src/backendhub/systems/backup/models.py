"""The words that every part of backup shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from backendhub.kit.errors import HubError

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


class BackupError(HubError):
    """A failure with one of backup's own exit codes (restic's where they overlap)."""

    def __init__(self, message: str, exit_code: int, *, hint: str | None = None, **details: Any) -> None:
        super().__init__(message, hint=hint, **details)
        self.exit_code = exit_code


WARNINGS, NO_REPOSITORY, LOCK_BUSY, WRONG_KEY = 3, 10, 11, 12
CANNOT_CONNECT, SOURCE_FAILED, TIMED_OUT = 20, 21, 22
STORAGE, CORRUPT, DRILL_MISMATCH, STALE = 30, 40, 41, 50
