"""The types of parameters, and what a table of them is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
MAX_STRING = 5000
MAX_INT = 2**53 - 1
MAX_ITEMS = 100
MAX_TIME = 253_000_000_000
"""The last second that a parameter can name, in the year 9987: what is counted on from there still is a date."""
MAX_DAYS = 36_500
MAX_AMOUNT = 999_999_999_999
"""The twelve digits of the wire."""
RANGE = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@dataclass(slots=True)
class Kind:
    """A type: its word, what follows it, and the members of a hash."""

    word: str
    rest: tuple[str, ...] = ()
    members: dict[str, Parameter] = field(default_factory=dict)
    item: Kind | None = None


@dataclass(slots=True)
class Parameter:
    """One parameter: any of its kinds will do."""

    name: str
    required: bool
    kinds: list[Kind]


def bounds(kind: Kind) -> tuple[int, int]:
    """The least and the most that a number may be: those of its type, or what the table says (`int 1..`)."""
    least, most = {
        "time": (0, MAX_TIME),
        "range": (0, MAX_TIME),
        "amount": (0, MAX_AMOUNT),
        "days": (0, MAX_DAYS),
    }.get(kind.word, (-MAX_INT, MAX_INT))
    low, _, high = (kind.rest[0] if kind.rest else "..").partition("..")
    return int(low) if low else least, int(high) if high else most
