"""Servers of a test's own: killed and back, with small limits, with TLS, and without what they had.

RabbitMQ is not among them: it is too heavy to start one here. Its connections are cut in test_delivery.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backendhub_test_road import BUSES, Road, some, taken, until

from backendhub.kit import outbox
from backendhub.kit.bus import BusLost, connect, partition
from backendhub.kit.bus import store as statements


@contextlib.contextmanager
def stores(url: str, folder: Path) -> Iterator[Road]:
    """A road over a server whose end takes all with it."""
    road = Road(url, str(folder / "here.db"), str(folder / "there.db"), folder)
    yield road
    road.here.close()
    road.there.close()


@pytest.mark.parametrize("kind", [BUSES[0], BUSES[2]])
async def test_a_server_that_is_killed_and_comes_back(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, handlers: None
) -> None:
    options = ("--appendonly", "yes", "--appendfsync", "always") if kind == "redis" else ()
    server: Any = request.getfixturevalue(f"{kind}_server")(*options)
    with stores(server.url, tmp_path) as road:
        async with road.at_work():
            road.publish(30)
            await until(lambda: len(road.effects()) >= 10)
            await asyncio.to_thread(server.stop)
            road.publish(30, first=30)  # committed, whether there is a bus or not
            await asyncio.to_thread(server.start)
            road.publish(30, first=60)
            await until(lambda: len(road.effects()) >= 81)
        assert sorted(road.numbers()) == road.wanted(90)
        assert road.in_order()


@pytest.mark.nats
async def test_a_nats_that_takes_less_than_others_is_asked_how_much(
    nats_server: Callable[..., Any], tmp_path: Path, handlers: None
) -> None:
    settings = tmp_path / "nats.conf"
    settings.write_text("max_payload: 65536")
    server = nats_server("-c", str(settings))
    with stores(server.url, tmp_path) as road:
        async with road.at_work():
            road.here.unit(
                lambda db: outbox.publish(db, "order.paid", {"n": 1, "fill": "x" * 60_000}, key="k")
            )
            road.here.unit(lambda db: outbox.publish(db, "order.paid", {"n": 2}, key="k"))
            await until(lambda: road.numbers() == [2])  # it is not stuck behind the first
            await until(lambda: not road.here.read(lambda db: db.value(statements.COUNT_SENDING)))


@pytest.mark.nats
async def test_tls_of_nats(
    nats_server: Callable[..., Any], own_certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = own_certificate
    plain, locked = nats_server(), nats_server("--tls", "--tlscert", str(certificate), "--tlskey", str(key))
    addresses = [server.url.replace("nats://", "tls://ada:s3cret@") for server in (plain, locked)]
    for address, reason in zip(addresses, ("secure connection required", "certificate"), strict=True):
        bus = connect(address)
        with pytest.raises(BusLost, match=reason):
            await bus.check()
        await bus.close()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    bus = connect(addresses[1])
    await bus.check()
    await bus.close()


@pytest.mark.parametrize("kind", [BUSES[0], BUSES[2]])
async def test_a_stream_that_was_deleted_is_read_from_its_new_beginning_and_the_log_says_so(
    kind: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    server: Any = request.getfixturevalue(f"{kind}_server")()
    bus: Any = connect(server.url)
    place = partition("k")
    start = (await bus.join("g"))[place]
    await bus.publish(some(0, 3))
    reader = await bus.read("g", place, start)
    position = (await taken(reader, 3))[-1].position
    await reader.close()
    if kind == "redis":
        await bus.redis.acall("DEL", bus.stream(place))
        await bus.redis.acall(
            "XADD", bus.stream(place), "7-7", "event", "7"
        )  # a server whose clock went back
    else:
        await (await bus.open()).delete_stream(bus.name)
        await bus.close()
        await bus.publish(some(7, 1))
    with caplog.at_level(logging.ERROR):
        reader = await bus.read("g", place, position)
    assert [m.body for m in await taken(reader, 1)] == [b"7"]
    assert "events are missing" in caplog.text
    await reader.close()
    await bus.close()
