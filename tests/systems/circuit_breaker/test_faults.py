"""Faults on real connections: an echo server behind a proxy, each toxic by what it does to bytes and time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from backendhub.kit.errors import Conflict, HubError, Malformed, NotFound
from backendhub.systems.circuit_breaker.faults.proxies import Proxies, Proxy, address
from backendhub.systems.circuit_breaker.faults.toxics import KINDS, Slicer

BIG = bytes(range(256)) * 400


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def proxied(serve: Callable[..., Any] = echo) -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxies = Proxies()
    yield await proxies.create({"name": "p", "upstream": f"127.0.0.1:{port}"})
    proxies.close()
    server.close()
    await asyncio.sleep(0)


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*address(proxy.listen))
    yield reader, writer
    writer.close()


async def talk(proxy: Proxy, data: bytes) -> tuple[bytes, float]:
    """What comes back of what is sent, to the end, and how long that takes."""
    async with connected(proxy) as (reader, writer):
        began = time.monotonic()
        writer.write(data)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(-1), 10), time.monotonic() - began


async def test_without_toxics_everything_arrives_and_half_a_close_is_no_close() -> None:
    async with proxied() as proxy:
        assert (await talk(proxy, BIG))[0] == BIG
        assert not proxy.connections
        found = await asyncio.gather(*(talk(proxy, BIG[n:]) for n in range(8)))
        assert [data for data, _ in found] == [BIG[n:] for n in range(8)]


async def test_latency_is_late_and_not_narrow() -> None:
    async with proxied() as proxy:
        proxy.add({"type": "latency", "attributes": {"latency": 150}})
        data, seconds = await talk(proxy, BIG)
        assert data == BIG and 0.15 <= seconds < 1
        proxy.add({"type": "latency", "stream": "upstream", "attributes": {"latency": 100, "jitter": 20}})
        assert 0.22 <= (await talk(proxy, b"x"))[1] < 1


async def test_bandwidth() -> None:
    async with proxied() as proxy:
        proxy.add({"type": "bandwidth", "attributes": {"rate": 200}})
        data, seconds = await talk(proxy, BIG)  # 102 KB
        assert data == BIG and 0.45 <= seconds < 2


async def test_slicer() -> None:
    async with proxied() as proxy:
        proxy.add(
            {"type": "slicer", "attributes": {"average_size": 5000, "size_variation": 500, "delay": 100}}
        )
        assert (await talk(proxy, BIG))[0] == BIG
    pieces = Slicer(100, 50)._pieces(0, 10_000)
    assert pieces[0][0] == 0 and pieces[-1][1] == 10_000
    assert all(a[1] == b[0] for a, b in pairwise(pieces))
    assert (
        all(50 <= end - start <= 150 for start, end in pieces[:-1]) and len({e - s for s, e in pieces}) > 10
    )
    assert len(Slicer(0, 0)._pieces(0, 7)) == 7


async def test_limit_data_counts_over_the_connection() -> None:
    async with proxied() as proxy:
        proxy.add({"type": "limit_data", "attributes": {"bytes": 1000}})
        assert (await talk(proxy, BIG))[0] == BIG[:1000]
        async with connected(proxy) as (reader, writer):
            writer.write(b"a" * 600)
            assert await reader.readexactly(600) == b"a" * 600
            writer.write(b"b" * 600)
            assert await asyncio.wait_for(reader.read(-1), 5) == b"b" * 400


async def test_slow_close() -> None:
    async with proxied() as proxy:
        proxy.add({"type": "slow_close", "attributes": {"delay": 200}})
        data, seconds = await talk(proxy, b"x")
        assert data == b"x" and 0.2 <= seconds < 1


async def test_timeout_swallows_and_closes() -> None:
    async with proxied() as proxy:
        toxic = proxy.add({"type": "timeout", "attributes": {"timeout": 150}})
        async with connected(proxy) as (reader, writer):
            writer.write(b"x")
            began = time.monotonic()
            assert await asyncio.wait_for(reader.read(-1), 5) == b"" and time.monotonic() - began >= 0.14
        proxy.update(toxic.name, {"attributes": {"timeout": 0}})
        async with connected(proxy) as (reader, writer):
            writer.write(b"x")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.3)
            proxy.remove(toxic.name)  # what was silent so long is closed
            assert await asyncio.wait_for(reader.read(-1), 5) == b""
        assert (await talk(proxy, b"again"))[0] == b"again"


async def test_reset_peer() -> None:
    async with proxied() as proxy:
        proxy.add({"type": "reset_peer", "attributes": {"timeout": 50}})
        async with connected(proxy) as (reader, writer):
            writer.write(b"x")
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(-1), 5)


async def test_down_drops_everybody_and_listens_no_more() -> None:
    async with proxied() as proxy:
        async with connected(proxy) as (reader, writer):
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            proxy.stop()
            assert await asyncio.wait_for(reader.read(-1), 5) == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address(proxy.listen))
        await proxy.start()
        assert (await talk(proxy, b"y"))[0] == b"y"


async def test_toxics_come_and_go_under_traffic_and_nothing_is_lost() -> None:
    async with proxied() as proxy, connected(proxy) as (reader, writer):
        received = bytearray()

        async def read() -> None:
            while len(received) < 40 * len(BIG):
                received.extend(await reader.read(65_536))

        reading = asyncio.create_task(read())
        for n in range(40):
            writer.write(BIG)
            await asyncio.sleep(0.002)
            if n % 4 == 0:
                proxy.add({"type": "latency", "name": "l", "attributes": {"latency": 5}})
                proxy.add(
                    {"type": "slicer", "name": "s", "attributes": {"average_size": 20_000, "delay": 10}}
                )
            if n % 4 == 1:
                proxy.update("l", {"attributes": {"latency": 1}, "toxicity": 0.5})
                proxy.add({"type": "bandwidth", "name": "b", "attributes": {"rate": 50_000}})
            if n % 4 == 2:
                proxy.remove("s")
            if n % 4 == 3:
                proxy.clear()
        await asyncio.wait_for(reading, 20)
        assert bytes(received) == BIG * 40


async def test_a_slow_line_keeps_its_sender_waiting() -> None:
    async with proxied() as proxy:
        proxy.add({"type": "bandwidth", "stream": "upstream", "attributes": {"rate": 1}})
        async with connected(proxy) as (_, writer):
            writer.transport.set_write_buffer_limits(0)
            writer.write(b"x" * 50_000_000)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(writer.drain(), 0.5)
            (link,) = [x for c in proxy.connections for x in c.links if x.direction == "upstream"]
            assert link._weight() <= 128 * 1024


async def test_toxicity_is_the_part_of_connections_that_meet_it() -> None:
    async with proxied() as proxy:
        proxy.add({"type": "limit_data", "attributes": {"bytes": 0}, "toxicity": 0.5})
        found = [(await talk(proxy, b"x"))[0] for _ in range(60)]
        assert 10 <= found.count(b"x") <= 50
        proxy.update("limit_data_downstream", {"toxicity": 0})
        assert (await talk(proxy, b"x"))[0] == b"x"


async def test_an_upstream_that_is_not_there() -> None:
    async with proxied() as proxy:
        proxy.upstream = "127.0.0.1:1"
        assert (await talk(proxy, b"x"))[0] == b""


async def test_mistakes() -> None:
    async with proxied() as proxy:
        for given, error in (
            ({"type": "magic"}, Malformed),
            ({"type": "latency", "stream": "sideways"}, Malformed),
            ({"type": "latency", "attributes": {"latency": "much"}}, Malformed),
            ({"type": "latency", "attributes": []}, Malformed),
            ({"type": "latency", "toxicity": "x"}, Malformed),
        ):
            with pytest.raises(error):
                proxy.add(given)
        assert proxy.all() == []
        placed = proxy.add({"type": "latency", "attributes": {"latency": 5, "unknown": 7}})
        assert placed.shown() == {
            "attributes": {"latency": 5, "jitter": 0}, "name": "latency_downstream", "type": "latency",
            "stream": "downstream", "toxicity": 1.0,
        }  # fmt: skip
        with pytest.raises(Conflict):
            proxy.add({"type": "latency"})
        with pytest.raises(NotFound):
            proxy.remove("x")
        other = Proxies()
        with pytest.raises(HubError) as caught:
            await other.create({"name": "q", "listen": proxy.listen, "upstream": "127.0.0.1:1"})
        assert caught.value.status == 500 and other.known == {}
        for bad in (
            {},
            {"name": "a"},
            {"name": "a", "upstream": "x"},
            {"name": "a", "upstream": "h:1", "enabled": 1},
            [],
        ):
            with pytest.raises(Malformed):
                await other.create(bad)  # type: ignore[arg-type]
    assert set(KINDS) == {
        "latency",
        "bandwidth",
        "slow_close",
        "timeout",
        "slicer",
        "limit_data",
        "reset_peer",
    }


async def test_a_proxy_that_is_removed_while_it_starts_does_not_listen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxies = Proxies()
    proxy = await proxies.create({"name": "p", "upstream": "127.0.0.1:9", "enabled": False})
    servers: list[asyncio.Server] = []
    real = asyncio.start_server

    async def slowly(*args: Any) -> asyncio.Server:
        servers.append(await real(*args))
        proxies.remove("p")
        return servers[-1]

    monkeypatch.setattr(asyncio, "start_server", slowly)
    with pytest.raises(NotFound):
        await proxies.update("p", {"enabled": True})
    assert not proxy.enabled and not servers[0].is_serving() and not proxies.known


async def test_an_upstream_whose_name_is_none_ends_the_connection() -> None:
    proxies = Proxies()
    proxy = await proxies.create({"name": "p", "upstream": f"{'x' * 70}.example:80"})
    async with connected(proxy) as (reader, _), asyncio.timeout(5):
        assert await reader.read() == b""
    proxies.close()
