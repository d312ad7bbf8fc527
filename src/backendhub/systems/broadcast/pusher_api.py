"""The HTTP API of the Pusher protocol, for the servers of an application: signed requests."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, Field

from backendhub.kit import web
from backendhub.kit.errors import HubError, Invalid, TooLarge
from backendhub.kit.fanout import Entry, log, presence
from backendhub.kit.web.fields import NO_NUL, VISIBLE

from . import codecs, pusher, service
from .engine import Engine
from .models import Access

MAX_DATA = 100_000
MAX_CHANNELS = 100
MAX_BATCH = 10
TO_USER = "#server-to-user-"
AppId = Annotated[str, Path(max_length=100)]
Info = Annotated[
    str, Query(max_length=200, pattern=NO_NUL, description="user_count, subscription_count, cache")
]


class Told(web.Dialect):
    """Failures of the Pusher API: a status and a sentence."""

    name, media_type = "PusherError", "text/plain"
    description = "What is wrong, in words"
    schema = {"type": "string"}

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The sentence."""
        return web.Reply(error.message + "\n", self.status(error), media_type="text/plain; charset=utf-8")


class In(BaseModel):
    """A body; libraries send members that not every server knows."""


class EventIn(In):
    """An event for one channel or several."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=VISIBLE)]
    data: Annotated[str, Field(pattern=NO_NUL)]
    channel: Annotated[str, Field(max_length=200, pattern=NO_NUL)] | None = None
    channels: Annotated[list[str], Field(max_length=MAX_CHANNELS)] | None = None
    socket_id: Annotated[str, Field(max_length=50)] | None = None
    info: Annotated[str, Field(max_length=200)] | None = None


class OneIn(In):
    """An event of a batch."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=VISIBLE)]
    data: Annotated[str, Field(pattern=NO_NUL)]
    channel: Annotated[str, Field(max_length=200, pattern=NO_NUL)]
    socket_id: Annotated[str, Field(max_length=50)] | None = None
    info: Annotated[str, Field(max_length=200)] | None = None


class BatchIn(In):
    """Several events."""

    batch: Annotated[list[OneIn], Field(max_length=MAX_BATCH)]


def add(router: web.Router) -> None:
    """Adds these routes."""
    router.websocket("/app/{key}", max_message=pusher.MAX_MESSAGE, public=True, open_query=True)(
        pusher.connect
    )
    family = router.family("/apps", dialect=Told(invalid=400))
    options: dict[str, Any] = {"public": True, "open_query": True, "statuses": (400, 401, 403, 404, 413)}
    family.post("/{app_id}/events", **options)(trigger)
    family.post("/{app_id}/batch_events", **options)(trigger_batch)
    family.get("/{app_id}/channels", **options)(channels)
    family.get("/{app_id}/channels/{channel}", **options)(channel)
    family.get("/{app_id}/channels/{channel}/users", **options)(users)
    family.post("/{app_id}/users/{user}/terminate_connections", **options)(terminate)
    # Where the Python library asks for it.
    router.family("/users", dialect=Told(invalid=400)).post("/{user}/terminate_connections", **options)(
        terminate_here
    )


def _engine(request: web.Request, app_id: str) -> Engine:
    """The engine, for a request that the application has signed. Raises NotFound, Unauthenticated."""
    engine = Engine.of(request.hub)
    service.check_request(
        engine.keys, app_id, request.method, request.full_path, dict(request.pairs()), request.body
    )
    return engine


# -- events -----------------------------------------------------------------------------------------------


async def trigger(request: web.Request, app_id: AppId, body: EventIn) -> dict[str, Any]:
    """Send an event to channels. With `info` the answer tells of them."""
    engine = _engine(request, app_id)
    names = body.channels if body.channels is not None else [body.channel] if body.channel else []
    if not names:
        raise Invalid("The event names no channel.")
    _check(names, body)
    if len(names) > 1 and any(name.startswith("private-encrypted-") for name in names):
        raise Invalid("An event for an encrypted channel goes to no other.")
    waiting = [_send(engine, name, body.name, body.data, body.socket_id) for name in dict.fromkeys(names)]
    for each in waiting:
        if each is not None:
            await each
    if not body.info:
        return {}
    return {"channels": {name: await _about(engine, name, body.info) for name in names}}


async def trigger_batch(request: web.Request, app_id: AppId, body: BatchIn) -> dict[str, Any]:
    """Send several events, each to its channel."""
    engine = _engine(request, app_id)
    for event in body.batch:
        _check([event.channel], event)
    waiting = [_send(engine, e.channel, e.name, e.data, e.socket_id) for e in body.batch]
    for each in waiting:
        if each is not None:
            await each
    if not any(event.info for event in body.batch):
        return {}
    told = [await _about(engine, e.channel, e.info) if e.info else {} for e in body.batch]
    return {"batch": told}


def _check(names: list[str], event: EventIn | OneIn) -> None:
    """Raises Invalid, TooLarge before anything is sent."""
    service.event(event.name)
    if event.socket_id is not None and not re.fullmatch(r"\d{1,20}\.\d{1,20}", event.socket_id):
        raise Invalid(f"Invalid socket id {event.socket_id}")
    if len(event.data.encode()) > MAX_DATA:
        raise TooLarge(f"The data of an event has {MAX_DATA:,} bytes at most.")
    for name in names:
        if not (name.startswith(TO_USER) and 1 <= len(name) - len(TO_USER) <= 128):
            service.access(name)


def _send(engine: Engine, channel: str, event: str, data: str, socket_id: str | None) -> Any:
    if channel.startswith(TO_USER):
        engine.fan.whisper(channel, Entry(event, data))
        return None
    return engine.publish(channel, data, event, socket_id)


# -- channels ---------------------------------------------------------------------------------------------


async def channels(
    request: web.Request,
    app_id: AppId,
    filter_by_prefix: Annotated[str, Query(max_length=200, pattern=NO_NUL)] = "",
    info: Info = "",
) -> dict[str, Any]:
    """The channels that somebody has subscribed to."""
    engine = _engine(request, app_id)
    if "user_count" in info and not filter_by_prefix.startswith("presence-"):
        raise Invalid("user_count is of presence channels: filter_by_prefix begins with presence-.")
    names = [
        name
        for name, count in engine.counts().items()
        if count and name.startswith(filter_by_prefix) and not name.startswith("#")
    ]
    return {"channels": {name: await _about(engine, name, info) for name in sorted(names)}}


async def channel(request: web.Request, app_id: AppId, channel: str, info: Info = "") -> dict[str, Any]:
    """Whether anybody has subscribed to a channel, and how many."""
    engine = _engine(request, app_id)
    if "user_count" in info and service.access(channel) is not Access.PRESENCE:
        raise Invalid("user_count is of presence channels.")
    service.access(channel)
    return {"occupied": bool(engine.counts().get(channel))} | await _about(engine, channel, info)


async def users(request: web.Request, app_id: AppId, channel: str) -> dict[str, Any]:
    """Who is in a presence channel."""
    engine = _engine(request, app_id)
    if service.access(channel) is not Access.PRESENCE:
        raise Invalid("Users can be retrieved only for presence channels.")
    found = await engine.fan.read(presence.present, service.SPACE, channel)
    return {"users": [{"id": each.member} for each in found]}


async def terminate(request: web.Request, app_id: AppId, user: str) -> dict[str, Any]:
    """End every connection of a user who has signed in."""
    _engine(request, app_id).terminate(user)
    return {}


async def terminate_here(request: web.Request, user: str) -> dict[str, Any]:
    """End every connection of a user who has signed in (where the Python library asks for it)."""
    return await terminate(request, Engine.of(request.hub).keys.id, user)


async def _about(engine: Engine, name: str, info: str) -> dict[str, Any]:
    wanted = set(info.split(","))
    found: dict[str, Any] = {}
    if "subscription_count" in wanted:
        found["subscription_count"] = engine.counts().get(name, 0)
    if "user_count" in wanted and name.startswith("presence-"):
        found["user_count"] = len(await engine.fan.read(presence.present, service.SPACE, name))
    if "cache" in wanted and service.is_cache(name):
        found["cache"] = await _cache(engine, name)
    return found


async def _cache(engine: Engine, name: str) -> dict[str, Any] | None:
    past = await engine.fan.read(log.since, service.SPACE, name, last=1)
    if not past.entries:
        return None
    entry = past.entries[-1]
    return {"data": entry.body if isinstance(entry.body, str) else codecs.pusher(name, entry), "ttl": None}
