"""The events of the Socket.IO wire. Each is acknowledged with `{ok: true, …}` or `{error: {status, code, message}}`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from backendhub.kit import accounts, socketio, web
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, Invalid, Unauthenticated
from backendhub.kit.fanout import Place, is_text
from backendhub.kit.identity import Principal
from backendhub.kit.socketio import Socket

from . import shapes
from .live import Live
from .service import messages, rooms
from .service.log import SPACE, member

io = socketio.Server(SPACE)
main = io.namespace("/")
Handler = Callable[[Live, Socket, "Data"], Awaitable[dict[str, Any]]]


class Data:
    """What came with an event; each value is asked for with its type."""

    def __init__(self, given: Any) -> None:
        self.given = given if isinstance(given, dict) else {}

    def text(self, name: str, default: str | None = None, *, most: int = 10_000) -> str:
        """A text. Raises Invalid."""
        value = self.given.get(name, default)
        if not isinstance(value, str) or len(value) > most or not is_text(value):
            raise Invalid(f"{name} is a text of up to {most:,} characters.", field=name)
        return value

    def number(self, name: str, default: int | None = None) -> int:
        """A number that is not negative. Raises Invalid."""
        value = self.given.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53:
            raise Invalid(f"{name} is a number.", field=name)
        return value

    def maybe(self, name: str) -> int | None:
        """A number, or None where there is none. Raises Invalid."""
        return None if self.given.get(name) is None else self.number(name)

    def places(self) -> dict[str, Place]:
        """`since`: the place of each room that a client has been at."""
        since = self.given.get("since")
        pairs = since.items() if isinstance(since, dict) else ()
        found = {room: Place.read(text) for room, text in pairs if isinstance(text, str)}
        return {room: place for room, place in found.items() if place is not None}


async def connecting(socket: Socket) -> None:
    """Finds out who it is: `auth: {token, device, since}`, or the credentials of the request. Raises Unauthenticated."""
    given = Data(socket.auth)
    token = given.given.get("token")
    live = Live.of(socket.hub)
    user: Principal | None
    if isinstance(token, str):
        user = await live.fan.read(_bearer, accounts.of(socket.hub), token)
    else:
        user = await live.fan.read(_credentials, socket.request)
    if user is None:
        raise Unauthenticated("This needs a token.", hint="auth: {token}")
    socket.data = {
        "user": user,
        "device": given.text("device", user.session or socket.id, most=100),
        "rooms": {},
    }


def _bearer(db: Db, parts: accounts.Accounts, token: str) -> Principal:
    return accounts.bearer(db, parts, token)


def _credentials(db: Db, request: web.Request) -> Principal | None:
    return accounts.authenticate(db, request)


async def connected(socket: Socket) -> None:
    """Tells what rooms there are, then what has happened in each since its place."""
    live, user = Live.of(socket.hub), socket.data["user"]
    await live.came(socket)
    found = await live.fan.read(rooms.mine, user.id)
    told = [shapes.mine(each) for each in found]
    socket.emit("ready", {"user": {"id": user.id, "name": user.name}, "rooms": told})
    places = Data(socket.auth).places()
    for each in found:
        await live.enter(socket, each.id, places.get(each.id))
    await socket.session.room()
    socket.emit("synced", {})


async def disconnected(socket: Socket, reason: str) -> None:
    """A connection has ended."""
    await Live.of(socket.hub).went(socket)


main.connecting, main.connected, main.disconnected = connecting, connected, disconnected


def on(event: str) -> Callable[[Handler], Handler]:
    """Registers an event; its errors are told in the acknowledgement."""

    def register(fn: Handler) -> Handler:
        async def handler(socket: Socket, given: Any = None, *more: Any) -> dict[str, Any]:
            try:
                return {"ok": True, **await fn(Live.of(socket.hub), socket, Data(given))}
            except HubError as error:
                told = {"status": error.status, "code": error.code, "message": error.message}
                return {"error": told}

        main.handlers[event] = handler
        return fn

    return register


@on("send")
async def send(live: Live, socket: Socket, data: Data) -> dict[str, Any]:
    """`{room, text, txn, replyTo?}`: the same txn of a device again is the same message."""
    user = socket.data["user"]
    await live.limited(user)
    message = await live.act(
        messages.send,
        user,
        data.text("room", most=64),
        text=data.text("text"),
        device=socket.data["device"],
        txn=data.text("txn", most=100) if "txn" in data.given else None,
        reply_to=data.maybe("replyTo"),
    )
    return {"number": message.number, "at": shapes.stamp(message.at)}


@on("edit")
async def edit(live: Live, socket: Socket, data: Data) -> dict[str, Any]:
    """`{room, message, text}`."""
    user = socket.data["user"]
    await live.limited(user)
    room = data.text("room", most=64)
    await live.act(messages.edit, user, room, data.number("message"), data.text("text"))
    return {}


@on("delete")
async def delete(live: Live, socket: Socket, data: Data) -> dict[str, Any]:
    """`{room, message}`."""
    room = data.text("room", most=64)
    await live.act(messages.delete, socket.data["user"], room, data.number("message"))
    return {}


@on("react")
async def react(live: Live, socket: Socket, data: Data) -> dict[str, Any]:
    """`{room, message, emoji, on?}`."""
    user = socket.data["user"]
    await live.limited(user)
    room, number = data.text("room", most=64), data.number("message")
    on = data.given.get("on", True) is not False
    await live.act(messages.react, user, room, number, data.text("emoji", most=32), on=on)
    return {}


@on("typing")
async def typing(live: Live, socket: Socket, data: Data) -> dict[str, Any]:
    """`{room, on}`: told to the others, kept by nobody."""
    room, user = data.text("room", most=64), socket.data["user"]
    if room not in socket.data["rooms"]:
        await live.fan.read(rooms.get, user, room)
        return {}
    if not await live.typing(user):
        return {}
    told = {"user": user.id, "name": user.name, "on": data.given.get("on", True) is not False}
    live.whisper(room, "typing", told, skip=socket)
    return {}


@on("read")
async def read(live: Live, socket: Socket, data: Data) -> dict[str, Any]:
    """`{room, to, received?}`: how far one has read, or with `received` how far the device has got."""
    room, to, user = data.text("room", most=64), data.number("to"), socket.data["user"]
    seen = data.given.get("received") is not True
    if await live.fan.unit(rooms.mark, user, room, to, seen=seen):
        live.whisper(room, "receipt", {"user": user.id, "seen" if seen else "got": to})
    return {}


@on("history")
async def history(live: Live, socket: Socket, data: Data) -> dict[str, Any]:
    """`{room, before?, after?, limit?}`."""
    limit = min(max(data.number("limit", 50), 1), 100)
    found = await live.fan.read(
        messages.history,
        socket.data["user"],
        data.text("room", most=64),
        before=data.maybe("before"),
        after=data.maybe("after"),
        limit=limit,
    )
    return {"messages": [shapes.message(each) for each in found]}


@on("join")
async def join(live: Live, socket: Socket, data: Data) -> dict[str, Any]:
    """`{room}`: enters a public room; this and every other device of the account listens to it from then on."""
    room = await live.act(rooms.join, socket.data["user"], data.text("room", most=64))
    await live.enter(socket, room.id)
    row = await live.fan.read(member, room.id, socket.data["user"].id)
    return {
        "room": {"id": room.id, "name": room.name, "kind": room.kind.value},
        "joined": row.joined if row else 0,
    }


@on("leave")
async def leave(live: Live, socket: Socket, data: Data) -> dict[str, Any]:
    """`{room}`."""
    await live.act(rooms.leave, socket.data["user"], data.text("room", most=64))
    return {}


def attach(router: web.Router) -> None:
    """Adds `/socket.io/`."""
    io.attach(router)
