"""A router with hot and cold routes behind our own server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from backendhub.kit import edge, web
from backendhub.kit.errors import Denied

from ..web.conftest import Live, application, live, mount  # noqa: TID252

__all__ = ["Live", "application", "live", "mount"]


class Seen:
    """What the handlers of one router were asked."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.cancelled = 0
        self.release: asyncio.Event | None = None


def make(seen: Seen, **options: Any) -> web.Router:
    """Hot routes of every kind, and the same paths in the application."""
    hot = edge.Edge()
    router = web.Router("Things", edge=hot, **options)
    ready = edge.Response(200, [(b"content-type", b"text/plain")], b"ready")

    @hot.route("GET HEAD", "/hot", public=True)
    def at_once(request: edge.Request) -> edge.Answer:
        return ready

    @hot.route("GET", "/closed")
    def closed(request: edge.Request) -> edge.Answer:
        return ready

    @hot.route("*", "/echo", max_body=1000, public=True)
    def echo(request: edge.Request) -> edge.Answer:
        seen.paths.append(request.path)
        return edge.Response.json({"body": request.body.decode(), "host": request.header("host")})

    @hot.route("GET", "/hidden", public=True)
    def hidden(request: edge.Request) -> edge.Answer:
        seen.paths.append("/hidden")
        return ready

    @hot.route("GET", "/things/{name}/parts/{part}")
    def part(request: edge.Request) -> edge.Answer:
        return edge.Response.json(request.params)

    @hot.route("GET", "/later")
    async def later(request: edge.Request) -> edge.Response:
        await asyncio.sleep(float(request.query or 0.05))
        return edge.Response(200, [], b"later")

    @hot.route("GET", "/waits")
    async def waits(request: edge.Request) -> edge.Response:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            seen.cancelled += 1
            raise
        return ready

    @hot.route("GET POST", "/declines", max_body=1000)
    def declines(request: edge.Request) -> edge.Answer:
        return None

    @hot.route("GET POST", "/declines-later", max_body=1000)
    async def declines_later(request: edge.Request) -> None:
        await asyncio.sleep(0.01)

    @hot.route("POST", "/count", stream=True, max_body=10_000_000)
    async def count(request: edge.Request) -> edge.Response:
        return edge.Response.json(sum([len(part) async for part in request.stream()]))

    @hot.route("GET", "/stream")
    def stream(request: edge.Request) -> edge.Stream:
        async def parts() -> AsyncIterator[bytes]:
            try:
                for n in range(int(request.query)):
                    yield b"%06d|" % n * 1000
                    await asyncio.sleep(0)
            finally:
                seen.cancelled += 1

        length = int(request.query) * 7000 if request.fields.get(b"x-known") else None
        return edge.Stream(200, [], parts(), length)

    @hot.route("GET", "/breaks")
    def breaks(request: edge.Request) -> edge.Stream:
        async def parts() -> AsyncIterator[bytes]:
            yield b"begun"
            raise RuntimeError("gone wrong")

        return edge.Stream(200, [], parts())

    @hot.route("GET", "/crash")
    def crash(request: edge.Request) -> edge.Answer:
        raise RuntimeError("nobody expected this")

    @hot.route("GET", "/denied")
    async def denied(request: edge.Request) -> edge.Response:
        raise Denied("Not you.")

    @hot.route("GET", "/hints")
    async def hints(request: edge.Request) -> edge.Response:
        request.interim(103, [(b"link", b"</a.css>; rel=preload")])
        return ready

    @hot.route("GET", "/tunnel", upgrades=True)
    def tunnel(request: edge.Request) -> edge.Tunnel:
        async def talk(link: edge.Duplex) -> None:
            while data := await link.read():
                await link.write(data.upper())

        return edge.Tunnel(101, [(b"connection", b"upgrade"), (b"upgrade", b"websocket")], talk)

    for path in ("/declines", "/declines-later"):

        @router.post(path, consumes=("*/*",))
        def post(request: web.Request) -> str:
            return "application: " + request.body.decode()

        @router.get(path)
        def get() -> str:
            return "application"

    @router.get("/cold")
    async def cold() -> str:
        await asyncio.sleep(0.02)
        return "cold"

    @router.post("/cold", consumes=("*/*",))
    def cold_post(request: web.Request) -> str:
        return request.body.decode()

    @router.get("/closed")
    def closed_too(user: web.CurrentUser) -> str:
        return user.id

    @router.websocket("/socket")
    async def socket(socket: web.Socket) -> None:
        await socket.send("hello")

    return router


@pytest.fixture
def seen() -> Seen:
    """What was asked."""
    return Seen()


@pytest.fixture
def server(live: Any, seen: Seen) -> Iterator[Live]:
    """That router, live."""
    yield live(make(seen))
