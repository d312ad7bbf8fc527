"""Parcels become events: read, told apart from those known, given to visits, stored, counted. All of it in the
transaction that takes the parcel away, so that each event is counted once whoever is killed when."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from pydantic_core import from_json, to_json

from backendhub.kit.db import Db
from backendhub.systems.analytics import store
from backendhub.systems.analytics.models import Door, Parcel, Seen, Source, Unusable

from . import reading, sources, visits

PARCELS, BYTES = 2000, 64 * 1024
"""How many requests, and how much of them, one transaction digests: long ones would keep others from writing."""
QUIET = 512 * 1024
"""How much it digests while nobody writes: pages that many events touch are written once for all of them."""
SHOWN = 2000
"""Characters of a refused event that are kept."""
DAY, MINUTE = len("2026-01-05"), len("2026-01-05T09:00")
"""The beginnings of a time as it is stored."""
TALLIES = ("received", "stored", "duplicates", "rejected")


@dataclass(slots=True)
class Digested:
    """What became of some parcels: how many there were, how many events, and the sources that have new ones."""

    parcels: int = 0
    stored: int = 0
    sources: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Group:
    """The events of one key."""

    door: Door
    key: str
    seen: list[tuple[Seen, str]] = field(default_factory=list)
    """Events, each with when it came in, as it is stored."""
    tallies: Counter[tuple[str, str]] = field(default_factory=Counter)


def digest(db: Db, most: int = BYTES) -> Digested:
    """Digests the oldest parcels, `most` bytes of them. Where another process is at it (PostgreSQL), this does nothing."""
    if not db.value(store.LOCK[db.dialect]):
        return Digested()
    parcels = _oldest(db, most)
    if not parcels:
        return Digested()
    groups: dict[tuple[Door, str], _Group] = {}
    rejects: list[dict[str, Any]] = []
    for parcel in parcels:
        group = groups.setdefault((parcel.door, parcel.key), _Group(parcel.door, parcel.key))
        rejects += _read(parcel, group)
    done = Digested(len(parcels))
    for group in groups.values():
        source = sources.of_key(db, group.door, group.key)
        if source is None:
            rejects += _orphans(group)
        elif group.seen:
            done.stored += _store(db, source, group)
            done.sources.add(source.id)
        _count(db, group)
    db.run_many(store.INSERT_REJECT, rejects)
    db.run(store.TAKEN.format(nos=db.among("nos")), nos=[parcel.no for parcel in parcels])
    return done


def _oldest(db: Db, most: int) -> list[Parcel]:
    nos: list[int] = []
    size = 0
    for no, length in db.fetch(store.WAITING, {"limit": PARCELS}):
        size += length
        if nos and size > most:
            break
        nos.append(no)
    return db.all(Parcel, store.PARCELS.format(nos=db.among("nos")), nos=nos) if nos else []


def _orphans(group: _Group) -> list[dict[str, Any]]:
    """Events whose source is gone since they came in."""
    rejects = []
    for seen, received in group.seen:
        group.tallies[received[:DAY], "rejected"] += 1
        about = {"door": group.door, "key": group.key, "received_at": received, "code": "unknown_source"}
        rejects.append(about | {"detail": "The source was removed.", "payload": seen.message_id})
    return rejects


def _read(parcel: Parcel, group: _Group) -> list[dict[str, Any]]:
    """The events of a parcel go to its group; those that cannot be used are given back, with the reason."""
    body = from_json(parcel.body)
    if b"\\u0000" in parcel.body:
        body = _clean(body)
    rejects = []
    large = len(parcel.body) > reading.MAX_EVENT
    if parcel.door is Door.SEGMENT:
        read, events = reading.segment, reading.segment_events(parcel.kind, body)
    else:
        read, events = reading.plausible, iter([body])
    received_at, received, number = parcel.received_at, store.stamp(parcel.received_at), 0
    for number, event in enumerate(events, 1):
        try:
            seen = read(event, received_at, f"{parcel.no}:{number - 1}")
            if large:
                _size(event)
        except Unusable as error:
            rejects.append(_reject(parcel, event, error))
        else:
            group.seen.append((seen, received))
    day = received[:DAY]
    group.tallies[day, "received"] += number
    group.tallies[day, "rejected"] += len(rejects)
    return rejects


def _size(event: dict[str, Any]) -> None:
    size = len(to_json(event))
    if size > reading.MAX_EVENT:
        raise Unusable("too_large", f"An event has at most {reading.MAX_EVENT} bytes; this one has {size}.")


def _clean(value: Any) -> Any:
    """Without NUL characters, which PostgreSQL cannot hold."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {_clean(k): _clean(v) for k, v in value.items()}
    return [_clean(v) for v in value] if isinstance(value, list) else value


def _reject(parcel: Parcel, event: Any, error: Unusable) -> dict[str, Any]:
    return {
        "door": parcel.door,
        "key": parcel.key,
        "received_at": parcel.received_at,
        "code": error.code,
        "detail": error.detail,
        "payload": json.dumps(event, ensure_ascii=False)[:SHOWN],
    }


def _store(db: Db, source: Source, group: _Group) -> int:
    """Stores what is new of a source's events, and gives how many."""
    fresh = _new(db, source, group)
    if not fresh:
        return 0
    owners = _identify(db, source, [seen for seen, _ in fresh])
    fresh.sort(key=lambda pair: pair[0].at)
    whose = [s.visitor if s.known else owners.get(s.visitor, s.visitor) for s, _ in fresh]
    sessions = visits.assign(db, source, [(who, seen) for who, (seen, _) in zip(whose, fresh, strict=True)])
    zone = ZoneInfo(source.timezone)
    first = (db.value(store.LAST_EVENT) or 0) + 1
    rows = zip(range(first, first + len(fresh)), fresh, whose, sessions, strict=True)
    db.run_many(
        store.INSERT_EVENT,
        [_row(id, source, seen, received, who, session, zone) for id, (seen, received), who, session in rows],
    )
    _people(db, source, [seen for seen, _ in fresh])
    return len(fresh)


def _new(db: Db, source: Source, group: _Group) -> list[tuple[Seen, str]]:
    """The events whose message id nobody has sent before."""
    ids = json.dumps([seen.message_id for seen, _ in group.seen])
    known = {row[0] for row in db.fetch(store.KNOWN[db.dialect], {"source_id": source.id, "ids": ids})}
    fresh = []
    for pair in group.seen:
        if (id := pair[0].message_id) not in known:
            known.add(id)
            fresh.append(pair)
        else:
            group.tallies[pair[1][:DAY], "duplicates"] += 1
    for day, count in Counter(received[:DAY] for _, received in fresh).items():
        group.tallies[day, "stored"] += count
    return fresh


def _identify(db: Db, source: Source, events: Iterable[Seen]) -> dict[str, str]:
    """Who the anonymous visitors among these are, after these have said so; what was theirs becomes their user's."""
    said = {e.anonymous_id: e.user_id for e in events if e.anonymous_id and e.user_id}
    asked = {e.visitor for e in events if not e.known} | set(said)
    if not asked:
        return {}
    rows = db.fetch(store.ALIASES[db.dialect], {"source_id": source.id, "ids": json.dumps(sorted(asked))})
    owners: dict[str, str] = {row[0]: row[1] for row in rows}
    new = {anonymous: user for anonymous, user in said.items() if anonymous not in owners}
    pairs = [{"source_id": source.id, "anonymous_id": a, "user_id": u} for a, u in new.items()]
    db.run_many(store.INSERT_ALIAS, pairs)
    db.run_many(store.ADOPT_EVENTS, pairs)
    db.run_many(store.ADOPT_SESSIONS, pairs)
    return owners | new


def _row(
    id: int, source: Source, seen: Seen, received: str, visitor: str, session: int, zone: ZoneInfo
) -> dict[str, Any]:
    at = store.stamp(seen.at)
    return {
        "id": id,
        "source_id": source.id,
        "message_id": seen.message_id,
        "type": seen.type,
        "name": seen.name,
        "visitor": visitor,
        "user_id": seen.user_id,
        "session_id": session,
        "at": at,
        "hour": _hour(zone, at[:MINUTE]),
        "received_at": received,
        "hostname": seen.hostname,
        "path": seen.path,
        "revenue": seen.revenue,
        "currency": seen.currency,
        "properties": to_json(seen.properties).decode() if seen.properties else "{}",
    }


@lru_cache(maxsize=4096)
def _hour(zone: ZoneInfo, minute: str) -> str:
    """The hour that it was by a clock in a minute of UTC."""
    return datetime.fromisoformat(minute + "Z").astimezone(zone).strftime("%Y-%m-%dT%H")


def _people(db: Db, source: Source, events: Iterable[Seen]) -> None:
    """What `identify` has said, later words over earlier ones."""
    merged: dict[str, tuple[dict[str, Any], datetime]] = {}
    for event in events:
        if event.traits is not None and event.user_id is not None:
            before = merged.get(event.user_id, ({}, event.at))
            merged[event.user_id] = (before[0] | event.traits, event.at)
    if not merged:
        return
    rows = db.fetch(store.TRAITS[db.dialect], {"source_id": source.id, "ids": json.dumps(sorted(merged))})
    known = {row[0]: json.loads(row[1]) for row in rows}
    db.run_many(
        store.PUT_PERSON,
        [
            {"source_id": source.id, "user_id": user, "traits": known.get(user, {}) | traits, "at": at}
            for user, (traits, at) in merged.items()
        ],
    )


def _count(db: Db, group: _Group) -> None:
    days = sorted({day for day, _ in group.tallies})
    db.run_many(
        store.COUNT,
        [
            {
                "door": group.door,
                "key": group.key,
                "day": day,
                **{name: group.tallies[day, name] for name in TALLIES},
            }
            for day in days
        ],
    )
