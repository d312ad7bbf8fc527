"""Dividing, rounding once, and other people's wires: nothing is lost, nothing is a float."""

from __future__ import annotations

import json
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Decimal,
    localcontext,
)
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backendhub.kit import money, rates
from backendhub.kit.clock import today
from backendhub.kit.errors import Invalid
from backendhub.kit.money import Money, Rounding

MINOR = st.integers(-(10**12), 10**12)
CODES = sorted(" ".join(money.EXPONENTS.values()).split())
CODE = st.sampled_from(CODES)
RATIO = st.fractions(0, 1000, max_denominator=10**6)
MODE = st.sampled_from(Rounding)
DECIMAL_MODES = {
    Rounding.HALF_EVEN: ROUND_HALF_EVEN, Rounding.HALF_UP: ROUND_HALF_UP, Rounding.HALF_DOWN: ROUND_HALF_DOWN,
    Rounding.DOWN: ROUND_DOWN, Rounding.UP: ROUND_UP, Rounding.FLOOR: ROUND_FLOOR, Rounding.CEILING: ROUND_CEILING,
}  # fmt: skip


@given(MINOR, CODE, st.lists(RATIO, min_size=1, max_size=12))
def test_parts_add_up_to_the_whole(minor: int, code: str, weights: list[Fraction]) -> None:
    amount = Money(minor, code)
    if not any(weights):
        with pytest.raises(Invalid):
            amount.allocate(weights)
        return
    parts = amount.allocate(weights)
    assert money.total(parts, code) == amount
    whole = sum(weights)
    assert all(
        abs(part.minor - Fraction(minor) * w / whole) < 1 for part, w in zip(parts, weights, strict=True)
    )
    assert [(-p) for p in parts] == (-amount).allocate(weights)
    assert parts == amount.allocate([str(w.numerator * 7) + f"/{w.denominator}" for w in weights])


@given(MINOR, CODE, st.integers(1, 60))
def test_equal_parts_differ_by_one_at_most(minor: int, code: str, count: int) -> None:
    parts = Money(minor, code).split(count)
    assert sum(p.minor for p in parts) == minor
    assert len(parts) == count
    sizes = [abs(p.minor) for p in parts]
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**6), MODE)
def test_every_mode_is_that_of_decimal(num: int, den: int, mode: Rounding) -> None:
    found = money.rounded(num, den, mode)
    assert abs(found - Fraction(num, den)) < 1
    # Tenths of the fraction's distance are exact in decimals where the denominator is made of twos and fives.
    with localcontext() as context:
        context.prec = 80
        exact = Decimal(num) / 4
        assert money.rounded(num, 4, mode) == int(exact.quantize(Decimal(1), rounding=DECIMAL_MODES[mode]))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (Rounding.HALF_EVEN, [-2, -2, -2, -1, 0, 0, 0, 1, 2, 2, 2]),
        (Rounding.HALF_UP, [-3, -2, -2, -1, -1, 0, 1, 1, 2, 2, 3]),
        (Rounding.HALF_DOWN, [-2, -2, -1, -1, 0, 0, 0, 1, 1, 2, 2]),
        (Rounding.DOWN, [-2, -2, -1, -1, 0, 0, 0, 1, 1, 2, 2]),
        (Rounding.UP, [-3, -2, -2, -1, -1, 0, 1, 1, 2, 2, 3]),
        (Rounding.FLOOR, [-3, -2, -2, -1, -1, 0, 0, 1, 1, 2, 2]),
        (Rounding.CEILING, [-2, -2, -1, -1, 0, 0, 1, 1, 2, 2, 3]),
    ],
)
def test_halves(mode: Rounding, expected: list[int]) -> None:
    assert [money.rounded(n, 2, mode) for n in range(-5, 6)] == expected


def test_a_percentage_says_how_it_was_rounded() -> None:
    tax = Money(999, "EUR").percent("19", Rounding.HALF_UP)
    assert tax.amount == Money(190, "EUR")
    assert tax.exact == Fraction(18981, 100)
    assert tax.error == Fraction(19, 100)
    assert tax.as_json() == {
        "amount": "1.90", "minor": 190, "currency": "EUR", "exact": "18981/100", "rounding": "half-up",
    }  # fmt: skip
    assert Money(250, "JPY").percent("7.5", Rounding.DOWN).amount == Money(18, "JPY")
    assert Money(100, "EUR").times("1/3", Rounding.UP).amount == Money(34, "EUR")


@given(st.integers(0, 10**12), CODE, RATIO, MODE)
def test_a_tax_that_is_included_adds_up(minor: int, code: str, rate: Fraction, mode: Rounding) -> None:
    gross = Money(minor, code)
    tax = gross.included(rate, mode)
    net = gross - tax.amount
    assert net + tax.amount == gross
    assert abs(tax.error) < 1
    assert tax.exact * (100 + rate) == minor * rate
    again = net.percent(rate, Rounding.HALF_EVEN).amount
    assert abs(again.minor - tax.amount.minor) <= 1 + rate / 100
    with pytest.raises(Invalid):
        gross.included("-100", mode)


@pytest.mark.parametrize("value", [0.1, 1.0, True, None])
def test_no_float_gets_in(value: Any) -> None:
    amount = Money(100, "EUR")
    for act in (
        lambda: amount * value,
        lambda: amount.allocate([value]),
        lambda: amount.split(value),
        lambda: amount.times(value, Rounding.DOWN),
        lambda: amount.percent(value, Rounding.DOWN),
        lambda: money.from_stripe(value, "eur"),
        lambda: money.from_decimal(value, "EUR"),
        lambda: money.ratio(value),
    ):
        with pytest.raises(TypeError):
            act()


@pytest.mark.parametrize("text", ["", "x", "1e3", "nan", "1/0", "1,5", " 1", "٣", "--1", "1/2/3", "1/-2"])
def test_no_ratio(text: str) -> None:
    with pytest.raises(Invalid):
        money.ratio(text)


def test_currencies_do_not_mix() -> None:
    euro, dollar = Money(1, "EUR"), Money(1, "USD")
    for act in (
        lambda: euro + dollar,
        lambda: euro - dollar,
        lambda: euro < dollar,
        lambda: euro >= dollar,
        lambda: money.total([euro, dollar], "EUR"),
    ):
        with pytest.raises(Invalid, match="cannot be mixed"):
            act()
    assert euro != dollar
    assert money.total([], "EUR") == Money(0, "EUR")
    assert 3 * euro == euro * 3 == Money(3, "EUR")
    assert abs(Money(-5, "EUR")) == Money(5, "EUR")


# -- wires -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minor", "code", "wire"),
    [
        (1000, "USD", 1000),
        (500, "JPY", 500),
        (5120, "KWD", 5120),
        (500, "MGA", 5),
        (5, "ISK", 500),
        (5, "UGX", 500),
        (1045, "HUF", 1045),
        (-250, "EUR", -250),
    ],
)
def test_stripe_integers(minor: int, code: str, wire: int) -> None:
    assert money.to_stripe(Money(minor, code)) == wire
    assert money.from_stripe(wire, code.lower()) == Money(minor, code)


@pytest.mark.parametrize(("minor", "code"), [(5124, "KWD"), (550, "MGA")])
def test_what_stripe_cannot_charge(minor: int, code: str) -> None:
    with pytest.raises(Invalid):
        money.to_stripe(Money(minor, code))


@pytest.mark.parametrize(
    ("wire", "code"), [(550, "ISK"), (1, "ugx"), (5124, "bhd"), (100, "eu"), (10**15, "usd")]
)
def test_what_stripe_cannot_have_said(wire: int, code: str) -> None:
    with pytest.raises(Invalid):
        money.from_stripe(wire, code)


@given(MINOR, CODE)
def test_wires_read_back(minor: int, code: str) -> None:
    amount = Money(minor, code)
    try:
        wire = money.to_stripe(amount)
    except Invalid:
        assert code == "MGA" or money.exponent(code) == 3
    else:
        assert money.from_stripe(wire, code) == amount
    assert money.from_decimal(amount.decimal, code) == amount
    assert money.from_decimal(amount.decimal + ("000" if "." in amount.decimal else ".000"), code) == amount
    number = money.to_number(amount)
    assert money.from_decimal(number, code) == amount
    text = json.dumps({"amount": str(number)}).replace(f'"{number}"', str(number))
    assert money.from_decimal(json.loads(text, parse_float=Decimal)["amount"], code) == amount


def test_numbers_of_a_wire() -> None:
    assert repr(money.to_number(Money(2000, "EUR"))) == "20"
    assert money.to_number(Money(1999, "EUR")) == Decimal("19.99")
    assert str(money.to_number(Money(1990, "EUR"))) == "19.9"
    assert money.to_number(Money(-5, "JPY")) == -5


@pytest.mark.parametrize("value", ["", "1.", ".5", "+1", "1e2", "0x1", "1.234", "9" * 31, "٣", " 1"])
def test_decimals_that_are_none(value: str) -> None:
    with pytest.raises(Invalid):
        money.from_decimal(value, "EUR")


def test_decimal_specials_are_none() -> None:
    for value in (Decimal("NaN"), Decimal("Infinity"), Decimal("0.001")):
        with pytest.raises(Invalid):
            money.from_decimal(value, "EUR")


def test_a_conversion_rounds_as_it_is_told() -> None:
    rate = rates.Rate(today(), "EUR", "USD", 3, 2, "test")
    assert rates.convert(Money(1, "EUR"), rate) == Money(2, "USD")
    assert rates.convert(Money(1, "EUR"), rate, Rounding.DOWN) == Money(1, "USD")


def test_the_module_knows_no_float(root: Path) -> None:
    import ast

    tree = ast.parse((root / "src/backendhub/kit/money.py").read_text())
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, float)]
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id in ("float", "round")]
