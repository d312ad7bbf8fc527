"""`backendhub files`, and the collection that runs by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backendhub.app.jobs import PARTS
from backendhub.kit import clock
from backendhub.kit import hub as hubs
from backendhub.kit.files import Files
from backendhub.kit.jobs.declared import Modules
from backendhub.kit.settings import Settings


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with two equal files of ann's, a third of bob's, and one that is deleted."""
    monkeypatch.setenv("BACKENDHUB_DATABASE", str(tmp_path / "hub.db"))
    monkeypatch.setenv("BACKENDHUB_FILES", str(tmp_path / "kept"))
    hub = hubs.Hub(Settings())
    for owner, data in (("ann", b"same"), ("ann", b"same"), ("bob", b"other")):
        hub.files.put(data, owner=owner, name="x.txt")
    hub.files.delete(hub.files.put(b"gone", owner="bob", name="y.txt").id)
    hub.close()
    return tmp_path / "kept"


def test_status_usage_and_quota(cli: Callable[..., Any], place: Path) -> None:
    status = json.loads(cli("files", "--json").out)
    assert status == {
        "place": str(place), "files": 3, "bytes": 13, "contents": 3, "stored": 13, "uploads": 0, "trash": 0,
    }  # fmt: skip
    cli("files", "quota", "ann", "5kB")
    rows = json.loads(cli("files", "usage", "--json").out)
    assert [(r["owner"], r["bytes"], r["files"], r["quota"]) for r in rows] == [
        ("ann", 8, 2, 5000), ("bob", 5, 1, None),
    ]  # fmt: skip
    assert json.loads(cli("files", "quota", "ann", "--json").out)["quota"] is None
    assert cli("files", "quota", "ann", "much").code == 2


def test_collection_and_check(cli: Callable[..., Any], place: Path) -> None:
    with clock.frozen(clock.now() + timedelta(hours=2)):
        assert json.loads(cli("files", "gc", "--json").out)["blobs"] == 0
    with clock.frozen(clock.now() + timedelta(hours=3)):
        assert json.loads(cli("files", "gc", "--strays", "--json").out)["blobs"] == 1
    assert cli("files", "check", "--verify").code == 0
    victim = next(p for p in place.rglob("*-*") if p.is_file())
    victim.write_bytes(b"?" * victim.stat().st_size)
    assert cli("files", "check").code == 0
    ran = cli("files", "check", "--verify", "--json")
    assert (ran.code, json.loads(ran.out)[0]["what"]) == (1, "damaged")


def test_the_jobs_collect(hub: hubs.Hub, tmp_path: Path) -> None:
    hub.settings.flags["files"] = str(tmp_path / "kept")
    kinds = {k.name: k for k in Modules(PARTS, hub.use).of("files")}
    assert {name: kind.cron for name, kind in kinds.items()} == {
        "files.collect": "17 * * * *", "files.strays": "43 3 * * sun",
    }  # fmt: skip
    files: Files = hub.files
    files.delete(files.put(b"gone", owner="bob", name="y.txt").id)
    run: Any = type("Run", (), {"hub": hub})
    for hours in (2, 4):
        with clock.frozen(clock.now() + timedelta(hours=hours)):
            result = kinds["files.collect" if hours == 2 else "files.strays"].fn(run)
    assert result == {"blobs": 1, "bytes": 4, "uploads": 0, "strays": 0}


def test_memory_keeps_files_in_memory_too() -> None:
    hub = hubs.Hub(Settings({"database": ":memory:"}))
    file = hub.files.put(b"data", owner="ann", name="x")
    place = Path(hub.files.backend.url)
    assert hub.files.content(file) == b"data"
    assert "backendhub-files-" in place.name
    hub.close()
    assert not place.exists()
