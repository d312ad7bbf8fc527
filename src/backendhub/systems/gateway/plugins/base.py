"""What a plugin is given, and how its configuration is read."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from backendhub.kit import edge
from backendhub.kit.errors import Invalid, TooLarge
from backendhub.kit.output import dumps
from backendhub.systems.gateway.models import Config, Consumer, Json, Route, Service

if TYPE_CHECKING:
    from backendhub.kit.edge import Incoming
    from backendhub.systems.gateway.proxy import Gateway

    from .traffic import Call

Pairs = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Local:
    """An answer that a plugin gives itself."""

    status: int
    headers: Pairs
    body: bytes = b""


Answer = Local | None
JSON = (b"content-type", b"application/json; charset=utf-8")


@dataclass(slots=True)
class Context:
    """A request on its way. Plugins change what goes on: `headers`, `path`, `query`, `method`, `host`, `elsewhere`."""

    gateway: Gateway
    config: Config
    request: edge.Request
    route: Route
    service: Service | None
    method: bytes
    path: str
    query: bytes
    headers: Pairs
    """The fields that go on: replaced by another list, never changed in place, for requests of the same bytes share it."""
    host: bytes | None = None
    consumer: Consumer | None = None
    credential: str = ""
    elsewhere: Service | None = None
    """Where a canary sends it instead of its service."""
    client: str = "-"
    """The address of whoever asks, behind proxies that are trusted."""
    groups: dict[str, str] = field(default_factory=dict)
    """What the named groups of the route's path have matched."""
    breaker: Call | None = None
    most: int | None = None
    """The largest body that is let through, where its length is not known before."""
    oversized: bool = False
    body: bytes | None = None
    """The whole body, where a plugin had to read it."""
    added: Pairs = field(default_factory=list)
    """The fields that a proxy adds to those that go on."""
    early: Pairs = field(default_factory=list)
    """Fields for the answer, whoever makes it."""
    incoming: Incoming | None = None
    """The upstream's answer, before plugins change its fields."""
    keep: Callable[[bytes, bool], None] | None = None
    """Told of each part of the upstream's body, and whether it was the last: then all has arrived."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What a plugin knows of this request, by its key."""

    def header(self, name: str) -> str | None:
        """A field as the client sent it."""
        return self.request.header(name)

    def set(self, name: str, value: str | None) -> None:
        """Sets a field of the request that goes on; None removes it."""
        key = name.lower().encode("latin-1")
        self.headers = [pair for pair in self.headers if pair[0] != key]
        if value is not None:
            self.headers.append((key, value.encode("utf-8")))

    async def read(self, most: int) -> bytes:
        """The whole body, for plugins that need it. Raises TooLarge beyond `most`."""
        if self.body is None:
            most = most if self.most is None else min(most, self.most)
            found = bytearray()
            async for part in self.request.stream():
                found += part
                if len(found) > most:
                    raise TooLarge(f"The body is larger than {most} bytes.")
            self.body = bytes(found)
        return self.body


class Options:
    """The configuration of a plugin, read strictly."""

    def __init__(self, config: Json, where: str, known: str) -> None:
        """`known` are the names, parted by blanks. Raises Invalid for others."""
        self.config = config
        self.where = where
        for name in config:
            if name not in known.split():
                raise Invalid(
                    f"{where} has no {str(name)[:60]!r}.", hint="known: " + ", ".join(sorted(known.split()))
                )

    def _get(self, name: str, kinds: Any, default: Any, what: str) -> Any:
        value = self.config.get(name)
        if value is None:
            return default
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
            raise Invalid(f"{self.where}: {name} is {what}.")
        return value

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        found: str = self._get(name, str, default, "a text")
        return found

    def texts(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of text."""
        value = self._get(name, list, None, "a list of texts")
        if value is None:
            return default
        if not all(isinstance(item, str | int) for item in value):
            raise Invalid(f"{self.where}: {name} is a list of texts.")
        return tuple(str(item) for item in value)

    def number(self, name: str, default: float | None = None, least: float = 0, most: float = 2**40) -> Any:
        """A number."""
        value = self._get(name, (int, float), default, "a number")
        if value is not None and not least <= value <= most:
            raise Invalid(f"{self.where}: {name} is no number from {least:g} to {most:g}.")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        return bool(self._get(name, bool, default, "true or false"))

    def choice(self, name: str, *choices: str) -> str:
        """One of some words; the first where there is none."""
        value = self.text(name, choices[0])
        if value not in choices:
            raise Invalid(f"{self.where}: {name} is {value[:40]!r}.", hint="one of " + ", ".join(choices))
        return value

    def inner(self, name: str, known: str) -> Options:
        """A mapping within."""
        return Options(self._get(name, dict, {}, "a mapping"), f"{self.where}.{name}", known)


class Plugin:
    """One plugin of a configuration. The highest priority runs first, as in Kong."""

    name: ClassVar[str]
    priority: ClassVar[int]
    known: ClassVar[str] = ""
    identifies: ClassVar[bool] = False
    """Whether it finds out who asks: then it cannot be for one consumer."""

    def __init__(self, config: Json, where: str, key: str) -> None:
        """`key` tells this one from others of its kind. Raises Invalid for a configuration that is wrong."""
        self.key = key
        self.config = config
        self.read(Options(config, where, self.known))

    def read(self, options: Options) -> None:
        """Reads its configuration."""

    def access(self, context: Context) -> Answer | Awaitable[Answer]:
        """Sees a request before it goes on; an answer ends its way."""
        return None

    def respond(self, context: Context, status: int, headers: Pairs) -> Pairs:
        """Sees the head of the upstream's answer; gives the fields that the client gets."""
        return headers


def message(status: int, text: str, headers: Pairs | None = None) -> Local:
    """An answer in Kong's words: `{"message": "…"}`."""
    return Local(status, [JSON, *(headers or [])], dumps({"message": text}, compact=True).encode())


def networks(texts: tuple[str, ...], where: str) -> list[Any]:
    """Addresses and networks. Raises Invalid."""
    try:
        return [ipaddress.ip_network(text, strict=False) for text in texts]
    except ValueError as error:
        raise Invalid(f"{where}: {error}.") from None


def within(client: str, known: list[Any]) -> bool:
    """Whether an address is in one of the networks; ::ffff:a.b.c.d is a.b.c.d."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address.version == net.version and address in net for net in known)
