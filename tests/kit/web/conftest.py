"""A router that a test makes, served in this process."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from backendhub.kit import hub as hubs
from backendhub.kit import web
from backendhub.kit.settings import Settings
from backendhub.kit.web import mounts


@pytest.fixture
def application(hub: hubs.Hub, monkeypatch: pytest.MonkeyPatch) -> Callable[..., web.Application]:
    """`application(router, single=False, …)`: the ASGI application of one system called `thing`."""

    def make(router: web.Router, *, single: bool = True, on: hubs.Hub | None = None, **options: Any) -> Any:
        row = SimpleNamespace(name="thing", package="thing", summary="Things")
        monkeypatch.setattr(mounts, "import_module", lambda name: SimpleNamespace(router=router))
        used = on or hub
        monkeypatch.setattr(used, "use", lambda *names: None)
        return web.build_app([row], used, single=single, **({"log_format": "none"} | options))

    return make


@pytest.fixture
def mount(application: Callable[..., web.Application]) -> Iterator[Callable[..., Any]]:
    """`mount(router, …)`: an HTTP client of that router."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient
    with ExitStack() as stack:

        def get(router: web.Router, **options: Any) -> TestClient:
            app: Any = application(router, **options)
            return stack.enter_context(TestClient(app, raise_server_exceptions=False))

        yield get


@pytest.fixture
def engine_hub(store_url: str) -> Iterator[hubs.Hub]:
    """A hub on each engine in turn."""
    made = hubs.Hub(Settings({"database": store_url}))
    yield made
    made.close()


class Live:
    """An application behind our server's own protocols, in a thread of this process."""

    def __init__(self, app: Any) -> None:
        import socket
        import threading
        import time

        import uvicorn

        from backendhub.kit.web import server

        self.app = app
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=server.HttpProtocol,
            ws=server.SocketProtocol,
            log_config=None,
            lifespan="on",
            timeout_graceful_shutdown=5,
            **server.SETTINGS,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]})
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)
            assert self.thread.is_alive()

    def connect(self) -> Any:
        """A raw connection."""
        import socket

        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, path: str, *lines: str, method: str = "GET") -> Any:
        """A connection that has sent a request without a body."""
        link = self.connect()
        head = [f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""]
        link.sendall("\r\n".join(head).encode())
        return link

    def websocket(self, path: str, **options: Any) -> Any:
        """A WebSocket client."""
        from websockets.sync.client import connect

        return connect(f"ws://127.0.0.1:{self.port}{path}", compression=None, **options)

    def stop(self) -> None:
        """Ends it as a signal would."""
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture
def live(application: Callable[..., web.Application]) -> Iterator[Callable[..., Live]]:
    """`live(router, …)`: a server on a free port."""
    made: list[Live] = []

    def start(router: web.Router, **options: Any) -> Live:
        made.append(Live(application(router, **options)))
        return made[-1]

    yield start
    for each in made:
        each.stop()
