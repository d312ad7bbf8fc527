"""Messages, files, search and the log of a room over HTTP."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Path, Query

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.fanout import Place as At
from backendhub.kit.web.fields import NO_NUL

from .live import Live
from .service import messages, rooms
from .service.log import inside
from .shapes import MessageIn, MessageOut, TextIn, out
from .wire import UUID, Most, Number, Place, RoomId

Emoji = Annotated[str, Path(min_length=1, max_length=32, pattern=r"^[^\s\x00-\x20/]+$")]
MAX_FILE = 25 << 20


def add(router: web.Router) -> None:
    """Adds these routes."""
    base = "/rooms/{room}/messages"
    router.get(base, statuses=(404,))(list_messages)
    router.post(base, status=201, statuses=(403, 404, 409, 429))(send)
    router.get(base + "/{number}", statuses=(404,))(get_message)
    router.patch(base + "/{number}", statuses=(403, 404, 429))(edit)
    router.delete(base + "/{number}", statuses=(403, 404))(delete)
    router.get(base + "/{number}/file", media_type="*/*", statuses=(404, 416))(download)
    router.put(base + "/{number}/reactions/{emoji}", statuses=(403, 404, 409, 429))(react)
    router.delete(base + "/{number}/reactions/{emoji}", status=200, statuses=(404,))(unreact)
    options: dict[str, Any] = {"consumes": ("*/*",), "stream": True, "max_body": MAX_FILE}
    router.post("/rooms/{room}/files", status=201, statuses=(403, 404, 409, 413, 429), **options)(attach)
    router.get("/rooms/{room}/events", statuses=(404,))(list_events)
    router.get("/search", statuses=(404,))(search)


def list_messages(
    db: Db, user: web.CurrentUser, room: RoomId, before: Place = None, after: Place = None, limit: Most = 50
) -> list[MessageOut]:
    """Messages in their order: the last ones, those before or those after a number."""
    return [out(m) for m in messages.history(db, user, room, before=before, after=after, limit=limit)]


async def send(request: web.Request, user: web.CurrentUser, room: RoomId, body: MessageIn) -> MessageOut:
    """Send a message. The answer comes once it is stored."""
    live = Live.of(request.hub)
    await live.limited(user)
    return out(await live.act(messages.send, user, room, **body.model_dump()))


def get_message(db: Db, user: web.CurrentUser, room: RoomId, number: Number) -> MessageOut:
    """A message."""
    inside(db, room, user.id)
    return out(messages.get(db, room, number))


async def edit(
    request: web.Request, user: web.CurrentUser, room: RoomId, number: Number, body: TextIn
) -> MessageOut:
    """Change the text of one's own message."""
    live = Live.of(request.hub)
    await live.limited(user)
    return out(await live.act(messages.edit, user, room, number, body.text))


async def delete(request: web.Request, user: web.CurrentUser, room: RoomId, number: Number) -> None:
    """Delete a message."""
    await Live.of(request.hub).act(messages.delete, user, room, number)


async def react(
    request: web.Request, user: web.CurrentUser, room: RoomId, number: Number, emoji: Emoji
) -> MessageOut:
    """Set a reaction."""
    live = Live.of(request.hub)
    await live.limited(user)
    return out(await live.act(messages.react, user, room, number, emoji))


async def unreact(
    request: web.Request, user: web.CurrentUser, room: RoomId, number: Number, emoji: Emoji
) -> MessageOut:
    """Take a reaction back."""
    return out(await Live.of(request.hub).act(messages.react, user, room, number, emoji, on=False))


async def attach(
    request: web.Request,
    user: web.CurrentUser,
    room: RoomId,
    name: Annotated[str, Query(min_length=1, max_length=200, pattern=NO_NUL, description="The file's name")],
    text: Annotated[str, Query(max_length=1000, pattern=NO_NUL)] = "",
    txn: Annotated[str | None, Query(min_length=1, max_length=100, pattern=NO_NUL)] = None,
) -> MessageOut:
    """Send a file (the body) as a message."""
    live = Live.of(request.hub)
    await live.limited(user)
    await request.read(inside, room, user.id)
    staged = await request.hub.files.astage(request.stream())
    values: dict[str, Any] = {"text": text, "txn": txn, "staged": staged, "filename": name}
    return out(await live.act(messages.send, user, room, **values))


async def download(request: web.Request, user: web.CurrentUser, room: RoomId, number: Number) -> Any:
    """The file of a message."""
    return web.stored(request, await request.read(messages.attachment, user, room, number))


def list_events(
    db: Db,
    user: web.CurrentUser,
    room: RoomId,
    since: Annotated[
        str | None, Query(pattern=r"^[0-9a-z]{8,16}-[0-9]{1,15}$", description="The `id` of the last event")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> list[dict[str, Any]]:
    """Everything that has happened in a room since a place, in its order: what a client that comes back has missed."""
    past = rooms.events(db, user, room, At.read(since) if since else None, limit=limit)
    return [
        {"event": entry.event, "number": entry.number, "id": entry.place, **json.loads(entry.body)}
        for entry in past.entries
        if isinstance(entry.body, str)
    ]


def search(
    db: Db,
    user: web.CurrentUser,
    q: Annotated[str, Query(min_length=1, max_length=200, pattern=NO_NUL, description="Words")],
    room: Annotated[str | None, Query(pattern=UUID)] = None,
    before: Annotated[
        int | None, Query(ge=1, le=2**53 - 1, description="The `id` of the last one seen")
    ] = None,
    limit: Most = 50,
) -> list[MessageOut]:
    """Messages of one's rooms by their words, the newest first."""
    return [out(m) for m in messages.search(db, user, q, room=room or "", before=before, limit=limit)]
