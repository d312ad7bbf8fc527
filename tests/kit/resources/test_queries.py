"""Filters, orders and pages: whatever is asked, both engines answer as a model in Python does."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backendhub.kit.db import Db
from backendhub.kit.errors import Malformed, NotFound
from backendhub.kit.resources import service
from backendhub.kit.resources.conditions import All, AnyOf, IfObject, Node
from backendhub.kit.resources.conditions import Test as Asks
from backendhub.kit.resources.fields import KEY, Kind, entries, entry
from backendhub.kit.resources.models import Query, Resource, Rules

SYSTEM = "resources"
QUICK = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXTS = (
    "",
    "a",
    "A",
    "ä",
    "Ä",
    "b%",
    "b_",
    "a\\",
    "1",
    "10",
    "true",
    "null",
    "x" * 250,
    "x" * 250 + "y",
    "é\n",
    "😀",
)
NUMBERS = (0, 1, -1, 10, 1.5, 2**53, 2**53 + 1, -2.5e300, 1e-7)
SCALARS = st.one_of(st.none(), st.booleans(), st.sampled_from(NUMBERS), st.sampled_from(TEXTS))
VALUES = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.sampled_from("ab"), SCALARS, max_size=2)
)
ROWS = st.lists(st.dictionaries(st.sampled_from(("a", "b", "c")), VALUES, max_size=3), max_size=8)
PATHS = st.sampled_from(("a", "b", "c", "a.a", "b.b", "a.0", "b.1", "none"))
OPERATORS = st.sampled_from(("eq", "ne", "lt", "lte", "gt", "gte", "contains", "starts", "ends"))
TESTS = st.builds(Asks, PATHS, OPERATORS, st.lists(SCALARS, min_size=1, max_size=3).map(tuple))
NODES = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.builds(All, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(IfObject, PATHS, inner),
    ),
    max_leaves=5,
)


def filled(db: Db, rows: list[dict[str, Any]]) -> Resource:
    loaded = service.load(db, "q", {"rows": [{"id": i, **row} for i, row in enumerate(rows, 1)]}, Rules())
    return service.resource(db, loaded.id, "rows")


def ids(db: Db, resource: Resource, query: Query) -> list[int]:
    return [row.value["id"] for row in service.find(db, resource, query).rows]


# -- the model ---------------------------------------------------------------------------------------------


def at(row: dict[str, Any], path: str) -> Any:
    return entries(row).get(path)


def holds(row: dict[str, Any], node: Node) -> bool:
    if isinstance(node, All):
        return all(holds(row, part) for part in node.parts)
    if isinstance(node, AnyOf):
        return any(holds(row, part) for part in node.parts)
    found = at(row, node.path)
    if isinstance(node, IfObject):
        return found is None or found.kind is not Kind.OBJECT or holds(row, node.part)
    if found is None:
        return False
    tests = [compared(node.op, found, value) for value in node.values]
    return not any(tests) if node.op == "ne" else any(tests)


def compared(op: str, found: Any, value: Any) -> bool:
    if op in ("contains", "starts", "ends"):
        text = entry(value).fold if value is not None else "null"
        if found.kind is not Kind.STRING:
            return False
        return {
            "contains": text in found.fold,
            "starts": found.fold.startswith(text),
            "ends": found.fold.endswith(text),
        }[op]
    wanted = entry(value)
    if op in ("eq", "ne"):
        return found.kind is wanted.kind and (found.num, found.key, found.fold if len(wanted.key) == KEY or wanted.num else "") == (
            wanted.num, wanted.key, wanted.fold if len(wanted.key) == KEY or wanted.num else "",
        )  # fmt: skip
    if found.kind is not wanted.kind or wanted.kind not in (Kind.BOOLEAN, Kind.NUMBER, Kind.STRING):
        return False
    a, b = (found.key, wanted.key) if wanted.kind is Kind.STRING else (found.num, wanted.num)
    return {"lt": a < b, "lte": a <= b, "gt": a > b, "gte": a >= b}[op]


def ordered(rows: list[dict[str, Any]], sort: list[tuple[str, bool]]) -> list[int]:
    found = [{"id": i, **row} for i, row in enumerate(rows, 1)]
    for path, descending in reversed(sort):
        found.sort(
            key=lambda row: tuple(at(row, path)[:3]) if at(row, path) else (Kind.MISSING, 0.0, ""),
            reverse=descending,
        )
    return [row["id"] for row in found]


# -- the engines against it --------------------------------------------------------------------------------


@QUICK
@given(ROWS, NODES)
def test_conditions(db: Db, rows: list[dict[str, Any]], node: Node) -> None:
    resource = filled(db, rows)
    expected = [i for i, row in enumerate(rows, 1) if holds({"id": i, **row}, node)]
    assert ids(db, resource, Query(node)) == expected
    assert service.count(db, resource, Query(node)) == len(expected)


@QUICK
@given(
    ROWS,
    st.lists(st.tuples(PATHS, st.booleans()), max_size=3, unique_by=lambda s: s[0]),
    st.integers(0, 4),
    st.integers(0, 4),
)
def test_orders_and_parts(
    db: Db, rows: list[dict[str, Any]], sort: list[tuple[str, bool]], offset: int, limit: int
) -> None:
    resource = filled(db, rows)
    expected = ordered(rows, sort)
    assert ids(db, resource, Query(sort=tuple(sort))) == expected
    assert (
        ids(db, resource, Query(sort=tuple(sort), offset=offset, limit=limit))
        == expected[offset : offset + limit]
    )
    by_cursor: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = service.find(db, resource, Query(sort=tuple(sort), limit=3, cursor=cursor))
        by_cursor += [row.value["id"] for row in page.rows]
        cursor = page.next
    assert by_cursor == expected


@QUICK
@given(ROWS, st.sampled_from(TEXTS))
def test_search(db: Db, rows: list[dict[str, Any]], text: str) -> None:
    def says(value: Any) -> bool:
        if isinstance(value, (list, dict)):
            return any(map(says, value.values() if isinstance(value, dict) else value))
        return value is not None and value is not False and text.lower() in entry(value).fold

    expected = [i for i, row in enumerate(rows, 1) if says({"id": i, **row})]
    assert ids(db, filled(db, rows), Query(text=text)) == expected


ATOMS = st.sampled_from(
    ["a", "B", "ä", ".", "\\d", "\\w", "\\W", "\\s", "[a-f]", "[^a-f1]", "\\.", "_", "%", "-", "\\bx", "1"]
)
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "*?"])).map(
            lambda t: f"(?:{t[0]}){t[1]}"
        ),
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: "(" + "|".join(parts) + ")"),
        inner.map(lambda part: "^" + part),
        inner.map(lambda part: part + "$"),
    ),
    max_leaves=5,
)


@QUICK
@given(st.lists(st.text(alphabet="aAbBxäÄ1_%.- \n", max_size=6), max_size=6), PATTERNS)
def test_patterns(db: Db, texts: list[str], pattern: str) -> None:
    resource = filled(db, [{"t": text} for text in texts])
    # `$` of JavaScript is the very end; \d, \w and \s are ASCII there.
    python = re.compile(re.sub(r"(?<!\\)\$", r"\\Z", pattern), re.IGNORECASE | re.ASCII)
    expected = [i for i, text in enumerate(texts, 1) if python.search(text.lower())]
    assert ids(db, resource, Query(Asks("t", "like", (pattern,)))) == expected


def test_patterns_see_numbers_and_lists(db: Db) -> None:
    resource = filled(db, [{"v": 150}, {"v": ["Red", "blue"]}, {"v": True}, {"v": {"a": 1}}, {"v": None}])
    assert ids(db, resource, Query(Asks("v", "like", ("^15",)))) == [1]
    assert ids(db, resource, Query(Asks("v", "like", ("red,b",)))) == [2]
    assert ids(db, resource, Query(Asks("v", "like", ("true", "^1-0")))) == [3]
    assert ids(db, resource, Query(Asks("v", "like", (".*",)))) == [1, 2, 3]
    with pytest.raises(Malformed):
        ids(db, resource, Query(Asks("v", "like", ("(",))))


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a*)*b", "a?" * 40 + "a" * 40, "(.*a){12}"])
def test_patterns_that_explode_elsewhere_do_not_here(db: Db, pattern: str) -> None:
    """Engines that backtrack need hours for these; the statement timeout or the patience of the test would end it."""
    resource = filled(db, [{"t": "a" * 2000 + "!"}])
    assert ids(db, resource, Query(Asks("t", "like", (pattern,)))) in ([], [1])


def test_a_condition_on_nothing(db: Db) -> None:
    resource = filled(db, [{"a": 1}, {}])
    assert ids(db, resource, Query(Asks("a", "eq", ()))) == []
    assert ids(db, resource, Query(Asks("a", "ne", ()))) == [1]
    assert ids(db, resource, Query(All(()))) == [1, 2] and ids(db, resource, Query(AnyOf(()))) == []


def test_a_cursor_is_not_moved_by_what_is_added_or_deleted(db: Db) -> None:
    resource = filled(db, [{"n": n} for n in (5, 3, 1, 4, 2)])
    query = Query(sort=(("n", False),), limit=2, cursor="")
    first = service.find(db, resource, query)
    for n in (0, 2.5):
        service.add(db, resource, {"n": n}, Rules())
    service.remove(db, resource, str(first.rows[-1].value["id"]), Rules())
    second = service.find(db, resource, Query(sort=query.sort, limit=9, cursor=first.next))
    assert [row.value["n"] for row in second.rows] == [2.5, 3, 4, 5]
    with pytest.raises(NotFound):
        service.find(db, resource, Query(sort=(("n", True),), limit=2, cursor=first.next))


PLAN = {"sqlite": "EXPLAIN QUERY PLAN ", "postgres": "EXPLAIN "}


def test_a_filter_and_an_order_are_looked_up_in_the_index(db: Db) -> None:
    """On a thousand rows, after the statistics are taken: no scan of rows for one value, and no sort for a page."""
    resource = filled(db, [{"n": n, "t": f"text {n}"} for n in range(1000)])
    plans: list[str] = []
    fetch = db.fetch

    def explain(sql: str, params: Any) -> list[tuple[Any, ...]]:
        if "SELECT r.id" in sql:
            plans.append(json.dumps(fetch(PLAN[db.dialect] + sql, params), default=str))
        return fetch(sql, params)

    db.fetch = explain  # type: ignore[method-assign]
    try:
        assert ids(db, resource, Query(Asks("n", "eq", (7,)))) == [8]
        assert ids(db, resource, Query(sort=(("n", True),), limit=2)) == [1000, 999]
    finally:
        del db.fetch  # type: ignore[misc]
    assert len(plans) == 2
    for plan in plans:
        assert "resources_field_value" in plan, plan
