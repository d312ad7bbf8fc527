"""What a cart costs: pure arithmetic on integers, the same for every wire.

Promotions come off one after the other, each from what the one before has left. Tax is worked out for each line and
rounded once, half up. Where prices hold their tax, the tax is what is inside of what is left to pay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from backendhub.kit.money import Money, Rounding
from backendhub.systems.shop.models import Promotion

FREE_LEVEL = "standard"


class Line(NamedTuple):
    """What is asked about a line."""

    id: str
    product_id: str
    quantity: int
    unit_price: int
    discountable: bool = True


class Adjustment(NamedTuple):
    """What a promotion takes off."""

    promotion: Promotion
    amount: int


@dataclass(frozen=True, slots=True)
class Amounts:
    """A line, or shipping, worked out. `subtotal` and `discount` are without tax; `original` is before promotions."""

    original: int = 0
    original_tax: int = 0
    subtotal: int = 0
    discount: int = 0
    tax: int = 0
    total: int = 0
    adjustments: tuple[Adjustment, ...] = ()


@dataclass(frozen=True, slots=True)
class Totals:
    """A cart worked out."""

    currency: str
    lines: dict[str, Amounts]
    shipping: Amounts
    rate: str = "0"
    applied: tuple[Adjustment, ...] = field(default=())

    @property
    def items_subtotal(self) -> int:
        """All lines without tax and before promotions."""
        return sum(a.subtotal for a in self.lines.values())

    @property
    def discount(self) -> int:
        """What promotions take off, without tax, shipping included."""
        return sum(a.discount for a in self.lines.values()) + self.shipping.discount

    @property
    def tax(self) -> int:
        """Tax of lines and shipping."""
        return sum(a.tax for a in self.lines.values()) + self.shipping.tax

    @property
    def total(self) -> int:
        """What is paid."""
        return sum(a.total for a in self.lines.values()) + self.shipping.total


def work_out(
    currency: str,
    lines: Sequence[Line],
    shipping: int,
    promotions: Sequence[Promotion],
    *,
    rate: str = "0",
    inclusive: bool = False,
    level: str = FREE_LEVEL,
) -> Totals:
    """Everything about a cart's money. Promotions that do not apply are left out of `applied`. `level` is that of the
    shipping option: promotions make standard shipping free, and no faster one."""
    left = {line.id: line.unit_price * line.quantity for line in lines}
    for amount in left.values():
        Money(amount, currency)
    off: dict[str, list[Adjustment]] = {line.id: [] for line in lines}
    gross = sum(left.values())
    free: Adjustment | None = None
    applied: list[Adjustment] = []
    for promotion in promotions:
        if gross < promotion.min_subtotal:
            continue
        if promotion.kind == "free_shipping":
            if free is None and shipping and level == FREE_LEVEL and eligible(promotion, lines):
                free = Adjustment(promotion, shipping)
                applied.append(free)
            continue
        taken = _take(promotion, currency, lines, left)
        for id, amount in taken.items():
            left[id] -= amount
            off[id].append(Adjustment(promotion, amount))
        if taken:
            applied.append(Adjustment(promotion, sum(taken.values())))
    worked = {
        line.id: amounts(currency, line.unit_price * line.quantity, off[line.id], rate, inclusive)
        for line in lines
    }
    ship = amounts(currency, shipping, [free] if free else [], rate, inclusive)
    return Totals(currency, worked, ship, rate, tuple(applied))


def ships_free(promotions: Sequence[Promotion], lines: Sequence[Line], level: str) -> bool:
    """Whether a way to be shipped would cost nothing."""
    gross = sum(line.unit_price * line.quantity for line in lines)
    return level == FREE_LEVEL and any(
        p.kind == "free_shipping" and gross >= p.min_subtotal and eligible(p, lines) for p in promotions
    )


def amounts(currency: str, price: int, off: Sequence[Adjustment], rate: str, inclusive: bool) -> Amounts:
    """One line: `price` before promotions, as it is shown."""
    taken = sum(a.amount for a in off)
    before, after = Money(price, currency), Money(price - taken, currency)
    if inclusive:
        tax0 = before.included(rate, Rounding.HALF_UP).amount.minor
        tax = after.included(rate, Rounding.HALF_UP).amount.minor
        made = Amounts(price, tax0, price - tax0, 0, tax, price - taken, tuple(off))
        return replace(made, discount=made.subtotal - (made.total - made.tax))
    tax0 = before.percent(rate, Rounding.HALF_UP).amount.minor
    tax = after.percent(rate, Rounding.HALF_UP).amount.minor
    return Amounts(price + tax0, tax0, price, taken, tax, price - taken + tax, tuple(off))


def eligible(promotion: Promotion, lines: Sequence[Line]) -> list[Line]:
    """The lines that a promotion is about."""
    return [
        line
        for line in lines
        if line.discountable and (not promotion.products or line.product_id in promotion.products)
    ]


def _take(promotion: Promotion, currency: str, lines: Sequence[Line], left: dict[str, int]) -> dict[str, int]:
    """What a promotion takes off each line."""
    about = [line for line in eligible(promotion, lines) if left[line.id] > 0]
    base = sum(left[line.id] for line in about)
    if not about or (promotion.kind == "fixed" and promotion.currency != currency):
        return {}
    if promotion.kind == "fixed":
        whole = Money(min(promotion.amount or 0, base), currency)
    else:
        whole = Money(base, currency).percent(promotion.percent or "0", Rounding.HALF_UP).amount
    parts = whole.allocate([left[line.id] for line in about])
    return {line.id: part.minor for line, part in zip(about, parts, strict=True) if part.minor}
