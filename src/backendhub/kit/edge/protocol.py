"""HTTP/1.1 on httptools: hot routes answered at once, everything else as under uvicorn; one strict reading of all."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from . import asgi, framing
from .clocks import BUSY, CLOSING, HEAD, IDLE, Clock
from .framing import Refused
from .messages import Request
from .refusal import Refusal, Rest, drain
from .routes import Table
from .seen import MAX_SEEN_BYTES, again, remember
from .turn import Turn

MAX_HEAD = 64 * 1024
"""Bytes of a request's line and headers."""
MAX_FIELDS = 100
HEAD_PATIENCE_S = 15.0
"""How long a connection may take from its first byte, or from being made, to the end of a request's head."""
LINGER_S = 2.0
"""How long a client may go on sending after it was refused, so that it can read why."""
MAX_PIPELINE = 256
"""Requests that may wait for those before them."""
MAX_IGNORED = 4 * 1024 * 1024


class HttpProtocol(HttpToolsProtocol):
    """A connection. Requests are answered in their order; what arrives early waits."""

    running: Any = None
    """What is being answered: a Turn, or uvicorn's cycle."""
    cycle: Any
    """What the newest head has become: the same."""
    pipeline: Any
    """Those that wait, each with the application that it is for; None for a Turn."""
    deaf = False
    """Whether what arrives is no longer read."""
    phase = HEAD
    deadline = 0.0
    head_size = 0
    url = b""
    in_head = False
    unfinished = False
    """Whether the parser is within a request."""
    count = 0
    """Requests whose first byte has come."""
    bodies = 0
    """Parts of bodies that have come."""
    unseen = 0
    """Bytes since the last of them: a trailer is kept by the parser until it is whole."""
    ignored = 0
    unsent = 0
    unsent_since = 0.0
    advancing = False

    # -- the connection -----------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """A connection that never says anything is closed too."""
        super().connection_made(transport)
        self.clock: Clock = self.app_state.setdefault("clock", Clock())
        self.table: Table | None = self.app_state.get("edge")
        self.clock.add(self)
        self.deadline = self.loop.time() + HEAD_PATIENCE_S

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever works for this client hears of it."""
        self.clock.connections.discard(self)
        self.deaf = True
        if isinstance(self.running, Turn):
            self.running.lost()
        elif self.running is not None and not self.running.response_complete:
            self.running.disconnected = True
            self.running.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser."""
        if self.deaf:
            self._ignore(data)
            return
        clean = not (
            self.unfinished or self.head_size or self.pipeline or self._busy() or self.flow.write_paused
        )
        if clean and self.table is not None and (seen := self.table.seen.get(data)) is not None:
            again(self, seen)
            return
        count, bodies = self.count, self.bodies
        if self.in_head or self.head_size or not self._busy():
            self.head_size += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgraded(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            if not isinstance(cause, Refused):
                cause = Refused(400, f"This is not HTTP/1.1: {error}.")
            self.refuse(cause)
        else:
            self.unseen = 0 if bodies != self.bodies or not self.unfinished else self.unseen + len(data)
            if self.in_head and self.head_size > MAX_HEAD:
                self.refuse(Refused(431, f"The head of a request has {MAX_HEAD} bytes at most."))
            elif self.unseen > MAX_HEAD and not self.in_head:
                self.refuse(Refused(431, f"Trailers and extensions of chunks have {MAX_HEAD} bytes at most."))
            elif clean and self.count == count + 1 and len(data) <= MAX_SEEN_BYTES:
                remember(self, data)
            if self.phase == IDLE and self.head_size:  # bytes that begin no request
                self.phase = HEAD
                self.deadline = self.clock.now + HEAD_PATIENCE_S

    def _ignore(self, data: bytes) -> None:
        if isinstance(self.running, Turn) and self.running.socket:
            self.running.leftover += data  # it is about to take the connection over
        self.ignored += len(data)
        if self.ignored > MAX_IGNORED:
            self.transport.abort()

    # -- heads --------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self.url = b""
        self.headers = []
        self.in_head = self.unfinished = True
        self.count += 1
        if self.phase == IDLE:
            self.phase = HEAD
            self.deadline = self.clock.now + HEAD_PATIENCE_S

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field; those of a trailer are dropped, since nobody has agreed to merge them (RFC 9110 §6.5.1)."""
        if self.in_head:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is whole: finds out who answers. Raises Refused."""
        self.in_head = False
        parser, headers, url = self.parser, self.headers, self.url
        if self.head_size:
            if self.head_size > MAX_HEAD and sum(len(n) + len(v) for n, v in headers) + len(url) > MAX_HEAD:
                raise Refused(431, f"The head of a request has {MAX_HEAD} bytes at most.")
            self.head_size = 0
        method: bytes = parser.get_method()
        version: str = parser.get_http_version()
        fields = framing.check(method, url, version, headers)
        target, authority = framing.origin_form(url)
        if authority is not None:
            headers[:] = [(b"host", authority), *(pair for pair in headers if pair[0] != b"host")]
            fields[b"host"] = authority
        keep_alive = version == "1.1" and parser.should_keep_alive()
        expects = b"expect" in fields and version == "1.1"
        socket = False
        if parser.should_upgrade():
            socket = self._websocket(fields)
            keep_alive = False
        if self.table is not None:
            request = Request(method, target, headers, fields, version)
            found = self.table.find(request)
            if found is not None and (not socket or found[0].upgrades):
                if len(headers) > MAX_FIELDS:
                    raise Refused(431, f"The request has more than {MAX_FIELDS} header fields.")
                self.cycle = Turn(
                    self, request, url, found, keep_alive=keep_alive, expects=expects, socket=socket
                )
                self._queue(self.cycle, None)
                return
        if socket:
            self.scope = asgi.scope(self, method, url, version, headers)
            self.cycle = None
            return
        self.cycle = asgi.cycle(self, method, url, version, headers, keep_alive, expects)
        self._queue(self.cycle, self.app)

    def _websocket(self, fields: dict[bytes, bytes]) -> bool:
        """Whether a head asks for a WebSocket, alone on its connection. Raises Refused."""
        if fields.get(b"upgrade", b"").strip().lower() != b"websocket" or not self._should_upgrade_to_ws():
            return False
        if b"transfer-encoding" in fields or fields.get(b"content-length", b"0").strip(b"0 \t"):
            raise Refused(400, "A handshake has no body.")
        if self.pipeline or self._busy():
            raise Refused(400, "A handshake waits for the answers before it.")
        return True

    # -- bodies -------------------------------------------------------------------------------------------

    def on_body(self, body: bytes) -> None:
        """A part of the newest request's body."""
        self.bodies += 1
        if isinstance(self.cycle, Turn):
            self.cycle.feed(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of the newest request."""
        if self.parser.should_upgrade():
            return
        self.unfinished = False
        if isinstance(self.cycle, Turn):
            self.cycle.end()
        else:
            super().on_message_complete()

    def _upgraded(self, rest: bytes) -> None:
        """What follows a head with `Upgrade`: another protocol, or a body that is to be read all the same."""
        cycle = self.cycle
        if cycle is None:
            self.clock.connections.discard(self)
            self.handle_websocket_upgrade()
            return
        fields = dict(self.headers)
        if isinstance(cycle, Turn) and cycle.socket:
            cycle.leftover = rest
            self.deaf = True
            self.flow.pause_reading()
            return
        lines = [
            b"%b: %b\r\n" % (n, fields[n]) for n in (b"content-length", b"transfer-encoding") if n in fields
        ]
        self.parser = httptools.HttpRequestParser(Rest(self))
        try:
            self.parser.feed_data(b"POST / HTTP/1.1\r\nhost: -\r\n" + b"".join(lines) + b"\r\n" + rest)
        except httptools.HttpParserError:
            self.refuse(Refused(400, "The body is not framed."))

    # -- whose turn it is ---------------------------------------------------------------------------------

    def _busy(self) -> bool:
        return self.running is not None and not self.running.response_complete

    def _queue(self, turn: Any, app: Any) -> None:
        """Starts an answer, or lets it wait for those before it. Raises Refused where too many wait."""
        if not self.pipeline and not self._busy() and not self.flow.write_paused:
            self._begin(turn, app)
            return
        if len(self.pipeline) >= MAX_PIPELINE:
            self.cycle = None
            raise Refused(429, f"{MAX_PIPELINE} requests wait for their answers on this connection already.")
        self.flow.pause_reading()
        self.pipeline.appendleft((turn, app))

    def _begin(self, turn: Any, app: Any) -> None:
        self.running = turn
        self.phase = BUSY
        if app is None:
            turn.start()
        else:
            self._start_asgi_task(turn, app)

    def on_response_complete(self) -> None:
        """uvicorn's cycle has answered."""
        self.done(self.running)

    def done(self, turn: Any) -> None:
        """An answer is complete: the next one may begin."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if not turn.keep_alive:
            self._hang_up()
        else:
            self._advance()

    def _advance(self) -> None:
        if self.advancing:
            return
        self.advancing = True
        while self.pipeline and not (self._busy() or self.flow.write_paused or self.transport.is_closing()):
            self._begin(*self.pipeline.pop())
        self.advancing = False
        if self.pipeline or self.transport.is_closing() or self.deaf:
            return
        self.flow.resume_reading()
        if not self._busy():
            self.phase = HEAD if self.in_head else IDLE
            self.deadline = self.clock.now + (HEAD_PATIENCE_S if self.in_head else self.timeout_keep_alive)

    def hand_over(self, turn: Turn) -> None:
        """A handler has declined: the application is asked."""
        request, turn.response_complete = turn.request, True
        head = (request.method, turn.url, request.version, request.headers)
        if turn.socket:
            self.scope = asgi.scope(self, *head)
            self.cycle = self.running = None
            if self.deaf:  # the parser is done with it
                self._upgraded(b"")
            return
        cycle = asgi.cycle(self, *head, turn.keep_alive, turn.expects)
        cycle.body, cycle.more_body = turn.body, turn.more_body
        if cycle.body or not cycle.more_body:
            cycle.message_event.set()
        if self.cycle is turn:
            self.cycle = cycle
        self.running = cycle
        self._start_asgi_task(cycle, self.app)

    def told(self, turn: Turn, status: int, size: int) -> None:
        """Lets the application count an answer."""
        if self.table is not None:
            self.table.done(turn.request, turn.route, status, perf_counter() - turn.began, size)

    def date(self) -> bytes:
        """The field Date, as often as uvicorn renews it."""
        for name, value in self.server_state.default_headers:
            if name == b"date":
                return b"date: %b\r\n" % value
        return b""

    # -- ends ---------------------------------------------------------------------------------------------

    def refuse(self, refused: Refused) -> None:
        """Ends the connection with an answer, after those that were asked for before."""
        self.deaf = True
        if self.transport.is_closing():
            return
        last: Any = Refusal(self, refused)
        broken = self.cycle
        if not self.in_head and broken is not None and broken.more_body and not broken.response_complete:
            if broken is not self.running:  # the newest of those that wait
                self.pipeline.popleft()
            elif broken.response_started:
                self.transport.abort()
                return
            else:
                self._drop(broken)
        if self._busy() or self.pipeline:
            self.pipeline.appendleft((last, None))
        else:
            self.running = last
            last.start()

    def _drop(self, turn: Any) -> None:
        """Stops working for a request that will never be whole."""
        if isinstance(turn, Turn):
            turn.lost()
        else:
            turn.disconnected = True
            turn.message_event.set()
        turn.response_complete = True

    def _hang_up(self) -> None:
        """Says that nothing follows, and reads on a little: a client that still sends would else never read why."""
        self.deaf = True
        self.pipeline.clear()
        if self.scheme != "http" or not self.transport.can_write_eof() or not self._owes():
            self.transport.close()
            return
        self.phase = CLOSING
        self.deadline = self.loop.time() + LINGER_S
        self.transport.write_eof()
        self.flow.resume_reading()

    def _owes(self) -> bool:
        """Whether the client may still be sending."""
        return isinstance(self.running, Refusal) or self.running.more_body

    def leave(self, heir: Any) -> None:
        """Gives the connection to another protocol."""
        self.clock.connections.discard(self)
        self.connections.discard(self)
        self.transport.set_protocol(heir)

    def resume_writing(self) -> None:
        """There is room for answers again."""
        super().resume_writing()
        if self.pipeline and not self._busy():
            self._advance()

    def shutdown(self) -> None:
        """The server stops: what is being answered is answered to its end."""
        drain(self)
        if self._busy():
            self.running.keep_alive = False
        else:
            self.transport.close()
