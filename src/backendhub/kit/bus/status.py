"""What a store knows of itself on the bus, and leaving."""

from __future__ import annotations

from typing import NamedTuple

from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict

from . import store
from .intake import source


class Status(NamedTuple):
    """Who a store is on the bus, what waits to be sent, how many processes read, and how far."""

    source: str | None
    to_send: int
    readers: int
    positions: list[tuple[str, str]]


def of(db: Db) -> Status:
    """The state of a store on the bus."""
    id = db.value(store.SELF)
    places = [(row[0], row[3]) for row in db.fetch(store.LEASES, {"names": "%/_"})]
    waits, readers = int(db.value(store.COUNT_SENDING)), int(db.value(store.READERS))
    return Status(None if id is None else source(str(id)), waits, readers, places)


def leave(db: Db, *, anyway: bool = False) -> int:
    """Forgets the bus; gives how many events will not be sent. Raises Conflict where some wait, unless `anyway`."""
    waits = int(db.value(store.COUNT_SENDING))
    if waits and not anyway:
        raise Conflict(f"{waits} events wait to be sent.", hint="start a process with --bus, or say --yes")
    for sql in (store.LEAVE, store.FORGET_SENDING, store.FORGET_LEASES, store.FORGET_READERS):
        db.run(sql)
    return waits
