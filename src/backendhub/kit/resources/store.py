"""Every SQL statement of data sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from backendhub.kit.db import Db, columns

from .fields import Entry, entries, searchable
from .models import DataSet, Resource, Row
from .values import numeric, write

BATCH = 5000

SET = f"SELECT {columns(DataSet)} FROM resources_set WHERE name = :name"
ADD_SET = "INSERT INTO resources_set (name) VALUES (:name) ON CONFLICT DO NOTHING"
LOADED = "UPDATE resources_set SET file_hash = :file_hash, content_hash = :content_hash, loaded_at = :at WHERE id = :id"

RESOURCES = f"SELECT {columns(Resource)} FROM resources_resource WHERE set_id = :set_id ORDER BY id"
RESOURCE = f"SELECT {columns(Resource)} FROM resources_resource WHERE set_id = :set_id AND name = :name"
SIZES = (
    "SELECT s.name, (SELECT count(*) FROM resources_row r WHERE r.resource_id = s.id) "
    "FROM resources_resource s WHERE s.set_id = :set_id ORDER BY s.id"
)
# In one statement, so that it is one state of the set on both engines.
CONTENT = (
    "SELECT s.name, s.plural, r.body FROM resources_resource s LEFT JOIN resources_row r ON r.resource_id = s.id "
    "WHERE s.set_id = :set_id ORDER BY s.id, r.id"
)
# A resource that is loaded again keeps its id: who reads it meanwhile sees its old rows or the new ones.
PUT_RESOURCE = (
    "INSERT INTO resources_resource (set_id, name, plural, integer_ids, next_id) "
    "VALUES (:set_id, :name, :plural, :integer_ids, :next_id) ON CONFLICT (set_id, name) DO UPDATE "
    "SET plural = excluded.plural, integer_ids = excluded.integer_ids, next_id = excluded.next_id "
    f"RETURNING {columns(Resource)}"
)
DELETE_ROWS = "DELETE FROM resources_row WHERE resource_id IN (SELECT id FROM resources_resource WHERE set_id = :set_id)"
# One after the other: the row of the counter stays locked until the transaction ends.
TAKE_ID = "UPDATE resources_resource SET next_id = next_id + 1 WHERE id = :id RETURNING next_id - 1"
RESERVE_ID = "UPDATE resources_resource SET next_id = :taken + 1 WHERE id = :id AND next_id <= :taken"

ROW = f"SELECT {columns(Row)} FROM resources_row WHERE resource_id = :resource AND key = :key"
# For a change: nobody else changes it until the transaction ends (SQLite has one writer).
ROW_LOCKED = {"sqlite": ROW, "postgres": ROW + " FOR UPDATE"}
# For a reference: it is there until the transaction ends.
ROW_KEPT = {"sqlite": ROW, "postgres": ROW + " FOR KEY SHARE"}
COUNT = "SELECT count(*) FROM resources_row WHERE resource_id = :resource"
INSERT = (
    "INSERT INTO resources_row (resource_id, key, body, search, revision) VALUES (:resource, :key, :body, :search, 1) "
    f"ON CONFLICT DO NOTHING RETURNING {columns(Row)}"
)
INSERT_ROWS = {
    "sqlite": (
        "INSERT INTO resources_row (resource_id, key, body, search, revision) "
        "SELECT :resource, e.value ->> 0, e.value ->> 1, e.value ->> 2, 1 FROM json_each(:rows) e"
    ),
    "postgres": (
        "INSERT INTO resources_row (resource_id, key, body, search, revision) "
        "SELECT :resource, e.value ->> 0, e.value ->> 1, e.value ->> 2, 1 "
        "FROM json_array_elements(CAST(:rows AS json)) WITH ORDINALITY e (value, n) ORDER BY e.n"
    ),
}
ROW_IDS = "SELECT key, id FROM resources_row WHERE resource_id = :resource"
UPDATE = f"UPDATE resources_row SET body = :body, search = :search, revision = revision + 1 WHERE id = :id RETURNING {columns(Row)}"
# Entries as [[row, path, kind, num, key, fold], …]: one statement, however many there are.
INSERT_FIELDS = {
    "sqlite": (
        "INSERT INTO resources_field (resource_id, row_id, path, kind, num, key, fold) "
        "SELECT :resource, e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3, e.value ->> 4, e.value ->> 5 "
        "FROM json_each(:entries) e"
    ),
    "postgres": (
        "INSERT INTO resources_field (resource_id, row_id, path, kind, num, key, fold) "
        "SELECT :resource, CAST(e.value ->> 0 AS bigint), e.value ->> 1, CAST(e.value ->> 2 AS bigint), "
        "CAST(e.value ->> 3 AS double precision), e.value ->> 4, e.value ->> 5 "
        "FROM json_array_elements(CAST(:entries AS json)) e"
    ),
}
ANALYZE = "ANALYZE resources_row, resources_field"
SHAPE = (
    "SELECT path, kind, count(*) FROM resources_field WHERE resource_id = :resource GROUP BY path, kind "
    "ORDER BY min(row_id), path, kind"
)
KNOWN = {
    "sqlite": (
        "SELECT n.value FROM json_each(:paths) n WHERE EXISTS "
        "(SELECT 1 FROM resources_field f WHERE f.resource_id = :resource AND f.path = n.value)"
    ),
    "postgres": (
        "SELECT n.value FROM json_array_elements_text(CAST(:paths AS json)) n WHERE EXISTS "
        "(SELECT 1 FROM resources_field f WHERE f.resource_id = :resource AND f.path = n.value)"
    ),
}
COUNT_PATH = "SELECT count(*) FROM resources_field WHERE resource_id = :resource AND path = :path"


def insert_rows(db: Db, resource: int, rows: Mapping[str, dict[str, Any]]) -> None:
    """Adds many rows by key."""
    for some in batched([key, write(row), searchable(row)] for key, row in rows.items()):
        db.run(INSERT_ROWS[db.dialect], resource=resource, rows=some)
    ids = {key: id for key, id in db.fetch(ROW_IDS, {"resource": resource})}
    _insert_entries(
        db,
        resource,
        ([ids[key], path, *entry] for key, row in rows.items() for path, entry in entries(row).items()),
    )
    if db.dialect == "postgres":
        db.run(ANALYZE)  # else its plans are those for empty tables


def insert_entries(db: Db, row_id: int, resource: int, found: Mapping[str, Entry]) -> None:
    """Adds the entries of a row."""
    _insert_entries(db, resource, ([row_id, path, *entry] for path, entry in found.items()))


def _insert_entries(db: Db, resource: int, found: Iterable[list[Any]]) -> None:
    for some in batched(found):
        db.run(INSERT_FIELDS[db.dialect], resource=resource, entries=some)


def batched(rows: Iterable[list[Any]]) -> Iterator[list[list[Any]]]:
    """Rows in groups that are small enough for one statement."""
    rest = iter(rows)
    while some := list(islice(rest, BATCH)):
        yield some


def change_entries(db: Db, row: Row, before: Mapping[str, Entry], after: Mapping[str, Entry]) -> None:
    """Brings the entries of a row up to date; those that stay are left alone."""
    gone = [path for path, entry in before.items() if after.get(path) != entry]
    if gone:
        db.run(
            f"DELETE FROM resources_field WHERE row_id = :row_id AND path {db.among('paths', 'text')}",
            row_id=row.id,
            paths=gone,
        )
    fresh = {path: entry for path, entry in after.items() if before.get(path) != entry}
    if fresh:
        insert_entries(db, row.id, row.resource_id, fresh)


def by_keys(db: Db, resource: int, keys: Iterable[str]) -> list[Row]:
    """The rows with these keys."""
    sql = f"SELECT {columns(Row)} FROM resources_row WHERE resource_id = :resource AND key {db.among('keys', 'text')}"
    return db.all(Row, sql, resource=resource, keys=list(keys))


# Rows whose value at a path is one of some keys, be it a number or text.
REFERRING = (
    "SELECT row_id FROM resources_field WHERE resource_id {resources} AND path = :path "
    "AND kind = 3 AND num = 0 AND key {keys} UNION ALL "
    "SELECT row_id FROM resources_field WHERE resource_id {resources} AND path = :path AND kind = 2 AND num {numbers}"
)
LOCK = {"sqlite": "", "postgres": " FOR UPDATE"}


def referring(
    db: Db, resources: Iterable[int], path: str, keys: Iterable[str], *, lock: bool = False
) -> list[Row]:
    """The rows of some resources that refer to these keys, in order."""
    known = list(keys)
    inner = REFERRING.format(
        resources=db.among("resources"), keys=db.among("keys", "text"), numbers=db.among("numbers", "float8")
    )
    sql = f"SELECT {columns(Row)} FROM resources_row WHERE id IN ({inner}) ORDER BY id"
    return db.all(
        Row,
        sql + (LOCK[db.dialect] if lock else ""),
        resources=list(resources),
        path=path,
        keys=known,
        numbers=[number for key in known if (number := numeric(key)) is not None],
    )


def empty(db: Db, set_id: int, names: Iterable[str]) -> None:
    """Deletes every row of a set, and the resources that are not of these names."""
    db.run(DELETE_ROWS, set_id=set_id)
    other = (
        f"DELETE FROM resources_resource WHERE set_id = :set_id AND NOT (name {db.among('names', 'text')})"
    )
    db.run(other, set_id=set_id, names=list(names))


def delete_rows(db: Db, ids: Iterable[int]) -> int:
    """Deletes rows; their entries go with them."""
    return db.run(f"DELETE FROM resources_row WHERE id {db.among('ids')}", ids=list(ids))
