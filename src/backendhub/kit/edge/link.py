"""One connection to another server: a request out, an answer in, read strictly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Any, NamedTuple

import httptools

from .messages import block
from .tunnel import Duplex

Pairs = list[tuple[bytes, bytes]]
HIGH_WATER = 256 * 1024
MAX_HEAD = 64 * 1024


class Interim(NamedTuple):
    """An answer before the answer."""

    status: int
    headers: Pairs


class Outgoing:
    """A request as bytes."""

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
        if isinstance(body, bytes):
            lines.append((b"content-length", b"%d" % len(body)))
        elif self.chunked:
            lines.append((b"transfer-encoding", b"chunked"))
        self.head = b"%b %b HTTP/1.1\r\n" % (method, target) + block(lines) + b"\r\n"


class Incoming:
    """An answer whose head has arrived: `async for part in incoming.parts()`, or `close()` it."""

    def __init__(self, link: Link, method: bytes, idle_s: float) -> None:
        self.status = 0
        self.reason = b""
        self.headers: Pairs = []
        """As they came, names in lower case."""
        self.version = "1.1"
        self.framed = True
        """Whether a length or chunks say where it ends; else the end of the connection does."""
        self.whole = False
        """Whether it has arrived to its end."""
        self.duplex: Duplex | None = None
        """The connection after 101."""
        self.arrived: asyncio.Future[None] = link.loop.create_future()
        self.method = method
        self._link: Link | None = link
        self._idle_s = idle_s
        self._parts: list[bytes] = []
        self._size = 0
        self._error: ConnectionError | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def parts(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises ConnectionError where it breaks off and TimeoutError where nothing comes."""
        try:
            while True:
                if self._parts:
                    data = b"".join(self._parts) if len(self._parts) > 1 else self._parts[0]
                    self._parts.clear()
                    if self._size > HIGH_WATER and self._link is not None:
                        self._link.resume()
                    self._size = 0
                    yield data
                elif self.whole:
                    return
                elif self._error is not None:
                    raise self._error
                else:
                    self._waiter = self.arrived.get_loop().create_future()
                    async with asyncio.timeout(self._idle_s):
                        await self._waiter
        finally:
            self.close()

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([part async for part in self.parts()])

    def close(self) -> None:
        """Is not interested in the rest: unless that has arrived, the connection ends."""
        if self._link is not None and not self.whole:
            self._link.finish(False)

    def _put(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER and self._link is not None:
            self._link.pause()
        self._wake()

    def _end(self, error: ConnectionError | None = None) -> None:
        self._link = None
        if error is None:
            self.whole = True
        else:
            self._error = error
        if not self.arrived.done():
            if error is None:
                self.arrived.set_result(None)
            else:
                self.arrived.set_exception(error)
                self.arrived.exception()  # whoever waits is told; where nobody does, nothing is lost
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Link(asyncio.Protocol):
    """A connection; carries one exchange at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, back: Callable[[Link, bool], None]) -> None:
        self.loop = loop
        self.idle_since = monotonic()
        self.heard = False
        """Whether the server has said anything in this exchange."""
        self._back = back
        self._transport: Any = None
        self._incoming: Incoming | None = None
        self._interim: Callable[[Interim], None] | None = None
        self._parser: Any = None
        self._sender: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._head = 0
        self._headers: Pairs = []
        self._in_head = False
        self._reason = b""
        self._paused = False

    @property
    def open(self) -> bool:
        """Whether it can carry an exchange."""
        return self._transport is not None and not self._transport.is_closing()

    def begin(self, outgoing: Outgoing, interim: Callable[[Interim], None] | None, idle_s: float) -> Incoming:
        """Sends a request."""
        self.heard = False
        self._head = 0
        self._interim = interim
        self._parser = httptools.HttpResponseParser(self)
        self._incoming = incoming = Incoming(self, outgoing.method, idle_s)
        if isinstance(outgoing.body, bytes):
            self._transport.write(outgoing.head + outgoing.body)
        else:
            self._transport.write(outgoing.head)
            if outgoing.body is not None:
                self._sender = self.loop.create_task(self._send(outgoing.body, outgoing.chunked))
        return incoming

    async def _send(self, body: AsyncIterator[bytes], chunked: bool) -> None:
        try:
            async for part in body:
                if part:
                    self._transport.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                await self._room.wait()
            if chunked:
                self._transport.write(b"0\r\n\r\n")
            self._sender = None
        except asyncio.CancelledError:
            raise
        except Exception as error:  # the body broke off, so the request must not look whole
            self._fail(f"the request's body broke off ({type(error).__name__})")

    # -- what arrives -------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Begins."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Feeds the parser."""
        incoming = self._incoming
        if incoming is None:  # nobody has asked
            self._transport.close()
            return
        self.heard = True
        if not incoming.status:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._switch(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if self._incoming is not None:
                cause = error.__context__
                self._fail(str(cause if isinstance(cause, ValueError) else error).rstrip("."))
            else:  # more than was asked for
                self.close()
        else:
            if not incoming.status and self._head > MAX_HEAD:
                self._fail("the head of its answer is too large")

    def on_message_begin(self) -> None:
        """A head begins: the answer's, or that of an interim one."""
        self._headers = []
        self._reason = b""
        self._in_head = True

    def on_status(self, reason: bytes) -> None:
        """The reason phrase."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field; those of a trailer are dropped."""
        if self._in_head:
            self._headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._in_head = False
        incoming, status = self._incoming, self._parser.get_status_code()
        if incoming is None or incoming.status:
            raise ValueError("it sends more than one answer")
        if self._head > MAX_HEAD and sum(len(name) + len(text) for name, text in self._headers) > MAX_HEAD:
            raise ValueError("the head of its answer is too large")
        if 100 <= status < 200 and status != 101:
            if self._interim is not None and status != 100:
                self._interim(Interim(status, self._headers))
            return
        fields = dict(self._headers)
        coding = fields.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise ValueError("its transfer coding is not chunked")
        incoming.status, incoming.reason, incoming.headers = status, self._reason, self._headers
        incoming.version = self._parser.get_http_version()
        bodiless = incoming.method == b"HEAD" or status in (204, 304)
        incoming.framed = bodiless or coding is not None or b"content-length" in fields
        if not incoming.arrived.done():
            incoming.arrived.set_result(None)
        if bodiless and status != 101:
            self._keep = self._parser.should_keep_alive()
            self._done()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._incoming is not None:
            self._incoming._put(body)

    def on_message_complete(self) -> None:
        """The end of a message; of the answer, unless it was an interim one."""
        if self._incoming is not None and self._incoming.status and self._incoming.status != 101:
            self._keep = self._parser.should_keep_alive()
            self._done()

    _keep = True

    def _done(self) -> None:
        incoming, sender = self._incoming, self._sender
        assert incoming is not None
        self._incoming = None
        incoming._end()
        if sender is not None:  # answered before it has heard all
            sender.cancel()
            self._sender = None
        self.resume()
        self._back(self, self._keep and sender is None)

    def _switch(self, rest: bytes) -> None:
        """101: the connection is no longer HTTP's."""
        incoming = self._incoming
        if incoming is None or incoming.status != 101:
            self._fail("it changes the protocol without being asked")
            return
        duplex = Duplex()
        self._transport.set_protocol(duplex)
        duplex.connection_made(self._transport)
        if rest:
            duplex.data_received(rest)
        incoming.duplex, self._incoming = duplex, None
        transport, self._transport = self._transport, None
        incoming._end()
        self._back(self, False)
        if self._paused:
            transport.resume_reading()

    def _fail(self, text: str) -> None:
        incoming, self._incoming = self._incoming, None
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None
        self.close()
        if incoming is not None:
            incoming_had_head = incoming.arrived.done()
            incoming._end(ConnectionError(text))
            if incoming_had_head:
                self._back(self, False)

    def finish(self, good: bool) -> None:
        """Ends the exchange from this side."""
        if self._incoming is not None:
            incoming, self._incoming = self._incoming, None
            if self._sender is not None:
                self._sender.cancel()
                self._sender = None
            incoming._link = None
            self._back(self, good)

    def drop(self) -> None:
        """Gives up on an answer whose head has not come."""
        self._incoming = None
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None
        self.close()

    def eof_received(self) -> bool:
        """The server has said all: where nothing else says so, this is the end of its answer."""
        incoming = self._incoming
        if incoming is not None and incoming.status and not incoming.framed:
            self._keep = False
            self._done()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self._room.set()
        if self._incoming is not None:
            self._fail("the connection ended" if exc is None else str(exc))

    def pause_writing(self) -> None:
        """The server is slow."""
        self._room.clear()

    def resume_writing(self) -> None:
        """There is room again."""
        self._room.set()

    def pause(self) -> None:
        """Reads no more for now."""
        if not self._paused and self.open:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Reads on."""
        if self._paused:
            self._paused = False
            if self.open:
                self._transport.resume_reading()

    def close(self) -> None:
        """Ends the connection."""
        if self._transport is not None:
            self._transport.abort()
