"""A throwaway MariaDB server: for drills, and to replay binlogs where a stray statement can hurt nobody."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any

from backendhub.systems.backup.models import CANNOT_CONNECT, CORRUPT, SOURCE_FAILED, BackupError, Check
from backendhub.systems.backup.streams import Reader, Source

from .base import Deadline, Drill, Dsn
from .child import BLOCK, Child, last_lines, output
from .mariadb_client import Client, failed, literal, utc_environment
from .mariadb_restore import Restore

STREAM = "dump.sql"
FIRST = re.compile(rb"^-- (Table|Sequence|Temporary table) structure for |^-- Dumping (events|routines) for ")
GTID = b"-- The deferred gtid setting for slave"
START_SECONDS = 60.0


class Server:
    """mariadbd over a fresh data directory, on a socket in a private directory."""

    def __init__(self, folder: Path, options: Mapping[str, Any], deadline: Deadline | None) -> None:
        self.folder, self.options, self.deadline = folder, options, deadline
        self.account = _account()
        self.log = folder / "server.log"
        self.child: Child | None = None

    def client(self, database: str = "") -> Client:
        """A client of this server, apart from the user's option files and the source's password."""
        dsn = Dsn("mariadb", "mariadb", database, str(self.folder / "s"), None, "root")
        kept = {key: value for key, value in self.options.items() if key == "bin_dir"}
        return Client(dsn, kept | {"no_defaults": True})

    def start(self, *settings: str) -> None:
        """Makes the data directory and waits for the server to answer."""
        data = self.folder / "data"
        # A server that starts deletes every `#sql…` file of its tmpdir: those of another server too, if they share it.
        scratch = self.folder / "tmp"
        scratch.mkdir(mode=0o700)
        if self.account:
            shutil.chown(scratch, self.account)
        install = _program(("mariadb-install-db", "mysql_install_db"))
        words = [
            "--no-defaults",
            f"--datadir={data}",
            f"--tmpdir={scratch}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]
        words += [f"--user={self.account}"] if self.account else []
        output([install, *words], doing="mariadb-install-db", deadline=self.deadline)
        argv = [
            _program(("mariadbd", "mysqld")),
            "--no-defaults",
            f"--datadir={data}",
            f"--tmpdir={scratch}",
            f"--socket={self.folder / 's'}",
        ]
        argv += ["--skip-networking", f"--log-error={self.log}", f"--pid-file={self.folder / 'pid'}"]
        argv += ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--event-scheduler=OFF"]
        argv += [
            "--max-allowed-packet=1G",
            "--log-bin-trust-function-creators=1",
            "--character-set-server=utf8mb4",
        ]
        argv += [f"--user={self.account}"] if self.account else []
        argv += settings
        self.child = Child(argv, doing="mariadbd", stdout=False, deadline=Deadline())
        patience = Deadline.after(START_SECONDS)
        while True:
            try:
                self.client().sql("SELECT 1")
            except BackupError:
                said = last_lines(self.log.read_text("utf-8", "replace")) if self.log.exists() else ""
                if not self.child.running() or patience.remaining() == 0:
                    raise BackupError(f"mariadbd did not start: {said}", SOURCE_FAILED) from None
                time.sleep(0.1)
            else:
                return

    def stop(self) -> None:
        """Ends it; nothing in it is kept."""
        if self.child is not None:
            self.child.stop(grace=20)
            self.child.__exit__(None, None, None)

    def definers(self, listed: Sequence[str]) -> None:
        """Creates the accounts in whose name views and triggers run, without which views cannot be read."""
        for text in listed:
            user, _, host = text.rpartition("@")
            self.client().sql(
                f"EXECUTE IMMEDIATE concat('CREATE USER IF NOT EXISTS ', quote({literal(user)}), '@', quote({literal(host)}));"
                f"EXECUTE IMMEDIATE concat('GRANT ALL ON *.* TO ', quote({literal(user)}), '@', quote({literal(host)}));"
            )


def _program(names: tuple[str, ...]) -> str:
    for name in names:
        for path in (shutil.which(name), f"/usr/sbin/{name}", f"/usr/libexec/{name}"):
            if path and Path(path).exists():
                return path
    raise BackupError(
        f"{names[0]} is not installed.", CANNOT_CONNECT, hint="Install mariadb-server on this host."
    )


def _account() -> str | None:
    if not hasattr(os, "getuid") or os.getuid() != 0:
        return None
    import pwd

    for name in ("mysql", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    return None


@contextmanager
def throwaway(
    options: Mapping[str, Any],
    deadline: Deadline | None,
    *,
    keep: Path | None = None,
    settings: Sequence[str] = (),
) -> Iterator[Server]:
    """A started server in a directory that goes away with it, unless it is to be kept."""
    folder = Path(tempfile.mkdtemp(prefix="hubdrill-")) if keep is None else keep
    folder.mkdir(mode=0o700, exist_ok=True)
    server = Server(folder, options, deadline)
    if server.account:
        shutil.chown(folder, server.account)
    try:
        server.start(*settings)
        yield server
    finally:
        server.stop()
        if keep is None:
            shutil.rmtree(folder)


def _restored(source: Source, server: Server, deadline: Deadline | None) -> Client:
    """The dump under its own name, as `USE` and qualified names in it and in binlogs expect."""
    client = server.client(source.meta["database"]["name"])
    server.definers(source.meta["definers"])
    Restore(source, client, deadline).database(replace=False)
    return client


def drill(
    source: Source,
    options: Mapping[str, Any],
    *,
    sql: Sequence[str],
    keep: Path | None,
    deadline: Deadline | None,
) -> Drill:
    """Restores, dumps again and compares line by line."""
    from .mariadb import MariadbEngine

    with throwaway(options, deadline, keep=keep) as server:
        version = server.client().value("SELECT version()")
        try:
            client = _restored(source, server, deadline)
        except BackupError as problem:
            return Drill([f"restore: {problem.message}"], 0, version)
        engine = MariadbEngine(client.dsn, client.options)
        with (
            client.command("dump", *engine.words(), "--", client.dsn.database) as (argv, fds),
            Child(argv, doing="mariadb-dump", fds=fds, deadline=deadline, failed=failed) as child,
            source.open(STREAM) as reader,
        ):
            findings, compared = _compare(reader, child)
            if not findings:
                child.finish()
        checks = [_check(client, text) for text in sql]
        return Drill(findings, compared, version, checks)


def _compare(reader: Reader, child: Child) -> tuple[list[str], int]:
    compared = 0
    stored = _lines(iter(lambda: reader.read(BLOCK), b""))
    for number, (was, now) in enumerate(zip_longest(stored, _lines(child.blocks())), 1):
        compared += len(was or b"")
        if was != now:
            shown = (was or b"(end)")[:80].decode("utf-8", "replace")
            return [f"line {number} of the dump differs: stored {shown!r}"], compared
    return [], compared


def _lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a dump without its comments on where it is from: host, versions, binlog position, GTID."""
    preamble, blank, gtid = True, False, False
    for line in _split(blocks):
        preamble = preamble and not FIRST.match(line)
        if preamble:
            if line and not line.startswith(b"--"):
                yield line
            continue
        # A server with GTIDs adds a block of comments near the end, which a throwaway server has not.
        gtid = line.startswith(GTID) or (gtid and not line.startswith(b"/*!"))
        if blank and not gtid:
            yield b""
        blank = not line and not gtid
        if line and not gtid:
            yield line
    if blank:
        yield b""


def _split(blocks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for data in blocks:
        *whole, rest = (rest + data).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _check(client: Client, statement: str) -> Check:
    try:
        rows = client.sql(statement + ";", database=client.dsn.database)
    except BackupError as problem:
        return Check(statement, "error", problem.message)
    answer = rows[0][0] if rows else ""
    return Check(statement, "ok" if answer not in ("", "0", "NULL") else "error", f"gives {answer!r}")


class _Spool:
    """A dump in a file, as a source."""

    def __init__(self, path: Path, meta: Mapping[str, Any]) -> None:
        self.path, self.meta = path, meta

    def names(self) -> list[str]:
        """The one stream."""
        return [STREAM]

    def size(self, name: str) -> int:
        """Its length."""
        return self.path.stat().st_size

    @contextmanager
    def open(self, name: str, *, start: int = 0, length: int | None = None) -> Iterator[Any]:
        """A range of it."""
        with self.path.open("rb") as file:
            file.seek(start)
            yield file if length is None else _Limited(file, length)

    @contextmanager
    def stream(self, name: str, **_: Any) -> Iterator[Any]:
        """Writes it."""
        with self.path.open("wb") as file:
            yield _Counting(file)


class _Limited:
    """A reader that ends after so many bytes."""

    def __init__(self, file: Any, left: int) -> None:
        self.file, self.left = file, left

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes of what is left."""
        data: bytes = self.file.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(data)
        return data


class _Counting:
    """A writer that knows its offset."""

    def __init__(self, file: Any) -> None:
        self.file, self.offset = file, 0

    def write(self, data: bytes | memoryview) -> None:
        """Appends."""
        self.file.write(data)
        self.offset += len(data)


@contextmanager
def replayed(
    source: Source,
    options: Mapping[str, Any],
    *,
    at: datetime | None,
    logs: Source,
    deadline: Deadline | None,
) -> Iterator[Source]:
    """The dump as it would be at a time: restored into a throwaway, binlogs applied, dumped again.

    A throwaway, because a statement in a binlog may name its database in full: replayed on a live server it
    would change the live data.
    """
    from .mariadb import MariadbEngine

    position = source.meta.get("position")
    if not position:
        raise BackupError("That backup has no binlog position.", 2, hint="Restore the snapshot without --at.")
    # The name of a binlog is a counter of fixed width until it overflows, so length sorts first.
    chosen = sorted(logs.names(), key=lambda name: (len(name), name))
    chosen = [name for name in chosen if (len(name), name) >= (len(position["file"]), position["file"])]
    if not chosen or chosen[0] != position["file"]:
        raise BackupError(f"The binlog {position['file']} is not among those stored.", CORRUPT)
    with throwaway(options, deadline) as server:
        client = _restored(source, server, deadline)
        folder = server.folder / "binlogs"
        folder.mkdir()
        paths = [_spooled(logs, name, folder) for name in chosen]
        _apply(client, paths, int(position["pos"]), at, deadline)
        spool = _Spool(server.folder / "replayed.sql", {})
        spool.meta = MariadbEngine(client.dsn, client.options).dump(spool, deadline=deadline).meta
        yield spool


def _spooled(logs: Source, name: str, folder: Path) -> Path:
    if "/" in name or name.startswith("."):
        raise BackupError(f"{name!r} is no name of a binlog.", CORRUPT)
    path = folder / name
    with logs.open(name) as reader, path.open("xb") as file:
        while data := reader.read(BLOCK):
            file.write(data)
    return path


def _apply(
    client: Client, paths: Sequence[Path], start: int, at: datetime | None, deadline: Deadline | None
) -> None:
    argv = [client.program("binlog"), "--no-defaults", f"--start-position={start}"]
    argv += [f"--database={client.dsn.database}", "--verify-binlog-checksum", "--disable-log-bin"]
    if at is not None:
        # Events carry whole seconds: everything of the second asked for is included.
        end = at.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        argv.append(f"--stop-datetime={end:%Y-%m-%d %H:%M:%S}")
    with Child(
        [*argv, "--", *map(str, paths)], doing="mariadb-binlog", env=utc_environment(), deadline=deadline
    ) as child:
        client.load(client.dsn.database, [_Blocks(child)], deadline)
        child.finish()


class _Blocks:
    """A child's output as a reader."""

    def __init__(self, child: Child) -> None:
        self.child = child

    def read(self, size: int = -1, /) -> bytes:
        """The next piece."""
        return self.child.read(BLOCK if size < 0 else size)
