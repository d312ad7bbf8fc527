"""An application behind our server's own protocols, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import httpx
import uvicorn

from backendhub import registry
from backendhub.kit import hub as hubs
from backendhub.kit import web
from backendhub.kit.settings import Settings
from backendhub.kit.web import server


class Live:
    """A running server."""

    def __init__(self, app: Any) -> None:
        self.app = app
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            self._noting,
            interface="asgi3",
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
        self.http = httpx.Client(base_url=self.url, timeout=10)

    async def _noting(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            self.loop = asyncio.get_running_loop()
        await self.app(scope, receive, send)

    def connect(self) -> socket.socket:
        """A raw connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, path: str, *lines: str, method: str = "GET") -> socket.socket:
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
        self.http.close()


class System(Live):
    """A process's worth of one system, with a hub of its own."""

    def __init__(self, name: str, database: str, **flags: str) -> None:
        declared = [o for s in registry.SYSTEMS for o in s.settings]
        self.hub = hubs.Hub(Settings({"database": database, **flags}, declared=declared))
        self.hub.use(name)
        rows = [s for s in registry.SYSTEMS if s.name == name]
        super().__init__(web.build_app(rows, self.hub, single=True, log_format="none"))
