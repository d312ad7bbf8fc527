"""Backup by the command line when something is wrong: damage, doubt, a lost host, a broken store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]
Events = Callable[[str], list[dict[str, Any]]]


def listed(cli: Run, *words: str) -> list[dict[str, Any]]:
    ran = cli("backup", "list", *words, "--json")
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = json.loads(ran.out)
    return found


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
