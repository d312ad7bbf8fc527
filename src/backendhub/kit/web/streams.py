"""Responses that are sent while they come into being: any bytes, and server-sent events."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from backendhub.kit.output import dumps

from .replies import HeaderFields

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

HEARTBEAT_S = 15.0
"""How long a stream of events may be silent before a comment shows that it lives (WHATWG HTML §9.2.7)."""
EVENT_STREAM = "text/event-stream"


def _as_is(part: bytes | str) -> bytes:
    return part if isinstance(part, bytes) else part.encode()


@dataclass(slots=True)
class Stream:
    """A response whose parts come one by one: `web.Stream(lines(), "application/x-ndjson")`.

    No part is asked for before the client has room for it. When the client goes away, or the server stops, the
    iterator is cancelled where it waits. `length` in bytes, where it is known, becomes the Content-Length.
    """

    parts: AsyncIterable[Any]
    media_type: str = "application/octet-stream"
    status: int | None = None
    headers: HeaderFields = ()
    length: int | None = None
    encode: Callable[[Any], bytes] = _as_is
    heartbeat: bytes = b""
    """Sent whenever nothing else was for `HEARTBEAT_S`."""
    opening: bytes = b""


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event (WHATWG HTML §9.2.6). `data` is text, or anything that JSON can hold; `retry` is how many
    milliseconds clients wait before they come back; a `comment` is seen by no script."""

    data: Any = None
    event: str | None = None
    id: str | None = None
    retry: int | None = None
    comment: str | None = None

    def encode(self) -> bytes:
        """The event as it is sent. Raises ValueError for a line break in `event` or `id`."""
        lines = []
        if self.comment is not None:
            lines += [f": {line}" for line in _lines(self.comment)]
        for name, value in (("event", self.event), ("id", self.id), ("retry", self.retry)):
            if value is not None:
                text = str(value)
                if any(c in text for c in "\n\r\0"):
                    raise ValueError(f"The {name} of an event is one line.")
                lines.append(f"{name}: {text}")
        if self.data is not None:
            text = self.data if isinstance(self.data, str) else dumps(self.data, compact=True)
            lines += [f"data: {line}" for line in _lines(text)]
        return ("\n".join(lines) + "\n\n").encode()


def events(source: AsyncIterable[Any], *, retry: int | None = None) -> Stream:
    """Server-sent events: `return web.events(updates())`.

    The source yields `Event`s, plain data (text, or what JSON can hold), or bytes that `Event.encode` made once for
    many clients. A client that comes back says in `Last-Event-ID` which event it saw last. `retry` in milliseconds.
    """
    opening = Event(comment="open", retry=retry).encode()
    fields = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(source, EVENT_STREAM, None, fields, None, _event, b":\n\n", opening)


def _event(item: Any) -> bytes:
    if isinstance(item, bytes):
        return item
    return (item if isinstance(item, Event) else Event(item)).encode()


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


class Streams:
    """The streams of one application that are open."""

    def __init__(self) -> None:
        self.open: set[Pump] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._beats: set[asyncio.Task[None]] = set()

    async def send(self, stream: Stream, send: Send, receive: Receive | None) -> int:
        """Sends a stream to its end and gives the number of bytes. `receive` tells when the client goes away; None
        where the stream itself reads the request's body, and so finds out."""
        pump = Pump(stream, send)
        self.open.add(pump)
        if stream.heartbeat and self._timer is None:
            self._look()
        try:
            return await pump.run(receive)
        finally:
            self.open.discard(pump)

    def drain(self) -> None:
        """Ends every stream, cleanly, so that clients turn to another process."""
        for pump in list(self.open):
            pump.end()

    def close(self) -> None:
        """Forgets the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        """Sends heartbeats where they are due: one timer for all streams."""
        loop = asyncio.get_running_loop()
        due = loop.time() - HEARTBEAT_S
        for pump in self.open:
            if pump.stream.heartbeat and not pump.busy and pump.last < due:
                beat = loop.create_task(pump.write(pump.stream.heartbeat))
                self._beats.add(beat)
                beat.add_done_callback(self._beats.discard)
        self._timer = loop.call_later(HEARTBEAT_S / 5, self._look) if self.open else None


class Pump:
    """Moves one stream from its iterator to the client."""

    __slots__ = ("_ended", "_send", "_task", "busy", "last", "size", "stream")

    def __init__(self, stream: Stream, send: Send) -> None:
        self.stream = stream
        self.size = 0
        self.last = asyncio.get_running_loop().time()
        self.busy = False
        self._send = send
        self._task = asyncio.current_task()
        self._ended = False

    async def run(self, receive: Receive | None) -> int:
        """Sends everything; ends early when the client goes away or `end` is called."""
        listener = asyncio.create_task(self._listen(receive)) if receive is not None else None
        try:
            await self._parts()
        except asyncio.CancelledError:
            if not self._ended or self._task is None or self._task.uncancel():
                raise
        except Exception as error:  # too late for a status: the connection is cut, which tells the client
            traceback.print_exception(error, file=sys.stderr)
            return self.size
        finally:
            self._ended = True
            if listener is not None:
                listener.cancel()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        return self.size

    async def _parts(self) -> None:
        stream = self.stream
        if stream.opening:
            await self.write(stream.opening)
        parts: Any = stream.parts
        async with aclosing(parts) if hasattr(parts, "aclose") else _nothing(parts):
            async for part in parts:
                if data := stream.encode(part):
                    await self.write(data)

    async def write(self, data: bytes) -> None:
        """Sends some bytes, once there is room for them."""
        self.busy = True
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self.busy = False
        self.size += len(data)
        self.last = asyncio.get_running_loop().time()

    def end(self) -> None:
        """Stops the iterator where it waits."""
        if not self._ended and self._task is not None:
            self._ended = True
            self._task.cancel()

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.end()


class _nothing:
    """A context for iterators that cannot be closed."""

    def __init__(self, parts: AsyncIterator[Any]) -> None:
        self.parts = parts

    async def __aenter__(self) -> AsyncIterator[Any]:
        return self.parts

    async def __aexit__(self, *_: object) -> None:
        return None
