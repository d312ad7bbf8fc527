"""A real HTTP server that replays recorded shapes: ETag and 304, rate-limit headers, a log of requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Answer = Reply | Callable[[Request], Reply]


class Replay:
    """`server.on("/path", reply)`; `server.log` holds every request, `server.statuses` what was answered."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, Answer] = {}
        self.log: list[Request] = []
        self.statuses: list[int] = []

    def on(self, path: str, answer: Any, **headers: str) -> None:
        if not isinstance(answer, Reply) and not callable(answer):
            answer = Reply(answer)
        if headers:
            answer.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = answer

    def paths(self) -> list[str]:
        return [request.path for request in self.log]

    def reset(self) -> None:
        self.log.clear()
        self.statuses.clear()

    def answer(self, request: Request) -> Reply:
        self.log.append(request)
        found = self.answers.get(request.path)
        if found is None:
            return Reply({"message": "Not Found", "status_code": 34, "status_message": "Not found."}, 404)
        return found(request) if callable(found) else found


@contextmanager
def serving() -> Iterator[Replay]:
    replay: Replay

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            size = int(self.headers.get("content-length") or 0)
            query = {k: v[-1] for k, v in parse_qs(parts.query).items()}
            headers = {k.lower(): v for k, v in self.headers.items()}
            reply = replay.answer(Request(self.command, parts.path, query, headers, self.rfile.read(size)))
            raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            etag = '"' + sha256(raw).hexdigest()[:16] + '"'
            status = reply.status
            if status == 200 and headers.get("if-none-match") == etag:
                status, raw = 304, b""
            replay.statuses.append(status)
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "ETag": etag, **reply.headers}.items():
                self.send_header(name, value)
            if status != 304:
                self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    replay = Replay(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield replay
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Done:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def spawn(tmp_path: Path, now: str, extra: dict[str, str], *args: str, stdin: str = "") -> Done:
    """Runs `python -m backendhub …` as a process of its own, with nothing of this machine's settings."""
    home = {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "PATH": "",
    }
    env = home | {"BACKENDHUB_DATABASE": str(tmp_path / "hub.db"), "BACKENDHUB_NOW": now, "TZ": "UTC"} | extra
    env |= {"LANG": "C.UTF-8", "NO_PROXY": "*"} | {k: v for k, v in os.environ.items() if k.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-m", "backendhub", *args],
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Done(done.returncode, done.stdout, done.stderr)
