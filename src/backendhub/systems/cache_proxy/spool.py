"""A body that is still arriving, for everybody who wants it: in memory at first, then in a file."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

from .disk import PIECE

IN_MEMORY = 1024 * 1024
PATIENCE_S = 60.0
AHEAD = 8 * 1024 * 1024
"""How far the origin may be ahead of every reader once the body is too large to be stored."""


class Spool:
    """Written once, read by many, each at a pace of its own."""

    def __init__(self, part: Path | None) -> None:
        """`part` is the file that a large body goes to; None keeps it in memory."""
        self.size = 0
        self.whole = False
        self.readers: dict[int, int] = {}
        """How far each reader is."""
        self._part = part
        self._file: IO[bytes] | None = None
        self._parts: list[bytes] = []
        self._error: Exception | None = None
        self._arrived: asyncio.Event = asyncio.Event()
        self._taken: asyncio.Event = asyncio.Event()
        self._sum = 0
        self._filled = 0
        self._sums: list[int] = []
        self._count = 0

    @property
    def path(self) -> Path | None:
        """The file, where the body has become one."""
        return self._part if self._file is not None else None

    @property
    def crcs(self) -> list[int]:
        """The sums of its pieces, once it is whole."""
        return self._sums + ([self._sum] if self._filled else [])

    def append(self, data: bytes) -> None:
        """Another part."""
        if self._file is None and self._part is not None and self.size + len(data) > IN_MEMORY:
            self._file = self._part.open("w+b")
            self._file.writelines(self._parts)
            self._parts.clear()
        if self._file is not None:
            self._file.seek(0, 2)
            self._file.write(data)
        else:
            self._parts.append(data)
        self.size += len(data)
        self._add(data)
        self._notify()

    def _add(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            taken = view[: PIECE - self._filled]
            self._sum = zlib.crc32(taken, self._sum)
            self._filled += len(taken)
            view = view[len(taken) :]
            if self._filled == PIECE:
                self._sums.append(self._sum)
                self._sum = self._filled = 0

    def end(self) -> None:
        """That was all."""
        self.whole = True
        if self._file is not None:
            self._file.flush()
        self._notify()

    def fail(self, error: Exception) -> None:
        """It breaks off."""
        self._error = error
        self._notify()

    def _notify(self) -> None:
        self._arrived.set()
        self._arrived = asyncio.Event()

    async def room(self) -> None:
        """Waits until the slowest reader is near. Raises ConnectionError where nobody reads any more, TimeoutError
        where nobody reads for long."""
        while self.size - min(self.readers.values(), default=0) > AHEAD:
            if not self.readers and self._count:
                raise ConnectionError("nobody reads it any more")
            self._taken.clear()
            async with asyncio.timeout(PATIENCE_S):
                await self._taken.wait()

    async def read(self) -> AsyncIterator[bytes]:
        """The body from its beginning. Raises what it failed with."""
        self._count += 1
        me, at = self._count, 0
        self.readers[me] = 0
        try:
            while True:
                data = self._from(at)
                if data:
                    at += len(data)
                    yield data
                    self.readers[me] = at
                    self._taken.set()
                elif self._error is not None:
                    raise self._error
                elif self.whole:
                    return
                else:
                    await self._arrived.wait()
        finally:
            del self.readers[me]
            self._taken.set()

    def _from(self, at: int) -> bytes:
        if self._file is not None:
            self._file.seek(at)
            return self._file.read(min(PIECE, self.size - at))
        passed = 0
        for number, part in enumerate(self._parts):
            if passed + len(part) > at:
                rest = [part[at - passed :], *self._parts[number + 1 :]]
                return b"".join(rest)
            passed += len(part)
        return b""

    def body(self) -> bytes:
        """All of it, while it is in memory."""
        return b"".join(self._parts)

    def close(self, *, remove: bool) -> None:
        """Lets go of the file; readers that have it open are not disturbed."""
        if self._file is not None and remove and self._part is not None:
            with contextlib.suppress(OSError):
                self._part.unlink()
