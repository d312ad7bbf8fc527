"""What the repository needs from storage: whole immutable objects by name, nothing more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from backendhub.systems.backup.models import CORRUPT, NO_REPOSITORY, BackupError

Buffer = bytes | bytearray | memoryview
SMALL = 64 << 20  # no object that is read whole is larger; a hostile repository may claim otherwise


class Entry(NamedTuple):
    """One stored object."""

    name: str
    size: int


class Missing(BackupError):
    """An object that should exist does not."""

    def __init__(self, name: str, url: str) -> None:
        super().__init__(f"{name} is missing from {url}", CORRUPT)


class Backend(Protocol):
    """A place for objects. Names are relative paths with `/`; an object appears whole or not at all."""

    url: str
    emergency: bool
    """While space is being freed, the reserve may be spent."""

    def close(self) -> None:
        """Lets go of what is held open."""

    def put(self, name: str, parts: Sequence[Buffer]) -> None:
        """Stores an object durably; an equal one already there is no error."""

    def create(self, name: str, data: Buffer) -> bool:
        """Stores an object only if the name is free; says whether it was."""

    def get(self, name: str, *, limit: int = SMALL) -> bytes:
        """A whole object; raises Missing, or CORRUPT if it is larger than `limit`."""

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """Part of an object; shorter only where the object ends."""

    def list(self, prefix: str) -> Iterator[Entry]:
        """The objects below a directory, sorted by name."""

    def delete(self, name: str) -> None:
        """Removes an object; one already gone is no error."""

    def stat(self, name: str) -> int | None:
        """The size of an object, None if there is none."""

    def relieve(self) -> bool:
        """Frees the space kept in reserve; True if there was any."""

    def reserve(self) -> None:
        """Sets the reserve aside again, if there is room."""

    def lock_file(self, name: str) -> str | None:
        """The path of a lock file that everyone who uses this storage shares, None if there is no such."""

    def sweep(self) -> int:
        """Removes what dead writers left half-written; returns how many."""


def open_backend(url: str, *, create: bool = False) -> Backend:
    """The back-end of a URL: a plain path or file:// is a directory, anything else an object store."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme == "file":
        from .local import LocalBackend

        return LocalBackend(rest if separator else url, create=create)
    if scheme in ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl"):
        from .objects import ObjectBackend

        return ObjectBackend(url)
    raise BackupError(
        f"No storage is known for {scheme}://",
        NO_REPOSITORY,
        hint="Use a directory, s3://bucket/prefix, gs://bucket/prefix or az://account/container/prefix.",
    )
