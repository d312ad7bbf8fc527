"""The query language of json-server 0.17: `?views_gte=10&_sort=views&_order=desc&_page=2&_embed=comments`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from backendhub.kit.errors import Malformed
from backendhub.kit.resources.conditions import All, AnyOf, Node, Test

from . import reading
from .models import Asked
from .reading import Reader

IGNORED = ("callback", "_", "_delay")
OPERATOR = r"(.+)_(gte|lte|ne|like)"
Known = Callable[[Sequence[str]], set[str]]
"""Which of some paths rows have."""


def parse(pairs: Sequence[tuple[str, str]], known: Known, *, strict: bool) -> Asked:
    """A list as asked for. Raises Malformed for what cannot be read.

    Parameters that no row has a value for are passed over, unless it is strict: then they are refused.
    """
    reader = Reader(pairs, strict=strict)
    for name in IGNORED:
        reader.values.pop(name, None)
    text = reader.take("q")
    sort = _sort(reader)
    embed, expand = reader.take_all("_embed"), reader.take_all("_expand")
    cursor, limit = reader.cursor()
    part = reader.part()
    where = _where(reader, known)
    if strict and (missing := [p for p, _ in sort if p not in known([p for p, _ in sort])]):
        raise Malformed(f"No row has a field {missing[0][:80]!r} to sort by.")
    return Asked(reading.query(where, text, sort, cursor, limit), part, embed, expand)


def _sort(reader: Reader) -> list[tuple[str, bool]]:
    names = [reading.path(name) for name in reader.names("_sort") if name]
    ways = [way.strip().lower() for way in reader.names("_order")]
    if reader.strict and (wrong := [way for way in ways if way not in ("", "asc", "desc")]):
        raise Malformed(f"_order is {wrong[0][:40]!r}, neither asc nor desc.")
    return [(name, i < len(ways) and ways[i] == "desc") for i, name in enumerate(names)]


def _where(reader: Reader, known: Known) -> Node | None:
    plain = {name: reading.path(name) for name in reader.values if not re.fullmatch(OPERATOR, name)}
    operators = {name: match for name in reader.values if (match := re.fullmatch(OPERATOR, name))}
    asked = [*plain.values(), *(reading.path(match[1]) for match in operators.values())]
    found = known(asked)
    if reader.strict and (missing := [path for path in asked if path not in found]):
        raise Malformed(
            f"No row has a field {missing[0][:80]!r}.", hint="without --strict it would be ignored"
        )
    parts: list[Node] = [
        equal(path, reader.values[name]) for name, path in plain.items() if path in found
    ] + [
        _compared(reading.path(match[1]), match[2], reader.values[name]) for name, match in operators.items()
    ]
    return All(tuple(parts)) if parts else None


def equal(path: str, values: Sequence[str]) -> Node:
    """Any of these values."""
    return Test(path, "eq", tuple(each for value in values for each in reading.alternatives(value)))


def _compared(path: str, operator: str, values: Sequence[str]) -> Node:
    """`_ne` is none of the values, and not null; for the others one will do."""
    if operator == "ne":
        return Test(path, "ne", (None, *(each for value in values for each in reading.alternatives(value))))
    if operator == "like":
        return Test(path, "like", tuple(values))
    return AnyOf(tuple(Test(path, operator, reading.limits(value)) for value in values))
