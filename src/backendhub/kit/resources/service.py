"""The rules of resources: ids, changes, relations. Framework-free; every function is handed its transaction."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import count as counting
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, NotFound, PreconditionFailed
from backendhub.kit.merge import merge_patch

from . import listing, relations, store
from .fields import entries, searchable
from .models import DataSet, Found, Query, Resource, Row, Rules
from .values import MAX_KEY, as_object, clean, text_of, write

Json = dict[str, Any]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
EVERYTHING = Query()
ONE = ""
"""The key of the row of a resource that is one object."""


# -- sets and resources ------------------------------------------------------------------------------------


def find_set(db: Db, name: str) -> DataSet | None:
    """The set of that name, if there is one."""
    return db.one(DataSet, store.SET, name=name)


def data_set(db: Db, name: str) -> DataSet:
    """The set of that name, made where it is missing."""
    found = find_set(db, name)
    if found is None:
        db.run(store.ADD_SET, name=name)
        found = find_set(db, name)
        assert found is not None
    return found


def resources(db: Db, set_id: int) -> list[Resource]:
    """The resources of a set, in order."""
    return db.all(Resource, store.RESOURCES, set_id=set_id)


def resource(db: Db, set_id: int, name: str) -> Resource:
    """The resource of that name. Raises NotFound."""
    found = db.one(Resource, store.RESOURCE, set_id=set_id, name=name)
    if found is None:
        raise NotFound(f"There is no resource {name[:80]!r}.")
    return found


def load(
    db: Db, name: str, data: Mapping[str, Any], rules: Rules, *, file_hash: str | None = None
) -> DataSet:
    """Fills a set with resources, each a list of objects or one object; what was in it goes.

    Rows without an id get one. With `random_ids` ids of numbers become text. Raises Invalid and Conflict.
    """
    into = data_set(db, name)
    store.empty(db, into.id, data)
    for title, content in data.items():
        if title == "$schema":
            continue
        _load_resource(db, into, title, content, rules)
    note_file(db, into.id, file_hash)
    return data_set(db, name)


def _load_resource(db: Db, into: DataSet, title: str, content: Any, rules: Rules) -> None:
    if not title or "/" in title or len(title) > MAX_KEY:
        raise Invalid(f"{title[:80]!r} cannot be the name of a resource.", hint="names have no / in them")
    if not isinstance(content, (list, dict)) or (
        isinstance(content, list) and not all(map(_is_object, content))
    ):
        raise Invalid(f"{title!r} is neither an object nor a list of objects.")
    plural = isinstance(content, list)
    ids = [item.get(rules.id) for item in content] if plural else []
    made = db.one(
        Resource,
        store.PUT_RESOURCE,
        set_id=into.id,
        name=clean(title),
        plural=plural,
        integer_ids=not rules.random_ids and all(_is_integer(id) for id in ids if id not in (None, "")),
        next_id=1 + max((id for id in ids if _is_integer(id)), default=0),
    )
    assert made is not None
    if isinstance(content, dict):
        store.insert_rows(db, made.id, {ONE: clean(content)})
        return
    rows: dict[str, Json] = {}
    unused = counting(made.next_id)
    for item in map(clean, content):
        id = item.get(rules.id)
        if id in (None, ""):
            id = next(unused) if made.integer_ids else _random_id(rules)
        elif rules.random_ids and _is_integer(id):
            id = str(id)
        if (key := key_of(id)) in rows:
            raise Conflict(f"Two rows of {title} have the {rules.id} {key[:80]}.")
        rows[key] = {rules.id: id} | item | {rules.id: id}
    store.insert_rows(db, made.id, rows)
    db.run(store.RESERVE_ID, id=made.id, taken=next(unused) - 1)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def sizes(db: Db, set_id: int) -> list[tuple[str, int]]:
    """The name of each resource of a set, and how many rows it has."""
    return [(name, number) for name, number in db.fetch(store.SIZES, {"set_id": set_id})]


def text(db: Db, set_id: int) -> str:
    """A whole set as one JSON text, as it was loaded from."""
    rows: dict[str, list[str]] = {}
    plurals: set[str] = set()
    for name, plural, body in db.fetch(store.CONTENT, {"set_id": set_id}):
        rows.setdefault(name, [])
        if body is not None:
            rows[name].append(body)
        if plural:
            plurals.add(name)
    parts = [
        f"{write(name)}:" + (f"[{','.join(found)}]" if name in plurals else found[0])
        for name, found in rows.items()
    ]
    return "{" + ",".join(parts) + "}"


def content_hash(db: Db, set_id: int) -> str:
    """A hash of everything in a set, to see whether it has changed."""
    return sha256(text(db, set_id).encode()).hexdigest()


def note_file(db: Db, set_id: int, file_hash: str | None) -> None:
    """Notes that a file with this hash and the set hold the same."""
    loaded = {"file_hash": file_hash, "content_hash": content_hash(db, set_id), "at": clock.precise()}
    db.run(store.LOADED, id=set_id, **loaded)


def shape(db: Db, resource: Resource) -> dict[str, dict[int, int]]:
    """Every path that rows have, and how many have what kind of value there."""
    found: dict[str, dict[int, int]] = {}
    for path, kind, number in db.fetch(store.SHAPE, {"resource": resource.id}):
        found.setdefault(path, {})[kind] = number
    return found


def known(db: Db, resource: Resource, paths: Sequence[str]) -> set[str]:
    """Which of these paths some row has."""
    rows = db.fetch(store.KNOWN[db.dialect], {"resource": resource.id, "paths": list(paths)}) if paths else []
    return {row[0] for row in rows}


# -- rows --------------------------------------------------------------------------------------------------


def find(db: Db, resource: Resource, query: Query) -> Found:
    """A page of rows. Raises Malformed for a pattern that cannot be used, NotFound for a wrong cursor."""
    return listing.find(db, resource.id, query)


def count(db: Db, resource: Resource, query: Query) -> int:
    """How many rows a query finds on all of its pages."""
    return listing.count(db, resource.id, query)


def get(db: Db, resource: Resource, key: str = ONE) -> Row:
    """A row. Raises NotFound."""
    found = db.one(Row, store.ROW, resource=resource.id, key=key)
    if found is None:
        raise _missing(resource, key)
    return found


def add(db: Db, resource: Resource, value: Json, rules: Rules) -> Row:
    """Adds a row; its id is the one sent, or else new. Raises Invalid, and Conflict for an id that is taken."""
    sent = as_object(value)
    if rules.random_ids:
        sent = {name: item for name, item in sent.items() if name != rules.id}
    row = clean(sent)
    id = row.get(rules.id)
    _check(db, resource, row, row, rules)
    if rules.random_ids or id is None or id == "" or (id == 0 and id is not False):
        return _add_with_new_id(db, resource, row, rules)
    key = key_of(id)
    if resource.integer_ids and _is_integer(id):
        db.run(store.RESERVE_ID, id=resource.id, taken=id)
    added = _insert(db, resource, key, row)
    if added is None:
        raise Conflict(f"There is a row {key[:80]!r} in {resource.name} already.")
    return added


def replace(
    db: Db, resource: Resource, key: str, value: Json, rules: Rules, *, if_match: str | None = None
) -> Row:
    """Puts another value in the place of a row, which keeps its id and its place in the order."""
    sent = clean(as_object(value))
    _references(db, resource, sent, rules)
    row = _locked(db, resource, key, if_match)
    return _change(db, resource, row, {}, sent, rules)


def edit(
    db: Db,
    resource: Resource,
    key: str,
    changes: Json,
    rules: Rules,
    *,
    if_match: str | None = None,
    deep: bool = False,
) -> Row:
    """Changes members of a row; `deep` as JSON Merge Patch does. Changes of different members at once both last."""
    sent = clean(as_object(changes))
    _references(db, resource, sent, rules)
    row = _locked(db, resource, key, if_match)
    before = row.value
    return _change(db, resource, row, before, merge_patch(before, sent) if deep else before | sent, rules)


def set_one(db: Db, resource: Resource, value: Json, rules: Rules, *, if_match: str | None = None) -> Row:
    """Puts an object in the place of the one that a resource is."""
    return replace(db, resource, ONE, value, rules, if_match=if_match)


def remove(
    db: Db,
    resource: Resource,
    key: str,
    rules: Rules,
    *,
    dependents: frozenset[str] | None = None,
    if_match: str | None = None,
) -> Row:
    """Deletes a row with those of `dependents` that refer to it (None: all that do); in others the reference
    becomes null. All of it or nothing. Gives the row as it was."""
    row = _locked(db, resource, key, if_match)
    store.delete_rows(db, [row.id])
    relations.release(db, resources(db, resource.set_id), resource, key, rules, dependents)
    return row


def key_of(id: Any) -> str:
    """The key of an id. Raises Invalid for what is none."""
    if not isinstance(id, (str, int)) or isinstance(id, bool):
        raise Invalid("An id is text or a whole number.")
    key = text_of(id)
    if len(key) >= MAX_KEY:
        raise Invalid(f"An id has fewer than {MAX_KEY} characters.")
    return key


def _missing(resource: Resource, key: str) -> NotFound:
    return NotFound(
        f"There is no row {key[:80]!r} in {resource.name}." if key else f"{resource.name} is empty."
    )


def _check(db: Db, resource: Resource, value: Json, sent: Json, rules: Rules) -> None:
    if rules.check is not None:
        rules.check(resource.name, value)
    _references(db, resource, sent, rules)


def _references(db: Db, resource: Resource, sent: Json, rules: Rules) -> None:
    """Rows that are referred to are locked before any other, so that two changes never wait for each other."""
    if rules.references:
        relations.keep(db, resources(db, resource.set_id), sent, rules)


def _locked(db: Db, resource: Resource, key: str, if_match: str | None) -> Row:
    row = db.one(Row, store.ROW_LOCKED[db.dialect], resource=resource.id, key=key)
    if row is None:
        raise _missing(resource, key)
    if if_match is not None and not matches(if_match, row):
        raise PreconditionFailed(
            "Somebody else has changed this row.", hint="read it again, then send its ETag"
        )
    return row


def matches(if_match: str, row: Row) -> bool:
    """Whether `If-Match` names the state of a row (RFC 9110 §13.1.1)."""
    tags = [tag.strip() for tag in if_match.split(",")]
    return "*" in tags or row.tag in tags


def _change(db: Db, resource: Resource, row: Row, before: Json, value: Json, rules: Rules) -> Row:
    if resource.plural:
        id = (before or row.value)[rules.id]
        value = {rules.id: id, **{name: item for name, item in value.items() if name != rules.id}}
    if rules.check is not None:
        rules.check(resource.name, value)
    return relations.change(db, row, value)


def _insert(db: Db, resource: Resource, key: str, value: Json) -> Row | None:
    """Adds a row; None where its key is taken."""
    texts = {"body": write(value), "search": searchable(value)}
    row = db.one(Row, store.INSERT, resource=resource.id, key=key, **texts)
    if row is not None:
        store.insert_entries(db, row.id, resource.id, entries(value))
    return row


def _add_with_new_id(db: Db, resource: Resource, value: Json, rules: Rules) -> Row:
    rest = {name: item for name, item in value.items() if name != rules.id}
    for _ in range(10):
        id: str | int
        if resource.integer_ids and not rules.random_ids:
            id = int(db.value(store.TAKE_ID, id=resource.id))
        else:
            id = _random_id(rules)
        if (row := _insert(db, resource, str(id), {rules.id: id, **rest})) is not None:
            return row
    raise Conflict("No free id was found.")


def _random_id(rules: Rules) -> str:
    """Seven characters as json-server 0.17 has them; 64 bits as version 1 does."""
    if rules.random_ids:
        return secrets.token_urlsafe(8)
    return "".join(secrets.choice(ALPHABET) for _ in range(7))
