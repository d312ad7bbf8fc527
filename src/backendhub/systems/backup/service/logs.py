"""WAL and binlogs between snapshots: fetched after each run, as one chain without a gap for each target.

Where the chain stands is recorded in marks on the snapshots, so that the repository alone knows it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from backendhub.kit import clock
from backendhub.kit.errors import HubError, Invalid
from backendhub.systems.backup.engines.base import Deadline, Engine
from backendhub.systems.backup.models import TIMED_OUT, Target
from backendhub.systems.backup.repository.repo import Repository, Snapshot
from backendhub.systems.backup.streams import Reader

from .journal import Job

NOTE = "logs"  # the key of the mark


def fetch(
    repo: Repository, engine: Engine, target: Target, newest: Snapshot, made: Job, deadline: Deadline
) -> None:
    """Stores what was logged since the last fetch. A broken chain is a warning and begins anew."""
    if target.options.get("logs") == "off" or target.options.get("slot") == "none":
        return
    snapshots = [s for s in repo.snapshots(target.name) if s.id != newest.id] + [newest]
    position = chain_end(snapshots)
    own = newest.facts.get("position")
    if position is None:
        return
    try:
        made.facts["logs"] = _store(repo, engine, newest, position, deadline)
    except HubError as error:
        if error.exit_code == TIMED_OUT or own is None or own == position:
            made.warn(f"No logs were stored: {error.message}")
            return
        made.warn(f"The chain of logs is broken and begins anew at this snapshot: {error.message}")
        repo.mark(newest, logs={"broken": True, "position": own})
        try:
            made.facts["logs"] = _store(repo, engine, newest, own, deadline)
        except HubError as again:
            made.warn(f"No logs were stored: {again.message}")


def _store(
    repo: Repository, engine: Engine, newest: Snapshot, position: Mapping[str, Any], deadline: Deadline
) -> int:
    names: list[str] = []
    until: Mapping[str, Any] | None = None
    for log in engine.logs(position, deadline=deadline):
        repo.put_log(newest.target, log.name, log.data)  # type: ignore[arg-type]
        names.append(log.name)
        until = log.meta["position"]
    if until is not None:
        repo.mark(newest, logs={"position": dict(until), "until": until["time"], "first": min(names)})
    return len(names)


def chain_end(snapshots: Sequence[Snapshot]) -> Mapping[str, Any] | None:
    """The position up to which logs are stored without a gap."""
    found: Mapping[str, Any] | None = None
    for snapshot in snapshots:
        found = found or snapshot.facts.get("position")
        for note in snapshot.notes:
            if NOTE in note:
                found = note[NOTE]["position"]
    return found


def windows(snapshots: Sequence[Snapshot]) -> dict[str, datetime]:
    """Up to when each snapshot (by id) can be replayed: to the end of its chain of logs."""
    found: dict[str, datetime] = {}
    until: datetime | None = None
    for snapshot in reversed(snapshots):
        notes = [note[NOTE] for note in snapshot.notes if NOTE in note]
        times = [clock.parse(str(note["until"])) for note in notes if "until" in note]
        until = max([*times, *([until] if until else [])], default=None)
        if until is not None and snapshot.facts.get("position"):
            found[snapshot.id] = until
        if any(note.get("broken") for note in notes):
            until = None
    return found


def first_names(snapshots: Sequence[Snapshot]) -> dict[str, str]:
    """The first log that each snapshot may need."""
    found: dict[str, str] = {}
    first: str | None = None
    for snapshot in snapshots:
        notes = [note[NOTE] for note in snapshot.notes if NOTE in note]
        own = [note["first"] for note in notes if "first" in note]
        if own and snapshot.facts.get("position"):
            first = own[0]
        if first is not None and snapshot.facts.get("position"):
            found[snapshot.id] = first
    return found


def order(name: str) -> tuple[int, str]:
    """Names in order of replay; WAL of a later timeline comes after by its number, not by its timeline."""
    if re.fullmatch(r"[0-9A-F]{24}", name):
        return len(name), name[8:]
    return len(name), name


def trim(repo: Repository, target: str) -> list[str]:
    """Deletes the logs before the oldest snapshot that may need them; with none left, all of them."""
    snapshots = [s for s in repo.snapshots(target) if s.facts.get("position")]
    if not repo.logs(target):
        return []
    firsts = first_names(snapshots)
    if snapshots and snapshots[0].id not in firsts:
        return []  # what the oldest needs is not known: keep everything
    if not snapshots:
        return repo.trim_logs(target, lambda name: False)
    lowest = order(firsts[snapshots[0].id])
    return repo.trim_logs(target, lambda name: name.endswith(".history") or order(name) >= lowest)


class LogSource:
    """The stored logs as an engine reads them."""

    def __init__(self, repo: Repository, target: str, first: str | None) -> None:
        self._repo, self._target = repo, target
        lowest = order(first) if first else (0, "")
        self._logs = {
            log.name: log.size
            for log in repo.logs(target)
            if log.name.endswith(".history") or order(log.name) >= lowest
        }

    @property
    def meta(self) -> Mapping[str, Any]:
        """Nothing: each log speaks for itself."""
        return {}

    def names(self) -> list[str]:
        """The logs in order."""
        return sorted(self._logs, key=order)

    def size(self, name: str) -> int:
        """As stored."""
        return self._logs[name]

    @contextmanager
    def open(self, name: str, *, start: int = 0, length: int | None = None) -> Iterator[Reader]:
        """A log from its beginning."""
        if start or length is not None:
            raise Invalid("Logs are read whole.")
        yield io.BufferedReader(_Blocks(self._repo.read_log(self._target, name)), 1 << 20)


class _Blocks(io.RawIOBase):
    """An iterator of blocks as a file."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = block
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
