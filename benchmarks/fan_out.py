"""One publisher to a hundred sockets, beside node: python benchmarks/fan_out.py [--seconds 5] [--idle 5000]

`npm install` in benchmarks/peers first. Each server is one process and stands alone; rounds alternate. What is counted is
messages that arrived at the clients (64 bytes each, 50 on their way at a time; FAN_OUT_WINDOW=1 for one), and the server's CPU time for each. Ours
stores every message; node keeps none. Socket.IO: a room emit, both servers with the websocket transport.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parent / "peers"
WINDOW, SIZE = int(os.environ.get("FAN_OUT_WINDOW", "50")), 64
TICK = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def masked(payload: bytes) -> bytes:
    """A text frame of a client; the mask is zeros, which is allowed and quick."""
    size = len(payload)
    head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2)
    return head + b"\0\0\0\0" + payload


class Client(asyncio.Protocol):
    """Counts bytes; frames are of one size."""

    def __init__(self, port: int, path: str, hello: list[bytes]) -> None:
        self.port, self.path, self.hello = port, path, hello
        self.open = asyncio.get_running_loop().create_future()
        self.got = 0
        self.head = b""
        self.wake: asyncio.Event | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if self.open.done():
            self.got += len(data)
            if self.wake is not None:
                self.wake.set()
            return
        self.head += data
        if b"\r\n\r\n" in self.head:
            assert b" 101 " in self.head.split(b"\r\n", 1)[0], self.head
            for frame in self.hello:
                self.transport.write(frame)
            self.open.set_result(None)


async def crowd(port: int, path: str, count: int, hello: list[bytes]) -> list[Client]:
    loop = asyncio.get_running_loop()
    clients = []
    for start in range(0, count, 50):
        some = [
            loop.create_connection(lambda: Client(port, path, hello), "127.0.0.1", port)
            for _ in range(min(50, count - start))
        ]
        made = [client for _, client in await asyncio.gather(*some)]
        await asyncio.gather(*(client.open for client in made))
        clients += made
    return clients


async def fan_out(
    server: Server, path: str, hello: list[bytes], frame: bytes, size: int, seconds: float
) -> tuple[float, float]:
    """Messages that arrived in a second, and the server's CPU time for each, from when everybody is connected; `size`
    is that of a frame as the server sends it."""
    clients = await crowd(server.port, path, 100, hello)
    await asyncio.sleep(0.5)
    publisher = clients[0]
    for client in clients:
        client.got = 0
    publisher.wake = asyncio.Event()
    before, start = cpu_s(server.process.pid), time.perf_counter()
    sent, end = 0, start + seconds
    while time.perf_counter() < end:
        room = WINDOW - (sent - publisher.got // size)
        if room > 0:
            publisher.transport.write(frame * room)
            sent += room
        publisher.wake.clear()
        await asyncio.wait_for(publisher.wake.wait(), 5)
    arrived = sum(client.got // size for client in clients)
    spent, took = cpu_s(server.process.pid) - before, time.perf_counter() - start
    for client in clients:
        client.transport.abort()
    return arrived / took, spent / arrived * 1e6


class Server:
    """A server as a process of its own."""

    def __init__(self, command: list[str], port: int, env: dict[str, str] | None = None) -> None:
        self.port = port
        self.process = subprocess.Popen(
            command, env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        time.sleep(0.5)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


def ours(name: str, folder: str) -> Server:
    port = free_port()
    command = [sys.executable, "-m", "backendhub", "serve", name, "--port", str(port), "--log-format", "none"]
    return Server(command, port, {"XDG_DATA_HOME": tempfile.mkdtemp(dir=folder)})


def node(script: str) -> Server:
    port = free_port()
    return Server(["node", str(PEERS / script), str(port)], port)


def compare(title: str, sides: dict[str, Any], rounds: int) -> None:
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            found[name].append(run())
    print(title)
    base = None
    for name, results in found.items():
        rate, cost = (statistics.median(values) for values in zip(*results, strict=True))
        base = base or (rate, cost)
        print(
            f"  {name:<22} {rate:10,.0f} deliveries/s   {cost:6.2f} µs CPU each   "
            f"{rate / base[0]:.2f} × the first (by CPU {base[1] / cost:.2f} ×)"
        )


def websockets(folder: str, seconds: float, rounds: int) -> None:
    payload = b"x" * SIZE

    def run(make: Any) -> Any:
        def one() -> tuple[float, float]:
            with make() as server:
                return asyncio.run(fan_out(server, "/", [], masked(payload), SIZE + 2, seconds))

        return one

    sides = {
        "node ws": run(lambda: node("fan_out_ws.js")),
        "broadcast": run(lambda: ours("broadcast", folder)),
    }
    compare("WebSocket, 1 → 100", sides, rounds)


SOCKETIO = """
import sys
from types import SimpleNamespace
import uvicorn
from backendhub.kit import hub, socketio, web
from backendhub.kit.settings import Settings
from backendhub.kit.web import mounts, server

io = socketio.Server()
names = io.namespace("/")


async def connected(socket):
    socket.join("all")


@names.on("say")
async def say(socket, text):
    names.emit(socket.hub, "said", text, to="all")


names.connected = connected
router = web.Router("Rooms")
io.attach(router)
mounts.import_module = lambda name: SimpleNamespace(router=router)
row = SimpleNamespace(name="rooms", package="rooms", summary="")
current = hub.Hub(Settings({"database": ":memory:"}))
current.use = lambda *names: None
app = web.build_app([row], current, single=True, log_format="none")
uvicorn.run(app, port=int(sys.argv[1]), http=server.HttpProtocol, ws=server.SocketProtocol, log_level="warning",
            access_log=False, backlog=4096, **server.SETTINGS)
"""


def sockets_io(seconds: float, rounds: int) -> None:
    text = "x" * SIZE
    said = len(f'42["said","{text}"]') + 2
    path = "/socket.io/?EIO=4&transport=websocket"

    def run(make: Any) -> Any:
        def one() -> tuple[float, float]:
            with make() as server:
                frame = masked(f'42["say","{text}"]'.encode())
                return asyncio.run(fan_out(server, path, [masked(b"40")], frame, said, seconds))

        return one

    def own() -> Server:
        port = free_port()
        return Server([sys.executable, "-c", SOCKETIO, str(port)], port)

    compare(
        "Socket.IO room emit, 1 → 100",
        {"node socket.io": run(lambda: node("fan_out_io.js")), "ours": run(own)},
        rounds,
    )


def idle(folder: str, count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * count + 100)), hard))

    async def hold(server: Server, number: int) -> float:
        clients = await crowd(server.port, "/", number, [])
        await asyncio.sleep(2)
        found = resident_mb(server.process.pid)
        for client in clients:
            client.transport.abort()
        return found

    with ours("broadcast", folder) as server:
        asyncio.run(hold(server, 20))
        before = resident_mb(server.process.pid)
        after = asyncio.run(hold(server, count))
    print(f"{count} idle sockets: {after - before:.1f} MB over {before:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle", type=int, default=5000)
    options = parser.parse_args()
    print(json.dumps({"load": os.getloadavg()[0], "cpus": os.cpu_count()}))
    with tempfile.TemporaryDirectory() as folder:
        websockets(folder, options.seconds, options.rounds)
        sockets_io(options.seconds, options.rounds)
        if options.idle:
            idle(folder, options.idle)


if __name__ == "__main__":
    main()
