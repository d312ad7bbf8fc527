"""The configuration in the store, which every process follows by its revision."""

from __future__ import annotations

from backendhub.kit import clock
from backendhub.kit.db import Db

from . import store
from .models import Stored


def find(db: Db) -> Stored | None:
    """The configuration; None where none was ever sent."""
    return db.one(Stored, store.ONE)


def revision(db: Db) -> int:
    """A number that grows with every change; 0 where there was none."""
    return int(db.value(store.REVISION) or 0)


def put(db: Db, config: str) -> Stored:
    """Replaces the configuration, which has been read before."""
    made = db.one(Stored, store.PUT, config=config, now=clock.now())
    assert made is not None
    return made
