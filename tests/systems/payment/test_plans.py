"""How SQLite reads: no statement walks a table to find a row, no check asks for each row of one for all rows of another."""

from __future__ import annotations

import re
from typing import Any

import pytest

from backendhub.kit.db import Db, connect
from backendhub.systems.payment import objects, store
from backendhub.systems.payment.models import Json


@pytest.fixture(scope="module")
def read() -> Any:
    """Gives the plan of a statement."""
    opened = connect(":memory:")
    opened.use("payment")

    def plan(sql: str) -> list[str]:
        def explained(db: Db) -> list[str]:
            names = re.findall(r"(?<!:):([a-z_0-9]+)", sql)
            return [row[3] for row in db.fetch("EXPLAIN QUERY PLAN " + sql, dict.fromkeys(names, 1))]

        return opened.read(explained)

    yield plan
    opened.close()


def statements(*, checks: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in vars(store).items():
        if name.isupper() and not name.startswith("_") and name.startswith("CHECK") == checks:
            each = value if isinstance(value, dict) else {"": value}
            found |= {name + key: sql for key, sql in each.items() if key != "postgres"}
    read = {k: v.replace("{among}", "IN ('x')") for k, v in found.items() if " FROM " in v or "UPDATE" in v}
    return {k: v for k, v in read.items() if v.lstrip().startswith(("SELECT", "UPDATE", "DELETE"))}


@pytest.mark.parametrize("name", statements(checks=False))
def test_rows_are_found_by_an_index(read: Any, name: str) -> None:
    assert [step for step in read(statements(checks=False)[name]) if step.startswith("SCAN")] == []


@pytest.mark.parametrize("name", statements(checks=True))
def test_checks_ask_for_each_row_by_an_index(read: Any, name: str) -> None:
    _, *inner = read(statements(checks=True)[name])
    if name == "CHECK_PERIODS":  # a window over the whole table, in the order of its key
        return
    assert [step for step in inner if step.startswith("SCAN") or step.endswith(" (kind=?)")] in (
        [],
        ["SEARCH payment_object USING INDEX payment_object_page (kind=?)"],  # the newest event, once
    )


@pytest.mark.parametrize("op", [":", "~", "?", "in", ">"])
def test_a_list_asks_each_object_for_its_own_fields(read: Any, op: str) -> None:
    asked = store.condition(0, op, "sqlite").replace("{among}", "IN ('x')")
    steps = read(store.page([asked], after=True))
    assert "SEARCH o USING INDEX payment_object_page (kind=? AND created<?)" in steps
    assert any(" f USING " in step and "(object_id=? AND field=?" in step for step in steps), steps


@pytest.mark.parametrize("op", [":", "in"])
def test_a_list_begins_with_what_few_objects_have(read: Any, op: str) -> None:
    steps = read(store.page([store.first(0, op).replace("{among}", "IN ('x')")], begun=True))
    assert "SEARCH o USING INTEGER PRIMARY KEY (rowid=?)" in steps
    assert any("payment_field_value (kind=? AND field=? AND value=?)" in step for step in steps), steps


def test_pages_are_the_same_whichever_way_they_are_read(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few have a value, or many; several conditions, denied ones, pages forwards and backwards."""
    for n in range(40):
        about: Json = {
            "email": f"{n % 4}@mail.example",
            "name": "A" if n % 3 else "B",
            "created": 1000 + n // 2,
        }
        objects.make(db, "customer", about)
    objects.make(db, "charge", {"email": "1@mail.example"})
    asked: list[list[tuple[str, str, Any]]] = [
        [("email", ":", "1@mail.example")],
        [("email", "in", ["1@mail.example", "2@mail.example", "none"]), ("name", "-:", "B")],
        [("name", ":", "A"), ("email", ":", "3@mail.example"), ("created", ">=", 1005)],
        [("email", ":", "none")],
        [("name", "~", "a")],
    ]
    for conditions in asked:
        pages = []
        for few in (0, 15, 500):
            monkeypatch.setattr(objects, "FEW", few)
            whole = [c["id"] for c in objects.select(db, "customer", conditions, limit=100)]
            edge = objects.row_of(db, "customer", whole[5]) if len(whole) > 5 else None
            after = [c["id"] for c in objects.select(db, "customer", conditions, after=edge, limit=3)]
            before = [c["id"] for c in objects.select(db, "customer", conditions, before=edge, limit=3)]
            pages.append((whole, after, before))
        assert pages[0] == pages[1] == pages[2]
        if edge is not None:
            assert (after, before) == (whole[6:9], whole[2:5])
