"""Requests a second beside peers, in one run: python benchmarks/requests_per_second.py [--seconds 4] [--postgres URL]

Needs wrk (Debian package) and, for the peers, `npm install` in benchmarks/peers. Every server is one process
and gets 16 connections from one wrk thread. Rounds alternate, the median is printed. Figures are ratios: a
shared machine's absolute numbers say little.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
ROWS = 100_000
TASK = {
    "id": 1, "uuid": "01a1fda6-8730-76af-ad9d-aeeec7d696b4", "description": "Task number 50000", "status": "todo",
    "priority": None, "due": "2026-11-22", "project": None, "recurRule": None, "recurMode": None, "recurAnchor": None,
    "recurFrom": None, "revision": 1, "createdAt": "2026-11-21T10:28:31Z", "updatedAt": "2026-11-21T10:28:31Z",
    "doneAt": None, "tags": [], "dependsOn": [],
}  # fmt: skip
POST = """wrk.method = "POST"
wrk.body = '{"description":"Written by the benchmark"}'
wrk.headers["Content-Type"] = "application/json"
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, name: str, command: list[str], port: int, path: str, **env: str) -> None:
        self.name, self.port, self.path = name, port, path
        self.process = subprocess.Popen(
            command, env={**os.environ, "TASK": json.dumps(TASK), "PORT": str(port), **env},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=os.setsid,
        )  # fmt: skip
        for _ in range(300):
            with contextlib.suppress(OSError, urllib.error.URLError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2).read()
                return
            time.sleep(0.05)
        raise SystemExit(f"{name} does not answer")

    def wrk(self, seconds: float, path: str | None = None, script: str | None = None) -> float:
        extra = ["-s", script] if script else []
        url = f"http://127.0.0.1:{self.port}{path or self.path}"
        out = subprocess.run(
            ["wrk", "-t1", "-c16", f"-d{seconds:.0f}s", *extra, url],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        if "Non-2xx" in out:
            raise SystemExit(f"{self.name}: errors\n{out}")
        return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()


def fill(url: str) -> None:
    from backendhub.kit.db import connect
    from backendhub.systems.task import service

    store = connect(url)
    store.use("task")

    def add(db) -> None:
        service.add(db, description="Task number 1", due="2026-11-22")
        db.run(
            "INSERT INTO task (uuid, description, status, due, revision, created_at, updated_at) "
            f"WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) "
            "SELECT 'u' || i, 'Task number ' || i, 'todo', '2026-11-22', 1, "
            "'2026-11-21T10:28:31.000Z', '2026-11-21T10:28:31.000Z' FROM n"
        )

    store.unit(add)
    store.close()


def cursor_at(depth: int) -> str:
    from backendhub.kit import paging
    from backendhub.systems.task import store

    by = paging.order("id", store.SORTS)
    return by.cursor(type("Row", (), {"id": depth})())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgres", help="an empty database: postgresql://user@host/name")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    database = f"sqlite:///{work}/hub.db"
    fill(database)
    script = work / "post.lua"
    script.write_text(POST)
    python, row = sys.executable, f"/tasks/{ROWS // 2}"
    servers: dict[str, Server] = {}

    def start(name: str, command: list[str], path: str = row, **env: str) -> None:
        port = int(env.get("PORT") or free_port())
        servers[name] = Server(name, [part.replace("PORT", str(port)) for part in command], port, path, **env)

    serve = [python, "-m", "backendhub", "serve", "task", "--port", "PORT", "--database"]
    start("ours", [*serve, database])
    uvicorn = [
        python,
        "-m",
        "uvicorn",
        "--app-dir",
        str(HERE / "peers"),
        "bare_fastapi:app",
        "--port",
        "PORT",
    ]
    start("bare FastAPI", [*uvicorn, "--no-access-log"])
    if (HERE / "peers/node_modules/express").exists():
        start("Express 5", ["node", str(HERE / "peers/express.js")], PORT=str(free_port()))
        db = work / "db.json"
        db.write_text(json.dumps({"tasks": [{**TASK, "id": i} for i in range(1, 1001)]}))
        binary = str(HERE / "peers/node_modules/.bin/json-server")
        start("json-server", [binary, str(db), "--port", "PORT", "--quiet"], "/tasks/500")
    if options.postgres:
        fill(options.postgres)
        start("ours on PostgreSQL", [*serve, options.postgres])
    runs: dict[str, list[float]] = {}
    first, deep = "/tasks?limit=20", f"/tasks?limit=20&cursor={cursor_at(90_000)}"
    try:
        for _ in range(options.rounds):
            for name, server in servers.items():
                runs.setdefault(name, []).append(server.wrk(options.seconds))
            ours = servers["ours"]
            runs.setdefault("first page", []).append(ours.wrk(options.seconds, first))
            runs.setdefault("page at 90,000", []).append(ours.wrk(options.seconds, deep))
            runs.setdefault("write", []).append(ours.wrk(options.seconds, "/tasks", str(script)))
    finally:
        for server in servers.values():
            server.stop()
    figures = {name: statistics.median(values) for name, values in runs.items()}
    for name, value in figures.items():
        print(f"{name:<20} {value:>9,.0f} requests/s   ({min(runs[name]):,.0f} to {max(runs[name]):,.0f})")
    print()
    rows = [
        ("ours / Express 5", "ours", "Express 5", "≥ 1"),
        ("ours / json-server", "ours", "json-server", "≥ 2.5"),
    ]
    rows += [
        ("ours / bare FastAPI", "ours", "bare FastAPI", "≥ 0.55"),
        ("write / read", "write", "ours", "≥ 0.5"),
    ]
    rows += [("cost at 90,000 / first", "first page", "page at 90,000", "≤ 1.2")]
    rows += [("PostgreSQL / SQLite", "ours on PostgreSQL", "ours", "≥ 0.5")]
    for label, a, b, goal in rows:
        if a in figures and b in figures:
            print(f"{label:<24} {figures[a] / figures[b]:.2f}   (goal {goal})")


if __name__ == "__main__":
    main()
