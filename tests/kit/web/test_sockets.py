"""WebSockets over real connections: handshakes, messages, close codes, limits, origins, users, a server that stops."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, Unauthenticated
from backendhub.kit.identity import Principal


def by_name(db: Db | None, request: web.Request) -> Principal | None:
    assert db is not None
    token = (request.header("authorization") or "").removeprefix("Bearer ")
    if token == "bad":
        raise Unauthenticated("no")
    return Principal(token, token) if token else None


class Room:
    def __init__(self) -> None:
        self.sockets: set[web.Socket] = set()
        self.ended: list[int] = []
        self.cancelled = threading.Event()
        self.over = threading.Event()


def make_router(room: Room) -> web.Router:
    router = web.Router("Things", auth=by_name)

    @router.websocket("/echo/{name}", max_message=1000)
    async def echo(socket: web.Socket, name: str, loud: bool = False) -> None:
        async for message in socket:
            if isinstance(message, str):
                message = f"{name}: {message.upper() if loud else message}"
            await socket.send(message)

    @router.websocket("/spoken")
    async def spoken(socket: web.Socket) -> None:
        await socket.accept("v2" if "v2" in socket.protocols else None, headers=[("X-A", "1"), ("X-A", "2")])
        await socket.send_json({"got": await socket.receive_json()})
        await socket.close(4001, "bye")

    @router.websocket("/me")
    async def me(socket: web.Socket, user: web.CurrentUser) -> None:
        await socket.send(user.name)

    @router.websocket("/refuse")
    async def refuse(socket: web.Socket) -> None:
        raise Conflict("full")

    @router.websocket("/fail/{kind}")
    async def fail(socket: web.Socket, kind: str) -> None:
        await socket.accept()
        raise {"rule": Invalid("too long"), "bug": RuntimeError("secret")}[kind]

    @router.websocket("/busy")
    async def busy(socket: web.Socket) -> None:
        await socket.accept()
        while not room.over.is_set():
            await asyncio.sleep(0.01)

    @router.websocket("/room")
    async def enter(socket: web.Socket) -> None:
        await socket.accept()
        room.sockets.add(socket)
        try:
            await socket.receive()
        except web.Disconnected as end:
            room.ended.append(end.code)
            raise
        finally:
            room.sockets.discard(socket)

    async def ticks() -> AsyncIterator[Any]:
        try:
            yield "tick"
            yield {"n": 1}
            await asyncio.sleep(60)
        finally:
            room.cancelled.set()

    @router.websocket("/ticks")
    async def feed(socket: web.Socket) -> None:
        await socket.feed(ticks())

    @router.post("/say")
    async def say(request: web.Request, text: str) -> int:
        return await web.broadcast(room.sockets, text)

    @router.get("/plain")
    def plain() -> str:
        return "plain"

    return router


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def server(live: Callable[..., Any], room: Room) -> Any:
    return live(make_router(room))


def code(ws: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            ws.recv(timeout=5)
    received = caught.value.rcvd
    assert received is not None
    return received.code, received.reason


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_messages_both_ways(server: Any) -> None:
    with server.websocket("/echo/ann?loud=true") as ws:
        ws.send("hé")
        assert ws.recv() == "ann: HÉ"
        ws.send(b"\x00\xff")
        assert ws.recv() == b"\x00\xff"
        ws.send(["a", "b"])  # one message in two fragments
        assert ws.recv() == "ann: AB"
        assert ws.ping().wait(5)


def test_a_subprotocol_and_header_fields(server: Any) -> None:
    with server.websocket("/spoken", subprotocols=["v3", "v2"]) as ws:
        assert ws.subprotocol == "v2" and ws.response.headers.get_all("x-a") == ["1", "2"]
        ws.send('{"a": [1]}')
        assert ws.recv() == '{"got":{"a":[1]}}'
        assert code(ws) == (4001, "bye")
    with server.websocket("/spoken") as ws:
        ws.send("{")
        assert code(ws) == (1007, "Send JSON.")


def test_what_is_too_large_closes_with_1009(server: Any) -> None:
    with server.websocket("/echo/ann") as ws:
        ws.send("x" * 1000)
        assert len(ws.recv()) == 1005
        ws.send("x" * 1001)
        assert code(ws)[0] == 1009


def frame(opcode: int, data: bytes, *, fin: bool = False) -> bytes:
    """A frame of a client, masked with zeros."""
    head = bytes([(0x80 if fin else 0) | opcode])
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2)
    return head + size + b"\0\0\0\0" + data


def wire(server: Any) -> Any:
    """What our protocol holds of the only connection."""
    wait(lambda: len(server.app.sockets.open) == 1)
    return next(iter(server.app.sockets.open)).request.scope["backendhub.wire"]


def test_the_parts_of_a_message_take_no_more_than_their_bytes(server: Any) -> None:
    """Neither a list of a million single bytes, nor more than the route takes before the message is whole."""
    with server.websocket("/echo/ann") as ws:
        ws.socket.sendall(frame(1, b"a") + frame(0, b"b") * 900 + frame(0, b"") * 100)
        ours = wire(server)
        wait(lambda: sum(map(len, ours.frames)) == 901)
        assert len(ours.frames) == 1
        ws.socket.sendall(frame(0, b"c", fin=True))
        assert ws.recv(timeout=5) == "ann: a" + "b" * 900 + "c"
        ws.socket.sendall(frame(2, b"x" * 3000) + frame(0, b"x" * 1001))  # its end is not sent
        assert code(ws)[0] == 1009


def test_pings_of_who_does_not_read_are_answered_once(server: Any) -> None:
    with server.websocket("/echo/ann") as ws:
        ours, loop = wire(server), server.loop
        loop.call_soon_threadsafe(ours.pause_writing)  # as the transport does when much waits
        wait(lambda: not ours.writable.is_set())
        pings = []
        for n in range(3):
            pings.append(ws.ping(str(n)))
            wait(lambda n=n: str(n).encode() in ours._pong)
        ws.send("x")
        assert ours._pong == b"\x8a\x012" and not any(ping.is_set() for ping in pings)
        loop.call_soon_threadsafe(ours.resume_writing)
        assert pings[-1].wait(5) and ws.recv(timeout=5) == "ann: x"


def test_little_is_read_ahead_of_an_endpoint(server: Any, room: Room) -> None:
    """Short messages are read on, up to a number; a client that floods waits in its own buffers."""
    from backendhub.kit.web.server import AHEAD

    with server.websocket("/busy") as ws:
        ours = wire(server)
        ws.socket.sendall(frame(1, b"a", fin=True) * 3)
        wait(lambda: ours.queue.qsize() == 3)
        assert not ours.read_paused
        for _ in range(AHEAD):
            ws.socket.sendall(frame(1, b"a", fin=True))
        wait(lambda: ours.read_paused)
        ws.socket.sendall(frame(1, b"a", fin=True))
        time.sleep(0.02)
        assert AHEAD <= ours.queue.qsize() <= AHEAD + 3
        room.over.set()


def refusal(server: Any, path: str, **options: Any) -> Any:
    with pytest.raises(InvalidStatus) as caught, server.websocket(path, **options):
        pass
    return caught.value.response


def test_users(server: Any) -> None:
    with server.websocket("/me", additional_headers={"Authorization": "Bearer ann"}) as ws:
        assert ws.recv() == "ann" and code(ws)[0] == 1000
    without = refusal(server, "/me")
    assert without.status_code == 401 and without.headers["www-authenticate"] == 'Bearer realm="backendhub"'
    assert without.headers["content-type"] == "application/problem+json" and b"credentials" in without.body
    wrong = refusal(server, "/me", additional_headers={"Authorization": "Bearer bad"})
    assert wrong.status_code == 401


def test_a_handshake_is_refused_with_a_status(server: Any) -> None:
    assert refusal(server, "/refuse").status_code == 409
    assert refusal(server, "/nowhere").status_code == 404
    assert refusal(server, "/plain").status_code == 404
    assert refusal(server, "/echo/ann?loud=x").status_code == 422
    assert refusal(server, "/echo/ann?other=1").status_code == 422


def test_a_page_of_another_origin_may_not(server: Any) -> None:
    assert refusal(server, "/echo/ann", origin="https://evil.example").status_code == 403
    assert refusal(server, "/echo/ann", origin="null").status_code == 403
    with server.websocket("/echo/ann", origin=f"http://127.0.0.1:{server.port}") as ws:
        ws.send("x")
        assert ws.recv() == "ann: x"


def test_an_origin_that_is_allowed(live: Callable[..., Any]) -> None:
    server = live(make_router(Room()), cors=("https://ok.example",))
    with server.websocket("/echo/ann", origin="https://ok.example") as ws:
        ws.send("x")
        assert ws.recv() == "ann: x"


def test_failures_after_the_handshake(server: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with server.websocket("/fail/rule") as ws:
        assert code(ws) == (1008, "too long")
    with server.websocket("/fail/bug") as ws:
        assert code(ws) == (1011, "")
    assert "secret" in capfd.readouterr().err


def test_an_ordinary_request_to_a_websocket_is_told_so(server: Any) -> None:
    with server.ask("/room") as link:
        data = link.recv(65536)
        assert b"426 Upgrade Required" in data and b"upgrade: websocket" in data


def test_the_endpoint_hears_of_the_end(server: Any, room: Room) -> None:
    with server.websocket("/room") as ws:
        wait(lambda: len(room.sockets) == 1)
        ws.close(4000)
    wait(lambda: room.ended == [4000])
    with server.websocket("/room") as ws:
        wait(lambda: len(room.sockets) == 1)
        ws.socket.shutdown(socket.SHUT_RDWR)
        wait(lambda: len(room.ended) == 2)
    assert room.ended[1] in (1005, 1006)


def test_a_client_that_leaves_cancels_what_it_was_fed(server: Any, room: Room) -> None:
    with server.websocket("/ticks") as ws:
        assert (ws.recv(), ws.recv()) == ("tick", '{"n":1}')
        ws.send("dropped")
        assert not room.cancelled.is_set()
    assert room.cancelled.wait(5)


def test_a_server_that_stops_says_1001(server: Any, room: Room) -> None:
    with server.websocket("/room") as one, server.websocket("/ticks") as two:
        wait(lambda: len(room.sockets) == 1)
        assert two.recv() == "tick"
        start = time.monotonic()
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        assert code(one)[0] == 1001 and code(two)[0] == 1001
        stopper.join()
        assert time.monotonic() - start < 4.5
    assert room.ended == [1001] and room.cancelled.is_set()


def test_a_broadcast_reaches_everybody_and_waits_for_nobody(server: Any, room: Room) -> None:
    import httpx

    with ExitStack() as stack:
        http = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{server.port}"))
        readers = [stack.enter_context(server.websocket("/room")) for _ in range(5)]
        slow = stack.enter_context(server.websocket("/room", max_queue=1))
        wait(lambda: len(room.sockets) == 6)
        assert http.post("/say", params={"text": "hé"}).json() == 6
        assert [ws.recv(timeout=5) for ws in readers] == ["hé"] * 5
        big = "x" * 60_000  # nobody reads `slow`: its buffers fill, then it is closed, and the others go on
        reached, count = 6, 0
        while reached == 6 and count < 400:
            reached, count = http.post("/say", params={"text": big}).json(), count + 1
            assert [ws.recv(timeout=5) for ws in readers] == [big] * 5
        assert reached == 5 and count > 1
        assert slow.recv(timeout=5) == "hé" and code(slow) == (1013, "Too slow for this channel.")


def test_sockets_are_counted_and_logged(live: Callable[..., Any], room: Room) -> None:
    import io

    server = live(make_router(room), log_format="text")
    server.app.log.stream = lines = io.StringIO()
    with server.websocket("/echo/ann") as ws:
        ws.send("x")
        ws.recv()
        assert server.app.metrics.gauges["websockets_open"] == {'route="/echo/{name}"': 1}
    wait(lambda: "WEBSOCKET /echo/ann 101 6B" in lines.getvalue())
    assert server.app.metrics.requests["GET", "/echo/{name}", 101] == 1
    assert server.app.metrics.gauges["websockets_open"] == {'route="/echo/{name}"': 0}


def test_under_another_server(mount: Callable[..., Any], room: Room) -> None:
    http = mount(make_router(room))
    with http.websocket_connect("/echo/ann") as ws:
        ws.send_text("x")
        assert ws.receive_text() == "ann: x"
    with http.websocket_connect("/room") as ws:
        wait(lambda: len(room.sockets) == 1)
        assert http.post("/say?text=hi").json() == 1
        assert ws.receive_text() == "hi"
