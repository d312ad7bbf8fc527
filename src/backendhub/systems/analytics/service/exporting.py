"""Events as files: lines of JSON, or CSV; read in pages, so that any number of them takes no memory."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from csv import writer
from dataclasses import fields
from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.analytics import store
from backendhub.systems.analytics.models import Event, Source

PAGE = 1000
NAMES = [f.name for f in fields(Event) if f.name not in ("source_id", "hour")]
END = "9999"
Read = Callable[..., Awaitable[Any]]


def after(db: Db, source: Source, *, at: str, id: int, until: str) -> list[Event]:
    """The next events behind a place in time; times are as they are stored, or days."""
    return db.all(Event, store.EVENTS, source_id=source.id, at=at, id=id, until=until, limit=PAGE)


async def ndjson(read: Read, source: Source, since: str | None, until: str | None) -> AsyncIterator[bytes]:
    """Events from `since` (inclusive) to `until` (exclusive) as lines of JSON, in parts."""
    async for rows in _pages(read, source, since, until):
        yield "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


async def csv(read: Read, source: Source, since: str | None, until: str | None) -> AsyncIterator[bytes]:
    """The same as CSV with a line of names; properties are JSON."""
    yield _csv([NAMES])
    async for rows in _pages(read, source, since, until):
        yield _csv([list(row.values()) for row in rows])


async def _pages(
    read: Read, source: Source, since: str | None, until: str | None
) -> AsyncIterator[list[dict[str, Any]]]:
    at, id = since or "", -1
    while events := await read(after, source, at=at, id=id, until=until or END):
        yield [_row(event) for event in events]
        at, id = store.stamp(events[-1].at), events[-1].id


def _row(event: Event) -> dict[str, Any]:
    row = {name: getattr(event, name) for name in NAMES}
    return row | {"at": store.stamp(event.at), "received_at": store.stamp(event.received_at)}


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    out = writer(text, lineterminator="\r\n")
    for row in rows:
        out.writerow([json.dumps(v, ensure_ascii=False) if isinstance(v, dict) else v for v in row])
    return text.getvalue().encode()
