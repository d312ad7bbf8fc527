"""Redis Streams: one stream for each partition, read from a position that the reader's store keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from backendhub.kit import clock
from backendhub.kit.redis import Redis, RedisFailed, RedisLost, why
from backendhub.kit.redis.link import Link

from .base import KEEP_S, PARTITIONS, Bus, BusLost, Message, Reader, Received, missing

NOTHING = "0-0"
"""The position before the first message."""
BLOCK_MS = 1000
"""Shorter than the link waits for an answer."""


class RedisBus(Bus):
    """Over the kit's own connection; each reader has one more, because it blocks."""

    kind = "redis"
    limit = 16 * 1024 * 1024

    def __init__(self, url: str) -> None:
        self.redis = Redis(url)
        super().__init__(url, self.redis.prefix)
        self.shown = self.redis.url
        self._links: list[Link] = []

    def stream(self, partition: int) -> str:
        """The key of a partition."""
        return self.redis.key("bus", str(partition))

    async def check(self) -> None:
        """See Bus."""
        try:
            await self.redis.acall("PING")
        except (RedisLost, RedisFailed) as error:
            raise BusLost(self.shown, why(error)) from error

    async def publish(self, messages: Sequence[Message]) -> None:
        """One pipeline. What is older than a week goes, a node of the stream at a time."""
        oldest = int((clock.wall().timestamp() - KEEP_S) * 1000)
        commands = [
            ("XADD", self.stream(m.partition), "MINID", "~", oldest, "*", "type", m.topic, "event", m.body)
            for m in messages
        ]
        try:
            await self.redis.acall_many(commands)
        except (RedisLost, RedisFailed) as error:
            raise BusLost(self.shown, why(error)) from error

    async def join(self, group: str) -> list[str]:
        """A stream keeps what comes, whether anybody reads it: there is nothing to make."""
        ends = [("XREVRANGE", self.stream(number), "+", "-", "COUNT", 1) for number in range(PARTITIONS)]
        try:
            found = await self.redis.acall_many(ends)
        except (RedisLost, RedisFailed) as error:
            raise BusLost(self.shown, why(error)) from error
        return [last[0][0].decode() if last else NOTHING for last in found]

    async def read(self, group: str, partition: int, position: str) -> Reader:
        """See Bus."""
        link = Link(self.redis.address)
        self._links.append(link)
        reader = RedisReader(self, link, self.stream(partition), position or NOTHING)
        await reader.look()
        return reader

    async def leave(self, group: str) -> None:
        """Nothing is kept for a group alone."""

    async def close(self) -> None:
        """Ends every connection."""
        for link in self._links:
            link.close()
        self._links.clear()
        self.redis.close()

    def end(self, link: Link) -> None:
        """Ends the connection of a reader."""
        link.close()
        if link in self._links:
            self._links.remove(link)


class RedisReader(Reader):
    """XREAD from the last position on."""

    def __init__(self, bus: RedisBus, link: Link, stream: str, position: str) -> None:
        self._bus, self._link, self._stream, self._position = bus, link, stream, position

    async def look(self) -> None:
        """Says so where what was to be read next is gone: who was away for longer than the bus keeps messages, or whose
        stream is another one now (it was deleted, or the server has lost it): that is read from its beginning."""
        if self._position == NOTHING:
            await self._call("PING")
            return
        try:
            about = await self._call("XINFO", "STREAM", self._stream)
        except BusLost as error:
            if "no such key" not in error.message:
                raise
            about = {}
        told = about if isinstance(about, dict) else dict(zip(about[::2], about[1::2], strict=True))
        read = _order(self._position)
        another = _order(told.get(b"last-generated-id", b"0-0").decode()) < read
        gone = told.get(b"max-deleted-entry-id", b"0-0").decode()  # Redis 7
        if another or _order(gone) > read:
            missing(self._bus.shown, self._stream, self._position)
        if another:
            self._position = NOTHING

    async def _call(self, *words: str | int) -> Any:
        try:
            return await self._link.call(*words)
        except (RedisLost, RedisFailed) as error:
            raise BusLost(self._bus.shown, why(error)) from error

    async def take(self, limit: int) -> list[Received]:
        """See Reader."""
        words = ("XREAD", "COUNT", limit, "BLOCK", BLOCK_MS, "STREAMS", self._stream, self._position)
        found = await self._call(*words)
        if not found:
            await asyncio.sleep(0)
            return []
        entries = found[self._stream.encode()] if isinstance(found, dict) else found[0][1]
        taken = [Received(id.decode(), _field(fields)) for id, fields in entries]
        self._position = taken[-1].position
        return taken

    async def done(self) -> None:
        """The position is the store's."""

    async def close(self) -> None:
        """See Reader."""
        self._bus.end(self._link)


def _field(fields: Sequence[bytes] | None) -> bytes:
    """The event among the fields of an entry; one that others have put in may have none."""
    pairs = dict(zip((fields or [])[::2], (fields or [])[1::2], strict=True))
    return pairs.get(b"event", b"")


def _order(id: str) -> tuple[int, ...]:
    return tuple(int(part) for part in id.split("-"))
