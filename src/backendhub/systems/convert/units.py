"""Finds units by name: exactly, with prefixes, with powers, as products of others, and at last in any case."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from . import exact, table, words
from .models import Dims, Unit

AXES = "LMTIKNJDA$"  # the last one is money
LONGEST = 200  # characters in a product of units
MAX_BITS = 2000  # of a factor; only nonsense has more
NONE: Dims = (0,) * len(AXES)
POWERS = {"square_": 2, "sq_": 2, "cubic_": 3, "cu_": 3}
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
FACTOR = r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)?(?:([^\d^*/·][^*/·^]*?)(?:\^?(-?\d))?)?"


class Entry(NamedTuple):
    """A line of the table."""

    names: tuple[str, ...]
    definition: str
    uk: tuple[str, ...]
    category: str
    dims: str
    prefixes: str


class Index(NamedTuple):
    """The table, by name."""

    entries: tuple[Entry, ...]
    names: dict[str, list[int]]
    uk: dict[str, list[int]]


@cache
def index() -> Index:
    """The table parsed into lines and names; definitions stay text until somebody needs them."""
    entries: list[Entry] = []
    names: dict[str, list[int]] = {}
    uk: dict[str, list[int]] = {}
    category = dims = ""
    for line in table.TABLE.split("\n"):
        if line.startswith("["):
            category, _, dims = line[1:].partition("]")
        elif line:
            left, _, right = line.partition(" = ")
            definition, _, british = right.partition(" ~ ")
            prefixes = left[0] if left[0] in "*+" else ""
            known = tuple(left[1:].split() if prefixes else left.split())
            entry = Entry(known, definition, tuple(british.split()), category, dims.strip(), prefixes)
            for name in entry.names:
                names.setdefault(name, []).append(len(entries))
            for name in entry.uk:
                uk.setdefault(name, []).append(len(entries))
            entries.append(entry)
    return Index(tuple(entries), names, uk)


@cache
def dimensions(text: str) -> Dims:
    """`L2 T-1` as a vector of exponents."""
    powers = {part[0]: int(part[1:] or 1) for part in text.split()}
    return tuple(powers.get(axis, 0) for axis in AXES)


@cache
def unit(number: int) -> Unit:
    """The unit of a line of the table."""
    entry = index().entries[number]
    body, _, zero = entry.definition.partition(" + ")
    value = evaluate(body, builtin)
    assert value is not None, entry
    factor, pi, _ = value
    zero_ratio = exact.parse(zero) if zero else (0, 1)
    name = entry.names[min(1, len(entry.names) - 1)].replace("_", " ")
    return Unit(entry.names[0], name, entry.category, dimensions(entry.dims), factor, zero_ratio, pi)


def builtin(name: str) -> Unit | None:
    """The unit that definitions mean by a name."""
    if numbers := index().names.get(name):
        return unit(numbers[0])
    return next(prefixed(name), None)


Finder = Callable[[str], Unit | None]


def evaluate(text: str, find: Finder) -> tuple[exact.Ratio, int, Dims] | None:
    """A product of numbers, units and pi (`lbf/in^2`): factor, power of pi and dimensions.

    None where a factor of it is no unit.
    """
    if len(text) > LONGEST or re.search(r"^\s*[*/·]|[*/·]\s*([*/·]|$)", text):
        return None
    factor, pi, dims = (1, 1), 0, NONE
    for sign, word in re.findall(r"([*/·]?)\s*([^\s*/·]+)", text.translate(SUPERSCRIPTS)):
        part = _factor(word, find)
        if part is None:
            return None
        power = -1 if sign == "/" else 1
        if power < 0 and part[0][0] == 0:
            return None
        factor = exact.multiply(factor, exact.power(part[0], power))
        pi += power * part[1]
        dims = tuple(a + power * b for a, b in zip(dims, part[2], strict=True))
    return factor, pi, dims


def _factor(word: str, find: Finder) -> tuple[exact.Ratio, int, Dims] | None:
    """One factor: `12`, `pi`, `ft`, `ft^2`, `s-1`, `100km`."""
    if word == "pi":
        return (1, 1), 1, NONE
    if found := find(word):
        return found.factor, found.pi, found.dims
    match = re.fullmatch(FACTOR, word.removeprefix("-"))
    if match is None:
        return None
    value: exact.Ratio = exact.parse(match[1]) if match[1] else (1, 1)
    if word.startswith("-"):
        value = (-value[0], value[1])
    if match[2] is None:
        return value, 0, NONE
    found = find(match[2])
    if found is None:
        return None
    times = int(match[3] or 1)
    scaled = exact.multiply(value, exact.power(found.factor, times))
    return scaled, found.pi * times, tuple(d * times for d in found.dims)


def prefixed(name: str) -> Iterator[Unit]:
    """The units that a name means with an SI or binary prefix in front of it: `km`, `kilometres`, `GiB`."""
    for number, symbol, word, factor in _splits(name):
        base = unit(number)
        scaled = base._replace(factor=exact.multiply(base.factor, factor))
        yield scaled._replace(symbol=symbol + base.symbol, name=word + base.name)


def _splits(name: str) -> Iterator[tuple[int, str, str, exact.Ratio]]:
    entries, names, _ = index()
    for short, word, power in (*words.LARGE, *words.SMALL, *words.BINARY):
        binary = word.endswith("bi")
        factor = (1 << power, 1) if binary else exact.power((10, 1), power)
        for prefix, long in ((short, False), (word, True)):
            rest = name[len(prefix) :]
            if not name.startswith(prefix) or not rest:
                continue
            plural = names.get(rest[:-1], []) if long and rest[-1] == "s" else []
            for number in names.get(rest) or plural:
                kind = entries[number].prefixes
                if (
                    kind
                    and (len(rest) > 2 if long else len(rest) <= 4)
                    and _allows(kind, short, power, binary)
                ):
                    symbol = {"K": "k", "u": "µ", "μ": "µ"}.get(short, short)
                    yield number, symbol, word, factor


def _allows(kind: str, short: str, power: int, binary: bool) -> bool:
    if kind == "+":
        return binary or power >= 3
    return not binary and short != "K"


class Units:
    """Finds units for one person: with or without British measures, with their own units."""

    def __init__(self, *, uk: bool = False, custom: Callable[[str], list[Unit]] | None = None) -> None:
        self.uk = uk
        self.custom = custom
        self._found: dict[str, list[Unit]] = {}
        self._loose: dict[str, list[Unit]] = {}

    def find(self, name: str) -> list[Unit]:
        """The units of exactly this name, the likeliest first; several where a name has several meanings."""
        if (known := self._found.get(name)) is None:
            known = self._found[name] = self._find(name)
        return known

    def _find(self, name: str) -> list[Unit]:
        if "-" in name and not re.search(r"\d", name):
            name = name.replace("-", "_")  # light-year, foot-pound
        if found := self._named(name):
            return found
        for prefix, exponent in POWERS.items():
            if name.startswith(prefix) and (base := self.first(name.removeprefix(prefix))):
                return self._derive(f"{base.symbol}{exponent}")
        if found := list(dict.fromkeys(prefixed(name))):
            return found
        if re.search(r"[*/·^²³⁻]|_per_|[^\d]\d$", name) and (
            found := self._derive(name.replace("_per_", "/"))
        ):
            return found
        return self.custom(name) if self.custom is not None else []

    def _named(self, name: str) -> list[Unit]:
        _, names, british = index()
        for word in (name, name[:-1]) if len(name) > 3 and name.endswith("s") else (name,):
            numbers = [*(british.get(word, ()) if self.uk else ()), *names.get(word, ())]
            if numbers:
                return [unit(number) for number in dict.fromkeys(numbers)]
        return []

    def first(self, name: str) -> Unit | None:
        """The likeliest unit of exactly this name."""
        found = self.find(name)
        return found[0] if found else None

    def _derive(self, text: str) -> list[Unit]:
        result = evaluate(text, self._plain)
        if result is None:
            return []
        factor, pi, dims = result
        if not factor[0] or abs(pi) > 9 or max(factor).bit_length() > MAX_BITS:
            return []
        return [Unit(text, text, category_of(dims), dims, factor, (0, 1), pi, derived=True)]

    def _plain(self, name: str) -> Unit | None:
        """A factor of a product: a name, never a product again."""
        named = self._named(name) or list(prefixed(name))
        if not named and self.custom is not None:
            named = self.custom(name)
        return named[0] if named else None

    def loose(self, name: str) -> list[Unit]:
        """The units of this name in any case."""
        if (known := self._loose.get(name)) is None:
            keys = folded().get(name.casefold()) or folded().get(name.casefold().removesuffix("s"), [])
            found = [u for key in keys for u in (self._named(key) or list(prefixed(key)))]
            known = self._loose[name] = list(dict.fromkeys(found))
        return known


@cache
def folded() -> dict[str, list[str]]:
    """Every name, prefixed ones included, by its form without case."""
    entries, names, _ = index()
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.casefold(), []).append(name)
    for entry in entries:
        for name in entry.names if entry.prefixes else ():
            for short, word, power in (*words.LARGE, *words.SMALL, *words.BINARY):
                if _allows(entry.prefixes, short, power, word.endswith("bi")):
                    for full in ((short + name,) if len(name) <= 4 else ()) + (
                        (word + name,) if len(name) > 2 else ()
                    ):
                        if full not in names:
                            found.setdefault(full.casefold(), []).append(full)
    return found


@cache
def categories() -> dict[str, Dims]:
    """Every category with the dimensions of its first units, in the order of the table."""
    found: dict[str, Dims] = {}
    for entry in index().entries:
        found.setdefault(entry.category, dimensions(entry.dims))
    return found


def category_of(dims: Dims) -> str:
    """The category that has these dimensions, or `derived`."""
    for entry in index().entries:
        if dimensions(entry.dims) == dims:
            return entry.category
    return "derived"


def relation(a: Unit, b: Unit) -> int:
    """1 where a converts to b, -1 where its reciprocal does, 0 where neither."""
    free = a.derived or b.derived
    if a.dims == b.dims and (free or a.category == b.category):
        return 1
    if a.dims == tuple(-d for d in b.dims) and a.dims != NONE:
        pair = {a.category, b.category}
        if free or any(pair <= group for group in words.RECIPROCAL):
            return -1
    return 0


def spellings() -> list[str]:
    """Every name in the table, for suggestions."""
    return list(index().names)
