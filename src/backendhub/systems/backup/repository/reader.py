"""The Source of a snapshot: its streams from any offset, fetching only the frames that are needed."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from backendhub.kit.errors import Invalid, NotFound
from backendhub.systems.backup.models import CORRUPT, BackupError
from backendhub.systems.backup.streams import Reader

from . import index as indexes
from . import maps, packs, records
from .backend import Missing
from .context import Context
from .index import Index, Pack
from .maps import Address
from .records import Snapshot
from .sealed import Corrupt, Seal, open_seal

AHEAD = 4 << 20  # stored bytes fetched in one request when a run goes on
KEPT = 32 << 20  # raw bytes of frames kept: a fragmented snapshot walks through many packs side by side


class Frames:
    """Decrypted frames of packs, the recent ones kept."""

    def __init__(self, context: Context, index: Index) -> None:
        self._context, self.index = context, index
        self._seals: dict[str, tuple[Seal, int]] = {}
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._size = 0
        self.fetched = 0  # stored bytes read so far

    def get(self, pack: Pack, number: int, last: int) -> bytes:
        """A frame; up to frame `last`, what follows is fetched along with it."""
        found = self._kept.get((pack.base, number))
        if found is None:
            self._fetch(pack, number, last)
            return self._kept[pack.base, number]
        self._kept.move_to_end((pack.base, number))
        return found

    def chunk(self, g: int) -> bytes:
        """One chunk by number."""
        pack = self.index.pack_of(g)
        number = pack.frame_of(g)
        first = pack.frame_starts[number]
        start = sum(self.index.lengths[first:g])
        return self.get(pack, number, number)[start : start + self.index.lengths[g]]

    def _fetch(self, pack: Pack, number: int, last: int) -> None:
        frames = pack.footer_frames
        offset, size = frames[number][0], 0
        end = number
        while end <= last and (end == number or size + frames[end][1] <= AHEAD):
            if frames[end][0] != offset + size:
                break
            size += frames[end][1]
            end += 1
        seal, start = self._seal(pack)
        data = memoryview(self._context.backend.get_range(pack.name, start + offset, size))
        self.fetched += len(data)
        at = 0
        for i in range(number, end):
            stored = data[at : at + frames[i][1]]
            at += frames[i][1]
            self._keep((pack.base, i), open_frame(seal, frames[i], i, stored, pack.name))

    def _keep(self, key: tuple[int, int], raw: bytes) -> None:
        self._kept[key] = raw
        self._size += len(raw)
        while self._size > KEPT and len(self._kept) > 8:
            self._size -= len(self._kept.popitem(last=False)[1])

    def _seal(self, pack: Pack) -> tuple[Seal, int]:
        found = self._seals.get(pack.name)
        if found is None:
            header, start = packs.read_head(self._context.backend, pack.name)
            if header["id"] != pack.id:
                raise Corrupt(f"{pack.name} is another pack than the one stored there")
            found = self._seals[pack.name] = (open_seal(self._context.ring, header), start)
        return found


def open_frame(
    seal: Seal, frame: tuple[int, int, int, int], number: int, stored: memoryview, name: str
) -> bytes:
    """Decrypts a frame and says which file is at fault if it cannot."""
    if len(stored) != frame[1]:
        raise Corrupt(f"{name} is cut short")
    raw = packs.open_frame(seal, frame, number, stored)
    return raw


class SnapshotSource:
    """What an engine restores from."""

    def __init__(self, context: Context, snapshot: Snapshot, index: Index | None = None) -> None:
        self._context, self.snapshot = context, snapshot
        self._body = records.body(context, snapshot)
        if index is None:
            trouble: list[BackupError] = []  # a damaged pack of another snapshot is no reason to fail
            index = indexes.load(context.backend, context.ring, context.cache, trouble=trouble)
        self.frames = Frames(context, index)
        self._streams: dict[str, dict[str, Any]] = {s["name"]: s for s in self._body["streams"]}

    @property
    def meta(self) -> Mapping[str, Any]:
        """The engine's own record."""
        return dict(self._body["meta"])

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        """What is known of each table."""
        return dict(self._body["tables"])

    def names(self) -> list[str]:
        """The streams, in the order in which they were written."""
        return list(self._streams)

    def size(self, name: str) -> int:
        """The length of a stream."""
        return int(self._stream(name)["length"])

    def sha256(self, name: str) -> str:
        """The hash of a whole stream, hexadecimal."""
        return str(self._stream(name)["sha256"])

    def described(self, name: str) -> Mapping[str, Any]:
        """Kind, page size, length, hash and segments of a stream."""
        return self._stream(name)

    def _stream(self, name: str) -> dict[str, Any]:
        try:
            return self._streams[name]
        except KeyError:
            raise NotFound(f"The snapshot has no stream {name!r}") from None

    def segments(self, name: str) -> Iterator[tuple[int, list[Address]]]:
        """The map of a stream, a segment at a time: where it begins, and its runs."""
        offset = 0
        for _, size, origin, number in self._stream(name)["segments"]:
            yield offset, self.segment(origin, number)
            offset += size

    def segment(self, origin: str, number: int) -> list[Address]:
        """The runs of one stored segment of a map."""
        return maps.decode(self.frames.chunk(self._resolve((origin, number, 1))[0][0]))

    def runs(self, name: str) -> list[Address]:
        """The whole map of a stream."""
        return [run for _, runs in self.segments(name) for run in runs]

    def _resolve(self, run: Address) -> list[tuple[int, int]]:
        try:
            return list(self.frames.index.resolve(*run))
        except KeyError as e:
            raise Corrupt(
                f"pack {run[0]}, which snapshot {self.snapshot.id[:8]} needs, is missing or damaged"
            ) from e

    @contextmanager
    def open(self, name: str, *, start: int = 0, length: int | None = None) -> Iterator[Reader]:
        """Opens a stream, or a range of it. Every byte is authenticated before it is handed out."""
        whole = self.size(name)
        if start < 0 or start > whole or (length is not None and (length < 0 or start + length > whole)):
            raise Invalid(f"{start}+{length} lies outside of {name!r} ({whole} bytes)")
        if length is None:
            length = whole - start
        full = self.sha256(name) if start == 0 and length == whole else None
        yield _Reader(self._blocks(name, start, length), length, full, name)

    def _blocks(self, name: str, start: int, length: int) -> Iterator[memoryview]:
        skip, left, offset = start, length, 0
        for _, size, origin, number in self._stream(name)["segments"]:
            if left <= 0:
                return
            if offset + size <= start:
                offset += size
                skip -= size
                continue
            offset += size
            for run in self.segment(origin, number):
                for g, count in self._resolve(run):
                    g, count, skip = self._clip(g, count, skip, left)
                    for block in self._run_blocks(g, count):
                        part = block[skip : skip + left]
                        skip, left = 0, left - len(part)
                        yield part
                    if left <= 0:
                        return

    def _clip(self, g: int, count: int, skip: int, left: int) -> tuple[int, int, int]:
        """Drops the chunks of a run that lie before or behind the range, so that they are not fetched."""
        lengths = self.frames.index.lengths
        total = sum(lengths[g : g + count])
        if skip >= total:
            return g, 0, skip - total
        while skip >= lengths[g]:
            skip -= lengths[g]
            total -= lengths[g]
            g, count = g + 1, count - 1
        while total - lengths[g + count - 1] >= skip + left:
            total -= lengths[g + count - 1]
            count -= 1
        return g, count, skip

    def _run_blocks(self, g: int, count: int) -> Iterator[memoryview]:
        if not count:
            return
        lengths = self.frames.index.lengths
        pack = self.frames.index.pack_of(g)
        last = pack.frame_of(g + count - 1)
        while count:
            number = pack.frame_of(g)
            first, end = pack.frame_starts[number], pack.frame_starts[number + 1]
            n = min(count, end - g)
            try:
                raw = memoryview(self.frames.get(pack, number, last))
            except Missing as e:
                raise Corrupt(e.message) from e
            begin = sum(lengths[first:g])
            yield raw[begin : begin + sum(lengths[g : g + n])]
            g, count = g + n, count - n


class _Reader:
    """The Reader of one stream or range; the end is only reported once length and hash are right."""

    def __init__(self, blocks: Iterator[memoryview], length: int, sha256: str | None, name: str) -> None:
        self._blocks, self._left, self._name = blocks, length, name
        self._expected = sha256
        self._hash = hashlib.sha256()
        self._rest = memoryview(b"")

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, fewer only at the end; all that is left if negative."""
        wanted = self._left if size < 0 else min(size, self._left)
        parts = []
        while wanted > 0:
            if not self._rest:
                self._rest = self._next()
            part = self._rest[:wanted]
            self._rest = self._rest[len(part) :]
            wanted -= len(part)
            self._left -= len(part)
            parts.append(part)
        if self._left == 0 and self._expected is not None and self._hash.hexdigest() != self._expected:
            # Checked before the last bytes go out, so that nobody takes a wrong stream for a whole one.
            raise BackupError(f"stream {self._name!r} is not what was stored", CORRUPT)
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def _next(self) -> memoryview:
        block = next(self._blocks, None)
        if block is None:
            raise Corrupt(f"stream {self._name!r} is shorter than it was")
        if self._expected is not None:
            self._hash.update(block)
        return block
