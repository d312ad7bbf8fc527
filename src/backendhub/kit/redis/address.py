"""Where a Redis server is: `redis://user:password@host:6379/0?prefix=shop`, `rediss://…` (TLS), `unix:///path?db=1`."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from backendhub.kit.errors import Invalid, StoreError

HINT = "redis://host:6379/0, rediss://user:password@host, unix:///path/to.sock"
PREFIX = "backendhub"


class RedisLost(StoreError):
    """No connection, or no answer in time: nobody knows whether what was sent has been done."""

    def __init__(self, shown: str, reason: str) -> None:
        super().__init__(f"Redis at {shown} does not answer: {reason}.", hint="is the server running?")
        self.reason = reason


class RedisFailed(StoreError):
    """An answer that is an error; `reply` is Redis' own words (`WRONGTYPE …`)."""

    def __init__(self, shown: str, reply: str) -> None:
        hint = None
        if reply.startswith("ERR unknown command") and "HELLO" in reply:
            hint = "Redis 6 or later is needed (or Valkey)"
        elif reply.startswith(("WRONGPASS", "NOAUTH", "NOPERM")):
            hint = "give user and password in the URL: redis://user:password@host"
        super().__init__(f"Redis at {shown} failed: {reply}.", hint=hint)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed URL."""

    host: str
    port: int
    path: str
    database: int
    user: str
    password: str = field(repr=False)
    tls: bool
    prefix: str
    shown: str
    """The URL without a password: safe to print."""

    def greeting(self) -> list[tuple[str | int, ...]]:
        """The commands that begin a connection; the answer to the last one says that the server is at work."""
        hello: tuple[str | int, ...] = ("HELLO", 3)
        if self.password:
            hello += ("AUTH", self.user or "default", self.password)
        select: list[tuple[str | int, ...]] = [("SELECT", self.database)] if self.database else []
        return [(*hello, "SETNAME", "backendhub"), *select, ("PING",)]

    def connect(self, timeout_s: float) -> socket.socket:
        """A connected blocking socket, TLS begun. Raises OSError."""
        if self.path:
            link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            link.settimeout(timeout_s)
            try:
                link.connect(self.path)
            except OSError:
                link.close()
                raise
            return link
        link = socket.create_connection((self.host, self.port), timeout=timeout_s)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.tls:
            return link
        import ssl

        return ssl.create_default_context().wrap_socket(link, server_hostname=self.host)


def parse(url: str) -> Address:
    """Takes a URL apart. Raises Invalid."""
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise Invalid(f"{url.partition(':')[0]!r} is not a Redis URL.", hint=HINT)
    options = dict(parse_qsl(parts.query))
    if unknown := set(options) - {"db", "prefix"}:
        raise Invalid(
            f"A Redis URL has no option {min(unknown)!r}.", hint="?db=1&prefix=name is what there is"
        )
    unix = parts.scheme == "unix"
    database = options.get("db") or ("" if unix else parts.path.strip("/")) or "0"
    prefix = options.get("prefix", PREFIX)
    try:
        port = parts.port or 6379
    except ValueError:
        port = -1
    if port < 0 or not database.isdecimal() or not prefix.isprintable() or " " in prefix:
        raise Invalid("The Redis URL has a part that cannot be read.", hint=HINT)
    host = parts.hostname or "127.0.0.1"
    where = parts.path if unix else f"{host}:{port}" + (f"/{database}" if database != "0" else "")
    return Address(
        host,
        port,
        unquote(parts.path) if unix else "",
        int(database),
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        parts.scheme == "rediss",
        prefix,
        f"{parts.scheme}://{where}",
    )


def why(error: BaseException) -> str:
    """The few words of a failure that fit into a sentence."""
    if isinstance(error, RedisLost):
        return error.reason
    if isinstance(error, RedisFailed):
        return error.reply
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "the name is not known"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).rstrip(".").lower()
