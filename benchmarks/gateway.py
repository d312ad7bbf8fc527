"""The gateway beside nginx, and limit checks: python benchmarks/gateway.py [--seconds 4] [--rounds 5] [--redis URL]

Needs wrk, and nginx for the peer. Every server is one process and gets 32 connections from one wrk thread. The upstream
is a bare protocol that answers 1 KiB. nginx passes on without keep-alive to the upstream, as its default is. Rounds
alternate, medians are printed. What a request costs is also given as CPU of the server's process: that figure is the
less disturbed one on a machine with other work.
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
R = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: 1024\\r\\n\\r\\n" + b"x" * 1024
class P(asyncio.Protocol):
    def connection_made(self, t): self.t, self.b = t, b""
    def data_received(self, d):
        self.b += d
        while (i := self.b.find(b"\\r\\n\\r\\n")) >= 0:
            head, self.b = self.b[:i].lower(), self.b[i + 4:]
            self.t.write(R)
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

    def run(self, seconds: int) -> None:
        before = self.ticks()
        command = ["wrk", "-t1", "-c32", f"-d{seconds}s", *self.wrk, f"http://127.0.0.1:{self.port}/x"]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in out:
            raise SystemExit(f"{self.name}: {out}")
        rate = float(out.split("Requests/sec:")[1].split()[0])
        count = int(out.split(" requests in")[0].split()[-1])
        self.found.append((rate, (self.ticks() - before) * 10_000 / count))

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
        lua, port = file("check.lua", CHECK), free_port()
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
            for _ in range(args.rounds):
                for server in servers:
                    server.run(args.seconds)
        finally:
            for server in reversed(servers):
                server.stop()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for server in servers:
        rate = statistics.median(rate for rate, _ in server.found)
        cpu = statistics.median(cpu for _, cpu in server.found)
        print(f"{server.name:32} {rate:8,.0f} requests/s {cpu:7.0f} µs CPU a request")


if __name__ == "__main__":
    main()
