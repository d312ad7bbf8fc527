"""RabbitMQ: a topic exchange, and for each group a quorum queue for each partition. Publisher confirms, acknowledgements.

The routing key is `<partition>.<topic>`: another program binds a queue of its own with `*.order.paid`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backendhub.kit.errors import MissingExtra

from .base import KEEP_S, PARTITIONS, TIMEOUT_S, Bus, BusLost, Message, Reader, Received, divided

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage

HEARTBEAT_S = 10
CLOSE_S = 1.0
"""How long to say goodbye: over a connection that broke nobody answers."""
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
            if connection is not None and channel is not None and self._exchange is not None:
                if not connection.is_closed and not channel.is_closed:
                    return self._exchange
                await self.close()
            made = await connect(
                self._address,
                heartbeat=HEARTBEAT_S,
                timeout=TIMEOUT_S,
                client_properties={"connection_name": "backendhub"},
            )
            self._connection, self._channel = made, await made.channel(publisher_confirms=True)
            name = f"{self.prefix}.bus"
            self._exchange = await self._channel.declare_exchange(name, ExchangeType.TOPIC, durable=True)
            return self._exchange

    async def check(self) -> None:
        """See Bus."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._open()
        except Exception as error:
            raise self._lost(error) from error

    async def publish(self, messages: Sequence[Message]) -> None:
        """Sends all, and waits until the server has confirmed each."""
        from aio_pika import DeliveryMode
        from aio_pika import Message as Sent

        try:
            async with asyncio.timeout(TIMEOUT_S + len(messages) / 100):
                exchange = await self._open()
                about: dict[str, Any] = {
                    "content_type": "application/cloudevents+json",
                    "delivery_mode": DeliveryMode.PERSISTENT,
                }
                sent = [
                    exchange.publish(
                        Sent(m.body, message_id=m.id, type=m.topic, **about),
                        f"{m.partition}.{m.topic}",
                        mandatory=False,  # an event that nobody has asked for is kept for nobody
                    )
                    for m in messages
                ]
                await asyncio.gather(*sent)
        except Exception as error:
            raise self._lost(error) from error

    async def join(self, group: str) -> list[str]:
        """Declares and binds the queues of a group."""
        try:
            async with asyncio.timeout(60):
                exchange = await self._open()
                assert self._connection is not None
                channel = await self._connection.channel()
                for number in range(PARTITIONS):
                    queue = await channel.declare_queue(
                        self.queue(group, number), durable=True, arguments=self._arguments()
                    )
                    await queue.bind(exchange, f"{number}.#")
                await channel.close()
        except Exception as error:
            raise self._lost(error) from error
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
        if (version.decode() if isinstance(version, bytes) else str(version)).partition(".")[0] >= "4":
            found[
                "x-delivery-limit"
            ] = -1  # 4.0 drops what came back twenty times; we have dead jobs for that
        return found

    async def read(self, group: str, partition: int, position: str) -> Reader:
        """See Bus."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._open()
                assert self._connection is not None
                channel = await self._connection.channel()
                await channel.set_qos(prefetch_count=PREFETCH)
                reader = AmqpReader(self, channel, self.queue(group, partition))
                await reader.begin()
                return reader
        except Exception as error:
            raise self._lost(error) from error

    async def leave(self, group: str) -> None:
        """Deletes the queues of a group."""
        try:
            async with asyncio.timeout(TIMEOUT_S * 2):
                await self._open()
                assert self._connection is not None
                channel = await self._connection.channel()
                for number in range(PARTITIONS):
                    await channel.queue_delete(self.queue(group, number))
                await channel.close()
        except Exception as error:
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> BusLost:
        return error if isinstance(error, BusLost) else BusLost(self.shown, error)

    async def close(self) -> None:
        """Ends the connection."""
        connection = self._connection
        self._connection = self._channel = self._exchange = None
        if connection is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLOSE_S):
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
            taken = [await asyncio.wait_for(self._waiting.get(), 1.0)]
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
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._channel.declare_queue(self._name, passive=True)
        except Exception as error:
            raise BusLost(self._bus.shown, error) from error

    async def done(self) -> None:
        """Acknowledges all that was taken."""
        if self._last is None:
            return
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._last.ack(multiple=True)
        except Exception as error:
            raise BusLost(self._bus.shown, error) from error
        self._last = None

    async def close(self) -> None:
        """See Reader."""
        if self._channel.is_closed:
            return
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_S):
                await self._channel.close()
