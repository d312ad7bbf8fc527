"""A store that publishes, one that handles, and what lies between them: what the tests of this folder drive."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from backendhub.kit import jobs, outbox
from backendhub.kit.bus import PARTITIONS, Message, connect, leases, partition
from backendhub.kit.bus.exchange import Exchange
from backendhub.kit.db import Db, Store
from backendhub.kit.db import connect as open_store
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


def some(first: int, count: int, key: str = "k") -> list[Message]:
    return [Message("t.made", partition(key), f"{key}{n}", b"%d" % n) for n in range(first, first + count)]


async def taken(reader: Any, count: int) -> list[Any]:
    found: list[Any] = []
    while len(found) < count:
        found += await asyncio.wait_for(reader.take(count - len(found)), 10)
    return found


class NatsServer:
    """A NATS of a test's own."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"nats://127.0.0.1:{self.port}"
        self.command = ["nats-server", "-a", "127.0.0.1", "-p", str(self.port)]
        self.command += ["-js", "-sd", str(folder / "nats"), *options]

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
