"""Cache hits beside nginx and Squid, hot routes beside ASGI ones, collapsing: python benchmarks/edge.py [--seconds 4]

Needs wrk, nginx and squid (Debian packages; who is missing is left out). Every server is one process that answers, with
32 connections from one wrk thread. Rounds alternate and medians are printed, with the processor time of a request: on a
shared machine that says more than requests a second.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from email.utils import formatdate
from pathlib import Path

BODY = b"x" * 1024
ANSWER = (
    b"HTTP/1.1 200 OK\r\nDate: " + formatdate(usegmt=True).encode() + b"\r\nContent-Type: text/plain\r\n"
    b"Cache-Control: max-age=3600\r\nContent-Length: 1024\r\n\r\n" + BODY
)

ROUTES = """
import sys, uvicorn
from backendhub.kit import edge, telemetry, web
from backendhub.kit.hub import Hub
from backendhub.kit.settings import Settings
from backendhub.kit.web import server
from backendhub.kit.web.application import Application
from backendhub.kit.web.mounts import Mounted, Row
hot = edge.Edge()
router = web.Router("bench", edge=hot)
@hot.route("GET", "/hot")
def at_once(request):
    return edge.Response(200, [(b"content-type", b"text/plain")], b"x" * 1024)
@hot.route("POST", "/ingest")
def ingest(request):
    return edge.Response(200, [], b"%d" % len(request.body))
@router.get("/cold", media_type="text/plain")
async def cold() -> str:
    return "x" * 1024
@router.post("/cold", consumes=("*/*",), media_type="text/plain")
async def cold_ingest(request: web.Request) -> str:
    return str(len(request.body))
hub = Hub(Settings({"database": ":memory:"}))
hub.use = lambda *names: None
app = Application([Mounted(Row("bench", "", ""), "", hub, router=router)], hub, log=telemetry.AccessLog("none"))
uvicorn.run(app, port=int(sys.argv[1]), http=server.HttpProtocol, ws=server.SocketProtocol, log_level="warning",
            access_log=False, server_header=False, **server.SETTINGS)
"""

NGINX = """
worker_processes 1; daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 2048; }}
http {{ access_log off; keepalive_requests 1000000000; proxy_cache_path {folder}/cache keys_zone=c:10m;
client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_cache c;
add_header X-Cache $upstream_cache_status; }} }} }}
"""
SQUID = """
http_port 127.0.0.1:{port} accel defaultsite=127.0.0.1 no-vhost
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver
http_access allow all
access_log none
cache_log {folder}/squid.log
pid_filename {folder}/squid.pid
coredump_dir {folder}
cache_mem 64 MB
shutdown_lifetime 1 seconds
workers 1
pinger_enable off
logfile_rotate 0
"""
BIG = 'wrk.method = "POST"\nwrk.body = string.rep("x", 2000)\nwrk.headers["Content-Type"] = "application/json"\n'


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Origin(asyncio.Protocol):
    """Answers at once and counts; `/slow` after half a second."""

    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        type(self).count += 1
        wait = 0.5 if b" /slow" in data else 0
        asyncio.get_running_loop().call_later(wait, self.answer, b"onnection: close" in data)

    def answer(self, last: bool) -> None:
        self.transport.write(ANSWER)  # type: ignore[attr-defined]
        if last:
            self.transport.close()


async def serve_origin(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Origin, "127.0.0.1", port, backlog=2048)
    print("ready", flush=True)
    await server.serve_forever()


class Server:
    """One process that answers on a port."""

    def __init__(self, name: str, command: list[str], port: int, path: str = "/a") -> None:
        self.name, self.port = name, port
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        for _ in range(300):
            with contextlib.suppress(OSError):
                if b" 200 " in fetch(port, path):
                    break
            time.sleep(0.05)
        else:
            raise SystemExit(f"{name} does not answer")
        fetch(port, path)
        self.figures: dict[str, list[tuple[float, float]]] = {}

    def ticks(self) -> float:
        """Seconds of processor time of the process and its children."""
        total = 0.0
        for pid in [self.process.pid, *children(self.process.pid)]:
            with contextlib.suppress(OSError):
                parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")
        return total

    def wrk(self, path: str, seconds: float, script: str | None = None, label: str = "") -> None:
        before = self.ticks()
        extra = ["-s", script] if script else []
        done = subprocess.run(
            ["wrk", "-t1", "-c32", f"-d{seconds:g}s", *extra, f"http://127.0.0.1:{self.port}{path}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "Non-2xx" not in done.stdout, done.stdout
        requests = int(next(line for line in done.stdout.splitlines() if "requests in" in line).split()[0])
        used = (self.ticks() - before) / requests * 1e6
        self.figures.setdefault(label or path, []).append((requests / seconds, used))

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def fetch(port: int, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5) as link:
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while part := link.recv(65536):
            data += part
        return data


def collapse(port: int) -> tuple[int, float]:
    """A thousand clients that want the same at once: how many got it, and how long it took."""

    async def one() -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = await reader.read()
        writer.close()
        return data.endswith(BODY)

    async def all_() -> int:
        return sum(await asyncio.gather(*[one() for _ in range(1000)]))

    start = time.perf_counter()
    return asyncio.run(all_()), time.perf_counter() - start


def shown(servers: list[tuple[Server, str]], unit: str) -> None:
    first = None
    for server, label in servers:
        rate = statistics.median(r for r, _ in server.figures[label])
        used = statistics.median(u for _, u in server.figures[label])
        first = first or (rate, used)
        print(
            f"  {server.name:<28} {rate:>9,.0f} {unit}  {used:>6.1f} µs CPU   × {rate / first[0]:.2f} by rate, "
            f"× {first[1] / used:.2f} by CPU"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--origin", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.origin:
        asyncio.run(serve_origin(options.origin))
        return
    folder = Path(tempfile.mkdtemp())
    origin = free_port()
    servers = [Server("origin", [sys.executable, __file__, "--origin", str(origin)], origin)]
    try:
        measure(options, folder, origin, servers)
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def measure(options: argparse.Namespace, folder: Path, origin: int, servers: list[Server]) -> None:
    program = [sys.executable, "-m", "backendhub"]
    caches = []
    if shutil.which("nginx"):
        port = free_port()
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, origin=origin))
        caches.append(Server("nginx proxy_cache", ["nginx", "-c", str(folder / "nginx.conf")], port))
    if shutil.which("squid"):
        port = free_port()
        folder.chmod(0o777)
        (folder / "squid.conf").write_text(SQUID.format(folder=folder, port=port, origin=origin))
        caches.append(Server("Squid", ["squid", "-N", "-f", str(folder / "squid.conf")], port))
    port = free_port()
    words = ["serve", "cache-proxy", "--origin", f"http://127.0.0.1:{origin}", "--port", str(port)]
    ours = Server(
        "cache-proxy", [*program, *words, "--disk", str(folder / "disk"), "--log-format", "none"], port
    )
    caches.append(ours)
    servers += caches
    for _ in range(options.rounds):
        for server in caches:
            server.wrk("/a", options.seconds)
    print("Cache hits of 1 KiB:")
    shown([(server, "/a") for server in caches], "req/s")
    got, seconds = collapse(ours.port)
    asked = fetch(ours.port, "/_cache/stats").split(b'"fetches":')[1].split(b",")[0].decode()
    print(
        f"Collapsing: {got} of 1000 clients got it in {seconds:.2f} s; {asked} fetches in all (one of them was the hits')"
    )
    port = free_port()
    (folder / "routes.py").write_text(ROUTES)
    (folder / "post.lua").write_text(BIG)
    routes = Server("routes", [sys.executable, str(folder / "routes.py"), str(port)], port, "/hot")
    servers.append(routes)
    for _ in range(options.rounds):
        for path, script in (("/cold", None), ("/hot", None), ("/cold", "post"), ("/ingest", "post")):
            file = str(folder / "post.lua") if script else None
            routes.wrk(path, options.seconds, file, label=path + (script or ""))
    print("Routes:")
    for pair in (("/cold", "/hot"), ("/coldpost", "/ingestpost")):
        named = []
        for label in pair:
            view = object.__new__(Server)
            view.name = ("application" if "cold" in label else "hot route") + (
                " POST 2 KB" if "post" in label else " GET"
            )
            view.figures = routes.figures
            named.append((view, label))
        shown(named, "req/s")


if __name__ == "__main__":
    main()
