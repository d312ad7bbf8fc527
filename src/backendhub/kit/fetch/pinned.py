"""A transport of httpx that looks a host up once, judges the addresses, and connects to what it has judged.

The address is chosen below TLS: the certificate and the Host header are still those of the name.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from functools import cache
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx

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


class Gate(httpcore.AsyncNetworkBackend):
    """Opens connections for one request, to addresses that its policy admits."""

    def __init__(self, policy: Policy, resolve: Resolve, trusted: str | None) -> None:
        self.policy = policy
        self.resolve = resolve
        self.trusted = trusted
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Looks up, judges, connects. Raises Refused where every address of the host is refused."""
        try:
            found = await asyncio.wait_for(_look_up(self.resolve, host, port), timeout)
        except TimeoutError:
            raise httpcore.ConnectTimeout("looking up the name took too long") from None
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        addresses = [text for text in dict.fromkeys(found) if self._admits(text, host)][:TRIED]
        if found and not addresses:
            raise Refused(f"{host} leads to no public address.")
        failure: Exception = httpcore.ConnectError("its name has no address")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def _admits(self, text: str, host: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if getattr(address, "scope_id", None):
            return False
        name = host.lower().rstrip(".")
        return name == self.trusted or self.policy.admits(address, name)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise Refused("Sockets of this machine are not fetched from.")

    async def sleep(self, seconds: float) -> None:
        """As the protocol asks between two tries."""
        await asyncio.sleep(seconds)


class PinnedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport behind a Gate; no proxy, no HTTP/2, no connection kept."""

    def __init__(self, gate: Gate, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, trust_env=False)
        # httpx has no argument for this. Should the attribute go, requests must fail rather than go unjudged.
        if not isinstance(self._pool, httpcore.AsyncConnectionPool):
            raise RuntimeError("this version of httpx keeps its connections elsewhere")
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context, max_connections=1, max_keepalive_connections=0, network_backend=gate
        )
