"""Prune: deletes packs that no snapshot needs and rewrites those that are mostly dead.

Order of safety: mark (read every snapshot) → repack → tomb → wait → mark again → delete. A snapshot that cannot
be read stops everything, for what it needs is unknown.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta

from backendhub.kit import clock
from backendhub.systems.backup.models import LOCK_BUSY, BackupError

from . import crash, lease, records, tombs
from . import index as indexes
from .backend import Missing
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
        return _Round(context, grace, None, progress, quiet=grace <= timedelta(0)).run()
    before, context.backend.emergency = context.backend.emergency, True
    try:
        with ExitStack() as stack:
            stack.enter_context(context.lock("prune.lock", "Prune"))
            _probe(context)
            quiet = False
            if grace <= timedelta(0) or _full(context):
                quiet = _quiet(context, stack, needed=grace <= timedelta(0))
            held = stack.enter_context(lease.held(context, beat=lease.BEAT, dead=_patience(context)))
            crash.point("prune.leased")
            return _Round(context, grace, held, progress, quiet=quiet).run()
    finally:
        context.backend.emergency = before
        context.backend.reserve()


def _quiet(context: Context, stack: ExitStack, *, needed: bool) -> bool:
    """Whether no backup is running: proven by the kernel in a directory, vouched for by the caller elsewhere."""
    if not _is_directory(context):
        return needed
    try:
        stack.enter_context(context.lock("activity.lock", "The repository"))
    except BackupError as e:
        if e.exit_code != LOCK_BUSY:
            raise
        if needed:
            raise BackupError(
                "A backup is running, so nothing can be deleted without a grace period",
                LOCK_BUSY,
                hint="Wait for it, or prune with the usual grace period.",
            ) from e
        return False
    return True


def _is_directory(context: Context) -> bool:
    return context.backend.lock_file("activity.lock") is not None


def _patience(context: Context) -> float:
    """In a directory the kernel lock already proves that the lease's holder is dead."""
    return 0.0 if _is_directory(context) else lease.DEAD


def _probe(context: Context) -> None:
    """Tries a small write now: on a full disk this spends the reserve before anything is at stake."""
    context.backend.put("lease/probe", [bytes(64 << 10)])
    context.backend.delete("lease/probe")


def _full(context: Context) -> bool:
    """Whether the reserve is gone, which means that the disk is full."""
    return _is_directory(context) and context.backend.stat("reserve") is None


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
        snapshots = records.all_snapshots(self._context)  # raises if any cannot be opened
        condemned = tombs.names(self._context)
        trouble: list[BackupError] = []
        context = self._context
        index = indexes.load(
            context.backend, context.ring, context.cache, unusable=condemned, trouble=trouble
        )
        self._result.notes += [e.message for e in trouble]
        listed = {e.name: e.size for e in context.backend.list("packs")}
        unknown = listed.keys() - {p.name for p in index.packs}
        if unknown:
            self._result.notes.append(f"{len(unknown)} packs cannot be read here and are left alone")
        precise = context.ring.can_read and not trouble
        alive = self._alive(index, snapshots) if precise else _whole(index, snapshots)
        dead = [p for p in index.packs if p.base not in alive and p.name in listed]
        self._bury(dead, condemned, snapshots, listed)
        if precise and not (_full(context) and self._lease):
            self._repack([p for p in index.packs if p.base in alive], alive, index, snapshots, listed)
        self._sweep(listed)
        self._result.kept = sum(listed.values()) - self._result.freed
        return self._result

    # ── whole packs

    def _bury(
        self, dead: list[Pack], condemned: set[str], snapshots: list[Snapshot], listed: dict[str, int]
    ) -> None:
        for name in sorted(condemned - {p.name for p in dead}):
            if name in listed:
                self._result.spared.append(name)
            self._drop_tomb(name)
        due = [pack for pack in dead if self._due(pack.name, condemned, snapshots)]
        if due and self._lease:
            due = self._still_dead(due, snapshots)
        for pack in due:
            self._delete(pack.name, listed[pack.name])
        for pack in dead:
            if pack not in due:
                self._condemn(pack.name, condemned, snapshots)

    def _still_dead(self, due: list[Pack], snapshots: list[Snapshot]) -> list[Pack]:
        """Looks again before anything is lost: snapshots made since the mark may need these."""
        seen = {s.id for s in snapshots}
        places = [p for p in records.places(self._context) if p.id not in seen]
        needed: set[str] = set()
        for place in places:
            with suppress(Missing):  # made and forgotten again, all since the mark
                needed.update(records.load(self._context, place).packs)
        return [pack for pack in due if not any(o[0] in needed for o in pack.origins)]

    def _due(self, name: str, condemned: set[str], snapshots: list[Snapshot]) -> bool:
        if self._quiet:
            return True  # nobody can be relying on it unseen
        if name not in condemned:
            return False
        tomb = tombs.read(self._context, name)
        waited = clock.precise() - tomb.time >= self._grace
        return waited and any(s.id not in tomb.newest for s in snapshots)

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
        alive: dict[int, list[tuple[int, int]]],
        index: Index,
        snapshots: list[Snapshot],
        listed: dict[str, int],
    ) -> None:
        frames = Frames(self._context, index)
        packer: Packer | None = None
        done: list[Pack] = []
        for pack in packs:
            live = sum(sum(index.lengths[g : g + n]) for g, n in alive[pack.base])
            if live >= LIVE_SHARE * sum(index.lengths[pack.base : pack.base + pack.chunks]):
                continue
            self._result.repacked.append(pack.name)
            done.append(pack)
            if self._lease:
                packer = self._move(packer or Packer(self._context.ring), alive[pack.base], index, frames)
        if packer is not None and packer.chunks:
            store_pack(self._context, packer, "prune.repacked")
        # Only now, with every living chunk stored twice, may the old packs go the way of the dead.
        if self._lease and done:
            self._bury(done, set(), snapshots, listed)

    def _alive(self, index: Index, snapshots: list[Snapshot]) -> dict[int, list[tuple[int, int]]]:
        """The living runs (g, count) in each pack, ascending and without overlaps."""
        marks = bytearray(index.count)
        for snapshot in snapshots:
            try:
                source = SnapshotSource(self._context, snapshot, index)
            except Missing:
                if records.exists(self._context, snapshot):
                    raise
                continue  # forgotten since the listing: it needs nothing any more
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


def _whole(index: Index, snapshots: list[Snapshot]) -> dict[int, list[tuple[int, int]]]:
    """Without the identity maps cannot be read: a pack lives if any snapshot names it."""
    live = {pack for s in snapshots for pack in s.packs}
    return {
        p.base: [(p.base, p.chunks)] for p in index.packs if any(origin[0] in live for origin in p.origins)
    }


def _set(marks: bytearray, index: Index, run: tuple[str, int, int]) -> None:
    try:
        for g, count in index.resolve(*run):
            marks[g : g + count] = b"\1" * count
    except KeyError:
        return  # missing already: verify tells of it, and there is nothing here to keep alive
