"""Sources: sites and programs whose events are collected, their goals, and what became of their events."""

from __future__ import annotations

import re
import secrets
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound
from backendhub.kit.ids import uuid7
from backendhub.kit.paging import Page, Sort, decode, order, page
from backendhub.systems.analytics import store
from backendhub.systems.analytics.models import (
    Door,
    Full,
    Goal,
    GoalKind,
    Reject,
    Source,
    Tally,
    UnknownSource,
)

OPEN = 1000
"""How many sources are made by themselves; whoever makes up keys does not fill the store."""
DOMAIN = r"[a-z0-9]([a-z0-9.:/_-]{0,200}[a-z0-9])?"
KEY = r"[A-Za-z0-9_.-]{1,100}"
LAST = 1 << 62
_ID = {"id": Sort("id", lambda row: row.id)}
_OLDEST, _NEWEST = order("id", _ID), order("-id", _ID)


def add(
    db: Db, *, name: str, domain: str | None = None, write_key: str | None = None, timezone: str = "UTC"
) -> Source:
    """Makes a source; without a write key it gets one. Raises Invalid, and Conflict for a key or domain in use."""
    _check_zone(timezone)
    if domain is not None and re.fullmatch(DOMAIN, domain) is None:
        raise Invalid(f"{domain!r} is no domain.", field="domain")
    if write_key is not None and re.fullmatch(KEY, write_key) is None:
        raise Invalid("A write key has letters, digits, _ . and - only.", field="writeKey")
    return db.insert(
        Source,
        "analytics_source",
        id=uuid7(),
        name=name,
        write_key=write_key or secrets.token_urlsafe(24),
        domain=domain,
        timezone=timezone,
        created_at=clock.now(),
    )


def get(db: Db, id: str) -> Source:
    """One source, by its id, domain or write key. Raises UnknownSource."""
    for sql, name in ((store.ONE_SOURCE, "id"), (store.BY_DOMAIN, "key"), (store.BY_WRITE_KEY, "key")):
        if (found := db.one(Source, sql, **{name: id})) is not None:
            return found
    raise UnknownSource(f"There is no source {id[:100]!r}.")


def find(db: Db, *, limit: int = 20, cursor: str | None = None) -> Page[Source]:
    """A page of sources, the oldest first. Raises NotFound for a foreign cursor."""
    after = decode(cursor, _OLDEST)[0] if cursor else ""
    return page(db.all(Source, store.SOURCES, after=after, limit=limit + 1), limit, _OLDEST)


def edit(db: Db, id: str, *, name: str | None = None, timezone: str | None = None) -> Source:
    """Renames a source, or moves it to another time zone, which counts for events that come from now on."""
    source = get(db, id)
    if timezone is not None:
        _check_zone(timezone)
    changed = db.update(
        Source, "analytics_source", source.id, name=name or source.name, timezone=timezone or source.timezone
    )
    assert changed is not None
    return changed


def remove(db: Db, id: str) -> None:
    """Removes a source with everything of it. Raises UnknownSource."""
    db.run(store.DELETE_SOURCE, id=get(db, id).id)


def of_key(db: Db, door: Door, key: str) -> Source | None:
    """The source of a write key or domain."""
    return db.one(Source, store.BY_WRITE_KEY if door is Door.SEGMENT else store.BY_DOMAIN, key=key)


def welcome(db: Db, door: Door, key: str, *, anyone: bool) -> Source | None:
    """The source of a key, made now where anyone may send. None for a key that nobody gave out, or that cannot be one.

    Raises Full.
    """
    found = of_key(db, door, key)
    pattern = KEY if door is Door.SEGMENT else DOMAIN
    if found is not None or not anyone or re.fullmatch(pattern, key) is None:
        return found
    if db.value(store.COUNT_SOURCES) >= OPEN:
        raise Full(f"There are {OPEN} sources; another one has to be made by hand.")
    names = {"write_key": key, "domain": None} if door is Door.SEGMENT else {"write_key": None, "domain": key}
    db.run(store.OPEN_SOURCE, id=uuid7(), name=key, now=clock.now(), **names)
    return of_key(db, door, key)


# -- goals ---------------------------------------------------------------------------------------------------


def add_goal(db: Db, source_id: str, *, kind: GoalKind, match: str, name: str | None = None) -> Goal:
    """Makes a goal: an event's name, or a path in which `*` is a part of a segment and `**` anything.

    Raises UnknownSource, Invalid, and Conflict for a name in use.
    """
    source = get(db, source_id)
    if kind is GoalKind.PAGE and not match.startswith("/"):
        raise Invalid("A page is a path that begins with /.", field="match")
    shown = name or (match if kind is GoalKind.EVENT else f"Visit {match}")
    return db.insert(
        Goal,
        "analytics_goal",
        source_id=source.id,
        kind=kind,
        match=match,
        pattern=pattern(match) if kind is GoalKind.PAGE else None,
        name=shown,
    )


def pattern(path: str) -> str | None:
    """A path with `*` as a regular expression; None for one without."""
    if "*" not in path:
        return None
    parts = re.split(r"(\*+)", path)
    return "^" + "".join(_wild(p) if p.startswith("*") else re.escape(p) for p in parts) + "$"


def _wild(stars: str) -> str:
    return "[^/]*" if stars == "*" else ".*"


def goals(db: Db, source_id: str) -> list[Goal]:
    """The goals of a source. Raises UnknownSource."""
    return db.all(Goal, store.GOALS, source_id=get(db, source_id).id)


def remove_goal(db: Db, source_id: str, id: int) -> None:
    """Removes one. Raises NotFound."""
    if not db.run(store.DELETE_GOAL, id=id, source_id=get(db, source_id).id):
        raise NotFound(f"There is no goal {id}.")


# -- what became of events -----------------------------------------------------------------------------------


def rejects(
    db: Db, source_id: str, door: Door, *, limit: int = 20, cursor: str | None = None
) -> Page[Reject]:
    """A page of the events that were refused, the newest first. Raises UnknownSource, NotFound for a foreign cursor."""
    key = _key(get(db, source_id), door)
    before = decode(cursor, _NEWEST)[0] if cursor else LAST
    rows = db.all(Reject, store.REJECTS, door=door, key=key, before=before, limit=limit + 1)
    return page(rows, limit, _NEWEST)


def tallies(db: Db, source_id: str, *, days: int = 30) -> list[Tally]:
    """What became of the events of each day: received = stored + duplicates + rejected. Raises UnknownSource."""
    source = get(db, source_id)
    since = (clock.now().date() - timedelta(days=days)).isoformat()
    found = []
    for door in Door:
        if key := _key(source, door):
            found += db.all(Tally, store.TALLIES, door=door, key=key, since=since)
    return sorted(found, key=lambda t: (t.day, t.door))


def forget(db: Db, source_id: str, before: date) -> int:
    """Removes the visits that ended before a day of the source, with their events; gives how many events.

    Raises UnknownSource.
    """
    source = get(db, source_id)
    at = datetime(before.year, before.month, before.day, tzinfo=ZoneInfo(source.timezone))
    count = db.run(store.OLD_EVENTS, source_id=source.id, before=at)
    db.run(store.OLD_SESSIONS, source_id=source.id, before=at)
    return count


def day(text: str) -> date:
    """A day of the calendar. Raises Invalid."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{text!r} is no day.", hint="2026-01-31") from None


def _key(source: Source, door: Door) -> str:
    return (source.write_key if door is Door.SEGMENT else source.domain) or ""


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise Invalid(f"There is no time zone {name[:80]!r}.", field="timezone") from None
