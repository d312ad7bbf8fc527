"""One connection to another server: a request out, an answer in, read strictly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

import httptools

from .exchange import Head, Incoming, Interim, Listener, Outgoing, Pairs
from .tunnel import Duplex

if TYPE_CHECKING:
    from .upstream import Origin

MAX_HEAD = 64 * 1024
MAX_SEEN_HEAD = 2048
NO_BODY = (b"HEAD", b"CONNECT")


class Link(asyncio.Protocol):
    """A connection; carries one exchange at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, origin: Origin) -> None:
        self.loop = loop
        self.idle_since = monotonic()
        self.heard = False
        """Whether the server has said anything in this exchange."""
        self.answer_by = inf
        """When the head of the answer has to be there."""
        self._origin = origin
        self._transport: Any = None
        self._incoming: Incoming | None = None
        self._interim: Callable[[Interim], None] | None = None
        self._parser: Any = None
        self._sender: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._unread = 0
        """Bytes of heads and trailers, of which nothing is seen until they are whole."""
        self._headers: Pairs = []
        self._in_head = False
        self._reason = b""
        self._paused = False
        self._keep = True

    @property
    def open(self) -> bool:
        """Whether it can carry an exchange."""
        return self._transport is not None and not self._transport.is_closing()

    def begin(
        self,
        outgoing: Outgoing,
        interim: Callable[[Interim], None] | None,
        listener: Listener | None = None,
    ) -> Incoming:
        """Sends a request."""
        self.heard = False
        self._unread = 0
        self._interim = interim
        self._parser = None
        self._incoming = incoming = Incoming(self, outgoing, self._origin.idle_s, listener)
        self.answer_by = monotonic() + self._origin.answer_s
        self._origin.watch(self)
        if outgoing.body is None:
            self._transport.write(outgoing.head)
        elif isinstance(outgoing.body, bytes):
            self._transport.write(outgoing.head + outgoing.body)
        else:
            self._transport.write(outgoing.head)
            self.answer_by = inf
            self._sender = self.loop.create_task(self._send(outgoing.body, outgoing.chunked))
        return incoming

    async def _send(self, body: AsyncIterator[bytes], chunked: bool) -> None:
        """Sends a body. How long its parts take to come is not the server's fault; how long it takes them is."""
        patience = self._origin.answer_s
        try:
            async for part in body:
                if part:
                    self._transport.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                self.answer_by = monotonic() + patience
                await self._room.wait()
                self.answer_by = inf
            if chunked:
                self._transport.write(b"0\r\n\r\n")
            self.answer_by = monotonic() + patience
            self._sender = None
        except asyncio.CancelledError:
            raise
        except Exception as error:  # the body broke off, so the request must not look whole
            self._fail(ConnectionError(f"the request's body broke off ({type(error).__name__})"))

    def look(self, now: float) -> bool:
        """Whether an exchange is under way; ends one that takes too long."""
        incoming = self._incoming
        if incoming is None:
            return False
        if not incoming.status:
            if now > self.answer_by:
                self._fail(TimeoutError("it does not answer in time"))
        elif now > incoming.part_by:
            incoming.late()
        return True

    # -- what arrives -------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Begins."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, unless these bytes began an answer before and the rest of it is here."""
        incoming = self._incoming
        if incoming is None:  # nobody has asked
            self._transport.close()
            return
        if self._parser is None and incoming.method not in NO_BODY:
            cut = data.find(b"\r\n\r\n") + 4
            head = self._origin.heads.get(data[:cut])
            if head is not None and head.length == len(data) - cut and self._sender is None:
                self._again(incoming, head, data[cut:])
                return
        first = not self.heard
        self.heard = True
        if self._feed(data, incoming) and first and incoming.whole:
            self._remember(data, incoming)
        if incoming.status and (listener := incoming.listener) is not None:
            incoming.listener = None
            listener.arrived(incoming)

    def _again(self, incoming: Incoming, head: Head, body: bytes) -> None:
        """An answer whose head is known, and that stays within these bytes."""
        incoming.status, incoming.reason, incoming.headers = head.status, head.reason, head.headers
        incoming.head = head
        self._incoming, self._keep = None, True
        if body:
            incoming.put(body)
        incoming.ended()
        self._origin.back(self, True)
        if (listener := incoming.listener) is not None:
            listener.arrived(incoming)

    def _remember(self, data: bytes, incoming: Incoming) -> None:
        """Keeps what a head means: of an answer that came at once, has a length, and leaves the connection open."""
        cut = data.find(b"\r\n\r\n") + 4
        if not 3 < cut <= MAX_SEEN_HEAD or not self._keep or incoming.version != "1.1":
            return
        length = dict(incoming.headers).get(b"content-length", b"")
        # One head only (no interim one before it), and nothing after the body.
        if length.isdigit() and int(length) == len(data) - cut and incoming.method not in NO_BODY:
            self._origin.remember(data[:cut], Head(incoming, int(length)))

    def _feed(self, data: bytes, incoming: Incoming) -> bool:
        """Whether these bytes were what an answer may consist of."""
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        self._unread += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._switch(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if self._incoming is not None:
                cause = error.__context__
                text = str(cause if isinstance(cause, ValueError) else error).rstrip(".")
                self._fail(ConnectionError(text))
            else:  # more than was asked for
                self.close()
            return False
        else:
            if self._unread > MAX_HEAD and self._incoming is not None:
                self._fail(ConnectionError("the head of its answer is too large"))
        return True

    def on_message_begin(self) -> None:
        """A head begins: the answer's, or that of an interim one."""
        if self._incoming is None:
            raise ValueError("it sends more than one answer")
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
        if self._unread > MAX_HEAD and sum(len(name) + len(text) for name, text in self._headers) > MAX_HEAD:
            raise ValueError("the head of its answer is too large")
        if 100 <= status < 200:
            if status == 101:
                if not incoming.switches:
                    raise ValueError("it changes the protocol without being asked")
            else:
                if self._interim is not None and status != 100:
                    self._interim(Interim(status, self._headers))
                return
        fields = dict(self._headers)
        coding = fields.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise ValueError("its transfer coding is not chunked")
        self._unread = 0
        incoming.status, incoming.reason, incoming.headers = status, self._reason, self._headers
        incoming.version = self._parser.get_http_version()
        bodiless = incoming.method == b"HEAD" or status in (204, 304)
        incoming.framed = bodiless or coding is not None or b"content-length" in fields
        incoming.begun()
        if bodiless and status != 101:
            self._keep = self._parser.should_keep_alive()
            self._done()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._unread = 0
        if self._incoming is not None:
            self._incoming.put(body)

    def on_message_complete(self) -> None:
        """The end of a message; of the answer, unless it was an interim one."""
        if self._incoming is not None and self._incoming.status and self._incoming.status != 101:
            self._keep = self._parser.should_keep_alive()
            self._done()

    def _done(self) -> None:
        incoming, sender = self._incoming, self._sender
        assert incoming is not None
        self._incoming = None
        incoming.ended()
        if sender is not None:  # answered before it has heard all
            sender.cancel()
            self._sender = None
        self.resume()
        self._origin.back(self, self._keep and sender is None)

    def _switch(self, rest: bytes) -> None:
        """101: the connection is no longer HTTP's."""
        incoming = self._incoming
        if incoming is None or incoming.status != 101:
            self._fail(ConnectionError("it changes the protocol without being asked"))
            return
        duplex = Duplex()
        self._transport.set_protocol(duplex)
        duplex.connection_made(self._transport)
        if rest:
            duplex.data_received(rest)
        incoming.duplex, self._incoming = duplex, None
        transport, self._transport = self._transport, None
        incoming.ended()
        self._origin.back(self, False)
        if self._paused:
            transport.resume_reading()

    # -- ends ---------------------------------------------------------------------------------------------

    def _fail(self, error: Exception) -> None:
        """No whole answer comes. Who waits for its head gives the place back; after the head this does."""
        incoming, self._incoming = self._incoming, None
        self._stop_sending()
        self.close()
        if incoming is None:
            return
        incoming.ended(error)
        if (listener := incoming.listener) is not None:
            incoming.listener = None
            listener.broke(error)
        elif incoming.status:
            self._origin.back(self, False)

    def finish(self, good: bool) -> None:
        """Ends the exchange from this side."""
        if self._incoming is not None:
            incoming, self._incoming = self._incoming, None
            self._stop_sending()
            incoming.let_go()
            self._origin.back(self, good)

    def drop(self) -> None:
        """Gives up on an answer whose head has not come."""
        self._incoming = None
        self._stop_sending()
        self.close()

    def _stop_sending(self) -> None:
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None

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
            self._fail(ConnectionError("the connection ended" if exc is None else str(exc)))

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
