"""Every statement on users' own units."""

from __future__ import annotations

from typing import Any

from backendhub.kit.db import Db, columns

from .models import Custom


def insert(db: Db, **values: Any) -> Custom:
    """Adds a unit."""
    return db.insert(Custom, "convert_unit", **values)


def select(db: Db, name: str) -> Custom | None:
    """The unit of that name."""
    return db.one(Custom, f"SELECT {columns(Custom)} FROM convert_unit WHERE name = :name", name=name)


def select_folded(db: Db, name: str) -> list[Custom]:
    """The units of that lower-case name in any case."""
    return db.all(
        Custom,
        f"SELECT {columns(Custom)} FROM convert_unit WHERE lower(name) = :name ORDER BY name",
        name=name,
    )


def select_all(db: Db) -> list[Custom]:
    """Every unit, by name."""
    return db.all(Custom, f"SELECT {columns(Custom)} FROM convert_unit ORDER BY name")


def delete(db: Db, name: str) -> int:
    """Removes a unit and says whether it was there."""
    return db.run("DELETE FROM convert_unit WHERE name = :name", name=name)
