"""Coming in: a request is kept as it came, in one row, and answered for once that is committed."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from datetime import timedelta
from hashlib import blake2b
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.systems.analytics import store
from backendhub.systems.analytics.models import Door

from . import sources

TOPIC = "analytics"
"""What a transaction signals that has put something into the inbox."""
SALTS = timedelta(days=2)


def accept(db: Db, *, door: Door, key: str, kind: str, body: bytes, anyone: bool) -> bool:
    """Keeps a request (JSON) until it is digested; False for a key that nobody gave out. Raises Full."""
    if sources.welcome(db, door, key, anyone=anyone) is None:
        return False
    db.run(store.ACCEPT, door=door, key=key, kind=kind, received_at=clock.precise(), body=body)
    db.signal(TOPIC)
    return True


def accept_visit(
    db: Db, domains: Iterable[str], event: dict[str, Any], *, address: str, agent: str, anyone: bool
) -> int:
    """Keeps an event of Plausible's for each domain, without the address of whoever sent it; gives for how many.

    A visitor is a hash of address and user agent that differs by domain and day, and that nobody can make again once
    the day's salt is gone.
    """
    salt = _salt(db)
    count = 0
    for domain in domains:
        visitor = blake2b(f"{address}\0{agent}\0{domain}".encode(), key=salt, digest_size=12).hexdigest()
        body = json.dumps({**event, "visitor": visitor, "agent": agent}, separators=(",", ":")).encode()
        count += accept(db, door=Door.PLAUSIBLE, key=domain, kind="event", body=body, anyone=anyone)
    return count


def _salt(db: Db) -> bytes:
    today = clock.now().date()
    day = today.isoformat()
    found = db.value(store.SALT, day=day)
    if found is None:
        db.run(store.PUT_SALT, day=day, salt=secrets.token_hex(32))
        db.run(store.FORGET_SALTS, day=(today - SALTS).isoformat())
        found = db.value(store.SALT, day=day)
    return bytes.fromhex(str(found))
