"""The log of a room: everything that happens in it, numbered in the transaction that does it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Denied, NotFound
from backendhub.kit.fanout import Entry, log
from backendhub.systems.chat import store
from backendhub.systems.chat.models import Member, Role, Room, Told

SPACE = "chat"
LEAVING = frozenset({"left", "kicked", "banned"})
"""Events after which somebody gets no more of the room: their `user`."""


def locked(db: Db, room: str) -> Room:
    """The room, which nobody else changes before this transaction ends. Raises NotFound."""
    found = db.one(Room, store.LOCK_ROOM[db.dialect], room=room)
    if found is None:
        raise NotFound("There is no such room.")
    return found


def tell(db: Db, room: str, event: str, **data: Any) -> Told:
    """Adds an event to the log of a room; the room is locked."""
    entry = Entry(event, json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=_text))
    return log.append(db, SPACE, room, [entry]), [entry]


def _text(value: Any) -> Any:
    return clock.iso(value) if isinstance(value, datetime) else value.value


def number(told: Told) -> int:
    """The number of what was told."""
    return told[1][-1].number


def member(db: Db, room: str, user: str) -> Member | None:
    """Somebody in a room, or None."""
    return db.one(Member, store.SELECT_MEMBER, room=room, user=user)


def inside(db: Db, room: str, user: str, *roles: Role) -> Member:
    """A member, with one of the roles if any are named. Raises NotFound (who is not in a room is not told of it), Denied."""
    found = member(db, room, user)
    if found is None:
        raise NotFound("There is no such room.")
    if roles and found.role not in roles:
        raise Denied(f"This needs the role {' or '.join(role.value for role in roles)}.")
    return found
