"""PostgreSQL, physical: `pg_basebackup` as one tar, WAL since the last run, points in time by replay.

A replication slot keeps WAL on the server until the run after the one that stored it: the slot is only moved
up to the position that `logs()` is given, which is stored by then, so that a crash in between loses nothing.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from backendhub.kit.errors import Invalid
from backendhub.systems.backup.models import CANNOT_CONNECT, SOURCE_FAILED, BackupError, Check, Dump, Type
from backendhub.systems.backup.streams import Sink, Source

from .base import Deadline, Drill, Dsn, Log, Restored
from .child import BLOCK, Child, output
from .postgres_client import Client, conninfo, literal

STREAM = "base.tar"
END = bytes(1024)
START = re.compile(r"log start point: ([0-9A-F]+/[0-9A-F]+) on timeline (\d+)")
STOP = re.compile(r"log end point: ([0-9A-F]+/[0-9A-F]+)")
SEGMENT = re.compile(r"^[0-9A-F]{24}(\.partial)?$|^[0-9A-F]{8}\.history$")


def lsn(text: str) -> int:
    """`16/B374D848` as a number."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) | int(low, 16)


def shown(position: int) -> str:
    """A number as an LSN."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def segment_name(timeline: int, number: int, size: int) -> str:
    """The file name of a WAL segment."""
    per_id = (1 << 32) // size
    return f"{timeline:08X}{number // per_id:08X}{number % per_id:08X}"


class PhysicalEngine:
    """A whole PostgreSQL cluster."""

    def __init__(self, dsn: Dsn, options: Mapping[str, Any]) -> None:
        self.dsn = dsn if dsn.database else dsn.with_database("postgres")
        self.options = options
        self.client = Client(self.dsn, options)
        self.slot = str(options.get("slot", "backendhub"))
        if self.slot != "none" and not re.fullmatch(r"[a-z0-9_]{1,63}", self.slot):
            raise Invalid(
                f"{self.slot!r} is no name for a slot.", hint="a-z, 0-9 and _ only; slot=none: no WAL"
            )

    def test(self) -> list[Check]:
        """Rights, versions, wal_level and a bound on what an abandoned slot may keep."""
        try:
            server, _ = self.client.versions()
            settings: dict[str, str] = self.client.json(
                "SELECT json_object_agg(name, setting) FROM pg_settings WHERE name IN ('wal_level',"
                " 'max_wal_senders', 'max_slot_wal_keep_size', 'max_replication_slots', 'data_checksums')"
            )
            may = self.client.psql(
                "SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user"
            )
        except BackupError as problem:
            return [Check("connect", "error", problem.message, problem.hint)]
        text = output([self.client.program("pg_basebackup"), "--version"]).decode()
        ours = int(re.findall(r"\d+", text)[0])
        checks = [Check("connect", "ok", f"PostgreSQL {server} as {self.dsn.user or 'the current user'}")]
        checks.append(
            _check(
                "versions", ours >= server, f"pg_basebackup {ours}, server {server}", "Install a newer one."
            )
        )
        checks.append(_check("rights", may == "t", "REPLICATION", f"ALTER ROLE {self.dsn.user} REPLICATION;"))
        level = settings["wal_level"]
        checks.append(_check("wal_level", level != "minimal", level, "ALTER SYSTEM SET wal_level = replica;"))
        senders = int(settings["max_wal_senders"])
        checks.append(
            _check("max_wal_senders", senders > 0, str(senders), "ALTER SYSTEM SET max_wal_senders = 5;")
        )
        if self.slot != "none":
            checks += self._slot_checks(settings)
        if settings.get("data_checksums") == "off":
            text = "off: a page that rots on the server is not noticed there"
            checks.append(Check("data_checksums", "warning", text, "pg_checksums --enable"))
        return checks

    def _slot_checks(self, settings: Mapping[str, str]) -> list[Check]:
        kept = int(settings["max_slot_wal_keep_size"])
        hint = "ALTER SYSTEM SET max_slot_wal_keep_size = '20GB'; SELECT pg_reload_conf();"
        text = f"{kept} MB" if kept >= 0 else "unlimited: if backups stop, the slot fills the server's disk"
        checks = [_check("max_slot_wal_keep_size", kept >= 0, text, hint)]
        if (status := self._slot()) is not None:
            text = f"slot {self.slot}: WAL is {status}"
            hint = "Its WAL is gone: drop the slot and take a full backup."
            checks.append(_check("slot", status not in ("lost", "unreserved"), text, hint))
        return checks

    def _slot(self) -> str | None:
        sql = f"SELECT coalesce(wal_status, 'unknown') FROM pg_replication_slots WHERE slot_name = {literal(self.slot)}"
        return self.client.psql(sql) or None

    def dump(
        self,
        sink: Sink,
        *,
        type: Type = Type.FULL,
        since: Mapping[str, Any] | None = None,
        deadline: Deadline | None = None,
    ) -> Dump:
        """A base backup that can start by itself (`-X fetch`); creates the slot on its first run."""
        for check in self.test():
            if check.severity == "error":
                raise BackupError(f"{check.name}: {check.text}.", CANNOT_CONNECT, hint=check.hint)
        if self.slot != "none" and self._slot() is None:
            self.client.psql(f"SELECT pg_create_physical_replication_slot({literal(self.slot)}, true)")
        argv = [self.client.program("pg_basebackup"), "-Ft", "-X", "fetch", "-D", "-", "--checkpoint=fast"]
        argv += ["--no-password", "-v", "--label=backendhub", "-d", conninfo(self.dsn)]
        tail = b""
        with self.client.access() as access, sink.stream(STREAM, kind="pg-tar", page_size=8192) as writer:
            with Child(
                argv, doing="pg_basebackup", env=access.env, fds=access.fds, deadline=deadline, failed=_failed
            ) as child:
                for data in child.blocks():
                    tail = (tail + data)[-len(END) :]
                    writer.write(data)
                child.finish()
                said = child.stderr
            start, stop = START.search(said), STOP.search(said)
            if tail != END or start is None or stop is None:
                raise BackupError("pg_basebackup's tar is not complete.", SOURCE_FAILED, stderr=said)
            size = writer.offset
        return Dump(self._meta(start[1], stop[1], int(start[2]), size), self.inventory())

    def _meta(self, start: str, stop: str, timeline: int, size: int) -> dict[str, Any]:
        about = self._now()
        return {
            "engine": "postgres",
            "mode": "physical",
            "server": self.client.versions()[0],
            "bytes": size,
            "slot": self.slot,
            "start": start,
            "stop": stop,
            "system": about["system"],
            "position": {
                "timeline": timeline,
                "lsn": start,
                "time": about["time"],
                "system": about["system"],
            },
        }

    def _now(self) -> dict[str, Any]:
        with self.client.access() as access:
            argv = [self.client.program("psql"), "-XAtqw", "-F", "\x1f", "-c", "IDENTIFY_SYSTEM"]
            argv += ["-d", conninfo(self.dsn, replication="true")]
            said = output(argv, env=access.env, fds=access.fds, doing="Connecting for replication").decode()
        system, timeline = said.rstrip("\n").split("\x1f")[:2]
        now: dict[str, Any] = self.client.json(
            "SELECT json_build_object('lsn', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()"
            " ELSE pg_current_wal_flush_lsn() END, 'time', to_char(clock_timestamp() AT TIME ZONE 'UTC',"
            " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), 'segment', (SELECT setting::bigint FROM pg_settings"
            " WHERE name = 'wal_segment_size'))"
        )
        return now | {"system": system, "timeline": int(timeline)}

    def logs(self, since: Mapping[str, Any], *, deadline: Deadline | None = None) -> Iterator[Log]:
        """WAL segments since a position; the last may be unfinished and then comes again, longer."""
        position = dict(since.get("position", since))
        now = self._now()
        if position.get("system") != now["system"]:
            raise BackupError("The position is of another cluster.", 2, hint="Take a full backup first.")
        if self.slot != "none":
            self._advance(position["lsn"])
        if lsn(now["lsn"]) <= lsn(position["lsn"]):
            return
        with tempfile.TemporaryDirectory(prefix="backendhub-wal-") as name:
            folder = Path(name)
            self._receive(folder, position, now, deadline)
            yield from self._pieces(folder, now)

    def _advance(self, stored: str) -> None:
        self.client.psql(
            f"SELECT pg_replication_slot_advance(slot_name, {literal(stored)}) FROM pg_replication_slots"
            f" WHERE slot_name = {literal(self.slot)} AND NOT active AND restart_lsn < {literal(stored)}::pg_lsn"
        )

    def _receive(
        self, folder: Path, position: Mapping[str, Any], now: Mapping[str, Any], deadline: Deadline | None
    ) -> None:
        size = int(now["segment"])
        # A finished segment in the folder is where pg_receivewal goes on from, in every version; without the
        # slot's name it cannot move the slot before its WAL is stored.
        before = folder / segment_name(int(position["timeline"]), lsn(position["lsn"]) // size - 1, size)
        with before.open("wb") as file:
            file.truncate(size)
        argv = [self.client.program("pg_receivewal"), "-D", str(folder), "--no-loop", "--no-password"]
        # It stops once it is *past* the end position, so that asking for the very last byte would wait.
        argv += [f"--endpos={shown(lsn(now['lsn']) - 1)}", "--status-interval=1", "-d", conninfo(self.dsn)]
        with self.client.access() as access:
            output(
                argv, env=access.env, fds=access.fds, deadline=deadline, doing="pg_receivewal", failed=_failed
            )
        before.unlink()

    def _pieces(self, folder: Path, now: Mapping[str, Any]) -> Iterator[Log]:
        found = sorted(path for path in folder.iterdir() if SEGMENT.match(path.name))
        segments = [path for path in found if path.suffix != ".history"]
        if not segments or self._end(segments[-1], int(now["segment"])) < lsn(now["lsn"]):
            raise BackupError("The WAL received does not reach the position asked for.", SOURCE_FAILED)
        position = {key: now[key] for key in ("system", "lsn", "time", "timeline")}
        for path in found:
            unfinished = path.suffix == ".partial"
            with path.open("rb") as file:
                meta = {"engine": "postgres", "position": position, "complete": not unfinished}
                yield Log(path.name.removesuffix(".partial"), path.stat().st_size, file, meta)

    def _end(self, path: Path, size: int) -> int:
        number = int(path.name[8:16], 16) * ((1 << 32) // size) + int(path.name[16:24], 16)
        return (number + 1) * size

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
        """Into a data directory, replayed up to `at` and proven to start."""
        from .postgres_pitr import Recovery

        if target.engine != "sqlite":
            raise Invalid("A physical backup restores into a data directory.", hint="--out DIRECTORY")
        if tables:
            raise Invalid(
                "A physical backup restores whole.", hint="Dump the table from the restored server."
            )
        if at is not None and logs is None:
            raise Invalid("A point in time needs the WAL stored after the backup.")
        work = Recovery(source, self.options, deadline)
        return work.into(Path(target.path.expanduser().absolute()), at=at, logs=logs, replace=replace)

    def export(self, source: Source, path: Path) -> list[Path]:
        """The tar as pg_basebackup wrote it."""
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
        """Restores, compares every file with the backup's own manifest, starts it, reads every row."""
        from .postgres_pitr import drill

        return drill(source, self.options, sql=sql, keep=keep, deadline=deadline)

    def inventory(self) -> dict[str, dict[str, Any]]:
        """The databases of the cluster with their sizes."""
        found: dict[str, dict[str, Any]] = self.client.json(
            "SELECT json_object_agg(datname, json_build_object('kind', 'database', 'bytes',"
            " CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END)) FROM pg_database"
        )
        return found

    def is_empty(self, target: Dsn) -> bool:
        """A directory that does not exist or has nothing in it."""
        path = Path(target.path.expanduser().absolute())
        return not path.exists() or (path.is_dir() and not any(path.iterdir()))


def _check(name: str, good: bool, text: str, hint: str) -> Check:
    return Check(name, "ok" if good else "error", text, None if good else hint)


def _failed(doing: str, stderr: str, code: int) -> BackupError:
    from .child import source_failed

    problem = source_failed(doing, stderr, code)
    if "single tablespace" in stderr:
        problem.hint = "Clusters with further tablespaces need the logical mode."
    elif "has already been removed" in stderr:
        problem.hint = (
            "The server no longer has that WAL: take a full backup, and raise max_slot_wal_keep_size."
        )
    return problem
