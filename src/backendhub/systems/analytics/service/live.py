"""What happens now: digesting as it comes in, visitors who are there, the latest events."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, NotFound
from backendhub.systems.analytics import store
from backendhub.systems.analytics.models import Event, Person, Source

from .digest import BYTES, QUIET, digest
from .ingest import TOPIC

if TYPE_CHECKING:
    from backendhub.kit.hub import Hub

ONLINE = timedelta(minutes=5)
PAUSE_S = 1.0
"""Seconds between two looks at the figures of a live view."""
QUIET_S = 30.0
"""Seconds after which a live view looks again although nothing has come."""
IDLE_S = 2.0
"""Seconds after which the inbox is looked at even if nobody has said anything: another process may have put it in."""
YIELD = 8.0
"""How long digesting rests while events come in, as a multiple of the time that it has taken."""
SHOWN = 10


def online(db: Db, source: Source) -> int:
    """Visitors of the last five minutes."""
    return int(db.value(store.ONLINE, source_id=source.id, since=clock.now() - ONLINE))


def now(db: Db, source: Source) -> dict[str, Any]:
    """The figures of a live view."""
    events = db.all(Event, store.LATEST, source_id=source.id, limit=SHOWN)
    return {
        "visitors": online(db, source),
        "waiting": db.value(store.COUNT_WAITING),
        "events": [
            {"at": clock.iso(e.at), "name": e.name, "path": e.path, "visitor": e.visitor[:12]} for e in events
        ],
    }


def person(db: Db, source: Source, user_id: str) -> Person:
    """What is known of a user. Raises NotFound."""
    found = db.one(Person, store.PERSON, source_id=source.id, user_id=user_id)
    if found is None:
        raise NotFound(f"Nobody has identified {user_id[:80]!r}.")
    return found


def drain(hub: Hub) -> int:
    """Digests everything that waits; gives how many events are new."""
    count = 0
    while (done := hub.store.unit(digest)).parcels:
        count += done.stored
    return count


async def keep_digesting(hub: Hub) -> None:
    """Digests whatever comes in until the server stops. It works in a thread and yields between transactions, so that
    those who send are answered meanwhile."""
    loop = asyncio.get_running_loop()
    wake = asyncio.Event()

    def told(topic: str) -> None:
        if topic == TOPIC:
            loop.call_soon_threadsafe(wake.set)

    hub.store.listeners.append(told)
    try:
        while True:
            wake.clear()
            try:
                await _once(hub, wake)
            except HubError as error:  # a store that is away or full: what waits is safe, and tried again
                logging.getLogger("backendhub.analytics").warning("cannot digest: %s", error.message)
                await asyncio.sleep(IDLE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_S):  # `wait_for` of Python 3.11 may swallow that it is to end
                    await wake.wait()
    finally:
        hub.store.listeners.remove(told)


async def _once(hub: Hub, wake: asyncio.Event) -> None:
    """Digests until nothing waits. While more comes in it takes only a part of the time: whoever sends goes first, and
    what waits is safe."""
    start, most = time.monotonic(), BYTES
    while (done := await asyncio.to_thread(hub.store.unit, digest, most)).parcels:
        for source in done.sources:
            await hub.events.publish(f"analytics.{source}", {"stored": done.stored})
        most = QUIET
        if wake.is_set():
            wake.clear()
            most = BYTES
            await asyncio.sleep(min((time.monotonic() - start) * YIELD, 1.0))
        start = time.monotonic()
