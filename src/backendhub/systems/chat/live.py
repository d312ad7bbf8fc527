"""What a process of the chat holds: the rooms that somebody here listens to, who is connected, and what is delivered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from backendhub.kit import limits
from backendhub.kit.accounts import sessions
from backendhub.kit.db import Db
from backendhub.kit.errors import StoreError
from backendhub.kit.fanout import Entry, Fanout, Gone, Leases, Place
from backendhub.kit.identity import Principal
from backendhub.kit.limits import Rule, TooManyHits
from backendhub.kit.socketio import Socket

from . import store
from .models import Done
from .service.log import LEAVING, SPACE, member
from .service.rooms import ONLINE

if TYPE_CHECKING:
    from backendhub.kit.hub import Hub

P = ParamSpec("P")
T = TypeVar("T")
CHECK_EVERY_S = 2.0
"""How long a connection may outlive a sign-in that was ended elsewhere."""
TYPING = Rule(50, 10, name="typing")
"""How often one account may tell that it is typing; what is more is not told."""
SPEAKING = Rule(100, 10, name="messages")
"""What one account may send, edit and react to."""


def wire(channel: str, entry: Entry) -> str:
    """An event of a room as Socket.IO carries it; what is kept has its number and place."""
    assert isinstance(entry.body, str)
    kept = f',"number":{entry.number},"id":"{entry.place}"' if entry.number else ""
    rest = "," + entry.body[1:] if len(entry.body) > 2 else "}"
    return f'42["{entry.event}",{{"room":"{channel}"{kept}{rest}]'


class Live:
    """One of each process."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.fan = Fanout.of(hub, SPACE)
        self.fan.control = LEAVING
        self.fan.on_ask = self._asked
        self.fan.on_lost = self._lost
        self.leases = Leases(self.fan, self._gone)
        self.sockets: dict[str, set[Socket]] = {}

    @classmethod
    def of(cls, hub: Hub) -> Live:
        """The one of this process."""
        return hub.memory("chat", lambda: cls(hub))

    # -- changes ------------------------------------------------------------------------------------------

    async def act(self, fn: Callable[Concatenate[Db, P], Done[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a change, and once it is committed delivers what it tells."""
        done = await self.fan.unit(fn, *args, **kwargs)
        for channel, entries in done.told:
            self.fan.committed(channel, entries)
            for entry in entries:
                if entry.event == "joined":
                    assert isinstance(entry.body, str)
                    user = json.loads(entry.body)["user"]
                    place = str(Place(channel.epoch, entry.number - 1))
                    self.fan.ask({"enter": user, "room": channel.name, "place": place})
        return done.value

    async def limited(self, who: Principal) -> None:
        """Counts something that somebody says. Raises TooManyHits."""
        decision = await self.hub.limits.ahit(f"chat:{who.id}", SPEAKING)
        if not decision.allowed:
            raise TooManyHits([decision])
        limits.enforce(decision)

    async def typing(self, who: Principal) -> bool:
        """Whether somebody may tell once more that they are typing."""
        return (await self.hub.limits.ahit(f"chat-typing:{who.id}", TYPING)).allowed

    def whisper(self, room: str, event: str, data: dict[str, Any], *, skip: Socket | None = None) -> None:
        """Says something to a room that nobody keeps."""
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        self.fan.whisper(room, Entry(event, text, skip=None if skip is None else skip.session.id))

    # -- connections --------------------------------------------------------------------------------------

    async def enter(self, socket: Socket, room: str, place: Place | None = None) -> bool:
        """Lets a connection listen to a room, from a place on; False where its user is no member."""
        user, rooms = socket.data["user"].id, socket.data["rooms"]
        if room in rooms:
            return True
        rooms[room] = None
        joined: list[int] = []

        async def first() -> (
            None
        ):  # after the place is fixed: whoever is put out from now on is told by the log
            row = await self.fan.read(member, room, user)
            if row is None:
                raise LookupError
            joined.append(row.joined)

        def stop(entry: Entry) -> bool:
            assert isinstance(entry.body, str)
            out = json.loads(entry.body)["user"] == user and entry.number > joined[0]
            if out:
                rooms.pop(room, None)
            return out

        try:
            rooms[room] = await self.fan.join(socket.session, room, wire, place, first=first, stop=stop)
        except LookupError:
            rooms.pop(room, None)
            return False
        except BaseException:
            rooms.pop(room, None)
            raise
        if not socket.connected:
            self._leave(socket)
        return True

    def _leave(self, socket: Socket) -> None:
        rooms = socket.data["rooms"]
        for listening in list(rooms.values()):
            if listening is not None:
                self.fan.leave(listening)
        rooms.clear()

    async def came(self, socket: Socket) -> None:
        """A connection has come."""
        user: Principal = socket.data["user"]
        self.sockets.setdefault(user.id, set()).add(socket)
        if await self.leases.enter(ONLINE, peer=socket.session.id, member=user.id, info=user.name):
            await self._presence(user.id, online=True)

    async def went(self, socket: Socket) -> None:
        """A connection has gone."""
        user: Principal = socket.data["user"]
        self.sockets.get(user.id, set()).discard(socket)
        if not self.sockets.get(user.id):
            self.sockets.pop(user.id, None)
        self._leave(socket)
        gone = await self.leases.leave(ONLINE, peer=socket.session.id)
        if gone is not None:
            await self._presence(gone.member, online=False)

    async def run(self) -> None:
        """Leases, and a look at who is still signed in, while the process runs."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.leases.run())
            group.create_task(self._check_all())

    async def _check_all(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            with suppress(StoreError):  # busy or away: the next round does it
                await self.check(*self.sockets)

    async def check(self, *users: str) -> None:
        """Puts out the connections of accounts that have signed out, or were disabled or banned."""
        open_ = [socket for user in users for socket in self.sockets.get(user, ())]
        if open_:
            holding = await self.fan.read(sessions.holding, [socket.data["user"] for socket in open_])
            for socket in open_:
                if socket.data["user"] not in holding:
                    self._leave(socket)
                    socket.disconnect()

    def signed_out(self, user: str) -> None:
        """Some session of an account has ended: every process looks at once."""
        self.fan.ask({"check": user})

    async def _presence(self, user: str, *, online: bool) -> None:
        for room in await self.fan.read(rooms_of, user):
            self.whisper(room, "presence", {"user": user, "online": online})

    def _gone(self, gone: Gone) -> None:
        self.fan.spawn(self._presence(gone.member, online=False))

    def _asked(self, what: dict[str, Any]) -> None:
        if "check" in what:
            self.fan.spawn(self.check(what["check"]))
        for socket in list(self.sockets.get(what.get("enter", ""), ())):
            self.fan.spawn(self.enter(socket, what["room"], Place.read(what["place"])))

    def _lost(self) -> None:
        """Something may have been missed: whoever is in a room listens to it."""
        for sockets in self.sockets.values():
            for socket in sockets:
                self.fan.spawn(self._enter_all(socket))

    async def _enter_all(self, socket: Socket) -> None:
        for room in await self.fan.read(rooms_of, socket.data["user"].id):
            await self.enter(socket, room)


def rooms_of(db: Db, user: str) -> list[str]:
    """The rooms that an account is in."""
    return [row[0] for row in db.fetch(store.ROOMS_OF, {"user": user})]
