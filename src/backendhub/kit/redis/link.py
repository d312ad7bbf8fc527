"""One connection of one event loop: commands of a turn are sent together, answers come in their order.

A command costs 2 to 12 µs here, 64 through redis-py's asyncio client (decision 9), and a reconnection is
nothing that happens behind the back of those who subscribed: they are told that something may be missing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from random import uniform
from typing import Any, cast

import hiredis

from .address import Address, RedisFailed, RedisLost, why

log = logging.getLogger("backendhub.redis")
TIMEOUT_S = 2.0
"""How long an answer may take; then the connection is given up."""
HEARTBEAT_S = 5.0
FIRST_RETRY_S, LAST_RETRY_S = 0.05, 2.0
MAX_PENDING = 20_000
"""Commands that may wait for their answers at once."""

CONFIRMATIONS = (b"subscribe", b"psubscribe", b"unsubscribe", b"punsubscribe")

Push = Callable[[list[Any]], None]


class Wire(asyncio.Protocol):
    """A connection from its first byte to its last."""

    def __init__(self, address: Address, on_push: Push) -> None:
        self._address = address
        self._on_push = on_push
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._pending: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.reason: str | None = None
        """Why it has ended."""
        self.gone: asyncio.Future[str] = self._loop.create_future()
        """Done when the connection has ended; the result says why."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance

    def data_received(self, data: bytes) -> None:
        """Hands answers to who waits for them, and pushes to their own function."""
        self._reader.feed(data)
        pending = self._pending
        try:
            while (reply := self._reader.gets()) is not False:
                # A push is sent on the server's own account, except that it confirms a subscription.
                if isinstance(reply, hiredis.PushNotification) and reply[0] not in CONFIRMATIONS:
                    self._on_push(reply)
                    continue
                future = pending.popleft()[0]
                if future.done():  # who asked has gone away
                    continue
                if isinstance(reply, hiredis.ReplyError):
                    future.set_exception(RedisFailed(self._address.shown, str(reply)))
                else:
                    future.set_result(reply)
        except (hiredis.ProtocolError, IndexError):
            self.end("it does not speak Redis")

    def connection_lost(self, error: Exception | None) -> None:
        """Tells everybody who still waits."""
        reason = self.reason or (why(error) if error else "the connection was closed")
        self.reason = reason
        if self._timer is not None:
            self._timer.cancel()
        while self._pending:
            future = self._pending.popleft()[0]
            if not future.done():
                future.set_exception(RedisLost(self._address.shown, reason))
        if not self.gone.done():
            self.gone.set_result(reason)

    def send(
        self, *args: str | bytes | int | float, future: asyncio.Future[Any] | None = None
    ) -> asyncio.Future[Any]:
        """Sends a command at the end of this turn of the loop. The future (one given is taken) raises RedisLost or
        RedisFailed. (P)SUBSCRIBE and (P)UNSUBSCRIBE are for one channel each."""
        if future is None:
            future = self._loop.create_future()
        if self.reason is not None or len(self._pending) >= MAX_PENDING:
            reason = self.reason or "too many commands are waiting"
            future.set_exception(RedisLost(self._address.shown, reason))
            return future
        self._out.append(hiredis.pack_command(args))  # type: ignore[arg-type]  # the stub says one-tuple
        self._pending.append((future, self._loop.time() + TIMEOUT_S))
        if len(self._out) == 1:
            self._loop.call_soon(self._flush)
        if self._timer is None:
            self._timer = self._loop.call_later(TIMEOUT_S, self._watch)
        return future

    def _flush(self) -> None:
        if self._transport is not None and self.reason is None:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _watch(self, suspect: asyncio.Future[Any] | None = None) -> None:
        """Gives up on a server that does not answer; looks twice, for it may be this loop that was busy."""
        self._timer = None
        if not self._pending:
            return
        oldest, deadline = self._pending[0]
        if deadline > self._loop.time():
            self._timer = self._loop.call_at(deadline, self._watch)
        elif oldest is not suspect:
            self._timer = self._loop.call_later(0.05, self._watch, oldest)
        else:
            self.end("no answer in time")

    def end(self, reason: str) -> None:
        """Ends the connection at once."""
        if self.reason is None:
            self.reason = reason
        if self._transport is not None:
            self._transport.abort()


class Link:
    """Keeps a connection: made when first needed, made again when it breaks.

    `restore(wire)` runs on every new connection before anybody else may use it, `on_push` gets what the server sends
    on its own account.
    """

    def __init__(
        self,
        address: Address,
        *,
        on_push: Push = lambda push: None,
        restore: Callable[[Wire], Awaitable[None]] | None = None,
    ) -> None:
        self.address = address
        self.lost: str | None = None
        """Why there is no connection although one is wanted."""
        self._wire: Wire | None = None
        self._on_push, self._restore = on_push, restore
        self._loop = asyncio.get_running_loop()
        self._keeper: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] | None = None
        self._opening: Wire | None = None

    @property
    def wire(self) -> Wire | None:
        """The connection, while there is one."""
        return self._wire if self._wire is not None and self._wire.reason is None else None

    async def call(self, *args: str | bytes | int | float) -> Any:
        """Sends a command and gives its answer. Raises RedisLost, RedisFailed."""
        wire = self.wire or await self.connected()
        return await wire.send(*args)

    async def connected(self) -> Wire:
        """The connection; the first one is waited for. Raises RedisLost, RedisFailed."""
        if self._keeper is None or self._keeper.done():
            self.lost = None
            self._first = self._loop.create_future()
            self._keeper = self._loop.create_task(self._keep())
        if self._wire is None and self.lost is None:
            assert self._first is not None
            await asyncio.shield(self._first)
        wire = self.wire
        if wire is None:
            raise RedisLost(self.address.shown, self.lost or "the connection was closed")
        return wire

    async def _keep(self) -> None:
        delay = FIRST_RETRY_S
        try:
            while True:
                try:
                    self._wire = await self._open()
                except (OSError, RedisLost, RedisFailed) as error:
                    if self.lost is None:
                        log.warning("Redis at %s does not answer: %s", self.address.shown, why(error))
                    self.lost = why(error)
                    self._settle_first(error)
                    await asyncio.sleep(delay * uniform(0.5, 1))
                    delay = min(delay * 2, LAST_RETRY_S)
                    continue
                if self.lost is not None:
                    log.warning("Redis at %s is back", self.address.shown)
                delay, self.lost = FIRST_RETRY_S, None
                self._settle_first(None)
                self.lost = await self._while_up(self._wire)
                self._wire = None
                log.warning("Redis at %s is lost: %s", self.address.shown, self.lost)
        finally:
            self._end()

    async def _while_up(self, wire: Wire) -> str:
        """Waits for the end of a connection, and asks for a sign of life so that a silent end is noticed."""
        while not wire.gone.done():
            await asyncio.wait([wire.gone], timeout=HEARTBEAT_S)
            if not wire.gone.done():
                wire.send("PING").add_done_callback(_seen)
        return wire.gone.result()

    async def _open(self) -> Wire:
        address = self.address
        wire = self._opening = Wire(address, self._on_push)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if address.path:
                    await self._loop.create_unix_connection(lambda: wire, address.path)
                else:
                    await self._loop.create_connection(
                        lambda: wire, address.host, address.port, ssl=True if address.tls else None
                    )
                answers = [wire.send(*command) for command in address.greeting()]
                for answer in await asyncio.gather(*answers, return_exceptions=True):
                    if isinstance(answer, BaseException):
                        raise answer
            if self._restore is not None:
                await self._restore(wire)
        except BaseException:
            wire.end("the connection could not be begun")
            raise
        return wire

    def _settle_first(self, error: BaseException | None) -> None:
        if self._first is None or self._first.done():
            return
        if error is None or isinstance(error, OSError):
            self._first.set_result(None)  # `lost` says the rest
        else:
            self._first.set_exception(error)
            self._first.exception()

    def close(self) -> None:
        """Ends the connection and stops keeping it. From the loop's own thread, or when the loop has ended."""
        if not self._loop.is_closed():
            if self._keeper is not None:
                self._keeper.cancel()
            self._end()

    def _end(self) -> None:
        for wire in (self._wire, self._opening):
            if wire is not None:
                wire.end("it was closed")
        self._wire, self.lost = None, "it was closed"


def _seen(future: asyncio.Future[Any]) -> None:
    """Takes note of a failure that others are told of."""
    if not future.cancelled():
        future.exception()
