"""A store on both engines, and the command line inside and outside this process."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid

import pytest

from backendhub.app.main import main
from backendhub.kit import clock, hub
from backendhub.kit.db import connect

SYSTEM = "guess"
SERVER = os.environ.get("BACKENDHUB_TEST_POSTGRES", "postgresql://postgres@127.0.0.1/postgres")


class Undo(Exception):
    """Takes back what a test wrote."""


@pytest.fixture(scope="session")
def postgres_url():
    psycopg = pytest.importorskip("psycopg")
    name = f"bh_{SYSTEM}_{uuid.uuid4().hex[:12]}"
    try:
        connection = psycopg.connect(SERVER, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as error:
        if os.environ.get("BACKENDHUB_TEST_REQUIRE_SERVICES") == "1":
            raise
        pytest.skip(f"no PostgreSQL server: {error}")
    with connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield SERVER.rsplit("/", 1)[0] + "/" + name
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def db(request):
    """One transaction on each engine, taken back at the end."""
    url = ":memory:" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    store = connect(url)
    store.use(SYSTEM)
    try:
        with store.transaction() as transaction:
            yield transaction
            raise Undo
    except Undo:
        pass
    finally:
        store.close()


@pytest.fixture
def environ(tmp_path, monkeypatch):
    """An empty home, a frozen clock."""
    monkeypatch.setenv("BACKENDHUB_DATABASE", str(tmp_path / "hub.db"))
    monkeypatch.setenv("BACKENDHUB_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("BACKENDHUB_NOW", "2026-01-05T09:00:00Z")
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture
def run(environ, capsys, monkeypatch):
    """Runs a command of the system in this process: (exit code, stdout, stderr)."""

    def call(*args, stdin=""):
        import io

        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        try:
            with clock.frozen("2026-01-05T09:00:00Z"):
                code = main([SYSTEM, *args])
        finally:
            hub.current().close()
            hub.install(None)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def shell(environ, tmp_path):
    """Runs `backendhub …` in a process of its own."""

    def call(*args, stdin=""):
        return subprocess.run(
            [sys.executable, "-m", "backendhub", *args],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            cwd=tmp_path,
        )

    return call
