"""A router that a test makes, served in this process."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from tests.serving import Live

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
