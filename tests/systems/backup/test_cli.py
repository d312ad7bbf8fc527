"""Backup by the command line: round trips, exit codes, events, what a kill leaves behind."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Events = Callable[[str], list[dict[str, Any]]]


def listed(cli: Run, *words: str) -> list[dict[str, Any]]:
    ran = cli("backup", "list", *words, "--json")
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = json.loads(ran.out)
    return found


def test_round_trip_of_a_file(cli: Run, shop: Any, tmp_path: Path) -> None:
    first = cli("backup", "run", "shop")
    assert first.code == 0, first.err
    shop.sql("UPDATE item SET body = upper(body)")
    shop.add(50)
    second = cli("backup", "run", "shop")
    assert re.match(r"shop: incr snapshot [0-9a-f]{8}, ", second.out)
    rows = listed(cli)
    assert [(r["seq"], r["type"], r["state"]) for r in rows] == [(1, "full", "good"), (2, "incr", "good")]
    assert [r["bytes"] for r in rows] == sorted(r["bytes"] for r in rows)

    for at, count in (("1", 200), ("2", 250), ("latest", 250)):
        out = tmp_path / f"copy-{at}.db"
        ran = cli("backup", "restore", "shop", "--at", at, "--out", str(out))
        assert ran.code == 0, ran.err
        assert shop.rows(out) == count
        assert sqlite3.connect(out).execute("PRAGMA integrity_check").fetchone() == ("ok",)

    assert cli("backup", "status", "shop", "--max-drill-age", "8d").code == 50
    drilled = cli("backup", "drill", "shop")
    assert drilled.code == 0 and " restores; " in drilled.out
    assert cli("backup", "status", "shop", "--max-drill-age", "8d", "--max-age", "26h").code == 0

    plan = cli("backup", "forget", "shop", "--keep-last", "1", "--dry-run", "--json")
    done = cli("backup", "forget", "shop", "--keep-last", "1", "--json")
    assert plan.out == done.out  # what is announced is what is done
    assert [(r["seq"], r["action"]) for r in json.loads(done.out)] == [(1, "remove"), (2, "keep")]
    pruned = cli("backup", "prune", "--grace", "0", "--json")
    assert pruned.code == 0 and json.loads(pruned.out.splitlines()[-1])["deleted"] >= 1
    assert cli("backup", "verify", "--read-data").code == 0
    assert cli("backup", "restore", "shop", "--out", str(tmp_path / "last.db")).code == 0
    assert shop.rows(tmp_path / "last.db") == 250


def test_hub_is_the_default_target(cli: Run, tmp_path: Path) -> None:
    cli("backup", "init")
    cli("task", "add", "Buy milk")
    assert cli("backup", "run").out.startswith("hub: full snapshot")
    cli("task", "add", "Buy bread")
    refused = cli("backup", "restore", "--to", "hub")
    assert refused.code == 2 and "--replace" in refused.err
    back = cli("backup", "restore", "--to", "hub", "--replace")
    assert back.code == 0, back.err
    assert [t["description"] for t in json.loads(cli("task", "list", "--json").out)] == ["Buy milk"]
    # What was overwritten had been backed up first, and the log tells of the restore, not of a run for ever.
    before = [r for r in listed(cli) if r["target"] == "hub.before-restore"]
    assert len(before) == 1
    log = json.loads(cli("backup", "log", "--json").out)
    assert [(e["action"], e["status"]) for e in log] == [("restore", "ok"), ("run", "interrupted")]
    copy = tmp_path / "before.db"
    assert cli("backup", "restore", "hub.before-restore", "--out", str(copy)).code == 0
    assert sqlite3.connect(copy).execute("SELECT count(*) FROM task").fetchone() == (2,)


def test_init_makes_a_private_key_and_says_to_copy_it(cli: Run, tmp_path: Path) -> None:
    ran = cli("backup", "init")
    assert ran.code == 0 and "COPY THAT FILE TO ANOTHER PLACE NOW" in ran.out
    key = tmp_path / "config" / "backendhub" / "backup.passphrase"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and len(key.read_text().strip()) > 40
    assert key.read_text().strip() not in ran.out + ran.err
    assert cli("backup", "init").code == 1  # never a second one over the first


def test_a_repository_elsewhere_is_remembered(cli: Run, file: Any, tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.write_text("correct horse\n")
    words.chmod(0o600)
    assert cli("backup", "init", "--repo", str(tmp_path / "far"), "--passphrase-file", str(words)).code == 0
    cli("backup", "add", "shop", str(file.path))
    assert cli("backup", "run", "shop").code == 0
    assert (tmp_path / "far" / "config.json").exists()
    wrong = tmp_path / "wrong"
    wrong.write_text("battery staple\n")
    wrong.chmod(0o600)
    ran = cli("backup", "list", "--passphrase-file", str(wrong))
    assert ran.code == 12
    wrong.chmod(0o644)
    assert cli("backup", "list", "--passphrase-file", str(wrong)).code == 2


def test_a_host_that_can_only_write(cli: Run, file: Any, tmp_path: Path) -> None:
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    key = tmp_path / "identity"
    key.write_text(f"{identity}\n")
    key.chmod(0o600)
    assert cli("backup", "init", "--recipient", str(identity.to_public())).code == 0
    cli("backup", "add", "shop", str(file.path))
    assert cli("backup", "run", "shop").code == 0
    assert len(listed(cli)) == 1
    assert cli("backup", "verify", "--read-data").code == 0
    out = str(tmp_path / "out.db")
    assert cli("backup", "restore", "shop", "--out", out).code == 12
    assert not Path(out).exists()
    assert cli("backup", "restore", "shop", "--out", out, "--identity", str(key)).code == 0
    assert file.rows(Path(out)) == 200


def test_events_and_the_summary_line(cli: Run, shop: Any, events: Events) -> None:
    ran = cli("backup", "run", "shop", "--json")
    told = events(ran.out)
    assert [e["event"] for e in told] == ["start", "finish", "summary"]
    assert all(e["v"] == 1 for e in told)
    last = told[-1]
    assert {"status", "snapshot", "bytes_read", "bytes_added", "seconds", "exit"} <= last.keys()
    assert (last["status"], last["exit"], last["snapshot"]) == ("ok", 0, last["jobs"][0]["snapshot"])
    # Two targets, one of them gone: the worst code, and each has its own.
    shop.path.rename(shop.path.with_suffix(".gone"))
    ran = cli("backup", "run", "shop", "hub", "--json")
    told = events(ran.out)
    assert ran.code == told[-1]["exit"] == 20
    assert [j["exit"] for j in told[-1]["jobs"]] == [20, 0]
    assert "does not exist" in next(e for e in told if e["event"] == "error")["message"]
    failed = json.loads(cli("backup", "log", "--failed", "--json").out)
    assert [(e["target"], e["exitCode"]) for e in failed] == [("shop", 20)]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("run", "nope"), 2),
        (("run", "--type", "partial"), 2),
        (("run", "shop", "--due"), 2),
        (("show", "99"), 2),
        (("restore", "nope"), 2),
        (("restore", "shop", "--at", "2001-01-01"), 2),
        (("restore", "shop", "--at", "yesteryear"), 2),
        (("add", "db", "postgresql://u:secret@h/db"), 2),
        (("add", "db", "/nowhere/x.db"), 20),
        (("add", "db", "postgresql://u@127.0.0.1:1/db"), 20),
        (("list", "--repo", "/nowhere/repo"), 10),
        (("forget",), 2),
        (("schedule", "sundial"), 2),
        (("copy", "--to", "/nowhere/at/all"), 10),
    ],
)
def test_exit_codes(cli: Run, shop: Any, words: tuple[str, ...], code: int) -> None:
    assert cli("backup", "run", "shop").code == 0
    ran = cli("backup", *words)
    assert ran.code == code, ran.err
    assert "secret" not in ran.out + ran.err
    assert "Traceback" not in ran.err


def test_nothing_that_exists_is_overwritten(cli: Run, shop: Any, tmp_path: Path) -> None:
    cli("backup", "run", "shop")
    there = tmp_path / "there.db"
    there.write_bytes(b"something else")
    assert cli("backup", "restore", "shop", "--out", str(there)).code == 2
    assert cli("backup", "restore", "shop", "--to", str(shop.path)).code == 2
    assert cli("backup", "export", "latest", "-o", str(there)).code == 2
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "elsewhere.db")
    assert cli("backup", "restore", "shop", "--out", str(link)).code == 2
    assert cli("backup", "export", "latest", "-o", str(link)).code == 2
    assert there.read_bytes() == b"something else" and not (tmp_path / "elsewhere.db").exists()


def test_a_source_inside_the_repository_is_refused(cli: Run, tmp_path: Path, make_file: Any) -> None:
    cli("backup", "init", "--repo", str(tmp_path / "repo"))
    inside = make_file(tmp_path / "repo" / "inside.db")
    cli("backup", "add", "odd", str(inside.path))
    ran = cli("backup", "run", "odd")
    assert ran.code == 2 and "inside the repository" in ran.err


def test_a_dump_that_shrank_is_kept_but_not_believed(cli: Run, shop: Any) -> None:
    assert cli("backup", "run", "shop").code == 0
    shop.sql("DELETE FROM item WHERE id > 5")
    db = sqlite3.connect(shop.path)
    db.execute("VACUUM")
    db.close()
    ran = cli("backup", "run", "shop")
    assert ran.code == 3 and "shrank" in ran.err
    assert [r["state"] for r in listed(cli)] == ["good", "quarantined"]
    # Retention does not let the doubtful one push the good one out.
    cli("backup", "forget", "shop", "--keep-last", "1")
    assert 1 in [r["seq"] for r in listed(cli)]
    accepted = cli("backup", "run", "shop", "--accept-shrink")
    assert accepted.code == 0, accepted.err
    assert listed(cli)[-1]["state"] == "good"


def test_a_malformed_file_is_quarantined(cli: Run, shop: Any) -> None:
    cli("backup", "run", "shop")
    size = shop.path.stat().st_size
    with shop.path.open("r+b") as file:
        file.seek(size - 3 * 4096)
        file.write(b"\xff" * 4096)
    ran = cli("backup", "run", "shop")
    assert ran.code == 3, ran.err
    assert listed(cli)[-1]["state"] == "quarantined"
    assert json.loads(cli("backup", "restore", "shop", "--json").out)["seq"] == 1  # the newest *good* one


def test_damage_is_found_and_named(cli: Run, shop: Any, tmp_path: Path, events: Events) -> None:
    cli("backup", "run", "shop")
    pack = max(
        (tmp_path / "data/backendhub/backups/packs").rglob("*"),
        key=lambda p: p.is_file() and p.stat().st_size,
    )
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(data)
    ran = cli("backup", "verify", "--read-data", "--json")
    assert ran.code == 40
    told = events(ran.out)
    assert told[-1]["exit"] == 40 and told[-1]["findings"] >= 1
    assert "shop #1" in json.dumps(told)
    out = tmp_path / "out.db"
    assert cli("backup", "restore", "shop", "--out", str(out)).code == 40
    assert not out.exists()
    # With the damaged pack out of the way, the next run stores its chunks anew.
    assert cli("backup", "verify", "--read-data", "--remove-damaged").code == 40
    assert cli("backup", "run", "shop").code == 0
    assert cli("backup", "restore", "shop", "--out", str(out)).code == 0
    assert shop.rows(out) == 200


def test_a_failed_check_of_a_drill_is_41(cli: Run, shop: Any, tmp_path: Path) -> None:
    cli("backup", "run", "shop")
    checks = tmp_path / "checks.sql"
    checks.write_text("-- every row\nSELECT count(*) = 200 FROM item;\nSELECT count(*) > 1000 FROM item;\n")
    ran = cli("backup", "drill", "shop", "--sql", str(checks))
    assert ran.code == 41 and "1000" in ran.err
    assert cli("backup", "status", "shop", "--max-drill-age", "8d").code == 50
    checks.write_text("SELECT count(*) = 200 FROM item;")
    assert cli("backup", "drill", "shop", "--sql", str(checks)).code == 0


def test_tables_of_a_file(cli: Run, shop: Any) -> None:
    shop.sql("CREATE TABLE other (x)")
    shop.sql("INSERT INTO other VALUES (1)")
    cli("backup", "run", "shop")
    shop.sql("DROP TABLE other")
    shop.add(7)
    back = cli("backup", "restore", "shop", "--tables", "other", "--to", str(shop.path))
    assert back.code == 0, back.err
    assert shop.sql("SELECT x FROM other") == [(1,)]
    assert shop.rows() == 207  # the rest is as it was


def test_diff_show_key_copy_and_repair(cli: Run, shop: Any, tmp_path: Path) -> None:
    cli("backup", "run", "shop")
    shop.sql("CREATE TABLE other (x)")
    cli("backup", "run", "shop")
    ids = [r["id"] for r in listed(cli)]
    kinds = {(r["kind"], r["name"]) for r in json.loads(cli("backup", "diff", *ids, "--json").out)}
    assert kinds == {("stream", "pages"), ("table", "other")}
    tables = json.loads(cli("backup", "show", ids[1], "--tables", "--json").out)
    assert [t["table"] for t in tables] == ["item", "other"]
    assert json.loads(cli("backup", "show", ids[0], "--json").out)["facts"]["engine"] == "sqlite"

    key = cli("backup", "key", "export")
    assert key.out.count("AGE-SECRET-KEY-1") == 1
    words = tmp_path / "second"
    words.write_text("another passphrase\n")
    words.chmod(0o600)
    assert cli("backup", "key", "add", "--new-passphrase-file", str(words)).code == 0
    assert len(listed(cli, "--passphrase-file", str(words))) == 2

    ran = cli("backup", "copy", "--to", str(tmp_path / "second-place"), "--init")
    assert ran.code == 0 and ran.out.startswith("2 snapshots copied, 0 were there")
    ran = cli("backup", "copy", "--to", str(tmp_path / "second-place"))
    assert ran.out.startswith("0 snapshots copied, 2 were there")
    assert len(listed(cli, "--repo", str(tmp_path / "second-place"))) == 2
    assert cli("backup", "repair-index").code == 0
    assert cli("backup", "unlock").code == 0


def test_a_host_that_has_lost_everything_but_repository_and_key(
    cli: Run, shop: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    cli("backup", "run", "shop")
    key = tmp_path / "config/backendhub/backup.passphrase"
    repo = tmp_path / "data/backendhub/backups"
    for kind in ("CONFIG", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / f"new-{kind}"))
    where = ("--repo", str(repo), "--passphrase-file", str(key))
    out = tmp_path / "rescued.db"
    assert len(listed(cli, *where)) == 1
    assert cli("backup", "restore", "shop", "--out", str(out), *where).code == 0
    assert shop.rows(out) == 200


def test_due_runs_once_for_all_that_was_missed(cli: Run, file: Any, monkeypatch: Any, events: Events) -> None:
    def at(moment: str) -> None:
        from backendhub.kit import clock

        monkeypatch.setattr(clock, "_frozen", clock.parse(moment))

    at("2026-01-05T09:00:00Z")
    cli("backup", "init")
    cli(
        "backup",
        "add",
        "shop",
        str(file.path),
        "--every",
        "0 3 * * *",
        "--drill-every",
        "@weekly",
        "--keep",
        "last=2",
    )
    due = ("backup", "run", "--due", "--jitter", "0", "--json")
    assert [e["event"] for e in events(cli(*due).out)] == ["summary"]
    at("2026-01-06T03:05:00Z")
    assert [e["event"] for e in events(cli(*due).out)] == ["start", "finish", "summary"]
    at("2026-01-20T12:00:00Z")
    jobs = events(cli(*due).out)[-1]["jobs"]
    assert [(j["action"], j["status"]) for j in jobs] == [("run", "ok"), ("drill", "ok")]
    assert events(cli(*due).out)[-1]["jobs"] == []
    for day in (21, 22):
        at(f"2026-01-{day}T04:00:00Z")
        cli(*due)
    assert [r["seq"] for r in listed(cli)] == [2, 3, 4]  # the last two, and the one that was drilled


def test_nothing_due_imports_nothing_heavy(cli: Run, shop: Any) -> None:
    code = (
        "import sys\nfrom backendhub.app.main import main\ncode = main(['backup','run','--due','--quiet'])\n"
        "heavy = ('zstandard','cryptography','pyrage','apsw','obstore','fastcdc','pydantic','httpx','rich','asyncio',"
        "'backendhub.systems.backup.repository','backendhub.systems.backup.engines')\n"
        "print(code, [m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "0 []\n"


def test_a_dry_run_writes_nothing(cli: Run, shop: Any, tmp_path: Path) -> None:
    def files() -> set[Path]:
        return {p for p in (tmp_path / "data/backendhub/backups").rglob("*") if p.is_file()}

    before = files()
    ran = cli("backup", "run", "shop", "--dry-run", "--json")
    assert ran.code == 0 and json.loads(ran.out)[0]["type"] == "full"
    assert files() == before and listed(cli) == []


# ── processes: locks, signals, kills, secrets


def start(command: list[str], *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*command, "backup", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, (out + err).decode()


@pytest.fixture
def slow(shop: Any) -> Any:
    """A target whose backup waits for a lock: another connection holds the file exclusively."""
    db = sqlite3.connect(shop.path, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    yield shop
    db.close()


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def running(cli: Run) -> bool:
    return any(s["running"] for s in json.loads(cli("backup", "status", "shop", "--json").out))


def test_two_runs_at_once(cli: Run, command: list[str], slow: Any) -> None:
    first = start(command, "run", "shop")
    try:
        wait_for(lambda: running(cli))
        second = cli("backup", "run", "shop")
        assert second.code == 11 and str(first.pid) in second.err
    finally:
        first.kill()
        first.communicate()


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_in_good_order(
    cli: Run, command: list[str], slow: Any, sign: int, code: int
) -> None:
    process = start(command, "run", "shop")
    wait_for(lambda: running(cli))
    process.send_signal(sign)
    assert ended(process)[0] == code
    (entry,) = json.loads(cli("backup", "log", "--json").out)
    assert (entry["status"], entry["exitCode"]) == ("failed", code)
    assert listed(cli) == []


def test_killed_at_random_moments_the_next_run_succeeds(
    cli: Run, command: list[str], shop: Any, tmp_path: Path
) -> None:
    shop.add(20_000)  # some 16 MB, so that there is something to interrupt
    rnd = random.Random(5)
    for number in range(6):
        shop.add(100)
        process = start(command, "run", "shop")
        time.sleep(rnd.uniform(0.2, 1.2))
        process.kill()
        process.communicate()
        assert cli("backup", "verify").code == 0, number
    wait_for(lambda: not running(cli))
    last = cli("backup", "run", "shop")
    assert last.code == 0, last.err
    assert cli("backup", "verify", "--read-data").code == 0
    out = tmp_path / "after.db"
    assert cli("backup", "restore", "shop", "--out", str(out)).code == 0
    assert shop.rows(out) == shop.rows()
    states = {
        e["status"] for e in json.loads(cli("backup", "log", "shop", "--json").out) if e["action"] == "run"
    }
    assert "running" not in states


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_secrets_are_in_no_argv_and_no_environment(
    cli: Run, command: list[str], slow: Any, tmp_path: Path
) -> None:
    secret = (tmp_path / "config/backendhub/backup.passphrase").read_text().strip()
    process = start(command, "run", "shop")
    try:
        wait_for(lambda: running(cli))
        seen = b""
        for pid in family(process.pid):
            for name in ("cmdline", "environ"):
                seen += Path(f"/proc/{pid}/{name}").read_bytes()
        assert b"backup" in seen and secret.encode() not in seen
    finally:
        process.kill()
        process.communicate()


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


# ── servers


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
        process = start(command, "run", "shop")
        client = process.pid
        wait_for(lambda: any(b"pg_dump" in Path(f"/proc/{p}/cmdline").read_bytes() for p in alive(client)))
        seen = b"".join(
            Path(f"/proc/{p}/{part}").read_bytes() for p in alive(client) for part in ("cmdline", "environ")
        )
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


def alive(pid: int) -> list[int]:
    try:
        return family(pid)
    except OSError:
        return [pid]


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
    ask("DELETE FROM item")
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


@contextmanager
def restored(cluster: Any, data: Path) -> Any:
    """The restored directory, started with a configuration that listens nowhere but in its folder."""
    (cluster.folder / "second").mkdir()
    made = type(cluster)(cluster.folder / "second", data, major=cluster.major, options={})
    shutil.chown(cluster.folder / "second", data.owner())
    with made:
        made.start("-k", str(made.folder))
        yield made


def test_the_clock_must_be_right_to_forget(cli: Run, shop: Any, monkeypatch: Any) -> None:
    from backendhub.kit import clock

    cli("backup", "run", "shop")
    monkeypatch.setattr(clock, "_frozen", clock.parse("2001-01-01T00:00:00Z"))
    refused = cli("backup", "forget", "shop", "--keep-last", "1")
    assert refused.code == 2 and "--force" in refused.err
    # A snapshot taken in the past by such a clock still comes after the others.
    assert cli("backup", "run", "shop").code == 0
    assert [r["seq"] for r in listed(cli)] == [1, 2]
    assert cli("backup", "forget", "shop", "--keep-last", "1", "--force").code == 0
    assert [r["seq"] for r in listed(cli)] == [2]


def test_a_source_that_stays_locked(cli: Run, slow: Any) -> None:
    ran = cli("backup", "run", "shop", "--timeout", "1s")
    assert ran.code == 22, ran.err
    assert listed(cli) == []


def test_a_lock_can_be_waited_for(cli: Run, command: list[str], slow: Any) -> None:
    first = start(command, "run", "shop")
    try:
        wait_for(lambda: running(cli))
        second = start(command, "run", "shop", "--lock-wait", "30s", "--timeout", "1s")
        time.sleep(0.5)
        assert second.poll() is None
    finally:
        first.kill()
        first.communicate()
    assert ended(second)[0] == 22  # it got the lock, and then met the locked file itself


def test_due_skips_what_another_is_at_and_alerts_if_that_hangs(
    cli: Run, command: list[str], slow: Any, monkeypatch: Any, events: Events
) -> None:
    from backendhub.kit import clock

    cli("backup", "remove", "shop")
    cli("backup", "add", "shop", str(slow.path), "--no-test", "--every", "*/5 * * * *")
    first = start(command, "run", "shop")
    try:
        wait_for(lambda: running(cli))
        now = clock.now()
        monkeypatch.setattr(clock, "_frozen", now + timedelta(hours=1))
        due = ("backup", "run", "--due", "--jitter", "0", "--json")
        skipped = cli(*due)
        assert skipped.code == 0 and events(skipped.out)[0]["event"] == "skip"
        monkeypatch.setattr(clock, "_frozen", now + timedelta(hours=7))
        hung = cli(*due)
        assert hung.code == 11 and "hangs" in hung.out
    finally:
        first.kill()
        first.communicate()


def test_a_broken_store_does_not_keep_anybody_from_restoring(cli: Run, shop: Any, tmp_path: Path) -> None:
    cli("backup", "run", "shop")
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 1000)
    ran = cli("backup", "list", "--db", str(tmp_path / "broken.db"), "--json")
    assert ran.code == 0 and len(json.loads(ran.out)) == 1
    out = tmp_path / "out.db"
    ran = cli("backup", "restore", "shop", "--out", str(out), "--db", str(tmp_path / "broken.db"))
    assert ran.code == 0, ran.err
    assert shop.rows(out) == 200


def test_a_broken_hub_is_put_back(cli: Run, tmp_path: Path) -> None:
    cli("backup", "init")
    cli("task", "add", "Buy milk")
    cli("backup", "run")
    store = tmp_path / "data/backendhub/hub.db"
    for end in ("-wal", "-shm"):
        store.with_name(store.name + end).unlink(missing_ok=True)
    store.write_bytes(b"this is no database" * 1000)
    stopped = cli("backup", "restore", "--to", "hub", "--replace")
    assert stopped.code != 0 and "--no-safety-copy" in stopped.err
    back = cli("backup", "restore", "--to", "hub", "--replace", "--no-safety-copy")
    assert back.code == 0, back.err
    assert [t["description"] for t in json.loads(cli("task", "list", "--json").out)] == ["Buy milk"]


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


def test_metrics(cli: Run, shop: Any, tmp_path: Path) -> None:
    cli("backup", "run", "shop")
    out = tmp_path / "backup.prom"
    assert cli("backup", "status", "shop", "--textfile", str(out)).code == 0
    values = dict(line.rsplit(" ", 1) for line in out.read_text().splitlines() if not line.startswith("#"))
    assert values['backendhub_backup_proven_timestamp_seconds{target="shop"}'] == "0"
    assert int(values['backendhub_backup_newest_timestamp_seconds{target="shop"}']) > 1_700_000_000
    cli("backup", "drill", "shop")
    cli("backup", "status", "shop", "--textfile", str(out))
    assert 'proven_timestamp_seconds{target="shop"} 0' not in out.read_text()
