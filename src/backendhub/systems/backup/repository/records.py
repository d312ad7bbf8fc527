"""Snapshots, the commit points, and the marks put on them later; both authenticated.

A snapshot's file holds two sealed parts: facts that any writing host may read (for lists and retention), and the
body (tables, engine's record, stream maps) that needs the identity.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from backendhub.kit import clock
from backendhub.kit.errors import NotFound
from backendhub.systems.backup.models import WRONG_KEY, BackupError, Type

from . import crash
from .backend import Missing
from .context import Context, decoded, encoded
from .keys import keep_local
from .sealed import Corrupt, new_seal, open_seal, pack_small, read_header, unpack_small

_NAME = re.compile(r"snaps/([^/]+)/(\d{8,})-(\d{8}T\d{6}Z)-([0-9a-f]{32})")
STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One committed backup, as far as a host without the identity may know it."""

    id: str
    target: str
    seq: int
    time: datetime
    type: Type
    bytes: int  # of all streams, as restored
    added: int  # stored for this snapshot: packs and record
    packs: tuple[str, ...] = field(repr=False)  # ids of the packs that its maps point to
    facts: Mapping[str, Any] = field(default_factory=dict)  # what the caller gave to commit()
    warnings: tuple[str, ...] = ()
    quarantined: str | None = None  # the reason, if it must not count as good
    drilled: datetime | None = None  # the last proof that it restores
    notes: tuple[Mapping[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """Where its record lies."""
        return f"snaps/{encoded(self.target)}/{self.seq:08d}-{self.time.strftime(STAMP)}-{self.id}"

    @property
    def order(self) -> tuple[int, datetime, str]:
        """Newest last: by number, for clocks jump; two hosts may have drawn the same number."""
        return self.seq, self.time, self.id

    @property
    def good(self) -> bool:
        """Whether retention may rely on it."""
        return self.quarantined is None


@dataclass(frozen=True, slots=True)
class Place:
    """A snapshot as its name alone tells."""

    name: str
    size: int
    target: str
    seq: int
    id: str


def places(context: Context, target: str | None = None) -> list[Place]:
    """All snapshots by name, without opening any."""
    found = []
    for entry in context.backend.list("snaps" if target is None else f"snaps/{encoded(target)}"):
        match = _NAME.fullmatch(entry.name)
        if match:
            found.append(Place(entry.name, entry.size, decoded(match[1]), int(match[2]), match[4]))
    return found


def store(context: Context, snapshot: Snapshot, body: Mapping[str, Any]) -> int:
    """Commits: the snapshot exists from here on. Returns the stored size."""
    facts = {
        "id": snapshot.id,
        "target": snapshot.target,
        "seq": snapshot.seq,
        "time": clock.iso(snapshot.time),
        "type": snapshot.type.value,
        "bytes": snapshot.bytes,
        "added": snapshot.added,
        "packs": list(snapshot.packs),
        "facts": dict(snapshot.facts),
        "warnings": list(snapshot.warnings),
    }
    data = _encode(context, snapshot, facts, body)
    crash.point("snapshot.before")
    if not context.backend.create(snapshot.name, data):
        raise Corrupt(f"{snapshot.name} exists already")
    crash.point("snapshot.stored")
    return len(data)


def _encode(context: Context, snapshot: Snapshot, facts: Mapping[str, Any], body: Mapping[str, Any]) -> bytes:
    seal, head = new_seal(context.ring, "snapshot", context=snapshot.name, object_id=snapshot.id)
    header, _ = read_header(head, "the new snapshot")
    outer = open_seal(context.ring, header, context=snapshot.name, level="writer")
    first = outer.close(0, pack_small(facts))
    return head + struct.pack("<I", len(first)) + first + seal.close(1, pack_small(body))


def _split(data: bytes, name: str) -> tuple[dict[str, Any], bytes, bytes]:
    header, start = read_header(data, name)
    if header["kind"] != "snapshot" or len(data) < start + 4:
        raise Corrupt(f"{name} is no snapshot")
    (length,) = struct.unpack_from("<I", data, start)
    if start + 4 + length > len(data):
        raise Corrupt(f"{name} is cut short")
    return header, data[start + 4 : start + 4 + length], data[start + 4 + length :]


def load(context: Context, place: Place, *, fresh: bool = False) -> Snapshot:
    """The facts of a snapshot, from the cache if its sealed bytes are there and may be believed."""
    cached = context.cache / "snaps" / f"{place.id}-{place.size}"
    with suppress(OSError, Corrupt):
        if not fresh:
            return _facts(context, place, cached.read_bytes())
    data = context.backend.get(place.name)
    snapshot = _facts(context, place, data)
    with suppress(OSError):  # only a cache, perhaps on the same full disk
        keep_local(context.cache, f"snaps/{cached.name}", data)
    return snapshot


def with_record(snapshot: Snapshot, size: int) -> Snapshot:
    """Counts the record itself among what the snapshot added."""
    return replace(snapshot, added=snapshot.added + size)


def _facts(context: Context, place: Place, data: bytes) -> Snapshot:
    header, first, _ = _split(data, place.name)
    seal = open_seal(context.ring, header, context=place.name, level="writer")
    facts = unpack_small(seal.open(0, first), place.name)
    try:
        return Snapshot(
            id=str(facts["id"]),
            target=str(facts["target"]),
            seq=int(facts["seq"]),
            time=clock.parse(facts["time"]),
            type=Type(facts["type"]),
            bytes=int(facts["bytes"]),
            added=int(facts["added"]) + place.size,
            packs=tuple(map(str, facts["packs"])),
            facts=facts["facts"],
            warnings=tuple(facts["warnings"]),
            # Also from birth: a mark of its own could be lost to a crash after the commit.
            quarantined=facts["facts"].get("quarantined"),
        )
    except (KeyError, ValueError, TypeError) as e:
        raise Corrupt(f"{place.name} cannot be read") from e


def body(context: Context, snapshot: Snapshot) -> dict[str, Any]:
    """Tables, engine's record and stream maps; needs the identity."""
    data = context.backend.get(snapshot.name)
    header, first, second = _split(data, snapshot.name)
    open_seal(context.ring, header, context=snapshot.name, level="writer").open(
        0, first
    )  # damage speaks first
    seal = open_seal(context.ring, header, context=snapshot.name)
    return dict(unpack_small(seal.open(1, second), snapshot.name))


def exists(context: Context, snapshot: Snapshot) -> bool:
    """Whether it is still there, or was forgotten by another process meanwhile."""
    return context.backend.stat(snapshot.name) is not None


def all_snapshots(
    context: Context,
    target: str | None = None,
    *,
    trouble: list[BackupError] | None = None,
    fresh: bool = False,
) -> list[Snapshot]:
    """Every snapshot with its marks, oldest first.

    What cannot be opened is an error, for a list that silently lacks a snapshot would mislead retention and
    prune; with `trouble`, it goes there instead.
    """
    found = []
    for place in places(context, target):
        try:
            found.append(load(context, place, fresh=fresh))
        except Missing:
            continue  # forgotten by another process since the listing
        except BackupError as e:
            if trouble is None:
                raise
            trouble.append(e)
    marks = _marks(context, target)
    return sorted((_marked(s, marks.get(s.id, [])) for s in found), key=lambda s: s.order)


def find(snapshots: list[Snapshot], text: str) -> Snapshot:
    """A snapshot by `latest`, its number, or at least four characters of its id."""
    if text == "latest" and snapshots:
        return snapshots[-1]
    matches = [s for s in snapshots if str(s.seq) == text]
    if not matches and len(text) >= 4:
        matches = [s for s in snapshots if s.id.startswith(text)]
    if len(matches) != 1:
        what = "No snapshot matches" if not matches else f"{len(matches)} snapshots match"
        raise NotFound(f"{what} {text!r}", hint="`backendhub backup list` shows them.")
    return matches[0]


# ── marks


def mark(context: Context, snapshot: Snapshot, note: Mapping[str, Any]) -> Snapshot:
    """Puts a small sealed record beside a snapshot: quarantined (a reason), drilled (true), anything else."""
    name = f"marks/{encoded(snapshot.target)}/{snapshot.id}-{os.urandom(8).hex()}"
    record = {"snapshot": snapshot.id, "time": clock.iso(clock.precise()), **note}
    seal, head = new_seal(context.ring, "mark", readable_by="writer", context=name)
    context.backend.put(name, [head, seal.close(0, pack_small(record))])
    crash.point("mark.stored")
    return _marked(snapshot, [record])


def _marks(context: Context, target: str | None) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in context.backend.list("marks" if target is None else f"marks/{encoded(target)}"):
        with suppress(Missing):
            record = _read_mark(context, entry.name)
            if record:
                found.setdefault(str(record["snapshot"]), []).append(record)
    return found


def _read_mark(context: Context, name: str) -> dict[str, Any] | None:
    cached = context.cache / "marks" / name.rsplit("/", 1)[-1]
    with suppress(OSError, Corrupt):
        return _open_mark(context, name, cached.read_bytes())
    data = context.backend.get(name, limit=1 << 20)
    record = _open_mark(context, name, data)
    with suppress(OSError):  # only a cache, perhaps on the same full disk
        keep_local(context.cache, f"marks/{cached.name}", data)
    return record


def _open_mark(context: Context, name: str, data: bytes) -> dict[str, Any] | None:
    header, start = read_header(data, name)
    try:
        seal = open_seal(context.ring, header, context=name)
    except BackupError as e:
        if e.exit_code == WRONG_KEY:  # another host's: its snapshot cannot be opened here either
            return None
        raise
    return dict(unpack_small(seal.open(0, data[start:]), name, 1 << 20))


def _marked(snapshot: Snapshot, marks: list[dict[str, Any]]) -> Snapshot:
    for record in sorted(marks, key=lambda m: str(m["time"])):
        moment = clock.parse(record["time"])
        if "quarantined" in record:
            snapshot = replace(snapshot, quarantined=record["quarantined"])
        if record.get("drilled"):
            snapshot = replace(
                snapshot, drilled=max(moment, snapshot.drilled or datetime.min.replace(tzinfo=UTC))
            )
        snapshot = replace(snapshot, notes=(*snapshot.notes, record))
    return snapshot


def delete(context: Context, snapshot: Snapshot) -> None:
    """Forgets a snapshot: first the record, so that no half-known snapshot can ever be seen, then its marks."""
    context.backend.delete(snapshot.name)
    crash.point("forget.snapshot-deleted")
    for name in mark_names(context, snapshot):
        context.backend.delete(name)
    crash.point("forget.marks-deleted")


def mark_names(context: Context, snapshot: Snapshot) -> Iterator[str]:
    """The marks of a snapshot."""
    for entry in context.backend.list(f"marks/{encoded(snapshot.target)}"):
        if entry.name.rsplit("/", 1)[-1].startswith(snapshot.id):
            yield entry.name
