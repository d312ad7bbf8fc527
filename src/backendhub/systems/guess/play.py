"""The conversation: reads guesses line by line, from a person or from a pipe, and answers in prose or NDJSON."""

from __future__ import annotations

import sys

from backendhub.kit import clock, hub
from backendhub.kit.errors import Conflict, Invalid
from backendhub.kit.output import Output, dumps

from . import service
from .models import LEVELS, Game, Rules

QUIT = ("q", "quit", "exit")
YES = ("y", "yes")
REPLIES = {
    "h": 1, "higher": 1, "greater": 1, ">": 1, "l": -1, "lower": -1, "less": -1, "<": -1,
    "c": 0, "correct": 0, "yes": 0, "y": 0, "=": 0,
}  # fmt: skip


class Unfinished(Exception):
    """The input ended, or the player left, in the middle of a game."""


class Table:
    """Where the game is played: what is said and what is asked."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.silent = output.structured

    def say(self, text: str = "") -> None:
        """Prose; nothing where a program reads."""
        if not self.silent:
            self.output.line(text)

    def send(self, data: dict[str, object]) -> None:
        """A line of NDJSON, at once."""
        if self.silent:
            self.output.line(dumps(data))
            self.output.stdout.flush()

    def ask(self, prompt: str) -> str:
        """A line of input; the prompt is for a person at a terminal. Raises Unfinished at its end."""
        if sys.stdin.isatty() and not self.silent:
            stream = self.output.stdout if self.output.stdout.isatty() else self.output.stderr
            stream.write(prompt)
            stream.flush()
        else:
            self.output.stdout.flush()
        line = sys.stdin.readline()
        if not line or line.strip().lower() in QUIT:
            raise Unfinished
        return line.strip()


def difficulty(table: Table) -> str:
    """Asks for the difficulty until there is one."""
    table.say("Please select the difficulty level:")
    for number, (level, chances) in enumerate(LEVELS.items(), 1):
        table.say(f"{number}. {level.capitalize()} ({chances} chances)")
    table.say()
    while True:
        try:
            return service.level_of(table.ask("Enter your choice: "))
        except Invalid as error:
            table.say(f"{error.message} {error.hint}".strip())


def welcome(table: Table, rules: Rules) -> None:
    """Says what is played."""
    table.say("Welcome to the Number Guessing Game!")
    table.say(f"I'm thinking of a number between {rules.low} and {rules.high}.")


def start(table: Table, rules: Rules) -> None:
    """Says by which rules."""
    table.say(f"Great! You have selected the {rules.difficulty.capitalize()} difficulty level.")
    table.say(f"You have {_count(rules.chances, 'chance')} to guess the correct number.")
    table.say("Let's start the game!")
    table.say()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def game(table: Table, rules: Rules) -> Game:
    """Plays one game to its end and keeps it. Raises Unfinished."""
    played = service.Round(rules)
    begun = clock.precise()
    while not played.over:
        turn = played.guess(table.ask("Enter your guess: "))
        table.say(turn.message)
        number = len(played.guesses)
        data: dict[str, object] = {
            "turn": number,
            "guess": turn.guess,
            "answer": turn.answer,
            "left": turn.left,
        }
        if turn.answer == "invalid":
            table.send(data | {"message": turn.message})
        else:
            data |= {"low": turn.low, "high": turn.high}
            if rules.hints and not played.over:
                table.say(played.hint())
                data["hint"] = played.hint()
            table.send(data)
        if not played.over:
            table.say()
    seconds = (clock.precise() - begun).total_seconds()
    kept, best = hub.unit(service.record, played, seconds)
    _finish(table, rules, kept, best)
    return kept


def _finish(table: Table, rules: Rules, kept: Game, best: bool) -> None:
    if not kept.won:
        table.say(f"Game over! You've run out of chances. The number was {kept.secret}.")
    skill, luck = service.skill(kept.low, kept.high, kept.secret, kept.turns)
    table.say(
        f"Time {kept.seconds:g} s, par {rules.par}, skill {skill} %, luck {luck:+g} bits; "
        f"perfect play wins {rules.odds:.0%} of such games."
    )
    if best:
        table.say(f"New high score for {rules.difficulty}: {_count(kept.attempts, 'attempt')}!")
    if rules.mode == "daily" and kept.mode != "daily":
        table.say("You had played today's game before: this one does not count.")
    if rules.seed is not None:
        table.say()
        table.say(service.share(kept))
    table.send(
        {
            "result": "won" if kept.won else "lost",
            "attempts": kept.attempts,
            "seconds": float(kept.seconds),  # SQLite gives a whole REAL back as an integer
            "secret": kept.secret,
            "par": rules.par,
        }
    )


def again(table: Table) -> bool:
    """Asks for another round; the end of the input is a no."""
    try:
        return table.ask("\nDo you want to play again? (y/n): ").lower() in YES
    except Unfinished:
        return False


def reverse(table: Table, rules: Rules) -> None:
    """Guesses the player's number. Raises Unfinished, and Conflict where the answers contradict each other."""
    low, high, attempts = rules.low, rules.high, 0
    table.say(f"Think of a number between {low} and {high}. I will find it in {rules.par} guesses at most.")
    while low <= high:
        guess = (low + high) // 2
        attempts += 1
        table.say(f"Is it {guess}?")
        table.send({"turn": attempts, "guess": guess})
        answer = _reply(table)
        if answer == 0:
            tries = _count(attempts, "attempt")
            table.say(f"Found it: your number is {guess}, in {tries} (par {rules.par}).")
            table.send({"result": "found", "attempts": attempts, "secret": guess, "par": rules.par})
            return
        low, high = (guess + 1, high) if answer > 0 else (low, guess - 1)
    raise Conflict("Your answers contradict each other: no number is left.")


def _reply(table: Table) -> int:
    prompt = "(h)igher, (l)ower or (c)orrect: "
    while (answer := REPLIES.get(table.ask(prompt).lower())) is None:
        table.say("Answer h (my guess is too low), l (too high) or c (correct).")
        table.send({"answer": "invalid", "message": "answer higher, lower or correct"})
    return answer
