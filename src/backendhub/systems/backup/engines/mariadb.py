"""MariaDB and MySQL: one consistent dump with its binlog position, an index of its tables, binlogs after it."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from backendhub.kit.errors import Invalid
from backendhub.systems.backup.models import CANNOT_CONNECT, SOURCE_FAILED, BackupError, Check, Dump, Type
from backendhub.systems.backup.streams import Sink, Source

from . import mariadb_inventory as inventories
from .base import Deadline, Drill, Dsn, Log, Restored, chosen_tables
from .child import BLOCK, Child, output
from .mariadb_client import Client, failed, is_mariadb_program
from .mariadb_index import Indexer

STREAM = "dump.sql"
DUMP_WORDS = (
    "--single-transaction",
    "--quick",
    "--order-by-primary",
    "--hex-blob",
    "--triggers",
    "--skip-dump-date",
    "--comments",
    "--no-tablespaces",
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=1G",
)


class MariadbEngine:
    """One database of a MariaDB or MySQL server."""

    def __init__(self, dsn: Dsn, options: Mapping[str, Any]) -> None:
        if not dsn.database:
            raise Invalid("The DSN names no database.", hint=f"{dsn.scheme}://user@host:3306/database")
        self.dsn, self.options = dsn, options
        self.client = Client(dsn, options)

    def test(self) -> list[Check]:
        """Credentials, versions, rights, engines that cannot be read consistently, the binlog."""
        try:
            version = self.client.value("SELECT version()")
            exists = self.client.exists(self.dsn.database)
            known = self.client.variables("log_bin", "binlog_format")
        except BackupError as problem:
            return [Check("connect", "error", problem.message, problem.hint)]
        if not exists:
            return [
                Check(
                    "connect", "error", f"There is no database {self.dsn.database!r} that this user can see."
                )
            ]
        checks = [
            Check("connect", "ok", f"{version} as {self.dsn.user or 'the current user'}"),
            self._fits(version),
        ]
        if missing := inventories.missing_rights(self.client):
            text = f"missing on this database: {', '.join(missing)}"
            checks.append(
                Check("rights", "error", text, "Without them objects are left out silently: GRANT them.")
            )
        else:
            checks.append(Check("rights", "ok", "tables, views, triggers and events can be read"))
        if odd := inventories.not_transactional(self.client):
            text = f"not transactional, so not consistent: {', '.join(odd[:5])}"
            checks.append(Check("engines", "warning", text, "ALTER TABLE … ENGINE=InnoDB"))
        return [*checks, *self._binlog_checks(known), *inventories.leftovers(self.client)]

    def _fits(self, version: str) -> Check:
        major = tuple(map(int, re.findall(r"\d+", version)[:2]))
        ours = is_mariadb_program(self.client.program("dump"))
        if "MariaDB" not in version and major >= (8, 2) and ours:
            text = "mariadb-dump asks for SHOW MASTER STATUS, which MySQL 8.4 no longer knows"
            return Check("versions", "error", text, "Install MySQL's own mysqldump and use a mysql:// DSN.")
        return Check("versions", "ok", f"{Path(self.client.program('dump')).name} fits")

    def _binlog_checks(self, known: Mapping[str, str]) -> list[Check]:
        if known.get("log_bin") != "ON":
            return [
                Check(
                    "binlog", "warning", "log_bin is off: snapshots only, no points in time", "log_bin = ON"
                )
            ]
        try:
            self.client.sql("SHOW BINARY LOGS")
        except BackupError as problem:
            return [
                Check("binlog", "warning", problem.message, "GRANT BINLOG MONITOR, REPLICATION SLAVE ON *.*")
            ]
        if known.get("binlog_format") != "ROW":
            text = f"binlog_format is {known.get('binlog_format')}: statements from other databases are not replayed"
            return [Check("binlog", "warning", text, "SET GLOBAL binlog_format = ROW")]
        return [Check("binlog", "ok", "on, by row")]

    def dump(
        self,
        sink: Sink,
        *,
        type: Type = Type.FULL,
        since: Mapping[str, Any] | None = None,
        deadline: Deadline | None = None,
    ) -> Dump:
        """One consistent read; the binlog position is the dump's own."""
        checks = self.test()
        for check in checks:
            if check.severity == "error":
                raise BackupError(f"{check.name}: {check.text}.", CANNOT_CONNECT, hint=check.hint)
        chosen = chosen_tables(self.options)
        before = inventories.limited(inventories.read(self.client), chosen)
        now = self.client.value("SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ')")
        indexer = Indexer()
        with (
            sink.stream(STREAM) as writer,
            self.client.command("dump", *self.words(), "--", self.dsn.database, *chosen) as (
                argv,
                fds,
            ),
        ):
            with Child(argv, doing=Path(argv[0]).name, fds=fds, deadline=deadline, failed=failed) as child:
                for data in child.blocks():
                    indexer.feed(data)
                    writer.write(data)
                child.finish()
            sections = indexer.finish()
            if not indexer.complete:
                raise BackupError(f"{Path(argv[0]).name} wrote no last line.", SOURCE_FAILED)
        found = {section.name for section in sections if section.kind in ("table", "sequence", "standin")}
        if lost := sorted(set(before["tables"]) - found):
            raise BackupError(
                f"Not in the dump: {', '.join(lost)}.", SOURCE_FAILED, hint="Dropped or renamed meanwhile?"
            )
        tables = inventories.with_places(before["tables"], sections)
        position = indexer.position and {**indexer.position, "time": now, "server": self._server_id()}
        meta = before | {
            "engine": "mariadb",
            "server": self.client.value("SELECT version()"),
            "bytes": indexer.total,
            "position": position,
            "index": [[s.kind, s.name, s.start, s.length] for s in sections],
        }
        meta["tables"] = {name: row["kind"] for name, row in tables.items()}
        odd = inventories.not_transactional(self.client)
        warnings = [f"{name} is not transactional: its rows may not belong together" for name in odd]
        return Dump(meta, tables, warnings)

    def words(self) -> list[str]:
        """The dumper's options for this server."""
        program = self.client.program("dump")
        # A backup of some tables holds those tables, not the routines and events of the whole database.
        whole = [] if chosen_tables(self.options) else ["--routines", "--events"]
        words = [*DUMP_WORDS, *whole]
        logging = self.client.variables("log_bin").get("log_bin") == "ON"
        if is_mariadb_program(program):
            if logging and self._may_see_position():
                words.append("--master-data=2")
            if b"--dump-history" in output([program, "--help"]) and inventories.versioned(self.client):
                words.append("--dump-history")
            return words
        return [*words, "--set-gtid-purged=OFF", *(["--source-data=2"] if logging else [])]

    def _may_see_position(self) -> bool:
        with suppress(BackupError):
            self.client.sql("SHOW MASTER STATUS")
            return True
        return False

    def _server_id(self) -> str:
        known = self.client.variables("server_uid", "server_uuid", "server_id")
        return known.get("server_uid") or known.get("server_uuid") or known["server_id"]

    def logs(self, since: Mapping[str, Any], *, deadline: Deadline | None = None) -> Iterator[Log]:
        """Binlog files since a position; the last is still being written and comes again, longer."""
        position = since.get("position", since)
        if not position or "file" not in position:
            raise Invalid(
                "That backup has no binlog position.", hint="Turn log_bin on and take a new backup."
            )
        if position.get("server") != self._server_id():
            raise BackupError("The position is of another server.", 2, hint="Take a full backup first.")
        listed = {row[0]: int(row[1]) for row in self.client.sql("SHOW BINARY LOGS")}
        if position["file"] not in listed:
            text = f"The server has already purged {position['file']}."
            raise BackupError(
                text, SOURCE_FAILED, hint="Take a full backup; raise binlog_expire_logs_seconds."
            )
        last = list(listed)[-1]
        if (position["file"], position["pos"]) == (last, listed[last]):
            return
        now = self.client.value("SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ')")
        with tempfile.TemporaryDirectory(prefix="backendhub-binlog-") as name:
            words = ["--read-from-remote-server", "--raw", "--to-last-log", f"--result-file={name}/"]
            with self.client.command("binlog", *words, "--", position["file"]) as (argv, fds):
                output(argv, fds=fds, deadline=deadline, doing=Path(argv[0]).name, failed=failed)
            yield from self._pieces(Path(name), listed, now, position)

    def _pieces(
        self, folder: Path, listed: Mapping[str, int], now: str, position: Mapping[str, Any]
    ) -> Iterator[Log]:
        found = sorted(folder.iterdir())
        wanted = [name for name in listed if name >= position["file"]]
        for name in wanted:
            path = folder / name
            if not path.exists() or path.stat().st_size < listed[name]:
                raise BackupError(f"The binlog {name} did not arrive whole.", SOURCE_FAILED)
        end = {
            "file": found[-1].name,
            "pos": found[-1].stat().st_size,
            "time": now,
            "server": position["server"],
        }
        for path in found:
            with path.open("rb") as file:
                meta = {"engine": "mariadb", "position": end, "complete": path != found[-1]}
                yield Log(path.name, path.stat().st_size, file, meta)

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
        """Into a fresh database; with `replace` loaded aside first and swapped in by RENAME TABLE."""
        from .mariadb_restore import Restore

        if target.engine != "mariadb" or not target.database:
            raise Invalid("This dump restores into a MariaDB or MySQL database.", hint="--to mariadb://…/db")
        client = Client(target, self.options)
        if at is not None or logs is not None:
            if logs is None:
                raise Invalid("A point in time needs the binlogs stored after the backup.")
            from .mariadb_server import replayed

            with replayed(source, self.options, at=at, logs=logs, deadline=deadline) as moved:
                work = Restore(moved, client, deadline)
                return (
                    work.tables(list(tables), replace=replace) if tables else work.database(replace=replace)
                )
        work = Restore(source, client, deadline)
        return work.tables(list(tables), replace=replace) if tables else work.database(replace=replace)

    def export(self, source: Source, path: Path) -> list[Path]:
        """The dump as plain SQL, which any client reads."""
        with source.open(STREAM) as reader, path.open("xb") as file:
            while data := reader.read(BLOCK):
                file.write(data)
        return [path]

    def drill(
        self,
        source: Source,
        *,
        sql: Sequence[str] = (),
        keep: Path | None = None,
        deadline: Deadline | None = None,
    ) -> Drill:
        """Into a server made for it, dumped again, compared byte for byte but for the preamble's comments."""
        from .mariadb_server import drill

        return drill(source, self.options, sql=sql, keep=keep, deadline=deadline)

    def inventory(self) -> dict[str, dict[str, Any]]:
        """Tables, views and sequences with the server's own estimates."""
        found: dict[str, dict[str, Any]] = json.loads(json.dumps(inventories.read(self.client)["tables"]))
        return found

    def is_empty(self, target: Dsn) -> bool:
        """No such database, or one without tables and views."""
        client = Client(target, self.options)
        return not client.exists(target.database) or not inventories.read(client)["tables"]
