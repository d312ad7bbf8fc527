"""Objects of the wire in the store: make, get, change, delete, list."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict

from . import resources, store
from .errors import ApiError, missing
from .models import Json, Row, call

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FEW = 500
"""Of so many objects a page is sorted by itself; where more have a value, the newest are looked at until it is full."""
VALUE = 500
"""Characters of a value that are looked at."""
Sample = Callable[[Db, str], Json]
_fixtures: dict[str, Sample] = {}
STATEFUL = {"payment_intent", "setup_intent", "refund", "dispute", "payout", "balance_transaction"}
"""Kinds whose status stands in the column of a state machine; those that say so themselves are added."""


def new_id(prefix: str, size: int = 24) -> str:
    """`cus_` and letters and digits that nobody can guess."""
    return f"{prefix}_" + "".join(ALPHABET[b % 62] for b in os.urandom(size))


def now() -> int:
    """The present in Unix seconds."""
    return int(clock.now().timestamp())


def make(
    db: Db, kind: str, data: Mapping[str, Any], *, id: str | None = None, status: str | None = None
) -> Json:
    """Stores a new object and gives it: `id`, `object`, `created`, `livemode` and `metadata` are filled in.

    Raises ApiError (resource_already_exists) for an id that is taken.
    """
    resource = resources.of(kind)
    name = id or new_id(resource.prefix)
    made: Json = {"id": name, "object": kind, "created": now()}
    if resource.tells:
        made["livemode"] = False
    if resource.metadata:
        made["metadata"] = {}
    made |= data
    if resource.metadata:
        made["metadata"] = merged({}, made["metadata"])
    try:
        with db.savepoint():
            row = db.one(
                Row,
                store.INSERT,
                name=name,
                kind=kind,
                created=made["created"],
                status=status,
                data=_kept(made),
            )
    except Conflict:
        raise ApiError(
            f"{kind.replace('_', ' ').capitalize()} already exists.",
            code="resource_already_exists",
            param="id",
        ) from None
    assert row is not None
    _index(db, resource, row.id, made | ({"status": status} if status is not None else {}))
    return _whole(row, made)


def find(db: Db, kind: str, id: str, *, lock: bool = False) -> Json | None:
    """The object with this id, deleted ones as the stub that is left of them; None where there is none.

    `lock` keeps others from changing it until this transaction ends.
    """
    row = row_of(db, kind, id, lock=lock)
    return None if row is None else _whole(row)


def row_of(db: Db, kind: str, id: str, *, lock: bool = False) -> Row | None:
    """The row of an object."""
    return db.one(Row, store.SELECT_LOCKED[db.dialect] if lock else store.SELECT, kind=kind, name=id)


def get(db: Db, kind: str, id: str, *, param: str = "id", lock: bool = False) -> Json:
    """The object with this id. Raises ApiError (resource_missing) where there is none or it is deleted."""
    found = find(db, kind, id, lock=lock)
    if call().fixtures and (found is None or found.get("deleted")):
        if found is not None and is_well_known(id) and call().writes:
            forget_samples(db, [id])
        found = _sample(db, kind, id)
    if found is None or found.get("deleted"):
        raise missing(kind, id, param)
    return found


def fixture(kind: str, make: Sample) -> None:
    """Says what a well-known id of a kind names: `make(db, id)` gives the object, and `status` if it has a state machine.
    Where the request writes, `make` may write what belongs to it."""
    _fixtures[kind] = make


def is_well_known(id: str) -> bool:
    """Whether an id is one of Stripe's own examples: `cus_123`, `cus_xxxxxxxxxxxxx`."""
    return re.fullmatch(r"[a-z_]+_(123|456|xyz|x{4,})|Z4OV52SU", id) is not None


def forget_samples(db: Db, ids: Iterable[str]) -> None:
    """Lets well-known ids be new again, so that each request finds them as it needs them."""
    for id in ids:
        if is_well_known(id):
            db.run(store.ERASE_NAMED, name=id)


def _sample(db: Db, kind: str, id: str) -> Json | None:
    if kind not in _fixtures or not is_well_known(id):
        return None
    data = _fixtures[kind](db, id) | {"id": id}
    if call().writes:
        status = data.pop("status", None) if kind in STATEFUL else None
        return make(db, kind, data, id=id, status=status)
    return {"object": kind, "created": now(), "livemode": False, "metadata": {}} | data


def key_of(db: Db, kind: str, id: str) -> int:
    """The number of an object's row, by which state machines know it."""
    row = row_of(db, kind, id)
    if row is None:
        raise missing(kind, id)
    return row.id


def save(db: Db, data: Json) -> Json:
    """Stores an object as it is now. A status of a state machine is not changed by this: see `states`."""
    row = row_of(db, data["object"], data["id"])
    if row is None:
        raise missing(data["object"], data["id"])
    db.run(store.UPDATE, id=row.id, data=_kept(data, row.status), created=data.get("created", row.created))
    db.run(store.DELETE_FIELDS, id=row.id)
    whole = data if row.status is None else data | {"status": row.status}
    _index(db, resources.of(row.kind), row.id, whole)
    return whole


def save_many(db: Db, kind: str, changed: Sequence[Json]) -> None:
    """Stores several objects of a kind as they are now, with a statement for all of them."""
    known = {row.name: row for row in rows(db, kind, [each["id"] for each in changed])}
    told = [(known[each["id"]], each) for each in changed]
    db.run_many(
        store.UPDATE,
        [{"id": row.id, "data": _kept(data, row.status), "created": row.created} for row, data in told],
    )
    db.run_many(store.DELETE_FIELDS, [{"id": row.id} for row, _ in told])
    _index_many(db, resources.of(kind), [(row.id, _whole(row, data)) for row, data in told])


def delete(db: Db, kind: str, id: str) -> Json:
    """Deletes an object; what is left says so. Raises ApiError."""
    get(db, kind, id, lock=True)
    row = row_of(db, kind, id)
    assert row is not None
    db.run(store.DELETE, id=row.id)
    db.run(store.DELETE_FIELDS, id=row.id)
    return _stub(row)


def erase(db: Db, kind: str, id: str) -> None:
    """Removes an object without a trace."""
    if (row := row_of(db, kind, id)) is not None:
        db.run(store.ERASE, id=row.id)


def many(db: Db, kind: str, ids: Iterable[str], *, lock: bool = False) -> dict[str, Json]:
    """Objects by id, those that exist; deleted ones as their stubs. Rows are locked in one order, so that nobody waits for each
    other."""
    return {row.name: _whole(row) for row in rows(db, kind, ids, lock=lock)}


def rows(db: Db, kind: str, ids: Iterable[str], *, lock: bool = False) -> list[Row]:
    """The rows of objects by id."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return []
    sql = (store.SELECT_MANY_LOCKED[db.dialect] if lock else store.SELECT_MANY).format(
        among=db.among("names", "text")
    )
    return db.all(Row, sql, kind=kind, names=wanted)


def alone(db: Db, what: str) -> None:
    """Lets nobody else decide on something of this name until this transaction ends: whether it is still free, say."""
    db.value(store.ALONE[db.dialect], name=what)


def where(db: Db, kind: str, *, limit: int = 100, **fields: Any) -> list[Json]:
    """Objects whose indexed fields have these values, the newest first."""
    asked = [(name, ":", text(value)) for name, value in fields.items()]
    return select(db, kind, asked, limit=limit)


def select(
    db: Db,
    kind: str,
    asked: Sequence[tuple[str, str, Any]],
    *,
    joined: str = "AND",
    after: Row | None = None,
    before: Row | None = None,
    limit: int = 10,
) -> list[Json]:
    """Objects for which fields hold (`(field, op, value)`; `-` before an op denies it), the newest first."""
    params: Json = {"kind": kind, "limit": limit}
    for n, (name, op, value) in enumerate(asked):
        if name != "created":
            params[f"field{n}"] = name
        if op.lstrip("-") != "?":
            params[f"value{n}"] = value
    start = _rarest(db, asked, params) if joined == "AND" else None
    conditions = [_condition(db, n, name, op, n == start) for n, (name, op, _) in enumerate(asked)]
    if edge := after or before:
        params |= {"edge_created": edge.created, "edge_id": edge.id}
    sql = store.page(
        conditions,
        joined=joined,
        after=after is not None,
        before=before is not None,
        begun=start is not None,
    )
    rows = db.all(Row, sql, **params)
    return [_whole(row) for row in (reversed(rows) if before is not None else rows)]


def _condition(db: Db, n: int, name: str, op: str, first: bool) -> str:
    negated, op = op.startswith("-"), op.removeprefix("-")
    if name == "created":
        return ("NOT " if negated else "") + store.created(n, "=" if op == ":" else op)
    sql = store.first(n, op) if first else store.condition(n, op, db.dialect, negated=negated)
    return sql.replace("{among}", db.among(f"value{n}", "text")) if op == "in" else sql


def _rarest(db: Db, asked: Sequence[tuple[str, str, Any]], params: Json) -> int | None:
    """Where SQLite should begin: at a value that few objects have. PostgreSQL finds that by itself."""
    if db.dialect != "sqlite":
        return None
    for n, (name, op, _) in enumerate(asked):
        if op not in (":", "in") or name == "created":
            continue
        sql = store.few(n, op).replace("{among}", db.among(f"value{n}", "text"))
        given = {key: params[key] for key in ("kind", f"field{n}", f"value{n}")}
        if db.value(sql, **given, most=FEW) < FEW:
            return n
    return None


def merged(old: Mapping[str, str], new: Any) -> dict[str, str]:
    """Metadata after a change: keys are set, those that come empty are removed, `""` for all of it removes everything.

    Raises ApiError beyond 50 keys, 40 characters of a key and 500 of a value.
    """
    if new is None:
        return {}
    found = dict(old)
    for key, value in new.items():
        if value is None or value == "":
            found.pop(key, None)
        else:
            found[key] = value
    if len(found) > 50:
        raise ApiError("Metadata can have up to 50 keys.", param="metadata")
    return found


def changed(data: Json, params: Mapping[str, Any]) -> Json:
    """An object with the parameters of an update: metadata merged, everything else replaced."""
    fresh = data | {k: v for k, v in params.items() if k != "metadata"}
    if "metadata" in params:
        fresh["metadata"] = merged(data.get("metadata") or {}, params["metadata"])
    return fresh


def previous(old: Json, new: Json) -> Json:
    """What an update has changed, as events tell it: the values from before."""
    return {k: old.get(k) for k in new if old.get(k) != new.get(k)}


def text(value: Any) -> str:
    """A value as lists and searches compare it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:VALUE]


def _kept(data: Json, status: str | None = None) -> Json:
    return {k: v for k, v in data.items() if k != "status"} if status is not None else data


def _whole(row: Row, data: Json | None = None) -> Json:
    if row.deleted:
        return _stub(row)
    whole = dict(row.data) if data is None else dict(data)
    if row.status is not None:
        whole["status"] = row.status
    return whole


def _stub(row: Row) -> Json:
    return {"id": row.name, "object": row.kind, "deleted": True}


def _index(db: Db, resource: resources.Resource, id: int, data: Json) -> None:
    _index_many(db, resource, [(id, data)])


def _index_many(db: Db, resource: resources.Resource, many: Sequence[tuple[int, Json]]) -> None:
    found = [field for id, data in many for field in _fields(resource, id, data)]
    if found:
        db.run_many(store.INSERT_FIELD, found)


def _fields(resource: resources.Resource, id: int, data: Json) -> list[Json]:
    """What is noted of an object for lists and searches."""
    names = dict.fromkeys((*resource.index, *resource.search))
    found = [(name, value) for name in names for value in _values(data, name.split("."))]
    found += (
        [(f"metadata.{k}", v) for k, v in (data.get("metadata") or {}).items()] if resource.metadata else []
    )
    return [
        {
            "object_id": id,
            "kind": resource.kind,
            "field": name,
            "value": text(value),
            "number": value if isinstance(value, int) and not isinstance(value, bool) else None,
        }
        for name, value in found
    ]


def _values(data: Any, path: Sequence[str]) -> list[Any]:
    """What stands at a path; each element of a list on the way."""
    if isinstance(data, list):
        return [v for each in data for v in _values(each, path)]
    if not path:
        return [] if data is None else [data["id"]] if isinstance(data, dict) and "id" in data else [data]
    return _values(data.get(path[0]), path[1:]) if isinstance(data, dict) else []
