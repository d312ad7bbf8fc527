"""Objects of a customer with a test clock live in its time: services work within it, jobs wait on it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from backendhub.kit import clocks
from backendhub.kit.db import Db
from backendhub.systems.payment.models import Json


def living(db: Db, owner: Json) -> AbstractContextManager[None]:
    """`with living(db, customer):` does things at the present of its test clock, or at ours where it has none."""
    return clocks.within(db, owner.get("test_clock"))


def later(db: Db, owner: Json, job: str, at: int, **payload: Any) -> None:
    """Has a job done at a time of the owner's clock. What comes twice for one time waits once."""
    unique = ":".join(str(value) for value in (*payload.values(), at))
    clocks.schedule(
        db, owner.get("test_clock"), job, at=datetime.fromtimestamp(at, UTC), unique=unique, **payload
    )
