"""What a driver does by itself, what other programs read and write, and what is no event."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from backendhub_test_road import Road, some, taken, until

from backendhub.kit import clock, outbox
from backendhub.kit.bus import PARTITIONS, BusLost, Message, connect, intake, leases, partition
from backendhub.kit.bus import store as statements
from backendhub.kit.bus.cloudevents import decode
from backendhub.kit.errors import Invalid, Malformed


async def test_a_reader_that_is_gone_leaves_to_the_next_what_it_has_not_done(wire: str) -> None:
    bus = connect(wire)
    place = partition("k")
    position = (await bus.join("g"))[place]
    await bus.publish(some(0, 30))
    first = await bus.read("g", place, position)
    begun = await taken(first, 10)
    await first.done()
    await taken(first, 10)
    await first.close()
    second = await bus.read("g", place, begun[-1].position)
    assert [int(m.body) for m in begun + await taken(second, 20)] == list(range(30))
    await second.done()
    await second.close()
    await bus.close()


async def test_each_group_reads_all_that_came_after_it_has_joined(wire: str) -> None:
    bus = connect(wire)
    place = partition("k")
    await bus.publish(some(0, 3))
    positions = await bus.join("g")
    await bus.publish(some(3, 3))
    later = await bus.join("h")
    await bus.publish(some(6, 3))
    for group, position, wanted in (("g", positions[place], range(3, 9)), ("h", later[place], range(6, 9))):
        reader = await bus.read(group, place, position)
        assert [int(m.body) for m in await taken(reader, len(wanted))] == list(wanted)
        await reader.close()
    await bus.close()


async def test_an_address_where_nothing_answers(wire: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kind = wire.partition(":")[0]
    bus = connect(f"{kind}://127.0.0.1:{port}")
    for call in (bus.check(), bus.publish(some(0, 1)), bus.join("g"), bus.read("g", 0, "")):
        with pytest.raises(BusLost, match=f"The bus at {kind}://127.0.0.1:{port} does not answer"):
            await call
    await bus.close()


async def raw(url: str, prefix: str) -> Callable[[], Any]:
    """Begins to listen with a client of the broker's own, and gives what waits for a message."""
    if url.startswith("redis"):
        from backendhub.kit.redis import Redis

        redis = Redis(url)

        async def entry() -> bytes:
            for _ in range(500):
                for number in range(PARTITIONS):
                    for _, fields in await redis.acall("XRANGE", redis.key("bus", str(number)), "-", "+"):
                        return bytes(fields[fields.index(b"event") + 1])
                await asyncio.sleep(0.02)
            raise AssertionError("nothing came")

        return entry
    if url.startswith("nats"):
        import nats

        client = await nats.connect(url.partition("?")[0])
        subscription = await client.subscribe(f"{prefix}.bus.*.order.paid")

        async def message() -> bytes:
            found = await subscription.next_msg(10)
            await client.close()
            return found.data

        return message
    import aio_pika

    link = await aio_pika.connect(url.partition("?")[0])
    channel = await link.channel()
    exchange = await channel.declare_exchange(f"{prefix}.bus", "topic", durable=True)
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(exchange, "*.order.paid")

    async def delivery() -> bytes:
        async with queue.iterator(timeout=10) as messages:
            found = await anext(messages)
            await found.ack()
        assert found.content_type == "application/cloudevents+json" and found.delivery_mode == 2
        await link.close()
        return found.body

    return delivery


async def test_programs_that_nobody_here_wrote_read_cloudevents(bus_road: Road) -> None:
    road = bus_road
    assert road.url
    prefix = road.url.rpartition("=")[2]
    async with road.at_work(receivers=0):
        await until(lambda: road.here.read(lambda db: db.value(statements.SELF)))
        await asyncio.sleep(0.3)
        come = await raw(road.url, prefix)
        uid = road.here.unit(
            lambda db: outbox.publish(db, "order.paid", {"total": 9, "é": [None]}, key="o-1")
        )
        told = json.loads(await come())
    event = road.here.read(outbox.get, uid)
    assert told == {
        "specversion": "1.0",
        "id": uid,
        "source": intake.source(road.here.unit(leases.identity)),
        "type": "order.paid",
        "time": clock.iso(event.at),
        "subject": "o-1",
        "datacontenttype": "application/json",
        "data": {"total": 9, "é": [None]},
    }


async def test_events_of_other_programs_come_and_what_is_none_is_a_dead_job(bus_road: Road) -> None:
    road = bus_road
    about = {"specversion": "1.0", "id": "7", "source": "https://example.org/shop", "type": "order.paid"}
    good = json.dumps({**about, "subject": "o-1", "data": {"n": 70}}).encode()
    broken = [b"\xff\x00", b"[]", b'{"specversion": "0.3"}', json.dumps({**about, "id": 7}).encode()]
    async with road.at_work(senders=0):
        bus = connect(road.url or "")
        bodies = [*broken, good, good, json.dumps({**about, "source": "/other", "data": {"n": 71}}).encode()]
        await bus.publish([Message("order.paid", 0, f"m{n}", body) for n, body in enumerate(bodies)])
        await until(lambda: len(road.effects()) >= 2 and len(road.jobs("dead")) >= 4)
        await bus.close()
    assert set(road.effects()) == {("7", None, 71), ("7", "o-1", 70)} and len(road.effects()) == 2
    errors = Counter(job.error for job in road.jobs("dead"))
    assert all(job.name == "bus.receive" for job in road.jobs("dead"))
    assert errors == {
        "What came by the bus is no JSON.": 1,
        "What came by the bus is no CloudEvent 1.0.": 2,
        "A CloudEvent without `id` came by the bus.": 1,
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[" * 100_000,
        b'{"specversion":"1.0","id":"1","source":"/s","type":"a.b","data":NaN}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"a.b","data":"\\ud800"}',
        b'{"specversion":"1.0","id":"1\\u0000","source":"/s","type":"a.b"}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"a.b","subject":1}',
        b'{"specversion":"1.0","id":"1","source":"","type":"a.b"}',
    ],
    ids=range(8),
)
def test_what_is_no_cloudevent(body: bytes) -> None:
    with pytest.raises(Malformed):
        decode(body)


def test_addresses_that_are_none() -> None:
    for url in ("kafka://localhost", "nothing", "amqp://localhost?prefix=a b", "nats://localhost?prefix="):
        with pytest.raises(Invalid):
            connect(url)
