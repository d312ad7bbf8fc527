"""Verify: is everything there, and is every byte what was stored? Any finding is exit 40."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from backendhub.kit.errors import Invalid
from backendhub.systems.backup.models import CORRUPT, WRONG_KEY, BackupError

from . import index as indexes
from . import packs, records
from .backend import Entry
from .context import Context, Progress
from .index import Index, Pack
from .keys import derive
from .packs import ID
from .reader import SnapshotSource, open_frame
from .records import Snapshot
from .sealed import Corrupt, open_seal

PIECE = 4 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and what it hits."""

    name: str
    text: str
    snapshots: tuple[str, ...] = ()  # "target #seq"
    streams: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


@dataclass(slots=True)
class Verified:
    """What was looked at and found."""

    snapshots: int = 0
    packs: int = 0
    read: int = 0  # bytes of packs that were read and hashed
    decrypted: bool = False
    unreadable: list[str] = field(default_factory=list)  # snapshots that the keys here do not open
    findings: list[Finding] = field(default_factory=list)

    def raise_if_bad(self) -> None:
        """Exit 40 with a one-line summary if there is any finding."""
        if self.findings:
            hit = sorted({s for f in self.findings for s in f.snapshots})
            raise BackupError(
                f"{len(self.findings)} objects are damaged or missing; snapshots hit: {', '.join(hit) or 'none'}",
                CORRUPT,
                findings=[f.text for f in self.findings],
            )


def verify(
    context: Context,
    *,
    read_data: bool = False,
    subset: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Quick: names, sizes, footers, records, maps. `read_data` (or a subset n/m) reads and hashes packs, too."""
    if subset is not None and not 1 <= subset[0] <= subset[1]:
        raise Invalid(f"There is no part {subset[0]}/{subset[1]}")
    result = Verified(decrypted=context.ring.can_read)
    trouble: list[BackupError] = []
    snapshots = records.all_snapshots(context, trouble=trouble, fresh=True)
    for e in trouble:
        # An identity knows every write key, so an unknown one is damage, or somebody else's doing.
        if e.exit_code == CORRUPT or context.ring.can_read:
            result.findings.append(Finding("snapshot", e.message))
        else:
            result.unreadable.append(e.message)
    broken: list[BackupError] = []
    # No cache: what an earlier run remembered must not hide what storage holds now.
    index = indexes.load(context.backend, context.ring, context.cache, trouble=broken, fresh=True)
    bad: dict[str, str] = {}
    if read_data or subset:
        bad = dict(_read_packs(context, index, subset, result, progress))
    known = {p.name for p in index.packs}
    bad_packs = {p.base: bad[p.name] for p in index.packs if p.name in bad}
    result.findings += [Finding("pack", e.message) for e in broken]
    result.findings += [Finding(name, text) for name, text in bad.items() if name not in known]
    for snapshot in snapshots:
        result.snapshots += 1
        result.findings += _check_snapshot(context, snapshot, index, bad_packs, result.unreadable)
    used = {p for f in result.findings for p in (f.name,)}
    result.findings += [
        Finding(p.name, f"{p.name}: {bad_packs[p.base]} (no snapshot needs it)")
        for p in index.packs
        if p.base in bad_packs and p.name not in used
    ]
    result.packs = sum(1 for _ in context.backend.list("packs"))
    return result


def _in_subset(entry: Entry, subset: tuple[int, int] | None) -> bool:
    if subset is None:
        return True
    return int(entry.name.rsplit("/", 1)[-1][:8], 16) % subset[1] == subset[0] - 1


def _read_packs(
    context: Context,
    index: Index,
    subset: tuple[int, int] | None,
    result: Verified,
    progress: Progress | None,
) -> Iterator[tuple[str, str]]:
    """Names of damaged packs and what is wrong. The hash needs no key; with the identity, frames open too."""
    known = {p.name: p for p in index.packs}
    for entry in context.backend.list("packs"):
        if not _in_subset(entry, subset):
            continue
        digest, at = hashlib.sha256(), 0
        try:
            while at < entry.size:
                piece = context.backend.get_range(entry.name, at, PIECE)
                if not piece:
                    break
                digest.update(piece)
                at += len(piece)
            if packs.pack_name(digest.hexdigest()) != entry.name:
                yield entry.name, "its bytes do not match its name"
            elif entry.name in known and context.ring.can_read:
                _open_all(context, index, known[entry.name])
        except BackupError as e:
            if e.exit_code != CORRUPT:
                raise
            yield entry.name, e.message
        result.read += at
        if progress:
            progress("verify", result.read)


def _open_all(context: Context, index: Index, pack: Pack) -> None:
    """Decrypts every frame and compares every chunk with its id."""
    header, start = packs.read_head(context.backend, pack.name)
    seal = open_seal(context.ring, header)
    key = derive(context.ring.write_key(header["write_key"]), b"chunk id")
    g = pack.base
    for number, frame in enumerate(pack.footer_frames):
        stored = context.backend.get_range(pack.name, start + frame[0], frame[1])
        raw = memoryview(open_frame(seal, frame, number, memoryview(stored), pack.name))
        at = 0
        for _ in range(frame[3]):
            chunk = raw[at : at + index.lengths[g]]
            at += len(chunk)
            wanted = index.ids[g * ID : g * ID + ID]
            if hashlib.blake2b(chunk, digest_size=ID, key=key).digest() != wanted:
                raise Corrupt(f"{pack.name}: a chunk is not what its id says")
            g += 1


# ── which snapshots are hit


def _check_snapshot(
    context: Context, snapshot: Snapshot, index: Index, bad: dict[int, str], unreadable: list[str]
) -> list[Finding]:
    label = f"{snapshot.target} #{snapshot.seq}"
    if not context.ring.can_read:
        missing = [p for p in snapshot.packs if not index.has_origin(p)]
        hit = [p for p in index.packs if p.base in bad and any(o[0] in snapshot.packs for o in p.origins)]
        found = [Finding(p.name, f"{p.name}: {bad[p.base]}", (label,)) for p in hit]
        if missing and index.complete:
            found.append(Finding(missing[0], f"{len(missing)} packs of {label} are missing", (label,)))
        return found
    try:
        source = SnapshotSource(context, snapshot, index)
    except BackupError as e:
        if e.exit_code == WRONG_KEY:  # its record is sound, but was sealed before this key was added
            unreadable.append(label)
            return []
        if e.exit_code != CORRUPT:
            raise
        if not records.exists(context, snapshot):
            return []  # forgotten since the listing
        return [Finding(snapshot.name, f"{label}: {e.message}", (label,))]
    return _check_streams(source, label, bad)


def _check_streams(source: SnapshotSource, label: str, bad: dict[int, str]) -> list[Finding]:
    hits: dict[str, list[tuple[str, int, int]]] = {}  # what is wrong → (stream, start, end)
    for name in source.names():
        offset = 0
        for _, size, origin, number in source.described(name)["segments"]:
            for text, start, end in _check_segment(source, (origin, number, 1), size, bad):
                hits.setdefault(text, []).append((name, offset + start, offset + end))
            offset += size
        if offset != source.size(name):
            hits.setdefault("its map has the wrong length", []).append((name, 0, source.size(name)))
    return [
        Finding(
            text.partition(":")[0],
            f"{label}: {text}",
            (label,),
            tuple(sorted({s for s, _, _ in ranges})),
            tuple(_tables(source, ranges)),
        )
        for text, ranges in hits.items()
    ]


def _check_segment(
    source: SnapshotSource, where: tuple[str, int, int], size: int, bad: dict[int, str]
) -> Iterator[tuple[str, int, int]]:
    """What is wrong in one segment and which of its bytes that hits."""
    index = source.frames.index
    at = 0
    try:
        pack = index.pack_of(next(iter(index.resolve(*where)))[0])
        if pack.base in bad:
            yield f"{pack.name}: {bad[pack.base]}", 0, size
        for run in source.segment(*where[:2]):
            for g, count in index.resolve(*run):
                length = sum(index.lengths[g : g + count])
                for hit in _bad_packs(index, g, count, bad):
                    yield f"{hit.name}: {bad[hit.base]}", at, at + length
                at += length
        if at != size:
            yield "its map has the wrong length", 0, size
    except KeyError as e:
        yield f"pack {str(e.args[0]).split()[0]}: missing or damaged", at, size
    except BackupError as e:
        if e.exit_code != CORRUPT:
            raise
        yield f"{e.message}", 0, size


def _bad_packs(index: Index, g: int, count: int, bad: dict[int, str]) -> Iterator[Pack]:
    pack = index.pack_of(g)  # a resolved run never leaves its pack
    if pack.base in bad and count:
        yield pack


def _tables(source: SnapshotSource, ranges: list[tuple[str, int, int]]) -> list[str]:
    """The tables whose bytes are hit, where the engine said where they lie."""
    found = set()
    streams = source.names()
    for table, facts in source.tables.items():
        if "start" not in facts or "length" not in facts:
            continue
        start, end = int(facts["start"]), int(facts["start"]) + int(facts["length"])
        stream = facts.get("stream", streams[0] if streams else "")
        if any(s == stream and a < end and b > start for s, a, b in ranges):
            found.add(table)
    return sorted(found)
