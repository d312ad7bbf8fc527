"""A connection that has left HTTP: WebSockets and other upgrades that a handler carries on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .messages import STATUS_LINES, Pairs, block

HIGH_WATER = 256 * 1024


class Duplex(asyncio.Protocol):
    """Both directions of a connection as bytes, with backpressure."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._ended = False
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Begins."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keeps what arrived; reads no more while too much waits."""
        self._parts.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER:
            self._transport.pause_reading()
        self._arrived.set()

    def eof_received(self) -> bool:
        """The other side has said all."""
        self._ended = True
        self._arrived.set()
        return True  # what we have to say may still follow

    def connection_lost(self, exc: Exception | None) -> None:
        """Wakes everybody up."""
        self._ended = True
        self._arrived.set()
        self._room.set()

    def pause_writing(self) -> None:
        """The client is slow."""
        self._room.clear()

    def resume_writing(self) -> None:
        """There is room again."""
        self._room.set()

    async def read(self) -> bytes:
        """What has arrived; empty at the end."""
        while not self._parts and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        data = b"".join(self._parts)
        self._parts.clear()
        if self._size > HIGH_WATER and not self._transport.is_closing():
            self._transport.resume_reading()
        self._size = 0
        return data

    async def write(self, data: bytes) -> None:
        """Sends, once there is room. Raises ConnectionResetError where nobody is there any more."""
        if self._transport.is_closing():
            raise ConnectionResetError("The client is gone.")
        self._transport.write(data)
        await self._room.wait()

    def finish(self) -> None:
        """Says that nothing follows."""
        if not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()

    def close(self) -> None:
        """Ends both directions."""
        self._transport.close()


class Tunnel:
    """An answer after which the connection belongs to `talk(duplex)`; its end is the connection's end."""

    __slots__ = ("head", "status", "talk")

    def __init__(self, status: int, headers: Pairs, talk: Callable[[Duplex], Awaitable[None]]) -> None:
        self.status = status
        self.head = STATUS_LINES[status] + block(headers) + b"\r\n"
        self.talk = talk
