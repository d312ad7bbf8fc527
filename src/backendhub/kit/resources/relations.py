"""Rows that refer to other rows: `postId` of a comment is the id of a post, by name alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid

from . import store
from .fields import entries, searchable
from .models import Resource, Row, Rules
from .values import text_of, write

Json = dict[str, Any]


@lru_cache(maxsize=1024)
def singular(name: str) -> str:
    """`post` of `posts`, `category` of `categories`."""
    return str(_words().singular(name))


@lru_cache(maxsize=1024)
def plural(name: str) -> str:
    """`posts` of `post`."""
    return str(_words().plural(name))


@lru_cache(maxsize=1)
def _words() -> Any:
    from pluralizer import Pluralizer

    make: Any = Pluralizer
    return make()


def reference(resource: str, rules: Rules) -> str:
    """The member by which others refer to a resource: `postId` for `posts`."""
    return singular(resource) + rules.suffix


def embed(db: Db, resource: Resource, child: Resource, objects: Sequence[Json], rules: Rules) -> None:
    """Gives each object the rows of another resource that refer to it: `comments` of a post."""
    path = reference(resource.name, rules)
    groups: dict[str, list[Json]] = {text_of(o.get(rules.id)): [] for o in objects}
    for row in store.referring(db, [child.id], path, groups):
        value = row.value
        groups[text_of(value.get(path))].append(value)
    for found in objects:
        found[child.name] = groups[text_of(found.get(rules.id))]


def expand(db: Db, parent: Resource, member: str, objects: Sequence[Json], rules: Rules) -> None:
    """Gives each object the row that it refers to: `post` of a comment, where there is one."""
    path = member + rules.suffix
    keys = {text_of(o[path]) for o in objects if isinstance(o.get(path), (str, int, float))}
    found = {row.key: row.value for row in store.by_keys(db, parent.id, keys)}
    for one in objects:
        if (row := found.get(text_of(one.get(path)))) is not None:
            one[member] = row


def keep(db: Db, resources: Iterable[Resource], value: Json, rules: Rules) -> None:
    """Makes sure that what a value refers to is there, and stays until the transaction ends.

    Raises Invalid for a reference to a row that does not exist.
    """
    known = {r.name: r for r in resources if r.plural}
    for path, target in sorted(value.items()):
        name = path.removesuffix(rules.suffix)
        parent = known.get(plural(name)) if path.endswith(rules.suffix) and name else None
        if parent is None or target is None:
            continue
        if db.one(Row, store.ROW_KEPT[db.dialect], resource=parent.id, key=text_of(target)) is None:
            detail = f"there is no row {text_of(target)[:80]!r} in {parent.name}"
            errors = [{"in": "body", "pointer": f"/{path}", "code": "reference", "detail": detail}]
            raise Invalid(f"/{path}: {detail}.", errors=errors)


def release(
    db: Db,
    resources: Sequence[Resource],
    gone: Resource,
    key: str,
    rules: Rules,
    dependents: frozenset[str] | None,
) -> int:
    """Deals with the rows that refer to one that goes, and with those that refer to them in turn.

    Rows of `dependents` go too (None: all of them do); in others the reference becomes null. Gives how many rows
    went. A resource's references to itself are left alone where they are not named, as json-server does.
    """
    many = {r.id: r for r in resources if r.plural}
    waiting: dict[int, set[str]] = {gone.id: {key}}
    removed = 0
    while waiting:
        parent_id, keys = waiting.popitem()
        path = reference(many[parent_id].name, rules)
        children = [
            r.id for r in many.values() if dependents is None or r.id != parent_id or r.name in dependents
        ]
        going: list[Row] = []
        for row in store.referring(db, children, path, keys, lock=True):
            value = row.value
            if text_of(value.get(path)) not in keys:  # it was changed while we waited for it
                continue
            if dependents is None or many[row.resource_id].name in dependents:
                going.append(row)
            else:
                change(db, row, value | {path: None})
        removed += len(going)
        store.delete_rows(db, [row.id for row in going])
        for row in going:
            waiting.setdefault(row.resource_id, set()).add(row.key)
    return removed


def change(db: Db, row: Row, value: Json) -> Row:
    """Writes another value into a row."""
    changed = db.one(Row, store.UPDATE, id=row.id, body=write(value), search=searchable(value))
    assert changed is not None
    store.change_entries(db, row, entries(row.value), entries(value))
    return changed
