"""Backup by the command line on real servers: round trips, points in time, passwords, a bucket."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group(
    "roles"
)  # those of a server are in every dump of it, see engines/test_postgres.py

Run = Callable[..., Any]
Events = Callable[[str], list[dict[str, Any]]]


def listed(cli: Run, *words: str) -> list[dict[str, Any]]:
    ran = cli("backup", "list", *words, "--json")
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = json.loads(ran.out)
    return found


def start(command: list[str], *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*command, "backup", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


def alive(pid: int) -> list[int]:
    try:
        return family(pid)
    except OSError:
        return [pid]


def words(pid: int, part: str = "cmdline") -> bytes:
    """The command line or environment of a process; nothing once it has ended."""
    try:
        return Path(f"/proc/{pid}/{part}").read_bytes()
    except OSError:
        return b""


@contextmanager
def restored(cluster: Any, data: Path) -> Any:
    """The restored directory, started with a configuration that listens nowhere but in its folder."""
    (cluster.folder / "second").mkdir()
    made = type(cluster)(cluster.folder / "second", data, major=cluster.major, options={})
    shutil.chown(cluster.folder / "second", data.owner())
    with made:
        made.start("-k", str(made.folder))
        yield made


@pytest.mark.postgres
def test_postgres(cli: Run, postgres: Any, tmp_path: Path) -> None:
    name = postgres.new()
    postgres.sql(
        "CREATE TABLE item (id int PRIMARY KEY, body text); INSERT INTO item SELECT g, md5(g::text) FROM generate_series(1, 500) g;",
        name,
    )
    cli("backup", "init")
    added = cli("backup", "add", "shop", postgres.dsn(name))
    assert added.code == 0, added.err
    assert cli("backup", "run", "shop").code == 0
    postgres.sql("DELETE FROM item WHERE id > 400;", name)
    assert cli("backup", "run", "shop").code == 0
    assert [r["type"] for r in listed(cli)] == ["full", "incr"]
    for at, count in (("1", "500"), ("2", "400")):
        copy = postgres.new(create=False)
        back = cli("backup", "restore", "shop", "--at", at, "--to", postgres.dsn(copy))
        assert back.code == 0, back.err
        assert postgres.sql("SELECT count(*) FROM item;", copy) == count
    assert cli("backup", "restore", "shop", "--to", postgres.dsn(name)).code == 2
    dump = tmp_path / "dump.sql"
    assert cli("backup", "export", "latest", "-o", str(dump)).code == 0
    assert "CREATE TABLE public.item" in dump.read_text()
    drilled = cli("backup", "drill", "shop")
    assert drilled.code == 0, drilled.err
    assert "PostgreSQL" in drilled.out


def test_mariadb(cli: Run, mariadb: Any, tmp_path: Path) -> None:
    name = mariadb.new()
    mariadb.sql(
        "CREATE TABLE item (id INT PRIMARY KEY, body TEXT); INSERT INTO item SELECT seq, md5(seq) FROM seq_1_to_500;",
        name,
    )
    cli("backup", "init")
    added = cli("backup", "add", "shop", mariadb.dsn(name))
    assert added.code == 0, added.err
    assert cli("backup", "run", "shop").code == 0
    mariadb.sql("DELETE FROM item WHERE id > 400;", name)
    again = cli("backup", "run", "shop")
    assert again.code == 0, again.err
    copy = mariadb.new(create=False)
    assert cli("backup", "restore", "shop", "--at", "1", "--to", mariadb.dsn(copy)).code == 0
    assert mariadb.sql("SELECT count(*) FROM item;", copy) == "500"
    back = cli("backup", "restore", "shop", "--to", mariadb.dsn(copy), "--replace")
    assert back.code == 0, back.err
    assert mariadb.sql("SELECT count(*) FROM item;", copy) == "400"
    drilled = cli("backup", "drill", "shop")
    assert drilled.code == 0, drilled.err


def test_mariadb_to_a_point_in_time(cli: Run, mariadb: Any) -> None:
    if mariadb.sql("SELECT @@log_bin", None) != "1":
        pytest.skip("log_bin is off")
    name = mariadb.new()
    mariadb.sql("CREATE TABLE item (id INT PRIMARY KEY); INSERT INTO item VALUES (1);", name)
    cli("backup", "init")
    cli("backup", "add", "shop", mariadb.dsn(name))
    assert cli("backup", "run", "shop").code == 0
    time.sleep(1.1)  # binlogs know whole seconds
    mariadb.sql("INSERT INTO item VALUES (2);", name)
    time.sleep(1.1)
    moment = mariadb.sql("SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ')", None)
    time.sleep(1.1)
    mariadb.sql("DELETE FROM item;", name)
    assert cli("backup", "run", "shop").code == 0
    rows = listed(cli)
    assert rows[0]["replayUntil"] > moment
    copy = mariadb.new(create=False)
    back = cli("backup", "restore", "shop", "--at", moment, "--to", mariadb.dsn(copy))
    assert back.code == 0, back.err
    assert mariadb.sql("SELECT count(*) FROM item;", copy) == "2"
    assert cli("backup", "restore", "shop", "--at", "2099-01-01T00:00", "--to", mariadb.dsn(copy)).code == 2


@pytest.mark.postgres
def test_a_server_password_is_in_no_argv_and_no_environment(
    cli: Run, command: list[str], postgres: Any, tmp_path: Path
) -> None:
    name, role, secret = postgres.new(), f"hubrole_{os.getpid()}", 's3cret:wi\\th"odd#chars'
    postgres.sql(
        f"CREATE TABLE item (id int); CREATE ROLE {role} LOGIN PASSWORD '{secret}'; GRANT pg_read_all_data TO {role};",
        name,
    )
    holder = subprocess.Popen(
        [*postgres.argv, "-d", name], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    process = None
    try:
        file = tmp_path / "password"
        file.write_text(secret + "\n")
        file.chmod(0o600)
        cli("backup", "init")
        dsn = postgres.dsn(name).replace("postgres@", f"{role}@")
        assert cli("backup", "add", "shop", dsn, "-o", f"password_file={file}").code == 0
        assert holder.stdin is not None
        holder.stdin.write("BEGIN; LOCK TABLE item IN ACCESS EXCLUSIVE MODE;\n")
        holder.stdin.flush()
        locked = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'item'::regclass;"
        wait_for(lambda: postgres.sql(locked, name).strip() == "1", 60)
        process = start(command, "run", "shop")
        client = process.pid

        def dumping() -> bool:
            assert process is not None
            if process.poll() is not None:
                raise AssertionError(process.communicate()[1].decode())
            return any(b"pg_dump" in words(p) for p in alive(client))

        wait_for(dumping, 60)
        seen = b"".join(words(p, part) for p in alive(client) for part in ("cmdline", "environ"))
        assert b"pg_dump" in seen and b"s3cret" not in seen
        assert b"s3cret" not in b"".join(
            p.read_bytes() for p in (tmp_path / "data").rglob("*") if p.is_file()
        )
    finally:
        holder.kill()
        holder.communicate()
        if process is not None:
            process.kill()
            process.communicate()
        postgres.sql(f"REVOKE pg_read_all_data FROM {role}; DROP ROLE {role};", None)


@pytest.mark.postgres
def test_a_physical_cluster_to_a_point_in_time(cli: Run, cluster: Any) -> None:
    def ask(text: str) -> str:
        return str(cluster.client().psql(text))

    now = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    ask("CREATE TABLE item (id int)")
    cli("backup", "init")
    added = cli("backup", "add", "whole", str(cluster.dsn), "-o", "mode=physical")
    assert added.code == 0, added.err
    assert cli("backup", "run", "whole").code == 0
    ask("INSERT INTO item VALUES (1), (2)")
    time.sleep(1.1)
    moment = ask(now)
    time.sleep(1.1)
    ask("SET synchronous_commit = on; DELETE FROM item")  # else its WAL may not be on disk yet
    logs = cli("backup", "run", "whole")
    assert logs.code == 0 and " logs stored after snapshot " in logs.out, logs.err
    (row,) = listed(cli)  # an increment is WAL, not another base
    assert row["replayUntil"] > moment
    out = cluster.folder / "restored"
    back = cli("backup", "restore", "whole", "--at", moment, "--out", str(out))
    assert back.code == 0, back.err
    assert (out / "PG_VERSION").exists()
    drilled = cli("backup", "drill", "whole")
    assert drilled.code == 0, drilled.err
    with restored(cluster, out) as server:
        assert server.client().psql("SELECT count(*) FROM item") == "2"


def test_a_bucket(cli: Run, file: Any, bucket: str, tmp_path: Path) -> None:
    assert cli("backup", "init", "--repo", bucket).code == 0
    cli("backup", "add", "shop", str(file.path))
    assert cli("backup", "run", "shop").code == 0
    file.add(20)
    assert cli("backup", "run", "shop").code == 0
    assert [r["seq"] for r in listed(cli)] == [1, 2]
    out = tmp_path / "out.db"
    assert cli("backup", "restore", "shop", "--out", str(out)).code == 0
    assert file.rows(out) == 220
    here = cli("backup", "copy", "--to", str(tmp_path / "here"), "--init")
    assert here.code == 0 and here.out.startswith("2 snapshots copied")
    assert cli("backup", "verify", "--read-data").code == 0
