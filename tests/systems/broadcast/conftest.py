"""A server of `broadcast` behind our own protocols, in a thread of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.serving import System
from websockets.sync.client import ClientConnection

SECRET = "a secret of the tests"


class Running(System):
    """One process's worth of server."""

    def __init__(self, database: str, **flags: str) -> None:
        super().__init__("broadcast", database, **flags)

    def socket(self, path: str = "/", *protocols: Any, **query: Any) -> ClientConnection:
        """A WebSocket client."""
        found: ClientConnection = self.websocket(
            f"{path}?{urlencode(query)}", subprotocols=protocols or None, max_size=None, close_timeout=1
        )
        return found


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
