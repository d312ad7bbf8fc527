"""NATS JetStream: one stream of all partitions, read from a position that the reader's store keeps.

The subject is `<prefix>.bus.<partition>.<topic>`: another program subscribes to `backendhub.bus.*.order.paid`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backendhub.kit.errors import MissingExtra

from .base import (
    CLOSE_S,
    KEEP_S,
    PARTITIONS,
    TIMEOUT_S,
    Bus,
    BusLost,
    Message,
    Reader,
    Received,
    divided,
    missing,
)

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext
    from nats.js.api import StreamInfo

HEADERS = 16 * 1024
LOOK_EVERY = 10
"""After so many empty seconds a reader asks whether the server still knows it."""


class NatsBus(Bus):
    """One connection, that is made anew (and everything on it) when it has broken."""

    kind = "nats"
    limit = 1024 * 1024 - HEADERS
    """`max_payload` of the server, which says it when it is connected to, less the headers."""

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
        from nats.js.api import RetentionPolicy, StorageType, StreamConfig
        from nats.js.errors import NotFoundError

        async with self._opening:
            if self._client is not None and self._stream is not None and self._client.is_connected:
                return self._stream
            await self.close()  # what is left of the last one
            self._client = _client(tls=self._address.startswith("tls:"))
            await self._client.connect(
                self._address,
                name="backendhub",
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=3,
                error_cb=_quiet,
            )
            self.limit = self._client.max_payload - HEADERS
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
        async with self.talking():
            await self.open()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Sends all, and waits until the server has each on disk. It drops what it has got in the last two minutes."""
        async with self.talking(TIMEOUT_S + len(messages) / 100):
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

    async def join(self, group: str) -> list[str]:
        """A stream keeps what comes, whether anybody reads it: there is nothing to make but the stream."""
        async with self.talking():
            about = await (await self.open()).stream_info(self.name)
        return [f"{_born(about)} {about.state.last_seq}"] * PARTITIONS

    async def read(self, group: str, partition: int, position: str) -> Reader:
        """See Bus."""
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

        async with self.talking():
            stream = await self.open()
            about = await stream.stream_info(self.name)
            born, _, number = position.rpartition(" ")
            same = born == _born(about)
            after = int(number or 0) if same else 0
            if position and (not same or about.state.first_seq > after + 1):
                missing(self.shown, self.name, position)
            config = ConsumerConfig(
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=after + 1,
                ack_policy=AckPolicy.NONE,
                filter_subject=f"{self.prefix}.bus.{partition}.>",
                inactive_threshold=60,
            )
            made = await stream.pull_subscribe(config.filter_subject or "", stream=self.name, config=config)
            return NatsReader(self, made, _born(about))

    async def leave(self, group: str) -> None:
        """Nothing is kept for a group alone."""

    @property
    def up(self) -> bool:
        """Whether there is a connection."""
        return self._client is not None and self._client.is_connected

    async def close(self) -> None:
        """Ends the connection."""
        client, self._client, self._stream = self._client, None, None
        if client is not None:
            with contextlib.suppress(BusLost):
                async with self.talking(CLOSE_S):
                    await client.close()


class NatsReader(Reader):
    """A consumer that the server forgets with the connection."""

    def __init__(self, bus: NatsBus, made: JetStreamContext.PullSubscription, born: str) -> None:
        self._bus, self._made, self._born = bus, made, born
        self._idle = self._count = 0

    async def take(self, limit: int) -> list[Received]:
        """See Reader."""
        from nats.errors import TimeoutError as Nothing

        if not self._bus.up:
            raise BusLost(self._bus.shown, "the connection was closed")
        found: list[Any] = []
        async with self._bus.talking(TIMEOUT_S):
            with contextlib.suppress(Nothing, TimeoutError):
                found = await self._made.fetch(limit, timeout=1.0)
        if not found:
            self._idle += 1
            if self._idle % LOOK_EVERY == 0:
                await self._look()
            return []
        return [self._received(message) for message in found]

    def _received(self, message: Any) -> Received:
        """A message. The server numbers what it gives a consumer: one that is missing here the client has dropped
        (it does when it holds too many bytes), and it is not lost but read again."""
        place = message.metadata.sequence
        self._count += 1
        if place.consumer != self._count:
            raise BusLost(self._bus.shown, "the client has lost a message")
        return Received(f"{self._born} {place.stream}", message.data)

    async def _look(self) -> None:
        async with self._bus.talking():
            await self._made.consumer_info()

    async def done(self) -> None:
        """The position is the store's."""

    async def close(self) -> None:
        """See Reader."""
        with contextlib.suppress(BusLost):
            async with self._bus.talking(CLOSE_S):
                await self._made.unsubscribe()


def _born(about: StreamInfo) -> str:
    """Tells a stream from another of the same name, whose numbers begin anew."""
    return str(about.created)


def _client(*, tls: bool) -> Client:
    """A client. One for `tls://` speaks TLS or nothing: nats-py leaves it to the server, so that whoever stands between
    could have the password in the clear."""
    from nats.aio.client import Client
    from nats.errors import SecureConnRequiredError

    class Secure(Client):
        def _connect_command(self) -> bytes:
            if not self._server_info.get("tls_required"):
                raise SecureConnRequiredError
            return super()._connect_command()

    return Secure() if tls else Client()


async def _quiet(error: Any) -> None:
    """Errors of the connection are told by what is tried next."""
