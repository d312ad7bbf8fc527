"""What a health check is, in the words of draft-inadarei-api-health-check-06 (expired, widely implemented)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How something is. `warn` still works."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


WORST = (Status.PASS, Status.WARN, Status.FAIL)


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at: `kind` is http, tcp, disk or db."""

    name: str
    kind: str
    target: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found. `value` is in `unit`: milliseconds, or percent of a disk that is used."""

    status: Status
    value: float
    unit: str
    output: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Incident:
    """A change of a check's status, kept in the store."""

    id: int
    name: str
    status: Status
    output: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Whether the service was taken out of rotation by hand."""

    on: bool
    reason: str | None


Document = dict[str, Any]
