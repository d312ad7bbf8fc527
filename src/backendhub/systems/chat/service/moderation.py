"""Moderation: roles, mutes, kicks and bans, each by somebody of a higher rank."""

from __future__ import annotations

from datetime import timedelta

from backendhub.kit import clock
from backendhub.kit.accounts import users
from backendhub.kit.db import Db
from backendhub.kit.db.records import encode
from backendhub.kit.errors import Denied, NotFound
from backendhub.kit.identity import Principal
from backendhub.systems.chat import store
from backendhub.systems.chat.models import RANK, Ban, Done, Kind, Member, Role, Told

from .log import inside, locked, member, tell


def _over(db: Db, who: Principal, room: str, user: str) -> Member:
    """The member whom somebody acts on. Raises NotFound, Denied."""
    found = locked(db, room)
    if found.kind is Kind.DIRECT:
        inside(db, room, who.id)
        raise Denied("Nobody moderates a direct conversation.")
    me = inside(db, room, who.id, Role.OWNER, Role.MODERATOR)
    them = member(db, room, user)
    if them is None:
        raise NotFound("They are not in this room.")
    if RANK[them.role] >= RANK[me.role]:
        raise Denied("This takes a higher rank than theirs.")
    return them


def set_role(db: Db, who: Principal, room: str, user: str, role: Role) -> Done[Member]:
    """Makes somebody a moderator, a member, or the owner in one's own place. Raises NotFound, Denied."""
    them = _over(db, who, room, user)
    inside(db, room, who.id, Role.OWNER)
    if them.role is role:
        return Done(them)
    told = []
    if role is Role.OWNER:
        db.run(store.SET_ROLE, room=room, user=who.id, role=Role.MODERATOR)
        told.append(tell(db, room, "role", user=who.id, role=Role.MODERATOR, by=who.id))
    db.run(store.SET_ROLE, room=room, user=user, role=role)
    told.append(tell(db, room, "role", user=user, role=role, by=who.id))
    return Done(inside(db, room, user), tuple(told))


def mute(db: Db, who: Principal, room: str, user: str, seconds: int) -> Done[Member]:
    """Keeps somebody from speaking for a while; 0 seconds end it. Raises NotFound, Denied."""
    _over(db, who, room, user)
    until = clock.precise() + timedelta(seconds=seconds) if seconds else None
    db.run(store.SET_MUTED, room=room, user=user, until=until)
    event = "muted" if seconds else "unmuted"
    return Done(inside(db, room, user), (tell(db, room, event, user=user, until=until, by=who.id),))


def kick(db: Db, who: Principal, room: str, user: str) -> Done[None]:
    """Puts somebody out of a room. Raises NotFound, Denied."""
    them = _over(db, who, room, user)
    return Done(None, (_out(db, who, room, user, "kicked", them.name),))


def _out(db: Db, who: Principal, room: str, user: str, event: str, name: str) -> Told:
    db.run(store.DELETE_MEMBER, room=room, user=user)
    return tell(db, room, event, user=user, name=name, by=who.id)


def ban(
    db: Db, who: Principal, room: str, user: str, *, reason: str = "", seconds: int | None = None
) -> Done[None]:
    """Puts somebody out for a time or for good, whether they are inside or not. Raises NotFound, Denied."""
    found = locked(db, room)
    inside(db, room, who.id, Role.OWNER, Role.MODERATOR)
    if found.kind is Kind.DIRECT:
        raise Denied("Nobody moderates a direct conversation.")
    them = member(db, room, user)
    if them is not None:
        _over(db, who, room, user)
    elif users.find(db, user) is None:
        raise NotFound("There is no such account.")
    now = clock.precise()
    until = None if seconds is None else now + timedelta(seconds=seconds)
    db.run(store.PUT_BAN, room=room, user=user, reason=reason, until=until, now=now)
    return Done(None, (_out(db, who, room, user, "banned", them.name),) if them is not None else ())


def unban(db: Db, who: Principal, room: str, user: str) -> Done[None]:
    """Lets somebody in again. Raises NotFound, Denied."""
    locked(db, room)
    inside(db, room, who.id, Role.OWNER, Role.MODERATOR)
    if not db.run(store.DELETE_BAN, room=room, user=user):
        raise NotFound("They are not banned.")
    return Done(None)


def bans(db: Db, who: Principal, room: str) -> list[Ban]:
    """Who may not enter. Raises NotFound, Denied."""
    inside(db, room, who.id, Role.OWNER, Role.MODERATOR)
    return db.all(Ban, store.LIST_BANS, room=room, now=encode(clock.precise()))
