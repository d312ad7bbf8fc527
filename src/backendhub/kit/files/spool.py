"""Content on its way in: written to a temporary file, hashed as it passes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import IO

from backendhub.kit.errors import TooLarge

from .backend import BLOCK, Unavailable
from .models import QuotaExceeded
from .types import HEAD

Source = bytes | IO[bytes] | Iterable[bytes]


def blocks(source: Source) -> Iterator[bytes]:
    """Any source block by block; a file is read from where it stands."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        yield bytes(source)
    elif (read := getattr(source, "read", None)) is not None:
        while block := read(BLOCK):
            yield block
    else:
        yield from source


class Spool:
    """A temporary file that knows its size, its SHA-256 and its first bytes. Use it as a context: at its end the file is
    removed, unless `keep` was called."""

    def __init__(
        self, folder: Path, *, limit: int | None = None, room: int | None = None, name: str | None = None
    ) -> None:
        """`limit` is what a file may have, `room` what its owner has left; in bytes."""
        self.path = folder / (name or f"put-{token_hex(12)}")
        self.limit = limit
        self.room = room
        self.size = 0
        self.head = b""
        self._hash = sha256()
        self._kept = False
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
            self._file: IO[bytes] = os.fdopen(os.open(self.path, flags, 0o600), "wb", buffering=0)
        except OSError as error:
            raise _failed(folder, error) from error

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if not self._kept:
            self.path.unlink(missing_ok=True)

    @property
    def sha256(self) -> str:
        """The hash of what has been written so far, in hex."""
        return self._hash.hexdigest()

    def write(self, block: bytes) -> None:
        """Adds some bytes. Raises TooLarge, QuotaExceeded, and Unavailable where the disk is full."""
        if self.limit is not None and self.size + len(block) > self.limit:
            raise TooLarge(f"The content is larger than {self.limit:,} bytes.")
        if self.room is not None and self.size + len(block) > self.room:
            raise QuotaExceeded(f"The content does not fit: {max(0, self.room):,} bytes are left.")
        if len(self.head) < HEAD:
            self.head += block[: HEAD - len(self.head)]
        self._hash.update(block)
        try:
            rest = memoryview(block)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _failed(self.path.parent, error) from error
        self.size += len(block)

    def fill(self, source: Source) -> None:
        """Writes all of a source."""
        for block in blocks(source):
            self.write(block)

    def keep(self) -> None:
        """Leaves the file where it is when the context ends, its bytes on the disk."""
        os.fsync(self._file.fileno())
        self._kept = True


def _failed(folder: Path, error: OSError) -> Unavailable:
    what = (error.strerror or str(error)).lower()
    return Unavailable(f"{folder} cannot be written: {what}.", hint="check space and permissions")
