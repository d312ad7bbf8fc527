"""Another server behind this one: HTTP/1.1 over kept connections, answers as they arrive, interim ones too."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from time import monotonic
from urllib.parse import urlsplit

from backendhub.kit.errors import Invalid, Upstream

from .exchange import Head, Incoming, Interim, Outgoing, Pairs
from .link import Link
from .places import Places
from .routes import Met

IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
FRESH_S = 1.0
"""How long a connection may have been idle to carry a request that must not be sent twice."""
KEEP_S = 30.0
DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_SEEN = 256
LOOK_S = 1.0
"""How often deadlines are looked at, at the least."""


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
        self.places = Places(limit)
        self.heads: dict[bytes, Head] = {}
        """What heads of answers mean that came before, by their bytes."""
        self._met = Met()
        self._idle: list[Link] = []
        self._watched: set[Link] = set()
        self._timer: asyncio.TimerHandle | None = None
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
        outgoing = self.outgoing(method, target, headers, body)
        if not self.places.take():
            try:
                await self.places.wait(self.connect_s)
            except TimeoutError:
                raise TooLate(f"All connections to {self.host} are busy.") from None
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
            self.places.give()
            raise

    def outgoing(
        self, method: bytes, target: bytes, headers: Pairs, body: AsyncIterator[bytes] | bytes | None = None
    ) -> Outgoing:
        """A request to this server as bytes."""
        return Outgoing(method, self.prefix + target, headers, body, self.authority)

    def kept(self) -> Link | None:
        """A connection at once, for a request that may be sent twice; None where none lies idle."""
        if self._idle and self.places.take():
            link = self._kept(safe=True)
            if link is not None:
                return link
            self.places.give()
        return None

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
                    lambda: Link(loop, self), self.host, self.port, ssl=self._tls
                )
        except TimeoutError:
            raise TooLate(f"{self.host}:{self.port} does not take connections in time.") from None
        except (OSError, ssl.SSLError) as error:
            raise Unreachable(f"{self.host}:{self.port} cannot be reached: {error}.") from None
        return link

    async def _exchange(
        self, link: Link, outgoing: Outgoing, interim: Callable[[Interim], None] | None
    ) -> Incoming:
        incoming = link.begin(outgoing, interim)
        assert incoming.arrived is not None
        try:
            await incoming.arrived
        except asyncio.CancelledError:
            link.drop()
            raise
        except (ConnectionError, TimeoutError) as error:
            link.close()
            raise self.failure(error) from None
        return incoming

    def failure(self, error: Exception) -> Unreachable | TooLate:
        """What it is called that no answer came."""
        if isinstance(error, TimeoutError):
            return TooLate(f"{self.host}:{self.port} does not answer in time.")
        return Unreachable(f"{self.host}:{self.port} broke off: {error}.")

    # -- what its connections tell ------------------------------------------------------------------------

    def watch(self, link: Link) -> None:
        """An exchange has begun: one timer looks at the deadlines of all, for as long as there are any."""
        self._watched.add(link)
        if self._timer is None:
            self._look_again(link.loop)

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(min(LOOK_S, self.answer_s / 4, self.idle_s / 4), self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = monotonic()
        for link in [*self._watched]:
            if not link.look(now):
                self._watched.discard(link)
        self._timer = None
        if self._watched:
            self._look_again(loop)

    def remember(self, data: bytes, head: Head) -> None:
        """Keeps what the bytes of a head mean that has come before."""
        if not self._met.before(data):
            return
        if len(self.heads) >= MAX_SEEN:
            self.heads.clear()
        self.heads[data] = head

    def back(self, link: Link, good: bool) -> None:
        """An exchange is over; `good` says whether its connection may carry another."""
        self.places.give()
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
