"""Every SQL statement of the archive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from backendhub.kit import clock
from backendhub.kit.db import Db, columns

from .models import Compared, Event

ADD = """
INSERT INTO github_activity_event (id, login, type, repo, payload, created_at)
VALUES (:id, :login, :type, :repo, :payload, :created_at) ON CONFLICT (id) DO NOTHING"""
OF_USER = (
    f"SELECT {columns(Event)} FROM github_activity_event "
    "WHERE login = :login AND created_at >= :since ORDER BY created_at DESC, id DESC"
)
EXTENT = "SELECT count(*), min(created_at) FROM github_activity_event WHERE login = :login"
COMPARED = (
    f"SELECT {columns(Compared)} FROM github_activity_compare "
    "WHERE repo = :repo AND before = :before AND head = :head"
)
COMPARE = """
INSERT INTO github_activity_compare (repo, before, head, total, asked_at)
VALUES (:repo, :before, :head, :total, :asked_at)
ON CONFLICT (repo, before, head) DO UPDATE SET total = excluded.total, asked_at = excluded.asked_at"""
USERS = "SELECT login FROM github_activity_user ORDER BY login"
SYNCED = """
INSERT INTO github_activity_user (login, synced_at) VALUES (:login, :at)
ON CONFLICT (login) DO UPDATE SET synced_at = excluded.synced_at"""
FORGET = "DELETE FROM github_activity_user WHERE login = :login"


def insert(db: Db, events: Sequence[Event]) -> int:
    """Files events and gives how many were new."""
    return sum(
        db.run(
            ADD,
            id=e.id,
            login=e.login,
            type=e.type,
            repo=e.repo,
            payload=e.payload,
            created_at=e.created_at,
        )
        for e in events
    )


def of_user(db: Db, login: str, since: datetime) -> list[Event]:
    """What is filed of a user, the latest first."""
    return db.all(Event, OF_USER, login=login, since=since)


def extent(db: Db, login: str) -> tuple[int, datetime | None]:
    """How many events of a user are filed, and the time of the oldest."""
    count, oldest = db.fetch(EXTENT, {"login": login})[0]
    return count, clock.parse(oldest) if oldest else None


def compared(db: Db, repo: str, before: str, head: str) -> Compared | None:
    """What is known of a push."""
    return db.one(Compared, COMPARED, repo=repo, before=before, head=head)


def compare(db: Db, repo: str, before: str, head: str, total: int | None) -> None:
    """Notes how many commits a push brought."""
    db.run(COMPARE, repo=repo, before=before, head=head, total=total, asked_at=clock.now())


def users(db: Db) -> list[str]:
    """Whom `sync` follows."""
    return [row[0] for row in db.fetch(USERS, {})]


def synced(db: Db, login: str) -> None:
    """Follows a user from now on, or notes that it was just done."""
    db.run(SYNCED, login=login, at=clock.now())


def forget(db: Db, login: str) -> int:
    """Stops following a user."""
    return db.run(FORGET, login=login)
