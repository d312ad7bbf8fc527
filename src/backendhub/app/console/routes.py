"""The console's routes."""

from __future__ import annotations

import asyncio
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from backendhub.kit import web
from backendhub.kit.errors import NotFound

from . import page
from .admission import Administrator, Local
from .facts import facts
from .feed import Feed

if TYPE_CHECKING:
    from backendhub.kit.web import Application

PREFIX = "/_hub"
HTML = "text/html; charset=utf-8"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
STATIC = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def attach(application: Application, *, local: bool) -> None:
    """Puts the console into an application; `local` where it is bound to a loopback address."""
    router = web.Router("The console of this server")
    router.on_request(Local() if local else Administrator())
    _routes(router, application, Feed(application), local=local)
    if not local:
        application.hub.use("accounts")
    application.attach(PREFIX, router, "The console")


def _routes(router: web.Router, application: Application, feed: Feed, *, local: bool) -> None:
    @router.get("/", media_type=HTML, in_schema=False)
    async def show() -> web.Reply:
        html = page.console(application, await facts(application), feed, local=local)
        return web.Reply(html, headers=HEADERS)

    @router.get("/systems/{name}", media_type=HTML, in_schema=False)
    async def system(request: web.Request, name: str, part: bool = False) -> web.Reply:
        mounted = next((m for m in application.mounts.values() if m.row.name == name), None)
        if mounted is None:
            raise NotFound(f"There is no system {name[:80]!r} here.")
        application.load(mounted)
        document = await asyncio.to_thread(mounted.openapi)
        base = f"{request.scope.get('scheme', 'http')}://{request.header('host')}{mounted.prefix}"
        return web.Reply(page.calls(mounted, document, base, part=part), headers=HEADERS)

    @router.get("/events", media_type="text/event-stream", in_schema=False)
    async def events() -> web.Stream:
        return web.events(feed.watch(), retry=2000)

    @router.get("/static/{name}", in_schema=False)
    def static(name: str) -> web.Reply:
        if name not in STATIC:
            raise NotFound(f"There is no {name[:80]!r}.")
        return web.Reply(_asset(name), headers={"Cache-Control": "no-cache"}, media_type=STATIC[name])


@cache
def _asset(name: str) -> bytes:
    return files(__package__).joinpath("static", name).read_bytes()
