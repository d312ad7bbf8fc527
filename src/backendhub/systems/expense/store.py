"""Every SQL statement of expenses, budgets, recurring entries and rules."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from backendhub.kit.db import Db, columns, contains

from .models import TRUSTED, Expense, Filter

if TYPE_CHECKING:
    from backendhub.kit.paging import Order, Sort

EXPENSE = columns(Expense)
SORT_KEYS = ("id", "date", "amount", "description", "category")
ONE = f"SELECT {EXPENSE} FROM expense WHERE id = :id AND owner = :owner"
DELETE = f"DELETE FROM expense WHERE owner = :owner AND id = :id RETURNING {EXPENSE}"
INSERT = (
    "INSERT INTO expense (owner, kind, date, description, payee, minor, currency, category, "
    "category_source, recur_id, import_fp, revision, created_at, updated_at) VALUES (:owner, :kind, :date, "
    ":description, :payee, :minor, :currency, :category, :category_source, NULL, :import_fp, 1, :now, :now)"
)
# Every row that a file might hold already: of its dates, or imported once and changed since.
KNOWN = (
    "SELECT id, kind, date, minor, currency, description, import_fp FROM expense WHERE owner = :owner "
    "AND ((date >= :since AND date <= :until) OR import_fp IS NOT NULL) ORDER BY id"
)
CATEGORIES = "SELECT category, count(*) FROM expense WHERE owner = :owner GROUP BY category ORDER BY category"

# -- what the categoriser learns from --------------------------------------------------------------------

_TRUSTED = "category_source IN (" + ", ".join(f"'{s.value}'" for s in TRUSTED) + ")"
_SIDE = "(kind = 'income') = :income"
SAME_PAYEE = (
    f"SELECT category, count(*) FROM expense WHERE owner = :owner AND payee = :payee AND {_TRUSTED} "
    f"AND {_SIDE} GROUP BY category ORDER BY count(*) DESC, category"
)
LESSONS = (
    f"SELECT payee, category FROM expense WHERE owner = :owner AND {_TRUSTED} AND {_SIDE} "
    "ORDER BY id DESC LIMIT :limit"
)
GUESSED = f"SELECT {EXPENSE} FROM expense WHERE owner = :owner AND NOT {_TRUSTED} ORDER BY id"  # the rest
RULES = "SELECT id, pattern, category FROM expense_rule WHERE owner = :owner ORDER BY id"
DELETE_RULE = "DELETE FROM expense_rule WHERE id = :id AND owner = :owner"

# -- budgets and recurring entries ------------------------------------------------------------------------

HAS_BUDGET = "SELECT 1 FROM expense_budget WHERE owner = :owner LIMIT 1"
PUT_BUDGET = (
    "INSERT INTO expense_budget (owner, category, every, anchor, minor, currency, rollover, created_at) "
    "VALUES (:owner, :category, :every, :anchor, :minor, :currency, :rollover, :now) "
    "ON CONFLICT (owner, category, every, currency) DO UPDATE SET anchor = excluded.anchor, "
    "minor = excluded.minor, rollover = excluded.rollover"
)
DELETE_BUDGET = "DELETE FROM expense_budget WHERE id = :id AND owner = :owner"
# A category holds its sub-categories: `food` counts `food:lunch`.
SPENT = (
    "SELECT date, currency, sum(CASE kind WHEN 'refund' THEN -minor ELSE minor END) FROM expense "
    "WHERE owner = :owner AND kind <> 'income' AND date >= :since AND date <= :until "
    "AND (:category = '' OR category = :category OR category LIKE :below ESCAPE '\\') GROUP BY date, currency"
)
DONE_DATES = "SELECT date FROM expense_recur_done WHERE recur_id = :id"
PUT_DONE = (
    "INSERT INTO expense_recur_done (recur_id, date, expense_id) VALUES (:recur_id, :date, :expense_id)"
)
DELETE_RECUR = "DELETE FROM expense_recur WHERE id = :id AND owner = :owner"

# -- summaries ---------------------------------------------------------------------------------------------

KEYS = {"category": "e.category", "month": "substr(e.date, 1, 7)", "payee": "e.payee"}
SUMS = (
    "SELECT {key}, e.currency, CASE e.kind WHEN 'income' THEN 'income' ELSE 'expense' END, {day}, "
    "sum(CASE e.kind WHEN 'refund' THEN -e.minor ELSE e.minor END), count(*) "
    "FROM expense e WHERE {where} GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
)


@cache
def sorts() -> dict[str, Sort]:
    """What lists can be sorted by; made when first asked for, because adding an entry has no use for it."""
    from backendhub.kit.paging import Sort

    keys = (
        Sort("e.id", lambda e: e.id),
        Sort("e.date", lambda e: e.date.isoformat()),
        Sort("e.minor", lambda e: e.minor),
        Sort("e.description", lambda e: e.description),
        Sort("e.category", lambda e: e.category),
    )
    return dict(zip(SORT_KEYS, keys, strict=True))


def conditions(db: Db, wanted: Filter) -> tuple[str, dict[str, Any]]:
    """The WHERE clause of a filter, and its parameters."""
    where = ["e.owner = :owner"]
    params: dict[str, Any] = {"owner": wanted.owner}
    tests = {
        "since": "e.date >= :since",
        "until": "e.date <= :until",
        "kind": "e.kind = :kind",
        "currency": "e.currency = :currency",
        "ids": f"e.id {db.among('ids')}",
    }
    for name, test in tests.items():
        if (value := getattr(wanted, name)) is not None:
            where.append(test)
            params[name] = list(value) if name == "ids" else value
    if wanted.category is not None:
        where.append("(e.category = :category OR e.category LIKE :below ESCAPE '\\')")
        params |= {"category": wanted.category, "below": below(wanted.category)}
    if wanted.text is not None:
        where.append("lower(e.description) LIKE :text ESCAPE '\\'")
        params["text"] = contains(wanted.text.lower())
    return " AND ".join(where), params


def below(category: str) -> str:
    """The pattern of a category's sub-categories."""
    return contains(category)[1:-1] + ":%"


def select(db: Db, wanted: Filter, by: Order, *, limit: int, cursor: str | None = None) -> list[Expense]:
    """Entries that match, in order."""
    where, params = conditions(db, wanted)
    if cursor is not None:
        after, keys = by.after(cursor)
        where, params = f"{where} AND {after}", params | keys
    sql = f"SELECT {columns(Expense, 'e')} FROM expense e WHERE {where} ORDER BY {by.sql} LIMIT :limit"
    return db.all(Expense, sql, **params, limit=limit)


def count(db: Db, wanted: Filter) -> int:
    """How many entries match."""
    where, params = conditions(db, wanted)
    return int(db.value(f"SELECT count(*) FROM expense e WHERE {where}", **params))


def sums(
    db: Db, wanted: Filter, *, key: str, by_day: bool
) -> list[tuple[str, str, str, str | None, int, int]]:
    """(key, currency, income or expense, day, minor units, entries): added up by the engine.

    A refund counts against the expenses. `by_day` keeps the days apart, which valuing at each day's rate needs.
    """
    where, params = conditions(db, wanted)
    sql = SUMS.format(key=KEYS[key], day="e.date" if by_day else "CAST(NULL AS TEXT)", where=where)
    return [(k, c, side, day, int(minor), n) for k, c, side, day, minor, n in db.fetch(sql, params)]
