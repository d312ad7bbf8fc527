"""The entities of a configuration, with the names that Kong gives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

Json = dict[str, Any]


@lru_cache(maxsize=10_000)
def id_of(kind: str, name: str) -> str:
    """An id that stays the same while the name does."""
    return str(uuid5(NAMESPACE_URL, f"backendhub:gateway:{kind}:{name}"))


@dataclass(frozen=True, slots=True)
class PluginRow:
    """A plugin as configured, and what it is for; None is everything."""

    name: str
    config: Json
    id: str
    service: str | None = None
    route: str | None = None
    consumer: str | None = None
    enabled: bool = True
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """Where requests go."""

    name: str
    protocol: str = "http"
    host: str = ""
    port: int = 80
    path: str | None = None
    retries: int = 5
    connect_timeout: int = 60_000
    write_timeout: int = 60_000
    read_timeout: int = 60_000
    enabled: bool = True
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """Which requests go there."""

    name: str
    service: str | None = None
    protocols: tuple[str, ...] = ("http", "https")
    methods: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    headers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    regex_priority: int = 0
    strip_path: bool = True
    preserve_host: bool = False
    path_handling: str = "v0"
    https_redirect_status_code: int = 426
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """One server of an upstream."""

    target: str
    weight: int = 100


@dataclass(frozen=True, slots=True)
class Health:
    """When a target counts as well or ill: `active` probes and `passive` looks at the traffic; 0 switches off."""

    path: str = "/"
    interval_up: float = 0
    interval_down: float = 0
    timeout: float = 1
    successes: int = 0
    failures: int = 0
    timeouts: int = 0
    good: frozenset[int] = frozenset((200, 302))
    bad: frozenset[int] = frozenset((429, 404, 500, 501, 502, 503, 504, 505))
    passive_successes: int = 0
    passive_http_failures: int = 0
    passive_tcp_failures: int = 0
    passive_timeouts: int = 0
    passive_bad: frozenset[int] = frozenset((429, 500, 503))


@dataclass(frozen=True, slots=True)
class Upstream:
    """Several servers under one name."""

    name: str
    algorithm: str = "round-robin"
    hash_on: str = "none"
    hash_on_header: str | None = None
    hash_on_cookie: str | None = None
    host_header: str | None = None
    targets: tuple[Target, ...] = ()
    health: Health = field(default_factory=Health)
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Consumer:
    """Who asks."""

    username: str
    custom_id: str | None = None
    groups: frozenset[str] = frozenset()
    tags: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Its id."""
        return id_of("consumer", self.username)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything. It is never changed, only replaced as a whole."""

    services: dict[str, Service] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    upstreams: dict[str, Upstream] = field(default_factory=dict)
    consumers: dict[str, Consumer] = field(default_factory=dict)
    plugins: tuple[PluginRow, ...] = ()
    keys: dict[str, str] = field(default_factory=dict)
    """API keys, with the consumers that they are of."""
    passwords: dict[str, tuple[str, str]] = field(default_factory=dict)
    """User names, with passwords and consumers."""
    secrets: dict[str, tuple[Json, str]] = field(default_factory=dict)
    """Keys of JWT credentials, with the credentials and consumers."""
    text: str = ""
    """The document that it was read from."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A configuration that was sent to `POST /config`."""

    id: int
    config: str
    revision: int
    updated_at: datetime
