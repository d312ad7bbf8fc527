"""`backendhub serve analytics`: collectors for Segment's and Plausible's clients, the stats API, sources, a dashboard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from backendhub.kit import checks, web
from backendhub.kit.checks import Report
from backendhub.kit.db import Db
from backendhub.kit.hub import Hub
from backendhub.kit.output import camel
from backendhub.kit.paging import Page
from backendhub.kit.web.fields import NO_NUL, Cursor, Id, Limit, Text, When

from . import page, plausible, segment, store
from .models import Door, Goal, GoalKind, Person, Reject, Source, Tally
from .service import exporting, live, paths, sources, stats
from .service.paths import Cohort, Funnel

router = web.Router(
    "Web and product analytics. `/v1/…` takes what Segment's libraries send, `/api/event` what Plausible's do; "
    "`/api/v2/query` answers, in Plausible's terms, for both. What is accepted is stored before the answer; what cannot be "
    "used stands among the rejects, with the reason. Any write key and any domain makes a source by itself, unless the "
    "setting `analytics.known_only` says otherwise.",
    cors=True,
)
ingesting = router.family("/v1", dialect=segment.Refusal())
api = router.family("/api", dialect=plausible.Refusal(invalid=400))
Day = Annotated[str, Query(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="A day, `2026-01-31`")]
SourceId = Annotated[str, Path(max_length=300, pattern=NO_NUL, description="Its id, domain or write key")]
Range = Annotated[
    str,
    Query(pattern=f"^({'|'.join(stats.NAMES)})$", description="`day`, `7d`, `30d`, `month`, `12mo`, `all`"),
]
Moment = Annotated[When | None, Query(description="A day, or a time with an offset")]


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid")


class SourceIn(_Body):
    """A site or program to collect from. Without a write key it gets one."""

    name: Text
    domain: str | None = Field(default=None, min_length=1, max_length=200)
    write_key: str | None = Field(default=None, min_length=1, max_length=100)
    timezone: str = Field(default="UTC", max_length=100)


class SourcePatch(_Body):
    """What to change."""

    name: Text = Field(default_factory=str)
    timezone: str = Field(default_factory=str, max_length=100)


class GoalIn(_Body):
    """Something that visitors should do: send an event of a name, or look at a path (`/blog/*`)."""

    kind: GoalKind
    match: Text
    name: Text | None = None


class FunnelIn(_Body):
    """Goals in the order in which they should be reached."""

    steps: list[Text] = Field(min_length=2, max_length=10)
    date_range: str | list[str] = "30d"
    window_seconds: int = Field(default=7 * 86_400, ge=1, le=365 * 86_400)


# -- coming in -----------------------------------------------------------------------------------------------


@ingesting.post(
    "/{call}", consumes=("*/*",), statuses=(400, 401, 403, 404), public=True, max_body=segment.MAX_BATCH
)
def accept_segment(
    db: Db,
    request: web.Request,
    call: Annotated[
        str,
        Path(max_length=20, description="`batch`, `track`, `identify`, `page`, `screen`, `group`, `alias`"),
    ],
) -> segment.Accepted:
    """Take what a Segment library sends (JSON): one event, or a batch. It is stored when this answers."""
    segment.accept(db, request, call)
    return segment.Accepted()


@api.post(
    "/event",
    status=202,
    consumes=("*/*",),
    media_type="text/plain",
    statuses=(400, 403),
    public=True,
    max_body=plausible.MAX_EVENT,
)
def accept_plausible(db: Db, request: web.Request) -> str:
    """Take an event of Plausible's (JSON): `name`, `url`, `domain`, `referrer`, `props`, `revenue`."""
    reply: Any = plausible.accept(db, request)
    return reply  # type: ignore[no-any-return]


# -- asking --------------------------------------------------------------------------------------------------


@api.post("/v2/query", statuses=(400, 404))
def query(db: Db, body: plausible.Query) -> plausible.Results:
    """Ask for metrics by dimensions, filtered (Plausible's stats API v2)."""
    source = sources.get(db, body.site_id)
    return plausible.Results.model_validate(stats.query(db, source, body.model_dump(exclude_unset=True)))


@api.get("/v1/stats/realtime/visitors", statuses=(404,))
def realtime(db: Db, site_id: Annotated[str, Query(max_length=300, pattern=NO_NUL)]) -> int:
    """Visitors of the last five minutes."""
    return live.online(db, sources.get(db, site_id))


@router.get("/sources")
def list_sources(db: Db, limit: Limit = 20, cursor: Cursor = None) -> Page[Source]:
    """List what is collected from."""
    return sources.find(db, limit=limit, cursor=cursor)


@router.post("/sources", status=201, statuses=(409,))
def add_source(db: Db, body: SourceIn) -> Source:
    """Add a site or program."""
    return sources.add(db, **body.model_dump())


@router.get("/sources/{source}", statuses=(404,))
def get_source(db: Db, source: SourceId) -> Source:
    """Read one."""
    return sources.get(db, source)


@router.patch("/sources/{source}", statuses=(404,))
def edit_source(db: Db, source: SourceId, body: SourcePatch) -> Source:
    """Rename it, or move it to another time zone."""
    return sources.edit(db, source, **body.model_dump(exclude_unset=True))


@router.delete("/sources/{source}", statuses=(404,))
def remove_source(db: Db, source: SourceId) -> None:
    """Remove it with all its events."""
    sources.remove(db, source)


@router.delete("/sources/{source}/events", status=200, statuses=(404,))
def forget(db: Db, source: SourceId, before: Day) -> dict[str, int]:
    """Remove the visits that ended before a day."""
    return {"removed": sources.forget(db, source, sources.day(before))}


@router.get("/sources/{source}/goals", statuses=(404,))
def list_goals(db: Db, source: SourceId) -> list[Goal]:
    """List its goals."""
    return sources.goals(db, source)


@router.post("/sources/{source}/goals", status=201, statuses=(404, 409))
def add_goal(db: Db, source: SourceId, body: GoalIn) -> Goal:
    """Add a goal; it counts for events of the past, too."""
    return sources.add_goal(db, source, **body.model_dump())


@router.delete("/sources/{source}/goals/{id}", statuses=(404,))
def remove_goal(db: Db, source: SourceId, id: Id) -> None:
    """Remove a goal."""
    sources.remove_goal(db, source, id)


@router.post("/sources/{source}/funnel", statuses=(400, 404))
def funnel(db: Db, source: SourceId, body: FunnelIn) -> Funnel:
    """How many visitors went from goal to goal, in this order."""
    found = sources.get(db, source)
    return paths.funnel(db, found, steps=body.steps, date_range=body.date_range, window_s=body.window_seconds)


@router.get("/sources/{source}/retention", statuses=(400, 404))
def retention(
    db: Db,
    source: SourceId,
    date_range: Range = "30d",
    unit: Annotated[str, Query(pattern="^(day|week)$")] = "day",
) -> list[Cohort]:
    """Of those who came first in a day or week, how many came again in each one after it."""
    return paths.retention(db, sources.get(db, source), date_range=date_range, unit=unit)


@router.get("/sources/{source}/users/{user_id}", statuses=(404,))
def get_user(
    db: Db, source: SourceId, user_id: Annotated[str, Path(max_length=255, pattern=NO_NUL)]
) -> Person:
    """What `identify` has said of a user."""
    return live.person(db, sources.get(db, source), user_id)


@router.get("/sources/{source}/tallies", statuses=(404,))
def tallies(db: Db, source: SourceId, days: Annotated[int, Query(ge=1, le=3660)] = 30) -> list[Tally]:
    """What became of the events of each day: received = stored + duplicates + rejected."""
    return sources.tallies(db, source, days=days)


@router.get("/sources/{source}/rejects", statuses=(404,))
def rejects(
    db: Db, source: SourceId, door: Door = Door.SEGMENT, limit: Limit = 20, cursor: Cursor = None
) -> Page[Reject]:
    """Events that could not be used, the newest first, each with the reason."""
    return sources.rejects(db, source, door, limit=limit, cursor=cursor)


@router.get("/sources/{source}/export", media_type="application/x-ndjson", statuses=(404,))
async def export(
    request: web.Request, source: SourceId, since: Moment = None, until: Moment = None
) -> web.Stream:
    """Every event, the oldest first, as lines of JSON."""
    found = await request.read(sources.get, source)
    return web.Stream(exporting.ndjson(request.read, found, since, until), "application/x-ndjson")


@router.get("/sources/{source}/export.csv", media_type="text/csv", statuses=(404,))
async def export_csv(
    request: web.Request, source: SourceId, since: Moment = None, until: Moment = None
) -> web.Stream:
    """Every event, the oldest first, as CSV (RFC 4180)."""
    found = await request.read(sources.get, source)
    return web.Stream(exporting.csv(request.read, found, since, until), "text/csv; charset=utf-8")


# -- live ----------------------------------------------------------------------------------------------------


@router.get("/sources/{source}/live", media_type="text/event-stream", statuses=(404,))
async def watch(request: web.Request, source: SourceId) -> web.Stream:
    """Visitors and events as they come: at once, and then whenever something has changed."""
    found = await request.read(sources.get, source)
    return web.events(_updates(request, found))


async def _updates(request: web.Request, source: Source) -> AsyncIterator[dict[str, Any]]:
    async with request.hub.events.subscribe(f"analytics.{source.id}", limit=1, overflow="drop") as messages:
        while True:
            yield await request.read(live.now, source)
            with contextlib.suppress(TimeoutError):  # people leave without an event
                await asyncio.wait_for(anext(messages), live.QUIET_S)
                await asyncio.sleep(live.PAUSE_S)


@router.get("/dashboard.js", media_type="text/javascript; charset=utf-8", in_schema=False, public=True)
def script() -> web.Reply:
    """What keeps the dashboard's live figures moving."""
    reply: web.Reply = web.Reply(page.SCRIPT, 200, {"Cache-Control": "max-age=3600"})
    return reply


@router.on_startup
def digest(hub: Hub) -> Coroutine[Any, Any, None]:
    """Makes events of what has come in, as it comes in."""
    return live.keep_digesting(hub)


@router.get("/", media_type="text/html; charset=utf-8", in_schema=False)
def dashboard(
    db: Db,
    request: web.Request,
    source: Annotated[str | None, Query(max_length=300, pattern=NO_NUL)] = None,
    range: Range = "30d",
) -> web.Reply:
    """The dashboard of a source."""
    html = page.render(db, request.prefix, source, range)
    reply: web.Reply = web.Reply(
        html, 200, {"Content-Security-Policy": page.POLICY, "Cache-Control": "no-cache"}
    )
    return reply


@router.get("/_check")
def check(db: Db) -> Report:
    """Look at every invariant now."""
    return checks.run(db, store.CHECKS)
