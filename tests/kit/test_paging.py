"""Keyset paging: every row once, in order, whatever the order is and whatever is inserted in between."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backendhub.kit import paging
from backendhub.kit.db import Db, columns, connect
from backendhub.kit.errors import Invalid, NotFound


@dataclass(frozen=True, slots=True)
class Row:
    id: int
    a: str
    b: int


SORTS = {
    "id": paging.Sort("id", lambda r: r.id),
    "a": paging.Sort("a", lambda r: r.a),
    "b": paging.Sort("b", lambda r: r.b),
}


def fetch(db: Db, by: paging.Order, limit: int, cursor: str | None) -> paging.Page[Row]:
    after, params = by.after(cursor)
    sql = f"SELECT {columns(Row)} FROM paged WHERE {after} ORDER BY {by.sql} LIMIT :limit"
    return paging.page(db.all(Row, sql, **params, limit=limit + 1), limit, by)


def walk(db: Db, by: paging.Order, limit: int) -> list[Row]:
    rows: list[Row] = []
    cursor = None
    for _ in range(1000):
        page = fetch(db, by, limit, cursor)
        rows += page.items
        if page.next is None:
            return rows
        assert len(page.items) == limit
        cursor = page.next
    raise AssertionError("the pages never end")


ORDERS = st.lists(st.sampled_from(["a", "-a", "b", "-b", "id", "-id"]), max_size=4).map(",".join)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=60,
)
@given(
    rows=st.lists(st.tuples(st.sampled_from(["", "x", "y", "ü", "☃"]), st.integers(-2, 2)), max_size=25),
    names=ORDERS,
    limit=st.integers(1, 10),
)
def test_every_row_comes_once_and_in_order(
    db: Db, rows: list[tuple[str, int]], names: str, limit: int
) -> None:
    collate = 'COLLATE "C"' if db.dialect == "postgres" else ""
    with db.savepoint():
        db.run("DROP TABLE IF EXISTS paged")
        db.run(f"CREATE TABLE paged (id BIGINT PRIMARY KEY, a TEXT {collate} NOT NULL, b BIGINT NOT NULL)")
        db.run_many(
            "INSERT INTO paged VALUES (:i, :a, :b)",
            [{"i": i, "a": a, "b": b} for i, (a, b) in enumerate(rows)],
        )
        found = walk(db, paging.order(names, SORTS), limit)
        expected = [Row(i, a, b) for i, (a, b) in enumerate(rows)]
        terms = [n for n in names.split(",") if n]
        if not {"id", "-id"} & set(terms):
            terms.append("-id" if terms and terms[-1].startswith("-") else "id")
        for name in reversed(terms):  # a stable sort by each key, the last first, is the order asked for
            key = name.lstrip("-")
            expected.sort(key=lambda r, k=key: getattr(r, k), reverse=name.startswith("-"))
        assert found == expected


def test_rows_inserted_in_front_shift_nothing() -> None:
    store = connect(":memory:")
    with store.transaction() as db:
        db.run("CREATE TABLE paged (id INTEGER PRIMARY KEY, a TEXT, b INTEGER)")
        db.run_many("INSERT INTO paged VALUES (:i, 'x', 0)", [{"i": i} for i in range(10, 20)])
        by = paging.order("id", SORTS)
        first = fetch(db, by, 5, None)
        db.run("INSERT INTO paged VALUES (1, 'x', 0)")
        db.run("DELETE FROM paged WHERE id = 14")  # the very row that the cursor stands on
        assert [r.id for r in fetch(db, by, 5, first.next).items] == [15, 16, 17, 18, 19]
    store.close()


def test_a_cursor_belongs_to_its_order() -> None:
    by = paging.order("a", SORTS)
    cursor = by.cursor(Row(1, "x", 2))
    assert paging.decode(cursor, by) == ["x", 1]
    for other in ("-a", "b", "a,b", "id"):
        with pytest.raises(NotFound):
            paging.decode(cursor, paging.order(other, SORTS))


def forged(data: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "%%%", "☃", "a" * 5000, forged(1), forged({}), forged(["a,id"]), forged(["a,id", None, 1]),
     forged(["a,id", [1], 1]), forged(["a,id", {"x": 1}, 1]), forged(["a,id", "\ud800", 1]), forged([[[[]]]])],
)  # fmt: skip
def test_a_forged_cursor_is_not_found(cursor: str) -> None:
    with pytest.raises(NotFound):
        paging.decode(cursor, paging.order("a", SORTS))


@given(st.text(max_size=60))
def test_any_text_is_a_cursor_or_unknown(text: str) -> None:
    with pytest.raises(NotFound):
        paging.decode(text, paging.order("a", SORTS))


def test_unknown_sort_keys_are_named() -> None:
    with pytest.raises(Invalid, match="Cannot sort by 'x'") as error:
        paging.order("a,x", SORTS)
    assert error.value.hint == "choose from id, a, b"


def test_the_last_page_has_no_next() -> None:
    by = paging.order("", SORTS)
    assert paging.page([Row(1, "", 0)], 1, by).next is None
    assert paging.page([Row(1, "", 0), Row(2, "", 0)], 1, by).next is not None
    assert paging.page([], 1, by) == paging.Page([], None)


# Wires whose clients ask for a page by its number or for rows by their position.
BY_POSITION = {
    "kit/resources/listing.py": "json-server: _page, _start",
    "systems/blog/store.py": "Conduit: offset",
    "systems/jwt_auth/store.py": "GoTrue: page of the administrators' list",
    "systems/shop/store/catalogue.py": "Medusa: offset",
    "systems/shop/store/sales.py": "Medusa: offset",
    "systems/task/store.py": "the brief's /todos?page",
}


def test_there_is_no_offset_but_where_a_wire_asks_for_it(root: Path) -> None:
    found = {
        path.relative_to(root / "src/backendhub").as_posix()
        for path in (root / "src").rglob("*.py")
        if re.search(r"\bOFFSET\s+(?::|\{|\d)", path.read_text(encoding="utf-8"))
    }
    assert found == set(BY_POSITION)
