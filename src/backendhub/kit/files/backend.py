"""Where bytes are kept: a directory of this machine, or a bucket. Keys are written once and never used again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from backendhub.kit.errors import StoreError

BLOCK = 1 << 20
"""Bytes that are read at a time: large, because over HTTP each block is a hop to a thread."""


class Entry(NamedTuple):
    """What a back-end has under a key."""

    key: str
    size: int
    modified: datetime


class Unavailable(StoreError):
    """The back-end does not answer, is full or may not be used."""

    code, title = "files_unavailable", "File store unavailable"


class Missing(StoreError):
    """A row speaks of bytes that are not there."""

    code = "content_missing"

    def __init__(self, key: str, url: str) -> None:
        super().__init__(f"The content {key} is missing from {url}.", hint="backendhub files check")


class Backend(Protocol):
    """A place for bytes. Every method may be called by many threads at once and raises Unavailable."""

    url: str
    spool: Path | None
    """Where temporary files lie that `put` need not copy; None where any place will do."""

    def put(self, key: str, path: Path, *, type: str) -> None:
        """Stores a local file, durably and all at once. The file itself stays, and is not changed any more."""

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """Bytes from a position, block by block. Raises Missing."""

    def size(self, key: str) -> int | None:
        """How many bytes a key has, None where there is no such."""

    def delete(self, key: str) -> None:
        """Removes a key; one that is gone already is no error."""

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Everything below a prefix."""

    def sign(self, key: str, *, seconds: int, type: str, disposition: str) -> str | None:
        """An address at which anybody may read it for some time, with these header fields; None where there is none."""

    def close(self) -> None:
        """Lets go of what is held open."""
