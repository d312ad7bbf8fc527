"""What a process of `broadcast` holds: its fan-out, its leases, its Pusher connections."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from backendhub.kit.errors import StoreError
from backendhub.kit.fanout import Entry, Fanout, Gone, Leases
from backendhub.kit.ids import uuid7
from backendhub.kit.output import dumps

from . import service
from .codecs import RAW

if TYPE_CHECKING:
    from backendhub.kit.hub import Hub

    from .pusher import Connection

EXPIRE_EVERY_S = 60.0
REPORT_EVERY_S = 3.0
"""How often processes tell each other how many connections their channels have."""


class Engine:
    """One of each process."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.keys = service.keys(hub.settings)
        self.age = service.lifetime(hub.settings)
        self.fan = Fanout.of(hub, service.SPACE, keep=service.kept(hub.settings))
        self.fan.on_ask = self._asked
        self.leases = Leases(self.fan, self.gone)
        self.connections: set[Connection] = set()
        self._node = uuid7()
        self._others: dict[str, tuple[float, dict[str, int]]] = {}

    @classmethod
    def of(cls, hub: Hub) -> Engine:
        """The one of this process."""
        return hub.memory("broadcast", lambda: cls(hub))

    def publish(
        self, channel: str, body: str | bytes, event: str = "", skip: str | None = None
    ) -> asyncio.Future[Entry]:
        """Stores a message and gives it to everybody."""
        return self.fan.submit(channel, Entry(event, body, skip=skip))

    def told(self, channel: str, event: str, data: Any, *, skip: str | None = None) -> None:
        """Says something of the Pusher protocol to a channel; nobody keeps it."""
        text = dumps({"event": event, "channel": channel, "data": dumps(data, compact=True)}, compact=True)
        self.fan.whisper(channel, Entry(RAW, text, skip=skip))

    def gone(self, gone: Gone) -> None:
        """A member of a presence channel has left."""
        self.told(gone.channel, "pusher_internal:member_removed", {"user_id": gone.member})

    def terminate(self, user_id: str) -> None:
        """Ends every connection of a user, in every process."""
        self.fan.ask({"terminate": user_id})

    def counts(self) -> dict[str, int]:
        """How many connections each channel has, over all processes that have told."""
        now = asyncio.get_running_loop().time()
        found = self.counts_now()
        for at, counts in self._others.values():
            if now - at < 3 * REPORT_EVERY_S:
                for channel, number in counts.items():
                    found[channel] = found.get(channel, 0) + number
        return found

    def counts_now(self) -> dict[str, int]:
        """The connections of this process by channel."""
        return {stream.name: len(stream) for stream in self.fan.streams.values()}

    def _asked(self, what: dict[str, Any]) -> None:
        if (user := what.get("terminate")) is not None:
            for connection in list(self.connections):
                if user in connection.users():
                    connection.peer.end(4009, "You have been disconnected by the app")
        elif (node := what.get("node")) is not None and node != self._node:
            self._others[node] = (asyncio.get_running_loop().time(), what["counts"])

    # -- what runs ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Leases, retention and reports, while the process runs."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.leases.run())
            group.create_task(self._expire())
            if self.fan.relay is not None:
                group.create_task(self._report())

    async def _expire(self) -> None:
        while True:
            with suppress(StoreError):  # busy or away: the next round does it
                await self.fan.unit(service.expire, self.age)
            await asyncio.sleep(EXPIRE_EVERY_S)

    async def _report(self) -> None:
        assert self.fan.relay is not None
        while True:
            with suppress(StoreError):
                await self.fan.relay.listening()
                self.fan.ask({"node": self._node, "counts": self.counts_now()})
            await asyncio.sleep(REPORT_EVERY_S)
