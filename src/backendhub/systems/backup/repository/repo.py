"""The repository as the service sees it: open it, back up into it, restore from it, look after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backendhub.systems.backup.models import BackupError, Type

from . import context as contexts
from . import locks, records
from .backend import Backend, open_backend
from .context import Context, Progress, encoded
from .reader import SnapshotSource
from .records import Snapshot
from .writer import Run

__all__ = ["Progress", "Repository", "Run", "Snapshot", "SnapshotSource"]


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
            self._context.lock("activity.lock", "The repository", wait=max(wait, 60), shared=True),
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
