"""Profiles, and who follows whom."""

from __future__ import annotations

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.identity import Principal
from backendhub.systems.blog import store
from backendhub.systems.blog.models import Profile

from .rules import bad, missing, text, while_there

MAX_BIO, MAX_IMAGE = 10_000, 2_000
KEEP = "\x00"  # no profile holds a NUL


def get(db: Db, name: str, *, viewer: str | None = None) -> Profile:
    """The profile of a username (or an account's id). Raises NotFound."""
    found = store.profile(db, name, viewer)
    if found is None:
        raise missing("profile", name)
    return found


def of(db: Db, id: str) -> Profile:
    """The profile of an account. Raises NotFound."""
    found = db.one(Profile, store.PROFILE_BY_ID, id=id, viewer=None)
    if found is None:
        raise missing("profile", id)
    return found


def edit(db: Db, id: str, *, bio: str | None = KEEP, image: str | None = KEEP) -> Profile:
    """Changes an account's profile; None and empty text clear. Raises Invalid, NotFound."""
    before = of(db, id)
    values = {
        "bio": before.bio if bio == KEEP else _text("bio", bio, MAX_BIO),
        "image": before.image if image == KEEP else _text("image", image, MAX_IMAGE),
    }
    db.run(store.SET_PROFILE, id=id, **values)
    return of(db, id)


def _text(field: str, value: str | None, longest: int) -> str | None:
    return text(field, value, longest) if value and value.strip() else None


def follow(db: Db, who: Principal, name: str) -> Profile:
    """Follows somebody; once more changes nothing. Raises NotFound, and Invalid for oneself."""
    person = get(db, name)
    if person.id == who.id:
        raise bad("profile", "self", "can't be yourself")
    with while_there("profile", name):
        db.run(store.FOLLOW, viewer=who.id, id=person.id, now=clock.precise())
    return get(db, name, viewer=who.id)


def unfollow(db: Db, who: Principal, name: str) -> Profile:
    """Follows somebody no longer. Raises NotFound."""
    person = get(db, name)
    db.run(store.UNFOLLOW, viewer=who.id, id=person.id)
    return get(db, name, viewer=who.id)
