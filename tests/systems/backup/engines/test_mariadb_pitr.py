"""Points in time from binlogs, on a MariaDB server that the test makes."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from backendhub.kit.clock import parse
from backendhub.kit.errors import Invalid
from backendhub.systems.backup.engines.base import engine_for
from backendhub.systems.backup.engines.mariadb_server import throwaway
from backendhub.systems.backup.models import BackupError


def test_points_in_time(stored: Any, new_stored: Any, maria: Any) -> None:
    """On a server with a binlog, statements included; replayed apart and swapped into the shared server."""
    name = maria.name()
    with throwaway(
        {}, None, settings=["--log-bin=binlog", "--server-id=7", "--binlog-format=MIXED"]
    ) as server:
        client = server.client(name)
        client.sql(f"CREATE DATABASE {name}")
        client.sql("CREATE TABLE t(n int PRIMARY KEY); INSERT INTO t VALUES (1)", database=name)
        engine = engine_for(client.dsn, options=client.options)
        stored.meta = engine.dump(stored).meta
        logs = new_stored()

        def fetch(since: Any) -> Any:
            for piece in engine.logs(since):
                logs.streams[piece.name] = piece.data.read()
                since = piece.meta
            return since

        def moment() -> Any:
            text = client.value("SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ')")
            time.sleep(1.05)  # binlog events carry whole seconds
            return parse(text)

        client.sql(f"INSERT INTO t VALUES (2); UPDATE {name}.t SET n = 20 WHERE n = 2", database=name)
        first = moment()
        client.sql("INSERT INTO t VALUES (3)", database=name)
        position = fetch(stored.meta)
        client.sql("FLUSH BINARY LOGS; INSERT INTO t SELECT seq FROM seq_100_to_1099", database=name)
        second = moment()
        client.sql("DELETE FROM t", database=name)
        last = fetch(position)
        assert len(logs.streams) == 2
        assert list(engine.logs(last)) == []
        client.sql("PURGE BINARY LOGS TO 'binlog.000002'")
        with pytest.raises(BackupError, match="purged"):
            list(engine.logs(stored.meta))
        with pytest.raises(BackupError, match="another server"):
            list(engine.logs(dict(last["position"]) | {"server": "other"}))
    target = maria.dsn(name)
    for at, expected in ((first, "2\t21"), (second, "1003\t599524")):
        engine.restore(stored, target, at=at, logs=logs, replace=True)
        assert maria.sql("SELECT count(*), sum(n) FROM t", name) == expected
    with pytest.raises(Invalid):
        engine.restore(stored, target, at=first + timedelta(days=1))
