"""`expand[]=data.customer.default_source`: ids become the objects that they name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.payment import objects, resources
from backendhub.systems.payment.errors import ApiError

Json = dict[str, Any]
MAX_DEPTH = 4
MAX_PATHS = 50


def expand(db: Db, value: Any, paths: Iterable[str]) -> Any:
    """A value with what the paths name expanded, each kind of object read at once. Raises ApiError."""
    for n, path in enumerate(paths):
        parts = path.split(".")
        if n >= MAX_PATHS:
            raise ApiError(f"You cannot expand more than {MAX_PATHS} properties.", param="expand")
        if len(parts) - (parts[0] == "data") > MAX_DEPTH:
            raise ApiError(
                f"You cannot expand more than {MAX_DEPTH} levels of a property.", param=f"expand[{n}]"
            )
        _along(db, [value], parts, path, f"expand[{n}]")
    return value


def _along(db: Db, nodes: list[Json], parts: list[str], path: str, param: str) -> None:
    for part in parts:
        nodes = _step(db, nodes, part, path, param)
        if not nodes:
            return


def _step(db: Db, nodes: list[Json], part: str, path: str, param: str) -> list[Json]:
    """What a part of a path leads to from each of some objects."""
    found: list[Json] = []
    wanted: dict[str, list[tuple[Json, str]]] = {}
    for node in nodes:
        if not _can(node, part):
            raise ApiError(f"This property cannot be expanded ({path[:100]}).", param=param)
        _include(db, node, part)
        value = node.get(part)
        if isinstance(value, str):
            kind = resources.of(str(node.get("object"))).expand.get(part, "*")
            wanted.setdefault(kind, []).append((node, value))
        elif isinstance(value, list) and all(isinstance(v, str) for v in value):
            _expand_list(db, node, part, value)
        found += _objects(node.get(part)) if not isinstance(value, str) else []
    for kind, places in wanted.items():
        known = _named(db, kind, [id for _, id in places])
        for node, id in places:
            if id in known:
                node[part] = dict(known[id])
                found.append(node[part])
    return found


def _can(node: Json, part: str) -> bool:
    """Whether an object has something to expand there: an expandable field, or one on the way to such."""
    kind = node.get("object")
    if part in node and isinstance(node[part], (dict, list)):
        return True
    if not isinstance(kind, str):
        return part in node
    resource = resources.of(kind)
    return part in resource.expand or part in resource.include


def _include(db: Db, node: Json, part: str) -> None:
    kind = node.get("object")
    if isinstance(kind, str) and node.get(part) is None:
        make = resources.of(kind).include.get(part)
        if make is not None:
            node[part] = make(db, node)


def _expand_list(db: Db, node: Json, part: str, ids: list[str]) -> None:
    kind = resources.of(str(node.get("object"))).expand.get(part, "*")
    known = _named(db, kind, ids)
    node[part] = [dict(known[id]) if id in known else id for id in ids]


def _objects(value: Any) -> list[Json]:
    if isinstance(value, dict):
        return [value]
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _named(db: Db, kind: str, ids: list[str]) -> dict[str, Json]:
    """Objects by id: of one kind, or of the kind that each id belongs to."""
    if kind != "*":
        return objects.many(db, kind, ids)
    found: dict[str, Json] = {}
    for prefix_kind in {r.kind for id in ids if (r := resources.by_id(id)) is not None}:
        found |= objects.many(db, prefix_kind, ids)
    return found
