"""Stores on both engines, the command line in this process and in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backendhub.app.main import main
from backendhub.kit import clock, hub
from backendhub.kit.db import Db, Store, connect

NOW = "2026-08-20T09:00:00Z"


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _still() -> Iterator[None]:
    with clock.frozen(NOW):
        yield


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A database of this process's own; skips where no server answers."""
    import psycopg

    server = os.environ.get("BACKENDHUB_TEST_POSTGRES", "postgresql:///postgres")
    try:
        admin = psycopg.connect(server, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        if os.environ.get("BACKENDHUB_TEST_REQUIRE_SERVICES") == "1":
            raise
        pytest.skip("no PostgreSQL server (BACKENDHUB_TEST_POSTGRES)")
    name = f"hub_expense_{os.getpid()}"
    with admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield server.rsplit("/", 1)[0] + f"/{name}"
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_store(postgres_url: str) -> Iterator[Store]:
    store = connect(postgres_url)
    store.use("expense")
    yield store
    store.close()


class _RollBack(Exception):
    """Takes a test's writes back."""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def db(request: pytest.FixtureRequest) -> Iterator[Db]:
    """A transaction in an empty store of each engine, taken back at the end."""
    if request.param == "postgres":
        store: Store = request.getfixturevalue("postgres_store")
    else:
        store = connect(":memory:")
        store.use("expense")
    try:
        with store.transaction() as db:
            yield db
            raise _RollBack
    except _RollBack:
        pass
    if request.param == "sqlite":
        store.close()


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """Runs `backendhub expense …` in this process, in a store of the test's own."""
    monkeypatch.setenv("BACKENDHUB_DATABASE", str(tmp_path / "hub.db"))
    monkeypatch.setenv("BACKENDHUB_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> Ran:
        capsys.readouterr()
        try:
            code = main(["expense", *args])
        finally:
            hub.current().close()
            hub.install(None)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., Ran]:
    """Runs `backendhub …` in a process of its own."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith("BACKENDHUB_")}
    env = keep | {"BACKENDHUB_DATABASE": str(tmp_path / "hub.db"), "BACKENDHUB_NOW": NOW, "TZ": "UTC"}

    def call(*args: str, stdin: str = "") -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "backendhub", *args],
            input=stdin.encode(),
            capture_output=True,
            env=env,
            cwd=tmp_path,
            timeout=60,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call
