"""A cache in front of an origin that a test makes, both live."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.kit.web.conftest import Live

from backendhub import registry
from backendhub.kit import hub as hubs
from backendhub.kit import web
from backendhub.kit.settings import Settings

Answer = Callable[["Origin", str, dict[str, str], bytes], bytes | list[bytes | float]]


def response(body: str = "hello", status: str = "200 OK", **fields: str) -> bytes:
    """A whole answer; underscores in names stand for hyphens."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    head = "\r\n".join([f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(body)}", "", ""])
    return (head + body).encode("latin-1")


class Origin:
    """A server of raw bytes: `answer` gives them for each request; a number in a list is a pause, None the end."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.down = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def count(self) -> int:
        return len(self.seen)

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        try:
            with link, link.makefile("rb") as file:
                while not self.down and self._one(link, file):
                    pass
        except OSError:
            pass

    def _one(self, link: socket.socket, file: Any) -> bool:
        line = file.readline().decode("latin-1").strip()
        if not line:
            return False
        method, target, _ = line.split(" ")
        headers = {}
        while text := file.readline().decode("latin-1").strip():
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        body = file.read(int(headers.get("content-length", 0)))
        if headers.get("transfer-encoding") == "chunked":
            while size := int(file.readline(), 16):
                body += file.read(size)
                file.readline()
            file.readline()
        self.seen.append((method, target, headers))
        answer = self.answer(self, method, target, headers, body)
        for part in answer if isinstance(answer, list) else [answer]:
            if part is None:
                return False
            if isinstance(part, float):
                time.sleep(part)
            else:
                link.sendall(part)
        return True

    def close(self) -> None:
        self.down = True
        self.listener.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """`start(answer, ttl="10")`: a cache with these settings in front of an origin that answers so."""
    with ExitStack() as stack:

        def make(answer: Any, *, origin: Origin | None = None, **settings: str) -> Cache:
            if origin is None:
                origin = Origin(answer)
                stack.callback(origin.close)
            cache = Cache(origin, tmp_path, settings)
            stack.callback(cache.stop)
            return cache

        yield make


class Cache:
    """A cache-proxy in this process, on a port of its own."""

    def __init__(self, origin: Origin, folder: Path, settings: dict[str, str]) -> None:
        given = {"origin": f"http://127.0.0.1:{origin.port}", "disk": "none", "timeout": "5"} | settings
        flags = {f"cache_proxy.{name}": value for name, value in given.items()} | {"database": ":memory:"}
        self.origin = origin
        self.hub = hubs.Hub(Settings(flags, declared=[o for s in registry.SYSTEMS for o in s.settings]))
        row = [s for s in registry.SYSTEMS if s.name == "cache-proxy"]
        self.app: Any = web.build_app(row, self.hub, single=True, log_format="none")
        self.live = Live(self.app)
        self.url = f"http://127.0.0.1:{self.live.port}"
        self.http = httpx.Client(base_url=self.url, timeout=20)
        self.stopped = False

    @property
    def proxy(self) -> Any:
        """The cache itself."""
        from backendhub.systems.cache_proxy import running

        return running.proxy(self.hub)

    def get(self, path: str = "/", **fields: str) -> httpx.Response:
        """A GET; underscores in names stand for hyphens."""
        return self.http.get(path, headers={name.replace("_", "-"): value for name, value in fields.items()})

    def connect(self) -> socket.socket:
        """A raw connection."""
        link: socket.socket = self.live.connect()
        return link

    def settle(self) -> None:
        """Waits until nothing is being fetched."""
        for _ in range(500):
            if not self.proxy.flights._tasks:
                return
            time.sleep(0.01)
        raise AssertionError("something is still being fetched")

    def stop(self) -> None:
        if not self.stopped:
            self.stopped = True
            self.http.close()
            self.live.stop()
