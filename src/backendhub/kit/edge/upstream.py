"""Another server behind this one: HTTP/1.1 over kept connections, answers as they arrive, interim ones too."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from time import monotonic
from urllib.parse import urlsplit

from backendhub.kit.errors import Invalid, Upstream

from .link import Incoming, Interim, Link, Outgoing, Pairs

IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
FRESH_S = 1.0
"""How long a connection may have been idle to carry a request that must not be sent twice."""
KEEP_S = 30.0
DEFAULT_PORTS = {"http": 80, "https": 443}


class Unreachable(Upstream):
    """The server cannot be reached, or breaks off before it has answered."""

    code = "bad_gateway"
    title = "Bad Gateway"
    status = 502


class TooLate(Upstream):
    """The server does not answer in time."""

    code = "gateway_timeout"
    title = "Gateway Timeout"
    status = 504


class Origin:
    """A server by its URL. `await origin.send(…)` gives an answer once its head is there."""

    def __init__(
        self,
        url: str,
        *,
        connect_s: float = 5.0,
        answer_s: float = 30.0,
        idle_s: float = 30.0,
        keep: int = 64,
        limit: int = 256,
    ) -> None:
        """`connect_s`, `answer_s` and `idle_s`: how long to wait for a connection, for a head, between two parts of a
        body. `keep` connections lie idle at most, `limit` exist. Raises Invalid for what is no http URL."""
        parts = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.query or parts.fragment:
            raise Invalid(
                f"{url!r} is no http or https URL of a server.", hint="such as http://127.0.0.1:8080"
            )
        self.scheme, self.host = parts.scheme, parts.hostname
        self.port = parts.port or DEFAULT_PORTS[parts.scheme]
        self.prefix = parts.path.rstrip("/").encode()
        default = self.port == DEFAULT_PORTS[self.scheme]
        name = f"[{self.host}]" if ":" in self.host else self.host
        self.authority = (name if default else f"{name}:{self.port}").encode()
        self.connect_s, self.answer_s, self.idle_s = connect_s, answer_s, idle_s
        self.keep = keep
        self._idle: list[Link] = []
        self._room = asyncio.Semaphore(limit)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None

    async def send(
        self,
        method: bytes,
        target: bytes,
        headers: Pairs,
        body: AsyncIterator[bytes] | bytes | None = None,
        *,
        interim: Callable[[Interim], None] | None = None,
    ) -> Incoming:
        """Sends a request. `headers` hold neither Host (unless it is not the server's own) nor framing; a body of bytes
        has its length said, one that comes in parts is chunked unless its Content-Length is among them. `interim` is
        told of 1xx. Raises Unreachable and TooLate."""
        outgoing = Outgoing(method, self.prefix + target, headers, body, self.authority)
        await self._enter()
        try:
            link = self._kept(safe=method in IDEMPOTENT and not outgoing.streams)
            if link is not None:
                try:
                    return await self._exchange(link, outgoing, interim)
                except Unreachable:
                    if link.heard or outgoing.streams or method not in IDEMPOTENT:
                        raise  # it was not the server's way of ending an idle connection
            link = await self._connect()
            return await self._exchange(link, outgoing, interim)
        except BaseException:
            self._room.release()
            raise

    async def _enter(self) -> None:
        if not self._room.locked():  # as it is nearly always: that needs no timer
            await self._room.acquire()
            return
        try:
            async with asyncio.timeout(self.connect_s):
                await self._room.acquire()
        except TimeoutError:
            raise TooLate(f"All connections to {self.host} are busy.") from None

    def _kept(self, *, safe: bool) -> Link | None:
        """A connection that lies idle and is still good."""
        now = monotonic()
        while self._idle:
            link = self._idle.pop()
            age = now - link.idle_since
            if not link.open or age > KEEP_S:
                link.close()
            elif safe or age < FRESH_S:
                return link
            else:
                link.close()
        return None

    async def _connect(self) -> Link:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.connect_s):
                _, link = await loop.create_connection(
                    lambda: Link(loop, self._back), self.host, self.port, ssl=self._tls
                )
        except TimeoutError:
            raise TooLate(f"{self.host}:{self.port} does not take connections in time.") from None
        except (OSError, ssl.SSLError) as error:
            raise Unreachable(f"{self.host}:{self.port} cannot be reached: {error}.") from None
        return link

    async def _exchange(
        self, link: Link, outgoing: Outgoing, interim: Callable[[Interim], None] | None
    ) -> Incoming:
        incoming = link.begin(outgoing, interim, self.idle_s)
        try:
            async with asyncio.timeout(self.answer_s):
                await incoming.arrived
        except TimeoutError:
            link.drop()
            raise TooLate(f"{self.host}:{self.port} does not answer in time.") from None
        except asyncio.CancelledError:
            link.drop()
            raise
        except ConnectionError as error:
            link.close()
            raise Unreachable(f"{self.host}:{self.port} broke off: {error}.") from None
        return incoming

    def _back(self, link: Link, good: bool) -> None:
        """An exchange is over; `good` says whether its connection may carry another."""
        self._room.release()
        if good and link.open and len(self._idle) < self.keep:
            link.idle_since = monotonic()
            self._idle.append(link)
        else:
            link.close()

    def close(self) -> None:
        """Closes what lies idle."""
        for link in self._idle:
            link.close()
        self._idle.clear()
