"""Noting who changed what, and proving that nobody has changed the notes since.

Each entry's hash covers the entry and the hash of the one before, so a change in the middle breaks everything after
it. What a chain cannot show is that its end was cut off, or that all of it was written anew: for that, keep the head
that `verify` gives somewhere else and have it looked for.
"""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import sha256
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.db.records import encode
from backendhub.kit.errors import Invalid, PolicyViolation

from . import store
from .models import Checked, Entry

START = "0" * 64
NEWEST = 1 << 62
BATCH = 1000


def actor(db: Db) -> str:
    """On whose behalf a transaction runs: `user:<id>`, or `system` (the terminal, a job, a request without a user)."""
    return db.actor or "system"


def note(db: Db, actor: str, action: str, subject: str, before: Any = None, after: Any = None) -> Entry:
    """Adds an entry in the transaction of the change that it tells of.

    `actor` is who (see `actor`), `action` is `<system>.<past tense>`, `subject` is what (`user:<id>`);
    `before` and `after` are JSON. On PostgreSQL transactions that note something commit one after the other.
    Raises Invalid.
    """
    if db.dialect == "postgres":
        db.fetch(store.LOCK_POSTGRES, {})
    last = db.fetch(store.LAST, {})
    number, previous = (last[0][0] + 1, last[0][1]) if last else (1, START)
    at = encode(clock.wall())
    about = {"id": number, "at": at, "actor": actor, "action": action, "subject": subject}
    about |= {"before": _text(before), "after": _text(after), "previous": previous}
    made = db.one(Entry, store.INSERT, **about, hash=digest(**about))
    assert made is not None
    return made


def _text(value: Any) -> str | None:
    if value is None:
        return None
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Invalid(f"What is noted must be JSON: {error}.") from None


def digest(
    *,
    id: int,
    at: str | datetime,
    actor: str,
    action: str,
    subject: str,
    before: str | None,
    after: str | None,
    previous: str,
) -> str:
    """SHA-256 of `[previous, id, at, actor, action, subject, before, after]` as compact JSON in UTF-8, in hex."""
    row = [previous, id, encode(at), actor, action, subject, before, after]
    return sha256(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def find(
    db: Db,
    *,
    actor: str | None = None,
    subject: str | None = None,
    below: int = NEWEST,
    limit: int = 50,
) -> list[Entry]:
    """Entries, the newest first: all, or those of an actor or of a subject. Raises Invalid for both at once."""
    if actor is not None and subject is not None:
        raise Invalid("Ask for an actor or for a subject.")
    if actor is not None:
        return db.all(Entry, store.LIST_ACTOR, actor=actor, below=below, limit=limit)
    if subject is not None:
        return db.all(Entry, store.LIST_SUBJECT, subject=subject, below=below, limit=limit)
    return db.all(Entry, store.LIST, below=below, limit=limit)


def verify(db: Db, head: str | None = None) -> Checked:
    """Checks the whole chain; with the `head` of an earlier check also that it still stands in it.

    Raises PolicyViolation, which names the first entry that is not as it was written.
    """
    count, previous = 0, START
    while entries := db.all(Entry, store.NEXT, after=count, limit=BATCH):
        for entry in entries:
            count += 1
            if entry.id != count:
                raise PolicyViolation(f"Entry {count} of the audit log is missing.")
            about = {name: getattr(entry, name) for name in ("id", "at", "actor", "action", "subject")}
            about |= {"before": entry.before, "after": entry.after, "previous": previous}
            if entry.previous != previous or entry.hash != digest(**about):
                raise PolicyViolation(f"Entry {count} of the audit log is not as it was written.")
            previous = entry.hash
    if head is not None and head != START and db.value(store.HAS_HASH, hash=head) is None:
        raise PolicyViolation("The audit log was cut off or written anew: the given head is not in it.")
    return Checked(count, previous)
