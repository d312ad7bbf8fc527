"""The gateway beside nginx, and limit checks: python benchmarks/gateway.py [--seconds 4] [--rounds 5] [--redis URL]

Needs wrk, and nginx for the peer. Every server is one process and gets 32 connections from one wrk thread. The upstream
is a bare protocol that answers 1 KiB. nginx (one worker) passes on without keep-alive to the upstream: HTTP/1.0 and
`Connection: close`, as its default is. The gateway keeps its connections. wrk sends the same bytes again and again, which
the gateway does not parse twice; so there is another round in which every request and every head of an answer is another.
Rounds alternate, medians are printed. `added` is the overhead: what one connection waits longer for an answer than it does
without anything in between. CPU is that of the server's process: the less disturbed figure on a machine with other work.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

UPSTREAM = """
import asyncio, sys
import uvloop
R = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\n%bcontent-length: 1024\\r\\n\\r\\n" + b"x" * 1024
SAME, count = R % b"", 0
def answer(head):
    global count
    if b" /vary" not in head:
        return SAME
    count += 1
    return R % (b"x-count: %d\\r\\n" % count)
class P(asyncio.Protocol):
    def connection_made(self, t): self.t, self.b = t, b""
    def data_received(self, d):
        self.b += d
        while (i := self.b.find(b"\\r\\n\\r\\n")) >= 0:
            head, self.b = self.b[:i].lower(), self.b[i + 4:]
            self.t.write(answer(head))
            if b"connection: close" in head or b" http/1.0" in head:
                return self.t.close()
async def main():
    server = await asyncio.get_running_loop().create_server(P, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()
uvloop.run(main())
"""
NGINX = """worker_processes 1; daemon off; error_log stderr crit; pid {root}/nginx.pid;
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f;
uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{up}; }} }} }}
"""
PLUGINS = """
plugins:
- {name: key-auth}
- {name: correlation-id}
- {name: rate-limiting, config: {hour: 1000000000}}
consumers: [{username: ada, keyauth_credentials: [{key: k}]}]
"""
KONG = '_format_version: "3.0"\nservices:\n- {{name: s, url: "http://127.0.0.1:{up}", routes: [{{name: r, paths: [/]}}]}}\n'
LIMITS = """domain: d
descriptors:
  - {key: user, rate_limit: {unit: hour, requests_per_unit: 100000000, algorithm: gcra}}
"""
VARY = """local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", "/vary/" .. n)
end
"""
CHECK = """wrk.method = "POST"
local n = 0
request = function()
  n = n + 1
  return wrk.format(nil, "/json", nil,
    '{"domain":"d","descriptors":[{"entries":[{"key":"user","value":"u' .. n % 1000 .. '"}]}]}')
end
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Server:
    def __init__(self, name: str, command: list[str], port: int, *wrk: str) -> None:
        self.name, self.port, self.wrk = name, port, wrk
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.found: list[tuple[float, float]] = []
        self.varied: list[tuple[float, float]] = []
        self.alone: list[float] = []
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"{name} does not listen")

    def ticks(self) -> int:
        """CPU of the process and its children, in hundredths of a second."""
        total = 0
        for pid in [self.process.pid, *self._children()]:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total

    def _children(self) -> list[int]:
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in found.split()]

    def measure(self, seconds: int, vary: str) -> None:
        """A round: the same request by 32 connections and by one; where it is a proxy, another request each time."""
        self.found.append(self.run(seconds, 32))
        if "check" not in self.name:
            self.alone.append(1_000_000 / self.run(1, 1)[0])
            self.varied.append(self.run(seconds, 32, "-s", vary))

    def run(self, seconds: int, connections: int, *more: str) -> tuple[float, float]:
        """Requests a second, and µs of CPU for each."""
        before = self.ticks()
        url = f"http://127.0.0.1:{self.port}/x"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *self.wrk, *more, url]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in out:
            raise SystemExit(f"{self.name}: {out}")
        rate = float(out.split("Requests/sec:")[1].split()[0])
        count = int(out.split(" requests in")[0].split()[-1])
        return rate, (self.ticks() - before) * 10_000 / max(count, 1)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--redis", default="")
    args = parser.parse_args()
    hub = [sys.executable, "-m", "backendhub", "serve"]
    with tempfile.TemporaryDirectory() as folder:
        root, up = Path(folder), free_port()

        def file(name: str, text: str) -> str:
            (root / name).write_text(text)
            return str(root / name)

        def served(
            name: str, system: str, config: str, *wrk: str, more: tuple[str, ...] = ()
        ) -> Callable[[], Server]:
            port = free_port()
            command = [*hub, system, config, "--port", str(port), "--log-format", "none", *more]
            return lambda: Server(name, command, port, *wrk)

        os.environ["XDG_DATA_HOME"] = folder
        lua, vary, port = file("check.lua", CHECK), file("vary.lua", VARY), free_port()
        starts = [lambda: Server("upstream", [sys.executable, file("up.py", UPSTREAM), str(up)], up)]
        if shutil.which("nginx"):
            conf = file("nginx.conf", NGINX.format(root=root, port=port, up=up))
            starts.append(lambda: Server("nginx, no upstream keep-alive", ["nginx", "-c", conf], port))
        plain = KONG.format(up=up)
        starts += [
            served("gateway", "gateway", file("plain.yml", plain)),
            served(
                "gateway, key + id + limit", "gateway", file("full.yml", plain + PLUGINS), "-H", "apikey: k"
            ),
            served("limit check, memory", "rate-limiter", file("limits.yaml", LIMITS), "-s", lua),
        ]
        if args.redis:
            more = ("--redis", args.redis)
            starts.append(
                served(
                    "limit check, Redis", "rate-limiter", file("limits.yaml", LIMITS), "-s", lua, more=more
                )
            )
        servers = [start() for start in starts]
        try:
            for server in servers:  # what is imported at the first request is not measured
                while server.run(1, 1)[0] < 100:
                    pass
            for _ in range(args.rounds):
                for server in servers:
                    server.measure(args.seconds, vary)
        finally:
            for server in reversed(servers):
                server.stop()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    direct = statistics.median(servers[0].alone)
    for server in servers:
        line = f"{server.name:32}{shown(server.found)}"
        if server.varied:
            line += f" | another each time{shown(server.varied)} | added {statistics.median(server.alone) - direct:5.0f} µs"
        print(line)


def shown(found: list[tuple[float, float]]) -> str:
    rate, cpu = (statistics.median(column) for column in zip(*found, strict=True))
    return f" {rate:8,.0f}/s {cpu:5.0f} µs CPU"


if __name__ == "__main__":
    main()
