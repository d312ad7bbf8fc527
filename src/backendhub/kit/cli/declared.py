"""What a command declares of itself, and the options that all of them take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from backendhub.kit.errors import Invalid
from backendhub.kit.output import FORMATS

OUTPUT_OPTIONS: tuple[tuple[str, str, str | None], ...] = (
    ("format", "Output format: " + ", ".join(FORMATS) + ".", "FORMAT"),
    ("json", "Short for --format json.", None),
    ("fields", "Fields to show, in this order: a,b,c.", "NAMES"),
    ("jq", "Filter the JSON with a jq expression.", "EXPR"),
    ("color", "auto, always or never.", "WHEN"),
    ("db", "Store to use: a file or a URL.", "URL"),
    ("quiet", "Leave out notes and progress.", None),
    ("debug", "Show tracebacks and slow queries.", None),
)
NETWORK_OPTIONS: tuple[tuple[str, str, str | None], ...] = (
    ("offline", "Answer from the cache, never use the network.", None),
    ("no-cache", "Ask the server even where the cache is fresh.", None),
    ("timeout", "Seconds to wait for the server.", "SECONDS"),
)


class Usage(Invalid):
    """A command line that cannot be understood."""

    code = "usage"


class Extra(NamedTuple):
    """An option that a command takes for somebody else; a switch without `metavar`. See `given`."""

    flag: str
    help: str
    metavar: str = ""
    repeats: bool = False


class Spec(NamedTuple):
    """A command as declared: its function and how its result is shown."""

    name: str
    fn: Callable[..., Any]
    aliases: tuple[str, ...]
    says: str | Callable[[Any], str] | None
    columns: Sequence[str] | None
    empty: str | None
    examples: tuple[str, ...]
    undoable: bool
    hidden: bool
    network: bool = False
    extras: Callable[[], Iterable[Extra]] = tuple

    @property
    def options(self) -> tuple[tuple[str, str, str | None], ...]:
        """The options that every command of its kind takes."""
        return OUTPUT_OPTIONS + NETWORK_OPTIONS if self.network else OUTPUT_OPTIONS

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return (self.fn.__doc__ or "").strip().split("\n", 1)[0].rstrip(".")


def unknown(kind: str, path: str, word: str, known: Iterable[str], group: str = "") -> Usage:
    """The error for a name that does not exist, with the nearest that does."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    help_ = f"backendhub {group} --help".replace("  ", " ")
    return Usage(
        f"There is no {kind} `{path}`.", hint=f"did you mean `{near[0]}`? ({help_})" if near else help_
    )
