"""What every engine can do, and how a source or target is named: the only face the rest of backup sees.

A DSN names a database and never carries a password. `engine_for` imports just the one engine it returns.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from backendhub.kit.errors import Invalid
from backendhub.systems.backup.models import TIMED_OUT, BackupError, Check, Dump, Type
from backendhub.systems.backup.streams import Reader, Sink, Source

NO_PASSWORD_HINT = (
    "Leave it out and use ~/.pgpass, ~/.my.cnf, or the target's password_cmd= or password_file= option."
)
SCHEMES = {
    "sqlite": "sqlite",
    "postgresql": "postgres",
    "postgres": "postgres",
    "mariadb": "mariadb",
    "mysql": "mariadb",
    "mongodb": "mongo",
}
PORTS = {"postgres": 5432, "mariadb": 3306, "mongo": 27017}


@dataclass(frozen=True, slots=True)
class Dsn:
    """A parsed source or target; `engine` is one of sqlite, postgres, mariadb, mongo."""

    engine: str
    scheme: str
    database: str = ""
    host: str = ""
    port: int | None = None
    user: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The file of an SQLite DSN."""
        return Path(self.database)

    def with_database(self, name: str) -> Dsn:
        """The same server, another database."""
        return Dsn(self.engine, self.scheme, name, self.host, self.port, self.user, self.params)

    def __str__(self) -> str:
        if self.engine == "sqlite":
            return self.database
        user = quote(self.user, safe="") + "@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}://{user}{host}{port}/{quote(self.database, safe='')}"


@dataclass(frozen=True, slots=True)
class Deadline:
    """When to give up: `at` on the monotonic clock for the whole run, `stall` seconds without a byte."""

    at: float | None = None
    stall: float | None = None

    @classmethod
    def after(cls, seconds: float | None, *, stall: float | None = None) -> Deadline:
        """A deadline that many seconds from now (None: no wall limit)."""
        return cls(None if seconds is None else time.monotonic() + seconds, stall)

    def remaining(self) -> float | None:
        """Seconds left, never negative; None without a limit."""
        return None if self.at is None else max(0.0, self.at - time.monotonic())

    def check(self, doing: str) -> None:
        """Raises the timeout error (22) once the time is over."""
        if self.at is not None and time.monotonic() >= self.at:
            raise BackupError(f"Timed out while {doing}.", TIMED_OUT, hint="Raise --timeout.")


@dataclass(frozen=True, slots=True)
class Log:
    """One piece of WAL or binlog. `data` is read to its end before the next piece is asked for.

    `name` is unique and sorts in order of replay. `meta["position"]` is what to pass as `since` next time;
    a piece that was fetched before it was complete comes again under the same name, longer.
    """

    name: str
    size: int
    data: Reader
    meta: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did: where to, which tables (empty: all), and what the operator should still know."""

    target: str
    tables: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drill:
    """What a drill found: `findings` empty means that restored equals stored and every SQL check held."""

    findings: list[str]
    compared_bytes: int
    server: str
    checks: list[Check] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the snapshot is proven restorable."""
        return not self.findings and all(check.severity != "error" for check in self.checks)


class Engine(Protocol):
    """A kind of database. Every method may raise BackupError with the exit code of its fault."""

    dsn: Dsn

    def test(self) -> list[Check]:
        """Preflight: credentials, rights, versions, readiness of logs. Never raises for a bad finding."""
        ...

    def dump(
        self,
        sink: Sink,
        *,
        type: Type = Type.FULL,
        since: Mapping[str, Any] | None = None,
        deadline: Deadline | None = None,
    ) -> Dump:
        """Writes a consistent copy into the sink. `since` is the meta of the snapshot it builds on."""
        ...

    def logs(self, since: Mapping[str, Any], *, deadline: Deadline | None = None) -> Iterator[Log]:
        """WAL or binlog since a position: the meta of a Dump or of the last Log. Close it when done."""
        ...

    def restore(
        self,
        source: Source,
        target: Dsn,
        *,
        tables: Sequence[str] | None = None,
        at: datetime | None = None,
        replace: bool = False,
        logs: Source | None = None,
        deadline: Deadline | None = None,
    ) -> Restored:
        """Restores aside, verifies, then swaps. `logs` are the pieces of `logs()` under their names."""
        ...

    def export(self, source: Source, path: Path) -> list[Path]:
        """Writes the engine's own native files: the exit door. Returns them."""
        ...

    def drill(
        self,
        source: Source,
        *,
        sql: Sequence[str] = (),
        keep: Path | None = None,
        deadline: Deadline | None = None,
    ) -> Drill:
        """Restores into a throwaway server, dumps again, compares. `keep`: a directory to leave it in."""
        ...

    def inventory(self) -> dict[str, dict[str, Any]]:
        """The tables of the source with what is known of them (rows, bytes)."""
        ...

    def is_empty(self, target: Dsn) -> bool:
        """Whether a target does not exist or holds nothing that a restore would overwrite."""
        ...


def chosen_tables(options: Mapping[str, Any]) -> list[str]:
    """The tables that a target is limited to (`tables=a,b`); none: everything."""
    chosen = options.get("tables") or []
    return [name.strip() for name in chosen.split(",")] if isinstance(chosen, str) else list(chosen)


def parse_dsn(text: str) -> Dsn:
    """Reads a DSN or a file path; refuses a password in it. `sqlite:///rel.db`, `sqlite:////abs.db`."""
    if "://" not in text:
        if not text:
            raise Invalid("An empty name is no database.", hint="Give a path or a DSN.")
        return Dsn("sqlite", "sqlite", text)
    scheme = text.partition("://")[0].lower().partition("+")[0]
    if scheme not in SCHEMES:
        raise Invalid(f"Unknown kind of database {scheme!r}.", hint=f"Known: {', '.join(sorted(SCHEMES))}.")
    if scheme == "sqlite":
        return _sqlite_dsn(text)
    return _server_dsn(text, scheme)


def _sqlite_dsn(text: str) -> Dsn:
    rest = text.partition("://")[2]
    path = unquote(rest[1:] if rest.startswith("/") else rest)
    if not path:
        raise Invalid("The SQLite DSN names no file.", hint="sqlite:///relative.db or sqlite:////absolute.db")
    return Dsn("sqlite", "sqlite", path)


def _server_dsn(text: str, scheme: str) -> Dsn:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        # The text is not repeated: it may hold a password that broke the parsing.
        raise Invalid("The DSN cannot be read.", hint=f"{scheme}://user@host:port/database") from None
    params = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.password is not None or any(key.lower() in ("password", "passwd", "pwd") for key in params):
        raise Invalid("A DSN must not carry a password.", hint=NO_PASSWORD_HINT)
    if parts.fragment:
        raise Invalid("The DSN holds a bare '#'.", hint="Write '#' in a name as %23.")
    engine = SCHEMES[scheme]
    # urlsplit lowers the case of hostnames, which would break a socket directory.
    written = parts.netloc.rpartition("@")[2]
    written = written[1:].partition("]")[0] if written.startswith("[") else written.partition(":")[0]
    host = unquote(written) or params.get("host", "") or "localhost"
    user = unquote(parts.username) if parts.username else None
    database = unquote(parts.path.removeprefix("/"))
    if "\x00" in database + host + (user or ""):
        raise Invalid("The DSN holds a NUL byte.")
    return Dsn(engine, scheme, database, host, port or PORTS[engine], user, params)


def engine_for(dsn: str | Dsn, *, options: Mapping[str, Any] | None = None) -> Engine:
    """The engine of a DSN. Options: password_cmd, password_file, mode (physical), tables, slot, …"""
    parsed = parse_dsn(dsn) if isinstance(dsn, str) else dsn
    chosen = dict(parsed.params) | dict(options or {})
    if parsed.engine == "sqlite":
        from .sqlite import SqliteEngine

        return SqliteEngine(parsed, chosen)
    if parsed.engine == "postgres" and chosen.get("mode") == "physical":
        from .postgres_physical import PhysicalEngine

        return PhysicalEngine(parsed, chosen)
    if parsed.engine == "postgres":
        from .postgres import PostgresEngine

        return PostgresEngine(parsed, chosen)
    if parsed.engine == "mariadb":
        from .mariadb import MariadbEngine

        return MariadbEngine(parsed, chosen)
    from .mongo import MongoEngine

    return MongoEngine(parsed, chosen)
