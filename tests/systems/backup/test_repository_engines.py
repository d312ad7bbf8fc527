"""Engines and repository together: what went in on a real source comes out again, before and after a prune."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backendhub.systems.backup.engines.base import engine_for, parse_dsn
from backendhub.systems.backup.models import Type
from backendhub.systems.backup.repository import age
from backendhub.systems.backup.repository.repo import Policy, Repository, Snapshot

ROWS = 300


class Source:
    """A database that is backed up. `run` sends SQL to it, `rows` reads a database back without our code."""

    def __init__(self, dsn: str, run: Callable[[str], Any], fresh: Callable[[], str], rows: Any, mark: str):
        self.dsn, self.run, self.fresh, self.rows, self.mark = dsn, run, fresh, rows, mark
        self.table = f"{mark}an odd name{mark}"
        run(f"CREATE TABLE {self.table} (id INTEGER PRIMARY KEY, body TEXT); ")
        values = ", ".join(f"({id}, {self.noise()})" for id in range(1, ROWS + 1))
        run(f"INSERT INTO {self.table} VALUES {values}, (0, NULL), (-1, 'it''s;\n-- ')")

    def noise(self) -> str:
        return f"'{os.urandom(400).hex()}'"

    def change(self, ids: range) -> None:
        """Other bodies of the same length for these rows."""
        self.run(";".join(f"UPDATE {self.table} SET body = {self.noise()} WHERE id = {id}" for id in ids))

    def content(self, dsn: str | None = None) -> Any:
        return self.rows(dsn or self.dsn, f"SELECT id, body FROM {self.table} ORDER BY id")


def sqlite_source(tmp_path: Path) -> Source:
    def ask(path: str, text: str) -> list[Any]:
        with closing(sqlite3.connect(path)) as db:
            return db.execute(text).fetchall()

    def run(text: str) -> None:
        with closing(sqlite3.connect(tmp_path / "shop.db")) as db:
            db.executescript(text)

    return Source(
        str(tmp_path / "shop.db"), run, lambda: str(tmp_path / f"{os.urandom(4).hex()}.db"), ask, '"'
    )


def server_source(server: Any, mark: str) -> Source:
    name = server.new()

    def rows(dsn: str, text: str) -> str:
        found = server.sql(text + ";", parse_dsn(dsn).database)
        assert isinstance(found, str)
        return found

    def fresh() -> str:
        return str(server.dsn(server.new(create=False)))

    return Source(server.dsn(name), lambda text: server.sql(text + ";", name), fresh, rows, mark)


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    """The same table on each kind of database; a server that is absent skips."""
    if request.param == "sqlite":
        return sqlite_source(tmp_path)
    mark = '"' if request.param == "postgres" else "`"
    return server_source(request.getfixturevalue(request.param), mark)


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setattr(age, "WORK_FACTOR", 4)
    return Repository.init(str(tmp_path / "repo"), passphrase="pw", cache_dir=tmp_path / "cache")


def backup(repo: Repository, source: Source, type: Type) -> Snapshot:
    with repo.backup("shop", type=type) as run:
        return run.commit(engine_for(source.dsn).dump(run, type=run.type))


def restored(repo: Repository, source: Source, snapshot: Snapshot) -> Any:
    """The content of a snapshot, restored into a database that did not exist."""
    target = source.fresh()
    engine_for(source.dsn).restore(repo.source(snapshot), parse_dsn(target))
    return source.content(target)


def test_both_snapshots_restore_what_was_there(repo: Repository, source: Source) -> None:
    before, full = source.content(), backup(repo, source, Type.FULL)
    source.change(range(1, 4))
    after, incr = source.content(), backup(repo, source, Type.INCR)
    assert before != after
    assert restored(repo, source, full) == before
    assert restored(repo, source, incr) == after
    assert incr.added < full.added / 2  # three rows changed: most of it was stored already
    repo.verify(read_data=True).raise_if_bad()


def test_what_is_left_after_forget_and_prune_restores(
    repo: Repository, source: Source, tmp_path: Path
) -> None:
    forgotten = backup(repo, source, Type.FULL)
    source.change(range(1, ROWS - 20))  # a few rows stay, so that the snapshots share chunks
    kept = backup(repo, source, Type.INCR)
    decisions = repo.forget(Policy(last=1), target="shop")
    assert [(d.snapshot.id, d.keep) for d in decisions] == [(forgotten.id, False), (kept.id, True)]
    assert repo.prune(grace=timedelta(0)).freed > forgotten.added / 2
    assert [s.id for s in repo.snapshots()] == [kept.id]
    again = Repository.open(str(tmp_path / "repo"), passphrase="pw", cache_dir=tmp_path / "another-cache")
    again.verify(read_data=True).raise_if_bad()
    assert restored(again, source, kept) == source.content()
