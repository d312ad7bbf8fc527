"""The history of channels in the store: numbered by the transaction that adds, read from any place, cut by policy.

Numbers of a channel are given under the lock of its row. So they become visible in their order: whoever sees a number
can read every one before it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from backendhub.kit import clock, ids
from backendhub.kit.db import Db
from backendhub.kit.db.records import encode

from . import store
from .models import Channel, Entry, Past, Place

PAGE = 100
"""Entries that are read at a time."""
FOREVER = 0


def append(db: Db, space: str, channel: str, entries: Sequence[Entry], *, keep: int = FOREVER) -> Channel:
    """Adds entries to a channel in the caller's transaction and numbers them. Beyond twice `keep` the oldest are cut
    down to `keep`. Deliver them after the commit: `Fanout.committed`."""
    now = encode(clock.precise())
    values = {"space": space, "name": channel, "count": len(entries), "now": now}
    row = db.one(Channel, store.ADVANCE, **values) or db.one(Channel, store.OPEN, **values, epoch=_epoch())
    assert row is not None
    first = row.top - len(entries) + 1
    for number, entry in enumerate(entries, first):
        entry.number, entry.epoch, entry.at = number, row.epoch, now
    db.run_many(store.INSERT_MESSAGE, [_row(row.id, entry) for entry in entries])
    if keep and row.top - row.floor > 2 * keep:
        cut(db, row.id, row.top - keep)
    return row


def _epoch() -> str:
    return ids.uuid7().replace("-", "")[4:16]


def _row(channel: int, entry: Entry) -> dict[str, Any]:
    text = isinstance(entry.body, str)
    body = entry.body if isinstance(entry.body, str) else base64.b64encode(entry.body).decode()
    return {
        "channel": channel,
        "number": entry.number,
        "event": entry.event,
        "body": body,
        "encoding": "text" if text else "base64",
        "at": entry.at,
    }


def cut(db: Db, channel_id: int, upto: int) -> None:
    """Forgets the entries of a channel up to a number."""
    db.run(store.CUT, channel=channel_id, upto=upto)
    db.run(store.RAISE_FLOOR, channel=channel_id, upto=upto)


def channel(db: Db, space: str, name: str) -> Channel | None:
    """What is known of a channel; None for one to which nothing was ever added."""
    return db.one(Channel, store.SELECT_CHANNEL, space=space, name=name)


def channels(
    db: Db, space: str, *, after: str = "", limit: int = 100, hide: tuple[str, str] = ("", "")
) -> list[Channel]:
    """Channels by name, without those whose names match a LIKE pattern of `hide`."""
    patterns = {"hidden": hide[0], "hidden_too": hide[1]}
    return db.all(Channel, store.LIST_CHANNELS, space=space, after=after, limit=limit, **patterns)


def since(
    db: Db, space: str, name: str, place: Place | int = 0, *, limit: int = PAGE, last: int | None = None
) -> Past:
    """Entries after a place. `last`: only the last ones of the channel, however many there are before."""
    found = channel(db, space, name)
    if found is None:
        return Past(None, [], 0, isinstance(place, Place) and place.number > 0)
    again = isinstance(place, Place) and place.epoch != found.epoch
    number = place if isinstance(place, int) else 0 if again else place.number
    again = again or number > found.top
    if last is not None:
        number = max(number, found.top - last)
        missing = 0
    else:
        number = 0 if number > found.top else number
        missing = max(0, found.floor - number)
    return Past(found, read(db, found, number, limit), missing, again)


def read(db: Db, channel: Channel, after: int, limit: int = PAGE) -> list[Entry]:
    """Entries of a channel after a number."""
    if limit < 1 or after >= channel.top:
        return []
    rows = db.fetch(store.SELECT_SINCE, {"channel": channel.id, "after": after, "limit": limit})
    return [_entry(channel.epoch, row) for row in rows]


def _entry(epoch: str, row: Sequence[Any]) -> Entry:
    number, event, body, encoding, at = row
    content = body if encoding == "text" else base64.b64decode(body)
    return Entry(event, content, number=number, epoch=epoch, at=at)


def expire(db: Db, space: str, before: datetime) -> int:
    """Forgets entries that are older, and channels that have none left and were not used since. Gives how many
    channels were touched."""
    rows = db.fetch(store.OLD, {"space": space, "before": encode(before)})
    for channel_id, number in rows:
        cut(db, channel_id, number)
    return len(rows) + db.run(store.FORGET, space=space, before=before)


def by_channel(pairs: Iterable[tuple[str, Entry]]) -> dict[str, list[Entry]]:
    """Entries by channel, the channels in order: two transactions that lock several never wait for each other."""
    found: dict[str, list[Entry]] = {}
    for name, entry in pairs:
        found.setdefault(name, []).append(entry)
    return dict(sorted(found.items()))
