"""NATS JetStream: one stream of all partitions, read from a position that the reader's store keeps.

The subject is `<prefix>.bus.<partition>.<topic>`: another program subscribes to `backendhub.bus.*.order.paid`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backendhub.kit.errors import MissingExtra

from .base import KEEP_S, PARTITIONS, TIMEOUT_S, Bus, BusLost, Message, Reader, Received, divided, missing

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext
    from nats.js.api import StreamInfo

LOOK_EVERY = 10
"""After so many empty seconds a reader asks whether the server still knows it."""


class NatsBus(Bus):
    """One connection, that is made anew (and everything on it) when it has broken."""

    kind = "nats"
    limit = 1024 * 1024 - 16 * 1024
    """`max_payload` of a server that says nothing else, less the headers."""

    def __init__(self, url: str) -> None:
        self._address, prefix = divided(url)
        super().__init__(url, prefix)
        try:
            import nats  # noqa: F401
        except ImportError:
            raise MissingExtra("NATS", "bus") from None
        self.name = f"{prefix}_bus"
        self._client: Client | None = None
        self._stream: JetStreamContext | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> JetStreamContext:
        """The stream, over a connection that is up."""
        import nats
        from nats.js.api import RetentionPolicy, StorageType, StreamConfig
        from nats.js.errors import NotFoundError

        async with self._opening:
            if self._client is not None and self._stream is not None:
                if self._client.is_connected:
                    return self._stream
                await self.close()
            self._client = await nats.connect(
                self._address,
                name="backendhub",
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=3,
                error_cb=_quiet,
            )
            stream = self._client.jetstream(timeout=TIMEOUT_S)
            try:
                await stream.stream_info(self.name)
            except NotFoundError:
                await stream.add_stream(
                    StreamConfig(
                        name=self.name,
                        subjects=[f"{self.prefix}.bus.>"],
                        retention=RetentionPolicy.LIMITS,
                        storage=StorageType.FILE,
                        max_age=KEEP_S,
                        duplicate_window=120,
                    )
                )
            self._stream = stream
            return stream

    async def check(self) -> None:
        """See Bus."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self.open()
        except Exception as error:
            raise self.lost(error) from error

    async def publish(self, messages: Sequence[Message]) -> None:
        """Sends all, and waits until the server has each on disk. It drops what it has got in the last two minutes."""
        try:
            async with asyncio.timeout(TIMEOUT_S + len(messages) / 100):
                stream = await self.open()
                sent = [
                    stream.publish(
                        f"{self.prefix}.bus.{m.partition}.{m.topic}",
                        m.body,
                        stream=self.name,
                        headers={"Nats-Msg-Id": m.id, "Content-Type": "application/cloudevents+json"},
                    )
                    for m in messages
                ]
                await asyncio.gather(*sent)
        except Exception as error:
            raise self.lost(error) from error

    async def join(self, group: str) -> list[str]:
        """A stream keeps what comes, whether anybody reads it: there is nothing to make but the stream."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                about = await (await self.open()).stream_info(self.name)
        except Exception as error:
            raise self.lost(error) from error
        return [f"{_born(about)} {about.state.last_seq}"] * PARTITIONS

    async def read(self, group: str, partition: int, position: str) -> Reader:
        """See Bus."""
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

        try:
            async with asyncio.timeout(TIMEOUT_S):
                stream = await self.open()
                about = await stream.stream_info(self.name)
                born, _, number = position.rpartition(" ")
                after = int(number or 0) if born == _born(about) else 0
                if after and about.state.first_seq > after + 1:
                    missing(self.shown, self.name, position)
                config = ConsumerConfig(
                    deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                    opt_start_seq=after + 1,
                    ack_policy=AckPolicy.NONE,
                    filter_subject=f"{self.prefix}.bus.{partition}.>",
                    inactive_threshold=60,
                )
                made = await stream.pull_subscribe(
                    config.filter_subject or "", stream=self.name, config=config
                )
                return NatsReader(self, made, _born(about))
        except Exception as error:
            raise self.lost(error) from error

    async def leave(self, group: str) -> None:
        """Nothing is kept for a group alone."""

    def lost(self, error: Exception) -> BusLost:
        """What has happened, as one kind of error."""
        return error if isinstance(error, BusLost) else BusLost(self.shown, error)

    @property
    def up(self) -> bool:
        """Whether there is a connection."""
        return self._client is not None and self._client.is_connected

    async def close(self) -> None:
        """Ends the connection."""
        client, self._client, self._stream = self._client, None, None
        if client is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(TIMEOUT_S):
                    await client.close()


class NatsReader(Reader):
    """A consumer that the server forgets with the connection."""

    def __init__(self, bus: NatsBus, made: JetStreamContext.PullSubscription, born: str) -> None:
        self._bus, self._made, self._born = bus, made, born
        self._idle = 0

    async def take(self, limit: int) -> list[Received]:
        """See Reader."""
        from nats.errors import TimeoutError as Nothing

        if not self._bus.up:
            raise BusLost(self._bus.shown, "the connection was closed")
        try:
            found = await self._made.fetch(limit, timeout=1.0)
        except (Nothing, TimeoutError):
            self._idle += 1
            if self._idle % LOOK_EVERY == 0:
                await self._look()
            return []
        except Exception as error:
            raise self._bus.lost(error) from error
        return [Received(f"{self._born} {m.metadata.sequence.stream}", m.data) for m in found]

    async def _look(self) -> None:
        try:
            await self._made.consumer_info()
        except Exception as error:
            raise self._bus.lost(error) from error

    async def done(self) -> None:
        """The position is the store's."""

    async def close(self) -> None:
        """See Reader."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(TIMEOUT_S):
                await self._made.unsubscribe()


def _born(about: StreamInfo) -> str:
    """Tells a stream from another of the same name, whose numbers begin anew."""
    return str(about.created)


async def _quiet(error: Any) -> None:
    """Errors of the connection are told by what is tried next."""
