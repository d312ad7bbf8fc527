"""A server of `broadcast` behind our own protocols, in a thread of this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import uvicorn
from websockets.sync.client import ClientConnection, connect

from backendhub import registry
from backendhub.kit import hub as hubs
from backendhub.kit import web
from backendhub.kit.settings import Settings
from backendhub.kit.web import server

SECRET = "a secret of the tests"


class Running:
    """One process's worth of server."""

    def __init__(self, database: str, **flags: str) -> None:
        declared = [o for s in registry.SYSTEMS for o in s.settings]
        self.hub = hubs.Hub(Settings({"database": database, **flags}, declared=declared))
        self.hub.use("broadcast")
        rows = [s for s in registry.SYSTEMS if s.name == "broadcast"]
        self.app: Any = web.build_app(rows, self.hub, single=True, log_format="none")
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.app,
            http=server.HttpProtocol,
            ws=server.SocketProtocol,
            log_config=None,
            lifespan="on",
            timeout_graceful_shutdown=5,
            **server.SETTINGS,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listener]})
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)
            assert self.thread.is_alive()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=10)

    def socket(self, path: str = "/", *protocols: Any, **query: Any) -> ClientConnection:
        """A WebSocket client."""
        url = f"ws://127.0.0.1:{self.port}{path}?{urlencode(query)}"
        return connect(url, compression=None, subprotocols=protocols or None, max_size=None, close_timeout=1)

    def stop(self) -> None:
        """Ends it as a signal would."""
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()
        self.http.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """`start(database, **settings)`: a running server."""
    with ExitStack() as stack:

        def run(database: str, **flags: str) -> Running:
            running = Running(database, **({"broadcast.secret": SECRET} | flags))
            stack.callback(lambda: running.thread.is_alive() and running.stop())
            return running

        yield run


@pytest.fixture
def running(start: Callable[..., Running], store_url: str) -> Running:
    """A server on each engine."""
    return start(store_url)


@pytest.fixture
def pair(start: Callable[..., Running], store_url: str, redis_url: str) -> tuple[Running, Running]:
    """Two servers with one store and one Redis."""
    return start(store_url, redis=redis_url), start(store_url, redis=redis_url)
