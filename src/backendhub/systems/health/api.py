"""`backendhub serve health --check …`: health+json, Kubernetes probes, incidents."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from pydantic import BaseModel, Field

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.hub import Hub
from backendhub.kit.output import dumps
from backendhub.kit.paging import Page
from backendhub.kit.web.fields import NO_NUL, Cursor, Limit, Search

from . import probes, service
from .models import WORST, Check, Incident, Maintenance, Status
from .service import Board

MEDIA_TYPE = "application/health+json"

router = web.Router(
    "Checks that were given with `--check`, run every ten seconds, each with its own time limit. "
    "`/health` is health+json, `/livez`, `/readyz` and `/startupz` are for orchestrators, `/history` keeps every change."
)


class MaintenanceIn(BaseModel):
    """Takes the service out of rotation, or puts it back."""

    on: bool
    reason: str | None = Field(default=None, max_length=500, pattern=NO_NUL)


def board(hub: Hub) -> Board:
    """The board of this process, with the checks of the setting `health.checks`."""
    return hub.memory(
        "health", lambda: Board(service.parse(hub.settings.get("health.checks") or "db disk:/"))
    )


@router.on_startup
def watch(hub: Hub) -> Coroutine[Any, Any, None]:
    """Runs every check over and over, each in a task of its own."""
    return _watch(hub, board(hub))


async def _watch(hub: Hub, board: Board) -> None:
    async with asyncio.TaskGroup() as group:
        for check in board.checks.values():
            group.create_task(_repeat(hub, board, check))


async def _repeat(hub: Hub, board: Board, check: Check) -> None:
    while True:
        result = await probes.run(check, hub)
        if board.put(check.name, result):
            await asyncio.to_thread(hub.store.unit, service.record, check.name, result)
        if hub.metrics is not None:
            gauge = hub.metrics.gauges.setdefault("health_check_status", {})
            gauge[f'check="{check.name}"'] = WORST.index(result.status)
        await asyncio.sleep(probes.INTERVAL)


def _reply(body: dict[str, Any], status: str) -> Any:
    code = 503 if status == Status.FAIL else 200
    return web.Reply(dumps(body, compact=True), code, {"Cache-Control": "no-store"}, media_type=MEDIA_TYPE)


@router.get("/health", media_type=MEDIA_TYPE, statuses=(503,))
def health(request: web.Request) -> web.Reply:
    """The health of everything: 200 for pass and warn, 503 for fail."""
    body = board(request.hub).document()
    reply: web.Reply = _reply(body, body["status"])
    return reply


@router.get("/health/{check}", media_type=MEDIA_TYPE, statuses=(503,))
def health_of(request: web.Request, check: str) -> web.Reply:
    """The health of one check."""
    body = board(request.hub).document(check)
    reply: web.Reply = _reply(body, body["status"])
    return reply


@router.get("/livez", media_type="text/plain", public=True)
def livez() -> str:
    """The process runs."""
    return "ok\n"


@router.get("/startupz", media_type="text/plain", public=True, statuses=(503,))
def startupz(request: web.Request) -> web.Reply:
    """Every check has run once."""
    started = board(request.hub).started
    return web.Reply("ok\n" if started else "starting\n", 200 if started else 503)


@router.get("/readyz", media_type="text/plain", public=True, statuses=(503,))
def readyz(request: web.Request) -> web.Reply:
    """Traffic is welcome: not draining, not in maintenance, nothing fails."""
    state = board(request.hub)
    if not request.hub.ready:
        return web.Reply("draining\n", 503)
    if state.maintenance.on:
        return web.Reply("maintenance\n", 503)
    failing = [n for n, r in state.results.items() if r.status is Status.FAIL]
    return web.Reply(f"failing: {', '.join(failing)}\n", 503) if failing else web.Reply("ok\n")


@router.get("/history", statuses=(404,))
def history(
    db: Db,
    check: Search = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[Incident]:
    """Every change of a check's status, the latest first."""
    return service.history(db, check, limit=limit, cursor=cursor)


@router.get("/maintenance")
def get_maintenance(request: web.Request) -> Maintenance:
    """Whether the service is in maintenance."""
    return board(request.hub).maintenance


@router.put("/maintenance")
def set_maintenance(request: web.Request, body: MaintenanceIn) -> Maintenance:
    """Switch maintenance on or off; `/readyz` follows at once."""
    state = board(request.hub)
    state.maintenance = Maintenance(body.on, body.reason)
    return state.maintenance
