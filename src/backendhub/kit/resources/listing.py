"""Lists of rows: the SQL of filters, orders and pages."""

from __future__ import annotations

from typing import Any

from backendhub.kit.db import ANEW, Db, columns
from backendhub.kit.paging import Order, Sort, page

from . import store
from .conditions import All, Conditions, Node
from .fields import Kind
from .models import Found, Query, Row

ROW = columns(Row, "r")
WIDTH = len(ROW.split(","))
ALL = 2**62
"""LIMIT where there is none."""
ORDERED = ANEW + (
    "SELECT {row} FROM resources_field s JOIN resources_row r ON r.id = s.row_id "
    "WHERE s.resource_id = :resource AND s.path = :path AND {where} "
    "ORDER BY s.kind {way}, s.num {way}, s.key {way}, s.row_id LIMIT :limit OFFSET :offset"
)


def count(db: Db, resource: int, query: Query) -> int:
    """How many rows a query finds on all of its pages."""
    if query.where is not None and query.text is None:
        conditions = Conditions(db.dialect)
        if (entries := conditions.entries(query.where)) is not None:
            sql = f"{ANEW}SELECT count(*) FROM ({entries}) e"
            return int(db.value(sql, resource=resource, **conditions.params))
    where, params = _where(db, query)
    return int(
        db.value(
            f"{ANEW}SELECT count(*) FROM resources_row r WHERE r.resource_id = :resource AND {where}",
            resource=resource,
            **params,
        )
    )


def find(db: Db, resource: int, query: Query) -> Found:
    """A page of rows. Raises Malformed for a pattern that cannot be used, NotFound for a cursor of another query."""
    if query.cursor is None and len(query.sort) == 1:
        path, descending = query.sort[0]
        if not descending and query.limit:  # rows without the path come last: a full page has none of them
            rows = _ordered(db, resource, query)
            if len(rows) == query.limit:
                return Found(rows)
        if _everywhere(db, resource, path):
            return Found(_ordered(db, resource, query))
    return _sorted(db, resource, query)


def _where(db: Db, query: Query) -> tuple[str, dict[str, Any]]:
    conditions = Conditions(db.dialect)
    node: Node = query.where or All(())
    parts = [conditions.sql(node)]
    if query.text is not None:
        parts.append(conditions.search(query.text))
    return " AND ".join(parts), conditions.params


def _everywhere(db: Db, resource: int, path: str) -> bool:
    """Whether every row has something at a path: then the index holds all of them, in order."""
    rows = db.value(store.COUNT, resource=resource)
    return bool(rows == db.value(store.COUNT_PATH, resource=resource, path=path))


def _ordered(db: Db, resource: int, query: Query) -> list[Row]:
    where, params = _where(db, query)
    ((path, descending),) = query.sort
    sql = ORDERED.format(row=ROW, where=where, way="DESC" if descending else "ASC")
    limit = ALL if query.limit is None else query.limit
    return db.all(Row, sql, resource=resource, path=path, limit=limit, offset=query.offset, **params)


def _sorted(db: Db, resource: int, query: Query) -> Found:
    """By any number of paths, which rows may lack; by position where nothing is asked for."""
    where, params = _where(db, query)
    joins, selected = "", [ROW]
    terms: list[tuple[Sort, bool]] = []
    for i, (path, descending) in enumerate(query.sort):
        joins += f" LEFT JOIN resources_field s{i} ON s{i}.row_id = r.id AND s{i}.path = :sort{i}"
        params[f"sort{i}"] = path
        for column, missing in (("kind", str(int(Kind.MISSING))), ("num", "0"), ("key", "''")):
            sql = f"coalesce(s{i}.{column}, {missing})"
            terms.append((Sort(sql, _column(WIDTH + len(terms))), descending))
            selected.append(sql)
    terms.append((Sort("r.id", _column(0)), False))
    by = Order(",".join(f"{'-' * descending}{path}" for path, descending in query.sort), tuple(terms))
    after, more = by.after(query.cursor or None)
    limit = ALL if query.limit is None else query.limit
    rows = db.fetch(
        f"{ANEW}SELECT {', '.join(selected)} FROM resources_row r{joins} WHERE r.resource_id = :resource AND {where} "
        f"AND {after} ORDER BY {by.sql} LIMIT :limit OFFSET :offset",
        {"resource": resource, "limit": limit + 1, "offset": query.offset, **params, **more},
    )
    found = page(rows, limit, by) if query.cursor is not None else None
    items = rows[:limit] if found is None else found.items
    return Found([Row(*item[:WIDTH]) for item in items], found.next if found else None)


def _column(index: int) -> Any:
    return lambda row: row[index]
