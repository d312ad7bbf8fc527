"""One exchange with another server: the request as bytes, and the answer as it comes in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .messages import block

if TYPE_CHECKING:
    from .link import Link
    from .tunnel import Duplex

Pairs = list[tuple[bytes, bytes]]
HIGH_WATER = 256 * 1024


class Interim(NamedTuple):
    """An answer before the answer."""

    status: int
    headers: Pairs


class Listener(Protocol):
    """Who is told of an answer instead of waiting for it."""

    def arrived(self, incoming: Incoming) -> None:
        """Its head is there, and what has come with it."""

    def broke(self, error: Exception) -> None:
        """None will come: a ConnectionError, or a TimeoutError."""


class Head:
    """The head of an answer that came before in the same bytes: what they mean does not change."""

    __slots__ = ("headers", "length", "memo", "reason", "status")

    def __init__(self, incoming: Incoming, length: int) -> None:
        self.status, self.reason, self.headers = incoming.status, incoming.reason, incoming.headers
        self.length = length
        self.memo: Any = None
        """What a listener has made of it."""


class Outgoing:
    """A request as bytes."""

    __slots__ = ("body", "chunked", "head", "method", "streams", "switches")

    def __init__(
        self,
        method: bytes,
        target: bytes,
        headers: Pairs,
        body: AsyncIterator[bytes] | bytes | None,
        authority: bytes,
    ) -> None:
        self.method = method
        self.body = body
        self.streams = body is not None and not isinstance(body, bytes)
        names = {name for name, _ in headers}
        lines = [] if b"host" in names else [(b"host", authority)]
        lines += headers
        self.chunked = self.streams and b"content-length" not in names
        self.switches = b"upgrade" in names
        """Whether it asks for another protocol."""
        if isinstance(body, bytes):
            lines.append((b"content-length", b"%d" % len(body)))
        elif self.chunked:
            lines.append((b"transfer-encoding", b"chunked"))
        self.head = b"%b %b HTTP/1.1\r\n" % (method, target) + block(lines) + b"\r\n"


class Incoming:
    """An answer whose head has arrived: `async for part in incoming.parts()`, or `close()` it."""

    __slots__ = (
        "_error", "_idle_s", "_link", "_parts", "_size", "_waiter", "arrived", "duplex", "framed", "head", "headers",
        "listener", "method", "part_by", "reason", "status", "switches", "version", "whole",
    )  # fmt: skip

    def __init__(self, link: Link, outgoing: Outgoing, idle_s: float, listener: Listener | None) -> None:
        """Without a listener `arrived` is what is waited for."""
        self.status = 0
        self.reason = b""
        self.headers: Pairs = []
        """As they came, names in lower case."""
        self.version = "1.1"
        self.framed = True
        """Whether a length or chunks say where it ends; else the end of the connection does."""
        self.whole = False
        """Whether it has arrived to its end."""
        self.head: Head | None = None
        """Its head, where that came before and the body came with it."""
        self.duplex: Duplex | None = None
        """The connection after 101."""
        self.listener = listener
        self.arrived: asyncio.Future[None] | None = None if listener else link.loop.create_future()
        self.method = outgoing.method
        self.switches = outgoing.switches
        self.part_by = inf
        """When the next part has to be there; told by whoever waits for it."""
        self._link: Link | None = link
        self._idle_s = idle_s
        self._parts: list[bytes] = []
        self._size = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def parts(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises ConnectionError where it breaks off and TimeoutError where nothing comes."""
        try:
            while True:
                if self._parts:
                    data = self.taken()
                    if self._size > HIGH_WATER and self._link is not None:
                        self._link.resume()
                    self._size = 0
                    yield data
                elif self.whole:
                    return
                elif self._error is not None:
                    raise self._error
                else:
                    self._waiter = asyncio.get_running_loop().create_future()
                    self.part_by = monotonic() + self._idle_s
                    await self._waiter
                    self.part_by = inf
        finally:
            self.close()

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([part async for part in self.parts()])

    def taken(self) -> bytes:
        """What has arrived of the body and was not taken yet; all of it, where the answer is whole."""
        data = b"".join(self._parts) if len(self._parts) != 1 else self._parts[0]
        self._parts.clear()
        return data

    def close(self) -> None:
        """Is not interested in the rest: unless that has arrived, the connection ends."""
        if self._link is not None and not self.whole:
            self._link.finish(False)

    # -- what the connection tells ------------------------------------------------------------------------

    def begun(self) -> None:
        """The head is whole."""
        if self.arrived is not None and not self.arrived.done():
            self.arrived.set_result(None)

    def put(self, data: bytes) -> None:
        """A part of the body."""
        self._parts.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER and self._link is not None:
            self._link.pause()
        self._wake()

    def ended(self, error: Exception | None = None) -> None:
        """Nothing more comes; without an error it is whole."""
        self._link = None
        if error is None:
            self.whole = True
            self.begun()
        else:
            self._error = error
            if self.arrived is not None and not self.arrived.done():
                self.arrived.set_exception(error)
                self.arrived.exception()  # whoever waits is told; where nobody does, nothing is lost
        self._wake()

    def late(self) -> None:
        """A part has not come in time."""
        self.part_by = inf
        self._error = TimeoutError("nothing came in time")
        self._wake()

    def let_go(self) -> None:
        """The connection is for others now."""
        self._link = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
