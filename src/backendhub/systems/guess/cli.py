"""`backendhub guess`: the default command plays; the others look back."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from backendhub.kit import cli, hub
from backendhub.kit.errors import HubError, Invalid

from . import service
from .models import Game, Rules, Stats

app = cli.commands(
    "guess",
    "Guess the number: backendhub guess [-d easy|medium|hard] [--daily | --seed S]",
    examples=(
        "backendhub guess                       # asks for the difficulty",
        "backendhub guess -d hard --once",
        "backendhub guess --daily               # the same number for everybody today",
        "backendhub guess --reverse             # it guesses yours",
        "printf '50\\n25\\n' | backendhub guess -d easy --seed tea --json",
    ),
)


@app.command(default=True, undoable=False, examples=app.examples)
def guess(
    difficulty: Annotated[
        str | None,
        Option("-d", "--difficulty", help="easy (10 chances), medium (5) or hard (3).", metavar="LEVEL"),
    ] = None,
    low: Annotated[int | None, Option("--min", help="The smallest number (1).", metavar="N")] = None,
    high: Annotated[int | None, Option("--max", help="The largest number (100).", metavar="N")] = None,
    chances: Annotated[int | None, Option("--chances", help="How many guesses.", metavar="N")] = None,
    seed: Annotated[
        str | None, Option("--seed", help="The same seed is the same number, everywhere.", metavar="S")
    ] = None,
    daily: Annotated[bool, Option("--daily", help="Today's number, for everybody (UTC).")] = False,
    hints: Annotated[
        bool, Option("--hints", help="Hints after every miss; such games are practice.")
    ] = False,
    once: Annotated[bool, Option("--once", help="One game, without asking for another.")] = False,
    reverse: Annotated[bool, Option("--reverse", help="Think of a number and let it guess.")] = False,
) -> None:
    """Play; one guess a line."""
    from . import play

    output = hub.output()
    if output.format == "csv":
        raise Invalid("A game has no CSV form.", hint="--json gives a line of JSON a turn")
    table = play.Table(output)
    own = {"low": low, "high": high, "chances": chances, "seed": seed, "daily": daily, "hints": hints}

    def rules(level: str) -> Rules:
        return service.settle(difficulty=level, **own)  # type: ignore[arg-type]

    try:
        first = rules(difficulty or "medium")  # bad options are refused before anything is asked
        if reverse:
            play.reverse(table, first)
            return
        asks = difficulty is None and not (daily or chances is not None or output.structured)
        single = once or daily or seed is not None or output.structured
        play.welcome(table, first)
        while True:
            chosen = rules(play.difficulty(table)) if asks else first
            play.start(table, chosen)
            play.game(table, chosen)
            if single or not play.again(table):
                return
    except play.Unfinished:
        raise HubError("The game was not finished; it does not count.") from None


def _stats(s: Stats) -> str:
    rate = f" ({s.won / s.played:.0%})" if s.played else ""
    lines = [
        f"{s.played} played, {s.won} won{rate}; {s.practice} practice games not counted",
        f"Streak {s.streak} (best {s.best_streak}), daily streak {s.daily_streak} (best {s.best_daily_streak})",
    ]
    for tally in s.difficulties:
        best = f", best {tally.best}, average {tally.average:.1f}" if tally.best is not None else ""
        lines.append(
            f"{tally.difficulty.capitalize()}: {tally.won} of {tally.played} won, "
            f"perfect play wins {tally.expected:.0%}{best}"
        )
    return "\n".join(lines)


@app.command(says=_stats, undoable=False)
def stats() -> Stats:
    """Games, wins and streaks, beside what perfect play would win."""
    return hub.read(service.stats)


@app.command(
    columns=("difficulty", "attempts", "seconds", "played_at"),
    empty="No high scores yet. Play: backendhub guess",
    undoable=False,
)
def scores(
    difficulty: Annotated[str | None, Argument(help="Only this difficulty.")] = None,
    limit: Annotated[int, Option(min=1, max=1000, help="How many of each.")] = 5,
) -> list[Game]:
    """High scores by difficulty: fewest attempts, then least time."""
    return hub.read(service.scores, difficulty=difficulty, limit=limit)


@app.command(undoable=False)
def share() -> str:
    """The last game as a text to share; it does not give the number away."""
    return service.share(hub.read(service.last))


@app.command()
def reset(yes: Annotated[bool, Option("-y", "--yes", help="Do not ask.")] = False) -> str:
    """Forget every game (`backendhub undo` brings them back)."""
    cli.confirm("Forget every game, score and streak?", yes=yes)
    count = hub.unit(service.reset)
    return f"{count} game{'' if count == 1 else 's'} forgotten."
