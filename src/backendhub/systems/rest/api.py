"""`backendhub serve rest db.json`: every resource of a set over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Path

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import Denied, NotFound
from backendhub.kit.hub import Hub
from backendhub.kit.problems import HttpError
from backendhub.kit.resources import relations, service, values
from backendhub.kit.resources.models import Resource
from backendhub.kit.web.fields import NO_NUL

from . import config as configs
from . import home, lists, openapi, related, sync, wire
from .config import MAX_DELAY_MS, Config

router = web.Router(
    "Any resource as a REST API over a real database, in json-server's dialects: filters, orders, pages and relations "
    "as its clients ask for them; ETags, validation and transactions beside.",
    cors=web.Cors(credentials=True),
    dialect=wire.RestDialect(),
)
ANYTHING = ("*/*",)
Name = Annotated[str, Path(pattern=NO_NUL, description="A resource")]
Key = Annotated[str, Path(pattern=NO_NUL, description="The id of a row")]


@router.on_startup
def keep_file(hub: Hub) -> Coroutine[Any, Any, None]:
    """Follows the file, or writes to it, where that was asked for."""
    return sync.run(hub, configs.of(hub))


@router.on_request
async def before(request: web.Request) -> None:
    """Refuses writes where there are none, rewrites the path, waits as long as was asked for."""
    config = configs.of(request.hub)
    if request.method == "OPTIONS":
        return
    if config.read_only and request.method not in ("GET", "HEAD"):
        raise Denied("This server only reads.")
    if len(request.path) > 1:
        request.path = request.path.rstrip("/") or "/"
    if config.rewriter is not None:
        request.path, request.query = config.rewriter.apply(request.path, request.query)
        request.path = request.path.rstrip("/") or "/"
    delay = config.delay_ms
    if config.version == 0 and "_delay=" in request.query:
        delay = _asked_delay(request, delay)
    if delay:
        await asyncio.sleep(delay / 1000)


def _asked_delay(request: web.Request, default: float) -> float:
    text = next((value for name, value in request.pairs() if name == "_delay"), "")
    try:
        delay = float(text)
    except ValueError:
        return default
    return delay if 0 <= delay <= MAX_DELAY_MS else default


@router.describes
def describe(hub: Hub, document: dict[str, Any]) -> dict[str, Any]:
    """The document of the resources that are there."""
    return openapi.document(hub, configs.of(hub), document)


def _found(db: Db, request: web.Request, name: str, verb: str) -> tuple[Config, Resource]:
    """The configuration and the resource. Raises NotFound, and Denied for credentials that do not cover it."""
    config = configs.of(request.hub)
    wire.permit(request, name, verb)
    set_id = config.set_id(db)
    if set_id is None:
        raise NotFound(f"There is no resource {name[:80]!r}.")
    return config, service.resource(db, set_id, name)


def _many(db: Db, request: web.Request, name: str, verb: str) -> tuple[Config, Resource]:
    config, resource = _found(db, request, name, verb)
    if not resource.plural:
        raise NotFound(f"{name} is one object, and has no rows.")
    return config, resource


def _one(db: Db, request: web.Request, name: str) -> tuple[Config, Resource]:
    config, resource = _found(db, request, name, "write")
    if resource.plural:
        raise HttpError(405, f"{name} has rows; name one of them.", allow="GET, HEAD, OPTIONS, POST")
    return config, resource


# -- reading -----------------------------------------------------------------------------------------------


@router.get("/", media_type="text/html; charset=utf-8", in_schema=False)
def index(db: Db, request: web.Request) -> str:
    """Every resource, with links."""
    config = configs.of(request.hub)
    set_id = config.set_id(db)
    return home.page(request, config, service.sizes(db, set_id) if set_id is not None else [])


@router.get("/db")
def database(db: Db, request: web.Request) -> Any:
    """The whole set as one document, as it can be loaded again."""
    config = configs.of(request.hub)
    wire.permit(request, "db", "read")
    set_id = config.set_id(db)
    return wire.document(request, config, service.text(db, set_id) if set_id is not None else "{}")


@router.get("/__rules")
def rules(request: web.Request) -> Any:
    """The routes file."""
    config = configs.of(request.hub)
    return web.reply(config.rewriter.texts if config.rewriter else {}, headers=wire.headers(config))


@router.get("/{resource}", open_query=True)
def list_rows(db: Db, request: web.Request, resource: Name) -> Any:
    """List the rows of a resource, or read the object that it is."""
    config, found = _found(db, request, resource, "read")
    if found.plural:
        return lists.answer(db, request, config, found)
    return wire.row(config, found, service.get(db, found))


@router.get("/{resource}/{id}", open_query=True)
def get_row(db: Db, request: web.Request, resource: Name, id: Key) -> Any:
    """Read a row."""
    config, found = _many(db, request, resource, "read")
    return related.show(db, request, config, found, service.get(db, found, id))


@router.get("/{resource}/{id}/{nested}", open_query=True)
def list_nested(db: Db, request: web.Request, resource: Name, id: Key, nested: Name) -> Any:
    """List the rows of another resource that refer to a row."""
    config, found = _many(db, request, nested, "read")
    if config.strict:
        service.get(db, _many(db, request, resource, "read")[1], id)
    return lists.answer(db, request, config, found, (relations.reference(resource, config.rules), id))


@router.add("OPTIONS", "/{resource}", status=204, in_schema=False)
def options(db: Db, request: web.Request, resource: Name) -> None:
    """What can be done with a resource."""
    config, found = _found(db, request, resource, "read")
    verbs = ("POST",) if found.plural else ("PATCH", "PUT", *(("POST",) if config.version == 0 else ()))
    return web.reply(None, headers={"Allow": ", ".join(sorted(("GET", "HEAD", "OPTIONS", *verbs)))})


# -- writing -----------------------------------------------------------------------------------------------


@router.post("/{resource}", status=201, consumes=ANYTHING, open_query=True, statuses=(409,))
def add_row(db: Db, request: web.Request, resource: Name) -> Any:
    """Add a row; in version 0 also replace the object that a resource is."""
    return _add(db, request, resource, {})


@router.post("/{resource}/{id}/{nested}", status=201, consumes=ANYTHING, open_query=True, statuses=(409,))
def add_nested(db: Db, request: web.Request, resource: Name, id: Key, nested: Name) -> Any:
    """Add a row that refers to another."""
    config = configs.of(request.hub)
    return _add(db, request, nested, {relations.reference(resource, config.rules): id})


def _add(db: Db, request: web.Request, name: str, more: dict[str, Any]) -> Any:
    config, found = _found(db, request, name, "write")
    if not found.plural and config.version == 1:
        raise HttpError(405, f"{name} is one object.", allow="GET, HEAD, OPTIONS, PATCH, PUT")
    sent = wire.body(request, config)
    if more:
        sent = values.clean(sent) | more
    if not found.plural:
        row = wire.change(db, config, lambda: service.set_one(db, found, sent, config.rules))
        return wire.row(config, found, row, status=201, Location=f"{request.base_url}/{quote(name)}")
    row = wire.change(db, config, lambda: service.add(db, found, sent, config.rules))
    location = f"{request.base_url}/{quote(name)}/{quote(row.key, safe='')}"
    return wire.row(config, found, row, status=201, Location=location)


@router.put("/{resource}", consumes=ANYTHING, open_query=True, statuses=(412,))
def replace_one(db: Db, request: web.Request, resource: Name) -> Any:
    """Replace the object that a resource is."""
    config, found = _one(db, request, resource)
    sent, tag = wire.body(request, config), request.header("if-match")
    row = wire.change(db, config, lambda: service.set_one(db, found, sent, config.rules, if_match=tag))
    return wire.row(config, found, row)


@router.patch("/{resource}", consumes=ANYTHING, open_query=True, statuses=(412,))
def edit_one(db: Db, request: web.Request, resource: Name) -> Any:
    """Change members of the object that a resource is."""
    config, found = _one(db, request, resource)
    return _edit(db, request, config, found, service.ONE)


@router.put("/{resource}/{id}", consumes=ANYTHING, open_query=True, statuses=(412,))
def replace_row(db: Db, request: web.Request, resource: Name, id: Key) -> Any:
    """Replace a row, all but its id. `If-Match` makes it fail where somebody else was faster."""
    config, found = _many(db, request, resource, "write")
    sent, tag = wire.body(request, config), request.header("if-match")
    row = wire.change(db, config, lambda: service.replace(db, found, id, sent, config.rules, if_match=tag))
    return wire.row(config, found, row)


@router.patch("/{resource}/{id}", consumes=ANYTHING, open_query=True, statuses=(412,))
def edit_row(db: Db, request: web.Request, resource: Name, id: Key) -> Any:
    """Change members of a row; `application/merge-patch+json` changes what is within them too (RFC 7396)."""
    config, found = _many(db, request, resource, "write")
    return _edit(db, request, config, found, id)


def _edit(db: Db, request: web.Request, config: Config, found: Resource, key: str) -> Any:
    sent, tag = wire.body(request, config), request.header("if-match")
    deep = request.media_type == wire.MERGE_PATCH
    row = wire.change(
        db, config, lambda: service.edit(db, found, key, sent, config.rules, if_match=tag, deep=deep)
    )
    return wire.row(config, found, row)


@router.delete("/{resource}/{id}", status=200, open_query=True, statuses=(412,))
def delete_row(db: Db, request: web.Request, resource: Name, id: Key) -> Any:
    """Delete a row. In version 0 those that refer to it go too; in version 1 their references become null, and those of
    resources that `_dependent` names go."""
    config, found = _many(db, request, resource, "write")
    named = frozenset(value for name, value in request.pairs() if name == "_dependent")
    for name in sorted(named):
        wire.permit(request, name, "write")
    dependents, tag = (named if config.version == 1 else None), request.header("if-match")
    row = wire.change(
        db, config, lambda: service.remove(db, found, id, config.rules, dependents=dependents, if_match=tag)
    )
    content = wire.text(config, found, row) if config.version == 1 else values.write({})
    return web.reply(content.encode(), headers=wire.headers(config))
