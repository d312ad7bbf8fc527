from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backendhub.kit import money
from backendhub.kit.errors import Invalid
from backendhub.kit.money import Money


@pytest.mark.parametrize(
    ("text", "code", "minor"),
    [
        ("20", "USD", 2000),
        ("20.5", "USD", 2050),
        ("19.99", "USD", 1999),
        (".5", "USD", 50),
        ("-5", "USD", -500),
        ("$20.50", "USD", 2050),
        ("-$20", "USD", -2000),
        ("20 USD", "USD", 2000),
        ("usd20", "USD", 2000),
        ("10", "JPY", 10),
        ("1.234", "KWD", 1234),
        ("1.2345", "CLF", 12345),
    ],
)
def test_parse_is_exact(text: str, code: str, minor: int) -> None:
    assert money.parse(text, code) == Money(minor, code)


@pytest.mark.parametrize(
    "text",
    [
        "nan",
        "inf",
        "-inf",
        "1e3",
        "abc",
        "",
        " ",
        ".",
        "$",
        "10.999",
        "1,50",
        "1,234.50",
        "1_000",
        "--5",
        "٣",
    ],
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(Invalid):
        money.parse(text, "USD")


@pytest.mark.parametrize(
    ("text", "code"), [("10.5", "JPY"), ("1.2345", "BHD"), ("1.23456", "CLF"), ("1", "XYZ"), ("5 EUR", "USD")]
)
def test_parse_knows_currencies(text: str, code: str) -> None:
    with pytest.raises(Invalid):
        money.parse(text, code)


def test_parse_needs_a_currency_from_somewhere() -> None:
    assert money.parse("€3") == Money(300, "EUR")
    with pytest.raises(Invalid, match="names no currency"):
        money.parse("3")


def test_too_large_is_refused() -> None:
    with pytest.raises(Invalid, match="more than"):
        money.parse("9" * 20, "USD")


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Money(2000, "USD"), "$20"),
        (Money(2050, "USD"), "$20.50"),
        (Money(-5, "USD"), "-$0.05"),
        (Money(1050, "EUR"), "€10.50"),
        (Money(500, "CHF"), "CHF 5"),
        (Money(1050, "JPY"), "¥1050"),
        (Money(1500, "KWD"), "KWD 1.500"),
        (Money(0, "USD"), "$0"),
    ],
)
def test_text(amount: Money, text: str) -> None:
    assert str(amount) == text


def test_json() -> None:
    assert Money(98000, "USD").as_json() == {"amount": "980.00", "minor": 98000, "currency": "USD"}


def test_arithmetic_stays_in_one_currency() -> None:
    assert Money(5, "USD") + Money(7, "USD") - Money(2, "USD") == Money(10, "USD")
    assert Money(5, "USD") < Money(7, "USD") and Money(5, "USD") <= Money(5, "USD")
    with pytest.raises(Invalid):
        Money(5, "USD") + Money(5, "EUR")


def test_unknown_currency_suggests() -> None:
    with pytest.raises(Invalid) as caught:
        money.currency("EURO")
    assert caught.value.hint == "did you mean EUR?"
    with pytest.raises(Invalid):
        money.exponent("F C")  # three characters of the table that are no code


@given(st.integers(-(10**12), 10**12), st.sampled_from(["USD", "JPY", "KWD", "CLF"]))
def test_decimal_text_reads_back(minor: int, code: str) -> None:
    amount = Money(minor, code)
    assert money.parse(amount.decimal, code) == amount
    assert Decimal(amount.decimal).scaleb(money.exponent(code)) == minor
    if code in money.SYMBOLS:
        assert money.parse(str(amount)) == amount


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 50), min_size=1, max_size=9))
def test_allocation_loses_nothing(minor: int, weights: list[int]) -> None:
    amount = Money(minor, "USD")
    if sum(weights) == 0:
        with pytest.raises(Invalid):
            amount.allocate(weights)
        return
    parts = amount.allocate(weights)
    assert sum(p.minor for p in parts) == minor
    total = sum(weights)
    assert all(abs(p.minor * total - minor * w) < total for p, w in zip(parts, weights, strict=True))
