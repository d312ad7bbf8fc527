"""Who is in a channel: a lease in the store for each connection, renewed while its process lives.

`enter` and `leave` say whether somebody came or went, or only another of their connections. A process that is killed
renews nothing: `Leases.run` of any other process finds its leases when they have run out, and tells who has gone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.db.records import encode
from backendhub.kit.errors import StoreError
from backendhub.kit.ids import uuid7

from . import store
from .core import Fanout
from .models import Present
from .peers import told

LEASE_S = 30.0
RENEW_S = 10.0


class Gone(NamedTuple):
    """Somebody has left a channel: their last connection ended."""

    channel: str
    member: str
    info: Any


def enter(
    db: Db, space: str, channel: str, *, peer: str, member: str, info: Any, node: str, lease_s: float
) -> bool:
    """Gives a connection a lease; True where its member was not there before."""
    now = clock.precise()
    _one_at_a_time(db, space, channel)
    before = db.value(store.HERE, space=space, channel=channel, member=member, now=encode(now))
    until = encode(now + timedelta(seconds=lease_s))
    row = {"space": space, "channel": channel, "peer": peer, "member": member, "node": node}
    db.run(store.ENTER, **row, info=told(info), until=until)
    return not before


def leave(db: Db, space: str, channel: str, *, peer: str) -> Gone | None:
    """Ends a lease; who has left, where it was the member's last."""
    _one_at_a_time(db, space, channel)
    rows = db.fetch(store.LEAVE, {"space": space, "channel": channel, "peer": peer})
    return next((gone for gone in _gone(db, space, [(channel, *row) for row in rows])), None)


def _one_at_a_time(db: Db, space: str, channel: str) -> None:
    """Two connections of one member that come or go at once see each other (on SQLite all writers take turns)."""
    if db.dialect == "postgres":
        db.fetch(store.LOCK_POSTGRES, {"name": f"{space}/{channel}"})


def present(db: Db, space: str, channel: str) -> list[Present]:
    """Everybody in a channel, each once."""
    rows = db.fetch(store.PRESENT, {"space": space, "channel": channel, "now": encode(clock.precise())})
    return [Present(member, json.loads(info)) for member, info in rows]


def here(db: Db, space: str, pairs: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of (channel, member) that are there."""
    if not pairs:
        return set()
    values = {"space": space, "pairs": json.dumps(pairs), "now": encode(clock.precise())}
    return {(channel, member) for channel, member in db.fetch(store.THERE[db.dialect], values)}


def expired(db: Db, space: str) -> list[Gone]:
    """Removes leases that have run out; who has left by that."""
    return _gone(db, space, db.fetch(store.EXPIRED, {"space": space, "now": encode(clock.precise())}))


def ended(db: Db, space: str, node: str) -> list[Gone]:
    """Removes the leases of a process that stops; who has left by that."""
    return _gone(db, space, db.fetch(store.LEAVE_ALL, {"node": node}))


def _gone(db: Db, space: str, rows: list[tuple[Any, ...]]) -> list[Gone]:
    """Whose last lease was among those that ended."""
    found = {(channel, member): info for channel, member, info in rows}
    left = here(db, space, list(found))
    return [Gone(*pair, json.loads(info)) for pair, info in found.items() if pair not in left]


class Leases:
    """The leases of one process in one space."""

    def __init__(self, fan: Fanout, left: Callable[[Gone], None], *, lease_s: float = LEASE_S) -> None:
        """`left` is told, in the event loop, who has gone without saying so."""
        self.fan = fan
        self.left = left
        self.lease_s = lease_s
        self.node = uuid7()
        self.held = 0

    async def enter(self, channel: str, *, peer: str, member: str, info: Any) -> bool:
        """A connection comes; True where its member was not there before."""
        self.held += 1
        lease = {"peer": peer, "member": member, "node": self.node, "lease_s": self.lease_s}
        return await self.fan.unit(_enter, self.fan.space, channel, info, lease)

    async def leave(self, channel: str, *, peer: str) -> Gone | None:
        """A connection goes; who has left, where it was the member's last."""
        self.held -= 1
        return await self.fan.unit(leave, self.fan.space, channel, peer=peer)

    async def run(self) -> None:
        """Renews, and looks for those that nobody renews. Runs while the process does."""
        while True:
            await asyncio.sleep(self.lease_s * RENEW_S / LEASE_S)
            try:
                gone = await self.fan.unit(_renewed, self.fan.space, self.node, self.lease_s)
            except StoreError:
                continue  # the next round comes before a lease has run out
            for each in gone:
                self.left(each)


def _enter(db: Db, space: str, channel: str, info: Any, lease: dict[str, Any]) -> bool:
    return enter(db, space, channel, info=info, **lease)


def _renewed(db: Db, space: str, node: str, lease_s: float) -> list[Gone]:
    db.run(store.RENEW, node=node, until=encode(clock.precise() + timedelta(seconds=lease_s)))
    return expired(db, space)
