"""`backendhub serve gateway kong.yml`: everything is for the gateway, but what lies below `/_admin`."""

from __future__ import annotations

import hmac
from collections.abc import Coroutine
from typing import Annotated, Any

from fastapi import Path
from pydantic_core import from_json

from backendhub.kit import edge, web
from backendhub.kit.errors import Conflict, Denied, HubError, Invalid, Malformed, Unauthenticated
from backendhub.kit.hub import Hub
from backendhub.kit.web.fields import NO_NUL

from . import admin, purging, service
from . import board as boards
from .config import load
from .models import Stored

hot = edge.Edge()


@hot.route("*", "/*", max_body=0, stream=True, public=True, cors=False, upgrades=True)
def proxy(request: edge.Request) -> edge.Answer:
    """Every request that is not for the Admin API."""
    if request.path[:2] == "/_":
        return None
    return boards.of(request.hub).gateway.handle(request)


class KongDialect(web.Dialect):
    """`{"message": …}`."""

    name = "Error"
    description = "An error, as Kong tells it"
    media_type = "application/json"
    schema = {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}}

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The response to a failure."""
        found: dict[str, Any] = {"message": error.message, "code": error.code}
        return web.Reply(found, error.status, media_type=self.media_type)


router = web.Router(
    "An API gateway with Kong's declarative configuration. These are the routes of its Admin API; every other path is the "
    "gateway's.",
    edge=hot,
)
family = router.family("/_admin", dialect=KongDialect(invalid=400))
Word = Annotated[str, Path(pattern=NO_NUL, max_length=300)]
KEY = "kong-admin-token"


@router.on_startup
def watch(hub: Hub) -> Coroutine[Any, Any, None]:
    """Keeps the configuration current."""
    return boards.watch(hub)


@router.on_startup
def probe(hub: Hub) -> Coroutine[Any, Any, None]:
    """Probes targets."""
    return boards.of(hub).gateway.look_after()


def admitted(request: web.Request) -> boards.Board:
    """The board, for who may administrate: with the key, or where that was asked for from this machine, and from no page
    of another origin. Raises Unauthenticated, Denied."""
    key = request.hub.settings.get("gateway.admin_key")
    if key:
        if not hmac.compare_digest((request.header(KEY) or "").encode(), key.encode()):
            raise Unauthenticated("Invalid credentials. Kong-Admin-Token header required")
    elif not request.hub.settings.flag("gateway.admin_local"):
        raise Denied(
            "the Admin API is off: --admin-local lets this machine in, gateway.admin_key whoever knows it"
        )
    elif (request.scope.get("client") or ("",))[0] not in ("127.0.0.1", "::1"):
        raise Denied("the Admin API answers this machine only")
    origin = request.header("origin")
    if origin is not None and origin.partition("://")[2] != request.header("host"):
        raise Denied("pages of other origins may not administrate")
    return boards.of(request.hub)


@family.get("/", statuses=(401, 403))
def node(request: web.Request) -> dict[str, Any]:
    """The node: plugins with their priorities, and which are in use."""
    return admin.node(admitted(request).gateway)


@family.get("/status", statuses=(401, 403, 503))
def status(request: web.Request) -> web.Reply:
    """Whether the newest configuration is the one that is served; 503 and why, where it is not."""
    trouble = admitted(request).trouble
    return web.Reply({"configuration_hash": "current", "message": trouble or "OK"}, 503 if trouble else 200)


@family.get("/config", statuses=(401, 403))
def get_config(request: web.Request) -> dict[str, str]:
    """The document that is served, credentials included."""
    return {"config": admitted(request).gateway.state.config.text}


@family.post("/config", status=201, consumes=("*/*",), statuses=(400, 401, 403, 409), max_body=4 * 2**20)
async def post_config(request: web.Request) -> dict[str, Any]:
    """Replaces the configuration as a whole, or not at all: YAML, JSON, or `{"config": "…"}`.

    Every process serves it within a second, this one at once.
    """
    board = admitted(request)
    if board.path is not None:
        raise Conflict("The configuration is that of a file; it is read again when it changes.")
    text = _document(request.body)
    config = load(text, "config")
    board.gateway.ready(config, "config")
    stored: Stored = await request.call(service.put, text)
    await boards.refresh(request.hub)
    shown = {name: {row["id"]: row for row in admin.collection(config, name)} for name in admin.COLLECTIONS}
    return {**shown, "revision": stored.revision}


def _document(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Malformed("The configuration is no UTF-8.") from None
    if text.lstrip()[:1] == "{":
        try:
            found = from_json(text)
        except ValueError:
            return text
        if isinstance(found, dict) and isinstance(found.get("config"), str):
            inner: str = found["config"]
            return inner
    if not text.strip():
        raise Invalid("There is no configuration in the body.")
    return text


purging.declare(family, admitted)


@family.get("/upstreams/{key}/health", statuses=(401, 403, 404))
def upstream_health(request: web.Request, key: Word) -> dict[str, Any]:
    """The health of an upstream's targets."""
    return admin.paged(admin.health(admitted(request).gateway, key))


@family.get("/{kind}", statuses=(401, 403, 404))
def list_entities(request: web.Request, kind: Word) -> dict[str, Any]:
    """Services, routes, upstreams, consumers or plugins."""
    return admin.paged(admin.collection(admitted(request).gateway.state.config, kind))


@family.get("/{kind}/{key}", statuses=(401, 403, 404))
def get_entity(request: web.Request, kind: Word, key: Word) -> dict[str, Any]:
    """One of them, by name or id."""
    return admin.one(admitted(request).gateway.state.config, kind, key)


@family.get("/{kind}/{key}/{inner}", statuses=(401, 403, 404))
def list_related(request: web.Request, kind: Word, key: Word, inner: Word) -> dict[str, Any]:
    """The routes of a service, the plugins of a service, route or consumer, the targets of an upstream."""
    return admin.paged(admin.related(admitted(request).gateway.state.config, kind, key, inner))
