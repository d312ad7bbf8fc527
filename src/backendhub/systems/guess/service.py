"""The rules: what a game is played by, what a guess is worth, what is counted."""

from __future__ import annotations

import os
import re
from datetime import date, timedelta
from math import log2

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound

from . import store
from .models import HIGH, LEVELS, LOW, Game, Rules, Stats, Tally, Turn

BOUND = 10**15
MAX_CHANCES = 1000
DAILY = "daily "


def settle(
    *,
    difficulty: str = "medium",
    low: int | None = None,
    high: int | None = None,
    chances: int | None = None,
    seed: str | None = None,
    daily: bool = False,
    hints: bool = False,
) -> Rules:
    """The rules that options add up to. Raises Invalid for what no game can be played by."""
    level = level_of(difficulty)
    own = low is not None or high is not None or chances is not None
    if daily and (own or seed is not None):
        raise Invalid(
            "The daily game has its own number and range.", hint="leave out --seed, --min, --max, --chances"
        )
    if seed is not None and not seed.strip():
        raise Invalid("The seed is empty.", hint="--seed anything-you-like")
    rules = Rules(
        "daily" if daily else "practice" if own or seed is not None or hints else "ranked",
        level,
        LOW if low is None else low,
        HIGH if high is None else high,
        LEVELS[level] if chances is None else chances,
        f"{DAILY}{clock.now().date().isoformat()}" if daily else seed,
        hints,
    )
    if rules.low >= rules.high:
        raise Invalid(f"--min ({rules.low}) must be less than --max ({rules.high}).")
    if max(abs(rules.low), abs(rules.high)) > BOUND:
        raise Invalid(f"The numbers go from -{BOUND} to {BOUND}.")
    if not 1 <= rules.chances <= MAX_CHANCES:
        raise Invalid(f"--chances is 1 to {MAX_CHANCES}, not {rules.chances}.")
    return rules


def level_of(text: str) -> str:
    """A difficulty as typed: `medium`, `m` or `2`. Raises Invalid."""
    word = text.strip().lower()
    for number, level in enumerate(LEVELS, 1):
        if word and (word == str(number) or level.startswith(word)):
            return level
    raise Invalid(f"There is no difficulty {text!r}.", hint="choose 1 (easy), 2 (medium) or 3 (hard)")


def secret_of(rules: Rules) -> int:
    """The number to be guessed: by the seed, the same on every machine and in every version, or at random."""
    if rules.seed is None:
        number = int.from_bytes(os.urandom(32))
    else:
        from hashlib import sha256

        # The day's number differs by difficulty: an easy game must not give the hard one away.
        level = f"\n{rules.difficulty}" if rules.mode == "daily" else ""
        text = f"{rules.seed}\n{rules.low}\n{rules.high}{level}"
        number = int.from_bytes(sha256(text.encode(errors="surrogatepass")).digest())
    return rules.low + number % rules.size  # 256 bits: no number is likelier by more than 1 in 2^200


class Round:
    """A game under way: takes guesses, knows what they have told."""

    def __init__(self, rules: Rules, secret: int | None = None) -> None:
        self.rules = rules
        self.secret = secret_of(rules) if secret is None else secret
        self.guesses: list[int] = []
        self.low, self.high = rules.low, rules.high

    @property
    def left(self) -> int:
        """Chances left."""
        return self.rules.chances - len(self.guesses)

    @property
    def won(self) -> bool:
        """Whether the last guess was right."""
        return bool(self.guesses) and self.guesses[-1] == self.secret

    @property
    def over(self) -> bool:
        """Whether there is nothing more to guess."""
        return self.won or not self.left

    def guess(self, text: str) -> Turn:
        """Takes a guess; one that makes no sense costs no chance."""
        word = text.strip()
        if re.fullmatch(r"[+-]?[0-9]{1,18}", word) is None:
            return self._turn(word[:80], "invalid", f"{word[:80]!r} is not a whole number.")
        number = int(word)
        rules = self.rules
        if not rules.low <= number <= rules.high:
            return self._turn(number, "invalid", f"{number} is not between {rules.low} and {rules.high}.")
        if number in self.guesses:
            return self._turn(number, "invalid", f"You have already guessed {number}.")
        self.guesses.append(number)
        if number == self.secret:
            self.low = self.high = number
            count = len(self.guesses)
            tries = "1 attempt" if count == 1 else f"{count} attempts"
            return self._turn(
                number, "correct", f"Congratulations! You guessed the correct number in {tries}."
            )
        if self.secret < number:
            self.high = min(self.high, number - 1)
            return self._turn(number, "less", f"Incorrect! The number is less than {number}.")
        self.low = max(self.low, number + 1)
        return self._turn(number, "greater", f"Incorrect! The number is greater than {number}.")

    def _turn(self, guess: int | str, answer: str, message: str) -> Turn:
        return Turn(guess, answer, self.left, self.low, self.high, message)

    def hint(self) -> str:
        """What is known, and how near the last guess was."""
        distance = abs(self.guesses[-1] - self.secret) / self.rules.size
        heat = "hot" if distance <= 0.05 else "warm" if distance <= 0.15 else "cold"
        count = self.high - self.low + 1
        numbers = "1 number" if count == 1 else f"{count} numbers"
        return f"Hint: {heat}; it is between {self.low} and {self.high} ({numbers})."


def skill(low: int, high: int, secret: int, guesses: tuple[int, ...]) -> tuple[int, float]:
    """How well the guesses were chosen (percent of what the best ones would tell) and how lucky they were.

    A guess tells `log2` of the factor by which it narrows the range. Skill is what the guesses could be expected
    to tell, as a share of what the middle of the range would; luck is what they told beyond that, in bits.
    """
    expected = best = told = 0.0
    for guess in guesses:
        best += _bits(low, high, (low + high) // 2)
        expected += _bits(low, high, guess)
        size = high - low + 1
        low, high = _narrowed(low, high, guess, secret)
        told += log2(size / (high - low + 1))
    return round(100 * expected / best) if best else 100, round(told - expected, 1)


def _narrowed(low: int, high: int, guess: int, secret: int) -> tuple[int, int]:
    if guess == secret:
        return guess, guess
    return (low, min(high, guess - 1)) if secret < guess else (max(low, guess + 1), high)


def _bits(low: int, high: int, guess: int) -> float:
    """The bits that a guess can be expected to tell."""
    size = high - low + 1
    below, above = max(0, min(guess, high + 1) - low), max(0, high - max(guess, low - 1))
    parts = [below, above, size - below - above]
    return sum(part / size * log2(size / part) for part in parts if part)


def record(db: Db, played: Round, seconds: float) -> tuple[Game, bool]:
    """Keeps a finished game; says whether it is the best of its difficulty.

    A day's game counts once: playing it again is practice.
    """
    rules = played.rules
    mode = rules.mode
    if mode == "daily" and store.select_daily(db, rules.seed or "", rules.difficulty):
        mode = "practice"
    game = store.insert(
        db,
        mode=mode,
        difficulty=rules.difficulty,
        low=rules.low,
        high=rules.high,
        chances=rules.chances,
        seed=rules.seed,
        secret=played.secret,
        turns=played.guesses,
        attempts=len(played.guesses),
        won=played.won,
        seconds=round(seconds, 1),
        played_at=clock.now(),
    )
    best = store.select_best(db, game.difficulty, 1)
    return game, game.mode == "ranked" and bool(best) and best[0].id == game.id


def scores(db: Db, *, difficulty: str | None = None, limit: int = 5) -> list[Game]:
    """The best ranked games of each difficulty."""
    levels = [level_of(difficulty)] if difficulty is not None else list(LEVELS)
    return [game for level in levels for game in store.select_best(db, level, limit)]


def stats(db: Db) -> Stats:
    """Everything played so far."""
    found = {row[0]: row[1:] for row in store.tallies(db)}
    tallies = []
    for level in LEVELS:
        played, won, best, attempts = found.get(level, (0, 0, None, 0))
        odds = Rules("ranked", level, LOW, HIGH, LEVELS[level], None, False).odds
        average = int(attempts) / int(won) if won else None
        tallies.append(Tally(level, int(played), int(won), odds, best, average))
    streak, best_streak = _streaks(store.outcomes(db))
    daily, best_daily = _daily_streaks(store.daily_wins(db))
    return Stats(
        sum(t.played for t in tallies),
        sum(t.won for t in tallies),
        streak,
        best_streak,
        daily,
        best_daily,
        store.count_practice(db),
        tuple(tallies),
    )


def _streaks(outcomes: list[bool]) -> tuple[int, int]:
    """The wins in a row at the end, and the most there ever were."""
    run = best = 0
    for won in outcomes:
        run = run + 1 if won else 0
        best = max(best, run)
    return run, best


def _daily_streaks(seeds: list[str]) -> tuple[int, int]:
    """The days in a row won up to today (or yesterday: today is not over), and the most there ever were."""
    days = [date.fromisoformat(seed.removeprefix(DAILY)) for seed in seeds]
    run = best = 0
    last: date | None = None
    for day in days:
        run = run + 1 if last is not None and day - last == timedelta(days=1) else 1
        best, last = max(best, run), day
    alive = last is not None and (clock.now().date() - last).days <= 1
    return (run if alive else 0), best


def last(db: Db) -> Game:
    """The latest game. Raises NotFound where there is none."""
    game = store.select_last(db)
    if game is None:
        raise NotFound("No game was played yet.", hint="backendhub guess")
    return game


def share(game: Game) -> str:
    """A game as one tells others of it, without giving the number away."""
    marks = "".join("✅" if g == game.secret else "🔽" if game.secret < g else "🔼" for g in game.turns)
    what = f"seed {game.seed}" if game.seed is not None and not game.seed.startswith(DAILY) else game.seed
    score = f"{game.attempts if game.won else 'X'}/{game.chances}"
    spread = "" if (game.low, game.high) == (LOW, HIGH) else f" {game.low}–{game.high}"
    par = (game.high - game.low + 1).bit_length()
    name = f" {what}" if what else ""
    return f"Guess{name}{spread} {game.difficulty} {score} (par {par})\n{marks}"


def reset(db: Db) -> int:
    """Forgets every game."""
    return store.delete_all(db)
