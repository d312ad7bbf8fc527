"""The rules that need no repository: targets, retention text, worst codes, secrets."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, HubError, Invalid
from backendhub.kit.settings import Settings
from backendhub.systems.backup import access, store
from backendhub.systems.backup.models import worst
from backendhub.systems.backup.service import restores, runs, targets

MONDAY = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_target_and_when_it_is_due(db: Db, frozen: Callable[[str], None]) -> None:
    made = targets.add(db, name="shop", dsn="/srv/shop.db", every="0 3 * * *", keep="daily=7,within=30d")
    assert made.next_run_at == at("2026-01-06T03:00")
    assert made.keep == {"daily": 7, "within": "30d"}
    assert store.due(db, clock.now()) == []
    frozen("2026-01-20T10:00:00Z")  # asleep for two weeks: due once, then next night
    (due,) = store.due(db, clock.now())
    targets.after_run(db, due, ok=True)
    assert store.due(db, clock.now()) == []
    again = targets.find(db, "shop")
    assert again.next_run_at == at("2026-01-21T03:00")
    targets.after_run(db, again, ok=False)  # a failure is tried again within the hour
    assert targets.find(db, "shop").next_run_at == at("2026-01-20T11:00")


def test_targets_refuse(db: Db) -> None:
    targets.add(db, name="shop", dsn="x.db")
    with pytest.raises(Conflict):
        targets.add(db, name="shop", dsn="y.db")
    for wrong in ({"name": "a/b", "dsn": "x"}, {"name": "b", "dsn": None}, {"name": "hub", "dsn": "x"}):
        with pytest.raises(Invalid):
            targets.add(db, **wrong)
    with pytest.raises(Invalid):
        targets.add(db, name="c", dsn="x", keep="daily=many")
    with pytest.raises(Invalid):
        targets.add(db, name="c", dsn="x", type="partial")
    with pytest.raises(Invalid, match="never stored"):
        targets.parse_options(["password=hunter2"])
    assert targets.find(db, "hub").dsn == "hub"
    with pytest.raises(Invalid, match="no target"):
        targets.find(db, "nope")


def test_the_log_closes_what_died(db: Db) -> None:
    first = store.begin(db, rid="1", target="shop", action="run", started_at=clock.now())
    second = store.begin(db, rid="2", target="shop", action="run", started_at=clock.now())
    assert store.interrupt(db, second) == 1
    states = {entry.id: entry.status for entry in store.log(db, target="shop", failed=False, count=9)}
    assert states == {first.id: "interrupted", second.id: "running"}
    assert [e.id for e in store.log(db, target="", failed=True, count=9)] == [first.id]


@pytest.mark.parametrize(
    ("codes", "code"), [([], 0), ([0, 3], 3), ([3, 11], 11), ([22, 20], 22), ([40, 41], 40), ([30, 1], 1)]
)
def test_the_worst_code_wins(codes: list[int], code: int) -> None:
    assert worst(codes) == code


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("words\n")
    path.chmod(0o644)
    settings = Settings({"backup.passphrase_file": str(path)})
    with pytest.raises(Invalid, match="can be read by others"):
        access.passphrase(settings)
    path.chmod(0o600)
    assert access.passphrase(settings) == "words"


def test_a_passphrase_command_that_fails_says_nothing_of_what_it_printed() -> None:
    settings = Settings({"backup.passphrase_command": "sh -c 'echo half-a-secret; exit 3'"})
    with pytest.raises(HubError) as failure:
        access.passphrase(settings)
    assert failure.value.exit_code == 12
    assert "half" not in failure.value.message
    assert access.passphrase(Settings({"backup.passphrase_command": "printf 'one\\ntwo'"})) == "one"


def test_the_password_of_the_stores_url_never_reaches_the_dsn() -> None:
    dsn, password = targets.split_password("postgresql://app:p%40ss@db.example:5433/hub?sslmode=require")
    assert password == "p@ss"
    assert "p%40ss" not in str(dsn) and str(dsn) == "postgresql://app@db.example:5433/hub"
    hub = targets.ephemeral("hub", "hub")
    with targets.engine_of(hub, "postgresql://app:secret@db.example/hub") as engine:
        assert Path(engine.options["password_file"]).read_text() == "secret\n"
        assert "secret" not in str(engine.dsn) + os.environ.get("PGPASSWORD", "")


def test_spans_and_statements() -> None:
    assert [runs.seconds(t) for t in ("90", "90s", "15min", "6h", "0")] == [90, 90, 900, 21600, 0]
    text = "-- a remark\nSELECT 1;\n\nSELECT ';' ,\n 2;  \nSELECT 3"
    assert restores.statements(text) == ["SELECT 1", "SELECT ';' ,\n 2", "SELECT 3"]


def test_types(frozen: Callable[[str], None]) -> None:
    """`auto` reads a physical base again only once it is old."""
    from backendhub.systems.backup.models import Type
    from backendhub.systems.backup.repository.repo import Snapshot

    def taken(moment: str) -> list[Any]:
        return [Snapshot("a" * 32, "t", 1, at(moment), Type.FULL, 1, 1, ())]

    plain, physical = targets.ephemeral("t", "x"), targets.ephemeral("t", "x", {"mode": "physical"})
    assert runs.choose_type(plain, [], "incr") == (Type.FULL, False)
    assert runs.choose_type(plain, taken("2026-01-05"), None) == (Type.INCR, False)
    assert runs.choose_type(plain, taken("2026-01-05"), "diff") == (Type.DIFF, False)
    assert runs.choose_type(physical, taken("2026-01-04"), None) == (Type.INCR, True)  # only WAL
    assert runs.choose_type(physical, taken("2025-12-20"), None) == (Type.DIFF, False)  # a new base
