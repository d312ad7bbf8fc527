"""What a game is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

LEVELS = {"easy": 10, "medium": 5, "hard": 3}
"""Chances by difficulty."""

LOW, HIGH = 1, 100


class Rules(NamedTuple):
    """What a game is played by. `mode` says what it counts for: ranked, daily or practice."""

    mode: str
    difficulty: str
    low: int
    high: int
    chances: int
    seed: str | None
    hints: bool

    @property
    def size(self) -> int:
        """How many numbers it may be."""
        return self.high - self.low + 1

    @property
    def par(self) -> int:
        """Guesses that always suffice: k guesses tell 2^k - 1 numbers apart."""
        return self.size.bit_length()

    @property
    def odds(self) -> float:
        """The chance that perfect play wins."""
        return min(1.0, ((1 << self.chances) - 1) / self.size)


class Turn(NamedTuple):
    """One guess: the answer is less, greater, correct, or invalid (which costs no chance)."""

    guess: int | str
    answer: str
    left: int
    low: int
    high: int
    message: str


@dataclass(frozen=True, slots=True)
class Game:
    """A finished game."""

    id: int
    mode: str
    difficulty: str
    low: int
    high: int
    chances: int
    seed: str | None
    secret: int
    turns: tuple[int, ...]
    attempts: int
    won: bool
    seconds: float
    played_at: datetime


class Tally(NamedTuple):
    """How one difficulty went: `expected` is the share that perfect play wins."""

    difficulty: str
    played: int
    won: int
    expected: float
    best: int | None
    average: float | None

    @property
    def rate(self) -> float:
        """The share won."""
        return self.won / self.played if self.played else 0.0

    def as_json(self) -> dict[str, Any]:
        """With the share won."""
        return {
            "difficulty": self.difficulty,
            "played": self.played,
            "won": self.won,
            "winRate": round(self.rate, 4),
            "expectedRate": round(self.expected, 4),
            "bestAttempts": self.best,
            "averageAttempts": round(self.average, 2) if self.average is not None else None,
        }


class Stats(NamedTuple):
    """Everything played: streaks are of ranked games won in a row, and of days on which the daily was won."""

    played: int
    won: int
    streak: int
    best_streak: int
    daily_streak: int
    best_daily_streak: int
    practice: int
    difficulties: tuple[Tally, ...]
