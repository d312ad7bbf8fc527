"""What a unit, a conversion and a user's own unit are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from .exact import Ratio, fraction

Dims = tuple[int, ...]


class Unit(NamedTuple):
    """A unit: a value in it times `factor` (times pi to the power `pi`) plus `zero` is the value in SI units.

    `derived` units are those made of others on the spot (`kWh/100km`): their category is only a guess.
    """

    symbol: str
    name: str
    category: str
    dims: Dims
    factor: Ratio
    zero: Ratio = (0, 1)
    pi: int = 0
    derived: bool = False


class Part(NamedTuple):
    """A value in one unit."""

    value: str
    unit: str


class Style(NamedTuple):
    """How results are written: significant digits, decimals, or as exact fractions."""

    precision: int | None = None
    decimals: int | None = None
    exact: bool = False


class Conversion(NamedTuple):
    """One conversion, done. `ratio` is None where pi makes the exact result irrational."""

    value: str
    source: str
    target: str
    result: str
    ratio: Ratio | None
    exact: bool
    category: str
    asked: str
    parts: tuple[Part, ...] = ()
    rate: str | None = None
    rate_date: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The keys that programs read; compound results have `parts`, currencies a rate and its date."""
        data: dict[str, Any] = {
            "value": self.value,
            "from": self.source,
            "to": self.target,
            "result": self.result,
            "fraction": fraction(self.ratio) if self.ratio is not None else None,
            "exact": self.exact,
            "category": self.category,
        }
        if self.parts:
            data["parts"] = [{"value": p.value, "unit": p.unit} for p in self.parts]
        if self.rate is not None:
            data |= {"rate": self.rate, "rateDate": self.rate_date}
        return data

    def equation(self) -> str:
        """`5 km = 3.106855961 mi`."""
        shown = " ".join(f"{p.value} {p.unit}" for p in self.parts) or f"{self.result} {self.target}"
        dated = f"  (rate {self.rate} of {self.rate_date})" if self.rate is not None else ""
        return f"{self.asked} = {shown}{dated}"

    def bare(self) -> str:
        """The number alone; those of a compound result with tabs between."""
        return "\t".join(p.value for p in self.parts) or self.result


@dataclass(frozen=True, slots=True)
class Custom:
    """A unit that the user added: one of it is `num/den` coherent SI units of its category."""

    name: str
    definition: str
    category: str
    dims: str
    num: str
    den: str
    pi: int
    created_at: datetime
