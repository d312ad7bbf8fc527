"""PostgreSQL, logical: `pg_dump -Fc -Z0` with globals and an inventory under the same snapshot.

Uncompressed on purpose: a compressed dump cannot be deduplicated. Custom format, so that indexes and
constraints can be restored table by table.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from backendhub.kit.errors import Invalid
from backendhub.systems.backup.models import CANNOT_CONNECT, SOURCE_FAILED, BackupError, Check, Dump, Type
from backendhub.systems.backup.streams import Sink, Source, Writer

from . import postgres_inventory as inventories
from .base import Deadline, Drill, Dsn, Log, Restored, chosen_tables
from .child import BLOCK, Child
from .postgres_client import Access, Client, Session, conninfo, ident

DUMP, GLOBALS = "dump", "globals.sql"
END_OF_DATA = b"\x00" * 5
MAGIC = b"PGDMP"


class PostgresEngine:
    """One database of a PostgreSQL server."""

    def __init__(self, dsn: Dsn, options: Mapping[str, Any]) -> None:
        if not dsn.database:
            raise Invalid("The DSN names no database.", hint="postgresql://user@host:5432/database")
        self.dsn, self.options = dsn, options
        self.client = Client(dsn, options)

    def test(self) -> list[Check]:
        """Credentials, versions, rights on every table, access to globals."""
        try:
            server, ours = self.client.versions()
        except BackupError as problem:
            return [Check("connect", "error", problem.message, problem.hint)]
        checks = [Check("connect", "ok", f"PostgreSQL {server} as {self.dsn.user or 'the current user'}")]
        if ours < server:
            text = f"pg_dump {ours} cannot dump a server {server}"
            checks.append(Check("versions", "error", text, f"Install postgresql-client-{server}."))
        else:
            checks.append(Check("versions", "ok", f"pg_dump {ours} fits"))
        found = self.inventory()
        if denied := [name for name, row in found.items() if not row["readable"]]:
            text = f"no right to read {', '.join(denied[:5])}"
            checks.append(Check("rights", "error", text, f"GRANT pg_read_all_data TO {self.dsn.user};"))
        else:
            checks.append(Check("rights", "ok", f"{len(found)} tables, views and sequences can be read"))
        full = self.client.psql("SELECT has_table_privilege('pg_authid', 'SELECT')") == "t"
        text = "roles with passwords" if full else "roles without their passwords (needs a superuser)"
        checks.append(Check("globals", "ok" if full else "warning", text))
        return checks + inventories.leftovers(self.client.psql)

    def preflight(self) -> None:
        """Raises 20 for what would make the dump fail."""
        for check in self.test():
            if check.severity == "error":
                raise BackupError(f"{check.name}: {check.text}.", CANNOT_CONNECT, hint=check.hint)

    def dump(
        self,
        sink: Sink,
        *,
        type: Type = Type.FULL,
        since: Mapping[str, Any] | None = None,
        deadline: Deadline | None = None,
    ) -> Dump:
        """Globals, then the archive; the inventory and pg_dump look through one exported snapshot."""
        self.preflight()
        count = self.options.get("counts") != "off"
        with self.client.access() as access:
            globals_kind = self._globals(sink, access, deadline)
            with Session(self.client, access, deadline) as session:
                session.ask(
                    "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET row_security = off;"
                    f"SET lock_timeout = '{self._lock_seconds()}s'; SET DateStyle = ISO;"
                    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                )
                snapshot = session.ask("SELECT pg_export_snapshot();")[0]
                holds = self._limited(inventories.read(session.ask, count=count))
                with sink.stream(DUMP) as writer:
                    self._archive(writer, access, snapshot, deadline, bool(self._has_rows(holds)))
                    size = writer.offset
                session.end()
        server, ours = self.client.versions()
        tables = holds.pop("tables")
        meta = holds | {
            "engine": "postgres",
            "mode": "logical",
            "server": server,
            "pg_dump": ours,
            "globals": globals_kind,
            "bytes": size,
            "tables": tables,
            "counted": count,
        }
        return Dump(meta, {name: _shown(row) for name, row in tables.items()})

    def _has_rows(self, holds: Mapping[str, Any]) -> bool:
        return any(row.get("rows") for row in holds["tables"].values())

    def _lock_seconds(self) -> int:
        return int(float(self.options.get("lock_timeout", 60)))

    def _globals(self, sink: Sink, access: Access, deadline: Deadline | None) -> str:
        kinds: tuple[tuple[str, list[str]], ...] = (
            ("full", []),
            ("without passwords", ["--no-role-passwords"]),
        )
        for kind, extra in kinds:
            argv = [self.client.program("pg_dumpall"), "--globals-only", "--no-password", *extra]
            argv += ["-d", conninfo(self.dsn), "-l", self._stand_in()]
            with Child(argv, doing="pg_dumpall", env=access.env, fds=access.fds, deadline=deadline) as child:
                text = b"".join(child.blocks())
                try:
                    child.finish()
                except BackupError:
                    if "permission denied" in child.stderr and kind == "full":
                        continue
                    raise
            with sink.stream(GLOBALS) as writer:
                writer.write(text)
            return kind
        raise BackupError("pg_dumpall gave no globals.", SOURCE_FAILED)

    def _stand_in(self) -> str:
        # pg_dumpall reads a name with `=` in it as a connection string, so that it gets a harmless one.
        try:
            return self.client.maintenance()
        except BackupError:
            return self.dsn.database

    def _archive(
        self, writer: Writer, access: Access, snapshot: str, deadline: Deadline | None, rows: bool
    ) -> None:
        argv = [self.client.program("pg_dump"), "-Fc", "-Z0", "--no-password", f"--snapshot={snapshot}"]
        argv += [f"--lock-wait-timeout={self._lock_seconds() * 1000}", "-d", conninfo(self.dsn)]
        for schema, name in self._chosen():
            argv += ["-t", f"{ident(schema)}.{ident(name)}"]
        head, tail = b"", b""
        with Child(argv, doing="pg_dump", env=access.env, fds=access.fds, deadline=deadline) as child:
            for data in child.blocks():
                head = head if len(head) >= len(MAGIC) else head + data[: len(MAGIC)]
                tail = (tail + data)[-len(END_OF_DATA) :]
                writer.write(data)
            child.finish()
        # Exit code 0 alone is not believed: every data block of a complete archive ends with a zero length.
        if head[: len(MAGIC)] != MAGIC or (rows and not self._chosen() and tail != END_OF_DATA):
            raise BackupError("pg_dump's archive is not complete.", SOURCE_FAILED)

    def _chosen(self) -> list[tuple[str, str]]:
        found = [name.rpartition(".") for name in chosen_tables(self.options)]
        return [(schema or "public", name) for schema, _, name in found]

    def _limited(self, holds: dict[str, Any]) -> dict[str, Any]:
        """Only the chosen tables with the sequences they own; other objects are not in such a dump."""
        if not (chosen := set(self._chosen())):
            return holds
        tables = holds["tables"]
        wanted = {name for name, row in tables.items() if (row["schema"], row["table"]) in chosen}
        if len(wanted) < len(chosen):
            lost = sorted(chosen - {(row["schema"], row["table"]) for row in tables.values()})
            raise BackupError(
                f"There is no table {'.'.join(lost[0])}.", CANNOT_CONNECT, hint="tables=schema.name,…"
            )
        owned = {oid for _, oid, name in holds["owned"] if name in wanted}
        kept = {name: row for name, row in tables.items() if name in wanted or row["oid"] in owned}
        return holds | {"tables": kept, "objects": {}}

    def logs(self, since: Mapping[str, Any], *, deadline: Deadline | None = None) -> Iterator[Log]:
        """A logical dump has no log to follow it."""
        raise Invalid("Points in time need a physical backup.", hint="Add the target with mode=physical.")

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
        """Into a fresh database beside the target, verified, then renamed into its place."""
        from .postgres_restore import Restore

        if target.engine != "postgres" or not target.database:
            raise Invalid(
                "A PostgreSQL dump restores into a PostgreSQL database.", hint="--to postgresql://…/db"
            )
        work = Restore(source, Client(target, self.options), deadline)
        return work.tables(list(tables), replace=replace) if tables else work.database(replace=replace)

    def export(self, source: Source, path: Path) -> list[Path]:
        """`*.sql`: plain SQL through pg_restore; anything else: the custom archive. Globals go beside it."""
        globals_path = path.with_name(path.name + ".globals.sql")
        _copy(source, GLOBALS, globals_path)
        if path.suffix != ".sql":
            _copy(source, DUMP, path)
            return [path, globals_path]
        argv = [self.client.program("pg_restore"), "-f", "-"]
        with path.open("xb") as file, Child(argv, doing="pg_restore", stdin=True, stdout=file) as child:
            with source.open(DUMP) as reader:
                child.feed(reader)
            child.finish()
        return [path, globals_path]

    def drill(
        self,
        source: Source,
        *,
        sql: Sequence[str] = (),
        keep: Path | None = None,
        deadline: Deadline | None = None,
    ) -> Drill:
        """Into a cluster made for it, dumped again, compared as plain SQL; inventories compared as well."""
        from .postgres_drill import drill

        return drill(source, self.options, sql=sql, keep=keep, deadline=deadline)

    def inventory(self) -> dict[str, dict[str, Any]]:
        """Tables, views and sequences with their size and whether they can be read."""
        import json

        rows = [json.loads(line) for line in self.client.psql(inventories.TABLES).splitlines()]
        return {row["name"]: _shown(row) | {"readable": row["readable"]} for row in rows}

    def is_empty(self, target: Dsn) -> bool:
        """No such database, or one without tables, views or sequences."""
        client = Client(target, self.options)
        return not client.exists(target.database) or not inventories.holds_anything(client.psql)


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in ("kind", "bytes", "rows") if key in row}


def _copy(source: Source, name: str, path: Path) -> None:
    with source.open(name) as reader, path.open("xb") as file:
        shutil.copyfileobj(reader, file, BLOCK)
