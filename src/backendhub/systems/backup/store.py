"""Every SQL statement of backup: targets and the run log. Snapshots live in the repository, not here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backendhub.kit.db import Db, columns

from .models import Entry, Target

TARGETS = f"SELECT {columns(Target)} FROM backup_target ORDER BY name"
TARGET = f"SELECT {columns(Target)} FROM backup_target WHERE name = :name"
DUE = f"SELECT {columns(Target)} FROM backup_target WHERE next_run_at <= :now OR next_drill_at <= :now ORDER BY name"
DELETE = "DELETE FROM backup_target WHERE name = :name"

LOG = (
    f"SELECT {columns(Entry)} FROM backup_log WHERE (:target = '' OR target = :target) "
    "AND (:failed = 0 OR status IN ('failed', 'interrupted')) ORDER BY id DESC LIMIT :count"
)
BEFORE = (
    f"SELECT {columns(Entry)} FROM backup_log WHERE target = :target AND action = :action AND id < :id "
    "AND status <> 'running' ORDER BY id DESC LIMIT 1"
)
ALL_INTERRUPTED = (
    "UPDATE backup_log SET status = 'interrupted', message = 'this log was restored from a backup' "
    "WHERE status = 'running' AND id <> :id"
)
INTERRUPTED = (
    "UPDATE backup_log SET status = 'interrupted', message = 'the process ended without a word' "
    "WHERE target = :target AND action = :action AND status = 'running' AND id <> :id"
)


def targets(db: Db) -> list[Target]:
    """All targets by name."""
    return db.all(Target, TARGETS)


def target(db: Db, name: str) -> Target | None:
    """A target by name."""
    return db.one(Target, TARGET, name=name)


def due(db: Db, now: datetime) -> list[Target]:
    """The targets whose run or drill is due."""
    return db.all(Target, DUE, now=now)


def insert(db: Db, **values: Any) -> Target:
    """A new target."""
    return db.insert(Target, "backup_target", **values)


def update(db: Db, id: int, **changes: Any) -> Target | None:
    """Changes a target."""
    return db.update(Target, "backup_target", id, **changes)


def delete(db: Db, name: str) -> int:
    """Removes a target; its snapshots stay."""
    return db.run(DELETE, name=name)


def log(db: Db, *, target: str, failed: bool, count: int) -> list[Entry]:
    """The run log, newest first."""
    return db.all(Entry, LOG, target=target, failed=int(failed), count=count)


def begin(db: Db, /, **values: Any) -> Entry:
    """A new entry of the log."""
    return db.insert(Entry, "backup_log", status="running", **values)


def finish(db: Db, id: int, /, **changes: Any) -> Entry | None:
    """The end of an entry."""
    return db.update(Entry, "backup_log", id, **changes)


def before(db: Db, entry: Entry) -> Entry | None:
    """How it went the last time."""
    return db.one(Entry, BEFORE, target=entry.target, action=entry.action, id=entry.id)


def interrupt(db: Db, entry: Entry) -> int:
    """Closes the entries of processes that died: this one holds the lock, so they are gone."""
    return db.run(INTERRUPTED, target=entry.target, action=entry.action, id=entry.id)


def interrupt_all(db: Db, entry: Entry) -> int:
    """After the store itself was restored, nothing in it is running but this."""
    return db.run(ALL_INTERRUPTED, id=entry.id)
