"""A test clock and what waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Clock:
    """A present of its own. `target` is where it is on its way to, None while it stands."""

    id: str
    at: datetime
    target: datetime | None


@dataclass(frozen=True, slots=True)
class Due:
    """A job that waits for a time of its clock."""

    id: int
    at: datetime
    name: str
    payload: dict[str, Any]
