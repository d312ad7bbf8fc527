"""Parameters of operations, declared as a table and read strictly.

    CREATE = parameters('''
    amount! int 1..
    currency! currency
    shipping hash | empty
      address! address
      name! str
    items list hash
      price str
    metadata metadata
    ''')

One line each: a name, `!` where it is required, and a type. Types: `str [max]`, `int [min..max]`, `amount [min..max]`, `days`,
`time`, `bool`, `decimal`, `currency`, `metadata`, `map`, `any`, `enum a b c`, `hash` and `list hash` (their members stand
below, indented), `by currency` (such hashes by currency), `list TYPE`, `address`, `range` (`created[gte]`), and `A | B`.
`| empty` takes `""`, which stands for None and unsets; `str`, `metadata` and `decimal` do so unless they are required.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from . import reading, schemas
from .kinds import Json, Kind, Parameter

ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


@dataclass(slots=True)
class Parameters:
    """The parameters of an operation."""

    members: dict[str, Parameter]

    def read(self, given: Mapping[str, Any]) -> Json:
        """The values of a request, typed. Raises ApiError for the first thing that is wrong."""
        return reading.read(self.members, given)

    def schema(self, depth: int = 0) -> Json:
        """The JSON Schema; how deep it stands decides what it tells of."""
        return schemas.schema_of(self.members, depth)

    def narrow(self) -> Parameters:
        """The same with texts that fit into an address: a query holds 64 KiB in all."""
        fits = {
            name: Parameter(name, p.required, [_narrow(kind) for kind in p.kinds])
            for name, p in self.members.items()
        }
        return Parameters(fits)

    def __or__(self, other: Parameters) -> Parameters:
        """These and others."""
        return Parameters(self.members | other.members)


def _narrow(kind: Kind) -> Kind:
    if kind.word == "list" and kind.item is not None and kind.item.word == "str":
        return Kind("list", ("20",), item=Kind("str", ("60",)))
    return Kind("str", ("300",)) if kind == Kind("str") else kind


@cache
def parameters(table: str = "") -> Parameters:
    """Reads a table. Raises ValueError where it cannot be read."""
    root: dict[str, Parameter] = {}
    levels: list[dict[str, Parameter]] = [root]
    for line in table.splitlines():
        if not line.strip():
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        if depth >= len(levels):
            raise ValueError(f"{line!r} belongs to nothing")
        del levels[depth + 1 :]
        name, _, types = line.strip().partition(" ")
        kinds = [_kind(words.split()) for words in (types or "str").split(" | ")]
        levels[depth][name.rstrip("!")] = Parameter(name.rstrip("!"), name.endswith("!"), kinds)
        levels.append(next((m for k in kinds if (m := _members(k)) is not None), {}))
    return Parameters(root)


def _kind(words: list[str]) -> Kind:
    word, *rest = words
    if word == "list":
        return Kind("list", item=_kind(rest))
    if word == "address":
        members = {name: Parameter(name, False, [Kind("str")]) for name in ADDRESS}
        return Kind("hash", members=members)
    if word not in reading.READERS:
        raise ValueError(f"There is no type {word!r}")
    return Kind(word, tuple(rest))


def _members(kind: Kind) -> dict[str, Parameter] | None:
    if kind.word == "list" and kind.item is not None:
        return _members(kind.item)
    return kind.members if kind.word in ("hash", "by") else None
