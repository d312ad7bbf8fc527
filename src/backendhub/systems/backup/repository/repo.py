"""The repository as the service sees it: open it, back up into it, restore from it, look after it.

Interface first: the bodies follow on this branch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ..models import Dump, Type
from ..streams import Sink, Source

Progress = Callable[[str, int], None]
"""Called with what is happening (`read`, `write`, `verify`, `copy`…) and the bytes done so far."""


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
    facts: Mapping[str, Any] = field(default_factory=dict)  # what the caller gave to commit()
    warnings: tuple[str, ...] = ()
    quarantined: str | None = None  # the reason, if it must not count as good
    drilled: datetime | None = None  # the last proof that it restores


class Run(Sink):
    """A backup in progress; leaving it without `commit` keeps nothing but reusable packs."""

    @property
    def type(self) -> Type: ...
    @property
    def warnings(self) -> list[str]: ...
    def commit(self, dump: Dump, **facts: Any) -> Snapshot: ...


class Repository:
    """A chunk store at a URL (a directory, s3://, gs://, az://)."""

    id: str
    url: str
    can_read: bool  # False on a host that holds only the recipient
    warnings: list[str]

    @classmethod
    def init(
        cls,
        url: str,
        *,
        passphrase: str | None = None,
        recipients: Iterable[str] = (),
        cache_dir: Path,
    ) -> Repository: ...

    @classmethod
    def open(
        cls,
        url: str,
        *,
        passphrase: str | None = None,
        identity: str | None = None,
        cache_dir: Path,
    ) -> Repository: ...

    def close(self) -> None: ...
    def backup(
        self, target: str, *, type: Type = Type.INCR, wait: float = 0, progress: Progress | None = None
    ) -> AbstractContextManager[Run]: ...
    def snapshots(self, target: str | None = None) -> list[Snapshot]: ...
    def find(self, text: str, target: str | None = None) -> Snapshot: ...
    def source(self, snapshot: Snapshot) -> Source: ...
    def tables(self, snapshot: Snapshot) -> dict[str, dict[str, Any]]: ...
    def mark(
        self, snapshot: Snapshot, *, quarantined: str | None = None, drilled: bool = False, **note: Any
    ) -> Snapshot: ...
    def forget(
        self, policy: Any, *, target: str | None = None, dry_run: bool = False, force: bool = False
    ) -> Any: ...
    def prune(
        self, *, grace: timedelta = ..., dry_run: bool = False, progress: Progress | None = None
    ) -> Any: ...
    def verify(
        self,
        *,
        read_data: bool = False,
        subset: tuple[int, int] | None = None,
        progress: Progress | None = None,
    ) -> Any: ...
    def copy_to(
        self,
        other: Repository,
        *,
        snapshots: Iterable[Snapshot] | None = None,
        progress: Progress | None = None,
    ) -> Any: ...
    def diff(self, a: Snapshot, b: Snapshot) -> Any: ...
    def stats(self) -> dict[str, Any]: ...
    def repair_index(self) -> Any: ...
    def unlock(self) -> list[str]: ...
    def add_key(self, *, passphrase: str | None = None, recipient: str | None = None) -> str: ...
    def rotate_key(self, *, passphrase: str) -> str: ...
    def export_key(self) -> str: ...
