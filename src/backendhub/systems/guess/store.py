"""Every statement on games."""

from __future__ import annotations

from typing import Any

from backendhub.kit.db import Db, columns

from .models import Game


def insert(db: Db, **values: Any) -> Game:
    """Adds a finished game."""
    return db.insert(Game, "guess_game", **values)


def select_best(db: Db, difficulty: str, limit: int) -> list[Game]:
    """The best ranked games of a difficulty: fewest attempts, then least time."""
    return db.all(
        Game,
        f"SELECT {columns(Game)} FROM guess_game WHERE mode = 'ranked' AND won AND difficulty = :difficulty "
        "ORDER BY attempts, seconds, id LIMIT :limit",
        difficulty=difficulty,
        limit=limit,
    )


def select_last(db: Db) -> Game | None:
    """The latest game."""
    return db.one(Game, f"SELECT {columns(Game)} FROM guess_game ORDER BY id DESC LIMIT 1")


def select_daily(db: Db, seed: str, difficulty: str) -> Game | None:
    """The counted game of a day."""
    return db.one(
        Game,
        f"SELECT {columns(Game)} FROM guess_game WHERE mode = 'daily' AND seed = :seed AND difficulty = :difficulty",
        seed=seed,
        difficulty=difficulty,
    )


def tallies(db: Db) -> list[tuple[Any, ...]]:
    """Difficulty, games, wins, fewest attempts and sum of attempts of the wins, over what counts."""
    return db.fetch(
        "SELECT difficulty, count(*), sum(CASE WHEN won THEN 1 ELSE 0 END), "
        "min(CASE WHEN won THEN attempts END), sum(CASE WHEN won THEN attempts ELSE 0 END) "
        "FROM guess_game WHERE mode <> 'practice' GROUP BY difficulty",
        {},
    )


def outcomes(db: Db) -> list[bool]:
    """Whether each ranked game was won, oldest first."""
    return [
        bool(row[0]) for row in db.fetch("SELECT won FROM guess_game WHERE mode = 'ranked' ORDER BY id", {})
    ]


def daily_wins(db: Db) -> list[str]:
    """The seeds of the days whose game was won, oldest first."""
    rows = db.fetch("SELECT DISTINCT seed FROM guess_game WHERE mode = 'daily' AND won ORDER BY seed", {})
    return [row[0] for row in rows]


def count_practice(db: Db) -> int:
    """How many games count nowhere."""
    return int(db.value("SELECT count(*) FROM guess_game WHERE mode = 'practice'"))


def delete_all(db: Db) -> int:
    """Removes every game and says how many there were."""
    return db.run("DELETE FROM guess_game")
