"""Engine.IO 4: a session over long polling or WebSocket, its heartbeat, and the way from one to the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from backendhub.kit.fanout import Block, Peer, Policy, SocketPeer
from backendhub.kit.ids import uuid7

from .packets import ProtocolError, dump, joined

if TYPE_CHECKING:
    from backendhub.kit.web import Request
    from backendhub.kit.web import Socket as WebSocket

MAX_WAITING = 512 * 1024
"""Bytes that may wait for a client."""
LOOK_EVERY_S = 1.0
UPGRADE_S = 10.0
"""How long the way from polling to a WebSocket may take."""
NOOP, CLOSE, PING, PONG, UPGRADE, PROBE, PROBED = "6", "1", "2", "3", "5", "2probe", "3probe"


class Session(Peer):
    """One client, by whichever transport. It is a peer of the fan-out: rooms write to it without a copy."""

    def __init__(
        self,
        request: Request,
        *,
        received: Callable[[Session, str | bytes], None],
        closed: Callable[[Session, str], None],
        ping_s: float,
        timeout_s: float,
        policy: Policy = "close",
    ) -> None:
        super().__init__(policy=policy, limit=MAX_WAITING, id=uuid7())
        self.request = request
        self.sid = self.id
        self.transport = "polling"
        self.upgrading = False
        self.reason = ""
        self._received, self._closed = received, closed
        self._ping_s, self._timeout_s = ping_s, timeout_s
        self._socket: SocketPeer | None = None
        self._out: list[str | bytes] = []
        self._waiting = 0
        self._poll: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(ping_s, self._ping)

    def hello(self, upgrades: Sequence[str], max_payload: int) -> str:
        """The first packet."""
        return "0" + dump(
            {
                "sid": self.sid,
                "upgrades": list(upgrades),
                "pingInterval": int(self._ping_s * 1000),
                "pingTimeout": int(self._timeout_s * 1000),
                "maxPayload": max_payload,
            }
        )

    # -- sending (a peer) ---------------------------------------------------------------------------------

    def take(self, block: Block) -> bool:
        """Gets a block of messages; False where there is no room."""
        if self._socket is not None:
            return self._socket.take(block)
        return self._queue(block.payloads)

    def say(self, payload: str | bytes) -> bool:
        """Gets one Engine.IO packet."""
        if self._socket is not None:
            return self._socket.say(payload)
        if not self._queue([payload]):
            self.end(1013, "too slow")
            return False
        return True

    def _queue(self, payloads: Sequence[str | bytes]) -> bool:
        if self.closed:
            return True
        if self._waiting > self.limit:
            return False
        self._out.extend(payloads)
        self._waiting += sum(map(len, payloads))
        self._wake()
        return True

    async def room(self) -> None:
        """Waits until much of what was sent is on its way."""
        if self._socket is not None:
            await self._socket.room()
        while self._socket is None and self._waiting > self.limit // 2 and not self.closed:
            await asyncio.sleep(0.02)

    def end(self, code: int = 1000, reason: str = "") -> None:
        """Closes the session."""
        self.close("transport error" if code != 1000 else "forced close", code=code, reason=reason)

    def close(self, why: str, *, last: str = NOOP, code: int = 1000, reason: str = "") -> None:
        """Closes the session; a poll that waits is answered with `last`."""
        if self.closed:
            return
        self.closed = True
        self.reason = why
        self._timer.cancel()
        self._out = [last] if self._poll is not None else []
        self._wake()
        if self._socket is not None:
            self._socket.end(code, reason)
        self._closed(self, why)

    # -- heartbeat ----------------------------------------------------------------------------------------

    def _ping(self) -> None:
        self._timer = self._loop.call_later(self._timeout_s, self.close, "ping timeout")
        self.say(PING)

    def _pong(self) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(self._ping_s, self._ping)

    # -- receiving ----------------------------------------------------------------------------------------

    def put(self, packet: str | bytes) -> None:
        """Takes a packet. Raises ProtocolError."""
        if self.closed:
            return
        if isinstance(packet, bytes):
            self._received(self, packet)
        elif packet[:1] == "4":
            self._received(self, packet[1:])
        elif packet[:1] == PONG:
            self._pong()
        elif packet == CLOSE:
            self.close("transport close")
        elif packet not in (NOOP, UPGRADE):
            raise ProtocolError("no packet of Engine.IO")

    # -- long polling -------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(None)

    async def poll(self) -> str | None:
        """What waits, or what comes next; None for a second poll at a time, which ends the session."""
        if self._poll is not None:
            self.close("transport error", last=CLOSE)
            return None
        if not self._out:
            if self.upgrading:
                return NOOP
            self._poll = self._loop.create_future()
            try:
                while (
                    not self._poll.done() and self.request.hub.ready
                ):  # a server that stops waits for nobody
                    await asyncio.wait((self._poll,), timeout=LOOK_EVERY_S)
            finally:
                self._poll = None
        out, self._out, self._waiting = self._out, [], 0
        return joined(out or [NOOP])

    # -- WebSocket ----------------------------------------------------------------------------------------

    async def upgrade(self, socket: WebSocket) -> bool:
        """The handshake by which a polling client goes on over a WebSocket; False where it does not."""
        try:
            async with asyncio.timeout(UPGRADE_S):
                good = await self._probed(socket)
        except TimeoutError:
            return False
        if good:
            out, self._out = [p for p in self._out if p != NOOP], []
            self.over(socket)
            if self._poll is not None:
                self._out = [NOOP]
                self._wake()
            for payload in out:
                self.say(payload)
        return good

    async def _probed(self, socket: WebSocket) -> bool:
        """Ping and pong over the new transport, and the client's word."""
        if await socket.receive() != PROBE or self.closed or self.upgrading:
            return False
        self.upgrading = True
        try:
            await socket.send(PROBED)
            if not self._out and self._poll is not None:
                self._out = [NOOP]
                self._wake()
            return await socket.receive() == UPGRADE and not self.closed
        finally:
            self.upgrading = False

    def over(self, socket: WebSocket) -> None:
        """Goes on over a WebSocket."""
        self.transport = "websocket"
        self._socket = SocketPeer(socket, policy=self.policy, limit=self.limit, id=self.id)

    async def run(self, socket: WebSocket) -> None:
        """Takes what comes over a WebSocket until it ends."""
        try:
            async for packet in socket:
                self.put(packet)
                await self.ready()
        except ProtocolError:
            self.close("parse error")
        finally:
            self.close("transport close")

    ready: Any = None
    """Awaited after each packet: it is slow where too much waits to be handled."""
