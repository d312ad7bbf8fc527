"""Visits: events of one visitor with no more than half an hour between them, in whatever order they come in."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.analytics import store
from backendhub.systems.analytics.models import Seen, Source, Visit

from . import reading

PAUSE = timedelta(minutes=30)
"""After this long without an event, the next one begins another visit."""


@dataclass
class Open:
    """A visit that events are being added to."""

    id: int
    visitor: str
    started_at: datetime
    ended_at: datetime
    pageviews: int
    events: int
    entry_page: str | None
    exit_page: str | None
    visit: Visit | None
    new: bool
    touched: bool = False

    moved: bool = False
    """Whether it begins with another event now: then it came from somewhere else, too."""

    def __post_init__(self) -> None:
        self.earliest, self.latest = self.started_at - PAUSE, self.ended_at + PAUSE

    def takes(self, at: datetime) -> bool:
        """Whether an event of that time belongs to it."""
        return self.earliest <= at <= self.latest

    def add(self, seen: Seen) -> None:
        """Counts an event in; an early one that comes late moves the beginning."""
        page = seen.name == "pageview"
        if page and (self.entry_page is None or seen.at < self.started_at):
            self.entry_page = seen.path
        if page and (self.exit_page is None or seen.at >= self.ended_at):
            self.exit_page = seen.path
        if seen.at < self.started_at and seen.interactive:
            self.visit, self.moved = reading.visit(seen.arrival), True
        if not self.started_at <= seen.at <= self.ended_at:
            self.started_at, self.ended_at = min(self.started_at, seen.at), max(self.ended_at, seen.at)
            self.earliest, self.latest = self.started_at - PAUSE, self.ended_at + PAUSE
        self.pageviews += page
        self.events += seen.interactive
        self.touched = True


def assign(db: Db, source: Source, events: Sequence[tuple[str, Seen]]) -> list[int]:
    """The visit of each event, given in order of time with whose it is; the visits are stored with what they gained."""
    if not events:
        return []
    found = _near(db, source, events)
    following = (db.value(store.LAST_SESSION) or 0) + 1
    given = []
    for visitor, seen in events:
        visit = next((v for v in reversed(found[visitor]) if v.takes(seen.at)), None)
        if visit is None:
            visit = Open(
                following, visitor, seen.at, seen.at, 0, 0, None, None, reading.visit(seen.arrival), new=True
            )
            following += 1
            found[visitor].append(visit)
            found[visitor].sort(key=lambda v: v.started_at)
        visit.add(seen)
        given.append(visit.id)
    touched = [visit for visits in found.values() for visit in visits if visit.touched]
    db.run_many(store.INSERT_SESSION, [_row(source, v) for v in touched if v.new])
    db.run_many(store.SET_SESSION, [_gained(v) for v in touched if not v.new])
    moved = [
        {"id": v.id, **v.visit._asdict()} for v in touched if v.moved and not v.new and v.visit is not None
    ]
    if moved:
        db.run_many(store.SET_ORIGIN, moved)
    return given


def _near(db: Db, source: Source, events: Sequence[tuple[str, Seen]]) -> defaultdict[str, list[Open]]:
    """The visits of these visitors around these times."""
    rows = db.fetch(
        store.SESSIONS_NEAR[db.dialect],
        {
            "source_id": source.id,
            "visitors": json.dumps(sorted({visitor for visitor, _ in events})),
            "since": events[0][1].at - PAUSE,
            "until": events[-1][1].at + PAUSE,
        },
    )
    found: defaultdict[str, list[Open]] = defaultdict(list)
    for id, visitor, since, until, views, count, entry, exit in rows:
        start, end = datetime.fromisoformat(since), datetime.fromisoformat(until)
        found[visitor].append(Open(id, visitor, start, end, views, count, entry, exit, None, new=False))
    return found


def _row(source: Source, visit: Open) -> dict[str, Any]:
    return {
        "source_id": source.id,
        "visitor": visit.visitor,
        **_gained(visit),
        **(visit.visit or Visit())._asdict(),
    }


def _gained(visit: Open) -> dict[str, Any]:
    start, end = visit.started_at, visit.ended_at
    return {
        "id": visit.id,
        "started_at": start,
        "ended_at": end,
        "duration_s": int((end - start).total_seconds()),
        "pageviews": visit.pageviews,
        "events": visit.events,
        "entry_page": visit.entry_page,
        "exit_page": visit.exit_page,
    }
