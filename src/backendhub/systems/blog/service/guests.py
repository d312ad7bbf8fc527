"""The common account of those who write without one, as the simple wire allows where the setting says so."""

from __future__ import annotations

from backendhub.kit import accounts
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict
from backendhub.kit.identity import Principal

from .rules import WRITER

ID = "00000000-0000-7000-8000-00626c6f6767"
"""Always the same, so that nobody who calls themselves `guest` is taken for it."""
GUEST = Principal(ID, "guest", frozenset({WRITER}), via="guest")


def ensure(db: Db) -> Principal:
    """The guest, whose account is made with their first article. Nobody can sign in to it."""
    if accounts.find(db, ID) is None:
        for name in ("guest", "guest-of-the-blog", None):
            try:
                accounts.add(db, id=ID, username=name, roles=[WRITER])
            except accounts.Taken:
                continue
            except Conflict:  # somebody else has just made it
                break
            break
    return GUEST
