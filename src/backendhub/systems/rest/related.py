"""Rows as JSON texts, with the rows that are related to them inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import Malformed
from backendhub.kit.resources import relations, service, values
from backendhub.kit.resources.models import Resource, Row

from . import query_v0, wire
from .config import Config
from .reading import Reader

Relation = Callable[[list[Any]], None]
"""Puts what is related into objects."""


def show(db: Db, request: web.Request, config: Config, resource: Resource, row: Row) -> web.Reply:
    """One row, with the relations that are asked for."""
    reader = Reader(request.pairs(), strict=config.strict)
    found = plan(db, config, resource, reader.take_all("_embed"), reader.take_all("_expand"))
    if config.strict and (unknown := set(reader.values) - set(query_v0.IGNORED)):
        raise Malformed(f"There is no parameter {sorted(unknown)[0][:80]!r} here.")
    if found or (config.version == 0 and "callback=" in request.query):
        return wire.document(request, config, texts(config, resource, [row], found)[0])
    return wire.row(config, resource, row)


def plan(
    db: Db, config: Config, resource: Resource, embed: Sequence[str], expand: Sequence[str]
) -> list[Relation]:
    """Children are embedded, parents are expanded; version 1 says `_embed` to both. Names that mean nothing are passed
    over, or refused where it is strict."""
    if not embed and not expand:
        return []
    known = {r.name: r for r in service.resources(db, resource.set_id) if r.plural}
    found: list[Relation] = []
    for name in embed:
        if (child := known.get(name)) is not None:
            found.append(_children(db, config, resource, child))
        elif config.version == 1:
            expand = (*expand, name)
        elif config.strict:
            raise Malformed(f"There is no resource {name[:80]!r}.")
    for name in expand:
        if (parent := known.get(relations.plural(name))) is not None:
            found.append(_parent(db, config, parent, name))
        elif config.strict:
            raise Malformed(f"There is no resource {relations.plural(name)[:80]!r}.")
    return found


def _children(db: Db, config: Config, resource: Resource, child: Resource) -> Relation:
    return lambda objects: relations.embed(db, resource, child, objects, config.rules)


def _parent(db: Db, config: Config, parent: Resource, member: str) -> Relation:
    return lambda objects: relations.expand(db, parent, member, objects, config.rules)


def texts(config: Config, resource: Resource, rows: Sequence[Row], related: Sequence[Relation]) -> list[str]:
    """Rows as JSON texts. They are parsed only where there is something to put into them."""
    found = [wire.text(config, resource, row) for row in rows]
    if not related:
        return found
    objects = [values.read(text) for text in found]
    for relate in related:
        relate(objects)
    return [values.write(each) for each in objects]
