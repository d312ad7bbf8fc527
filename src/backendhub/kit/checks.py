"""Invariants as live queries: each is a SELECT that finds what breaks it. `/_check` shows them with their result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.db.records import encode

SHOWN = 5


class Check(NamedTuple):
    """An invariant: what must hold, and a SELECT of the rows for which it does not.

    The SELECT may use `:now`, `:book` and what else is given to `run`; its first column names the row.
    """

    name: str
    holds: str
    sql: str


@dataclass(frozen=True, slots=True)
class Result:
    """Whether an invariant holds, how many rows break it, and the first of them."""

    name: str
    holds: str
    ok: bool
    violations: int
    examples: list[str]


@dataclass(frozen=True, slots=True)
class Report:
    """Every invariant of a system, looked at now."""

    ok: bool
    checked_at: str
    checks: list[Result]


def run(db: Db, checks: Sequence[Check], params: Mapping[str, Any] | None = None) -> Report:
    """Looks at each invariant. It reads whole tables: for people and nightly jobs, not for every request."""
    values = dict(params or {}) | {"now": encode(clock.precise())}
    results = [_look(db, check, values) for check in checks]
    return Report(all(r.ok for r in results), str(values["now"]), results)


def _look(db: Db, check: Check, values: dict[str, Any]) -> Result:
    used = {name: value for name, value in values.items() if f":{name}" in check.sql}
    rows = db.fetch(check.sql, used)
    examples = [" ".join(str(v) for v in row) for row in rows[:SHOWN]]
    return Result(check.name, check.holds, not rows, len(rows), examples)
