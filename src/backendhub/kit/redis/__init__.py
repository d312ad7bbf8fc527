"""A Redis (or Valkey) server by URL, from event loops and from threads: pipelined, with timeouts, reconnecting.

`Redis(url)` opens nothing. `await redis.acall("GET", key)` belongs into event loops, `redis.call(…)` into threads and
commands. Both raise `RedisLost` (no answer) and `RedisFailed` (an error for an answer), which are StoreErrors.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from hashlib import sha1
from typing import TYPE_CHECKING, Any

from backendhub.kit.errors import MissingExtra

from .address import Address, RedisFailed, RedisLost, parse, why

if TYPE_CHECKING:
    from .client import Client, Command
    from .link import Link

__all__ = ["Address", "Redis", "RedisFailed", "RedisLost", "Script", "parse", "why"]

Word = str | bytes | int | float
RETRY_S = 0.5
"""How long blocking calls fail at once after one that found no server: none of them may hold up its caller again."""


class Script:
    """A Lua script, sent by its hash (EVALSHA) once the server knows it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.hash = sha1(text.encode(), usedforsecurity=False).hexdigest()


class Redis:
    """Connections to one server, made when first used: one for each event loop and one for each thread."""

    def __init__(self, url: str) -> None:
        """Raises Invalid for a URL that cannot be read and MissingExtra without the extra `redis`."""
        self.address = parse(url)
        self.url = self.address.shown
        self.prefix = self.address.prefix
        try:
            import hiredis  # noqa: F401
        except ImportError:
            raise MissingExtra("Redis", "redis") from None
        self._links: dict[asyncio.AbstractEventLoop, Link] = {}
        self._local = threading.local()
        self._clients: list[Client] = []
        self._down: tuple[float, RedisLost] | None = None

    def key(self, *parts: str) -> str:
        """A key of this installation: `backendhub:cache:…`."""
        return ":".join((self.prefix, *parts))

    @property
    def trouble(self) -> str | None:
        """Why the server cannot be reached at the moment, as far as is known."""
        links = [link for loop, link in list(self._links.items()) if not loop.is_closed()]
        for link in links:
            if link.lost is not None:
                return link.lost
        if self._down is None or any(link.wire is not None for link in links):
            return None
        return self._down[1].reason

    # -- threads and commands -----------------------------------------------------------------------------

    def call(self, *args: Word) -> Any:
        """Sends a command and waits for its answer."""
        return self.call_many([args])[0]

    def call_many(self, commands: Sequence[Command]) -> list[Any]:
        """Sends commands in one go and gives their answers; the first that is an error is raised."""
        replies = self._exchange(commands)
        for reply in replies:
            if isinstance(reply, RedisFailed):
                raise reply
        return replies

    def run(self, script: Script, keys: Sequence[Word], args: Sequence[Word]) -> Any:
        """Runs a script."""
        rest = (len(keys), *keys, *args)
        reply = self._exchange([("EVALSHA", script.hash, *rest)])[0]
        if isinstance(reply, RedisFailed) and reply.reply.startswith("NOSCRIPT"):
            reply = self._exchange([("EVAL", script.text, *rest)])[0]
        if isinstance(reply, RedisFailed):
            raise reply
        return reply

    def check(self) -> None:
        """Asks the server for a sign of life. Raises RedisLost, RedisFailed."""
        self._down = None
        self.call("PING")

    def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        if self._down is not None and time.monotonic() < self._down[0]:
            raise RedisLost(self.url, self._down[1].reason)
        try:
            replies = self._client().call(commands)
        except RedisLost as error:
            self._down = (time.monotonic() + RETRY_S, error)
            raise
        self._down = None
        return replies

    def _client(self) -> Client:
        client: Client | None = getattr(self._local, "client", None)
        if client is None or self._local.pid != os.getpid():  # a connection must not cross a fork
            from .client import Client
            from .link import TIMEOUT_S

            client = self._local.client = Client(self.address, timeout_s=TIMEOUT_S)
            self._local.pid = os.getpid()
            self._clients.append(client)
        return client

    # -- event loops --------------------------------------------------------------------------------------

    def link(self) -> Link:
        """The connection of the running event loop."""
        loop = asyncio.get_running_loop()
        link = self._links.get(loop)
        if link is None:
            from .link import Link

            for ended in [known for known in self._links if known.is_closed()]:
                del self._links[ended]
            link = self._links[loop] = Link(self.address)
        return link

    async def acall(self, *args: Word) -> Any:
        """Sends a command and awaits its answer."""
        return await self.link().call(*args)

    async def acall_many(self, commands: Sequence[Command]) -> list[Any]:
        """Sends commands in one go and awaits their answers; the first that is an error is raised."""
        wire = await self.link().connected()
        return await asyncio.gather(*(wire.send(*command) for command in commands))

    async def arun(self, script: Script, keys: Sequence[Word], args: Sequence[Word]) -> Any:
        """Runs a script."""
        rest = (len(keys), *keys, *args)
        try:
            return await self.acall("EVALSHA", script.hash, *rest)
        except RedisFailed as error:
            if not error.reply.startswith("NOSCRIPT"):
                raise
        return await self.acall("EVAL", script.text, *rest)

    def close(self) -> None:
        """Ends every connection."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        self._local = threading.local()
        for link in self._links.values():
            link.close()
        self._links.clear()
