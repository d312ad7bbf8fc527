"""A transport of httpx that looks a host up for each request, judges the addresses, and connects to what it has judged.

The address is chosen below TLS: the certificate and the Host header are still those of the name.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

import httpcore
import httpx

from .kept import Kept, Place
from .policy import Policy, Refused

Resolve = Callable[[str, int], list[str]]
"""Looks a host up: its addresses, the preferred first. Raises OSError."""
TRIED = 4
"""How many addresses of a host are tried."""


def system_resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@cache
def trust() -> ssl.SSLContext:
    """The certificates that are trusted: the usual ones, or those of SSL_CERT_FILE. Reading them takes 20 ms."""
    return httpx.create_ssl_context()


async def _look_up(resolve: Resolve, host: str, port: int) -> list[str]:
    """Resolves in a thread of its own, which nobody waits for if it takes too long."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def settle(value: list[str] | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(value or [])

    def work() -> None:
        value: list[str] | None = None
        failure: BaseException | None = None
        try:
            value = resolve(host, port)
        except (OSError, UnicodeError) as error:
            failure = OSError(f"{host} cannot be looked up") if isinstance(error, UnicodeError) else error
        try:
            loop.call_soon_threadsafe(settle, value, failure)
        except RuntimeError:  # the loop has ended meanwhile
            return

    threading.Thread(target=work, name="resolve", daemon=True).start()
    return await answer


class Gate:
    """Judges where one request may connect to, by its policy."""

    def __init__(self, policy: Policy, resolve: Resolve, trusted: str | None) -> None:
        self.policy = policy
        self.resolve = resolve
        self.trusted = trusted

    async def addresses(self, host: str, port: int, timeout: float | None) -> list[str]:
        """Looks a host up and gives the addresses that are admitted. Raises Refused where every one is refused."""
        try:
            found = await asyncio.wait_for(_look_up(self.resolve, host, port), timeout)
        except TimeoutError:
            raise httpcore.ConnectTimeout("looking up the name took too long") from None
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        admitted = [text for text in dict.fromkeys(found) if self._admits(text, host)][:TRIED]
        if found and not admitted:
            raise Refused(f"{host} leads to no public address.")
        return admitted

    def _admits(self, text: str, host: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if getattr(address, "scope_id", None):
            return False
        name = host.lower().rstrip(".")
        return name == self.trusted or self.policy.admits(address, name)


class _Judged(httpcore.AsyncNetworkBackend):
    """Opens a connection to the first that answers of addresses that were admitted, whatever the host is called."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = addresses
        self.connected: str | None = None
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Tries them one after the other."""
        failure: Exception = httpcore.ConnectError("its name has no address")
        for address in self.addresses:
            try:
                link = await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                self.connected = address
                return link
        raise failure

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise Refused("Sockets of this machine are not fetched from.")

    async def sleep(self, seconds: float) -> None:
        """As the protocol asks between two tries."""
        await asyncio.sleep(seconds)


class _One(httpcore.AsyncConnectionPool):
    """The connection of one request: a kept one that leads where the request may go, or a new one."""

    def __init__(self, gate: Gate, context: ssl.SSLContext, kept: Kept | None, repeatable: bool) -> None:
        super().__init__()
        self.gate, self.context, self.kept, self.repeatable = gate, context, kept, repeatable
        self.connection: httpcore.AsyncHTTPConnection | None = None
        self.place: Place | None = None

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Looks up, judges, sends. What a kept connection swallowed because its server had just closed it is sent
        again over a new one, if sending it twice is no harm."""
        origin = request.url.origin
        wait = request.extensions.get("timeout", {}).get("connect")
        addresses = await self.gate.addresses(origin.host.decode("ascii"), origin.port, wait)
        if (old := self._kept(origin, addresses)) is not None:
            self.connection = old
            try:
                return await old.handle_async_request(request)
            except (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError):
                await old.aclose()
                self.place = None
                if not self.repeatable:
                    raise
        judged = _Judged(addresses)
        self.connection = httpcore.AsyncHTTPConnection(origin, self.context, network_backend=judged)
        response = await self.connection.handle_async_request(request)
        if judged.connected is not None:
            self.place = Place(origin.scheme, origin.host, origin.port, judged.connected)
        return response

    def _kept(self, origin: httpcore.Origin, addresses: Sequence[str]) -> httpcore.AsyncHTTPConnection | None:
        for address in addresses if self.kept is not None else ():
            place = Place(origin.scheme, origin.host, origin.port, address)
            if self.kept is not None and (found := self.kept.take(place)) is not None:
                self.place = place
                return found
        return None

    async def aclose(self) -> None:
        """After the answer: the connection is kept, or closed."""
        connection, self.connection = self.connection, None
        if connection is None:
            return
        if self.kept is None:
            await connection.aclose()
        else:
            await self.kept.give(connection, self.place)


class PinnedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport for one request behind a Gate; no proxy, no HTTP/2."""

    def __init__(self, gate: Gate, context: ssl.SSLContext, kept: Kept | None, *, repeatable: bool) -> None:
        super().__init__(verify=context, trust_env=False)
        # httpx has no argument for this. Should the attribute go, requests must fail rather than go unjudged.
        if not isinstance(self._pool, httpcore.AsyncConnectionPool):
            raise RuntimeError("this version of httpx keeps its connections elsewhere")
        self._pool = _One(gate, context, kept, repeatable)

    async def __aenter__(self) -> Self:
        """Nothing is opened before the request."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Keeps or closes the connection."""
        await self._pool.aclose()
