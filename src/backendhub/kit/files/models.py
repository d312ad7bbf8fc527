"""What a file is: a name of somebody's for content that is stored once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from backendhub.kit.db import derived
from backendhub.kit.errors import TooLarge


@dataclass(frozen=True, slots=True)
class File:
    """A file. `type` was found in the content, `name` holds nothing that a file system could mind; `size` in bytes.

    `key` is where the bytes are, for the back-end alone.
    """

    id: str
    owner: str
    name: str
    type: str
    size: int
    sha256: str
    created_at: datetime
    key: str = derived("")

    @property
    def etag(self) -> str:
        """A strong entity tag: the content's own hash."""
        return f'"{self.sha256}"'


@dataclass(frozen=True, slots=True)
class Usage:
    """What an owner has; `quota` in bytes is their own, None where the setting's holds."""

    owner: str
    bytes: int
    files: int
    quota: int | None


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload in several requests: `received` of `size` bytes (None: not declared) are here."""

    id: str
    owner: str
    name: str
    type: str | None
    size: int | None
    reserved: int
    received: int
    expires_at: datetime

    @property
    def complete(self) -> bool:
        """Whether every declared byte has come."""
        return self.size is not None and self.received == self.size


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an upload: a file of this name in the spool directory."""

    start: int
    length: int
    name: str


class Staged(NamedTuple):
    """Content that is stored and belongs to nobody yet: `rows.add` makes a file of it within the hour."""

    sha256: str
    key: str
    size: int
    head: bytes
    """The first bytes, in which the type is found."""
    quota: int | None = None
    """What an owner may have who has no quota of their own."""


class Collected(NamedTuple):
    """What a collection has removed."""

    blobs: int = 0
    bytes: int = 0
    uploads: int = 0
    strays: int = 0
    """Bytes in the back-end that no row knew, and left-over temporary files."""


class Damage(NamedTuple):
    """Content that is not what it should be: `what` is missing, damaged or of another size."""

    sha256: str
    key: str
    what: str
    files: int


class QuotaExceeded(TooLarge):
    """An owner would have more than they may."""

    code, title = "quota_exceeded", "Quota exceeded"
