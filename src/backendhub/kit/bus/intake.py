"""Taking in what was read: a job for each handler that wants an event, once for each event, in one transaction."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from backendhub.kit import clock, jobs
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, Malformed, StoreError
from backendhub.kit.outbox import matches
from backendhub.kit.outbox import store as outbox
from backendhub.kit.outbox.relay import call, listeners

from . import leases, store
from .base import Received
from .cloudevents import Told, decode


class Taken(Exception):
    """Another process reads the partition now; nothing of the transaction stays."""


def source(id: str) -> str:
    """The `source` of the events of a store."""
    return f"/backendhub/{id}"


def take(db: Db, lease: tuple[str, str, int], id: str, received: Sequence[Received]) -> int:
    """Takes messages in and moves the position; gives how many events were new. Raises Taken.

    What cannot be read becomes a dead job, so that it is seen and holds nothing up.
    """
    if not leases.move(db, *lease, received[-1].position):
        raise Taken
    told, bad = [], []
    for message in received:
        try:
            told.append(decode(message.body))
        except Malformed as error:
            bad.append(park(message.body, error.message))
    jobs.enqueue_many(db, bad)
    # Those of this store were handed on when they were sent.
    return hand_on(db, [event for event in told if event.source != source(id)])


def take_each(db: Db, lease: tuple[str, str, int], id: str, received: Sequence[Received]) -> int:
    """`take`, one by one: what fails on its own becomes a dead job. Raises Taken, StoreError."""
    taken = 0
    for message in received:
        try:
            with db.savepoint():
                taken += take(db, lease, id, [message])
        except (StoreError, Taken):
            raise
        except (HubError, ValueError) as error:
            leases.move(db, *lease, message.position)
            jobs.enqueue_many(db, [park(message.body, str(error))])
    return taken


def hand_on(db: Db, events: Sequence[Told]) -> int:
    """Makes the jobs of events that this store has not seen; gives how many of them there were."""
    handlers = listeners(db)
    wanted = [(event, [n for n, topics in handlers if matches(topics, event.topic)]) for event in events]
    wanted = [(event, names) for event, names in wanted if names]
    if not wanted:
        return 0
    messages = [message(event) for event, _ in wanted]
    known = {
        (row[0], row[1])
        for row in db.fetch(store.KNOWN.format(among=db.among("ids", "text")), {"ids": messages})
    }
    rows: list[dict[str, Any]] = []
    seen: list[dict[str, Any]] = []
    now = clock.wall()
    for event, names in wanted:
        for name in names:
            mark = (name, message(event))
            if mark in known:
                continue
            known.add(mark)
            seen.append({"consumer": name, "message": mark[1], "at": now})
            about = {
                "id": event.id,
                "topic": event.topic,
                "key": event.key,
                "at": event.at,
                "data": event.data,
            }
            rows.append(call(name, about, event.traceparent))
    if seen:
        db.run_many(outbox.RECEIVE, seen)
        jobs.enqueue_many(db, rows)
    return len({row["message"] for row in seen})


def message(event: Told) -> str:
    """What names an event for ever: source and id together, as CloudEvents has it."""
    return f"{event.source}#{event.id}"


def park(body: bytes, why: str) -> dict[str, Any]:
    """The job that a message becomes which cannot be taken in: it dies, and `backendhub jobs retry` tries again."""
    payload: dict[str, Any]
    try:
        payload = {"body": body.decode(), "why": why}
    except UnicodeDecodeError:
        payload = {"body": b64encode(body).decode(), "why": why, "base64": True}
    return {"name": "bus.receive", "payload": payload}
