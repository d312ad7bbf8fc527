"""Rooms: made, found, entered and left; how far somebody has read."""

from __future__ import annotations

from typing import Any

from backendhub.kit import clock
from backendhub.kit.accounts import users
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Denied, Invalid, NotFound
from backendhub.kit.fanout import Past, Place, presence
from backendhub.kit.fanout import log as channel_log
from backendhub.kit.identity import Principal
from backendhub.kit.ids import uuid7
from backendhub.systems.chat import store
from backendhub.systems.chat.models import Done, Kind, Member, Mine, Role, Room, Told

from .log import SPACE, inside, locked, member, number, tell

ONLINE = "online"
"""The channel of leases: whoever has a connection."""
MAX_MEMBERS = 1000
MAX_ROOMS = 500
"""Rooms that one account is in."""


def add(
    db: Db,
    who: Principal,
    *,
    name: str,
    kind: Kind = Kind.PUBLIC,
    topic: str = "",
    members: tuple[str, ...] = (),
) -> Done[Room]:
    """A new room, with whoever made it as its owner. Raises Invalid, NotFound for a member who has no account."""
    if kind is Kind.DIRECT:
        raise Invalid("A direct conversation is opened with somebody.", hint="POST /direct")
    room = _insert(db, name=name, kind=kind, topic=topic)
    assert room is not None
    told = [_enter(db, room.id, who.id, Role.OWNER)]
    for each in dict.fromkeys(_account(db, name) for name in members):
        if each != who.id:
            told.append(_enter(db, room.id, each, Role.MEMBER, by=who.id))
    return Done(room, tuple(told))


def _insert(db: Db, *, name: str, kind: Kind, topic: str = "", pair: str | None = None) -> Room | None:
    values = {"id": uuid7(), "name": name, "kind": kind, "topic": topic, "pair": pair}
    return db.one(Room, store.INSERT_ROOM, **values, now=clock.precise())


def _account(db: Db, name: str) -> str:
    user = users.by_login(db, name) or users.find(db, name)
    if user is None:
        raise NotFound(f"There is no account {name[:80]!r}.", field="user")
    return user.id


def _enter(db: Db, room: str, user: str, role: Role, *, by: str | None = None) -> Told:
    """Puts somebody into a room, which is locked or new. Raises Conflict."""
    if int(db.value(store.COUNT_ROOMS, user=user)) >= MAX_ROOMS:
        raise Conflict(f"An account is in {MAX_ROOMS} rooms at most.")
    if int(db.value(store.COUNT_MEMBERS, room=room)) >= MAX_MEMBERS:
        raise Conflict(f"A room has {MAX_MEMBERS} members at most.")
    if not db.run(store.INSERT_MEMBER, room=room, user=user, role=role, now=clock.precise()):
        raise Conflict("They are in this room already.")
    found = inside(db, room, user)
    told = tell(db, room, "joined", user=user, name=found.name, role=role, by=by)
    db.run(store.SET_JOINED, room=room, user=user, number=number(told))
    return told


def direct(db: Db, who: Principal, other: str) -> Done[Room]:
    """The conversation of two; made when one of them first asks for it. Raises NotFound, Invalid."""
    them = _account(db, other)
    if them == who.id:
        raise Invalid("A conversation is with somebody else.", field="user")
    pair = ":".join(sorted((who.id, them)))
    room = _insert(db, name="", kind=Kind.DIRECT, pair=pair)
    if room is None:
        found = db.one(Room, store.SELECT_PAIR, pair=pair)
        assert found is not None
        return Done(found)
    return Done(room, tuple(_enter(db, room.id, each, Role.MEMBER, by=who.id) for each in (who.id, them)))


def mine(db: Db, user: str) -> list[Mine]:
    """The rooms of an account. A direct conversation has the other's name."""
    return db.all(Mine, store.LIST_MINE, user=user)


def public(db: Db, *, name: str = "", after: str = "", limit: int = 50) -> list[Room]:
    """Rooms that anybody may enter, by name."""
    return db.all(Room, store.LIST_PUBLIC, name=name, after=after, limit=limit)


def get(db: Db, who: Principal, room: str) -> Room:
    """A room that is public, or somebody's. Raises NotFound."""
    found = db.one(Room, store.SELECT_ROOM, room=room)
    if found is None or found.kind is not Kind.PUBLIC:
        inside(db, room, who.id)
    if found is None:
        raise NotFound("There is no such room.")
    return found


def edit(
    db: Db, who: Principal, room: str, *, name: str | None = None, topic: str | None = None
) -> Done[Room]:
    """Changes name and topic. Raises NotFound, Denied."""
    before = locked(db, room)
    inside(db, room, who.id, Role.OWNER, Role.MODERATOR)
    values = {
        "name": before.name if name is None else name,
        "topic": before.topic if topic is None else topic,
    }
    after = db.one(Room, store.UPDATE_ROOM, room=room, **values)
    assert after is not None
    return Done(after, (tell(db, room, "changed", by=who.id, **values),))


def join(db: Db, who: Principal, room: str) -> Done[Room]:
    """Enters a public room; nothing happens for who is inside. Raises NotFound, Conflict, Denied for who is banned."""
    found = locked(db, room)
    if member(db, room, who.id) is not None:
        return Done(found)
    if found.kind is not Kind.PUBLIC:
        raise NotFound("There is no such room.")
    if db.fetch(store.SELECT_BAN, {"room": room, "user": who.id, "now": _now()}):
        raise Denied("You are banned from this room.")
    return Done(found, (_enter(db, room, who.id, Role.MEMBER),))


def _now() -> Any:
    from backendhub.kit.db.records import encode

    return encode(clock.precise())


def invite(db: Db, who: Principal, room: str, other: str) -> Done[Member]:
    """Puts somebody else into a room. Raises NotFound, Denied, Conflict."""
    found = locked(db, room)
    inside(db, room, who.id)
    if found.kind is Kind.DIRECT:
        raise Denied("A direct conversation is one of two.")
    user = _account(db, other)
    if db.fetch(store.SELECT_BAN, {"room": room, "user": user, "now": _now()}):
        raise Denied("They are banned from this room.")
    told = _enter(db, room, user, Role.MEMBER, by=who.id)
    return Done(inside(db, room, user), (told,))


def leave(db: Db, who: Principal, room: str) -> Done[None]:
    """Leaves a room; of an owner the eldest moderator or member takes the place. Raises NotFound, Denied."""
    found = locked(db, room)
    before = inside(db, room, who.id)
    if found.kind is Kind.DIRECT:
        raise Denied("A direct conversation is one of two.")
    db.run(store.DELETE_MEMBER, room=room, user=who.id)
    told = [tell(db, room, "left", user=who.id, name=before.name)]
    heir = db.value(store.NEXT_OWNER, room=room)
    if before.role is Role.OWNER and heir is not None:
        db.run(store.SET_ROLE, room=room, user=heir, role=Role.OWNER)
        told.append(tell(db, room, "role", user=heir, role=Role.OWNER))
    return Done(None, tuple(told))


def members(db: Db, who: Principal, room: str, *, after: str = "", limit: int = 100) -> list[Member]:
    """Who is in a room, by id, and who of them is online. Raises NotFound."""
    from dataclasses import replace

    inside(db, room, who.id)
    found = db.all(Member, store.LIST_MEMBERS, room=room, after=after, limit=limit)
    online = presence.here(db, SPACE, [(ONLINE, each.user_id) for each in found])
    return [replace(each, online=(ONLINE, each.user_id) in online) for each in found]


def mark(db: Db, who: Principal, room: str, upto: int, *, seen: bool = True) -> bool:
    """Notes how far somebody has read, or their devices have received; True where that is news. Raises NotFound."""
    inside(db, room, who.id)
    top = channel_log.channel(db, SPACE, room)
    upto = min(upto, 0 if top is None else top.top)
    news = bool(seen and db.run(store.MARK_SEEN, room=room, user=who.id, number=upto))
    return bool(db.run(store.MARK_GOT, room=room, user=who.id, number=upto)) or news


def events(db: Db, who: Principal, room: str, since: Place | None, *, limit: int = 200) -> Past:
    """What has happened in a room since a place. Raises NotFound."""
    inside(db, room, who.id)
    return channel_log.since(db, SPACE, room, since or 0, limit=limit)
