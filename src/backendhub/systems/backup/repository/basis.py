"""What a run may reuse: nothing (full), the last full's packs (diff), everything (incr)."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from backendhub.systems.backup.models import BackupError, Type

from . import maps, records
from .context import Context, encoded
from .index import Index
from .keys import keep_local
from .maps import Address
from .records import Snapshot
from .sealed import Corrupt


@dataclass(slots=True)
class Basis:
    """The earlier snapshot a run is compared with."""

    context: Context
    target: str
    type: Type
    snapshot: Snapshot | None = None
    streams: dict[str, list[Address]] = field(default_factory=dict)

    @classmethod
    def of(cls, context: Context, target: str, type: Type) -> Basis:
        """Picks the snapshot; without one to build on, the run is a full one, whatever was asked."""
        if type is Type.FULL:
            return cls(context, target, Type.FULL)
        trouble: list[BackupError] = []
        earlier = records.all_snapshots(context, target, trouble=trouble)
        if type is Type.DIFF:
            earlier = [s for s in earlier if s.type is Type.FULL and s.good]
        if not earlier:
            return cls(context, target, Type.FULL)
        found = cls(context, target, type, earlier[-1])
        found.streams = found._cached() or found._stored()
        return found

    def allowed(self, index: Index) -> Callable[[int], bool] | None:
        """Which stored chunks may be reused; None for all."""
        if self.type is not Type.DIFF or self.snapshot is None:
            return None
        packs = set(self.snapshot.packs)
        return lambda g: index.origin(g)[0] in packs

    def stream(self, name: str, index: Index) -> tuple[bytearray, array[int]]:
        """Ids and numbers of the chunks that a stream of this name had before."""
        return maps.expand(self.streams.get(name, []), index)

    # ── the last maps, kept at hand: a host that cannot decrypt has them from nowhere else

    def _path(self, full: bool) -> str:
        return f"maps/{encoded(self.target)}{'.full' if full else ''}"

    def remember(self, snapshot: Snapshot, streams: Mapping[str, list[Address]]) -> None:
        """Keeps the maps of a snapshot just made for the next run."""
        blobs = {name: maps.encode(runs) for name, runs in streams.items()}
        head = {"snapshot": snapshot.id, "streams": [[name, len(blob)] for name, blob in blobs.items()]}
        data = json.dumps(head).encode() + b"\n" + b"".join(blobs.values())
        with suppress(OSError):  # only a cache: without it the next run reads the maps from storage
            keep_local(self.context.cache, self._path(False), data)
            if snapshot.type is Type.FULL:
                keep_local(self.context.cache, self._path(True), data)

    def _cached(self) -> dict[str, list[Address]] | None:
        assert self.snapshot is not None
        for full in (False, True):
            with suppress(OSError, ValueError, KeyError, Corrupt):
                line, _, rest = (self.context.cache / self._path(full)).read_bytes().partition(b"\n")
                head = json.loads(line)
                if head["snapshot"] != self.snapshot.id:
                    continue
                found, at = {}, 0
                for name, size in head["streams"]:
                    found[name] = maps.decode(rest[at : at + size])
                    at += size
                return found
        return None

    def _stored(self) -> dict[str, list[Address]]:
        assert self.snapshot is not None
        if not self.context.ring.can_read:
            return {}
        from .reader import SnapshotSource

        try:
            source = SnapshotSource(self.context, self.snapshot)
            return {name: source.runs(name) for name in source.names()}
        except Corrupt as e:  # a damaged predecessor must not stop tonight's backup; verify tells of it
            self.context.warnings.append(f"The snapshot before this one is damaged: {e.message}")
            return {}
