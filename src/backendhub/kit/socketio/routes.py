"""The addresses of Engine.IO: long polling and WebSocket at one path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from backendhub.kit import web
from backendhub.kit.errors import Malformed

from .engine import Session
from .packets import ProtocolError, parted

if TYPE_CHECKING:
    from .server import Server

ERRORS = (
    "Transport unknown",
    "Session ID unknown",
    "Bad handshake method",
    "Bad request",
    "Forbidden",
    "Unsupported protocol version",
)
TRANSPORT, SESSION, METHOD, REQUEST, _, VERSION = range(6)


def add(server: Server, router: web.Router, path: str) -> None:
    """Adds the routes of a server at a path, with and without a slash behind it."""

    async def answer(request: web.Request) -> web.Reply:
        """Long polling."""
        return await _answer(server, request)

    async def connect(socket: web.Socket) -> None:
        """WebSocket."""
        await _connect(server, socket)

    open_: dict[str, Any] = {"open_query": True, "in_schema": False, "public": True}
    for each in (path, path + "/{rest:path}"):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            body: dict[str, Any] = (
                {"consumes": ("*/*",), "max_body": server.max_payload} if method == "POST" else {}
            )
            router.add(method, each, **open_, **body)(_with_rest(answer) if "{" in each else answer)
        router.websocket(each, max_message=server.max_payload, public=True, open_query=True)(
            _socket_with_rest(connect) if "{" in each else connect
        )


def _with_rest(fn: Any) -> Any:
    async def answer(request: web.Request, rest: str) -> web.Reply:
        """Long polling."""
        found: web.Reply = await fn(request)
        return found

    return answer


def _socket_with_rest(fn: Any) -> Any:
    async def connect(socket: web.Socket, rest: str) -> None:
        """WebSocket."""
        await fn(socket)

    return connect


def _query(request: web.Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.query, max_num_fields=50).items()}


def _bad(code: int) -> web.Reply:
    return web.Reply({"code": code, "message": ERRORS[code]}, 400, headers={"Cache-Control": "no-store"})


async def _answer(server: Server, request: web.Request) -> web.Reply:
    query = _query(request)
    sid = query.get("sid")
    if query.get("transport") not in ("polling", "websocket"):
        return _bad(TRANSPORT)
    if sid is None:
        if request.method != "GET":
            return _bad(METHOD)
        if query.get("EIO") != "4":
            return _bad(VERSION)
        if query.get("transport") != "polling":
            return _bad(REQUEST)
        return _text(server.open(request).hello(["websocket"], server.max_payload))
    session = server.sessions.get(sid)
    if session is None:
        return _bad(SESSION)
    if session.transport != "polling" or query.get("transport") != "polling":
        return _bad(REQUEST)
    if request.method == "GET":
        body = await session.poll()
        return _bad(REQUEST) if body is None else _text(body)
    return await _posted(session, request)


async def _posted(session: Session, request: web.Request) -> web.Reply:
    if request.method != "POST":
        return _bad(METHOD)
    try:
        for packet in parted(request.body.decode()):
            session.put(packet)
            await session.ready()  # a body holds a hundred thousand of them
    except (ProtocolError, UnicodeDecodeError):
        session.close("parse error")
        return _bad(REQUEST)
    return web.Reply("ok", media_type="text/html", headers={"Cache-Control": "no-store"})


def _text(body: str) -> web.Reply:
    return web.Reply(body, media_type="text/plain; charset=UTF-8", headers={"Cache-Control": "no-store"})


async def _connect(server: Server, socket: web.Socket) -> None:
    query = _query(socket.request)
    if query.get("transport") != "websocket":
        raise Malformed(ERRORS[TRANSPORT])
    if query.get("EIO") != "4":
        raise Malformed(ERRORS[VERSION])
    sid = query.get("sid")
    if sid is None:
        await socket.accept()
        session = server.open(socket.request)
        session.over(socket)
        session.say(session.hello([], server.max_payload))
        await session.run(socket)
        return
    known = server.sessions.get(sid)
    if known is None:
        raise Malformed(ERRORS[SESSION])
    await socket.accept()
    # One that has a WebSocket already, or is about to, is not disturbed by another.
    if known.transport == "polling" and not known.upgrading and await known.upgrade(socket):
        await known.run(socket)
