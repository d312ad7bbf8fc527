from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backendhub.kit.errors import Invalid
from backendhub.systems.convert import exact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", (5, 1)),
        ("-5", (-5, 1)),
        ("−5", (-5, 1)),
        ("+5", (5, 1)),
        (".5", (1, 2)),
        ("5.", (5, 1)),
        ("1,234.5", (2469, 2)),
        ("1_000", (1000, 1)),
        ("½", (1, 2)),
        ("1½", (3, 2)),
        ("-1½", (-3, 2)),
        ("3/4", (3, 4)),
        ("1e3", (1000, 1)),
        ("2.5e-1", (1, 4)),
        ("1e400", (10**400, 1)),
    ],
)
def test_numbers_are_read_exactly(text, expected):
    assert exact.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "abc", "nan", "inf", "1,5", "1,23,4", "12,34.5", "1.2.3", "1e", "3/0", "3/x", "0x10", "--5", "1e501",
     "9" * 501, "٣", "1,234,56"],
)  # fmt: skip
def test_what_is_no_number_is_refused(text):
    with pytest.raises(Invalid):
        exact.parse(text)


def test_a_decimal_comma_gets_the_hint():
    with pytest.raises(Invalid) as caught:
        exact.parse("1,5")
    assert caught.value.hint.startswith("write 1.5")


@pytest.mark.parametrize(
    ("ratio", "options", "expected"),
    [
        ((78125, 25146), {}, ("3.106855961", False)),
        ((45359237, 10**8), {}, ("0.45359237", True)),
        ((5, 2), {"decimals": 0}, ("2", False)),
        ((7, 2), {"decimals": 0}, ("4", False)),
        ((-5, 2), {"decimals": 0}, ("-2", False)),
        ((5, 2), {"decimals": 2}, ("2.50", True)),
        ((-1, 1000), {"decimals": 2}, ("0.00", False)),
        ((1234567, 1), {"precision": 3}, ("1230000", False)),
        ((9999, 1000), {"precision": 2}, ("10", False)),
        ((5, 2), {"precision": 5}, ("2.5", True)),
        ((0, 1), {"precision": 3}, ("0", True)),
        ((10**403, 1), {}, ("1e403", True)),
        ((10**20, 1), {}, ("100000000000000000000", True)),
        ((1, 10**9), {}, ("1e-9", True)),
        ((1, 10**6), {}, ("0.000001", True)),
        ((2, 3), {}, ("0.6666666667", False)),
        ((125, 1000), {"precision": 2}, ("0.12", False)),
    ],
)
def test_numbers_are_written_half_even(ratio, options, expected):
    assert exact.text(ratio, **options) == expected


@given(st.fractions(), st.integers(1, 40))
def test_a_result_is_within_half_a_unit_of_its_last_digit(value, precision):
    text, whole = exact.text((value.numerator, value.denominator), precision=precision)
    read = Fraction(*exact.parse(text))
    assert whole == (read == value)
    if value:
        assert abs(read - value) <= abs(value) * Fraction(1, 2 * 10 ** (precision - 1))


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=12))
def test_a_number_that_ends_is_written_in_full(value):
    ratio = exact.parse(f"{value:f}")
    text, whole = exact.text(ratio)
    assert whole and exact.parse(text) == ratio


@given(st.fractions(), st.integers(0, 30))
def test_decimals_round_as_the_fractions_module_does(value, places):
    text, _ = exact.text((value.numerator, value.denominator), decimals=places)
    assert Fraction(text) == round(value, places)
