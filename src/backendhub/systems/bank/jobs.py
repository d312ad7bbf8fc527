"""What the bank does by itself."""

from __future__ import annotations

from backendhub.kit import jobs
from backendhub.kit.db import Db

from .service import orders, scheduled


@jobs.job("bank.standing_orders", cron="*/5 * * * *")
def standing_orders(db: Db) -> int:
    """Pays every standing order that is due."""
    return orders.run_due(db)


@jobs.job(scheduled.JOB)
def scheduled_payment(db: Db, id: str) -> bool:
    """Makes a scheduled payment at its time."""
    return scheduled.run_one(db, id)


@jobs.job("bank.scheduled_payments", cron="*/5 * * * *")
def scheduled_payments(db: Db) -> int:
    """Makes those whose own job was called off or lost."""
    return scheduled.run_due(db)
