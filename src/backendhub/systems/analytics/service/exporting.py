"""Events as files: lines of JSON, or CSV; read in pages, so that any number of them takes no memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.analytics import store
from backendhub.systems.analytics.models import Event, Source

PAGE = 1000
NAMES = [f.name for f in fields(Event) if f.name not in ("source_id", "hour")]
BEGIN, END = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


def after(db: Db, source: Source, *, at: datetime, id: int, until: datetime) -> list[Event]:
    """The next events behind a place in time."""
    return db.all(Event, store.EVENTS, source_id=source.id, at=at, id=id, until=until, limit=PAGE)


async def lines(
    read: Callable[..., Awaitable[Any]],
    source: Source,
    since: datetime | None,
    until: datetime | None,
    form: str,
) -> AsyncIterator[bytes]:
    """A file of events, in parts. Times without an offset are UTC."""
    at, id = _utc(since, BEGIN), -1
    end = _utc(until, END)
    if form == "csv":
        yield _csv([NAMES])
    while events := await read(after, source, at=at, id=id, until=end):
        rows = [_row(event) for event in events]
        yield _csv([[row[n] for n in NAMES] for row in rows]) if form == "csv" else _ndjson(rows)
        at, id = events[-1].at, events[-1].id


def _utc(moment: datetime | None, default: datetime) -> datetime:
    if moment is None:
        return default
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _row(event: Event) -> dict[str, Any]:
    row = {name: getattr(event, name) for name in NAMES}
    return row | {"at": store.stamp(event.at), "received_at": store.stamp(event.received_at)}


def _ndjson(rows: Sequence[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    for row in rows:
        writer.writerow([json.dumps(v, ensure_ascii=False) if isinstance(v, dict) else v for v in row])
    return text.getvalue().encode()
