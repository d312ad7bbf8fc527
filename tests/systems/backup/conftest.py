"""A small database to back up on each kind of server, a web hook that listens, a fake crontab."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passphrases that cost nothing; throwaway servers in memory where there is room."""
    from backendhub.systems.backup.repository import age

    monkeypatch.setattr(age, "WORK_FACTOR", 4)
    shared = Path("/dev/shm")
    if shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 4 << 30:
        monkeypatch.setattr(tempfile, "tempdir", str(shared))


class File:
    """An SQLite database with a table whose rows can be counted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sql("CREATE TABLE item (id INTEGER PRIMARY KEY, body TEXT)")
        self.add(200)

    def sql(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        db = sqlite3.connect(self.path, timeout=20)
        try:
            with db:
                return db.execute(text, values).fetchall()
        finally:
            db.close()

    def add(self, count: int) -> None:
        db = sqlite3.connect(self.path, timeout=20)
        with db:
            db.executemany(
                "INSERT INTO item (body) VALUES (?)", [(os.urandom(400).hex(),) for _ in range(count)]
            )
        db.close()

    def rows(self, path: Path | None = None) -> int:
        db = sqlite3.connect(path or self.path)
        try:
            return int(db.execute("SELECT count(*) FROM item").fetchone()[0])
        finally:
            db.close()


@pytest.fixture
def file(tmp_path: Path) -> File:
    """`shop.db` with 200 rows."""
    return File(tmp_path / "shop.db")


@pytest.fixture
def make_file() -> Callable[[Path], File]:
    """Another one elsewhere."""
    return File


@pytest.fixture
def shop(file: File, cli: Callable[..., Any]) -> File:
    """A repository, and `shop.db` in it as a target."""
    assert cli("backup", "init").code == 0
    assert cli("backup", "add", "shop", str(file.path)).code == 0
    return file


class Server:
    """A database of its own on a real server."""

    def __init__(self, base: str, argv: list[str], flag: str, admin: list[str]) -> None:
        self.base, self.argv, self.flag, self.admin = base, argv, flag, admin
        self.names: list[str] = []

    def new(self, *, create: bool = True) -> str:
        name = f"hubtest_{uuid.uuid4().hex[:10]}"
        self.names.append(name)
        if create:
            self.sql(f"CREATE DATABASE {name};", None)
        return name

    def dsn(self, name: str) -> str:
        return f"{self.base}/{name}"

    def sql(self, text: str, name: str | None) -> str:
        where = [self.flag, name] if name and self.flag else [name] if name else self.admin
        done = subprocess.run([*self.argv, *where], input=text, text=True, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def close(self) -> None:
        for name in self.names:
            self.sql(f"DROP DATABASE IF EXISTS {name};", None)


def _server(variable: str, default: int, client: str, make: Callable[[int], Server]) -> Iterator[Server]:
    port = int(os.environ.get(variable) or default)
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        why = "" if shutil.which(client) else f"no {client}"
    except OSError as error:
        why = str(error)
    if why:
        text = f"the server at 127.0.0.1:{port} ({variable}) cannot be used: {why}"
        if os.environ.get("BACKENDHUB_TEST_REQUIRE_SERVICES") == "1":
            pytest.fail(text, pytrace=False)
        pytest.skip(text)
    server = make(port)
    yield server
    server.close()


@pytest.fixture
def postgres() -> Iterator[Server]:
    """PostgreSQL as postgres."""

    def make(port: int) -> Server:
        argv = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h127.0.0.1", f"-p{port}", "-Upostgres"]
        return Server(f"postgresql://postgres@127.0.0.1:{port}", argv, "-d", ["-d", "postgres"])

    yield from _server("BACKENDHUB_TEST_POSTGRES_PORT", 5432, "psql", make)


@pytest.fixture
def mariadb() -> Iterator[Server]:
    """MariaDB as root."""

    def make(port: int) -> Server:
        argv = ["mariadb", "-h127.0.0.1", f"-P{port}", "-uroot", "-N", "--batch"]
        return Server(f"mariadb://root@127.0.0.1:{port}", argv, "", [])

    yield from _server("BACKENDHUB_TEST_MARIADB_PORT", 3306, "mariadb", make)


class Hook:
    """A web server that writes down what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.status = 200
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                hook.calls.append((self.path, body))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


@pytest.fixture
def hook() -> Iterator[Hook]:
    """See Hook."""
    made = Hook()
    yield made
    made.close()


@pytest.fixture
def crontab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a fake `crontab` in PATH reads and writes."""
    table, folder = tmp_path / "crontab.txt", tmp_path / "bin"
    folder.mkdir()
    script = folder / "crontab"
    script.write_text(
        f'#!/bin/sh\nif [ "$1" = "-l" ]; then cat "{table}" 2>/dev/null || {{ echo "no crontab for you" >&2; exit 1; }}\n'
        f'else cat > "{table}"; fi\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return table


@pytest.fixture
def events() -> Callable[[str], list[dict[str, Any]]]:
    """The NDJSON events of an output."""
    return lambda text: [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A PostgreSQL cluster of its own that WAL can be fetched from."""
    from backendhub.systems.backup.engines.postgres_client import find_program, server_account
    from backendhub.systems.backup.engines.postgres_cluster import Cluster

    if not shutil.which(find_program("initdb", {})):
        if os.environ.get("BACKENDHUB_TEST_REQUIRE_SERVICES") == "1":
            pytest.fail("no initdb", pytrace=False)
        pytest.skip("no initdb")
    folder = Path(tempfile.mkdtemp(prefix="hubtest-"))  # pytest's own is closed to the server's account
    folder.chmod(0o755)
    try:
        if account := server_account():
            shutil.chown(folder, account)
        made = Cluster(folder, folder / "data", major=0, options={})
        made.init()
        with (made.data / "postgresql.conf").open("a") as settings:
            settings.write("wal_level = replica\nmax_slot_wal_keep_size = '1GB'\nfsync = off\n")
        with made:
            made.start()
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a place in a bucket of a server that speaks S3."""
    pytest.importorskip("obstore", reason="the extra `objects` is not installed")
    server_module = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    import warnings

    server = server_module.ThreadedMotoServer(port=0, verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server.start()
    host, port = server.get_host_and_port()
    names = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    names |= {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ALLOW_HTTP": "true"}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    import urllib.request

    name = f"bucket-{uuid.uuid4().hex[:8]}"
    urllib.request.urlopen(
        urllib.request.Request(f"http://{host}:{port}/{name}", method="PUT"), timeout=10
    ).close()
    yield f"s3://{name}/some/prefix"
    server.stop()
