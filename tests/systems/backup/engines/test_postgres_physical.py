"""Physical backups and points in time, on a cluster that the test makes and throws away."""

from __future__ import annotations

import io
import shutil
import tarfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit.clock import parse
from backendhub.kit.errors import Invalid
from backendhub.systems.backup.engines.base import Dsn, engine_for, parse_dsn
from backendhub.systems.backup.engines.postgres_client import server_account
from backendhub.systems.backup.engines.postgres_cluster import Cluster
from backendhub.systems.backup.models import BackupError

pytestmark = pytest.mark.postgres


def run(cluster: Cluster, sql: str) -> str:
    return cluster.client().psql(sql)


def fetch(engine: Any, since: Any, store: Any) -> Any:
    """Stores pieces as the repository does: a longer one replaces an unfinished one of the same name."""
    position = since
    for piece in engine.logs(since):
        store.streams[piece.name] = piece.data.read()
        assert len(store.streams[piece.name]) == piece.size
        position = piece.meta
    return position


def moment(cluster: Cluster) -> datetime:
    time.sleep(0.05)
    text = run(cluster, "SELECT clock_timestamp() AT TIME ZONE 'UTC'")
    time.sleep(0.05)
    return parse(text)


def at_path(path: Path) -> Dsn:
    return parse_dsn(str(path))


def rows_in(data: Path, folder: Path, sql: str) -> str:
    """Starts a restored directory as its owner would, and asks it."""
    folder.mkdir(mode=0o755)
    if account := server_account():
        shutil.chown(folder, account)
    server = Cluster(folder, data, major=0, options={})
    with server:
        server.start("-c", f"unix_socket_directories={folder}")
        return run(server, sql)


def test_points_in_time_from_a_base_and_two_fetches(
    cluster: Cluster, stored: Any, new_stored: Any, folder_for_servers: Path
) -> None:
    engine = engine_for(cluster.dsn, options={"mode": "physical"})
    assert [check for check in engine.test() if check.severity == "error"] == []
    run(cluster, "CREATE TABLE t(n int); INSERT INTO t VALUES (1)")
    done = engine.dump(stored)
    stored.meta = done.meta
    assert stored.kinds["base.tar"] == ("pg-tar", 8192)
    logs = new_stored()
    run(cluster, "INSERT INTO t VALUES (2)")
    first = moment(cluster)
    run(cluster, "INSERT INTO t VALUES (3)")
    position = fetch(engine, done.meta, logs)
    run(cluster, "INSERT INTO t SELECT generate_series(4, 200000)")
    second = moment(cluster)
    run(cluster, "DELETE FROM t; SELECT pg_switch_wal()")
    position = fetch(engine, position, logs)
    assert len(logs.streams) >= 2
    # The slot only ever covers what was stored before this run: nothing is lost if storing had failed.
    kept = run(cluster, f"SELECT restart_lsn < '{position['position']['lsn']}' FROM pg_replication_slots")
    assert kept == "t"
    assert fetch(engine, position, new_stored()) == position
    for name, at, expected in (("a", first, "2"), ("b", second, "200000")):
        target = folder_for_servers / name
        back = engine.restore(stored, at_path(target), at=at, logs=logs)
        assert back.warnings == []
        assert rows_in(target, folder_for_servers / f"socket-{name}", "SELECT count(*) FROM t") == expected
    late = engine.restore(stored, at_path(folder_for_servers / "d"), at=parse("2999-01-01"), logs=logs)
    assert "the WAL ends before" in late.warnings[0]
    assert rows_in(folder_for_servers / "d", folder_for_servers / "socket-d", "SELECT count(*) FROM t") == "0"
    with pytest.raises(BackupError, match="not empty"):
        engine.restore(stored, at_path(folder_for_servers / "a"))
    again = engine.restore(stored, at_path(folder_for_servers / "a"), replace=True)
    assert "the old directory is now" in again.warnings[0]
    left = sorted(path.name for path in folder_for_servers.iterdir() if path.name.startswith("."))
    assert left == []


def test_drill_and_damage(cluster: Cluster, stored: Any, folder_for_servers: Path) -> None:
    run(cluster, "CREATE TABLE t(n int); INSERT INTO t SELECT generate_series(1, 1000)")
    engine = engine_for(cluster.dsn, options={"mode": "physical", "slot": "none"})
    stored.meta = engine.dump(stored).meta
    assert run(cluster, "SELECT count(*) FROM pg_replication_slots") == "0"
    good = engine.drill(stored, sql=["SELECT count(*) = 1000 FROM t"])
    assert good.ok and good.compared_bytes == len(stored.streams["base.tar"])
    with tarfile.open(fileobj=io.BytesIO(stored.streams["base.tar"])) as tar:
        member = next(m for m in tar if m.name.startswith("base/1/") and m.size > 8192)
    whole = stored.streams["base.tar"]
    at = member.offset_data + 5000
    stored.streams["base.tar"] = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    bad = engine.drill(stored)
    assert not bad.ok and member.name in bad.findings[0]
    with pytest.raises(BackupError) as caught:
        engine.restore(stored, at_path(folder_for_servers / "x"))
    assert caught.value.exit_code == 40
    assert not (folder_for_servers / "x").exists()


def test_an_unbounded_slot_is_refused(cluster: Cluster, stored: Any) -> None:
    run(cluster, "ALTER SYSTEM SET max_slot_wal_keep_size = -1")
    run(cluster, "SELECT pg_reload_conf()")
    engine = engine_for(cluster.dsn, options={"mode": "physical"})
    with pytest.raises(BackupError, match="max_slot_wal_keep_size") as caught:
        engine.dump(stored)
    assert caught.value.exit_code == 20
    assert not stored.streams


def test_a_tar_that_leads_outside_is_refused(stored: Any, folder_for_servers: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../evil"))
    stored.streams["base.tar"] = buffer.getvalue()
    stored.meta = {"server": 15}
    engine = engine_for("postgresql://x/y", options={"mode": "physical"})
    with pytest.raises(BackupError, match="leads outside"):
        engine.restore(stored, at_path(folder_for_servers / "x"))
    assert list(folder_for_servers.iterdir()) == []


def test_what_it_cannot_do(stored: Any) -> None:
    engine = engine_for("postgresql://x/y", options={"mode": "physical"})
    with pytest.raises(Invalid):
        engine.restore(stored, parse_dsn("postgresql://x/y"))
    with pytest.raises(Invalid):
        engine.restore(stored, parse_dsn("/x"), tables=["t"])
    with pytest.raises(Invalid):
        engine.restore(stored, parse_dsn("/x"), at=parse("2026-01-01"))
    with pytest.raises(Invalid):
        engine_for("postgresql://x/y", options={"mode": "physical", "slot": "Bad-Name"})
