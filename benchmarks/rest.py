"""`rest` beside json-server 0.17.4 on the same 10,000 rows: python benchmarks/rest.py [--seconds 3] [--postgres URL]

Needs wrk (Debian package) and `npm install` in benchmarks/peers. Every server is one process and gets 8 connections from
one wrk thread. Rounds alternate between the servers, the median is printed, and the ratio to json-server.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
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
from urllib.parse import quote

HERE = Path(__file__).parent
ROWS = 10_000
WORDS = ("sea", "mountain", "forest", "river", "desert")
REQUESTS = {
    "get a row": "/posts/5000",
    "page of 10": "/posts?_page=3&_limit=10",
    "page of 10, sorted": "/posts?_sort=views&_order=desc&_start=0&_end=10",
    "filter, 100 of them": "/posts?userId=7",
    "filter, range": "/posts?views_gte=99000",
    "filter, sorted page": "/posts?published=true&_sort=views&_limit=10",
    "search (q)": "/posts?q=" + quote("number 77"),
    "nested, embed": "/users/7/posts?_embed=comments&_limit=10",
    "the whole list": "/posts",
}
POST = """wrk.method = "POST"
wrk.body = '{"title":"Written by the benchmark","views":1,"userId":7,"published":true}'
wrk.headers["Content-Type"] = "application/json"
"""


def data() -> dict[str, list[dict[str, object]]]:
    chance = random.Random(1)
    posts: list[dict[str, object]] = [
        {
            "id": i, "title": f"Post number {i} about the {chance.choice(WORDS)}", "body": "lorem ipsum dolor sit amet " * 4,
            "views": chance.randrange(100_000), "published": chance.random() < 0.5, "userId": chance.randrange(1, 101),
            "author": {"name": f"N{chance.randrange(500)}"}, "createdAt": "2026-01-05T09:00:00Z",
        }
        for i in range(1, ROWS + 1)
    ]  # fmt: skip
    comments: list[dict[str, object]] = [
        {"id": i, "postId": chance.randrange(1, ROWS), "text": "hello"} for i in range(1, 2001)
    ]
    return {"users": [{"id": i} for i in range(1, 101)], "posts": posts, "comments": comments}


class Server:
    def __init__(self, command: list[str]) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        words = [word.replace("PORT", str(self.port)) for word in command]
        self.process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=os.setsid
        )
        for _ in range(1200):
            with contextlib.suppress(OSError, urllib.error.URLError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/posts/1", timeout=5).read()
                return
            time.sleep(0.05)
        raise SystemExit(f"{command[0]} does not answer")

    def wrk(self, path: str, seconds: float, script: Path | None = None) -> float:
        extra = ["-s", str(script)] if script else []
        out = subprocess.run(
            ["wrk", "-t1", "-c8", f"-d{seconds:.0f}s", "--timeout", "30s", *extra, f"http://127.0.0.1:{self.port}{path}"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        if "Non-2xx" in out:
            raise SystemExit(f"{path}: errors\n{out}")
        return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgres", help="an empty database: postgresql://user@host/name")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    for name in ("ours.json", "theirs.json"):
        (work / name).write_text(json.dumps(data()))
    script = work / "post.lua"
    script.write_text(POST)
    serve = [
        sys.executable,
        "-m",
        "backendhub",
        "serve",
        "rest",
        str(work / "ours.json"),
        "--port",
        "PORT",
        "--log-format",
        "none",
    ]
    theirs = HERE / "peers/node_modules/.bin/json-server"
    servers = {"json-server": Server([str(theirs), str(work / "theirs.json"), "--port", "PORT", "--quiet"])}
    servers["ours"] = Server([*serve, "--database", f"sqlite:///{work}/hub.db"])
    if options.postgres:
        servers["ours, PostgreSQL"] = Server([*serve, "--database", options.postgres])
    runs: dict[tuple[str, str], list[float]] = {}
    try:
        for _ in range(options.rounds):
            for what, path in REQUESTS.items():
                for name, server in servers.items():
                    runs.setdefault((what, name), []).append(server.wrk(path, options.seconds))
        for name, server in servers.items():  # at the end: json-server writes the whole file each time
            runs["add a row", name] = [server.wrk("/posts", options.seconds, script)]
    finally:
        for server in servers.values():
            server.stop()
    print(f"{'requests/s at 10,000 rows':<26}" + "".join(f"{name:>20}" for name in servers))
    for what in (*REQUESTS, "add a row"):
        base = statistics.median(runs[what, "json-server"])
        cells = [(statistics.median(runs[what, name]), name) for name in servers]
        print(f"{what:<26}" + "".join(f"{value:>11,.0f} {value / base:>7.1f}x" for value, _ in cells))


if __name__ == "__main__":
    main()
