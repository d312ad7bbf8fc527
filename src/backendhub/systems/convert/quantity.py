"""Reads what people type after `convert`: a value or several (`5 ft 11 in`), units of several words, targets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from backendhub.kit.errors import Invalid

from . import exact

SEPARATORS = ("to", "into", "->", "→", "=")
LONGEST = 4  # words in the longest unit name (`us fl oz`), and one more
HINT = "backendhub convert 5 km mi; backendhub convert '5 ft 11 in' to cm"

Known = Callable[[str], bool]


class Amount(NamedTuple):
    """A number with the name of a unit."""

    number: exact.Ratio
    typed: str
    unit: str


class Question(NamedTuple):
    """What was asked: amounts to be added up, and targets, each of one unit or several (`lb;oz`)."""

    amounts: tuple[Amount, ...]
    targets: tuple[tuple[str, ...], ...]


def parse(words: list[str], known: Known) -> Question:
    """Makes sense of the words. `known` says whether a text names a unit. Raises Invalid."""
    tokens = re.sub(r"\s*;\s*", ";", " ".join(words)).split()
    if not tokens:
        raise Invalid("There is nothing to convert.", hint=HINT)
    cut = next((i for i, word in enumerate(tokens) if i and word.lower() in SEPARATORS), None)
    left, right = (tokens, None) if cut is None else (tokens[:cut], tokens[cut + 1 :])
    amounts, rest = _amounts(left, known, whole=right is not None)
    wanted = rest if right is None else right
    if not wanted:
        raise Invalid(f"Convert {' '.join(left)} to what?", hint=HINT)
    return Question(_signed(amounts), tuple(_targets(wanted, known)))


def amount(words: list[str], known: Known) -> tuple[Amount, ...]:
    """Only the left side: `3 ft`, `5 ft 11 in`. Raises Invalid."""
    return _signed(_amounts(" ".join(words).split(), known, whole=True)[0])


def _signed(amounts: list[Amount]) -> tuple[Amount, ...]:
    """A minus in front of a compound quantity is the whole quantity's: -5 ft 11 in is -(5 ft 11 in)."""
    if amounts[0].typed[0] not in "-−" or len(amounts) == 1:
        return tuple(amounts)
    first, *others = amounts
    return (first, *(a._replace(number=(-abs(a.number[0]), a.number[1])) for a in others))


def _amounts(tokens: list[str], known: Known, *, whole: bool) -> tuple[list[Amount], list[str]]:
    found: list[Amount] = []
    rest = list(tokens)
    while rest and (not found or re.match(exact.NUMBER, rest[0])):
        number, typed, glued = _number(rest)
        name, rest = _unit([glued, *rest] if glued else rest, known, whole=whole)
        if not name:
            raise Invalid(f"{typed} of what? The unit is missing.", hint=HINT)
        found.append(Amount(number, typed, name))
    return found, rest


def _number(rest: list[str]) -> tuple[exact.Ratio, str, str]:
    """Takes the number off the front: `5`, `5km` (giving back `km`), `1 1/2`."""
    word = rest.pop(0)
    match = re.match(exact.NUMBER, word)
    if match is None:
        raise Invalid(f"{word!r} is not a number.", hint=HINT)
    typed, glued = match[0], word[match.end() :]
    if glued[:1] in (".", ",", ":", "/") or re.fullmatch(r"[\d.,:]+", glued):
        exact.parse(word)  # raises: no unit starts like that
        raise Invalid(f"{word!r} is not a number.", hint=HINT)
    number = exact.parse(typed)
    if not glued and rest and re.fullmatch(r"\d+/\d+", rest[0]):
        part = rest.pop(0)
        below = exact.parse(part)
        number = exact.add(number, (-below[0] if typed[0] in "-−" else below[0], below[1]))
        typed = f"{typed} {part}"
    return number, typed, glued


def _unit(rest: list[str], known: Known, *, whole: bool) -> tuple[str, list[str]]:
    """Takes the unit's name off the front: the longest run of words that names one.

    On the left of `to` everything up to the next number belongs to the name.
    """
    if not rest:
        return "", []
    if whole:
        end = next((i for i, w in enumerate(rest) if i and re.match(exact.NUMBER, w)), len(rest))
        longest = "_".join(rest[:end])
        if end > 1 or known(longest):
            return longest, rest[end:]
    for count in range(min(LONGEST, len(rest) - 1), 1, -1):
        if known(name := "_".join(rest[:count])):
            return name, rest[count:]
    first = rest[0]
    # `5ft11in`: no unit is called ft11in, but one is called ft.
    if not known(first) and (match := re.match(r"([^\d½¼¾]+)([\d½¼¾].*)", first)) and known(match[1]):
        return match[1], [match[2], *rest[1:]]
    return first, rest[1:]


def _targets(rest: list[str], known: Known) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    while rest:
        if rest[0] in SEPARATORS:
            rest = rest[1:]
            continue
        for count in range(min(LONGEST, len(rest)), 0, -1):
            name = "_".join(rest[:count])
            if count == 1 or known(name):
                break
        rest = rest[count:]
        for part in name.split(","):
            if part:
                found.append(tuple(p for p in part.split(";") if p))
    if not found or not all(found):
        raise Invalid("There is no unit to convert to.", hint=HINT)
    return found
