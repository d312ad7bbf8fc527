"""Databases and servers that end in the middle of everything: what was acknowledged is there once, and only once."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import psycopg
import pytest

from backendhub.systems.backup.engines.postgres_client import find_program, server_account
from backendhub.systems.backup.engines.postgres_cluster import Cluster

KILLS = int(os.environ.get("BACKENDHUB_TEST_KILLS", "4"))
"""How often the server is killed on each engine; 50 by hand before a release."""


@pytest.fixture
def cluster(services: Any) -> Iterator[Cluster]:
    """A PostgreSQL of this test's own, with a plain role `app` that owns one schema and nothing else."""
    if not shutil.which(find_program("initdb", {})):
        services.postgres()
        pytest.skip("there is no initdb to make a PostgreSQL with")
    base = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="hubtest-", dir=base))
    folder.chmod(0o755)
    if account := server_account():
        shutil.chown(folder, account)
    made = Cluster(folder, folder / "data", major=0, options={})
    try:
        made.init()
        with (made.data / "postgresql.conf").open("a") as file:
            file.write("synchronous_commit = on\nmax_connections = 60\n")
        with made:
            made.start()
            with psycopg.connect(f"postgresql://postgres@/postgres?host={folder}", autocommit=True) as admin:
                admin.execute("CREATE ROLE app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE")
                admin.execute("CREATE DATABASE shop")
                admin.execute("REVOKE ALL ON DATABASE shop FROM PUBLIC")
                admin.execute("GRANT CONNECT ON DATABASE shop TO app")
            with psycopg.connect(f"postgresql://postgres@/shop?host={folder}", autocommit=True) as admin:
                admin.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
                admin.execute("CREATE SCHEMA app AUTHORIZATION app")
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def url_of(cluster: Cluster) -> str:
    return f"postgresql://app@/shop?host={cluster.folder}&options={quote('-csearch_path=app')}"


class Load:
    """Parallel clients that write, each write with a name of its own, and note what they were told."""

    def __init__(self, url: str, clients: int = 8) -> None:
        self.url = url
        self.sent: set[str] = set()
        self.acknowledged: list[tuple[str, float]] = []
        self.refused: list[httpx.Response] = []
        self.broken: list[str] = []  # no answer at all: the server was killed
        self.other: list[str] = []
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._client) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def _client(self) -> None:
        with httpx.Client(base_url=self.url, timeout=20) as http:
            while not self.ended.is_set():
                name = uuid4().hex
                self.sent.add(name)
                try:
                    answer = http.post("/tasks", json={"description": name})
                    read = http.get("/tasks?limit=1")
                except httpx.HTTPError as error:
                    self.broken.append(type(error).__name__)
                    return
                if answer.status_code == 201:
                    self.acknowledged.append((name, time.monotonic()))
                elif answer.status_code == 503:
                    self.refused.append(answer)
                    time.sleep(0.05)
                else:
                    self.other.append(answer.text)
                if read.status_code not in (200, 503):
                    self.other.append(read.text)

    def until_refused(self, more_than: int) -> None:
        """Waits for a write that is told to come again."""
        deadline = time.monotonic() + 20
        while len(self.refused) <= more_than:
            assert time.monotonic() < deadline, self.other[:3]
            time.sleep(0.01)

    def until(self, count: int, seconds: float = 20) -> None:
        """Waits for so many more acknowledged writes."""
        wanted, deadline = len(self.acknowledged) + count, time.monotonic() + seconds
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, (len(self.acknowledged), wanted, self.other[:3])
            time.sleep(0.01)

    def end(self) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()


def judge(load: Load, rows: list[str]) -> None:
    """Every acknowledged write is there once, and nothing is there twice."""
    found = Counter(rows)
    lost = [name for name, _ in load.acknowledged if name not in found]
    assert lost == []
    assert [name for name, count in found.items() if count > 1] == []
    assert set(found) <= load.sent


@pytest.mark.postgres
def test_a_restart_of_postgres_loses_and_doubles_nothing(serve: Callable[..., Any], cluster: Cluster) -> None:
    server = serve("task", "--database", url_of(cluster), "--log-format", "none")
    load = Load(server.url)
    recovered = []
    try:
        load.until(100)
        for mode in ("fast", "immediate", "fast"):
            cluster.stop(mode=mode)
            before = len(load.refused)
            load.until_refused(before)
            assert server.http.get("/readyz").status_code == 503
            cluster.start()
            began = time.monotonic()
            load.until(50)
            recovered.append(time.monotonic() - began)
            assert server.http.get("/readyz").text == "ok\n"
    finally:
        load.end()
    assert load.other == [] and load.broken == []
    assert {answer.headers.get("retry-after") for answer in load.refused} == {"1"}
    assert {answer.json()["code"] for answer in load.refused} == {"store"}
    assert max(recovered) < 10, recovered
    with psycopg.connect(url_of(cluster)) as connection:
        judge(load, [row[0] for row in connection.execute("SELECT description FROM task").fetchall()])


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_killing_the_server_under_load_loses_no_acknowledged_write(
    serve: Callable[..., Any], tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    store = str(tmp_path / "store.db") if engine == "sqlite" else request.getfixturevalue("postgres_url")
    acknowledged = 0
    everything = Load.__new__(Load)
    everything.sent, everything.acknowledged = set(), []
    for kill in range(KILLS):
        server = serve("task", "--database", store, "--log-format", "none")
        load = Load(server.url, clients=6)
        load.until(20 + 7 * (kill % 5))  # at another moment each time
        server.stop(signal.SIGKILL)
        load.end()
        assert load.other == [] and load.refused == []
        everything.sent |= load.sent
        everything.acknowledged += load.acknowledged
        acknowledged += len(load.acknowledged)
    if engine == "sqlite":
        with sqlite3.connect(store) as file:
            rows = [row[0] for row in file.execute("SELECT description FROM task")]
            assert file.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        file.close()
    else:
        with psycopg.connect(store) as connection:
            rows = [row[0] for row in connection.execute("SELECT description FROM task").fetchall()]
    judge(everything, rows)
    assert acknowledged >= 20 * KILLS
