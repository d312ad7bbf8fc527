"""The relay: makes a job of each new event for each handler and each endpoint that wants it.

It runs inside the worker (`kit.jobs.worker.Source`) whenever an event was committed. Event and jobs are rows of the
same store, so handing an event on is one transaction: it cannot be lost, and not be handed on twice either.
"""

from __future__ import annotations

import json
from typing import Any

from backendhub.kit import clock, jobs
from backendhub.kit.db import Db

from . import store
from .events import KEEP, PART, matches
from .models import Endpoint, Event

BATCH = 500
SENDING = "outbox.sending"
"""What a transaction signals that has put down events for the bus (`kit.bus`)."""


class Relay:
    """Hands events on. One at a time in a store, so that events of one key stay in order."""

    part = PART

    def waiting(self, db: Db) -> bool:
        """Whether there are events that have not been handed on."""
        return bool(db.value(store.WAITING))

    def pump(self, db: Db) -> None:
        """Hands on the oldest that wait."""
        if db.dialect == "postgres":
            db.fetch(store.LOCK_POSTGRES, {})
        events = db.all(Event, store.SELECT_WAITING, limit=BATCH)
        if not events:
            return
        handlers = listeners(db)
        endpoints = db.all(Endpoint, store.ENABLED)
        rows = [row for event in events for row in (*_told(event, handlers), *_posted(event, endpoints))]
        jobs.enqueue_many(db, rows)
        ids = [event.id for event in events]
        db.run(store.RELAYED.format(among=db.among("ids")), now=clock.wall(), ids=ids)
        if db.run(store.TO_SEND.format(among=db.among("ids")), ids=ids):
            db.signal(SENDING)

    def tidy(self, db: Db) -> None:
        """Forgets events, deliveries and received messages that are older than thirty days."""
        before = clock.wall() - KEEP
        for sql in (store.PURGE_DELIVERIES, store.PURGE_EVENTS, store.PURGE_INBOX):
            db.run(sql, before=before)


def _told(event: Event, listeners: list[tuple[str, list[str]]]) -> list[dict[str, Any]]:
    """The jobs of the handlers that want an event."""
    wanted = [name for name, topics in listeners if matches(topics, event.topic)]
    about = {"id": event.uid, "topic": event.topic, "key": event.key, "at": clock.iso(event.at)}
    told = {**about, "data": event.value} if wanted else {}
    return [call(name, told, event.traceparent) for name in wanted]


def call(name: str, event: dict[str, Any], traceparent: str | None) -> dict[str, Any]:
    """The job of a handler that is told of an event, in its turn among those of the event's key."""
    return {
        "name": name,
        "payload": {"event": event},
        "serial": f"{name}:{event['key']}" if event["key"] is not None else None,
        "traceparent": traceparent,
    }


def listeners(db: Db) -> list[tuple[str, list[str]]]:
    """The handlers that are told of events, with their topics."""
    return [(name, json.loads(topics)) for name, topics in db.fetch(store.LISTENERS, {})]


def _posted(event: Event, endpoints: list[Endpoint]) -> list[dict[str, Any]]:
    """The jobs that send an event to the endpoints that want it."""
    return [delivery(endpoint, event) for endpoint in endpoints if matches(endpoint.topics, event.topic)]


def delivery(endpoint: Endpoint, event: Event, *, ordered: bool = True) -> dict[str, Any]:
    """The job that sends an event to an endpoint. It has one of sixteen queues, so slow ones do not hold up the rest."""
    return {
        "name": "outbox.deliver",
        "queue": f"webhook.{endpoint.id[-1]}",
        "payload": {"endpoint": endpoint.id, "event": event.id},
        "unique": f"{endpoint.id}:{event.id}",
        "serial": f"{endpoint.id}:{event.key}" if ordered and event.key is not None else None,
        "traceparent": event.traceparent,
    }
