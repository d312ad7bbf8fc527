"""What an engine and the repository say to each other: named, sequential streams of bytes, nothing else.

An engine never seeks in what it writes. Where a source delivers out of order (SQLite's backup interface hands
over page 1 last), the *stored* order is the order of arrival and the engine puts it back at restore.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

Kind = Literal["pages", "pg-tar", "bytes"]
"""How a stream is cut into chunks: fixed `page_size` pages; a tar whose members are 8 KiB PostgreSQL pages;
anything else by content (FastCDC)."""


class Writer(Protocol):
    """A stream being written; `offset` is the number of bytes written so far."""

    @property
    def offset(self) -> int: ...
    def write(self, data: bytes | memoryview) -> None: ...


class Sink(Protocol):
    """Where an engine puts a dump. Streams are written one after another, never two at once."""

    def stream(
        self, name: str, *, kind: Kind = "bytes", page_size: int | None = None
    ) -> AbstractContextManager[Writer]:
        """Opens a stream; leaving the block without an exception seals it."""
        ...


class Reader(Protocol):
    """A stream being read; every byte handed out was authenticated."""

    def read(self, size: int = -1, /) -> bytes: ...


class Source(Protocol):
    """Where an engine restores from: the streams and the engine's own record of one snapshot."""

    @property
    def meta(self) -> Mapping[str, Any]: ...
    def names(self) -> list[str]: ...
    def size(self, name: str) -> int: ...
    def open(
        self, name: str, *, start: int = 0, length: int | None = None
    ) -> AbstractContextManager[Reader]: ...
