"""What the ledger and reservations share: statements that both engines understand, invariants that both can look at."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from backendhub.kit import checks, clock, ledger, reservation
from backendhub.kit.clocks import store as clocks_store
from backendhub.kit.db import Store
from backendhub.kit.db.base import pyformat
from backendhub.kit.ledger import store as ledger_store
from backendhub.kit.reservation import store as reservation_store

STATEMENT = r"(?is)\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s"


def statements(module: ModuleType, dialect: str) -> dict[str, str]:
    """Constants and the engine's own of pairs; what only PostgreSQL runs says so in its name."""
    found: dict[str, str] = {}
    for name, value in vars(module).items():
        if isinstance(value, dict) and set(value) == {"sqlite", "postgres"}:
            value = value[dialect]
        if not isinstance(value, str) or not re.match(STATEMENT, value) or "{" in value:
            continue
        if dialect == "postgres" or not name.endswith("_ON_POSTGRES"):
            found[name] = value
    return found


@pytest.mark.parametrize(
    "module", [ledger_store, reservation_store, clocks_store], ids=["ledger", "reservation", "clocks"]
)
def test_every_statement_is_understood_by_both_engines(store: Store, module: ModuleType) -> None:
    store.use("ledger", "reservation", "clocks")
    found = statements(module, store.dialect)
    assert len(found) > 7
    with store.transaction() as db:
        for sql in found.values():
            names = sorted(set(re.findall(r"(?<![:\w]):([a-zA-Z_]\w*)", re.sub(r"'[^']*'", "''", sql))))
            if db.dialect == "sqlite":
                db.fetch("EXPLAIN " + sql, dict.fromkeys(names))
            else:
                query = pyformat(sql)
                for number, name in enumerate(names, 1):
                    query = query.replace(f"%({name})s", f"${number}")
                db.run(f"PREPARE probe AS {query.replace('%%', '%')}")
                db.run("DEALLOCATE probe")


PAGES = [ledger_store.PLACE, ledger_store.LINES, ledger_store.PAIR]


@pytest.mark.parametrize("sql", PAGES, ids=["place", "lines", "pair"])
def test_what_is_asked_often_reads_no_whole_table(sql: str) -> None:
    from backendhub.kit.db import connect

    store = connect(":memory:")
    store.use("ledger")
    names = set(re.findall(r"(?<![:\w]):([a-zA-Z_]\w*)", sql))
    with store.transaction() as db:
        plan = [row[3] for row in db.fetch("EXPLAIN QUERY PLAN " + sql, dict.fromkeys(names, 1))]
    store.close()
    assert not [line for line in plan if line.startswith("SCAN ledger")], plan
    assert [line for line in plan if "USING" in line]


def test_a_report_says_what_holds_and_what_does_not(store: Store) -> None:
    store.use("ledger", "reservation")
    with clock.frozen("2026-01-05T09:00:00Z"):
        report = store.read(checks.run, [*ledger.CHECKS, *reservation.CHECKS], {"book": ""})
    assert report.ok
    assert report.checked_at == "2026-01-05T09:00:00.000Z"
    broken = checks.Check(
        "numbers", "There are none", "SELECT value, 'x' FROM (VALUES (1), (2)) AS v (value)"
    )
    if store.dialect == "sqlite":
        broken = broken._replace(sql="SELECT 1, 'x' UNION ALL SELECT 2, 'x'")
    result = store.read(checks.run, [broken])
    assert (result.ok, result.checks[0].violations, result.checks[0].examples) == (False, 2, ["1 x", "2 x"])
