"""Who reads what: the processes of a store share its partitions by leases in the store, each about as many.

A lease is checked by the very transaction that takes messages in, so a process that was paused and has lost it changes
nothing any more: the messages of a key are taken in in their order whatever is killed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from backendhub.kit import clock, ids
from backendhub.kit.db import Db

from . import store
from .base import PARTITIONS

LEASE_S = 10.0
SENDER = "send"


class Share(NamedTuple):
    """What a process has: partitions with the positions to read on from, those to give up, and whether it sends."""

    reads: dict[int, str]
    surplus: list[int]
    sends: bool


def identity(db: Db) -> str:
    """Who this store is on a bus; from the first time on, what it hands on is sent there, too."""
    if (known := db.value(store.SELF)) is not None:
        return str(known)
    if db.dialect == "postgres":
        db.fetch(store.LOCK_POSTGRES, {})
        if (known := db.value(store.SELF)) is not None:
            return str(known)
    made = ids.uuid7()
    db.run(store.JOIN, id=made, now=clock.wall())
    return made


def prepare(db: Db, kind: str, positions: list[str]) -> None:
    """Notes where reading begins, unless it has begun."""
    now = clock.wall()
    rows = [{"name": f"{kind}/{n}", "now": now, "position": p} for n, p in enumerate(positions)]
    db.run_many(store.ADD_LEASE, [*rows, {"name": f"{kind}/{SENDER}", "now": now, "position": ""}])


def beat(db: Db, kind: str, me: str, lease: float = LEASE_S) -> Share:
    """Says that a process is alive, keeps its leases, and takes free ones up to its share."""
    now = clock.wall()
    until = now + timedelta(seconds=lease)
    db.run(store.ALIVE, id=me, until=until)
    db.run(store.BURY, now=now)
    db.run(store.RENEW, owner=me, until=until)
    readers = max(int(db.value(store.READERS)), 1)
    share = -(-PARTITIONS // readers)
    mine, free, sends = _told(db, kind, me, clock.iso(now))
    for name in free:
        wanted = not sends if name == SENDER else len(mine) < share
        if wanted and db.run(store.TAKE, name=f"{kind}/{name}", owner=me, now=now, until=until):
            if name == SENDER:
                sends = True
            else:
                mine[int(name)] = str(db.value(store.LEASE, name=f"{kind}/{name}", owner=me))
    return Share(mine, sorted(mine)[share:], sends)


def _told(db: Db, kind: str, me: str, now: str) -> tuple[dict[int, str], list[str], bool]:
    """The partitions of a process, the leases that nobody has, and whether it has that of the sender."""
    mine: dict[int, str] = {}
    free: list[str] = []
    sends = False
    for full, owner, until, position in db.fetch(store.LEASES, {"names": f"{kind}/%"}):
        name = full.partition("/")[2]
        if owner == me and name == SENDER:
            sends = True
        elif owner == me:
            mine[int(name)] = position
        elif owner is None or clock.parse(until) <= clock.parse(now):
            free.append(name)
    return mine, free, sends


def move(db: Db, kind: str, me: str, partition: int, position: str) -> bool:
    """Notes how far a partition is read; False where somebody else reads it now. Held until the commit."""
    name = f"{kind}/{partition}"
    if position:
        return db.run(store.MOVE, name=name, owner=me, position=position) == 1
    return db.run(store.HOLD, name=name, owner=me) == 1


def release(db: Db, kind: str, me: str, partition: int) -> None:
    """Gives a partition to others."""
    db.run(store.RELEASE, name=f"{kind}/{partition}", owner=me)


def resign(db: Db, me: str) -> None:
    """Gives up everything: the process ends, or does not reach the bus."""
    db.run(store.RELEASE_ALL, owner=me)
    db.run(store.GONE, id=me)
