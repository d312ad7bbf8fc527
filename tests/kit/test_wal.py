from __future__ import annotations

from pathlib import Path

from backendhub.kit.db import connect


def test_a_large_transaction_leaves_no_large_log(tmp_path: Path) -> None:
    store = connect(str(tmp_path / "hub.db"))
    log = tmp_path / "hub.db-wal"
    with store.transaction() as db:
        db.run("CREATE TABLE t (x TEXT)")
        db.run_many("INSERT INTO t (x) VALUES (:x)", [{"x": "y" * 1000}] * 30_000)
    assert log.stat().st_size == 0
    with store.transaction() as db:
        db.run("INSERT INTO t (x) VALUES ('z')")
        assert db.value("SELECT count(*) FROM t") == 30_001
    store.close()


def test_a_reader_does_not_hold_up_the_commit(tmp_path: Path) -> None:
    writer, reader = connect(str(tmp_path / "hub.db")), connect(str(tmp_path / "hub.db"))
    with writer.transaction() as db:
        db.run("CREATE TABLE t (x TEXT)")
    with reader.transaction(write=False) as old:
        assert old.value("SELECT count(*) FROM t") == 0
        with writer.transaction() as db:
            db.run_many("INSERT INTO t (x) VALUES (:x)", [{"x": "y" * 1000}] * 30_000)
        assert old.value("SELECT count(*) FROM t") == 0
    assert (tmp_path / "hub.db-wal").stat().st_size == 0  # the reader's end made up for it
    for store in (writer, reader):
        store.close()
