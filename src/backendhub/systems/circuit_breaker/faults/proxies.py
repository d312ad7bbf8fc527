"""Proxies by name: each listens, and connects whoever comes to its upstream."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from backendhub.kit.errors import Conflict, HubError, Malformed, NotFound

from .link import Link, reset
from .toxics import DIRECTIONS, KINDS, Placed

CONNECT_S = 10.0
MAX_PROXIES = 1000
Json = dict[str, Any]


class CannotListen(HubError):
    """The address cannot be listened on (500, as Toxiproxy tells it)."""

    status, exit_code, code, title = 500, 7, "cannot_listen", "Cannot listen"


class Connection:
    """A client, an upstream, and a link in each direction."""

    def __init__(self, proxy: Proxy, writers: list[asyncio.StreamWriter]) -> None:
        self.proxy = proxy
        self.writers = writers
        self.links: list[Link] = []

    def half_done(self) -> None:
        """One direction has ended; with the other it is over."""
        if all(link.done for link in self.links):
            self.close()

    def close(self) -> None:
        """Ends it, once what was written has been sent."""
        if self._over():
            for writer in self.writers:
                writer.close()

    def abort(self) -> None:
        """Ends it at once."""
        if self._over():
            for writer in self.writers:
                writer.transport.abort()

    def reset(self) -> None:
        """Ends it with RST on both sides."""
        if self._over():
            for writer in self.writers:
                reset(writer)

    def _over(self) -> bool:
        """Stops all work on it; False where it is over already."""
        if self.proxy.connections.pop(self, self) is self:
            return False
        for link in self.links:
            link.stop()
        return True


class Proxy:
    """A proxy of Toxiproxy's."""

    def __init__(self, name: str, listen: str, upstream: str) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.toxics: dict[str, list[Placed]] = {direction: [] for direction in DIRECTIONS}
        self.connections: dict[Connection, None] = {}
        self.removed = False
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def enabled(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    def shown(self) -> Json:
        """As the wire has it."""
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "toxics": [toxic.shown() for toxic in self.all()],
        }

    def all(self) -> list[Placed]:
        """Its toxics, upstream first."""
        return [toxic for direction in DIRECTIONS for toxic in self.toxics[direction]]

    async def start(self) -> None:
        """Listens; a free port where none is named. Raises CannotListen, NotFound where it was removed meanwhile."""
        if self._server is not None:
            return
        host, port = address(self.listen, any_port=True)
        try:
            server = await asyncio.start_server(self._accept, host, port)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise CannotListen(f"listen tcp {self.listen}: {reason}") from None
        if self.removed:  # nobody would ever find it again
            server.close()
            raise NotFound("proxy not found")
        self._server = server
        name = server.sockets[0].getsockname()
        self.listen = f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"

    def stop(self) -> None:
        """Listens no more, and drops every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in [*self.connections]:
            connection.abort()
        for task in self._tasks:
            task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            host, port = address(self.upstream)
            try:
                async with asyncio.timeout(CONNECT_S):
                    far_reader, far_writer = await asyncio.open_connection(host, port)
            except (OSError, TimeoutError, ValueError):  # ValueError: what no resolver takes for a name
                writer.close()
                return
        except asyncio.CancelledError:
            writer.close()
            return
        finally:
            self._tasks.discard(task)
        if not self.enabled:
            writer.close()
            far_writer.close()
            return
        connection = Connection(self, [writer, far_writer])
        self.connections[connection] = None
        connection.links = [
            Link(connection, "upstream", reader, far_writer, self.toxics["upstream"]),
            Link(connection, "downstream", far_reader, writer, self.toxics["downstream"]),
        ]
        for link in connection.links:
            link.start()

    # -- toxics -------------------------------------------------------------------------------------------

    def find(self, name: str) -> Placed:
        """A toxic by name. Raises NotFound."""
        found = next((toxic for toxic in self.all() if toxic.name == name), None)
        if found is None:
            raise NotFound("toxic not found")
        return found

    def add(self, given: Json) -> Placed:
        """Adds a toxic to its proxy and to every connection. Raises Malformed, Conflict."""
        stream = given.get("stream") or "downstream"
        if stream not in DIRECTIONS:
            raise Malformed("stream was invalid, can be either upstream or downstream")
        kind = KINDS.get(str(given.get("type")))
        if kind is None:
            raise Malformed("invalid toxic type")
        name = given.get("name") or f"{kind.kind}_{stream}"
        if not isinstance(name, str):
            raise Malformed("bad request body: name is no text")
        if any(toxic.name == name for toxic in self.all()):
            raise Conflict("toxic already exists")
        placed = Placed(name, stream, 1.0, kind())
        placed.update(given.get("toxicity"), given.get("attributes"))
        self.toxics[stream].append(placed)
        for link in self._links(stream):
            link.add(placed)
        return placed

    def update(self, name: str, given: Json) -> Placed:
        """Changes a toxic. Raises NotFound, Malformed."""
        placed = self.find(name)
        placed.update(given.get("toxicity"), given.get("attributes"))
        for link in self._links(placed.stream):
            link.update(placed)
        return placed

    def remove(self, name: str) -> None:
        """Takes a toxic away. Raises NotFound."""
        placed = self.find(name)
        self.toxics[placed.stream].remove(placed)
        for link in self._links(placed.stream):
            link.remove(placed)

    def clear(self) -> None:
        """Takes every toxic away."""
        for toxic in self.all():
            self.remove(toxic.name)

    def _links(self, direction: str) -> list[Link]:
        return [
            link
            for connection in [*self.connections]
            for link in connection.links
            if link.direction == direction
        ]


class Proxies:
    """The proxies of a process, as Toxiproxy's API knows them. The event loop is the lock, but for starts."""

    def __init__(self) -> None:
        self.known: dict[str, Proxy] = {}
        self._lock = asyncio.Lock()

    def find(self, name: str) -> Proxy:
        """A proxy by name. Raises NotFound."""
        found = self.known.get(name)
        if found is None:
            raise NotFound("proxy not found")
        return found

    async def create(self, given: Json) -> Proxy:
        """A new proxy. Raises Malformed, Conflict, CannotListen."""
        name, listen, upstream, enabled = described(given)
        async with self._lock:
            if name in self.known:
                raise Conflict("proxy already exists")
            return await self._start(Proxy(name, listen, upstream), enabled)

    async def populate(self, items: list[Json]) -> list[Proxy]:
        """Proxies that are as described, made or replaced; those that are already stay. Raises what `create` does."""
        wanted = [described(item, f" at proxy {n}") for n, item in enumerate(items, 1)]
        found = []
        async with self._lock:
            for name, listen, upstream, enabled in wanted:
                existing = self.known.get(name)
                if existing is not None and not differs(existing, listen, upstream):
                    found.append(existing)
                    continue
                if existing is not None:
                    existing.stop()
                found.append(await self._start(Proxy(name, listen, upstream), enabled))
        return found

    async def _start(self, proxy: Proxy, enabled: bool) -> Proxy:
        if len(self.known) >= MAX_PROXIES and proxy.name not in self.known:
            raise Conflict(f"there are {MAX_PROXIES} proxies already")
        if enabled:
            await proxy.start()
        self.known[proxy.name] = proxy
        return proxy

    async def update(self, name: str, given: Json) -> Proxy:
        """Moves a proxy, or switches it on or off. Raises NotFound, Malformed, CannotListen."""
        proxy = self.find(name)
        before = {"name": name, "listen": proxy.listen, "upstream": proxy.upstream, "enabled": proxy.enabled}
        _, listen, upstream, enabled = described(before | {k: v for k, v in given.items() if k != "name"})
        async with self._lock:
            if differs(proxy, listen, upstream):
                proxy.stop()
                proxy.listen, proxy.upstream = listen, upstream
            if enabled:
                await proxy.start()
            else:
                proxy.stop()
        return proxy

    def remove(self, name: str) -> None:
        """Ends a proxy. Raises NotFound."""
        proxy = self.known.pop(self.find(name).name)
        proxy.removed = True
        proxy.stop()

    async def reset(self) -> None:
        """Every proxy on, every toxic gone. Raises CannotListen."""
        async with self._lock:
            for proxy in [*self.known.values()]:
                if not proxy.removed:
                    await proxy.start()
                    proxy.clear()

    def close(self) -> None:
        """Ends all."""
        for proxy in self.known.values():
            proxy.stop()
        self.known.clear()


def described(given: Any, where: str = "") -> tuple[str, str, str, bool]:
    """Name, listen, upstream, enabled. Raises Malformed."""
    if not isinstance(given, dict):
        raise Malformed("bad request body: a proxy is an object")
    found = {name: given.get(name) or "" for name in ("name", "listen", "upstream")}
    for name, value in found.items():
        if not isinstance(value, str):
            raise Malformed(f"bad request body: {name} is no text")
    for name in ("name", "upstream"):
        if not found[name]:
            raise Malformed(f"missing required field: {name}{where}")
    enabled = given.get("enabled")
    if not isinstance(enabled, bool | None):
        raise Malformed("bad request body: enabled is true or false")
    address(found["upstream"])
    listen = found["listen"] or "127.0.0.1:0"
    address(listen, any_port=True)
    return found["name"], listen, found["upstream"], enabled is not False


def differs(proxy: Proxy, listen: str, upstream: str) -> bool:
    """Whether a proxy is another than described; a port that is any is the one that it has."""
    mine, other = address(proxy.listen, any_port=True), address(listen, any_port=True)
    alike = mine[0] == other[0] and other[1] in (0, mine[1])
    return not alike or proxy.upstream != upstream


def address(text: str, *, any_port: bool = False) -> tuple[str, int]:
    """Host and port of `localhost:6379`, `:6379` (this machine only), `[::1]:6379`. Raises Malformed."""
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]*):(\d{1,5})", text)
    if match is None or int(match[2]) > 65_535 or (not any_port and not int(match[2])):
        raise Malformed(f"bad request body: {text[:80]!r} is no address", hint="host:port")
    host = match[1].strip("[]") or "127.0.0.1"
    return ("127.0.0.1" if host == "localhost" else host), int(match[2])
