"""Events: what has happened, written in the commit of the change, kept as objects of the wire and sent to webhooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from backendhub.kit import outbox
from backendhub.kit.db import Db

from . import objects, resources
from .models import LATEST, Json, call

EVENT = resources.declare(resources.Resource("event", "evt", "/v1/events", index=("type",), metadata=False))

Listener = Callable[[Db, Json], None]
_listeners: dict[str, list[Listener]] = {}


def listen(type: str, fn: Listener) -> None:
    """Has `fn(db, object)` done in the commit of every event of a type, after it is written."""
    _listeners.setdefault(type, []).append(fn)


def emit(db: Db, type: str, data: Mapping[str, Any], *, previous: Mapping[str, Any] | None = None) -> Json:
    """Tells of something: `customer.created` with the object as it is now, and what an update has changed of it."""
    about: Json = {"object": dict(data)}
    if previous is not None:
        about["previous_attributes"] = dict(previous)
    event = objects.make(
        db,
        "event",
        {
            "api_version": LATEST,
            "data": about,
            "pending_webhooks": 0,
            "request": {"id": call().request_id, "idempotency_key": call().key},
            "type": type,
        },
    )
    outbox.publish(db, f"payment.{type}", event, key=str(data.get("id", type)), uid=event["id"])
    for fn in _listeners.get(type, ()):
        fn(db, dict(data))
    return event


def updated(db: Db, type: str, old: Json, new: Json) -> None:
    """Tells of an update, where anything is different."""
    if before := objects.previous(old, new):
        emit(db, type, new, previous=before)
