"""The repository as the service sees it: open it, back up into it, restore from it, look after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

from backendhub.kit import clock
from backendhub.kit.errors import NotFound
from backendhub.systems.backup.models import BackupError, Type

from . import context as contexts
from . import crash, lease, locks, logs, records, rotation
from . import index as indexes
from .backend import Backend, open_backend
from .check import Verified, verify
from .context import Context, Progress, encoded
from .keys import wrong
from .logs import Log
from .prune import GRACE, Pruned, prune
from .reader import SnapshotSource
from .records import Snapshot
from .retention import Decision, Policy, plan
from .transfer import Compared, Copied, compare, copy
from .writer import Run

__all__ = ["Policy", "Progress", "Repository", "Run", "Snapshot", "SnapshotSource"]


class Repository:
    """A chunk store at a URL (a directory, s3://, gs://, az://)."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @classmethod
    def init(
        cls,
        url: str,
        *,
        passphrase: str | None = None,
        recipients: Iterable[str] = (),
        cache_dir: Path,
        backend: Backend | None = None,
    ) -> Repository:
        """Makes a repository, closed with a passphrase or to be read only by age recipients."""
        backend = backend or open_backend(url, create=True)
        return cls(contexts.create(backend, cache_dir, passphrase=passphrase, recipients=list(recipients)))

    @classmethod
    def open(
        cls,
        url: str,
        *,
        passphrase: str | None = None,
        identity: str | None = None,
        cache_dir: Path,
        backend: Backend | None = None,
    ) -> Repository:
        """Opens a repository; with neither key, a recipients' repository opens for writing only."""
        backend = backend or open_backend(url)
        return cls(contexts.open_(backend, cache_dir, passphrase=passphrase, identity=identity))

    def close(self) -> None:
        """Lets go of the storage."""
        self._context.backend.close()

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def id(self) -> str:
        """The id drawn at init."""
        return self._context.id

    @property
    def url(self) -> str:
        """Where it lies."""
        return self._context.backend.url

    @property
    def can_read(self) -> bool:
        """Whether this host can decrypt, or only write."""
        return self._context.ring.can_read

    @property
    def warnings(self) -> list[str]:
        """What was noticed so far."""
        return self._context.warnings

    # ── backing up and restoring

    @contextmanager
    def backup(
        self, target: str, *, type: Type = Type.INCR, wait: float = 0, progress: Progress | None = None
    ) -> Iterator[Run]:
        """One run. The target's lock is held (another run: 11, or a wait); commit inside the block."""
        with (
            self._context.lock(f"{encoded(target)}.lock", f"The target {target!r}", wait=wait),
            self._context.lock("activity.lock", "The repository", wait=max(wait, 300), shared=True),
        ):
            run = Run(self._context, target, type, progress)
            try:
                yield run
            finally:
                run.close()

    def snapshots(self, target: str | None = None) -> list[Snapshot]:
        """All snapshots, oldest first. Those of other hosts that cannot be opened here become warnings."""
        trouble: list[BackupError] = []
        found = records.all_snapshots(self._context, target, trouble=trouble)
        self._context.warnings += [e.message for e in trouble if e.message not in self._context.warnings]
        return found

    def find(self, text: str, target: str | None = None) -> Snapshot:
        """A snapshot by `latest`, its number or the beginning of its id."""
        return records.find(self.snapshots(target), text)

    def source(self, snapshot: Snapshot) -> SnapshotSource:
        """What an engine restores from; needs the identity."""
        return SnapshotSource(self._context, snapshot)

    def tables(self, snapshot: Snapshot) -> dict[str, dict[str, Any]]:
        """What is known of each table of a snapshot; needs the identity."""
        return dict(records.body(self._context, snapshot)["tables"])

    def mark(
        self,
        snapshot: Snapshot,
        *,
        quarantined: str | None = None,
        drilled: bool = False,
        **note: Any,
    ) -> Snapshot:
        """Puts a record on a snapshot: not to be relied on (and why), proven by a drill, or a note."""
        if quarantined is not None:
            note["quarantined"] = quarantined
        if drilled:
            note["drilled"] = True
        return records.mark(self._context, snapshot, note)

    def lock_holder(self, target: str) -> dict[str, object] | None:
        """Who is backing up a target at this moment."""
        return locks.holder(self._context.lock_path(f"{encoded(target)}.lock"))

    # ── looking after it

    def forget(
        self, policy: Policy, *, target: str | None = None, dry_run: bool = False, force: bool = False
    ) -> list[Decision]:
        """Applies a policy; the plan is the same whether or not it is carried out."""
        decisions = plan(self.snapshots(target), policy, clock.precise(), clock.local_zone(), force=force)
        if not dry_run:
            for decision in decisions:
                if not decision.keep:
                    self.remove(decision.snapshot)
        return decisions

    def remove(self, snapshot: Snapshot) -> None:
        """Forgets one snapshot; its packs go with the next prune."""
        backend = self._context.backend
        before, backend.emergency = backend.emergency, True
        try:
            crash.point("forget.before")
            records.delete(self._context, snapshot)
        finally:
            backend.emergency = before

    def remove_damaged(self, name: str) -> None:
        """Removes the record of a snapshot that verify found unreadable, so that prune can work again."""
        if name not in {p.name for p in records.places(self._context)}:
            raise NotFound(f"There is no snapshot record {name!r}")
        self._context.backend.delete(name)

    def remove_pack(self, name: str) -> None:
        """Removes a pack that verify found damaged, so that the next backup stores its chunks anew."""
        if self._context.backend.stat(name) is None or not name.startswith("packs/"):
            raise NotFound(f"There is no pack {name!r}")
        self._context.backend.delete(name)

    def prune(
        self, *, grace: timedelta = GRACE, dry_run: bool = False, progress: Progress | None = None
    ) -> Pruned:
        """Deletes what no snapshot needs."""
        return prune(self._context, grace=grace, dry_run=dry_run, progress=progress)

    def verify(
        self,
        *,
        read_data: bool = False,
        subset: tuple[int, int] | None = None,
        progress: Progress | None = None,
    ) -> Verified:
        """Looks for damage; `raise_if_bad()` of the result is exit 40."""
        return verify(self._context, read_data=read_data, subset=subset, progress=progress)

    def copy_to(
        self,
        other: Repository,
        *,
        snapshots: Iterable[Snapshot] | None = None,
        progress: Progress | None = None,
    ) -> Copied:
        """Copies snapshots (all by default) into another repository under its keys."""
        return copy(self._context, other._context, snapshots, progress)

    def diff(self, a: Snapshot, b: Snapshot) -> Compared:
        """What changed between two snapshots; needs the identity."""
        return compare(self._context, a, b)

    def stats(self) -> dict[str, Any]:
        """Counts and sizes."""
        entries = {
            area: list(self._context.backend.list(area)) for area in ("packs", "snaps", "logs", "tombs")
        }
        snapshots = self.snapshots()
        return {
            "snapshots": len(snapshots),
            "targets": sorted({s.target for s in snapshots}),
            "packs": len(entries["packs"]),
            "condemned": len(entries["tombs"]),
            "stored": sum(e.size for area in entries.values() for e in area),
            "logs": sum(e.size for e in entries["logs"]),
            "restorable": sum(s.bytes for s in snapshots),
        }

    def repair_index(self) -> dict[str, int]:
        """Reads every footer anew into the cache; needs the identity."""
        if not self.can_read:
            raise wrong("Footers are sealed; this host can only write.")
        context = self._context
        trouble: list[BackupError] = []
        index = indexes.load(context.backend, context.ring, context.cache, trouble=trouble, fresh=True)
        context.warnings += [e.message for e in trouble]
        return {"packs": len(index.packs), "chunks": index.count, "unreadable": len(trouble)}

    def unlock(self) -> list[str]:
        """Removes what dead processes left; kernel locks need none of this. Returns what was removed."""
        removed = []
        if lease.read(self._context):
            self._context.backend.delete(lease.NAME)
            removed.append(lease.NAME)
        swept = self._context.backend.sweep()
        return removed + [f"{swept} half-written files"] * bool(swept)

    # ── logs between snapshots

    def put_log(self, target: str, name: str, stream: BinaryIO) -> int:
        """Stores a WAL segment or binlog; one of the same name is replaced."""
        return logs.put(self._context, target, name, stream)

    def logs(self, target: str) -> list[Log]:
        """The complete logs of a target, by name."""
        return logs.listed(self._context, target)

    def read_log(self, target: str, name: str) -> Iterator[bytes]:
        """The blocks of a log; needs the identity."""
        return logs.read(self._context, target, name)

    def trim_logs(self, target: str, keep: Callable[[str], bool]) -> list[str]:
        """Deletes the logs for whose name `keep` is false."""
        return logs.trim(self._context, target, keep)

    # ── keys

    def add_key(self, *, passphrase: str | None = None, recipient: str | None = None) -> str:
        """A further passphrase, or a further recipient of what is written from now on."""
        return rotation.add(self._context, passphrase=passphrase, recipient=recipient)

    def rotate_key(self, *, passphrase: str | None = None, recipients: Iterable[str] = ()) -> str:
        """New keys from now on; old data stays readable with them, too."""
        return rotation.rotate(self._context, passphrase=passphrase, recipients=recipients)

    def export_key(self) -> str:
        """An age identity file that opens the repository."""
        return rotation.export(self._context)
