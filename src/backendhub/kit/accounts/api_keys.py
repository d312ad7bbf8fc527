"""API keys: for programs, long-lived, limited by scopes; shown once, kept as a hash, recognisable in a leak."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound
from backendhub.kit.ids import uuid7

from . import store, users
from .models import ApiKey
from .secret import digest, key

SCOPE = r"[a-z][a-z0-9_.-]*(:[a-z0-9_.*-]+)?"
START = 8
"""Characters of a key that are kept to recognise it by: its prefix and four more."""


def scope_names(scopes: Iterable[str]) -> list[str]:
    """Scopes in order, each once. Raises Invalid for one that is not `thing` or `thing:verb`."""
    found = sorted(set(scopes))
    for scope in found:
        if not re.fullmatch(SCOPE, scope):
            raise Invalid(
                f"{scope!r} is no scope.", hint="write posts:write, or posts:* for all", field="scopes"
            )
    return found


def make(
    db: Db, user_id: str, *, name: str, scopes: Iterable[str] = (), expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A new key of an account and its text, which nobody can look up later. Raises NotFound, Invalid."""
    users.get(db, user_id)
    if not name.strip() or len(name) > 200:
        raise Invalid("A key needs a name of at most 200 characters.", field="name")
    text = key()
    made = db.one(
        ApiKey,
        store.INSERT_API_KEY,
        id=uuid7(),
        user_id=user_id,
        name=name.strip(),
        start=text[:START],
        hash=digest(text),
        scopes=scope_names(scopes),
        now=clock.precise(),
        expires_at=expires_at,
    )
    assert made is not None
    users.noted(db, "key_made", user_id, after={"key": made.id, "scopes": made.scopes})
    return made, text


def get(db: Db, id: str) -> ApiKey:
    """The key with this id. Raises NotFound."""
    found = db.one(ApiKey, store.API_KEY_BY_ID, id=id)
    if found is None:
        raise NotFound(f"There is no key {id[:80]!r}.", hint="backendhub user key list")
    return found


def listed(db: Db, user_id: str | None = None) -> list[ApiKey]:
    """The keys of an account, or all, oldest first."""
    if user_id is None:
        return db.all(ApiKey, store.API_KEYS)
    return db.all(ApiKey, store.API_KEYS_OF, user_id=user_id)


def revoke(db: Db, id: str) -> ApiKey:
    """Takes a key back, from the next request on. Raises NotFound."""
    revoked = db.run(store.REVOKE_API_KEY, id=id, now=clock.precise())
    found = get(db, id)
    if revoked:
        users.noted(db, "key_revoked", found.user_id, before={"key": id})
    return found
