"""What the console says of a process: figures of now, read where they are."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backendhub.kit import jobs, mail
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError
from backendhub.kit.hub import Hub

if TYPE_CHECKING:
    from backendhub.kit.web import Application

SIZE = {
    "sqlite": "SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)",
    "postgres": "SELECT CAST(pg_database_size(current_database()) AS bigint)",
}

LETTERS = 5
"""Mails that are shown; the rest is under `/_mail`."""


async def facts(application: Application) -> dict[str, Any]:
    """The figures that change: requests, what is open, memory, the store, background work."""
    metrics = application.metrics
    hub = application.hub
    stored = await asyncio.to_thread(_stored, hub) if hub.store.blocking else _stored(hub)
    counts = [(status, n) for (_, route, status), n in metrics.requests.items() if route[:2] != "/_"]
    return {
        "uptime": int(time.time() - metrics.started),
        "total": sum(n for _, n in counts),
        "failed": sum(n for status, n in counts if status >= 500),
        "inFlight": max(metrics.in_flight - _open(application, "http_streams_open"), 0),
        "streams": _open(application, "http_streams_open"),
        "sockets": _open(application, "websockets_open"),
        "memory": _resident(),
        "ready": application.ready,
        "systems": _of_systems(application),
        **stored,
    }


def _open(application: Application, gauge: str) -> int:
    return int(sum(application.metrics.gauges.get(gauge, {}).values()))


def _of_systems(application: Application) -> dict[str, dict[str, int]]:
    """Requests and server errors of each system, by the first segment of their routes."""
    found = {m.row.name: {"requests": 0, "failed": 0} for m in application.mounts.values()}
    for (_, route, status), count in application.metrics.requests.items():
        first = "/" + route[1:].partition("/")[0]
        mounted = application.root or application.mounts.get(first)
        if mounted is not None and not route.startswith("/_"):
            found[mounted.row.name]["requests"] += count
            found[mounted.row.name]["failed"] += count if status >= 500 else 0
    return found


def _resident() -> int:
    """Bytes of memory in use, 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _stored(hub: Hub) -> dict[str, Any]:
    """The size of the store and the depths of its queues; what cannot be asked now is left out."""
    found: dict[str, Any] = {}
    try:
        found["storeBytes"] = hub.store.read(size)
        if "jobs" in hub.store.systems:
            found["jobs"] = [depth._asdict() for depth in hub.store.read(jobs.depths)]
        if "mail" in hub.store.systems:
            found["mail"] = [_letter(message) for message in hub.store.read(mail.find, limit=LETTERS)]
    except HubError as error:
        found["storeTrouble"] = error.message
    return found


def size(db: Db) -> int:
    """Bytes of the whole store."""
    return int(db.value(SIZE[db.dialect]))


def _letter(message: mail.Message) -> dict[str, str]:
    at = message.created_at.isoformat(sep=" ", timespec="seconds")[:19]
    return {"at": at, "to": message.shown_to, "subject": message.subject, "state": message.state}
