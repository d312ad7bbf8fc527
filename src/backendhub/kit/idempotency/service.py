"""Runs an effect once for each key (draft-ietf-httpapi-idempotency-key-header): the key, the effect and the answer are
one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, StoreBusy

from . import store
from .models import Answer

TTL = timedelta(hours=24)
"""How long an answer is kept."""


class KeyReused(Invalid):
    """The key came before, with another request."""

    code, title = "idempotency_key_reused", "Idempotency key reused"


class KeyInUse(Conflict):
    """A request with the same key is being worked on, and did not finish in time."""

    code, title = "idempotency_key_in_use", "Idempotency key in use"


class Kept(NamedTuple):
    """An answer: what was sent, or is sent again."""

    status: int
    headers: list[tuple[str, str]]
    media: str | None
    body: bytes


def once(
    db: Db, scope: str, key: str, digest: str, effect: Callable[[], Kept], *, ttl: timedelta = TTL
) -> tuple[Kept, bool]:
    """The answer to a request, and whether it is that of an earlier one.

    `scope` keeps the keys of different users and systems apart; `digest` is of everything that makes a request the same.
    An effect that raises leaves no trace: the key is free again. Raises KeyReused, KeyInUse, and what `effect` raises.
    """
    now = clock.wall().replace(microsecond=0)
    if (known := db.one(Answer, store.SELECT_LIVE, scope=scope, key=key, now=clock.iso(now))) is not None:
        return _again(known, digest), True
    try:
        claimed = db.run(
            store.CLAIM,
            scope=scope,
            key=key,
            digest=digest,
            expires_at=clock.iso(now + ttl),
            now=clock.iso(now),
        )
    except StoreBusy as error:
        raise KeyInUse("A request with this key is being worked on.", retryAfter=1) from error
    if not claimed:
        known = db.one(Answer, store.SELECT, scope=scope, key=key)
        if known is None:  # gone within this moment: the other one's time was over
            raise KeyInUse("A request with this key is being worked on.", retryAfter=1)
        return _again(known, digest), True
    kept = effect()
    db.run(
        store.KEEP,
        scope=scope,
        key=key,
        status=kept.status,
        headers=json.dumps(kept.headers),
        media=kept.media,
        body=kept.body,
    )
    return kept, False


def purge(db: Db) -> int:
    """Forgets the answers whose time is over; gives their number."""
    return db.run(store.PURGE, now=clock.iso(clock.wall().replace(microsecond=0)))


def _again(known: Answer, digest: str) -> Kept:
    if known.digest != digest:
        raise KeyReused(
            "This Idempotency-Key came with another request before.", hint="use a new key for a new request"
        )
    assert known.status is not None and known.headers is not None and known.body is not None
    headers = [(name, value) for name, value in json.loads(known.headers)]
    return Kept(known.status, headers, known.media, bytes(known.body))
