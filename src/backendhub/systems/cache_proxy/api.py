"""`backendhub serve cache-proxy --origin URL`: everything is cached and passed on, but `/_cache` and `/_check`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from backendhub.kit import edge, web
from backendhub.kit.hub import Hub

from . import page, running, service
from .models import Check, Counts, Explanation, Purged, StoredObject
from .proxy import TOPIC
from .purging import MAX_PATTERN, allow

hot = edge.Edge()
router = web.Router(
    "A shared cache in front of one origin, by the rules of RFC 9111. Every path is the origin's, but what begins with "
    "`/_`: here the cache is watched and purged, by whoever is on this machine or has the token.",
    edge=hot,
)
router.documents = "/_cache"
TARGET = r"^/[!-~]*$"
TAG = r"^[!-~]+$"
Tags = list[Annotated[str, Field(min_length=1, max_length=200, pattern=TAG)]]
Targets = list[Annotated[str, Field(min_length=1, max_length=2000, pattern=TARGET)]]


class PurgeIn(BaseModel):
    """What is to go."""

    model_config = ConfigDict(extra="forbid")  # a slip must not look like a purge

    targets: Targets = Field(
        default=[], max_length=100, description="Paths with their queries, in all variants"
    )
    tags: Tags = Field(default=[], max_length=100, description="Members of Surrogate-Key or Cache-Tag")
    pattern: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_PATTERN,
        pattern=TARGET,
        description="A path with `*` and `?`",
    )
    everything: bool = False
    soft: bool = Field(default=False, description="Only mark it stale: it is validated before it is used")
    host: str = Field(
        default="", max_length=255, pattern=r"^[!-~]*$", description="With preserve_host: whose"
    )


@hot.route("*", "/*", max_body=0, stream=True, public=True, cors=False, upgrades=True)
def proxy(request: edge.Request) -> Any:
    """Whatever is asked."""
    return running.proxy(request.hub).handle(request)


@router.on_startup
def watch(hub: Hub) -> Coroutine[Any, Any, None]:
    """Keeps the statistics."""
    return running.watch(hub)


@router.on_startup
def listen(hub: Hub) -> Coroutine[Any, Any, None]:
    """Hears of purges in other processes."""
    return running.listen(hub)


@router.on_request
async def only_from_here(request: web.Request) -> None:
    """Who may steer the cache; where users sign in, the server asks them."""
    if request.hub.settings.get("auth") != "token":
        client = (request.scope.get("client") or ("",))[0]
        allow(client, request.header("authorization"), running.proxy(request.hub).config)


@router.get("/_cache", media_type="text/html; charset=utf-8")
def overview(request: web.Request) -> str:
    """The page: what is asked and held, as it happens."""
    shown: str = web.reply(
        page.render(service.counts(running.proxy(request.hub)), request.prefix), headers=page.FIELDS
    )
    return shown


@router.get("/_cache/stats")
async def stats(request: web.Request) -> Counts:
    """What this process has done and holds."""
    return service.counts(running.proxy(request.hub))


@router.get("/_cache/objects")
async def objects(
    request: web.Request,
    prefix: Annotated[str, Query(max_length=2000, pattern=r"^(/[!-~]*)?$")] = "",
    tag: Annotated[str | None, Query(min_length=1, max_length=200, pattern=TAG)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[StoredObject]:
    """Stored responses, the most used first."""
    return service.find(running.proxy(request.hub), prefix=prefix, tag=tag, limit=limit)


@router.get("/_cache/explain", statuses=(422,))
async def explain(
    request: web.Request,
    target: Annotated[str, Query(min_length=1, max_length=2000, pattern=TARGET)],
    header: Annotated[list[Annotated[str, Field(max_length=500)]], Query(max_length=20)] = [],  # noqa: B006
) -> Explanation:
    """What would become of a GET now, and why; `header=Accept-Language: de` may stand more than once."""
    fields = {}
    for line in header:
        name, _, text = line.partition(":")
        fields[name.strip()] = text.strip()
    return service.explain(running.proxy(request.hub), target=target, fields=fields)


@router.post("/_cache/purge", statuses=(422,))
async def purge(request: web.Request, body: PurgeIn) -> Purged:
    """Removes what any of these name, in every process; `soft` only marks it stale."""
    done = service.purge(running.proxy(request.hub), **body.model_dump())
    if request.hub.workers > 1:
        await request.hub.events.publish(TOPIC, body.model_dump())
    return done


@router.get("/_cache/events", media_type="text/event-stream", in_schema=False)
async def events(request: web.Request) -> web.Stream:
    """The counters, once a second."""
    return web.events(_seconds(request.hub))


async def _seconds(hub: Hub) -> AsyncIterator[Any]:
    mine = running.proxy(hub)
    yield web.Event({"history": [list(row) for row in mine.stats.history]}, event="history")
    while True:
        yield web.Event(service.counts(mine), event="counts")
        await asyncio.sleep(1)


@router.get("/_check")
async def check(request: web.Request) -> Check:
    """Adds everything up and reads files: whether everything is as it must be."""
    return await asyncio.to_thread(service.check, running.proxy(request.hub))
