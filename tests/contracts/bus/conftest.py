"""The roads that events take: the store itself on both engines, Redis Streams, RabbitMQ and NATS JetStream."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

if "backendhub_test_road" not in sys.modules:  # tests are no package
    spec = importlib.util.spec_from_file_location("backendhub_test_road", Path(__file__).with_name("road.py"))
    assert spec is not None and spec.loader is not None
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])

from backendhub_test_road import BUSES, HANDLERS, STORES, NatsServer, Road, bus_url, swept


@pytest.fixture
def handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "t_handlers.py").write_text(HANDLERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("t_handlers", None)


def made_road(kind: str, request: pytest.FixtureRequest) -> Iterator[Road]:
    tmp_path: Path = request.getfixturevalue("tmp_path")
    request.getfixturevalue("handlers")
    if kind in ("sqlite", "postgres"):
        place = str(tmp_path / "one.db") if kind == "sqlite" else request.getfixturevalue("postgres_url")
        road = Road(None, place, place, tmp_path)
    else:
        road = Road(bus_url(kind, request), str(tmp_path / "here.db"), str(tmp_path / "there.db"), tmp_path)
    yield road
    for process in road.spawned:
        process.kill()
        process.wait()
    if road.url:
        asyncio.run(swept(road.url, road.groups()))
    road.here.close()
    road.there.close()


@pytest.fixture(params=[*STORES, *BUSES])
def road(request: pytest.FixtureRequest) -> Iterator[Road]:
    """Each road in turn."""
    yield from made_road(request.param, request)


@pytest.fixture(params=BUSES)
def bus_road(request: pytest.FixtureRequest) -> Iterator[Road]:
    """Each road that leaves the store."""
    yield from made_road(request.param, request)


@pytest.fixture(params=BUSES)
def wire(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a bus with nothing on it."""
    url = bus_url(request.param, request)
    yield url
    asyncio.run(swept(url, ["g", "h"]))


@pytest.fixture
def nats_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., NatsServer]]:
    """`nats_server("-c", file)`: a NATS of the test's own, running."""
    request.getfixturevalue("services").nats()
    if shutil.which("nats-server") is None:
        pytest.skip("there is no nats-server to start")
    with ExitStack() as stack:

        def start(*options: str) -> NatsServer:
            server = NatsServer(tmp_path, *options)
            server.start()
            stack.callback(server.stop)
            return server

        yield start
