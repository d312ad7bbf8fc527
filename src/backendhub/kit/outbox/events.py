"""Publishing: an event is a row of the same commit as the change that it tells of, so neither is without the other."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from backendhub.kit import clock, ids, telemetry
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound

from . import store
from .models import Event

PART = "outbox"
TOPIC = r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+"
PATTERN = rf"\*|[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*\.\*|{TOPIC}"
LAST = 1 << 62
KEEP = timedelta(days=30)
"""How long events, the log of deliveries and the inbox are kept."""


def publish(db: Db, topic: str, data: Any, /, *, key: str | None = None, uid: str | None = None) -> str:
    """Writes an event in the caller's transaction and gives its id.

    `topic` is `<system>.<past tense>`, `data` JSON, `key` what it happened to. After the commit everybody who wants the
    topic gets it at least once: handlers declared with `on=` and webhooks. Those of one key come in the order in
    which they were written. `uid` is the event's id where it has one already. Raises Invalid, Conflict.
    """
    if re.fullmatch(TOPIC, topic) is None:
        raise Invalid(f"{topic!r} is no topic.", hint="<system>.<past tense>, for instance order.paid")
    uid = uid or ids.uuid7()
    db.run(
        store.INSERT_EVENT,
        uid=uid,
        topic=topic,
        key=key,
        data=_json(data),
        at=clock.wall(),
        traceparent=telemetry.traceparent.get(),
    )
    db.signal(PART)
    return uid


def _json(data: Any) -> str:
    import json

    try:
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Invalid(f"The data of an event must be JSON: {error}.") from None


def matches(patterns: list[str] | tuple[str, ...], topic: str) -> bool:
    """Whether any of the patterns (`order.paid`, `order.*`, `*`) names a topic."""
    return any(p == "*" or p == topic or (p.endswith(".*") and topic.startswith(p[:-1])) for p in patterns)


def get(db: Db, id: int | str) -> Event:
    """An event by its number or its uid. Raises NotFound."""
    if isinstance(id, int):
        event = db.one(Event, store.SELECT_EVENT, id=id)
    else:
        event = db.one(Event, store.SELECT_EVENT_UID, uid=id)
    if event is None:
        raise NotFound(f"There is no event {id}.", hint="backendhub webhook events")
    return event


def find(db: Db, *, topic: str | None = None, before: int = LAST, limit: int = 50) -> list[Event]:
    """Events, the newest first."""
    if topic is not None:
        return db.all(Event, store.LIST_EVENTS_TOPIC, topic=topic, before=before, limit=limit)
    return db.all(Event, store.LIST_EVENTS, before=before, limit=limit)


def once(db: Db, consumer: str, message: str) -> bool:
    """Whether a consumer sees a message for the first time; in the transaction of what it does about it.

    For messages that come from elsewhere and may come twice, such as webhooks that we receive.
    """
    return db.run(store.RECEIVE, consumer=consumer, message=message, at=clock.wall()) == 1
