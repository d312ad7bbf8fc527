"""What the bank does by itself."""

from __future__ import annotations

from backendhub.kit import jobs
from backendhub.kit.db import Db

from .service import orders


@jobs.job("bank.standing_orders", cron="*/5 * * * *")
def standing_orders(db: Db) -> int:
    """Pays every standing order that is due."""
    return orders.run_due(db)
