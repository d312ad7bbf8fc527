"""Sending: events that were handed on go to the bus in their order, and are struck off when it has said it has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from backendhub.kit import jobs
from backendhub.kit.db import Db
from backendhub.kit.outbox import Event

from . import store
from .base import MAX_TOPIC, Bus, Message, partition
from .cloudevents import encode
from .intake import source

BATCH = 500


class Batch(NamedTuple):
    """What is sent together: no wave has two events of a key, so one that fails is not overtaken by the next."""

    waves: list[list[Message]]
    ids: list[int]
    refused: list[tuple[int, str]]


def batch(db: Db, bus: Bus, id: str) -> Batch | None:
    """The oldest events that wait to be sent."""
    events = db.all(Event, store.SELECT_SENDING, limit=BATCH)
    return waves(bus, events, id) if events else None


def waves(bus: Bus, events: Sequence[Event], id: str) -> Batch:
    """Divides events into what may be under way at a time; those that no bus would take are set apart."""
    found = Batch([], [], [])
    turns: dict[str, int] = {}
    for event in events:
        body = encode(event, source(id))
        if len(body) > bus.limit or len(event.topic) > MAX_TOPIC:
            why = f"{bus.kind} takes messages of {bus.limit} bytes and topics of {MAX_TOPIC} characters"
            found.refused.append((event.id, f"The event is too large for the bus: {why}."))
            continue
        key = event.uid if event.key is None else event.key
        turn = turns[key] = turns.get(key, -1) + 1
        if turn == len(found.waves):
            found.waves.append([])
        found.waves[turn].append(Message(event.topic, partition(key), event.uid, body))
        found.ids.append(event.id)
    return found


def sent(db: Db, done: Batch) -> None:
    """Strikes off what the bus has; what it would refuse becomes a dead job."""
    gone = done.ids + [id for id, _ in done.refused]
    db.run(store.SENT.format(among=db.among("ids")), ids=gone)
    jobs.enqueue_many(
        db, [{"name": "bus.send", "payload": {"event": id, "why": why}} for id, why in done.refused]
    )
