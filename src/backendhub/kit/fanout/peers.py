"""Connections as the fan-out sees them: where bytes go, how much may wait, and what happens beyond that.

A `SocketPeer` writes ready-made frames straight to the transport of a WebSocket; behind a server that is not ours it
queues for a task that sends. A `QueuePeer` holds what its reader takes: server-sent events, long polling.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

from backendhub.kit.ids import uuid7
from backendhub.kit.sockets import Disconnected

from .models import Codec, Entry, framed

if TYPE_CHECKING:
    from backendhub.kit.web import Socket

Policy = Literal["drop", "close", "gap"]
LIMIT = 256 * 1024
"""Bytes that may wait for a connection, where nothing else is said."""
TOO_SLOW = (1013, "Too slow for this channel.")


class Block:
    """Entries of one channel as one codec writes them; joined once for all who get them together."""

    def __init__(self, channel: str, codec: Codec, entries: Sequence[Entry]) -> None:
        self.channel = channel
        self.codec = codec
        self.entries = entries

    @cached_property
    def frames(self) -> bytes:
        """All of them as WebSocket frames."""
        if len(self.entries) == 1:
            return self.entries[0].frame(self.channel, self.codec)
        return b"".join([entry.frame(self.channel, self.codec) for entry in self.entries])

    @cached_property
    def payloads(self) -> list[str | bytes]:
        """Each as the codec writes it."""
        return [each for entry in self.entries for each in entry.payloads(self.channel, self.codec)]


class Peer(ABC):
    """One connection. `policy` is what happens to one that is too slow: it loses messages (`drop`), is closed with 1013
    (`close`), or is left out and reads on from the store once it has caught up (`gap`)."""

    def __init__(self, *, policy: Policy = "close", limit: int = LIMIT, id: str | None = None) -> None:
        self.id = id or uuid7()
        self.policy = policy
        self.limit = limit
        self.dropped = 0
        self.closed = False

    @abstractmethod
    def take(self, block: Block) -> bool:
        """Gets a block of messages; False where there is no room."""

    @abstractmethod
    def say(self, payload: str | bytes) -> bool:
        """Gets a message of its own; False where there is no room."""

    @abstractmethod
    def end(self, code: int, reason: str) -> None:
        """Closes the connection."""

    @abstractmethod
    async def room(self) -> None:
        """Waits until what was queued has gone, or the connection has."""

    def overflow(self, count: int) -> bool:
        """Applies the policy for messages that there was no room for; True where the peer is to read them later."""
        if self.policy == "gap":
            return True
        self.dropped += count
        if self.policy == "close":
            self.end(*TOO_SLOW)
        return False


class Wire(Protocol):
    """What our server gives: a door past ASGI (`kit.web.server`)."""

    writable: asyncio.Event

    def put(self, frame: bytes, limit: int) -> bool:
        """Writes frames; False where too much waits."""

    def end(self, code: int, reason: str) -> None:
        """Closes without waiting for room."""


class SocketPeer(Peer):
    """A WebSocket."""

    def __init__(
        self, socket: Socket, *, policy: Policy = "close", limit: int = LIMIT, id: str | None = None
    ) -> None:
        """`socket` has been accepted."""
        super().__init__(policy=policy, limit=limit, id=id)
        self.socket = socket
        self.wire: Wire | None = socket.request.scope.get("backendhub.wire")
        self.plain = None if self.wire is not None else _Sender(socket)

    def take(self, block: Block) -> bool:
        """Gets a block of messages; False where there is no room."""
        if self.wire is None:
            assert self.plain is not None
            return self.plain.put(block.payloads, self.limit)
        frames = block.frames
        self.socket.sent += len(frames)
        return self.wire.put(frames, self.limit)

    def say(self, payload: str | bytes) -> bool:
        """Gets a message of its own; one for which there is no room ends the connection: nobody else has it."""
        if self.wire is None:
            assert self.plain is not None
            taken = self.plain.put([payload], self.limit)
        else:
            taken = self.wire.put(framed(payload), self.limit)
        if not taken:
            self.end(*TOO_SLOW)
        return taken

    def end(self, code: int, reason: str) -> None:
        """Closes the connection."""
        if self.closed:
            return
        self.closed = True
        self.socket.closed = self.socket.closed or code
        if self.wire is not None:
            self.wire.end(code, reason)
        elif self.plain is not None:
            self.plain.end(code, reason)

    async def room(self) -> None:
        """Waits until the transport takes more."""
        if self.wire is not None:
            await self.wire.writable.wait()
        elif self.plain is not None:
            await self.plain.drained.wait()

    def close(self) -> None:
        """The connection is over: lets go of what it held."""
        self.closed = True
        if self.plain is not None:
            self.plain.task.cancel()


class _Sender:
    """Sends through plain ASGI what was queued."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.queue: deque[str | bytes | tuple[int, str]] = deque()
        self.size = 0
        self.waiting = asyncio.Event()
        self.drained = asyncio.Event()
        self.drained.set()
        self.task = asyncio.create_task(self._run())

    def put(self, payloads: Sequence[str | bytes], limit: int) -> bool:
        if self.size > limit:
            return False
        self.queue.extend(payloads)
        self.size += sum(map(len, payloads))
        self.drained.clear()
        self.waiting.set()
        return True

    def end(self, code: int, reason: str) -> None:
        self.queue.clear()
        self.queue.append((code, reason))
        self.waiting.set()

    async def _run(self) -> None:
        with suppress(Disconnected):
            while True:
                while self.queue:
                    item = self.queue.popleft()
                    if isinstance(item, tuple):
                        self.socket.closed = None
                        await self.socket.close(*item)
                        return
                    self.size -= len(item)
                    await self.socket.send(item)
                self.drained.set()
                self.waiting.clear()
                await self.waiting.wait()


class QueuePeer(Peer):
    """A connection whose reader takes what waits for it, all at once: `async for payloads in peer`."""

    def __init__(self, *, policy: Policy = "gap", limit: int = LIMIT, id: str | None = None) -> None:
        super().__init__(policy=policy, limit=limit, id=id)
        self._queue: list[str | bytes] = []
        self._size = 0
        self._some = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def take(self, block: Block) -> bool:
        """Gets a block of messages; False where there is no room."""
        return self._put(block.payloads)

    def say(self, payload: str | bytes) -> bool:
        """Gets a message of its own."""
        return self._put([payload])

    def _put(self, payloads: Sequence[str | bytes]) -> bool:
        if self.closed:
            return True
        if self._size > self.limit:
            return False
        self._queue.extend(payloads)
        self._size += sum(map(len, payloads))
        self._some.set()
        self._empty.clear()
        return True

    def end(self, code: int = 1000, reason: str = "") -> None:
        """What waits can still be read; then its reader ends."""
        self.closed = True
        self._some.set()
        self._empty.set()

    async def room(self) -> None:
        """Waits until its reader has taken what waits, where that is much."""
        if self._size > self.limit // 2:
            await self._empty.wait()

    def drain(self) -> list[str | bytes]:
        """Takes what waits."""
        taken, self._queue, self._size = self._queue, [], 0
        self._empty.set()
        if not self.closed:
            self._some.clear()
        return taken

    async def some(self) -> None:
        """Waits until something waits or it has ended."""
        await self._some.wait()

    async def __aiter__(self) -> AsyncIterator[list[str | bytes]]:
        while True:
            await self._some.wait()
            if taken := self.drain():
                yield taken
            elif self.closed:
                return


PORTION = 64 * 1024


def portions(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Entries in parts of about 64 KiB, so that a long history does not wait in memory for one reader."""
    part: list[Entry] = []
    size = 0
    for entry in entries:
        part.append(entry)
        size += len(entry.body)
        if size >= PORTION:
            yield part
            part, size = [], 0
    if part:
        yield part


def told(value: Any) -> str:
    """JSON without blanks, as wires carry it."""
    from backendhub.kit.output import dumps

    return dumps(value, compact=True)
