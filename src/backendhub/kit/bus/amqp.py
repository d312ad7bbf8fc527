"""RabbitMQ: a topic exchange, and for each group a quorum queue for each partition. Publisher confirms, acknowledgements.

The routing key is `<partition>.<topic>`: another program binds a queue of its own with `*.order.paid`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from backendhub.kit.errors import MissingExtra

from .base import CLOSE_S, KEEP_S, PARTITIONS, TIMEOUT_S, Bus, BusLost, Message, Reader, Received, divided

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage

HEARTBEAT_S = 10
JOIN_S = 60.0
"""How long eight queues may take: each is a group of its own on the server's disks."""
PREFETCH = 200
"""What a reader may hold that it has not acknowledged: the bound of its memory."""
LOOK_EVERY = 20
"""After so many empty seconds a reader asks whether its queue is still there."""


class AmqpBus(Bus):
    """One connection; a channel to publish with, and one for each reader."""

    kind = "amqp"
    limit = 16 * 1024 * 1024

    def __init__(self, url: str) -> None:
        self._address, prefix = divided(url)
        super().__init__(url, prefix)
        try:
            import aio_pika  # noqa: F401
        except ImportError:
            raise MissingExtra("RabbitMQ", "bus") from None
        for name in ("aiormq", "aio_pika"):  # what they complain of is what we raise, and told once
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._exchange: AbstractExchange | None = None
        self._opening = asyncio.Lock()

    async def _open(self) -> AbstractExchange:
        """The exchange, over a connection that is up. A connection that broke is not mended behind anybody's back."""
        from aio_pika import ExchangeType, connect

        async with self._opening:
            connection, channel = self._connection, self._channel
            up = connection is not None and not connection.is_closed
            if up and channel is not None and not channel.is_closed and self._exchange is not None:
                return self._exchange
            await self.close()  # what is left of the last one
            self._connection = await connect(
                self._address,
                heartbeat=HEARTBEAT_S,
                timeout=TIMEOUT_S,
                client_properties={"connection_name": "backendhub"},
            )
            self._channel = await self._connection.channel(publisher_confirms=True)
            name = f"{self.prefix}.bus"
            self._exchange = await self._channel.declare_exchange(name, ExchangeType.TOPIC, durable=True)
            return self._exchange

    @asynccontextmanager
    async def _channel_for(self, seconds: float) -> AsyncIterator[AbstractChannel]:
        """A channel of its own, closed with what is done on it."""
        async with self.talking(seconds):
            await self._open()
            assert self._connection is not None
            channel = await self._connection.channel()
            try:
                yield channel
            finally:
                await self.end(channel)

    async def check(self) -> None:
        """See Bus."""
        async with self.talking():
            await self._open()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Sends all, and waits until the server has confirmed each."""
        from aio_pika import DeliveryMode
        from aio_pika import Message as Sent

        about: dict[str, Any] = {
            "content_type": "application/cloudevents+json",
            "delivery_mode": DeliveryMode.PERSISTENT,
        }
        async with self.talking(TIMEOUT_S + len(messages) / 100):
            exchange = await self._open()
            sent = [
                exchange.publish(
                    Sent(m.body, message_id=m.id, type=m.topic, **about),
                    f"{m.partition}.{m.topic}",
                    mandatory=False,  # an event that nobody has asked for is kept for nobody
                )
                for m in messages
            ]
            await asyncio.gather(*sent)

    async def join(self, group: str) -> list[str]:
        """Declares and binds the queues of a group."""
        async with self._channel_for(JOIN_S) as channel:
            assert self._exchange is not None
            for number in range(PARTITIONS):
                name = self.queue(group, number)
                queue = await channel.declare_queue(name, durable=True, arguments=self._arguments())
                await queue.bind(self._exchange, f"{number}.#")
        return [""] * PARTITIONS

    def queue(self, group: str, partition: int) -> str:
        """The name of a queue."""
        return f"{self.prefix}.bus.{group}.{partition}"

    def _arguments(self) -> dict[str, Any]:
        """Of a queue: on disk and on a majority of nodes, one reader at a time, gone when nobody has read for a week."""
        found: dict[str, Any] = {"x-queue-type": "quorum", "x-single-active-consumer": True}
        found["x-expires"] = KEEP_S * 1000
        transport = getattr(self._connection, "transport", None)
        told = getattr(getattr(transport, "connection", None), "server_properties", None) or {}
        version = told.get("version", b"3")
        major = (version.decode() if isinstance(version, bytes) else str(version)).partition(".")[0]
        if major.isdecimal() and int(major) >= 4:
            # 4.0 drops what came back twenty times; we have dead jobs for that.
            found["x-delivery-limit"] = -1
        return found

    async def read(self, group: str, partition: int, position: str) -> Reader:
        """See Bus."""
        async with self.talking():
            await self._open()
            assert self._connection is not None
            channel = await self._connection.channel()
            try:
                await channel.set_qos(prefetch_count=PREFETCH)
                reader = AmqpReader(self, channel, self.queue(group, partition))
                await reader.begin()
                return reader
            except BaseException:
                # Whoever is cancelled in here would leave a consumer behind that gets everything and reads nothing.
                await asyncio.shield(self.end(channel))
                raise

    async def leave(self, group: str) -> None:
        """Deletes the queues of a group."""
        async with self._channel_for(TIMEOUT_S * 2) as channel:
            for number in range(PARTITIONS):
                await channel.queue_delete(self.queue(group, number))

    async def end(self, channel: AbstractChannel) -> None:
        """Closes a channel, if the server is there to be told."""
        if not channel.is_closed:
            with contextlib.suppress(BusLost):
                async with self.talking(CLOSE_S):
                    await channel.close()

    async def close(self) -> None:
        """Ends the connection."""
        connection = self._connection
        self._connection = self._channel = self._exchange = None
        if connection is not None:
            with contextlib.suppress(BusLost):
                async with self.talking(CLOSE_S):
                    await connection.close()


class AmqpReader(Reader):
    """A consumer on a channel of its own: closing that gives back, in order, what is not acknowledged."""

    def __init__(self, bus: AmqpBus, channel: AbstractChannel, name: str) -> None:
        self._bus, self._channel, self._name = bus, channel, name
        self._waiting: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        self._last: AbstractIncomingMessage | None = None
        self._idle = 0

    async def begin(self) -> None:
        """Asks for messages."""
        queue = await self._channel.get_queue(self._name)
        await queue.consume(self._waiting.put)

    async def take(self, limit: int) -> list[Received]:
        """See Reader."""
        if self._channel.is_closed:
            raise BusLost(self._bus.shown, "the connection was closed")
        try:
            async with asyncio.timeout(1.0):
                taken = [await self._waiting.get()]
        except TimeoutError:
            self._idle += 1
            if self._idle % LOOK_EVERY == 0:
                await self._look()
            return []
        while len(taken) < limit and not self._waiting.empty():
            taken.append(self._waiting.get_nowait())
        self._last = taken[-1]
        return [Received("", m.body) for m in taken]

    async def _look(self) -> None:
        async with self._bus.talking():
            await self._channel.declare_queue(self._name, passive=True)

    async def done(self) -> None:
        """Acknowledges all that was taken."""
        if self._last is None:
            return
        async with self._bus.talking():
            await self._last.ack(multiple=True)
        self._last = None

    async def close(self) -> None:
        """See Reader."""
        await self._bus.end(self._channel)
