"""What the store knows: the user's own units, and currencies with their dated rates."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, NotFound

from . import exact, quantity, store, units
from .models import Custom, Unit
from .pairing import Resolver

if TYPE_CHECKING:
    from backendhub.kit.rates import Rate

NAME = r"[^\W\d_][^\W_]{0,31}"
RESERVED = {*quantity.SEPARATORS, "list", "unit", "rate", "help", "pi"}
MONEY = tuple(int(axis == "$") for axis in units.AXES)


def possible(name: str) -> bool:
    """Whether a user's unit or a currency may be called so: one letter or sign, or letters and digits."""
    return (name.isalnum() or (len(name) == 1 and name.isprintable())) and not name[0].isdigit()


def find(db: Db, name: str) -> list[Unit]:
    """A user's unit (in any case, where no other differs only in that), or a currency."""
    if own := store.select(db, name):
        return [_unit(own)]
    if code := _currency(name):
        return [Unit(code, code, "currency", MONEY, (1, 1))]
    return [_unit(u) for u in store.select_folded(db, name.lower())[:1]]


def names(db: Db) -> list[str]:
    """The names of the user's units."""
    return [own.name for own in store.select_all(db)]


def _unit(own: Custom) -> Unit:
    dims = units.dimensions(own.dims)
    factor = (int(own.num), int(own.den))
    return Unit(
        own.name, own.name, own.category, dims, factor, (0, 1), own.pi, derived=own.category == "derived"
    )


def _currency(name: str) -> str | None:
    """The code of a currency: `EUR`, `eur`, `€`."""
    if not (len(name) == 3 and name.isascii() and name.isalpha()) and len(name) != 1:
        return None
    from backendhub.kit import money

    try:
        return money.currency(name)
    except Invalid:
        return None


def rate(db: Db | None, source: Unit, target: Unit, on: date | None) -> tuple[exact.Ratio, str, str]:
    """The latest rate on a day: as a ratio, as a decimal, and its date. Raises NotFound where there is none."""
    from backendhub.kit import rates

    assert db is not None  # only a store knows currencies
    found = rates.find(db, base=source.symbol, quote=target.symbol, on=on)
    if found is None:
        day = f" on or before {on}" if on else ""
        raise NotFound(
            f"There is no rate for {source.symbol} to {target.symbol}{day}.",
            hint=f"backendhub convert rate add {source.symbol} {target.symbol} RATE --date YYYY-MM-DD",
        )
    return (found.num, found.den), found.decimal, found.date.isoformat()


def add(db: Db, *, name: str, definition: list[str]) -> Custom:
    """Adds a unit: `smoot` is `67 in`, `room` is `12 ft 6 in`.

    Raises Invalid for a name that is taken by the table or cannot be typed, and for a definition that is no
    positive amount of something; Conflict where the user has that unit already.
    """
    words = definition[1:] if definition[:1] == ["="] else definition
    resolver = Resolver(uk=False, custom=lambda n: find(db, n) if possible(n) else [])
    if re.fullmatch(NAME, name) is None or name.lower() in RESERVED:
        raise Invalid(
            f"{name!r} cannot be a unit's name.", hint="letters and digits, a letter first, up to 32"
        )
    taken = units.Units().find(name)
    if taken or _currency(name) == name:
        raise Invalid(f"{name!r} is a unit already: {taken[0].name if taken else 'a currency'}.")
    if store.select(db, name) is not None:
        raise Conflict(f"You already have a unit {name!r}.", hint=f"backendhub convert unit remove {name}")
    if not words:
        raise Invalid(f"What is a {name}?", hint=f"backendhub convert unit add {name} = 3 ft")
    unit, ratio = _value(resolver, words)
    return store.insert(
        db,
        name=name,
        definition=" ".join(words),
        category=unit.category,
        dims=" ".join(f"{a}{'' if p == 1 else p}" for a, p in zip(units.AXES, unit.dims, strict=True) if p),
        num=str(ratio[0]),
        den=str(ratio[1]),
        pi=unit.pi,
        created_at=clock.now(),
    )


def _value(resolver: Resolver, words: list[str]) -> tuple[Unit, exact.Ratio]:
    """What a definition comes to in coherent SI units."""
    amounts = quantity.amount(words, resolver.known)
    total: exact.Ratio = (0, 1)
    unit = resolver.single(amounts[-1].unit)
    for amount in amounts:
        part = unit if len(amounts) == 1 else resolver.pair(amount.unit, unit.symbol)[0]
        if part.zero[0] or part.category == "currency":
            raise Invalid(f"A unit cannot be made of {part.symbol}: {_why(part)}.")
        if part.pi != unit.pi:
            raise Invalid(f"{part.symbol} and {unit.symbol} cannot be added exactly.")
        total = exact.add(total, exact.multiply(amount.number, part.factor))
    if total[0] <= 0:
        raise Invalid("A unit must be more than nothing.")
    if max(len(str(total[0])), len(str(total[1]))) > exact.DIGITS:
        raise Invalid(f"The definition has more than {exact.DIGITS} digits.")
    return unit, total


def _why(unit: Unit) -> str:
    return "its rate changes" if unit.category == "currency" else "its zero is not nothing (use K)"


def remove(db: Db, name: str) -> None:
    """Removes a user's unit. Raises NotFound."""
    if not store.delete(db, name):
        raise NotFound(f"You have no unit {name!r}.", hint="backendhub convert unit list")


def find_all(db: Db) -> list[Custom]:
    """Every unit of the user."""
    return store.select_all(db)


def add_rate(db: Db, *, base: str, quote: str, value: str, on: date | None) -> Rate:
    """Records a rate, in the store that all tools share."""
    from backendhub.kit import rates

    return rates.add(db, base=base, quote=quote, rate=value, on=on)


def find_rates(db: Db) -> list[Rate]:
    """Every rate."""
    from backendhub.kit import rates

    return rates.find_all(db)
