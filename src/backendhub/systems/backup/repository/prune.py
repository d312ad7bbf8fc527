"""Prune: deletes packs that no snapshot needs and rewrites those that are mostly dead.

Order of safety: mark (read every snapshot) → repack → tomb → wait → mark again → delete. A snapshot that cannot
be read stops everything, for what it needs is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta

from backendhub.kit import clock
from backendhub.systems.backup.models import LOCK_BUSY, BackupError

from . import crash, lease, records, tombs
from . import index as indexes
from .context import Context, Progress
from .index import Index, Pack
from .packs import FRAME_SIZE, Packer
from .pipeline import store_pack
from .reader import Frames, SnapshotSource
from .records import Snapshot
from .tombs import Tomb

GRACE = timedelta(hours=24)
LIVE_SHARE = 0.6  # a pack with less alive is rewritten


@dataclass(slots=True)
class Pruned:
    """What a prune did, or would do."""

    deleted: list[str] = field(default_factory=list)
    condemned: list[str] = field(default_factory=list)  # will go after the grace period
    spared: list[str] = field(default_factory=list)  # were condemned, are needed again
    repacked: list[str] = field(default_factory=list)
    freed: int = 0
    kept: int = 0
    notes: list[str] = field(default_factory=list)


def prune(
    context: Context, *, grace: timedelta = GRACE, dry_run: bool = False, progress: Progress | None = None
) -> Pruned:
    """One round. With no grace nobody may be backing up: checked by a kernel lock where there is one."""
    if dry_run:
        return _Round(context, grace, None, progress).run()
    before, context.backend.emergency = context.backend.emergency, True
    try:
        with ExitStack() as stack:
            # Beside prunes of this host even the lease file need not be waited for.
            stack.enter_context(context.lock("prune.lock", "Prune"))
            quiet = _quiet(context, stack)
            if not quiet and grace < timedelta(hours=1) and context.backend.lock_file("activity.lock"):
                raise BackupError(
                    "A backup is running, so nothing can be deleted without a grace period",
                    LOCK_BUSY,
                    hint="Wait for it, or prune with the usual grace period.",
                )
            _full_disk(context)
            held = stack.enter_context(lease.held(context, dead=_patience(context)))
            crash.point("prune.leased")
            return _Round(context, grace, held, progress, quiet=quiet).run()
    finally:
        context.backend.emergency = before
        context.backend.reserve()


def _quiet(context: Context, stack: ExitStack) -> bool:
    """Whether no backup into this directory is running, on any host that shares its locks."""
    if context.backend.lock_file("activity.lock") is None:
        return False
    try:
        stack.enter_context(context.lock("activity.lock", "The repository"))
    except BackupError as e:
        if e.exit_code != LOCK_BUSY:
            raise
        return False
    return True


def _patience(context: Context) -> float:
    """In a directory the kernel lock already proves that the lease's holder is dead."""
    return 0.0 if context.backend.lock_file("prune.lock") is not None else lease.DEAD


def _full_disk(context: Context) -> None:
    """Tries a small write now: on a full disk this spends the reserve before anything is at stake."""
    context.backend.put("lease/probe", [b"."])
    context.backend.delete("lease/probe")


class _Round:
    """The state of one round; without a lease it only plans."""

    def __init__(
        self,
        context: Context,
        grace: timedelta,
        held: lease.Lease | None,
        progress: Progress | None,
        *,
        quiet: bool = False,
    ) -> None:
        self._context, self._grace, self._lease = context, grace, held
        self._progress, self._quiet = progress, quiet
        self._result = Pruned()

    def run(self) -> Pruned:
        """Frees first (whole packs), then rewrites: the order that works on a full disk."""
        snapshots = self._mark()
        condemned = tombs.names(self._context)
        trouble: list[BackupError] = []
        index = indexes.load(self._context.backend, self._context.ring, self._context.cache, trouble=trouble)
        self._result.notes += [e.message for e in trouble]
        listed = {e.name: e.size for e in self._context.backend.list("packs")}
        live = {pack for s in snapshots for pack in s.packs}
        known = {p.name: p for p in index.packs}
        dead = [n for n in listed if n in known and not any(o[0] in live for o in known[n].origins)]
        unknown = [n for n in listed if n not in known]
        if unknown:
            self._result.notes.append(f"{len(unknown)} packs cannot be read here and are left alone")
        self._bury(dead, condemned, snapshots, listed)
        if self._context.ring.can_read and not trouble:
            gone = set(self._result.deleted)
            packs = [p for p in index.packs if p.name not in gone and p.name not in dead]
            self._repack(packs, index, snapshots, listed, condemned)
        self._sweep(listed)
        self._result.kept = sum(listed.values()) - self._result.freed
        return self._result

    def _mark(self) -> list[Snapshot]:
        return records.all_snapshots(self._context)  # raises if any cannot be opened

    # ── whole packs

    def _bury(
        self, dead: Iterable[str], condemned: set[str], snapshots: list[Snapshot], listed: dict[str, int]
    ) -> None:
        dead = list(dead)
        for name in sorted(condemned - set(dead)):
            if name in listed:
                self._result.spared.append(name)
            self._drop_tomb(name)
        due = [name for name in dead if self._due(name, condemned, snapshots)]
        if due and self._lease:
            # Condemning and judging were not one instant: look again before anything is lost.
            live = {pack for s in self._mark() for pack in s.packs}
            before = {pack for s in snapshots for pack in s.packs}
            if live - before:
                due = []
                self._result.notes.append("A snapshot was made meanwhile; the next prune deletes.")
        for name in due:
            self._delete(name, listed[name])
        for name in dead:
            if name not in due:
                self._condemn(name, condemned, snapshots)

    def _due(self, name: str, condemned: set[str], snapshots: list[Snapshot]) -> bool:
        if self._quiet and (self._grace <= timedelta(0) or self._spent()):
            return True  # nobody can be relying on it unseen
        if self._grace <= timedelta(0) and not self._context.backend.lock_file("activity.lock"):
            return True  # an object store: the caller vouches that no backup runs
        if name not in condemned:
            return False
        tomb = tombs.read(self._context, name)
        waited = clock.precise() - tomb.time >= self._grace
        return waited and any(s.id not in tomb.newest for s in snapshots)

    def _spent(self) -> bool:
        """Whether the reserve is gone, which means that the disk is full."""
        return self._context.backend.stat("reserve") is None

    def _condemn(self, name: str, condemned: set[str], snapshots: list[Snapshot]) -> None:
        self._result.condemned.append(name)
        if self._lease and name not in condemned:
            self._lease.check()
            newest = frozenset(s.id for s in snapshots)
            tombs.write(self._context, Tomb(name, clock.precise(), newest))
            crash.point("prune.tombed")

    def _delete(self, name: str, size: int) -> None:
        self._result.deleted.append(name)
        self._result.freed += size
        if self._lease:
            self._lease.check()
            self._context.backend.delete(name)
            crash.point("prune.pack-deleted")
            self._drop_tomb(name)
            if self._progress:
                self._progress("prune", self._result.freed)

    def _drop_tomb(self, name: str) -> None:
        if self._lease:
            self._context.backend.delete(f"tombs/{name.rsplit('/', 1)[-1]}")
            crash.point("prune.tomb-deleted")

    # ── packs that are mostly dead

    def _repack(
        self,
        packs: list[Pack],
        index: Index,
        snapshots: list[Snapshot],
        listed: dict[str, int],
        condemned: set[str],
    ) -> None:
        if not snapshots or self._spent():
            return
        alive = self._alive(index, snapshots)
        frames = Frames(self._context, index)
        packer: Packer | None = None
        done: list[Pack] = []
        for pack in packs:
            kept = alive.get(pack.base, [])
            live = sum(sum(index.lengths[g : g + n]) for g, n in kept)
            total = sum(index.lengths[pack.base : pack.base + pack.chunks])
            if not total or live / total >= LIVE_SHARE:
                continue
            self._result.repacked.append(pack.name)
            done.append(pack)
            if not self._lease:
                continue
            packer = packer or Packer(self._context.ring)
            packer = self._move(packer, kept, index, frames)
        if packer is not None and packer.chunks:
            store_pack(self._context, packer, "prune.repacked")
        # Only now, with every living chunk stored twice, may the old packs go the way of the dead.
        condemned_now = condemned | tombs.names(self._context)
        if self._lease:
            self._bury([p.name for p in done], condemned_now & {p.name for p in done}, snapshots, listed)

    def _alive(self, index: Index, snapshots: list[Snapshot]) -> dict[int, list[tuple[int, int]]]:
        """The living runs (g, count) in each pack, ascending and without overlaps."""
        marks = bytearray(index.count)
        for snapshot in snapshots:
            source = SnapshotSource(self._context, snapshot, index)
            for name in source.names():
                for segment in source.described(name)["segments"]:
                    _set(marks, index, (segment[2], segment[3], 1))
                for run in source.runs(name):
                    _set(marks, index, run)
        found: dict[int, list[tuple[int, int]]] = {}
        for pack in index.packs:
            at, end = pack.base, pack.base + pack.chunks
            while (start := marks.find(1, at, end)) >= 0:
                stop = marks.find(0, start, end)
                stop = end if stop < 0 else stop
                found.setdefault(pack.base, []).append((start, stop - start))
                at = stop
        return found

    def _move(self, packer: Packer, kept: list[tuple[int, int]], index: Index, frames: Frames) -> Packer:
        """Copies living chunks into the pack being filled, with their lasting addresses."""
        raw = bytearray()
        ids = bytearray()
        lengths: list[int] = []
        origins: list[tuple[str, int, int]] = []
        last = (kept[-1][0] + kept[-1][1]) if kept else 0
        for start, count in kept:
            for g in range(start, start + count):
                raw += frames.chunk(g)
                ids += index.ids[g * 16 : g * 16 + 16]
                lengths.append(index.lengths[g])
                origin, number, _ = index.origin(g)
                origins.append((origin, number, 1))
                if len(raw) >= FRAME_SIZE or g + 1 == last:
                    packer.add(raw, ids, lengths, origins)
                    raw, ids, lengths, origins = bytearray(), bytearray(), [], []
                    if packer.full:
                        store_pack(self._context, packer, "prune.repacked")
                        packer = Packer(self._context.ring)
        return packer

    # ── leftovers

    def _sweep(self, listed: dict[str, int]) -> None:
        """Half-written files, marks without a snapshot, tombs without a pack."""
        if not self._lease:
            return
        self._lease.check()
        self._context.backend.sweep()
        for name in tombs.names(self._context):
            if name not in listed:
                self._drop_tomb(name)
        there = {p.id for p in records.places(self._context)}
        for entry in self._context.backend.list("marks"):
            if entry.name.rsplit("/", 1)[-1].partition("-")[0] not in there:
                self._context.backend.delete(entry.name)
        crash.point("prune.swept")


def _set(marks: bytearray, index: Index, run: tuple[str, int, int]) -> None:
    try:
        for g, count in index.resolve(*run):
            marks[g : g + count] = b"\1" * count
    except KeyError:
        return  # missing already: verify tells of it, and there is nothing here to keep alive
