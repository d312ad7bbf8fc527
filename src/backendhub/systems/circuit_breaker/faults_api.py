"""Toxiproxy's API: its fourteen routes, its errors, its way with bodies of any media type."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from backendhub import __version__
from backendhub.kit import web
from backendhub.kit.errors import Denied, HubError, Malformed

from . import board as boards
from .faults.proxies import Proxies

Json = dict[str, Any]
ANY = ("*/*",)
BROWSERS = "Mozilla/"


class ToxiproxyDialect(web.Dialect):
    """`{"error": …, "status": …}`."""

    name = "ApiError"
    description = "An error, as Toxiproxy tells it"
    media_type = "application/json"
    schema = {
        "type": "object",
        "required": ["error", "status"],
        "properties": {"error": {"type": "string"}, "status": {"type": "integer"}},
    }

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The response to a failure."""
        return web.Reply(
            {"error": error.message, "status": error.status}, error.status, media_type=self.media_type
        )


DIALECT = ToxiproxyDialect(invalid=400)


def declare(router: web.Router) -> None:
    """Adds the routes to a router."""
    proxies = router.family("/proxies", dialect=DIALECT)
    proxies.get("/", statuses=(403,))(list_proxies)
    proxies.post("/", status=201, consumes=ANY, statuses=(400, 403, 409, 500))(create_proxy)
    proxies.get("/{proxy}", statuses=(403, 404))(get_proxy)
    for method in ("POST", "PATCH"):
        proxies.add(method, "/{proxy}", consumes=ANY, statuses=(400, 403, 404, 500))(update_proxy)
    proxies.delete("/{proxy}", statuses=(403, 404))(delete_proxy)
    proxies.get("/{proxy}/toxics", statuses=(403, 404))(list_toxics)
    proxies.post("/{proxy}/toxics", consumes=ANY, statuses=(400, 403, 404, 409))(create_toxic)
    proxies.get("/{proxy}/toxics/{toxic}", statuses=(403, 404))(get_toxic)
    for method in ("POST", "PATCH"):
        proxies.add(method, "/{proxy}/toxics/{toxic}", consumes=ANY, statuses=(400, 403, 404))(update_toxic)
    proxies.delete("/{proxy}/toxics/{toxic}", statuses=(403, 404))(delete_toxic)
    router.family("/populate", dialect=DIALECT).post("/", status=201, consumes=ANY, statuses=(400, 403, 500))(
        populate
    )
    router.family("/reset", dialect=DIALECT).post("/", status=204, statuses=(403, 500))(reset)
    router.family("/version", dialect=DIALECT).get("/", public=True)(version)


def known(request: web.Request) -> Proxies:
    """The proxies of this process. Raises Denied for browsers, as Toxiproxy does: pages must not open ports; and for
    other machines, unless the setting lets them."""
    if (request.header("user-agent") or "").startswith(BROWSERS):
        raise Denied("User agent not allowed")
    client = (request.scope.get("client") or ("",))[0]
    if not request.hub.settings.flag("circuit_breaker.remote_faults") and client not in ("127.0.0.1", "::1"):
        raise Denied("faults are injected from this machine only; --remote-faults lets others")
    return boards.of(request.hub).proxies


def sent(request: web.Request) -> Any:
    """The body. Raises Malformed."""
    try:
        return from_json(request.body)
    except ValueError as error:
        raise Malformed(f"bad request body: {error}") from None


def given(request: web.Request) -> Json:
    """The object in the body. Raises Malformed."""
    body = sent(request)
    if not isinstance(body, dict):
        raise Malformed("bad request body: it is no object")
    return body


async def list_proxies(request: web.Request) -> Json:
    """Every proxy with its toxics, by name."""
    return {name: proxy.shown() for name, proxy in known(request).known.items()}


async def create_proxy(request: web.Request) -> Json:
    """Makes a proxy: name, listen, upstream, enabled."""
    return (await known(request).create(given(request))).shown()


async def populate(request: web.Request) -> Json:
    """Makes or replaces proxies, from a list of them."""
    body = sent(request)
    if not isinstance(body, list):
        raise Malformed("bad request body: it is no list")
    return {"proxies": [proxy.shown() for proxy in await known(request).populate(body)]}


async def get_proxy(request: web.Request, proxy: str) -> Json:
    """A proxy with its toxics."""
    return known(request).find(proxy).shown()


async def update_proxy(request: web.Request, proxy: str) -> Json:
    """Changes a proxy's listen, upstream or enabled."""
    return (await known(request).update(proxy, given(request))).shown()


async def delete_proxy(request: web.Request, proxy: str) -> None:
    """Ends a proxy."""
    known(request).remove(proxy)


async def list_toxics(request: web.Request, proxy: str) -> list[Json]:
    """The toxics of a proxy."""
    return [toxic.shown() for toxic in known(request).find(proxy).all()]


async def create_toxic(request: web.Request, proxy: str) -> Json:
    """Adds a toxic: type, name, stream, toxicity, attributes."""
    return known(request).find(proxy).add(given(request)).shown()


async def get_toxic(request: web.Request, proxy: str, toxic: str) -> Json:
    """A toxic."""
    return known(request).find(proxy).find(toxic).shown()


async def update_toxic(request: web.Request, proxy: str, toxic: str) -> Json:
    """Changes a toxic's attributes and toxicity."""
    return known(request).find(proxy).update(toxic, given(request)).shown()


async def delete_toxic(request: web.Request, proxy: str, toxic: str) -> None:
    """Takes a toxic away."""
    known(request).find(proxy).remove(toxic)


async def reset(request: web.Request) -> None:
    """Every proxy on, every toxic gone."""
    await known(request).reset()


async def version(request: web.Request) -> Json:
    """The version of this server."""
    return {"version": f"2.12.0-backendhub-{__version__}"}
