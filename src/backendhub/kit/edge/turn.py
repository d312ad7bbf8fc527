"""One request on its way through a hot route."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from time import perf_counter
from typing import TYPE_CHECKING, Any

from backendhub.kit import encodings, telemetry
from backendhub.kit.errors import HubError, TooLarge

from .messages import BODILESS, STATUS_LINES, Gone, Request, Response, Stream, block
from .refusal import problem
from .relay import Relay
from .tunnel import Duplex, Tunnel

if TYPE_CHECKING:
    from .protocol import HttpProtocol
    from .routes import Mount, Route

HIGH_WATER = 64 * 1024
PATIENCE_S = 30.0
"""How long a body may take before it has to arrive at `MIN_RATE`."""
MIN_RATE = 1024
"""Bytes a second that a slow body must bring."""
MAX_UNFOLDED = 64 * 1024 * 1024
"""Bytes that a compressed body may become on a route without a limit of its own."""
CLOSE = b"connection: close\r\n\r\n"


class _Flag:
    """What uvicorn wakes when a connection ends; nobody waits for it here."""

    def set(self) -> None:
        """Nothing."""


class Turn:
    """Calls a route's handler when it is this request's turn, and sends what it returns."""

    __slots__ = (
        "_buffer", "_failure", "_heard", "_size", "_task", "_waiter", "_waiting", "began", "body",
        "disconnected", "expects", "keep_alive", "leftover", "more_body", "mount", "protocol", "request",
        "response_complete", "response_started", "route", "since", "socket", "started", "url",
    )  # fmt: skip
    message_event = _Flag()

    def __init__(
        self,
        protocol: HttpProtocol,
        request: Request,
        url: bytes,
        found: tuple[Route, Mount],
        *,
        keep_alive: bool,
        expects: bool,
        socket: bool = False,
    ) -> None:
        """`socket`: it is a handshake, which has no body, and after which this is no longer HTTP."""
        self.protocol = protocol
        self.request = request
        self.url = url
        self.route, self.mount = found
        self.keep_alive = keep_alive
        self.expects = expects
        self.started = self.response_started = self.response_complete = self.disconnected = False
        self.socket, self.more_body = socket, not socket
        self.body = bytearray()
        self.leftover = b""
        self.began = self.since = self._heard = 0.0
        self._size = self._waiting = 0
        self._buffer: list[bytes] = []
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | Relay | None = None
        request._turn, request._protocol = self, protocol

    # -- the request --------------------------------------------------------------------------------------

    def start(self) -> None:
        """It is this request's turn."""
        self.started = True
        self.began = perf_counter()
        self.since = self.protocol.clock.now
        declared = self.request.fields.get(b"content-length")
        limit = self.route.max_body
        if limit and declared is not None and int(declared) > limit:
            self._failed(_too_large(limit))
        elif self.route.stream or not self.more_body:
            self._run()
        elif self.expects:
            self._continue()

    def feed(self, data: bytes) -> None:
        """A part of the body."""
        if self.response_complete:
            return
        self._size += len(data)
        self._heard = self.protocol.clock.now
        limit = self.route.max_body
        if limit and self._size > limit:
            if self.route.stream:
                self._failure = _too_large(limit)
                self.keep_alive = False
                self._wake()
            elif self.started:
                self._failed(_too_large(limit))
            else:
                self._failure = _too_large(limit)
            return
        if self.route.stream:
            self._buffer.append(data)
            self._waiting += len(data)
            if self._waiting > HIGH_WATER:
                self.protocol.flow.pause_reading()
            self._wake()
        else:
            self.body += data

    def end(self) -> None:
        """The body is whole."""
        self.more_body = False
        if self.response_complete:
            return
        if self.route.stream:
            self._wake()
        elif self.started:
            self._run()

    def lost(self) -> None:
        """The client is gone: who works for it is cancelled."""
        self.disconnected = True
        self._wake()
        if self._task is not None and not self.response_complete:
            self._task.cancel()

    def slow(self, now: float) -> bool:
        """Whether the body takes longer than anybody needs."""
        if not self.started or not self.more_body or self.response_started:
            return False
        if self.protocol.flow.read_paused:  # it is us who keep the client waiting
            self.since = self._heard = now
            return False
        quiet = now - max(self.since, self._heard)
        return quiet > PATIENCE_S or now - self.since > PATIENCE_S + self._size / MIN_RATE

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises Gone and TooLarge."""
        if not self.request.has_body:
            return
        self._continue()
        while True:
            if self._failure is not None:
                raise self._failure
            if self._buffer:
                data = b"".join(self._buffer)
                self._buffer.clear()
                self._waiting = 0
                self.protocol.flow.resume_reading()
                yield data
            elif not self.more_body:
                return
            elif self.disconnected:
                raise Gone
            else:
                self._waiter = self.protocol.loop.create_future()
                await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _continue(self) -> None:
        if self.expects and not self.protocol.transport.is_closing():
            self.protocol.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.expects = False

    # -- the answer ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        if self._failure is not None:
            self._failed(self._failure)
            return
        request = self.request
        try:
            if self.body:
                request.body = self._decoded()
            answer = self.route.handler(request)
        except Exception as error:
            self._failed(error)
            return
        self.take(answer)

    def adopt(self, answer: Any) -> None:
        """Goes on with what a handler has returned, or raised, for a request without a body."""
        self.started, self.more_body, self.began = True, False, perf_counter()
        self.since = self.protocol.clock.now
        self.answer(answer)

    def answer(self, answer: Any) -> None:
        """Takes an answer, or an exception in its stead."""
        if isinstance(answer, Exception):
            self._failed(answer)
            return
        try:
            self.take(answer)
        except Exception as error:
            self._failed(error)

    def take(self, answer: Any) -> None:
        """Does what a handler has returned."""
        if type(answer) is Response:
            self.reply(answer)
        elif isinstance(answer, Relay):
            self._task = answer
            answer.start(self)
        elif answer is None:
            self.protocol.hand_over(self)
        else:
            self._task = task = self.protocol.loop.create_task(self._finish(answer))
            tasks = self.protocol.tasks
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    def _decoded(self) -> bytes:
        coding = self.request.fields.get(b"content-encoding")
        if coding is None:
            return bytes(self.body)
        return encodings.decode(
            bytes(self.body), coding.decode("latin-1"), self.route.max_body or MAX_UNFOLDED
        )

    async def _finish(self, answer: Any) -> None:
        """Waits for an answer and sends it."""
        try:
            if not isinstance(answer, Stream | Tunnel):
                given: Awaitable[Any] = answer
                answer = await given
            if self.disconnected:
                return
            if isinstance(answer, Response):
                self.reply(answer)
            elif isinstance(answer, Stream):
                await self._stream(answer)
            elif isinstance(answer, Tunnel):
                await self._tunnel(answer)
            else:
                self.protocol.hand_over(self)
        except asyncio.CancelledError:
            if not self.disconnected:
                self.protocol.transport.abort()
            raise
        except Exception as error:
            if not self.disconnected:
                self._failed(error)
        finally:
            if isinstance(answer, Stream):  # also where not a byte of it was asked for
                await _close(answer)

    def reply(self, response: Response) -> None:
        """Sends an answer that is ready."""
        if self.expects:  # the body was never asked for, so where the next request begins is not known
            self.keep_alive = False
        self.response_started = True
        protocol, body = self.protocol, response.body
        head = response.head
        if not response.dated:
            head += protocol.date()
        if self.route.cors and (origin := self.request.fields.get(b"origin")) is not None:
            head += block(self.mount.cors(origin))
        head += b"\r\n" if self.keep_alive else CLOSE
        if self.request.method == b"HEAD":
            body = b""
        if len(body) > HIGH_WATER:
            protocol.transport.writelines((head, body))
        else:
            protocol.transport.write(head + body)
        self._done(response.status, len(body))

    async def _stream(self, stream: Stream) -> None:
        request, protocol = self.request, self.protocol
        if self.expects:
            self.keep_alive = False
        head = STATUS_LINES[stream.status] + block(stream.headers)
        chunked = False
        if stream.status not in BODILESS:
            if stream.length is not None:
                head += b"content-length: %d\r\n" % stream.length
            elif request.version == "1.1":
                head += b"transfer-encoding: chunked\r\n"
                chunked = True
            else:
                self.keep_alive = False
        if b"\r\ndate: " not in head:
            head += protocol.date()
        if self.route.cors and (origin := request.fields.get(b"origin")) is not None:
            head += block(self.mount.cors(origin))
        self.response_started = True
        protocol.transport.write(head + (b"\r\n" if self.keep_alive else CLOSE))
        size = await self._parts(stream, chunked) if request.method != b"HEAD" else 0
        if request.method == b"HEAD":
            await _close(stream)
        elif stream.length is not None and size != stream.length and stream.status not in BODILESS:
            raise ValueError(f"A stream of {stream.length} bytes ended after {size}.")
        elif chunked:
            protocol.transport.write(b"0\r\n\r\n")
        self._done(stream.status, size)

    async def _parts(self, stream: Stream, chunked: bool) -> int:
        transport, flow, size = self.protocol.transport, self.protocol.flow, 0
        async with aclosing(stream.parts) as parts:  # type: ignore[type-var]
            async for part in parts:
                if flow.write_paused:
                    await flow.drain()
                if self.disconnected:
                    raise Gone
                if not part:
                    continue
                size += len(part)
                if stream.length is not None and size > stream.length:
                    raise ValueError(f"A stream of {stream.length} bytes has more.")
                transport.writelines((b"%x\r\n" % len(part), part, b"\r\n")) if chunked else transport.write(
                    part
                )
        return size

    async def _tunnel(self, tunnel: Tunnel) -> None:
        """Hands the connection over."""
        if not self.socket:  # its client speaks HTTP on, and others may share its connection
            raise ValueError("A Tunnel is no answer to what is no handshake.")
        protocol, transport = self.protocol, self.protocol.transport
        duplex = Duplex()
        self.response_started = self.response_complete = True
        transport.write(tunnel.head)
        protocol.leave(duplex)
        duplex.connection_made(transport)
        if self.leftover:
            duplex.data_received(self.leftover)
        transport.resume_reading()
        try:
            await tunnel.talk(duplex)
        finally:
            transport.close()
            self.protocol.told(self, tunnel.status, 0)

    def is_next(self) -> bool:
        """Whether what is written now comes before this request's answer."""
        return self.started and not self.response_started and not self.protocol.transport.is_closing()

    def _failed(self, error: Exception) -> None:
        """Tells what went wrong, where it is not too late for that."""
        if self.response_started or isinstance(error, Gone):
            if not isinstance(error, Gone):
                telemetry.crashed("an answer broke off", error)
            self.protocol.transport.abort()
            return
        if not isinstance(error, HubError):
            telemetry.crashed("a hot route failed", error)
            error = HubError("An unexpected failure; it was logged.")
        if self.more_body and self.request.has_body:
            self.keep_alive = False
        self.reply(problem(error, self.request.path))

    def _done(self, status: int, size: int) -> None:
        self.response_complete = True
        self.protocol.told(self, status, size)
        self.protocol.done(self)


async def _close(stream: Stream) -> None:
    close = getattr(stream.parts, "aclose", None)
    if close is not None:
        await close()


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes.")
