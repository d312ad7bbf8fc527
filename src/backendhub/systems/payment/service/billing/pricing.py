"""What a quantity costs at a price, exactly: amounts are fractions of the smallest unit until a line is rounded."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from backendhub.kit.money import LIMIT, Rounding, rounded
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json


def exact(price: Json, quantity: Fraction | int) -> Fraction:
    """The price of a quantity. `price` has its tiers."""
    count = Fraction(quantity)
    if price["billing_scheme"] == "tiered":
        return _tiered(price["tiers"], count, price["tiers_mode"])
    if transform := price.get("transform_quantity"):
        parts = count / transform["divide_by"]
        count = Fraction(ceil(parts) if transform["round"] == "up" else floor(parts))
    return Fraction(price["unit_amount_decimal"] or 0) * count


def _tiered(tiers: list[Json], count: Fraction, mode: str) -> Fraction:
    """Graduated: each part of the quantity at the price of its tier. Volume: all of it at that of the tier it reaches."""
    total, below = Fraction(0), Fraction(0)
    for tier in tiers:
        top = tier["up_to"]
        within = top is None or count <= top
        if mode == "volume":
            if within:
                return _cost(tier, count)
            continue
        part = (count if within else Fraction(top)) - below
        total += _cost(tier, part)
        if within:
            return total
        below = Fraction(top)
    return total


def _cost(tier: Json, count: Fraction) -> Fraction:
    unit, flat = tier["unit_amount_decimal"], tier["flat_amount_decimal"]
    return Fraction(unit or 0) * count + Fraction(flat or 0)


def whole(amount: Fraction) -> int:
    """An amount in whole smallest units: to the nearest, a half away from zero."""
    return rounded(amount.numerator, amount.denominator, Rounding.HALF_UP)


def bounded(amount: int, *, param: str = "amount") -> int:
    """An amount that can be billed: the database adds up many of them in 64 bits. Raises ApiError beyond that."""
    if abs(amount) > LIMIT:
        raise ApiError(f"Amount must be no more than {LIMIT}", code="amount_too_large", param=param)
    return amount


def plain(number: Fraction) -> str:
    """A number as the wire writes decimals: `12.5`."""
    if number.denominator == 1:
        return str(number.numerator)
    return f"{Decimal(number.numerator) / Decimal(number.denominator):.12f}".rstrip("0").rstrip(".")
