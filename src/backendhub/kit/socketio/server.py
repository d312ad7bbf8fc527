"""Socket.IO 5: namespaces, events, acknowledgements and rooms over Engine.IO sessions."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from backendhub.kit.errors import HubError
from backendhub.kit.fanout import Codec, Entry, Fanout, Member
from backendhub.kit.ids import uuid7

from .engine import Session
from .packets import Decoder, Kind, Packet, ProtocolError, encode, joined, parted
from .routes import add

if TYPE_CHECKING:
    from backendhub.kit.hub import Hub
    from backendhub.kit.web import Request, Router

Handler = Callable[..., Awaitable[Any]]
MAX_INBOX = 100
"""Packets of one client that may wait to be handled before no more are read."""
MAX_NAMESPACES = 20


def ready_made(channel: str, entry: Entry) -> list[str | bytes]:
    """The codec of rooms: the entry's body is a packet as a long poll carries it."""
    assert isinstance(entry.body, str)
    return parted(entry.body)


class Socket:
    """A client in one namespace."""

    def __init__(self, namespace: Namespace, client: Client, auth: Any) -> None:
        self.namespace = namespace
        self.client = client
        self.auth = auth
        self.id = uuid7()
        self.data: dict[str, Any] = {}
        """What handlers keep of it."""
        self.connected = False
        self._rooms: dict[str, Member] = {}
        self._acks: dict[int, asyncio.Future[list[Any]]] = {}
        self._next = 0

    @property
    def hub(self) -> Hub:
        """The hub of this process."""
        return self.client.session.request.hub

    @property
    def request(self) -> Request:
        """The request that opened the session."""
        return self.client.session.request

    @property
    def session(self) -> Session:
        """The connection: a peer of the fan-out."""
        return self.client.session

    def emit(self, event: str, *args: Any) -> None:
        """Sends an event."""
        self._send(Packet(Kind.EVENT, self.namespace.name, [event, *args]))

    async def call(self, event: str, *args: Any, timeout: float = 10) -> list[Any]:
        """Sends an event and gives what the client acknowledges it with. Raises TimeoutError."""
        self._next += 1
        number = self._next
        future = self._acks[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(Packet(Kind.EVENT, self.namespace.name, [event, *args], number))
            return await asyncio.wait_for(future, timeout)
        finally:
            self._acks.pop(number, None)

    def _send(self, packet: Packet) -> None:
        for message in encode(packet):
            self.session.say(message)

    def acknowledged(self, number: int, data: list[Any]) -> None:
        """Takes an acknowledgement."""
        future = self._acks.get(number)
        if future is not None and not future.done():
            future.set_result(data)

    def join(self, room: str) -> None:
        """Enters a room: it gets what is emitted to it."""
        if room not in self._rooms:
            fan = self.namespace.server.fan(self.hub)
            self._rooms[room] = fan.attach(self.session, self.namespace.channel(room), ready_made)

    def leave(self, room: str) -> None:
        """Leaves a room."""
        member = self._rooms.pop(room, None)
        if member is not None:
            self.namespace.server.fan(self.hub).leave(member)

    def disconnect(self) -> None:
        """Puts the client out of the namespace."""
        if self.connected:
            self._send(Packet(Kind.DISCONNECT, self.namespace.name))
            self.client.left(self, "server namespace disconnect")

    def over(self) -> None:
        """Leaves every room; nobody acknowledges anything any more."""
        self.connected = False
        for room in list(self._rooms):
            self.leave(room)
        for future in self._acks.values():
            future.cancel()


class Namespace:
    """Handlers of one namespace."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.handlers: dict[str, Handler] = {}
        self.connecting: Callable[[Socket], Awaitable[None]] | None = None
        self.connected: Callable[[Socket], Awaitable[None]] | None = None
        self.disconnected: Callable[[Socket, str], Awaitable[None]] | None = None

    def on(self, event: str) -> Callable[[Handler], Handler]:
        """Registers the handler of an event: `async def f(socket, *args)`; what it returns is the acknowledgement."""

        def register(fn: Handler) -> Handler:
            self.handlers[event] = fn
            return fn

        return register

    def channel(self, room: str) -> str:
        """A room's channel in the fan-out."""
        return f"{self.name}#{room}"

    def emit(self, hub: Hub, event: str, *args: Any, to: str, skip: Socket | None = None) -> None:
        """Sends an event to a room in every process; `skip` is the socket that does not get it."""
        body = joined(encode(Packet(Kind.EVENT, self.name, [event, *args])))
        entry = Entry("", body, skip=None if skip is None else skip.session.id)
        self.server.fan(hub).whisper(self.channel(to), entry)


class Client:
    """An Engine.IO session as Socket.IO sees it."""

    def __init__(self, server: Server, session: Session) -> None:
        self.server = server
        self.session = session
        self.sockets: dict[str, Socket] = {}
        self._decoder = Decoder(4 * server.max_payload)
        self._inbox: deque[Packet] = deque()
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(server.connect_s, self._late)

    def _late(self) -> None:
        if not self.sockets:
            self.session.close("no namespace was entered")

    async def ready(self) -> None:
        """Waits while too much waits to be handled."""
        if len(self._inbox) > MAX_INBOX:
            self._room.clear()
            await self._room.wait()

    def take(self, message: str | bytes) -> None:
        """Takes a message of the session. Raises ProtocolError."""
        packet = self._decoder.feed(message)
        if packet is None:
            return
        if packet.kind in (Kind.ACK, Kind.BINARY_ACK):
            socket = self.sockets.get(packet.namespace)
            if socket is not None and packet.id is not None:
                socket.acknowledged(packet.id, packet.data)
            return
        self._inbox.append(packet)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        """Handles what has come, one after the other."""
        while self._inbox:
            packet = self._inbox.popleft()
            if len(self._inbox) <= MAX_INBOX // 2:
                self._room.set()
            try:
                await self._handle(packet)
            except Exception as error:
                traceback.print_exception(error, file=sys.stderr)
                self.session.close("a handler failed", code=1011)
                break
        self._room.set()
        self._task = None

    async def _handle(self, packet: Packet) -> None:
        if packet.kind is Kind.CONNECT:
            await self._connect(packet)
            return
        socket = self.sockets.get(packet.namespace)
        if socket is None:
            return
        if packet.kind is Kind.DISCONNECT:
            self.left(socket, "client namespace disconnect")
            return
        event, *args = packet.data
        handler = socket.namespace.handlers.get(event)
        if handler is None:
            return
        result = await handler(socket, *args)
        if packet.id is not None and socket.connected:
            values = list(result) if isinstance(result, tuple) else [result]
            socket._send(Packet(Kind.ACK, packet.namespace, values, packet.id))

    async def _connect(self, packet: Packet) -> None:
        name = packet.namespace.partition("?")[0]
        namespace = self.server.namespaces.get(name)
        if namespace is None or len(self.sockets) >= MAX_NAMESPACES:
            self._refuse(packet.namespace, {"message": "Invalid namespace"})
            return
        if name in self.sockets:
            return
        socket = Socket(namespace, self, {} if packet.data is None else packet.data)
        if namespace.connecting is not None:
            try:
                await namespace.connecting(socket)
            except HubError as error:
                data = {"status": error.status, "code": error.code}
                self._refuse(packet.namespace, {"message": error.message, "data": data})
                return
        if self.session.closed:
            return
        self.sockets[name] = socket
        socket.connected = True
        self._patience.cancel()
        for message in encode(Packet(Kind.CONNECT, name, {"sid": socket.id})):
            self.session.say(message)
        if namespace.connected is not None:
            await namespace.connected(socket)

    def _refuse(self, namespace: str, why: dict[str, Any]) -> None:
        for message in encode(Packet(Kind.CONNECT_ERROR, namespace, why)):
            self.session.say(message)

    def left(self, socket: Socket, reason: str) -> None:
        """A socket is no longer in its namespace."""
        if self.sockets.get(socket.namespace.name) is not socket:
            return
        del self.sockets[socket.namespace.name]
        socket.over()
        if not self.sockets and not self.session.closed:  # it may enter again, and does not stay for nothing
            self._patience = asyncio.get_running_loop().call_later(self.server.connect_s, self._late)
        if socket.namespace.disconnected is not None:
            self.server.later(socket.namespace.disconnected(socket, reason))

    def over(self, reason: str) -> None:
        """The session has ended."""
        self._patience.cancel()
        self._inbox.clear()
        for socket in list(self.sockets.values()):
            self.left(socket, reason)


class Server:
    """Namespaces, and the sessions of this process."""

    def __init__(
        self,
        space: str = "socketio",
        *,
        ping_s: float = 25.0,
        timeout_s: float = 20.0,
        connect_s: float = 45.0,
        max_payload: int = 1_000_000,
        codec: Codec = ready_made,
    ) -> None:
        """`space` is that of the fan-out whose channels are the rooms."""
        self.space = space
        self.ping_s, self.timeout_s, self.connect_s = ping_s, timeout_s, connect_s
        self.max_payload = max_payload
        self.namespaces: dict[str, Namespace] = {}
        self.sessions: dict[str, Session] = {}
        self._clients: dict[str, Client] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def namespace(self, name: str = "/") -> Namespace:
        """A namespace that clients may enter; made when first asked for."""
        return self.namespaces.setdefault(name, Namespace(self, name))

    def fan(self, hub: Hub) -> Fanout:
        """The fan-out of this process."""
        return Fanout.of(hub, self.space)

    def attach(self, router: Router, path: str = "/socket.io") -> None:
        """Adds the routes."""
        add(self, router, path)

    def open(self, request: Request) -> Session:
        """A new session."""
        session = Session(
            request,
            received=self._received,
            closed=self._over,
            ping_s=self.ping_s,
            timeout_s=self.timeout_s,
        )
        client = self._clients[session.sid] = Client(self, session)
        session.ready = client.ready
        self.sessions[session.sid] = session
        fan = self.fan(request.hub)
        if fan.relay is not None:
            self.later(fan.relay.listening())
        return session

    def _received(self, session: Session, message: str | bytes) -> None:
        self._clients[session.sid].take(message)

    def _over(self, session: Session, reason: str) -> None:
        self.sessions.pop(session.sid, None)
        client = self._clients.pop(session.sid, None)
        if client is not None:
            client.over(reason)

    def later(self, coroutine: Any) -> None:
        """Runs something beside."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            traceback.print_exception(error, file=sys.stderr)


__all__ = ["Client", "Namespace", "ProtocolError", "Server", "Socket", "ready_made"]
