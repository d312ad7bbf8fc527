"""What metrics and traces cost a request: python benchmarks/telemetry.py [--seconds 3] [--rounds 5]

Four servers of the same rows, one process each: without a single figure (counting and the look for traces patched away),
as it is served, with metrics by OpenTelemetry, with metrics and every request traced, and with one trace in ten. wrk reads one
task through each in turn; what is compared is the server's CPU a request, so that a busy machine blurs little. The collector
is this process. Needs wrk.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from requests_per_second import ROWS, Server, fill, free_port

BARE = """
import sys
from backendhub.kit import telemetry
telemetry.Metrics.observe = lambda *about: None
from backendhub.app.main import main
sys.exit(main(sys.argv[1:]))
"""
TICKS = os.sysconf("SC_CLK_TCK")


class Collector(BaseHTTPRequestHandler):
    """Takes what is posted and says thanks."""

    taken = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        Collector.taken += 1
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def spent(pid: int) -> float:
    """Seconds of CPU of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cost(server: Server, seconds: float) -> float:
    """Microseconds of CPU a request."""
    before = spent(server.process.pid)
    url = f"http://127.0.0.1:{server.port}{server.path}"
    out = subprocess.run(
        ["wrk", "-t1", "-c16", f"-d{seconds:.0f}s", url], capture_output=True, text=True, check=True
    ).stdout
    time.sleep(0.2)
    return (spent(server.process.pid) - before) / int(re.search(r"(\d+) requests in", out)[1]) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    sink = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    database = f"sqlite:///{tempfile.mkdtemp()}/hub.db"
    fill(database)
    address = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{sink.server_port}"}
    served = ["-m", "backendhub"]
    ways = {
        "nothing counted": (["-c", BARE], {}),
        "as served": (served, {}),
        "OTLP metrics": (served, address | {"OTEL_TRACES_EXPORTER": "none"}),
        "one trace in ten": (
            served,
            address | {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"},
        ),
        "every request traced": (served, address),
    }
    servers, costs = {}, {name: [] for name in ways}
    for name, (program, env) in ways.items():
        port = free_port()
        command = [sys.executable, *program, "serve", "task", "--port", str(port), "--database", database]
        servers[name] = Server(name, [*command, "--log-format", "none"], port, f"/tasks/{ROWS // 2}", **env)
    try:
        for _ in range(options.rounds):
            for name, server in servers.items():
                costs[name].append(cost(server, options.seconds))
    finally:
        for server in servers.values():
            server.stop()
    base = statistics.median(costs["nothing counted"])
    for name, values in costs.items():
        middle = statistics.median(values)
        print(
            f"{name:<22} {middle:7.1f} µs a request   {middle / base:.2f}   ({min(values):.1f}–{max(values):.1f})"
        )
    print(f"{Collector.taken} exports taken")


if __name__ == "__main__":
    main()
