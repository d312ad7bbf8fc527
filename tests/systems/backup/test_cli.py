"""Backup by the command line: round trips, exit codes, events, what is due."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
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
