"""Delivery of events on every road: the store itself on both engines, Redis Streams, RabbitMQ and NATS JetStream.

Kafka is left out: there is no driver for it, because there is no server here to run this suite on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from backendhub.kit import clock, jobs, outbox
from backendhub.kit.bus import PARTITIONS, BusLost, Message, Received, connect, intake, leases, partition
from backendhub.kit.bus import store as statements
from backendhub.kit.bus.cloudevents import decode
from backendhub.kit.bus.exchange import Exchange
from backendhub.kit.db import Db, Store
from backendhub.kit.db import connect as open_store
from backendhub.kit.errors import Conflict, Invalid, Malformed
from backendhub.kit.hub import Hub
from backendhub.kit.jobs.declared import Modules
from backendhub.kit.jobs.worker import Worker
from backendhub.kit.outbox.relay import Relay
from backendhub.kit.settings import Settings

HANDLERS = """
import os, time
from backendhub.kit import jobs
from backendhub.kit.db import Db

@jobs.job("t.note", on=("order.*",), backoff=0.05)
def note(db: Db, event: dict) -> None:
    if db.value("SELECT 1 FROM t_hold"):
        raise jobs.Later(0.1)
    db.run("INSERT INTO t_effect (id, key, data) VALUES (:id, :key, :data)",
           id=event["id"], key=event["key"], data=event["data"]["n"])

@jobs.job("t.poison", on=("bad.*",), attempts=3, backoff=0.02)
def poison(db: Db, event: dict) -> None:
    if not db.value("SELECT 1 FROM t_cured"):
        raise ValueError("this event cannot be digested")
    db.run("INSERT INTO t_effect (id, key, data) VALUES (:id, 'cured', :data)", id=event["id"], data=event["data"]["n"])
"""
TABLES = (
    "CREATE TABLE t_effect (id TEXT, key TEXT, data BIGINT)",
    "CREATE TABLE t_hold (n BIGINT)",
    "CREATE TABLE t_cured (n BIGINT)",
)
WORKER = """
import asyncio, os, signal, sys
from backendhub.kit.bus import intake, sender
from backendhub.kit.bus.exchange import Exchange
from backendhub.kit.hub import Hub
from backendhub.kit.settings import Settings
from backendhub.kit.jobs.declared import Modules
from backendhub.kit.jobs.worker import Worker
from backendhub.kit.outbox.relay import Relay

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

if "die-before-mark" in sys.argv:
    sender.sent = die
if "die-before-ack" in sys.argv:
    whole = Exchange._take_in
    async def take_in(self, number, received):
        await whole(self, number, received)
        die()
    Exchange._take_in = take_in
hub = Hub(Settings({"database": sys.argv[1]}))
modules = Modules({"t": "t_handlers"} if sys.argv[3] == "handlers" else {})
worker = Worker(hub, modules, sources=[Relay()], lease=2.0)
from backendhub.kit.bus import connect
asyncio.run(Exchange(hub, connect(sys.argv[2]), lease=2.0).beside(worker.run()))
"""

STORES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
BUSES = [
    pytest.param("redis", marks=pytest.mark.redis),
    pytest.param("amqp", marks=pytest.mark.rabbitmq),
    pytest.param("nats", marks=pytest.mark.nats),
]


async def until(check: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "it does not come"
        await asyncio.sleep(0.02)
    return found


# -- the roads ---------------------------------------------------------------------------------------------------


def bus_url(kind: str, request: pytest.FixtureRequest) -> str:
    services = request.getfixturevalue("services")
    base = {"redis": services.redis, "amqp": services.rabbitmq, "nats": services.nats}[kind]()
    return f"{base}{'&' if '?' in base else '?'}prefix=test-{uuid4().hex[:12]}"


async def swept(url: str, groups: Sequence[str]) -> None:
    """Takes what a test has made off the server."""
    bus = connect(url)
    for group in groups:
        await bus.leave(group)
    if bus.kind == "redis":
        await bus.redis.acall("UNLINK", *(bus.stream(n) for n in range(PARTITIONS)))  # type: ignore[attr-defined]
    elif bus.kind == "nats":
        await (await bus.open()).delete_stream(bus.name)  # type: ignore[attr-defined]
    else:
        await (await bus._open()).delete()  # type: ignore[attr-defined]
    await bus.close()


class Road:
    """A store that events are published in, one where their handlers are, and what lies between."""

    def __init__(self, url: str | None, here: str, there: str, folder: Path) -> None:
        self.url, self.here_url, self.there_url, self.folder = url, here, there, folder
        self.here = self._store(here)
        self.there = self.here if there == here else self._store(there)
        self.there.unit(lambda db: [db.run(sql) for sql in TABLES])
        self.spawned: list[subprocess.Popen[bytes]] = []

    @staticmethod
    def _store(url: str) -> Store:
        store = open_store(url)
        store.use("outbox", "jobs")
        return store

    def publish(self, count: int, keys: int = 5, first: int = 0, topic: str = "order.paid") -> None:
        """Commits events, and takes one in ten back."""
        for n in range(first, first + count):
            with contextlib.suppress(Undone):
                self.here.unit(self._one, n, keys, topic)

    @staticmethod
    def _one(db: Db, n: int, keys: int, topic: str) -> None:
        outbox.publish(db, topic, {"n": n}, key=f"k{n % keys}")
        if n % 10 == 9:
            raise Undone

    @staticmethod
    def wanted(count: int) -> list[int]:
        return [n for n in range(count) if n % 10 != 9]

    def effects(self) -> list[tuple[str, str, int]]:
        return self.there.read(lambda db: db.fetch("SELECT id, key, data FROM t_effect", {}))

    def numbers(self) -> list[int]:
        return [n for _, _, n in self.effects()]

    def jobs(self, state: str) -> list[jobs.Job]:
        return self.there.read(jobs.find, state=state, limit=1000)

    def in_order(self) -> bool:
        by_key: dict[str, list[int]] = defaultdict(list)
        for _, key, n in self.effects():
            by_key[key].append(n)
        return all(found == sorted(found) for found in by_key.values())

    @asynccontextmanager
    async def at_work(
        self, *, senders: int = 1, receivers: int = 1, url: str = "", **options: Any
    ) -> AsyncIterator[list[Exchange]]:
        """Processes' worth of workers of both stores in this loop; where the stores are one, the receivers' alone."""
        url = url or self.url or ""
        made: list[tuple[Hub, asyncio.Task[None], Exchange | None]] = []
        places = [(self.here_url, {})] * (senders if self.url else 0)
        places += [(self.there_url, {"t": "t_handlers"})] * receivers
        for place, modules in places:
            hub = Hub(Settings({"database": place}))
            worker = Worker(
                hub, Modules({**modules, "bus": "backendhub.kit.bus.jobs"}), sources=[Relay()], lease=2.0
            )
            exchange = Exchange(hub, connect(url), **{"lease": 2.0, **options}) if url else None
            work = worker.run() if exchange is None else exchange.beside(worker.run())
            made.append((hub, asyncio.create_task(work), exchange))
        exchanges = [exchange for _, _, exchange in made if exchange is not None]
        if receivers:
            reading = [e for e in exchanges if e.hub.settings.database == self.there_url]
            await until(lambda: sum(len(e.readers) for e in reading) == (PARTITIONS if reading else 0))
        try:
            yield exchanges
        finally:
            for _, task, _ in made:
                task.cancel()
            await asyncio.gather(*(task for _, task, _ in made), return_exceptions=True)
            for hub, _, _ in made:
                hub.close()

    def spawn(self, place: str, *words: str) -> subprocess.Popen[bytes]:
        """A worker as a process: of the sender or of the receiver."""
        store = self.here_url if place == "sender" else self.there_url
        command = [
            sys.executable,
            "-c",
            WORKER,
            store,
            self.url or "",
            "none" if place == "sender" else "handlers",
        ]
        env = {**os.environ, "PYTHONPATH": str(self.folder)}
        self.spawned.append(subprocess.Popen([*command, *words], env=env))
        return self.spawned[-1]

    async def join(self) -> None:
        """Puts the receiver's store on the bus, from where on it misses nothing."""
        async with self.at_work(senders=0):
            pass

    def groups(self) -> list[str]:
        return [store.unit(leases.identity) for store in {id(s): s for s in (self.here, self.there)}.values()]


class Undone(Exception):
    """Takes a transaction back."""


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


class Cut:
    """A place between a client and its server where connections can be cut."""

    def __init__(self, url: str) -> None:
        from urllib.parse import urlsplit

        self.parts = urlsplit(url)
        self.pairs: list[asyncio.StreamWriter] = []
        self.cuts = 0

    async def __aenter__(self) -> Cut:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        host = f"{self.parts.username}:{self.parts.password}@" if self.parts.username else ""
        self.url = self.parts._replace(netloc=f"{host}127.0.0.1:{port}").geturl()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = self.parts.port or {"redis": 6379, "amqp": 5672, "nats": 4222}[self.parts.scheme]
        with contextlib.suppress(OSError):
            other_reader, other_writer = await asyncio.open_connection(self.parts.hostname, port)
            self.pairs += [writer, other_writer]
            await asyncio.gather(self._copy(reader, other_writer), self._copy(other_reader, writer))

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    def cut(self) -> None:
        self.cuts += len(self.pairs) // 2
        for writer in self.pairs:
            writer.transport.abort()
        self.pairs.clear()


# -- on every road -------------------------------------------------------------------------------------------------


async def test_what_is_committed_has_its_effect_once_and_each_key_in_its_order(road: Road) -> None:
    async with road.at_work():
        road.publish(100)
        await until(lambda: len(road.effects()) >= 90)
        await asyncio.sleep(0.1)
    assert sorted(road.numbers()) == road.wanted(100)
    assert road.in_order()


async def test_two_receivers_of_a_store_share_and_the_order_holds(road: Road) -> None:
    async with road.at_work(receivers=2) as exchanges:
        if road.url:
            shares = lambda: [len(e.readers) for e in exchanges if e.hub.settings.database == road.there_url]  # noqa: E731
            await until(lambda: shares() == [4, 4])
        road.publish(100, keys=16)
        await until(lambda: len(road.effects()) >= 90)
    assert sorted(road.numbers()) == road.wanted(100)
    assert road.in_order()


async def test_an_event_that_no_handler_can_digest_is_dead_until_somebody_retries_it(
    road: Road, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKENDHUB_DATABASE", road.there_url)
    async with road.at_work():
        road.publish(1, topic="bad.one")
        road.publish(3)
        await until(lambda: len(road.effects()) == 3 and road.jobs("dead"))  # it holds up nobody else
        dead = road.jobs("dead")[0]
        assert (dead.name, dead.attempts) == ("t.poison", 3)
        shown = await asyncio.to_thread(cli, "jobs", "dead", "--format", "json")
        assert json.loads(shown.out)[0]["error"] == "ValueError: this event cannot be digested"
        road.there.unit(lambda db: db.run("INSERT INTO t_cured (n) VALUES (1)"))
        assert (await asyncio.to_thread(cli, "jobs", "retry", "--dead")).code == 0
        await until(lambda: len(road.effects()) == 4)
    assert [key for _, key, _ in road.effects()].count("cured") == 1


# -- on every bus ------------------------------------------------------------------------------------------------


async def test_a_sender_killed_after_publishing_loses_nothing_and_doubles_no_effect(bus_road: Road) -> None:
    road = bus_road
    await road.join()
    killed = road.spawn("sender", "die-before-mark")
    await until(lambda: road.here.read(lambda db: db.value(statements.SELF)))
    road.publish(40)
    assert await asyncio.to_thread(killed.wait, 30) == -signal.SIGKILL
    assert road.here.read(lambda db: db.value(statements.COUNT_SENDING)) > 0  # sent, and not struck off
    async with road.at_work():
        await until(lambda: len(road.effects()) >= 36)
        await until(lambda: not road.here.read(lambda db: db.value(statements.COUNT_SENDING)))
        await asyncio.sleep(0.3)
    assert sorted(road.numbers()) == road.wanted(40)
    assert road.in_order()


async def test_a_receiver_killed_before_it_acknowledges_gets_it_again_and_does_it_once(
    bus_road: Road,
) -> None:
    road = bus_road
    await road.join()
    killed = road.spawn("receiver", "die-before-ack")
    async with road.at_work(receivers=0):
        road.publish(40)
        assert await asyncio.to_thread(killed.wait, 30) == -signal.SIGKILL
    async with road.at_work(senders=1):
        await until(lambda: len(road.effects()) >= 36)
        await asyncio.sleep(0.3)
    assert sorted(road.numbers()) == road.wanted(40)
    assert road.in_order()


async def test_connections_that_are_cut_again_and_again(bus_road: Road) -> None:
    road = bus_road
    assert road.url
    async with Cut(road.url) as middle, road.at_work(url=middle.url):
        for round in range(4):
            road.publish(30, first=round * 30)
            await until(lambda: len(road.effects()) > round * 27)  # noqa: B023
            middle.cut()
        await until(lambda: len(road.effects()) >= 108)
        assert middle.cuts >= 4
    assert sorted(road.numbers()) == road.wanted(120)
    assert road.in_order()


async def test_two_stores_get_every_event_each(bus_road: Road, tmp_path: Path) -> None:
    other = Road(bus_road.url, bus_road.here_url, str(tmp_path / "other.db"), tmp_path)
    async with other.at_work(senders=0), bus_road.at_work():
        bus_road.publish(20)
        await until(lambda: len(bus_road.effects()) >= 18 and len(other.effects()) >= 18)
    assert sorted(bus_road.numbers()) == sorted(other.numbers()) == Road.wanted(20)
    bus = connect(other.url or "")
    await bus.leave(other.there.unit(leases.identity))
    await bus.close()
    other.here.close()
    other.there.close()


async def test_what_does_not_fit_into_the_store_stays_with_the_bus(bus_road: Road) -> None:
    road = bus_road

    def waiting() -> int:
        return road.there.read(lambda db: db.value(statements.BACKLOG, limit=1000))

    road.there.unit(lambda db: db.run("INSERT INTO t_hold (n) VALUES (1)"))
    async with road.at_work(backlog=30) as exchanges:
        road.publish(100)
        await until(lambda: waiting() >= 30)
        await until(lambda: not exchanges[-1]._room.is_set())
        road.publish(200, first=100)
        await until(lambda: not road.here.read(lambda db: db.value(statements.COUNT_SENDING)))
        await asyncio.sleep(1.5)  # longer than a reader waits for a message
        assert waiting() <= 90
        road.there.unit(lambda db: db.run("DELETE FROM t_hold"))
        await until(lambda: len(road.effects()) >= 270)
    assert sorted(road.numbers()) == road.wanted(300)
    assert road.in_order()


async def test_an_event_too_large_for_the_bus_is_a_dead_job_and_holds_up_nobody(
    bus_road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    road = bus_road
    monkeypatch.setattr(type(connect(road.url or "")), "limit", 2000)
    async with road.at_work():
        road.here.unit(lambda db: outbox.publish(db, "order.paid", {"n": 1, "fill": "x" * 3000}, key="k"))
        road.here.unit(lambda db: outbox.publish(db, "order.paid", {"n": 2}, key="k"))
        await until(lambda: road.numbers() == [2])
        dead = await until(lambda: road.here.read(jobs.find, state="dead"))
        assert dead[0].name == "bus.send" and "too large" in dead[0].error


# -- the wire ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=BUSES)
def wire(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a bus with nothing on it."""
    url = bus_url(request.param, request)
    yield url
    asyncio.run(swept(url, ["g", "h"]))


def some(first: int, count: int, key: str = "k") -> list[Message]:
    return [Message("t.made", partition(key), f"{key}{n}", b"%d" % n) for n in range(first, first + count)]


async def taken(reader: Any, count: int) -> list[Any]:
    found: list[Any] = []
    while len(found) < count:
        found += await asyncio.wait_for(reader.take(count - len(found)), 10)
    return found


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


# -- servers that are started anew -----------------------------------------------------------------------------------


class NatsServer:
    """A NATS of a test's own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"nats://127.0.0.1:{self.port}"
        self.command = [
            "nats-server",
            "-a",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-js",
            "-sd",
            str(folder / "nats"),
        ]

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            time.sleep(0.02)
        raise AssertionError("nats-server does not start")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.mark.parametrize("kind", [BUSES[0], BUSES[2]])
async def test_a_server_that_is_killed_and_comes_back(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, handlers: None
) -> None:
    """RabbitMQ is not among them: it is too heavy to start one here. Its connections are cut above."""
    if kind == "redis":
        server: Any = request.getfixturevalue("redis_server")(
            "--appendonly", "yes", "--appendfsync", "always"
        )
    else:
        request.getfixturevalue("services").nats()
        if shutil.which("nats-server") is None:
            pytest.skip("there is no nats-server to start")
        server = NatsServer(tmp_path)
        server.start()
    road = Road(server.url, str(tmp_path / "here.db"), str(tmp_path / "there.db"), tmp_path)
    try:
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
    finally:
        server.stop()
        road.here.close()
        road.there.close()


# -- leases, in the store --------------------------------------------------------------------------------------------


@pytest.fixture
def held(store: Store, frozen: Callable[[str], None]) -> Store:
    store.use("outbox", "jobs")
    store.unit(leases.prepare, "x", ["0"] * PARTITIONS)
    return store


def test_processes_share_the_partitions(held: Store, frozen: Callable[[str], None]) -> None:
    def beat(name: str) -> leases.Share:
        share = held.unit(leases.beat, "x", name)
        for number in share.surplus:
            held.unit(leases.release, "x", name, number)
        return share

    first = beat("a")
    assert len(first.reads) == PARTITIONS and first.sends and first.surplus == []
    assert beat("b").reads == {}
    assert beat("a").surplus == [4, 5, 6, 7]
    assert sorted(beat("b").reads) == [4, 5, 6, 7]
    assert sorted(beat("a").reads) == [0, 1, 2, 3]
    frozen("2026-01-05T09:00:09Z")
    beat("b")
    frozen("2026-01-05T09:00:11Z")  # a is lost
    assert len(beat("b").reads) == PARTITIONS and beat("b").sends
    held.unit(leases.resign, "b")
    assert len(beat("c").reads) == PARTITIONS


def test_who_has_lost_a_partition_changes_nothing_any_more(
    held: Store, frozen: Callable[[str], None]
) -> None:
    held.unit(
        lambda db: db.run(
            "INSERT INTO jobs_kind (name, system, attempts, topics) VALUES ('t.n', 't', 1, '[\"*\"]')"
        )
    )
    event = b'{"specversion":"1.0","id":"1","source":"/s","type":"a.b","subject":"k","data":1}'
    held.unit(leases.beat, "x", "a")
    frozen("2026-01-05T09:00:11Z")
    held.unit(leases.beat, "x", "b")
    with pytest.raises(intake.Taken):
        held.unit(intake.take, ("x", "a", 3), "me", [Received("5", event)])
    assert held.read(jobs.find) == []
    assert held.unit(intake.take, ("x", "b", 3), "me", [Received("6", event)]) == 1
    assert held.unit(intake.take, ("x", "b", 3), "me", [Received("7", event)]) == 0  # it came again
    assert [job.serial for job in held.read(jobs.find)] == ["t.n:k"]
    assert held.unit(leases.beat, "x", "b").reads[3] == "7"


def test_only_a_store_on_a_bus_notes_what_is_to_be_sent(store: Store) -> None:
    store.use("outbox", "jobs")
    count = lambda: store.read(lambda db: db.value(statements.COUNT_SENDING))  # noqa: E731
    store.unit(lambda db: outbox.publish(db, "a.b", 1))
    store.unit(Relay().pump)
    assert count() == 0
    assert store.unit(leases.identity) == store.unit(leases.identity)
    store.unit(lambda db: outbox.publish(db, "a.b", 2))
    store.unit(Relay().pump)
    assert count() == 1


def test_statements_on_both_engines(store: Store) -> None:
    from backendhub.kit.bus import sender, status

    store.use("outbox", "jobs")
    bus = connect("redis://127.0.0.1:1")
    id = store.unit(leases.identity)
    store.unit(leases.prepare, "redis", ["0"] * PARTITIONS)
    for n in range(4):
        store.unit(lambda db, n: outbox.publish(db, "a.b", n, key=f"k{n % 2}"), n)
    store.unit(lambda db: outbox.publish(db, "a." + "b" * 300, 5))
    store.unit(Relay().pump)
    found = store.read(sender.batch, bus, id)
    assert found is not None
    assert [[json.loads(m.body)["data"] for m in wave] for wave in found.waves] == [[0, 1], [2, 3]]
    assert len(found.refused) == 1
    store.unit(lambda db: db.run(statements.SEND_AGAIN, event=found.ids[0]))  # it waits already
    assert store.read(status.of).to_send == 5
    with pytest.raises(Conflict, match="5 events wait"):
        store.unit(status.leave)
    store.unit(sender.sent, found)
    assert store.read(sender.batch, bus, id) is None
    assert [job.name for job in store.read(jobs.find)] == ["bus.send"]
    assert store.read(status.of)[:3] == (intake.source(id), 0, 0)
    assert store.unit(status.leave) == 0
    assert store.read(status.of) == (None, 0, 0, [])
