"""Memory and readiness with a thousand idle clients: python benchmarks/idle_connections.py [--clients 1000]

A server process of its own holds an endpoint of server-sent events and a WebSocket; this process opens the clients,
waits, and reads the server's resident memory before and after, and how long a request takes meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

GOAL_MB = 60
SYSTEM = """
import asyncio
from backendhub.kit import web

router = web.Router("Idle clients")


async def never():
    yield "hello"
    await asyncio.Event().wait()


@router.get("/events", media_type="text/event-stream")
async def events() -> web.Stream:
    return web.events(never())


@router.websocket("/socket")
async def socket(socket: web.Socket) -> None:
    await socket.feed(never())


@router.get("/ping")
def ping() -> str:
    return "pong"
"""
START = """
import sys
from types import SimpleNamespace
import uvicorn
from backendhub.kit import hub, web
from backendhub.kit.settings import Settings
from backendhub.kit.web import server

row = SimpleNamespace(name="idle", package="idle_clients", summary="")
app = web.build_app([row], hub.Hub(Settings({"database": ":memory:"})), single=True, log_format="none")
uvicorn.run(app, port=int(sys.argv[1]), http=server.HttpProtocol, ws=server.SocketProtocol, log_level="warning",
            access_log=False, backlog=4096, **server.SETTINGS)
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def ping_ms(port: int) -> float:
    times = []
    for _ in range(20):
        start = time.perf_counter()
        urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).read()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


async def open_client(port: int, kind: str) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    if kind == "events":
        writer.write(b"GET /events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
    else:
        key = base64.b64encode(os.urandom(16))
        writer.write(
            b"GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
            b"Sec-WebSocket-Key: " + key + b"\r\n\r\n"
        )
    await reader.readuntil(b"hello")
    return writer


async def crowd(port: int, kind: str, count: int, pid: int) -> tuple[float, float]:
    """Memory with all of them connected, and the time of a request meanwhile."""
    writers = []
    for start in range(0, count, 50):
        writers += await asyncio.gather(
            *(open_client(port, kind) for _ in range(start, min(start + 50, count)))
        )
    await asyncio.sleep(2)
    found = resident_mb(pid), await asyncio.to_thread(ping_ms, port)
    for writer in writers:
        writer.close()
    return found


def measure(kind: str, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "idle_clients"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "api.py").write_text(SYSTEM)
        port = free_port()
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])}
        server = subprocess.Popen([sys.executable, "-c", START, str(port)], env=env)
        try:
            for _ in range(200):
                try:
                    ping_ms(port)
                    break
                except OSError:
                    time.sleep(0.05)
            asyncio.run(crowd(port, kind, 20, server.pid))  # what is made once
            before, alone = resident_mb(server.pid), ping_ms(port)
            after, among = asyncio.run(crowd(port, kind, count, server.pid))
        finally:
            server.terminate()
            server.wait()
    print(
        f"{count} idle {kind:<8} {after - before:6.1f} MB over {before:.0f} MB (goal ≤ {GOAL_MB})   "
        f"a request: {alone:.1f} ms alone, {among:.1f} ms among them"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=1000)
    options = parser.parse_args()
    for kind in ("events", "sockets"):
        measure(kind, options.clients)


if __name__ == "__main__":
    main()
