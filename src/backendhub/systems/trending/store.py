"""Every SQL statement of the star history."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from backendhub.kit import clock
from backendhub.kit.db import Db, columns

from .models import Gain, Repo

KEEP_REPO = """
INSERT INTO trending_repo (repo, description, language, topics, url, created_at)
VALUES (:repo, :description, :language, :topics, :url, :created_at)
ON CONFLICT (repo) DO UPDATE SET description = excluded.description, language = excluded.language,
  topics = excluded.topics, url = excluded.url"""
MEASURE = """
INSERT INTO trending_snapshot (repo, taken_at, stars, forks) VALUES (:repo, :taken_at, :stars, :forks)
ON CONFLICT (repo, taken_at) DO UPDATE SET stars = excluded.stars, forks = excluded.forks"""
TIMES = "SELECT min(taken_at), max(taken_at), count(DISTINCT taken_at) FROM trending_snapshot"
# Against each repository's latest measurement stands the last one from before the window or, where it has
# none so old, its first in the window. One that was measured once has no gain.
GAINS = f"""
WITH latest AS (
  SELECT repo, max(taken_at) AS taken_at FROM trending_snapshot GROUP BY repo
), base AS (
  SELECT repo, coalesce(max(CASE WHEN taken_at <= :start THEN taken_at END), min(taken_at)) AS taken_at
  FROM trending_snapshot GROUP BY repo
), gain AS (
  SELECT r.repo, r.description, r.language, r.topics, r.url, z.stars, a.stars AS before,
    a.taken_at AS since, z.taken_at AS until
  FROM latest l
  JOIN trending_snapshot z ON z.repo = l.repo AND z.taken_at = l.taken_at
  JOIN base b ON b.repo = l.repo AND b.taken_at < l.taken_at
  JOIN trending_snapshot a ON a.repo = b.repo AND a.taken_at = b.taken_at
  JOIN trending_repo r ON r.repo = l.repo
  WHERE l.taken_at > :start
) SELECT {columns(Gain)} FROM gain ORDER BY stars - before DESC, stars DESC, repo"""
KNOWN = "SELECT count(*) FROM trending_repo"
SEEN = "SELECT repo FROM trending_seen WHERE question = :question"
SEE = """
INSERT INTO trending_seen (question, repo, seen_at) VALUES (:question, :repo, :at)
ON CONFLICT (question, repo) DO NOTHING"""


def measure(db: Db, repos: Iterable[Repo], taken_at: datetime) -> None:
    """Files the stars of repositories at a time."""
    for r in repos:
        values = {"repo": r.repo, "description": r.description, "language": r.language, "url": r.url}
        db.run(KEEP_REPO, **values, topics=r.topics, created_at=r.created_at)
        db.run(MEASURE, repo=r.repo, taken_at=taken_at, stars=r.stars, forks=r.forks)


def times(db: Db) -> tuple[datetime | None, datetime | None, int]:
    """The first and the last snapshot, and how many there are."""
    first, last, count = db.fetch(TIMES, {})[0]
    return (clock.parse(first) if first else None, clock.parse(last) if last else None, count)


def gains(db: Db, start: datetime) -> list[Gain]:
    """What repositories gained since a time, the most first."""
    return db.all(Gain, GAINS, start=start)


def seen(db: Db, question: str) -> set[str]:
    """What was shown for a question."""
    return {row[0] for row in db.fetch(SEEN, {"question": question})}


def see(db: Db, question: str, repos: Iterable[str]) -> None:
    """Notes what is shown for a question."""
    for repo in repos:
        db.run(SEE, question=question, repo=repo, at=clock.now())
