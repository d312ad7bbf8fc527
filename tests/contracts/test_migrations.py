"""Migrations: once, whole or not at all, whoever comes first, and never backwards."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from backendhub.kit.db import Db, Store, connect, migrate, status
from backendhub.kit.db.migrate import changed, files, register, statements
from backendhub.kit.errors import StoreError

GOOD = "CREATE TABLE probe (id {pk}, body TEXT);\n-- undo: probe\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The migrations folder of a system called `probe`."""
    place = tmp_path / "migrations"
    place.mkdir()
    (place / "0001_init.sql").write_text(GOOD)
    register("probe", place)
    files.cache_clear()
    return place


def add(folder: Path, name: str, sql: str) -> None:
    (folder / name).write_text(sql)
    files.cache_clear()


def tables(db: Db) -> set[str]:
    sql = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
        "postgres": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
    }
    return {row[0] for row in db.fetch(sql[db.dialect], {})}


def test_they_are_applied_when_their_system_is_first_used(store: Store, folder: Path) -> None:
    assert "probe" not in store.read(tables)
    store.use("probe")
    assert "probe" in store.read(tables)
    assert store.unit(migrate, "probe") == []


def test_the_record_has_the_hash_of_the_file(store: Store, folder: Path) -> None:
    store.use("probe")
    recorded = store.read(lambda db: db.value("SELECT hash FROM hub_migrations WHERE system = 'probe'"))
    assert recorded == status_of(store)[0].hash
    assert store.read(changed, "probe") == []
    add(folder, "0001_init.sql", GOOD + "-- a word more\n")
    assert store.read(changed, "probe") == ["0001_init.sql"]


def status_of(store: Store) -> list[Any]:
    return store.read(status, "probe")


def test_only_the_files_of_this_engine_are_applied(store: Store, folder: Path) -> None:
    add(folder, "0002_kind.sqlite.sql", "CREATE TABLE probe_lite (x TEXT);")
    add(folder, "0002_kind.postgres.sql", "CREATE TABLE probe_big (x TEXT);")
    store.use("probe")
    expected = {"sqlite": "probe_lite", "postgres": "probe_big"}[store.dialect]
    assert {t for t in store.read(tables) if t.startswith("probe_")} == {expected}


def test_a_later_file_is_applied_to_a_store_that_has_the_earlier_ones(
    store: Store, store_url: str, folder: Path
) -> None:
    store.use("probe")
    store.unit(lambda db: db.run("INSERT INTO probe (body) VALUES (:b)", b="x"))
    add(folder, "0002_more.sql", "ALTER TABLE probe ADD COLUMN more TEXT NOT NULL DEFAULT 'm';")
    again = connect(store_url)
    try:
        again.use("probe")
        assert again.read(lambda db: db.value("SELECT more FROM probe")) == "m"
        # The undo journal writes the new column too.
        again.label = "probe touch"
        again.unit(lambda db: db.run("UPDATE probe SET more = 'n'"))
        assert '"more"' in again.read(lambda db: db.value("SELECT new FROM hub_journal"))
    finally:
        again.close()


def test_one_that_fails_leaves_nothing(store: Store, folder: Path) -> None:
    add(folder, "0002_bad.sql", "CREATE TABLE probe_half (x TEXT);\nINSERT INTO nowhere VALUES (1);")
    store.use("probe")
    with pytest.raises(StoreError):
        store.unit(lambda db: None)
    store.systems.remove("probe")
    assert not {t for t in store.read(tables) if t.startswith("probe")}
    assert store.read(lambda db: db.value("SELECT count(*) FROM hub_migrations WHERE system = 'probe'")) == 0


def test_a_store_of_a_newer_version_is_not_touched(store: Store, store_url: str, folder: Path) -> None:
    store.use("probe")
    store.unit(
        lambda db: db.run(
            "INSERT INTO hub_migrations (system, number, name, hash, applied_at) VALUES ('probe', 9, 'x', 'x', 'x')"
        )
    )
    again = connect(store_url)
    again.use("probe")
    try:
        with pytest.raises(StoreError, match=r"newer version.*schema 9, this version knows 1") as error:
            again.unit(lambda db: None)
        assert error.value.exit_code == 7
    finally:
        again.close()


def test_a_file_with_another_name_is_refused(folder: Path) -> None:
    add(folder, "init.sql", "SELECT 1;")
    with pytest.raises(StoreError, match="not named like a migration"):
        files("probe", "sqlite")


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_statements_are_split_where_they_end(dialect: str) -> None:
    sql = "-- a comment; with a semicolon\nCREATE TABLE a (x TEXT DEFAULT ';');\n\nCREATE TABLE b (id {pk});\n-- end"
    assert [s.split("\n")[-1][:14] for s in statements(sql, dialect)] == ["CREATE TABLE a", "CREATE TABLE b"]


def test_bodies_stay_whole() -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  SELECT 1;\n  SELECT 2;\nEND;"
    assert statements(trigger + "\nCREATE TABLE b (x TEXT);", "sqlite") == [
        trigger,
        "CREATE TABLE b (x TEXT);",
    ]
    function = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\n  SELECT 1; SELECT 2;\n$$;"
    assert statements(function + "\nSELECT 1;", "postgres") == [function, "SELECT 1;"]


FIRST_USE = """
import sys
from backendhub.kit.db import connect
from backendhub.systems.task import service
store = connect(sys.argv[1])
store.use("task")
sys.stdin.readline()
store.unit(service.add, description="from " + sys.argv[2])
store.close()
"""


def test_ten_processes_may_be_first_at_once(store_url: str) -> None:
    """On a store that does not exist: every one succeeds, and each migration is applied once."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST_USE, store_url, str(n)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for n in range(10)
    ]
    for process in processes:  # all are waiting for this line
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    results = [(process.communicate(timeout=120)[1].decode(), process.returncode) for process in processes]
    assert results == [("", 0)] * 10
    store = connect(store_url)
    try:
        assert store.read(lambda db: db.value("SELECT count(*) FROM task")) == 10
        applied = store.read(
            lambda db: db.fetch(
                "SELECT system, count(*), count(DISTINCT number) FROM hub_migrations GROUP BY system", {}
            )
        )
        assert applied
        assert all(count == numbers for _, count, numbers in applied)
    finally:
        store.close()


def test_a_server_of_little_patience_waits_for_another_that_migrates(folder: Path, tmp_path: Path) -> None:
    """Two workers that begin together: the second's first request, which only reads, was a 503."""
    store = connect(str(tmp_path / "hub.db"))
    other = sqlite3.connect(tmp_path / "hub.db", isolation_level=None, check_same_thread=False)
    try:
        store.patience(20)
        store.use("probe")
        other.execute("BEGIN IMMEDIATE")
        Timer(0.15, other.execute, ["COMMIT"]).start()
        assert "probe" in store.read(tables)
        assert store.read(lambda db: db.value("PRAGMA busy_timeout")) == 20
    finally:
        store.close()
        other.close()
