"""One direction of a connection through a proxy: a reader, stages in a row, a writer. Stages come and go while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, NamedTuple

from .toxics import Latency, Placed

if TYPE_CHECKING:
    from .proxies import Connection

READ = 32 * 1024
NARROW = 64 * 1024
"""Bytes on their way before the sender is kept waiting."""
WIDE = 32 * 1024 * 1024
"""The same where latency makes the line long."""
LINGER_NONE = struct.pack("ii", 1, 0)


class Chunk(NamedTuple):
    """Bytes, and when they arrived."""

    data: bytes
    at: float


class Stage:
    """A place on the way: what waits here, and who works on it. The last one writes, and has no toxic."""

    def __init__(self, link: Link, placed: Placed | None) -> None:
        self.link = link
        self.placed = placed
        self.next: Stage | None = None
        self.waiting: deque[Chunk] = deque()
        self.held: Chunk | None = None
        """What its toxic has taken and not handed on."""
        self.ended = False
        self.passed = 0
        self.task: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()

    def start(self) -> None:
        """Begins to work."""
        self.task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        placed = self.placed
        try:
            if placed is None:
                await self.link.write(self)
                return
            if random.random() < placed.toxicity:
                await placed.toxic.run(self)
            else:
                async for chunk in self.chunks():
                    self.emit(chunk)
            if self.next is not None:
                self.next.end()
        except OSError:
            self.link.connection.close()

    def put(self, chunk: Chunk) -> None:
        """Something arrives."""
        self.waiting.append(chunk)
        self._arrived.set()

    def end(self) -> None:
        """Nothing follows."""
        self.ended = True
        self._arrived.set()

    def emit(self, chunk: Chunk) -> None:
        """Hands something on."""
        self.held = None
        if self.next is not None and chunk.data:
            self.next.put(chunk)

    def cut(self, *, reset: bool = False) -> None:
        """Ends the whole connection, once what was handed on is written; at once with a reset."""
        if reset:
            self.link.connection.reset()
        else:
            self.link.closing = True

    async def chunks(self) -> AsyncIterator[Chunk]:
        """What arrives, in order, until its end."""
        while True:
            while self.waiting:
                self.held = self.waiting.popleft()
                yield self.held
                if self.held is not None:
                    self.held = None
                self.link.passed()
            if self.ended:
                return
            self._arrived.clear()
            await self._arrived.wait()

    def stop(self) -> None:
        """Stops working. What was taken is put back in front."""
        if self.task is not None:
            self.task.cancel()
        if self.held is not None and self.held.data:
            self.waiting.appendleft(self.held)
        self.held = None


class Link:
    """From one side to the other."""

    def __init__(
        self,
        connection: Connection,
        direction: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        toxics: list[Placed],
    ) -> None:
        self.connection = connection
        self.direction = direction
        self.reader = reader
        self.writer = writer
        self.closing = False
        self.done = False
        self._room = asyncio.Event()
        self.last = Stage(self, None)
        self.stages = [Stage(self, placed) for placed in toxics]
        self._join()

    def _join(self) -> None:
        for stage, after in zip(self.stages, [*self.stages[1:], self.last], strict=False):
            stage.next = after

    @property
    def first(self) -> Stage:
        """Where what is read goes."""
        return self.stages[0] if self.stages else self.last

    def start(self) -> None:
        """Begins."""
        for stage in [*self.stages, self.last]:
            stage.start()
        self.task = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        try:
            while data := await self.reader.read(READ):
                self.first.put(Chunk(data, time.monotonic()))
                while self._weight() > self._most():
                    self._room.clear()
                    await self._room.wait()
        except OSError:
            self.connection.close()
            return
        self.first.end()

    def _weight(self) -> int:
        stages = [*self.stages, self.last]
        return sum(len(c.data) for s in stages for c in s.waiting) + sum(
            len(s.held.data) for s in stages if s.held is not None
        )

    def _most(self) -> int:
        slow = any(s.placed is not None and isinstance(s.placed.toxic, Latency) for s in self.stages)
        return WIDE if slow else NARROW

    def passed(self) -> None:
        """Something has moved on: there may be room again."""
        self._room.set()

    async def write(self, stage: Stage) -> None:
        """Writes what reaches the end."""
        async for chunk in stage.chunks():
            self.writer.write(chunk.data)
            await self.writer.drain()
        self.done = True
        if self.closing:
            self.connection.close()
            return
        with contextlib.suppress(OSError, RuntimeError):
            self.writer.write_eof()  # the other direction may go on
        self.connection.half_done()

    # -- toxics that come and go ---------------------------------------------------------------------------

    def add(self, placed: Placed) -> None:
        """A toxic at the end of the row: for what has not reached the end yet."""
        stage = Stage(self, placed)
        self.stages.append(stage)
        self._join()
        stage.start()

    def update(self, placed: Placed) -> None:
        """Works on with other attributes."""
        for stage in self.stages:
            if stage.placed is placed and stage.task is not None and not stage.task.done():
                stage.stop()
                stage.start()

    def remove(self, placed: Placed) -> None:
        """Takes a toxic away. What waits there goes on in order; a connection that it kept silent is closed."""
        for stage in [s for s in self.stages if s.placed is placed]:
            stage.stop()
            self.stages.remove(stage)
            self._join()
            if placed.kind == "timeout":
                self.connection.close()
                return
            after = stage.next
            assert after is not None
            finished = stage.task is not None and stage.task.done() and not stage.task.cancelled()
            if not finished:
                for chunk in stage.waiting:
                    after.put(chunk)
                if stage.ended:
                    after.end()
        self.passed()

    def stop(self) -> None:
        """Ends all work."""
        tasks: list[Any] = [self.task, *(s.task for s in [*self.stages, self.last])]
        for task in tasks:
            if task is not None and task is not asyncio.current_task():
                task.cancel()


def reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection with RST."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
    writer.transport.abort()
