"""Stored responses in files, one each. A file appears whole under its name or not at all; sums tell damage.

A file is the body, then what is known of it as JSON, then a footer. What a 304 changes is appended with a footer of its
own: the last one counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from backendhub.kit.errors import Conflict

from .entry import Entry
from .rules import Freshness, effective

try:
    import fcntl
except ImportError:  # Windows: whoever shares a directory there has been warned
    fcntl = None  # type: ignore[assignment]

FOOTER = struct.Struct("<II4s")
MAGIC = b"BHC1"
PIECE = 256 * 1024
MAX_TAIL = 64 * 1024
"""Bytes of what 304s append to a file, after which only the last is kept."""
MAX_META = 4 * 1024 * 1024
MARKER = "cleared"


def _locked(path: Path) -> int:
    """A descriptor that holds the directory for this process. Raises Conflict where another has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise Conflict(
                f"Another cache-proxy uses {path.parent}.",
                hint="give this one a directory of its own: --disk DIR",
            ) from None
    return descriptor


class Damaged(Exception):
    """A file that is not what was written."""


class Disk:
    """A directory of responses, up to `limit` bytes of bodies."""

    def __init__(self, root: Path, limit: int) -> None:
        self.root, self.limit = root, limit
        self.objects = root / "objects"
        self.parts = root / "parts"
        for folder in (self.objects, self.parts):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _locked(root / "lock")
        for left in self.parts.iterdir():  # of a process that was killed
            with contextlib.suppress(OSError):
                left.unlink()
        self._cleared = self._stamp()

    def part(self) -> Path:
        """A name for a body that is still arriving."""
        return self.parts / uuid4().hex

    @staticmethod
    def name(entry: Entry) -> str:
        """The name of an entry's file; the same for what replaces it."""
        text = repr((entry.key, entry.names, entry.variant)).encode()
        return sha256(text).hexdigest()[:40]

    def path(self, name: str) -> Path:
        """Where a file lies."""
        return self.objects / name[:2] / name

    def write(self, entry: Entry, part: Path | None) -> None:
        """Puts an entry on disk; its body is in memory or in the file `part`, whose sums are known."""
        temporary = part or self.part()
        if part is None:
            assert entry.body is not None
            entry.crcs = sums(entry.body)
            temporary.write_bytes(entry.body + self._meta(entry))
        else:
            with temporary.open("ab") as file:
                file.write(self._meta(entry))
        name = self.name(entry)
        target = self.path(name)
        target.parent.mkdir(exist_ok=True, mode=0o700)
        temporary.replace(target)
        entry.file = name

    def update(self, entry: Entry) -> None:
        """Writes what has become of an entry behind what was known before."""
        assert entry.file is not None
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(self.path(entry.file), os.O_WRONLY | os.O_APPEND)
            try:
                if os.fstat(descriptor).st_size > entry.size + MAX_TAIL:
                    os.ftruncate(descriptor, entry.size)
                os.write(descriptor, self._meta(entry))
            finally:
                os.close(descriptor)

    @staticmethod
    def _meta(entry: Entry) -> bytes:
        fresh = entry.fresh
        known = {
            "key": entry.key.decode("latin-1"),
            "status": entry.status,
            "fields": [[name.decode("latin-1"), text.decode("latin-1")] for name, text in entry.fields],
            "fresh": [fresh.lifetime, fresh.source, fresh.born, fresh.marked],
            "variant": list(entry.variant),
            "size": entry.size,
            "stored": entry.stored,
            "sums": entry.crcs,
        }
        data = json.dumps(known, separators=(",", ":")).encode()
        return data + FOOTER.pack(len(data), zlib.crc32(data), MAGIC)

    def load(self, name: str) -> Entry:
        """What is known of a file's entry. Raises Damaged."""
        try:
            with self.path(name).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                if size < FOOTER.size:
                    raise Damaged(name)
                file.seek(size - FOOTER.size)
                length, total, magic = FOOTER.unpack(file.read(FOOTER.size))
                if magic != MAGIC or length > min(size - FOOTER.size, MAX_META):
                    raise Damaged(name)
                file.seek(size - FOOTER.size - length)
                data = file.read(length)
        except OSError:
            raise Damaged(name) from None
        if zlib.crc32(data) != total:
            raise Damaged(name)
        return self._entry(name, json.loads(data))

    @staticmethod
    def _entry(name: str, known: dict[str, Any]) -> Entry:
        try:
            pairs = [(n.encode("latin-1"), t.encode("latin-1")) for n, t in known["fields"]]
            lifetime, source, born, marked = known["fresh"]
            return Entry(
                str(known["key"]).encode("latin-1"),
                int(known["status"]),
                pairs,
                Freshness(lifetime, source, born, effective(pairs)[0], marked),
                tuple(known["variant"]),
                int(known["size"]),
                None,
                float(known["stored"]),
                name,
                list(known["sums"]),
                touched=False,
            )
        except (KeyError, TypeError, ValueError):
            raise Damaged(name) from None

    def scan(self) -> Iterator[Entry]:
        """Every entry that is whole; what is damaged is removed. The oldest come first."""
        found = []
        for folder in self.objects.iterdir():
            for path in folder.iterdir():
                try:
                    found.append(self.load(path.name))
                except Damaged:
                    with contextlib.suppress(OSError):
                        path.unlink()
        yield from sorted(found, key=lambda entry: entry.stored)

    def pieces(self, entry: Entry, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The body of an entry from a byte to another, each piece checked before it is given. Raises Damaged."""
        end = entry.size if end is None else end
        try:
            with self.path(entry.file or "").open("rb") as file:
                for at in range(first // PIECE, (end + PIECE - 1) // PIECE):
                    start = at * PIECE
                    file.seek(start)
                    data = file.read(min(PIECE, entry.size - start))
                    if at >= len(entry.crcs) or zlib.crc32(data) != entry.crcs[at]:
                        raise Damaged(entry.target)
                    yield data[max(first - start, 0) : end - start]
        except OSError:
            raise Damaged(entry.target) from None

    def read(self, entry: Entry) -> bytes:
        """A whole body. Raises Damaged."""
        data = b"".join(self.pieces(entry))
        if len(data) != entry.size:
            raise Damaged(entry.target)
        return data

    def remove(self, name: str) -> None:
        """Deletes a file."""
        with contextlib.suppress(OSError):
            self.path(name).unlink()

    def close(self) -> None:
        """Lets another process have the directory."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _stamp(self) -> int:
        try:
            return (self.root / MARKER).stat().st_mtime_ns
        except OSError:
            return 0

    def was_cleared(self) -> bool:
        """Whether somebody has cleared it since this was last asked."""
        stamp = self._stamp()
        changed, self._cleared = stamp != self._cleared, stamp
        return changed


def sums(body: bytes) -> list[int]:
    """The sums of a body's pieces."""
    return [zlib.crc32(body[at : at + PIECE]) for at in range(0, len(body), PIECE)]


def clear(root: Path) -> int:
    """Removes every stored response below a directory, and tells a server that uses it; gives how many there were."""
    count = 0
    objects = root / "objects"
    if objects.is_dir():
        for folder in objects.iterdir():
            for path in folder.iterdir():
                with contextlib.suppress(OSError):
                    path.unlink()
                    count += 1
        (root / MARKER).write_text(uuid4().hex)
    return count
