"""Codes and links that are sent to an address or number: good once, for a while, and only the newest.

A link carries 256 random bits. The digits beside it can be guessed, so a few wrong ones burn them.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.db import Db

from . import store
from .models import Once
from .secret import digest, opaque

DIGITS = 6
GUESSES = 5
"""Wrong codes after which the right one is not taken either."""


class Sent(NamedTuple):
    """What to send: the digits to type and the token for the link."""

    code: str
    token: str
    record: Once


def make(
    db: Db,
    user_id: str,
    purpose: str,
    target: str,
    *,
    ttl_s: int,
    interval_s: float = 0,
    prefix: str = "",
    digits: int = DIGITS,
    data: dict[str, Any] | None = None,
) -> Sent | None:
    """A new code and token for a purpose; those before it hold no longer.

    None where the last one was made less than `interval_s` ago: nothing is to be sent then.
    """
    now = clock.precise()
    code, token = f"{secrets.randbelow(10**digits):0{digits}}", prefix + opaque()
    record = db.one(
        Once,
        store.SEND_ONCE,
        user_id=user_id,
        purpose=purpose,
        target=target,
        token_hash=digest(token),
        code_hash=_coded(user_id, purpose, code),
        data=data or {},
        now=now,
        before=now - timedelta(seconds=interval_s),
        expires_at=now + timedelta(seconds=ttl_s),
    )
    return Sent(code, token, record) if record is not None else None


def use_token(db: Db, token: str, *purposes: str) -> Once | None:
    """Takes the token of a link, if it is right for one of the purposes; of many who bring it one gets it."""
    hash, now = digest(token), clock.precise()
    for purpose in purposes:
        if (found := db.one(Once, store.USE_TOKEN, hash=hash, purpose=purpose, now=now)) is not None:
            return found
    return None


def use_code(db: Db, user_id: str, code: str, *purposes: str) -> Once | None:
    """Takes the digits that were sent to an account; a wrong guess is counted, so commit either way."""
    now = clock.precise()
    for purpose in purposes:
        hash = _coded(user_id, purpose, code)
        values = {"user_id": user_id, "purpose": purpose, "hash": hash, "now": now, "attempts": GUESSES}
        if (found := db.one(Once, store.USE_CODE, **values)) is not None:
            return found
    for purpose in purposes:
        db.run(store.WRONG_CODE, user_id=user_id, purpose=purpose)
    return None


def of_user(db: Db, user_id: str) -> dict[str, Once]:
    """What was sent to an account and not used yet, by purpose."""
    return {once.purpose: once for once in db.all(Once, store.ONCE_OF_USER, user_id=user_id)}


def of_target(db: Db, purpose: str, target: str) -> list[Once]:
    """What was sent to an address or number for a purpose, to whichever accounts, newest first."""
    return db.all(Once, store.ONCE_OF_TARGET, purpose=purpose, target=target)


def drop(db: Db, user_id: str, *purposes: str) -> None:
    """Takes back what was sent."""
    for purpose in purposes:
        db.run(store.DROP_ONCE, user_id=user_id, purpose=purpose)


def _coded(user_id: str, purpose: str, code: str) -> str:
    return digest(f"{user_id}:{purpose}:{code.strip()}")
