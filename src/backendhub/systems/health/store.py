"""The SQL of health: a history of changes."""

from __future__ import annotations

from backendhub.kit.db import Db, columns
from backendhub.kit.paging import Order, Sort

from .models import Incident

SORTS = {"id": Sort("id", lambda i: i.id)}
KEEP = 10_000
PRUNE = "DELETE FROM health_incident WHERE id <= :oldest"


def select(db: Db, name: str | None, by: Order, *, limit: int, cursor: str | None) -> list[Incident]:
    """Incidents in order, of one check or of all."""
    after, params = by.after(cursor)
    which = "name = :name" if name is not None else "TRUE"
    sql = f"SELECT {columns(Incident)} FROM health_incident WHERE {which} AND {after} ORDER BY {by.sql} LIMIT :limit"
    return db.all(Incident, sql, **params, **({"name": name} if name is not None else {}), limit=limit)
