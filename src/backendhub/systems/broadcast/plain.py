"""The plain doors: text over WebSocket at `/`, server-sent events at `/sse`, and JSON routes for channels."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, Invalid
from backendhub.kit.fanout import Entry, Member, Past, Peer, Place, QueuePeer, SocketPeer
from backendhub.kit.web.fields import NO_NUL

from . import codecs, service
from .engine import Engine
from .models import Message, Summary

JSON = "broadcast.json"
"""The subprotocol in which messages have their places, and are confirmed."""
MAX_MESSAGE = 1024 * 1024
PLACE = r"^[0-9a-z]{8,16}-[0-9]{1,15}$"
Channel = Annotated[str, Query(pattern=f"^{service.NAME}$", description="The channel; `main` by default")]
Named = Annotated[str, Path(pattern=f"^{service.NAME}$", description="The channel")]
Since = Annotated[str | None, Query(pattern=PLACE, description="The `id` of the last message seen")]
Last = Annotated[int, Query(ge=0, le=1000, description="How many of the last messages come first")]

# As `service.event` has it, with one visible character at least.
Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=r"^([^\x00-\x1f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f]*)$",
        json_schema_extra={"not": {"pattern": "^pusher(_internal)?:"}},
    ),
]


class MessageIn(BaseModel):
    """A message to send."""

    model_config = ConfigDict(extra="forbid")

    data: Annotated[str, Field(max_length=100_000, pattern=NO_NUL)]
    event: Name | None = None


def add(router: web.Router) -> None:
    """Adds these routes."""
    router.websocket("/", max_message=MAX_MESSAGE, open_query=True)(connect)
    router.get("/sse", media_type="text/event-stream", statuses=(403,))(events)
    router.get("/channels")(list_channels)
    router.get("/channels/{channel}/messages", statuses=(403,))(list_messages)
    router.post("/channels/{channel}/messages", status=201, statuses=(403,))(post_message)


def _place(text: str | None) -> Place | None:
    if not text:
        return None
    place = Place.read(text)
    if place is None:
        raise Invalid("This is no id of a message.", hint="the `id` of the last message that was seen")
    return place


# -- WebSocket --------------------------------------------------------------------------------------------


async def connect(
    socket: web.Socket,
    channel: Channel = service.MAIN,
    since: Since = None,
    last: Last = 0,
    mute: bool = False,
) -> None:
    """Each message that comes goes to everybody in the channel, its sender included; `mute` only sends."""
    engine = Engine.of(socket.request.hub)
    service.public(channel)
    place = _place(since)
    spoken = JSON if JSON in socket.protocols else None
    peer = SocketPeer(socket, policy="close")
    codec = codecs.lines if spoken else codecs.plain
    member: Member | None = None
    try:
        told = _missed if spoken else None
        if not mute:
            member = await engine.fan.enter(peer, channel, codec, place, last=last, missed=told)
        await socket.accept(spoken)  # whoever is connected misses nothing
        if member is not None:
            await engine.fan.catch_up(member)
        if spoken:
            await _talk(engine, socket, peer, channel)
        else:
            await _relay(engine, socket, channel)
    finally:
        if member is not None:
            engine.fan.leave(member)
        peer.close()


async def _relay(engine: Engine, socket: web.Socket, channel: str) -> None:
    async for message in socket:
        engine.publish(channel, message).add_done_callback(lambda done: _failed(socket, done))
        await engine.fan.ready()


def _failed(socket: web.Socket, done: asyncio.Future[Entry]) -> None:
    """A message that could not be stored ends the connection it came from: nobody has got it, and it must be known."""
    if not done.cancelled() and done.exception() is not None:
        SocketPeer(socket).end(1011, "The message could not be stored.")


def _missed(peer: Peer, channel: str, past: Past) -> None:
    peer.say(json.dumps({"gap": {"channel": channel, "missed": None if past.again else past.missing}}))


async def _talk(engine: Engine, socket: web.Socket, peer: SocketPeer, channel: str) -> None:
    """`{"data": …, "event"?, "ref"?}` from the client; what has a `ref` is confirmed once it is stored."""
    async for message in socket:
        try:
            given = json.loads(message)
            data, event, ref = given["data"], given.get("event", ""), given.get("ref")
            if not isinstance(data, str) or not isinstance(event, str):
                raise TypeError
            published = engine.publish(channel, data, event and service.event(event))
        except HubError as error:
            peer.say(_told(error.message, ref))
            continue
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            peer.say('{"error":"Send {\\"data\\": text}, with an event and a ref if you like."}')
            continue
        _confirm(published, peer, ref)
        await engine.fan.ready()


def _told(error: str, ref: Any) -> str:
    return json.dumps({"error": error} | ({} if ref is None else {"ref": ref}))


def _confirm(published: asyncio.Future[Entry], peer: SocketPeer, ref: Any) -> None:
    def confirmed(done: asyncio.Future[Entry]) -> None:
        if done.cancelled() or peer.closed:
            return
        if done.exception() is not None:
            peer.say(_told("The message could not be stored.", ref))
        elif ref is not None:
            peer.say(json.dumps({"ack": ref, "id": done.result().place}))

    published.add_done_callback(confirmed)


# -- server-sent events -----------------------------------------------------------------------------------


async def events(
    request: web.Request,
    channel: Channel = service.MAIN,
    since: Since = None,
    last: Last = 0,
) -> web.Stream:
    """Messages as server-sent events; `Last-Event-ID` or `since` go on where a client was."""
    service.public(channel)
    place = _place(request.header("last-event-id") or since)
    if request.method == "HEAD":
        return web.events(_nothing())
    engine, peer = Engine.of(request.hub), QueuePeer(policy="gap")
    member = await engine.fan.enter(peer, channel, codecs.sse, place, last=last, missed=_gap)
    return web.events(_events(engine, peer, member), retry=1000)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield


def _gap(peer: Peer, channel: str, past: Past) -> None:
    missed = None if past.again else past.missing
    peer.say(web.Event({"missed": missed}, event="gap").encode())


async def _events(engine: Engine, peer: QueuePeer, member: Member) -> AsyncIterator[bytes]:
    reading = asyncio.create_task(engine.fan.catch_up(member))
    reading.add_done_callback(lambda done: peer.end() if done.cancelled() or done.exception() else None)
    try:
        async for parts in peer:
            yield b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    finally:
        engine.fan.leave(member)
        peer.end()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


# -- JSON -------------------------------------------------------------------------------------------------


async def list_channels(
    request: web.Request,
    after: Annotated[
        str, Query(max_length=164, pattern=NO_NUL, description="The name before the first")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[Summary]:
    """Public channels by name, with the connections that each has here."""
    engine = Engine.of(request.hub)
    found = await request.read(service.channels, after=after, limit=limit)
    counts = engine.counts()
    return [Summary(s.name, s.messages, s.kept, s.id, s.used_at, counts.get(s.name, 0)) for s in found]


def list_messages(
    db: Db,
    channel: Named,
    after: Since = None,
    last: Annotated[int | None, Query(ge=1, le=1000, description="Only the last ones")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[Message]:
    """Messages of a channel that are kept, in their order."""
    return service.history(db, channel, after=after, last=last, limit=limit)


async def post_message(request: web.Request, channel: Named, body: MessageIn) -> Message:
    """Send a message to everybody in a channel. The answer comes once it is stored."""
    service.public(channel)
    event = service.event(body.event) if body.event else ""
    entry = await Engine.of(request.hub).publish(channel, body.data, event)
    return service.told(channel, entry.epoch, entry)
