"""What analytics does by itself."""

from __future__ import annotations

from datetime import timedelta

from backendhub.kit import clock, jobs
from backendhub.kit.db import Db

from . import store

REJECTS = timedelta(days=30)
"""How long refused events can be looked at."""


@jobs.job("analytics.tidy", cron="17 3 * * *")
def tidy(db: Db) -> int:
    """Removes refused events that are a month old, and salts that nobody needs any more."""
    db.run(store.FORGET_SALTS, day=(clock.now().date() - timedelta(days=1)).isoformat())
    return db.run(store.OLD_REJECTS, before=clock.now() - REJECTS)
