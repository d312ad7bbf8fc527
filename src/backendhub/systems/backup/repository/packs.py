"""Packs: about 16 MiB of frames, each about 1 MiB of chunks, with a footer that says what is where."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .backend import Backend, Buffer
from .keys import Keyring
from .sealed import (
    FOOTER,
    TAG,
    Corrupt,
    Seal,
    footer_length,
    inflate,
    new_seal,
    open_seal,
    read_header,
    trailer,
)

FRAME_SIZE = 1 << 20
PACK_SIZE = 16 << 20
MAX_CHUNKS = 1 << 16  # in a pack
MAX_FRAME = 8 << 20  # raw bytes; a frame ends with the chunk that fills it
MAX_FOOTER = 16 << 20
ID = 16  # bytes of a chunk id
HEAD = 4096  # read at first: enough for a header with a few recipients
LEVEL = 3


@dataclass(slots=True)
class Footer:
    """What a pack holds. Chunks are numbered through all frames; `origins` are their lasting addresses.

    A snapshot points to (pack id, number). When prune moves chunks into another pack, that pack lists under
    `origins` the runs (pack id, first number, count) it took over, so that snapshots stay as they are.
    """

    frames: list[tuple[int, int, int, int]] = field(
        default_factory=list
    )  # offset after the header, stored, raw, chunks
    origins: list[tuple[str, int, int]] = field(default_factory=list)
    ids: bytes | bytearray = b""
    lengths: array[int] = field(default_factory=lambda: array("I"))

    def encode(self) -> bytes:
        """JSON line, ids, lengths (u32 little-endian)."""
        head = json.dumps({"frames": self.frames, "origins": self.origins}, separators=(",", ":"))
        return head.encode() + b"\n" + bytes(self.ids) + _little(self.lengths).tobytes()

    @classmethod
    def decode(cls, data: bytes, what: str) -> Footer:
        """Reads and checks a footer: every count must fit the bytes that are there."""
        try:
            line, _, rest = data.partition(b"\n")
            head = json.loads(line)
            frames = [(int(a), int(b), int(c), int(d)) for a, b, c, d in head["frames"]]
            origins = [(str(i), int(first), int(n)) for i, first, n in head["origins"]]
        except (ValueError, KeyError, TypeError) as e:
            raise Corrupt(f"{what}: its footer cannot be read") from e
        count = sum(f[3] for f in frames)
        sound = (
            count <= MAX_CHUNKS + MAX_FRAME
            and len(rest) == count * (ID + 4)
            and sum(o[2] for o in origins) == count
            and all(0 <= f[2] <= MAX_FRAME and f[1] >= TAG and f[0] >= 0 and f[3] > 0 for f in frames)
        )
        if not sound:
            raise Corrupt(f"{what}: its footer contradicts itself")
        lengths = array("I", rest[count * ID :])
        return cls(frames, origins, rest[: count * ID], _little(lengths))


def _little(values: array[int]) -> array[int]:
    import sys

    if sys.byteorder == "big":
        values = array("I", values)
        values.byteswap()
    return values


class Packer:
    """A pack being filled in memory."""

    def __init__(self, ring: Keyring) -> None:
        import zstandard

        self._seal, head = new_seal(ring, "pack")
        self.id = self._seal.id
        self._zstd = zstandard.ZstdCompressor(level=LEVEL)
        self._parts: list[Buffer] = [head]
        self._start = self.size = len(head)
        self.footer = Footer(ids=bytearray())

    @property
    def chunks(self) -> int:
        """How many chunks it holds."""
        return len(self.footer.lengths)

    @property
    def full(self) -> bool:
        """Whether the next frame belongs into another pack."""
        return self.size >= PACK_SIZE or self.chunks >= MAX_CHUNKS

    def add(
        self,
        raw: Buffer,
        ids: Buffer,
        lengths: Sequence[int],
        origins: list[tuple[str, int, int]] | None = None,
    ) -> None:
        """Compresses and seals one frame of chunks."""
        first = self.chunks
        stored = self._seal.close(len(self.footer.frames), self._zstd.compress(raw))
        self.footer.frames.append((self.size - self._start, len(stored), len(raw), len(lengths)))
        self.footer.ids += ids
        self.footer.lengths.extend(lengths)
        for origin in origins or [(self.id, first, len(lengths))]:
            extend_run(self.footer.origins, origin)
        self._parts.append(stored)
        self.size += len(stored)

    def finish(self) -> tuple[str, list[Buffer]]:
        """Adds the footer; the name (SHA-256 of every byte) and the bytes to store."""
        footer = self._seal.close(FOOTER, self._zstd.compress(self.footer.encode()))
        self._parts += [footer, trailer(footer)]
        self.size += len(footer) + 12
        digest = hashlib.sha256()
        for part in self._parts:
            digest.update(part)
        return pack_name(digest.hexdigest()), self._parts


def extend_run(runs: list[tuple[str, int, int]], run: tuple[str, int, int]) -> None:
    """Appends a run, joined to the last one if it continues it."""
    if runs and runs[-1][0] == run[0] and runs[-1][1] + runs[-1][2] == run[1]:
        runs[-1] = (run[0], runs[-1][1], runs[-1][2] + run[2])
    else:
        runs.append(run)


def pack_name(digest: str) -> str:
    """Where a pack of that SHA-256 lies."""
    return f"packs/{digest[:2]}/{digest}"


def read_head(backend: Backend, name: str) -> tuple[dict[str, Any], int]:
    """The plain header of a stored pack."""
    data = backend.get_range(name, 0, HEAD)
    try:
        header, start = read_header(data, name)
    except Corrupt:
        if len(data) < HEAD:
            raise
        header, start = read_header(backend.get_range(name, 0, 12 + (64 << 10)), name)
    if header["kind"] != "pack":
        raise Corrupt(f"{name} is no pack")
    return header, start


def read_footer(backend: Backend, name: str, size: int, ring: Keyring) -> tuple[str, Footer]:
    """The id and footer of a stored pack, from two or three small reads."""
    header, start = read_head(backend, name)
    tail = backend.get_range(name, max(0, size - (64 << 10)), 64 << 10)
    length = footer_length(tail, name)
    if length > min(MAX_FOOTER, size):
        raise Corrupt(f"{name}: its footer is too long")
    if length + 12 > len(tail):
        tail = backend.get_range(name, size - 12 - length, length + 12)
    seal = open_seal(ring, header)
    plain = inflate(seal.open(FOOTER, tail[-12 - length : -12]), name, MAX_FOOTER)
    footer = Footer.decode(plain, name)
    check_fits(footer, size - start, name)
    return header["id"], footer


def check_fits(footer: Footer, size: int, name: str) -> None:
    """Every frame must lie inside the `size` bytes after the header."""
    if any(offset + stored > size for offset, stored, _, _ in footer.frames):
        raise Corrupt(f"{name} is shorter than its footer says")


def open_frame(seal: Seal, frame: tuple[int, int, int, int], number: int, stored: Buffer) -> bytes:
    """The raw bytes of a frame, authenticated and of the declared length."""
    raw = inflate(seal.open(number, stored), f"pack {seal.id}", frame[2])
    if len(raw) != frame[2]:
        raise Corrupt(f"pack {seal.id}: frame {number} has the wrong length")
    return raw
