"""A backup in progress: cuts streams, finds what is stored already, stores the rest, commits a snapshot."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from backendhub.kit import clock
from backendhub.kit.errors import Invalid
from backendhub.systems.backup.models import SOURCE_FAILED, BackupError, Dump, Type
from backendhub.systems.backup.streams import Kind, Writer

from . import index as indexes
from . import maps, records, rescue, tombs
from .basis import Basis
from .chunkers import Chunker, chunker
from .context import Context, Progress
from .index import Index
from .packs import ID
from .pipeline import Pipeline
from .records import Snapshot

STEP = 32  # chunks compared at once with what was at this place before
RESYNC = 1024 * ID  # how far ahead a shifted stream is looked for
GENERATION = 200_000  # new chunks remembered for repeats within a run: bounds memory at some 40 MB


class Run:
    """The Sink of one run; leaving it without `commit` keeps nothing but packs that the next run reuses."""

    def __init__(
        self,
        context: Context,
        target: str,
        type: Type,
        progress: Progress | None,
        *,
        crash_point: str = "pack.stored",
    ) -> None:
        self._context, self.target = context, target
        self._progress = progress
        self._basis = Basis.of(context, target, type)
        self.type = self._basis.type
        self._tombed = tombs.names(context)
        self._index = Index()
        if self.type is not Type.FULL:
            trouble: list[BackupError] = []  # a damaged pack is simply not reused; verify tells of it
            self._index = indexes.load(
                context.backend, context.ring, context.cache, unusable=self._tombed, trouble=trouble
            )
            context.warnings += [e.message for e in trouble]
            self._index.seal_table()
        self._key = context.ring.chunk_key()
        self._pipeline = Pipeline(context, self._index, crash_point=crash_point)
        self._new: list[dict[int, int]] = [{}, {}]
        self._allowed = self._basis.allowed(self._index)
        self._streams: list[_Stream] = []
        self._open = self._failed = False
        self.read = 0

    @property
    def warnings(self) -> list[str]:
        """What the service should tell of this run."""
        return self._context.warnings

    def close(self) -> None:
        """Ends the worker."""
        self._pipeline.close()

    @contextmanager
    def stream(self, name: str, *, kind: Kind = "bytes", page_size: int | None = None) -> Iterator[Writer]:
        """Opens a stream; leaving the block without an exception seals it."""
        if self._open:
            raise Invalid("Streams are written one after another")
        if any(s.name == name for s in self._streams):
            raise Invalid(f"A stream {name!r} was written already")
        basis = self._basis.stream(name, self._index)
        stream = _Stream(self, name, kind, page_size, chunker(kind, page_size), *basis)
        self._open = True
        try:
            yield stream
            stream.process(last=True)
        except BaseException:
            self._failed = True
            raise
        finally:
            self._open = False
        self._streams.append(stream)

    def place(self, chunk_id: bytes, data: memoryview) -> int:
        """The number of a chunk: one stored before, or the next free one and the chunk is stored."""
        index = self._index
        key = int.from_bytes(chunk_id[:7], "little")
        for generation in self._new:
            g = generation.get(key)
            if g is not None and index.ids[g * ID : g * ID + ID] == chunk_id:
                return g
        g = index.find(chunk_id, self._allowed)
        if g is not None:
            return g
        g = index.count
        index.ids += chunk_id
        index.lengths.append(len(data))
        if len(self._new[0]) >= GENERATION:
            self._new = [{}, self._new[0]]
        self._new[0][key] = g
        self._pipeline.add(bytes(data))
        return g

    def chunk_ids(self, data: memoryview, cuts: list[int]) -> bytes:
        """The ids of all chunks of a window, joined."""
        key, digest = self._key, hashlib.blake2b
        if cuts and cuts[0] == cuts[-1] and len(cuts) * cuts[0] == len(data):
            size = cuts[0]
            spans = [data[at : at + size] for at in range(0, len(data), size)]
        else:
            spans, at = [], 0
            for size in cuts:
                spans.append(data[at : at + size])
                at += size
        return b"".join([digest(span, digest_size=ID, key=key).digest() for span in spans])

    def advanced(self, count: int) -> None:
        """Tells the progress callback."""
        self.read += count
        if self._progress:
            self._progress("read", self.read)

    # ── commit

    def commit(self, dump: Dump, **facts: Any) -> Snapshot:
        """Makes the snapshot exist. Everything before this point is invisible, everything after it durable."""
        return self.commit_as(
            Snapshot(
                id=os.urandom(16).hex(),
                target=self.target,
                seq=1 + max((p.seq for p in records.places(self._context, self.target)), default=0),
                time=clock.now(),
                type=self.type,
                bytes=0,
                added=0,
                packs=(),
                facts=facts,
                warnings=tuple([*dump.warnings, *self.warnings]),
            ),
            dump,
        )

    def commit_as(self, template: Snapshot, dump: Dump) -> Snapshot:
        """Commits under an id, number and time given from elsewhere, which is how copies keep theirs."""
        if self._open or self._failed:
            raise BackupError("A stream was not finished, so there is nothing to commit", SOURCE_FAILED)
        self._pipeline.drain()
        segments = [self._segments(stream) for stream in self._streams]
        self._pipeline.finish()
        runs = [run for stream in self._streams for run in maps.number_runs(stream.gs)]
        runs += maps.number_runs(sorted({g for parts in segments for _, _, g in parts}))
        packs = {origin for run in runs for origin, _, _ in maps.split(*run, self._index)}
        rescue.keep_alive(self._context, self._index, runs)
        snapshot = replace(
            template,
            bytes=sum(s.offset for s in self._streams),
            added=self._pipeline.stored,
            packs=tuple(sorted(packs)),
        )
        body = {"meta": dump.meta, "tables": dump.tables, "streams": self._described(segments)}
        size = records.store(self._context, snapshot, body)
        self._basis.remember(snapshot, {s.name: maps.addresses(s.gs, self._index) for s in self._streams})
        return records.with_record(snapshot, size)

    def _segments(self, stream: _Stream) -> list[tuple[int, int, int]]:
        """Stores the map of a stream as chunks: (chunks, bytes, number of the stored segment) each."""
        parts, at = [], 0
        lengths = self._index.lengths
        for end in stream.segment_ends():
            gs = stream.gs[at:end]
            data = maps.encode(maps.addresses(gs, self._index))
            chunk_id = hashlib.blake2b(data, digest_size=ID, key=self._key).digest()
            size = sum([lengths[g] for g in gs])
            parts.append((end - at, size, self.place(chunk_id, memoryview(data))))
            at = end
        return parts

    def _described(self, segments: list[list[tuple[int, int, int]]]) -> list[dict[str, Any]]:
        found = []
        for stream, parts in zip(self._streams, segments, strict=True):
            found.append(
                {
                    "name": stream.name,
                    "kind": stream.kind,
                    "page_size": stream.page_size,
                    "length": stream.offset,
                    "sha256": stream.sha256.hexdigest(),
                    "segments": [[n, size, *self._index.origin(g)[:2]] for n, size, g in parts],
                }
            )
        return found


class _Stream:
    """The Writer of one stream."""

    def __init__(
        self,
        run: Run,
        name: str,
        kind: Kind,
        page_size: int | None,
        cutter: Chunker,
        before_ids: bytearray,
        before_gs: array[int],
    ) -> None:
        self._run, self._cutter = run, cutter
        self.name, self.kind, self.page_size = name, kind, page_size
        self._before_ids, self._before_gs = before_ids, before_gs
        self._at = 0  # where in the stream of before we are
        self._fixed = kind == "pages"
        self._buffer = bytearray()
        self.gs = array("I")
        self._ends: list[int] = []
        self._since_end = 0
        self.sha256 = hashlib.sha256()
        self.offset = 0

    def write(self, data: bytes | memoryview) -> None:
        """Takes the next bytes."""
        buffer, window = self._buffer, self._cutter.window
        size = len(data)
        if len(buffer) + size < window:  # the common case of single pages
            buffer += data
        else:
            view = memoryview(data)
            while view:
                room = max(1, window - len(self._buffer))
                self._buffer += view[:room]
                view = view[room:]
                if len(self._buffer) >= window:
                    self.process(last=False)
        self.offset += size

    def process(self, *, last: bool) -> None:
        """Cuts the window, names the chunks, places them."""
        with memoryview(self._buffer) as window:
            cuts = self._cutter.cut(window, last)
            used = sum(cuts)
            with window[:used] as data:
                self.sha256.update(data)
                ids = self._run.chunk_ids(data, cuts)
                ends, self._since_end = maps.segment_ends(ids, self._since_end)
                self._ends += [len(self.gs) + end for end in ends]
                self._place(data, cuts, ids)
        self._buffer = self._buffer[
            used:
        ]  # not shortened: the chunker may hold on to what it has read a little longer
        self._run.advanced(used)

    def segment_ends(self) -> list[int]:
        """After which chunks the map is cut, the last chunk included."""
        count = len(self.gs)
        return self._ends if not count or self._ends[-1:] == [count] else [*self._ends, count]

    def _place(self, data: memoryview, cuts: list[int], ids: bytes) -> None:
        before, numbers, gs = self._before_ids, self._before_gs, self.gs
        at, done, i, count = self._at, 0, 0, len(cuts)
        while i < count:
            n = min(STEP, count - i)
            if ids[i * ID : (i + n) * ID] == before[at * ID : (at + n) * ID]:
                gs.extend(numbers[at : at + n])
                at += n
                done += sum(cuts[i : i + n])
                i += n
                continue
            for j in range(i, i + n):
                chunk_id, size = ids[j * ID : j * ID + ID], cuts[j]
                if chunk_id == before[at * ID : at * ID + ID]:
                    gs.append(numbers[at])
                    at += 1
                else:
                    g, at = self._elsewhere(chunk_id, data[done : done + size], at)
                    gs.append(g)
                done += size
            i += n
        self._at = at

    def _elsewhere(self, chunk_id: bytes, data: memoryview, at: int) -> tuple[int, int]:
        """A chunk that was not at this place before: a changed page, or content that shifted."""
        if self._fixed:
            return self._run.place(chunk_id, data), at + 1
        found = self._before_ids.find(chunk_id, at * ID, at * ID + RESYNC)
        if found >= 0 and found % ID == 0:
            return self._before_gs[found // ID], found // ID + 1
        return self._run.place(chunk_id, data), at
