"""The audit log: only added to, in one chain, whoever writes at once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit import audit
from backendhub.kit.audit.log import START
from backendhub.kit.db import Db, Store, connect
from backendhub.kit.errors import HubError, Invalid, PolicyViolation

SYSTEM = "audit"


def noted(db: Db, count: int = 3) -> list[audit.Entry]:
    return [
        audit.note(db, f"user:{n % 2}", "t.changed", f"thing:{n}", {"n": n}, {"n": "é"}) for n in range(count)
    ]


def test_entries_are_chained(db: Db, frozen: Callable[[str], None]) -> None:
    first, second, third = noted(db)
    assert (first.id, first.previous, second.previous, third.previous) == (1, START, first.hash, second.hash)
    assert (first.actor, first.action, first.subject, first.before) == (
        "user:0",
        "t.changed",
        "thing:0",
        '{"n":0}',
    )
    assert audit.verify(db) == (3, third.hash)
    # Fixed for good: a log that was written by this version is checked by all later ones.
    assert first.hash == "b588e69cd3fb67cba052461c390789acc7fb5c3c5d5382ffc8890a92b636def3"


def test_an_empty_log_is_fine(db: Db) -> None:
    assert audit.verify(db) == (0, START)
    assert audit.verify(db, START) == (0, START)


def test_entries_are_found_by_actor_and_subject(db: Db) -> None:
    noted(db, 4)
    assert [e.id for e in audit.find(db)] == [4, 3, 2, 1]
    assert [e.id for e in audit.find(db, actor="user:0")] == [3, 1]
    assert [e.id for e in audit.find(db, subject="thing:1")] == [2]
    assert [e.id for e in audit.find(db, below=3, limit=1)] == [2]
    with pytest.raises(Invalid):
        audit.find(db, actor="a", subject="b")
    with pytest.raises(Invalid, match="must be JSON"):
        audit.note(db, "a", "b", "c", {1, 2})


CHANGES = {
    "update": "UPDATE audit_entry SET actor = 'somebody else' WHERE id = 2",
    "delete": "DELETE FROM audit_entry WHERE id = 2",
    "replace": "INSERT OR REPLACE INTO audit_entry SELECT 2, at, 'x', action, subject, before, after, previous, 'y' "
    "FROM audit_entry WHERE id = 2",
    "truncate": "TRUNCATE audit_entry",
}


ON = [("sqlite", c) for c in ("update", "delete", "replace")]
ON_POSTGRES = [
    pytest.param("postgres", c, marks=pytest.mark.postgres) for c in ("update", "delete", "truncate")
]


@pytest.mark.parametrize(("engine", "change"), [*ON, *ON_POSTGRES], indirect=["engine"])
def test_the_store_refuses_to_change_them(store: Store, change: str) -> None:
    store.use("audit")
    store.unit(noted)
    with pytest.raises(HubError):
        store.unit(lambda db: db.run(CHANGES[change]))
    assert store.read(audit.verify).entries == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE audit_entry SET actor = 'x' WHERE id = 2", "Entry 2 .* not as it was written"),
        ("UPDATE audit_entry SET after = NULL WHERE id = 3", "Entry 3 .* not as it was written"),
        ("DELETE FROM audit_entry WHERE id = 2", "Entry 2 .* is missing"),
        ("DELETE FROM audit_entry WHERE id = 3", "cut off"),
    ],
)
def test_a_change_behind_its_back_is_found(tmp_path: Path, change: str, said: str) -> None:
    store = connect(str(tmp_path / "x.db"))
    store.use("audit")
    store.unit(noted)
    head = store.read(audit.verify).head
    raw = sqlite3.connect(tmp_path / "x.db")
    for name in ("update", "delete"):
        raw.execute(f"DROP TRIGGER audit_entry_no_{name}")
    raw.execute(change)
    raw.commit()
    raw.close()
    with pytest.raises(PolicyViolation, match=said):
        store.read(audit.verify, head)
    store.close()


def test_what_is_rolled_back_leaves_no_gap(store: Store) -> None:
    store.use("audit")
    store.unit(noted, 1)

    def unit(db: Db) -> None:
        noted(db, 2)
        raise LookupError("no")

    with pytest.raises(LookupError):
        store.unit(unit)
    store.unit(noted, 1)
    assert store.read(audit.verify).entries == 2


def test_many_writers_make_one_chain(store: Store, store_url: str) -> None:
    stores = [connect(store_url) for _ in range(6)]
    for each in stores:
        each.use("audit")

    def write(n: int) -> None:
        for k in range(15):
            stores[n].unit(audit.note, f"user:{n}", "t.changed", f"thing:{k}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    store.use("audit")
    assert store.read(audit.verify).entries == 90
    for each in stores:
        each.close()


def test_from_the_terminal(cli: Any, tmp_path: Path) -> None:
    store = connect(str(tmp_path / "data" / "backendhub" / "hub.db"))
    store.use("audit")
    store.unit(noted)
    store.close()
    assert [row["id"] for row in json.loads(cli("audit", "list", "--actor", "user:0", "--json").out)] == [
        3,
        1,
    ]
    checked = json.loads(cli("audit", "verify", "--json").out)
    assert checked["entries"] == 3
    assert cli("audit", "verify", "--head", checked["head"]).code == 0
    assert cli("audit", "verify", "--head", "f" * 64).code == 8
