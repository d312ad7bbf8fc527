"""What goes wrong between a driver and the client it uses, without a server where that is possible."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from backendhub_test_road import bus_url, swept, until

from backendhub.kit import outbox
from backendhub.kit.bus import PARTITIONS, Bus, BusLost, Message, Reader, Received, exchange
from backendhub.kit.bus import connect as connect_bus
from backendhub.kit.bus import store as statements
from backendhub.kit.hub import Hub
from backendhub.kit.jobs.declared import Modules
from backendhub.kit.jobs.worker import Worker
from backendhub.kit.outbox.relay import Relay
from backendhub.kit.settings import Settings


class Silent(Reader):
    """Reads nothing, ever."""

    async def take(self, limit: int) -> list[Received]:
        await asyncio.sleep(0.02)
        return []

    async def done(self) -> None: ...

    async def close(self) -> None: ...


class Memory(Bus):
    """A bus in a list. Its client cancels `cuts` calls of each kind, as those of NATS and RabbitMQ do when they are cut."""

    kind, limit = "memory", 10_000

    def __init__(self, cuts: int = 0) -> None:
        super().__init__("memory://", "test")
        self.sent: list[Message] = []
        self.cuts = {"publish": cuts, "join": cuts, "read": cuts}

    def _cut(self, call: str) -> None:
        self.cuts[call] -= 1
        if self.cuts[call] >= 0:
            raise asyncio.CancelledError

    async def check(self) -> None: ...

    async def publish(self, messages: Sequence[Message]) -> None:
        self._cut("publish")  # as a driver that lets it through
        self.sent += messages

    async def join(self, group: str) -> list[str]:
        async with self.talking():
            self._cut("join")
        return ["0"] * PARTITIONS

    async def read(self, group: str, partition: int, position: str) -> Reader:
        async with self.talking():
            self._cut("read")
        return Silent()

    async def leave(self, group: str) -> None: ...

    async def close(self) -> None: ...


async def test_calls_that_a_client_cancels_end_neither_the_sender_nor_the_readers_nor_the_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "BEAT_S", 0.05)
    monkeypatch.setattr(exchange, "FIRST_RETRY_S", 0.01)
    hub = Hub(Settings({"database": str(tmp_path / "a.db")}))
    hub.use("outbox", "jobs")
    bus = Memory(cuts=2)
    made = exchange.Exchange(hub, bus)
    work = asyncio.create_task(made.beside(Worker(hub, Modules({}), sources=[Relay()]).run()))
    await until(lambda: hub.store.read(lambda db: db.value(statements.SELF)))
    hub.store.unit(lambda db: outbox.publish(db, "order.paid", {}))
    await until(lambda: bus.sent and len(made.readers) == PARTITIONS)
    work.cancel()
    await asyncio.wait_for(asyncio.gather(work, return_exceptions=True), 5)
    hub.close()


async def test_a_cancellation_that_a_client_swallows_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "CANCEL_AGAIN_S", 0.02)

    async def deaf() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                heard.append(1)
                if len(heard) == 2:
                    raise

    heard: list[int] = []
    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await asyncio.wait_for(exchange._ended([task]), 5)
    assert task.cancelled() and len(heard) == 2


async def test_talking_tells_who_has_cancelled() -> None:
    bus = Memory()

    async def cut() -> None:
        async with bus.talking():
            raise asyncio.CancelledError

    async def waits() -> None:
        async with bus.talking():
            await asyncio.sleep(60)

    async def slow() -> None:
        async with bus.talking(0.01):
            await asyncio.sleep(60)

    with pytest.raises(BusLost, match="the connection was closed"):
        await cut()
    with pytest.raises(BusLost, match="TimeoutError"):
        await slow()
    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_message_that_the_client_of_nats_has_dropped_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from backendhub.kit.bus.nats import NatsBus, NatsReader

    def message(number: int) -> Any:
        return SimpleNamespace(
            data=b"", metadata=SimpleNamespace(sequence=SimpleNamespace(consumer=number, stream=number + 40))
        )

    batches = [[message(1), message(2)], [message(4)]]

    async def fetch(limit: int, timeout: float) -> list[Any]:
        return batches.pop(0)

    monkeypatch.setattr(NatsBus, "up", True)
    made: Any = SimpleNamespace(fetch=fetch)
    reader = NatsReader(NatsBus("nats://127.0.0.1:1"), made, "b")
    assert [m.position for m in await reader.take(10)] == ["b 41", "b 42"]
    with pytest.raises(BusLost, match="lost a message"):
        await reader.take(10)


@pytest.mark.rabbitmq
async def test_who_is_cancelled_while_it_begins_to_read_leaves_no_consumer_behind(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be the only active one of its queue, and nothing would read what it gets."""
    from backendhub.kit.bus.amqp import AmqpReader

    bus: Any = connect_bus(bus_url("amqp", request))
    await bus.join("g")
    whole: Callable[..., Any] = AmqpReader.begin
    begun = asyncio.Event()

    async def begin(self: AmqpReader) -> None:
        await whole(self)
        begun.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(AmqpReader, "begin", begin)
    task = asyncio.create_task(bus.read("g", 3, ""))
    await asyncio.wait_for(begun.wait(), 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    monkeypatch.undo()
    async with bus._channel_for(5) as channel:
        about = await channel.declare_queue(bus.queue("g", 3), passive=True)
        assert about.declaration_result.consumer_count == 0
    await bus.close()
    await swept(bus.url, ["g"])
