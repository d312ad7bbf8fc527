"""Rooms, members and moderation over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.web.fields import NO_NUL

from .live import Live
from .models import Ban, Member, Room
from .service import moderation, rooms
from .shapes import BanIn, MemberPatch, MineOut, ReadIn, RoomIn, RoomPatch, UserIn, mine_out
from .wire import Most, RoomId, UserId


def add(router: web.Router) -> None:
    """Adds these routes."""
    router.get("/rooms")(list_mine)
    router.get("/rooms/public")(list_public)
    router.post("/rooms", status=201, statuses=(404, 409))(add_room)
    router.post("/direct", statuses=(404,))(open_direct)
    router.get("/rooms/{room}", statuses=(404,))(get_room)
    router.patch("/rooms/{room}", statuses=(403, 404))(edit_room)
    router.post("/rooms/{room}/join", statuses=(403, 404, 409))(join)
    router.post("/rooms/{room}/leave", status=204, statuses=(403, 404))(leave)
    router.post("/rooms/{room}/read", status=204, statuses=(404,))(mark)
    router.get("/rooms/{room}/members", statuses=(404,))(list_members)
    router.post("/rooms/{room}/members", status=201, statuses=(403, 404, 409))(invite)
    router.patch("/rooms/{room}/members/{user}", statuses=(403, 404))(edit_member)
    router.delete("/rooms/{room}/members/{user}", statuses=(403, 404))(kick)
    router.get("/rooms/{room}/bans", statuses=(403, 404))(list_bans)
    router.put("/rooms/{room}/bans/{user}", status=204, statuses=(403, 404))(ban)
    router.delete("/rooms/{room}/bans/{user}", statuses=(403, 404))(unban)


def list_mine(db: Db, user: web.CurrentUser) -> list[MineOut]:
    """The rooms one is in, with what is new in each."""
    return [mine_out(each) for each in rooms.mine(db, user.id)]


def list_public(
    db: Db,
    user: web.CurrentUser,
    name: Annotated[str, Query(max_length=100, pattern=NO_NUL, description="Names from here on")] = "",
    after: Annotated[str, Query(max_length=40, pattern=NO_NUL, description="The id before the first")] = "",
    limit: Most = 50,
) -> list[Room]:
    """Rooms that anybody may enter, by name."""
    return rooms.public(db, name=name, after=after, limit=limit)


async def add_room(request: web.Request, user: web.CurrentUser, body: RoomIn) -> Room:
    """Make a room."""
    live = Live.of(request.hub)
    values: dict[str, Any] = {"name": body.name, "kind": body.kind, "topic": body.topic}
    room = await live.act(rooms.add, user, **values, members=tuple(body.members))
    return web.reply(room, headers={"Location": f"{request.prefix}/rooms/{room.id}"})


async def open_direct(request: web.Request, user: web.CurrentUser, body: UserIn) -> Room:
    """The conversation with somebody; there is one of each two."""
    return await Live.of(request.hub).act(rooms.direct, user, body.user)


def get_room(db: Db, user: web.CurrentUser, room: RoomId) -> Room:
    """A room."""
    return rooms.get(db, user, room)


async def edit_room(request: web.Request, user: web.CurrentUser, room: RoomId, body: RoomPatch) -> Room:
    """Change name and topic."""
    return await Live.of(request.hub).act(rooms.edit, user, room, **body.model_dump(exclude_unset=True))


async def join(request: web.Request, user: web.CurrentUser, room: RoomId) -> Room:
    """Enter a public room."""
    return await Live.of(request.hub).act(rooms.join, user, room)


async def leave(request: web.Request, user: web.CurrentUser, room: RoomId) -> None:
    """Leave a room."""
    await Live.of(request.hub).act(rooms.leave, user, room)


async def mark(request: web.Request, user: web.CurrentUser, room: RoomId, body: ReadIn) -> None:
    """Note how far one has read."""
    live = Live.of(request.hub)
    if await live.fan.unit(rooms.mark, user, room, body.to, seen=not body.received):
        live.whisper(room, "receipt", {"user": user.id, "got" if body.received else "seen": body.to})


def list_members(
    db: Db,
    user: web.CurrentUser,
    room: RoomId,
    after: Annotated[str, Query(max_length=40, pattern=NO_NUL, description="The id before the first")] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[Member]:
    """Who is in a room, by their ids: roles, who is online, how far each has read."""
    return rooms.members(db, user, room, after=after, limit=limit)


async def invite(request: web.Request, user: web.CurrentUser, room: RoomId, body: UserIn) -> Member:
    """Put somebody into a room."""
    return await Live.of(request.hub).act(rooms.invite, user, room, body.user)


async def edit_member(
    request: web.Request, by: web.CurrentUser, room: RoomId, user: UserId, body: MemberPatch
) -> Member:
    """Give a member another role, or keep them from speaking for a while."""
    live = Live.of(request.hub)
    if "muted_for" in body.model_fields_set or "role" not in body.model_fields_set:
        found = await live.act(moderation.mute, by, room, user, body.muted_for)
    if "role" in body.model_fields_set:
        found = await live.act(moderation.set_role, by, room, user, body.role)
    return found


async def kick(request: web.Request, by: web.CurrentUser, room: RoomId, user: UserId) -> None:
    """Put a member out."""
    await Live.of(request.hub).act(moderation.kick, by, room, user)


def list_bans(db: Db, user: web.CurrentUser, room: RoomId) -> list[Ban]:
    """Who may not enter."""
    return moderation.bans(db, user, room)


async def ban(request: web.Request, by: web.CurrentUser, room: RoomId, user: UserId, body: BanIn) -> None:
    """Ban somebody."""
    await Live.of(request.hub).act(moderation.ban, by, room, user, reason=body.reason, seconds=body.seconds)


async def unban(request: web.Request, by: web.CurrentUser, room: RoomId, user: UserId) -> None:
    """Let somebody in again."""
    await Live.of(request.hub).act(moderation.unban, by, room, user)
