"""Cron expressions, declarations, and the table that spares importing systems."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from backendhub.kit import clock, jobs
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound
from backendhub.kit.jobs import declared, queue

SYSTEM = "jobs"
Move = Callable[[str], None]


def test_the_kinds_of_handlers() -> None:
    @jobs.job("t-kinds.unit")
    def unit(db: Db, n: int) -> None: ...

    @jobs.job("t-kinds.thread")
    def thread(run: jobs.Run, n: int) -> None: ...

    @jobs.job("t-kinds.bare")
    def bare() -> None: ...

    @jobs.job("t-kinds.loop")
    async def loop(run: jobs.Run) -> None: ...

    found = {kind.name: kind.style for kind in declared.Modules({}).of("t-kinds")}
    assert found == {
        "t-kinds.unit": "unit",
        "t-kinds.thread": "thread",
        "t-kinds.bare": "thread",
        "t-kinds.loop": "async",
    }


def test_a_wrong_declaration_is_found_when_it_is_made() -> None:
    with pytest.raises(Invalid, match="no cron expression"):
        jobs.job("a.b", cron="every day")
        jobs.job("a.b", cron="every day")(lambda: None)
    with pytest.raises(Invalid, match="no name of a job"):
        jobs.job("publish")(lambda: None)


def delays(backoff: Any, attempts: int) -> list[float]:
    jobs.job("t-delay.x", backoff=backoff)(lambda: None)
    kind = declared._kinds["t-delay.x"]
    return [kind.delay(n + 1) for n in range(attempts)]


def test_delays_double_up_to_an_hour_and_are_spread() -> None:
    for delay, base in zip(
        delays(10.0, 12), [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600], strict=True
    ):
        assert base * 0.8 <= delay <= base * 1.2
    assert len(set(delays(10.0, 1) + delays(10.0, 1))) == 2


def test_delays_by_list_and_by_function() -> None:
    for delay, base in zip(delays((5, 300), 4), [5, 300, 300, 300], strict=True):
        assert base * 0.8 <= delay <= base * 1.2
    assert delays(lambda attempt: attempt * 7.0, 3) == [7.0, 14.0, 21.0]


# -- the table -----------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _own_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declared, "_kinds", {})


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a module of handlers for a system `t-mod` and gives its name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(text: str) -> str:
        name = f"t_mod_{uuid4().hex}"
        (tmp_path / f"{name}.py").write_text("from backendhub.kit import jobs\n" + text)
        return name

    return write


def test_a_system_is_imported_once_for_each_version_of_its_jobs(db: Db, module: Any, frozen: Move) -> None:
    name = module("@jobs.job('t-mod.tick', cron='@daily', zone='Europe/Berlin')\ndef tick(): ...\n")
    modules = declared.Modules({"t-mod": name})
    assert declared.stale(db, modules.hashes()) == ["t-mod"]
    assert name not in sys.modules
    declared.adopt(db, "t-mod", modules.hashes()["t-mod"], modules.of("t-mod"))
    assert name in sys.modules
    assert declared.stale(db, modules.hashes()) == []
    (entry,) = [e for e in jobs.schedules(db) if e.system == "t-mod"]
    assert (entry.cron, entry.zone, entry.next_at) == (
        "@daily",
        "Europe/Berlin",
        clock.parse("2026-01-05T23:00:00Z"),
    )
    declared.adopt(db, "t-mod", "another", [])
    assert [e for e in jobs.schedules(db) if e.system == "t-mod"] == []


def test_an_unchanged_entry_keeps_its_next_time_so_that_a_missed_one_is_made_up(
    db: Db, module: Any, frozen: Move
) -> None:
    name = module("@jobs.job('t-mod.tock', cron='0 12 * * *')\ndef tock(): ...\n")
    kinds = [k for k in declared.Modules({"t-mod": name}).of("t-mod") if k.name == "t-mod.tock"]
    declared.adopt(db, "t-mod", "1", kinds)
    frozen("2026-01-08T09:00:00Z")  # nobody was there at three noons
    declared.adopt(db, "t-mod", "2", kinds)
    assert queue.next_due(db) == clock.parse("2026-01-05T12:00:00Z")
    queue.advance(db)
    queue.advance(db)
    (job,) = jobs.find(db, name="t-mod.tock")
    assert (job.run_at, job.unique_key) == (clock.parse("2026-01-05T12:00:00Z"), "cron")
    (entry,) = jobs.schedules(db)
    assert (entry.next_at, entry.last_at) == (
        clock.parse("2026-01-08T12:00:00Z"),
        clock.parse("2026-01-05T12:00:00Z"),
    )


def test_handlers_are_found_by_name_and_their_system_s_tables_are_asked_for(module: Any) -> None:
    used: list[str] = []
    name = module("@jobs.job('t-mod.find')\ndef found(): ...\n")
    modules = declared.Modules({"t-mod": name}, lambda *systems: used.extend(systems))
    assert modules.known("t-mod.find") is None
    assert modules.find("t-mod.find").name == "t-mod.find"
    assert used == ["t-mod"]
    assert modules.known("t-mod.find") is not None
    for name in ("t-mod.nothing", "t-nowhere.x"):
        with pytest.raises(NotFound, match="No system has a job"):
            modules.find(name)
