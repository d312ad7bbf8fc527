"""The secrets of a store, whatever part of the kit keeps them."""

from __future__ import annotations

from backendhub.kit import sealing
from backendhub.kit.accounts.store import HOLDER as ACCOUNTS
from backendhub.kit.db import Db
from backendhub.kit.outbox.store import HOLDER as WEBHOOKS

HOLDERS = (ACCOUNTS, WEBHOOKS)


def apply(db: Db, *, plain: bool = False) -> int:
    """Stores them all under the newest key of this process, or as they are; gives how many. Raises StoreError."""
    return sealing.reseal(db, HOLDERS, plain=plain)


def counted(db: Db) -> tuple[int, int, int]:
    """How many are encrypted and readable here, how many stand there as they are, how many cannot be read."""
    return sealing.counted(db, HOLDERS)
