"""A sink and a source in memory, and the throwaway databases of the real servers."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from backendhub.systems.backup.engines.base import parse_dsn
from backendhub.systems.backup.engines.postgres_client import find_program, server_account
from backendhub.systems.backup.engines.postgres_cluster import Cluster


class Stored:
    """Sink and Source at once: what an engine writes is what it restores from."""

    def __init__(self) -> None:
        self.streams: dict[str, bytes] = {}
        self.kinds: dict[str, tuple[str, int | None]] = {}
        self.meta: Mapping[str, Any] = {}
        self.open_now: str | None = None
        self.reads: list[tuple[str, int, int | None]] = []

    @contextmanager
    def stream(self, name: str, *, kind: str = "bytes", page_size: int | None = None) -> Iterator[Any]:
        assert self.open_now is None, "streams are written one after another"
        assert name not in self.streams
        self.open_now = name
        writer = _Writer()
        try:
            yield writer
            self.streams[name] = bytes(writer.data)
            self.kinds[name] = (kind, page_size)
        finally:
            self.open_now = None

    def names(self) -> list[str]:
        return list(self.streams)

    def size(self, name: str) -> int:
        return len(self.streams[name])

    @contextmanager
    def open(self, name: str, *, start: int = 0, length: int | None = None) -> Iterator[Any]:
        self.reads.append((name, start, length))
        end = None if length is None else start + length
        yield io.BytesIO(self.streams[name][start:end])


class _Writer:
    def __init__(self) -> None:
        self.data = bytearray()

    @property
    def offset(self) -> int:
        return len(self.data)

    def write(self, data: bytes | memoryview) -> None:
        self.data += data


@pytest.fixture(autouse=True)
def fast_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Throwaway servers in memory where there is room: their fsyncs are what takes the time."""
    shared = Path("/dev/shm")
    if shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 4 << 30:
        monkeypatch.setattr(tempfile, "tempdir", str(shared))


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def new_stored() -> type[Stored]:
    return Stored


@pytest.fixture
def sha() -> Callable[[bytes], str]:
    return lambda data: hashlib.sha256(data).hexdigest()


def _absent(why: str) -> None:
    if os.environ.get("BACKENDHUB_TEST_REQUIRE_SERVICES") == "1":
        pytest.fail(why)
    pytest.skip(why)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


class Server:
    """A real server: SQL through its own client, databases that are dropped at the end."""

    def __init__(self, scheme: str, user: str, port: int) -> None:
        self.scheme, self.user, self.port = scheme, user, port
        self.made: list[str] = []

    def dsn(self, name: str) -> Any:
        return parse_dsn(f"{self.scheme}://{self.user}@127.0.0.1:{self.port}/").with_database(name)

    def database(self, suffix: str = "") -> str:
        name = f"hubtest_{uuid.uuid4().hex[:10]}{suffix}"
        self.sql(f"CREATE DATABASE {self.quoted(name)}")
        self.made.append(name)
        return name

    def name(self, suffix: str = "") -> str:
        """A name that will be dropped but does not exist yet."""
        self.made.append(f"hubtest_{uuid.uuid4().hex[:10]}{suffix}")
        return self.made[-1]

    def quoted(self, name: str) -> str:
        mark = '"' if self.scheme == "postgresql" else "`"
        return mark + name.replace(mark, mark * 2) + mark

    def sql(self, text: str, database: str = "") -> str:
        if self.scheme == "postgresql":
            quoted = (database or "postgres").replace("\\", "\\\\").replace("'", "\\'")
            where = f"host=127.0.0.1 port={self.port} user={self.user} dbname='{quoted}'"
            argv = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", where]
        else:
            argv = ["mariadb", "-h127.0.0.1", f"-P{self.port}", f"-u{self.user}", "-N", "--batch"]
            argv += ["--default-character-set=utf8mb4", f"--database={database}"]
        done = subprocess.run(argv, input=text.encode(), capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().rstrip("\n")

    def close(self) -> None:
        for name in self.made:
            force = " WITH (FORCE)" if self.scheme == "postgresql" else ""
            self.sql(f"DROP DATABASE IF EXISTS {self.quoted(name)}{force}")


def _server(scheme: str, user: str, port: int, client: str) -> Iterator[Server]:
    if not _listens(port) or shutil.which(client) is None:
        _absent(f"no {scheme} server on 127.0.0.1:{port}, or no {client}")
    server = Server(scheme, user, port)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The random marks in the names of databases made aside: other tests make theirs at the same time."""
    made: list[str] = []
    real = uuid.uuid4

    def noted() -> uuid.UUID:
        fresh = real()
        made.append(fresh.hex[:12])
        return fresh

    monkeypatch.setattr(uuid, "uuid4", noted)
    return made


@pytest.fixture
def pg() -> Iterator[Server]:
    port = int(os.environ.get("BACKENDHUB_TEST_POSTGRES_PORT") or 5432)
    yield from _server("postgresql", "postgres", port, "psql")


@pytest.fixture
def maria() -> Iterator[Server]:
    port = int(os.environ.get("BACKENDHUB_TEST_MARIADB_PORT") or 3306)
    yield from _server("mariadb", "root", port, "mariadb")


@pytest.fixture
def server_type() -> type[Server]:
    return Server


@pytest.fixture
def folder_for_servers(fast_scratch: None) -> Iterator[Path]:
    """A directory that an unprivileged account can reach: pytest's own is 0700."""
    path = Path(tempfile.mkdtemp(prefix="hubtest-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def cluster(folder_for_servers: Path) -> Iterator[Cluster]:
    if not shutil.which(find_program("initdb", {})):
        _absent("no initdb")
    folder = folder_for_servers / "primary"
    folder.mkdir(mode=0o755)
    if account := server_account():
        shutil.chown(folder, account)
    made = Cluster(folder, folder / "data", major=0, options={})
    made.init()
    with (made.data / "postgresql.conf").open("a") as file:
        file.write("wal_level = replica\nmax_slot_wal_keep_size = '1GB'\nfull_page_writes = on\n")
    with made:
        made.start()
        yield made
