"""The kinds of objects: what their ids begin with, what lists and searches ask of them, what can be expanded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backendhub.kit.db import Db

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind. `index` names the fields (dotted) that lists filter by and searches look at; metadata always is one.

    `expand` says of which kind the object is whose id a field holds; a `*` stands for any. `include` are fields that are
    sent only when they are asked for with `expand[]`. `legacy` are fields that are included before a version.
    """

    kind: str
    prefix: str = ""
    path: str = ""
    index: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    expand: Mapping[str, str] = field(default_factory=dict)
    include: Mapping[str, Callable[[Db, Json], Any]] = field(default_factory=dict)
    metadata: bool = True
    tells: bool = True
    """Whether it is sent with `livemode`."""


_known: dict[str, Resource] = {}


def declare(resource: Resource) -> Resource:
    """Adds a kind."""
    if resource.kind in _known:
        raise ValueError(f"{resource.kind} is declared twice")
    _known[resource.kind] = resource
    return resource


def of(kind: str) -> Resource:
    """The resource of a kind; one that nobody declared has no fields to ask for."""
    return _known.get(kind) or Resource(kind)


def every() -> list[Resource]:
    """Every kind that is declared."""
    return list(_known.values())


def by_id(id: str) -> Resource | None:
    """The kind whose ids look like this one."""
    fits = [r for r in _known.values() if r.prefix and id.startswith(r.prefix + "_")]
    return max(fits, key=lambda r: len(r.prefix)) if fits else None
