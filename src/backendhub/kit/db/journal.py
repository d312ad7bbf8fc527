"""One undo for every tool: triggers journal each row that a labelled transaction changes.

`start` and `finish` frame a labelled transaction; `undo` puts back what one changed, after checking that
nobody has changed it since. An undo is journalled too, so `redo` is the undo of an undo.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.errors import Conflict, NotFound

if TYPE_CHECKING:
    from .base import Db

KEEP = 200
"""Labelled transactions that can be undone; older ones are forgotten."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unit:
    """One labelled transaction, for instance `task add`."""

    id: int
    label: str
    at: datetime
    undone: bool
    undoes: int | None
    rows: int


class Entry(NamedTuple):
    """One change of one row: as it was and as it is, None where it did not or does not exist."""

    name: str
    op: str
    old: Row | None
    new: Row | None

    def key(self, names: list[str]) -> Row:
        """The primary key under which the row is, or was, after the change."""
        row = self.new or self.old or {}
        return {name: row[name] for name in names}


SELECT = (
    "SELECT u.id, u.label, u.at, u.undone, u.undoes, "
    "(SELECT count(*) FROM hub_journal j WHERE j.unit_id = u.id) AS rows FROM hub_unit u"
)
OPEN = (
    "INSERT INTO hub_unit (label, at, open, undoes, undone) VALUES (:label, :at, :open, :undoes, :undone) "
    "RETURNING id"
)
_DEFER = {"sqlite": "PRAGMA defer_foreign_keys=ON", "postgres": "SET CONSTRAINTS ALL DEFERRED"}
ENTRIES = "SELECT name, op, old, new FROM hub_journal WHERE unit_id = :unit ORDER BY id DESC"


def start(db: Db, label: str, undoes: int | None = None) -> int:
    """Opens a unit: until `finish`, every row changed in a watched table is journalled."""
    unit = int(db.value(OPEN, label=label, at=clock.now(), open=True, undoes=undoes, undone=False))
    if db.dialect == "postgres":
        db.run("SELECT set_config('backendhub.unit', :unit, true)", unit=str(unit))
    return unit


def finish(db: Db, unit: int) -> None:
    """Closes a unit; one that changed nothing leaves no trace."""
    if db.dialect == "postgres":
        db.run("SELECT set_config('backendhub.unit', '', true)")
    if db.run(
        "UPDATE hub_unit SET open = FALSE WHERE id = :id AND EXISTS "
        "(SELECT 1 FROM hub_journal WHERE unit_id = :id)",
        id=unit,
    ):
        if unit % 20 == 0:
            db.run("DELETE FROM hub_unit WHERE id <= :oldest", oldest=unit - KEEP)
    else:
        db.run("DELETE FROM hub_unit WHERE id = :id", id=unit)


def history(db: Db, limit: int = 20) -> list[Unit]:
    """The latest units, newest first."""
    return db.all(Unit, f"{SELECT} ORDER BY u.id DESC LIMIT :limit", limit=limit)


def undo(db: Db, unit_id: int | None = None, *, redo: bool = False, force: bool = False) -> Unit:
    """Puts back what a unit changed: the latest that is not yet undone, or the one named.

    Raises NotFound where there is none and Conflict where a row was changed since (unless `force`).
    """
    import json

    unit = _pick(db, unit_id, redo)
    label = unit.label if redo else f"undo {unit.label}"
    entry = start(db, label, undoes=unit.id)
    # A cascade journals parents and children in an order of its own: references are checked at the end.
    db.run(_DEFER[db.dialect])
    rows = db.fetch(ENTRIES, {"unit": unit.id})
    entries = [
        Entry(name, op, old and json.loads(old), new and json.loads(new)) for name, op, old, new in rows
    ]
    keys = {name: primary_key(db, name) for name in {e.name for e in entries}}
    if not force:
        _require_unchanged(db, entries, keys)
    for change in entries:
        _reverse(db, change, keys[change.name])
    if db.dialect == "postgres":
        db.run("SET CONSTRAINTS ALL IMMEDIATE")
    finish(db, entry)
    db.run("UPDATE hub_unit SET undone = TRUE WHERE id = :id", id=unit.id)
    if redo:  # the original stands again and can be undone again; the undo and this redo cancel out
        db.run("UPDATE hub_unit SET undone = FALSE WHERE id = :id", id=unit.undoes)
        db.run("DELETE FROM hub_unit WHERE id IN (:a, :b)", a=unit.id, b=entry)
    return unit


def _pick(db: Db, unit_id: int | None, redo: bool) -> Unit:
    if unit_id is not None:
        unit = db.one(Unit, f"{SELECT} WHERE u.id = :id", id=unit_id)
        if unit is None:
            raise NotFound(f"There is no operation {unit_id} to undo.", hint="backendhub undo --list")
        if unit.undone:
            raise Conflict(f"Operation {unit_id} ({unit.label}) is already undone.")
        return unit
    which = "u.undoes IS NOT NULL" if redo else "u.undoes IS NULL"
    unit = db.one(Unit, f"{SELECT} WHERE NOT u.undone AND {which} ORDER BY u.id DESC LIMIT 1")
    if unit is None:
        raise NotFound(f"There is nothing to {'redo' if redo else 'undo'}.")
    return unit


def _require_unchanged(db: Db, entries: list[Entry], keys: dict[str, list[str]]) -> None:
    """Raises Conflict where a row is no longer as the unit left it.

    Asked of every row before any is put back: a cascade takes rows away that come later in the list.
    """
    seen: set[tuple[Any, ...]] = set()
    for entry in entries:  # the latest first: what an earlier entry left was changed by the unit itself
        which = entry.key(keys[entry.name])
        spots = {(entry.name, *(row[k] for k in keys[entry.name])) for row in (entry.old, entry.new) if row}
        first = (entry.name, *which.values()) not in seen
        seen |= spots
        if first and not _same(_row(db, entry.name, which), entry.new):
            spot = ", ".join(f"{k}={v}" for k, v in which.items())
            raise Conflict(
                f"The row {entry.name}({spot}) was changed since, so undoing would lose that change.",
                hint="backendhub undo --force puts the old values back all the same",
            )


def _reverse(db: Db, entry: Entry, keys: list[str]) -> None:
    """Puts one row back."""
    name, old, which = entry.name, entry.old, entry.key(keys)
    if old is None:
        db.run(f"DELETE FROM {name} WHERE {_where(keys)}", **which)
    elif _row(db, name, which) is None:
        db.run(f"INSERT INTO {name} ({', '.join(old)}) VALUES ({', '.join(':' + k for k in old)})", **old)
    else:
        sets = ", ".join(f"{k} = :{k}" for k in old)
        params = {**old, **{f"key_{k}": v for k, v in which.items()}}
        db.run(f"UPDATE {name} SET {sets} WHERE {_where(keys, 'key_')}", **params)


def _same(a: Row | None, b: Row | None) -> bool:
    """Equal in the columns that both have: a migration may have added one in between."""
    if a is None or b is None:
        return a is b
    return all(a[k] == b[k] for k in a.keys() & b.keys())


def _where(keys: list[str], prefix: str = "") -> str:
    return " AND ".join(f"{k} = :{prefix}{k}" for k in keys)


def _row(db: Db, name: str, which: Row) -> Row | None:
    import json

    expression = "to_jsonb(t)::text" if db.dialect == "postgres" else _object(table_columns(db, name), "t")
    text = db.value(f"SELECT {expression} FROM {name} t WHERE {_where(list(which))}", **which)
    return json.loads(text) if text else None


def _object(names: list[str], row: str) -> str:
    return "json_object(" + ", ".join(f"'{n}', {row}.{n}" for n in names) + ")"


def table_columns(db: Db, name: str) -> list[str]:
    """The columns of a table (SQLite)."""
    return [row[1] for row in db.fetch(f"PRAGMA table_info({name})", {})]


def primary_key(db: Db, name: str) -> list[str]:
    """The columns of a table's primary key."""
    if db.dialect == "postgres":
        sql = (
            "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid "
            "AND a.attnum = ANY(i.indkey) WHERE i.indrelid = CAST(:name AS regclass) AND i.indisprimary"
        )
        return [row[0] for row in db.fetch(sql, {"name": name})]
    return [row[1] for row in db.fetch(f"PRAGMA table_info({name})", {}) if row[5]]


def watch(db: Db, name: str) -> None:
    """(Re)makes the triggers that journal a table."""
    if db.dialect == "postgres":
        db.run(f"DROP TRIGGER IF EXISTS hub_undo ON {name}")
        db.run(
            f"CREATE TRIGGER hub_undo AFTER INSERT OR UPDATE OR DELETE ON {name} FOR EACH ROW "
            "WHEN (coalesce(current_setting('backendhub.unit', true), '') <> '') "
            "EXECUTE FUNCTION hub_journal_write()"
        )
        foreign = (
            "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = CAST(:name AS regclass)"
        )
        for (constraint,) in db.fetch(foreign, {"name": name}):
            db.run(f'ALTER TABLE {name} ALTER CONSTRAINT "{constraint}" DEFERRABLE INITIALLY IMMEDIATE')
        return
    names = table_columns(db, name)
    for op, old, new in (("insert", "", "NEW"), ("update", "OLD", "NEW"), ("delete", "OLD", "")):
        before = _object(names, old) if old else "NULL"
        after = _object(names, new) if new else "NULL"
        db.run(f"DROP TRIGGER IF EXISTS hub_undo_{name}_{op}")
        db.run(
            f"CREATE TRIGGER hub_undo_{name}_{op} AFTER {op.upper()} ON {name} "
            "WHEN EXISTS (SELECT 1 FROM hub_unit WHERE open) BEGIN "
            "INSERT INTO hub_journal (unit_id, name, op, old, new) VALUES "
            f"((SELECT id FROM hub_unit WHERE open), '{name}', '{op}', {before}, {after}); END"
        )
