"""What `analytics` takes in: python benchmarks/ingest.py [--seconds 5] [--batch 100]

Batches of Segment's wire by wrk (32 connections), each event with an id of its own, beside a bare asyncio + httptools
server that parses the same JSON and keeps the same bytes in SQLite (WAL, synchronous NORMAL, one commit for what has
arrived in a turn of the loop). Both acknowledge after the commit. Then how fast what waits is digested, with nothing else
to do. Needs wrk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import httptools
from pydantic_core import from_json

PROGRAM = str(Path(sys.executable).parent / "backendhub")
SCRIPT = """
local n, me = 0, 0
local threads = 0
function setup(thread) thread:set("me", threads); threads = threads + 1 end
function request()
  local events = {}
  for i = 1, %(batch)d do
    n = n + 1
    events[i] = string.format('{"type":"track","event":"Clicked","userId":"u%%d","messageId":"m-%(run)s-%%d-%%d",' ..
      '"timestamp":"2026-01-05T09:00:00.000Z","context":{"library":{"name":"wrk"}},"properties":{"n":%%d,"plan":"pro"}}',
      n %% 1000, me, n, n)
  end
  return wrk.format("POST", "/v1/batch", {["Content-Type"]="application/json", ["Authorization"]="Basic YmVuY2g6"},
    '{"batch":[' .. table.concat(events, ",") .. ']}')
end
"""


class Bare(asyncio.Protocol):
    """The ceiling: parse, keep, commit once a turn, answer."""

    db: sqlite3.Connection
    waiting: list[tuple[Bare, bytes]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)
        self.body: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self.body)
        self.body = []
        from_json(body)
        if not Bare.waiting:
            asyncio.get_running_loop().call_soon(Bare.commit)
        Bare.waiting.append((self, body))

    @classmethod
    def commit(cls) -> None:
        waiting, cls.waiting = cls.waiting, []
        cls.db.execute("BEGIN IMMEDIATE")
        cls.db.executemany(
            "INSERT INTO inbox (at, body) VALUES (?, ?)", [(time.time(), body) for _, body in waiting]
        )
        cls.db.execute("COMMIT")
        answer = (
            b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n{"success":true}'
        )
        for one, _ in waiting:
            one.transport.write(answer)  # type: ignore[attr-defined]


def bare(port: int, path: str) -> None:
    import uvloop

    Bare.db = sqlite3.connect(path, isolation_level=None)
    Bare.db.execute("PRAGMA journal_mode=WAL")
    Bare.db.execute("PRAGMA synchronous=NORMAL")
    Bare.db.execute("CREATE TABLE inbox (no INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, body BLOB)")

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", port)
        await server.serve_forever()

    uvloop.run(main())


def free() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def ready(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.05)
    else:
        raise SystemExit("the server does not start")
    # What is imported at the first request is not what is measured.
    body, auth = b'{"batch":[]}', {"Authorization": "Basic YmVuY2g6"}
    for _ in range(3):
        first = urllib.request.Request(f"http://127.0.0.1:{port}/v1/batch", body, auth)
        urllib.request.urlopen(first, timeout=60).close()


def load(port: int, folder: Path, batch: int, seconds: int, run: str) -> float:
    script = folder / "batch.lua"
    script.write_text(SCRIPT % {"batch": batch, "run": run})
    done = subprocess.run(
        ["wrk", "-t1", "-c32", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    if "Non-2xx" in done.stdout:
        raise SystemExit(done.stdout)
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert found is not None
    return float(found[1]) * batch


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=5)
    options.add_argument("--batch", type=int, default=100)
    options.add_argument("--bare", nargs=2, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.bare:
        bare(int(given.bare[0]), given.bare[1])
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ceiling = measure(
            [sys.executable, __file__, "--bare", "{port}", str(folder / "bare.db")], folder, given, {}
        )
        env = {"BACKENDHUB_DATABASE": str(folder / "hub.db")}
        command = [PROGRAM, "serve", "analytics", "--port", "{port}", "--log-format", "none"]
        ours = measure(command, folder, given, env, drain=True)
    print(f"acknowledged: ours {ours:,.0f} events/s, bare {ceiling:,.0f}: {ours / ceiling:.2f}")


def measure(
    command: list[str], folder: Path, given: argparse.Namespace, env: dict[str, str], *, drain: bool = False
) -> float:
    port = free()
    process = subprocess.Popen([c.replace("{port}", str(port)) for c in command], env={**os.environ, **env})
    try:
        ready(port)
        load(port, folder, given.batch, 1, "warm")
        rate = load(port, folder, given.batch, given.seconds, "run")
        if drain:
            digested(port, process.pid)
        return rate
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def ticks(pid: int) -> int:
    """CPU of a process in hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def digested(port: int, pid: int) -> None:
    def tally() -> dict[str, int]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/sources/bench/tallies") as answer:
            return dict(json.load(answer)[0])

    first, start, cpu = tally()["received"], time.perf_counter(), ticks(pid)
    last, still = first, 0
    while still < 3:
        time.sleep(1)
        now = tally()["received"]
        still, last = (still + 1 if now == last else 0), now
    spent, cpu = time.perf_counter() - start - still, ticks(pid) - cpu
    state = tally()
    print(
        f"digested meanwhile {first:,}; then {last - first:,} in {spent:.1f} s: {(last - first) / max(spent, 1):,.0f} events/s, {cpu * 10_000 / max(last - first, 1):.0f} µs CPU each"
    )
    print(
        f"received {state['received']:,} = stored {state['stored']:,} + duplicates {state['duplicates']:,} + rejected {state['rejected']:,}"
    )


if __name__ == "__main__":
    main()
