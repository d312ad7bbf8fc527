"""Copying snapshots to another repository, and telling two snapshots apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from backendhub.systems.backup.models import Dump, Type

from . import crash, maps, records
from . import index as indexes
from .context import Context, Progress, encoded
from .packs import ID
from .reader import SnapshotSource
from .records import Snapshot
from .writer import Run

BLOCK = 1 << 20


@dataclass(slots=True)
class Copied:
    """What a copy did."""

    copied: list[Snapshot] = field(default_factory=list)
    present: int = 0  # were there already
    added: int = 0


def copy(
    source: Context,
    into: Context,
    snapshots: Iterable[Snapshot] | None = None,
    progress: Progress | None = None,
) -> Copied:
    """Copies snapshots with their ids, numbers, times and marks; what is there already is left alone.

    Every stream is read as at a restore, so its hash is checked, and stored under the other repository's keys.
    """
    result = Copied()
    chosen = list(snapshots) if snapshots is not None else records.all_snapshots(source)
    there = {p.id for p in records.places(into)}
    index = indexes.load(source.backend, source.ring, source.cache, trouble=[])
    for snapshot in sorted(chosen, key=lambda s: s.order):
        if snapshot.id in there:
            result.present += 1
            _copy_marks(into, snapshot)
            continue
        with into.lock(f"{encoded(snapshot.target)}.lock", f"The target {snapshot.target!r}", wait=60):
            made = _copy_one(SnapshotSource(source, snapshot, index), snapshot, into, progress)
        crash.point("copy.snapshot-stored")
        _copy_marks(into, snapshot)
        result.copied.append(made)
        result.added += made.added
    return result


def _copy_one(
    source: SnapshotSource, snapshot: Snapshot, into: Context, progress: Progress | None
) -> Snapshot:
    run = Run(into, snapshot.target, Type.INCR, progress, crash_point="copy.pack-stored")
    try:
        for name in source.names():
            facts = source.described(name)
            with (
                run.stream(name, kind=facts["kind"], page_size=facts["page_size"]) as writer,
                source.open(name) as reader,
            ):
                while block := reader.read(BLOCK):
                    writer.write(block)
        return run.commit_as(snapshot, Dump(dict(source.meta), source.tables))
    finally:
        run.close()


def _copy_marks(into: Context, snapshot: Snapshot) -> None:
    there = {note.get("copied") for s in records.all_snapshots(into, snapshot.target) for note in s.notes}
    for note in snapshot.notes:
        key = f"{snapshot.id} {note['time']}"
        if key not in there:
            kept = {k: v for k, v in note.items() if k != "snapshot"}
            records.mark(into, snapshot, {**kept, "copied": key})


@dataclass(frozen=True, slots=True)
class Difference:
    """How a stream differs between two snapshots, in bytes of chunks that only one of them has."""

    stream: str
    before: int | None
    after: int | None
    only_before: int
    only_after: int


@dataclass(frozen=True, slots=True)
class Compared:
    """Two snapshots side by side."""

    streams: tuple[Difference, ...]
    tables: dict[str, tuple[dict[str, Any] | None, dict[str, Any] | None]]  # those that differ


def compare(context: Context, a: Snapshot, b: Snapshot) -> Compared:
    """What changed from `a` to `b`."""
    index = indexes.load(context.backend, context.ring, context.cache, trouble=[])
    before, after = SnapshotSource(context, a, index), SnapshotSource(context, b, index)
    names = dict.fromkeys([*before.names(), *after.names()])
    streams = []
    for name in names:
        old, new = _chunks(before, name), _chunks(after, name)
        streams.append(
            Difference(
                name,
                before.size(name) if name in before.names() else None,
                after.size(name) if name in after.names() else None,
                sum(size for chunk, size in old.items() if chunk not in new),
                sum(size for chunk, size in new.items() if chunk not in old),
            )
        )
    tables = {}
    for table in sorted({*before.tables, *after.tables}):
        pair = before.tables.get(table), after.tables.get(table)
        if pair[0] != pair[1]:
            tables[table] = pair
    return Compared(tuple(streams), tables)


def _chunks(source: SnapshotSource, name: str) -> dict[bytes, int]:
    if name not in source.names():
        return {}
    ids, gs = maps.expand(source.runs(name), source.frames.index)
    lengths = source.frames.index.lengths
    return {bytes(ids[i * ID : i * ID + ID]): lengths[g] for i, g in enumerate(gs)}
