"""WebSockets (RFC 6455): what an endpoint sees of one, and the many that are open."""

from __future__ import annotations

import asyncio
import json
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    MutableMapping,
    Sequence,
)
from contextlib import suppress
from typing import Any, Protocol

from backendhub.kit.errors import Denied
from backendhub.kit.output import dumps
from backendhub.kit.sockets import Disconnected

from .cors import Cors
from .replies import HeaderFields, Sent, encoded
from .request import Request

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

MAX_MESSAGE = 1024 * 1024
"""Bytes of a message, where the route says nothing else."""
GRACE_S = 2.0
"""How long an endpoint may go on after its client was told that the server stops."""
MAX_BACKLOG = 256 * 1024
"""Bytes that may wait for a slow client of a broadcast before it is closed with 1013."""


class Wire(Protocol):
    """What the server gives for broadcasts: a door past ASGI for frames that are ready-made."""

    def at_most(self, size: int) -> None:
        """Takes no message of more bytes."""

    def put(self, frame: bytes, limit: int) -> bool:
        """Writes a frame; False where more than `limit` bytes wait already."""

    def end(self, code: int, reason: str) -> None:
        """Closes without waiting for room."""


class Socket:
    """A WebSocket in the hands of its endpoint, which may use it from several tasks.

    `accept` is called by the first receive or send where the endpoint did not. When the endpoint returns the connection
    is closed with 1000; when it raises, with 1011; a `Disconnected` that it lets through is no failure.
    """

    def __init__(self, request: Request, receive: Receive, send: Send, max_message: int) -> None:
        self.request = request
        self.accepted = False
        self.closed: int | None = None
        """The close code, once the connection is over."""
        self.sent = 0
        self.max_message = max_message
        self._receive = receive
        self._send = send

    @property
    def protocols(self) -> Sequence[str]:
        """The subprotocols that the client offers, the one it likes best first."""
        offered: Sequence[str] = self.request.scope.get("subprotocols") or ()
        return offered

    async def accept(self, subprotocol: str | None = None, headers: HeaderFields = ()) -> None:
        """Completes the handshake. Until then a raised HubError answers it with an HTTP status."""
        if not self.accepted:
            self.accepted = True
            fields = encoded(headers)
            wire: Wire | None = self.request.scope.get("backendhub.wire")
            if wire is not None:
                wire.at_most(4 * self.max_message)  # characters of up to four bytes
            await self._put({"type": "websocket.accept", "subprotocol": subprotocol, "headers": fields})

    async def deny(self, sent: Sent) -> None:
        """Answers the handshake with an HTTP response; a server that cannot do that answers with 403."""
        if "websocket.http.response" not in self.request.scope.get("extensions", {}):
            await self._send({"type": "websocket.close", "code": 1008})
            return
        start = {"type": "websocket.http.response.start", "status": sent.status, "headers": sent.headers}
        await self._send(start)
        await self._send({"type": "websocket.http.response.body", "body": sent.body})

    async def receive(self) -> str | bytes:
        """The next message. Raises Disconnected."""
        await self.accept()
        if self.closed is not None:
            raise Disconnected(self.closed)
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise self._end(message.get("code") or 1005, message.get("reason") or "")
        text = message.get("text")
        data: str | bytes = message.get("bytes") or b"" if text is None else text
        if len(data) > self.max_message:
            await self.close(1009, "The message is too large.")
            raise Disconnected(1009)
        return data

    async def receive_text(self) -> str:
        """The next message, which has to be text. Raises Disconnected; other messages close with 1003."""
        message = await self.receive()
        if not isinstance(message, str):
            await self.close(1003, "Send text.")
            raise Disconnected(1003)
        return message

    async def receive_json(self) -> Any:
        """The next message, read as JSON. Raises Disconnected; what is no JSON closes with 1007."""
        try:
            return json.loads(await self.receive())
        except (ValueError, RecursionError):
            await self.close(1007, "Send JSON.")
            raise Disconnected(1007) from None

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Every message until the connection ends."""
        with suppress(Disconnected):
            while True:
                yield await self.receive()

    async def send(self, message: str | bytes) -> None:
        """Sends text or bytes, once there is room. Raises Disconnected."""
        await self.accept()
        self.sent += len(message)
        kind = "text" if isinstance(message, str) else "bytes"
        await self._put({"type": "websocket.send", kind: message})

    async def feed(self, source: AsyncIterable[Any]) -> None:
        """Sends what a source yields (text, bytes, or what JSON can hold) until it ends or the client goes, whose own
        messages are dropped. Then the source is cancelled where it waits."""
        sender = asyncio.create_task(self._feed(source))
        reader = asyncio.create_task(self._drop())
        try:
            await asyncio.wait((sender, reader), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sender, reader):
                task.cancel()
            results = await asyncio.gather(sender, reader, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, Disconnected):
                raise result

    async def _feed(self, source: AsyncIterable[Any]) -> None:
        async for item in source:
            await self.send(item if isinstance(item, (str, bytes)) else dumps(item, compact=True))

    async def _drop(self) -> None:
        async for _ in self:
            pass

    async def send_json(self, value: Any) -> None:
        """Sends anything that JSON can hold. Raises Disconnected."""
        await self.send(dumps(value, compact=True))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Begins the closing handshake; nothing if it is over already. `reason` of up to 123 bytes."""
        if self.closed is None:
            await self.accept()
            self.closed = code
            with suppress(Disconnected):
                await self._put({"type": "websocket.close", "code": code, "reason": reason})

    async def _put(self, message: MutableMapping[str, Any]) -> None:
        if self.closed is not None and message["type"] != "websocket.close":
            raise Disconnected(self.closed)
        try:
            await self._send(message)
        except (OSError, RuntimeError):  # gone, or closed by the server in the meantime
            raise self._end(1006) from None

    def _end(self, code: int, reason: str = "") -> Disconnected:
        if self.closed is None:
            self.closed = code
        return Disconnected(self.closed, reason)


class Sockets:
    """The WebSockets of one application that are open, and the tasks that serve them."""

    def __init__(self) -> None:
        self.open: dict[Socket, asyncio.Task[Any]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def drain(self) -> None:
        """Says goodbye to every client (1001); endpoints that do not notice are cancelled a little later."""
        loop = asyncio.get_running_loop()
        for socket, task in list(self.open.items()):
            if "backendhub.wire" not in socket.request.scope:  # our own server says it itself
                closing = loop.create_task(socket.close(1001, "The server is going away."))
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
            loop.call_later(GRACE_S, task.cancel)


async def broadcast(sockets: Iterable[Socket], message: str | bytes, *, backlog: int = MAX_BACKLOG) -> int:
    """Sends one message to many, framed once, and gives the number of those that took it.

    Nobody waits for anybody: a client with more than `backlog` bytes still to take is closed with 1013 (try again
    later).
    """
    frame = _frame(message)
    reached = 0
    for socket in list(sockets):
        if socket.closed is not None or not socket.accepted:
            continue
        wire: Wire | None = socket.request.scope.get("backendhub.wire")
        if wire is None:  # another server than ours
            with suppress(Disconnected):
                await socket.send(message)
                reached += 1
        elif wire.put(frame, backlog):
            socket.sent += len(message)
            reached += 1
        else:
            socket.closed = 1013
            wire.end(1013, "Too slow for this channel.")
    return reached


def _frame(message: str | bytes) -> bytes:
    from websockets.frames import Frame, Opcode

    text = isinstance(message, str)
    data = message.encode() if isinstance(message, str) else message
    return Frame(Opcode.TEXT if text else Opcode.BINARY, data).serialize(mask=False)


def check_origin(request: Request, cors: Cors | None) -> None:
    """Raises Denied for a page of another origin: browsers send cookies along with any handshake, and ask nobody.

    Clients that are no browsers send no Origin and pass.
    """
    origin = request.header("origin")
    if origin is None or (cors is not None and cors.allows(origin)):
        return
    if origin.partition("://")[2].lower() != (request.header("host") or "").lower():
        raise Denied("Pages of other origins may not connect here.", hint="allow them with --cors")
