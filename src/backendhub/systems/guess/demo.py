"""Sample games, played by the rules."""

from __future__ import annotations

from backendhub.kit.db import Db

from . import service

# Difficulty, secret, guesses, seconds.
SAMPLE = (
    ("easy", 37, (50, 25, 37), 14.2),
    ("easy", 81, (50, 75, 88, 81), 21.9),
    ("medium", 64, (50, 75, 62, 68, 65), 33.0),
    ("medium", 12, (50, 25, 12), 9.8),
    ("medium", 93, (60, 80, 90, 95, 93), 41.5),
    ("hard", 29, (50, 25, 37), 12.4),
    ("hard", 50, (50,), 2.1),
)


def load(db: Db) -> int:
    """Plays the sample and says how many games that were: 0 where games were played already."""
    found = service.stats(db)
    if found.played or found.practice:
        return 0
    for difficulty, secret, guesses, seconds in SAMPLE:
        played = service.Round(service.settle(difficulty=difficulty), secret)
        for guess in guesses:
            played.guess(str(guess))
        service.record(db, played, seconds)
    return len(SAMPLE)
