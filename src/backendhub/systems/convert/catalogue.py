"""The table of units as people read it."""

from __future__ import annotations

from dataclasses import dataclass

from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid

from . import custom, units


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of quantity."""

    category: str
    count: int
    units: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A unit in the catalogue."""

    category: str
    symbol: str
    name: str
    also: tuple[str, ...]
    prefixes: str
    definition: str


def categories(db: Db) -> list[Category]:
    """Every category with its units; `custom` holds the user's own."""
    found: dict[str, list[str]] = {}
    for entry in units.index().entries:
        found.setdefault(entry.category, []).append(entry.names[0])
    found["currency"] = _currencies(db)
    if own := custom.names(db):
        found["custom"] = own
    return [Category(name, len(symbols), " ".join(symbols)) for name, symbols in found.items()]


def _currencies(db: Db) -> list[str]:
    """The currencies that have a rate."""
    pairs = custom.find_rates(db)
    return sorted({code for rate in pairs for code in (rate.base, rate.quote)})


def listed(db: Db, category: str) -> list[Listed]:
    """The units of a category, prefixable ones marked. Raises Invalid for an unknown one."""
    wanted = category.strip().lower()
    if wanted == "custom":
        return [Listed(u.category, u.name, u.name, (), "", u.definition) for u in custom.find_all(db)]
    if wanted == "currency":
        return [Listed("currency", code, code, (), "", "by rate") for code in _currencies(db)]
    rows = [_row(entry) for entry in units.index().entries if entry.category == wanted]
    if not rows:
        from difflib import get_close_matches

        names = [*units.categories(), "currency", "custom"]
        near = get_close_matches(wanted, names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else "choose from " + ", ".join(names)
        raise Invalid(f"There is no category {category!r}.", hint=hint)
    return rows


def _row(entry: units.Entry) -> Listed:
    symbol, *others = (name.replace("_", " ") for name in entry.names)
    name = others[0] if others else symbol
    prefixes = {"*": "SI", "+": "SI and binary", "": ""}[entry.prefixes]
    uk = tuple(f"{n.replace('_', ' ')} (--uk)" for n in entry.uk)
    definition = "base unit" if entry.definition == "1" else entry.definition
    return Listed(entry.category, symbol, name, (*others[1:], *uk), prefixes, definition)
