"""The arithmetic of invoices: discounts that add up over the lines, taxes of each line. Integers in, integers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

from backendhub.systems.payment.models import Json

from .pricing import whole


@dataclass(frozen=True, slots=True)
class Off:
    """A discount: so many percent, or an amount."""

    id: str
    percent: Fraction | None = None
    amount: int = 0
    products: tuple[str, ...] = ()
    """Only these, where there are any."""


@dataclass(frozen=True, slots=True)
class Line:
    """What is priced: an amount, what discounts it alone, and the taxes on it."""

    amount: int
    product: str | None = None
    discountable: bool = True
    own: tuple[Off, ...] = ()
    rates: tuple[Json, ...] = ()


@dataclass(slots=True)
class Priced:
    """What came of a line. `net` is what is left after discounts; inclusive taxes are part of it."""

    net: int
    discounts: list[tuple[str, int]] = field(default_factory=list)
    taxes: list[tuple[Json, int, int]] = field(default_factory=list)
    """Rate, what is taxed, the tax."""

    @property
    def added(self) -> int:
        """The taxes on top."""
        return sum(tax for rate, _, tax in self.taxes if not rate["inclusive"])

    @property
    def included(self) -> int:
        """The taxes within."""
        return sum(tax for rate, _, tax in self.taxes if rate["inclusive"])

    @property
    def total(self) -> int:
        """What is to be paid for the line."""
        return self.net + self.added


def price(lines: Sequence[Line], discounts: Sequence[Off] = (), *, exempt: bool = False) -> list[Priced]:
    """Applies a line's own discounts, then those of the whole one after the other, then the taxes."""
    found = [Priced(line.amount) for line in lines]
    for line, each in zip(lines, found, strict=True):
        for off in line.own:
            _apply(off, [each], [True])
    for off in discounts:
        fits = [line.discountable and (not off.products or line.product in off.products) for line in lines]
        _apply(off, found, fits)
    for line, each in zip(lines, found, strict=True):
        each.taxes = _taxes(each.net, line.rates, exempt)
    return found


def _apply(off: Off, lines: Sequence[Priced], fits: Sequence[bool]) -> None:
    """Takes a discount off the lines that it fits. The parts add up to the discount of the sum, rounded once."""
    if off.percent is not None:
        shares = [
            each.net * off.percent / 100 if fit else Fraction(0)
            for each, fit in zip(lines, fits, strict=True)
        ]
        total = whole(sum(shares, Fraction(0)))
    else:
        weights = [max(0, each.net) if fit else 0 for each, fit in zip(lines, fits, strict=True)]
        total = min(off.amount, sum(weights))
        shares = [Fraction(total * w, sum(weights)) if w else Fraction(0) for w in weights]
    for each, fit, part in zip(lines, fits, spread(total, shares), strict=True):
        if fit:
            each.net -= part
            each.discounts.append((off.id, part))


def spread(total: int, shares: Sequence[Fraction]) -> list[int]:
    """Whole parts that add up to the total, each within one of its share: the largest remainders get what is over."""
    parts = [floor(share) for share in shares]
    order = sorted(range(len(parts)), key=lambda i: (parts[i] - shares[i], i))
    for i in order[: total - sum(parts)]:
        parts[i] += 1
    return parts


def _taxes(net: int, rates: Sequence[Json], exempt: bool) -> list[tuple[Json, int, int]]:
    """The taxes of a line, each rounded: those on top are of what the inclusive ones leave."""
    if exempt:
        return [(rate, 0, 0) for rate in rates]
    inside = sum((Fraction(str(r["percentage"])) for r in rates if r["inclusive"]), Fraction(0))
    told: list[tuple[Json, int, int]] = []
    within = 0
    for rate in rates:
        if rate["inclusive"]:
            tax = whole(net * Fraction(str(rate["percentage"])) / (100 + inside))
            within += tax
            told.append((rate, 0, tax))
    told = [(rate, net - within, tax) for rate, _, tax in told]
    for rate in rates:
        if not rate["inclusive"]:
            base = net - within
            told.append((rate, base, whole(base * Fraction(str(rate["percentage"])) / 100)))
    return told
