"""What the cinema does by itself. Nothing waits for it: what has expired is free at once."""

from __future__ import annotations

from datetime import timedelta

from backendhub.kit import clock, jobs, reservation
from backendhub.kit.db import Db

from . import store

KEPT = timedelta(days=1)
"""For so long a token that is over is still known, so that it can be told that it is over."""


@jobs.job("cinema.tidy", cron="*/15 * * * *")
def tidy(db: Db) -> int:
    """Forgets hold tokens that are over and what they kept."""
    reservation.sweep(db)
    db.run(store.FORGET_OVER_PLACES, now=clock.precise())
    db.run(store.FORGET_SECRETS, now=clock.precise())
    return db.run(store.FORGET_OVER_TOKENS, before=clock.precise() - KEPT)
