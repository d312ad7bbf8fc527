"""Exact money: an integer of minor units and an ISO 4217 currency. Input is never rounded, nothing is a float.

What cannot come out even (a percentage, a rate) is worked out as a fraction and rounded once, in a mode that is named
and kept with the result (`Rounded`); what is divided is divided so that the parts add up to the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from math import lcm
from typing import TYPE_CHECKING, NamedTuple

from backendhub.kit.errors import Invalid

if TYPE_CHECKING:
    from decimal import Decimal
    from fractions import Fraction

    Ratio = int | str | Fraction | Decimal

# ISO 4217 (list one, and currencies withdrawn since 2007, which old statements still hold), by decimals.
EXPONENTS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
    2: (
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD "
        "CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD "
        "GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA "
        "MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR "
        "RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD "
        "TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG "
        "BYR CUC EEK HRK LTL LVL MRO SKK SLL STD VEF ZMK ZWL"
    ),
}
SYMBOLS = {
    "USD": "$",
    "EUR": "€",
    "GBP": "£",
    "JPY": "¥",
    "INR": "₹",
    "KRW": "₩",
    "ILS": "₪",
    "VND": "₫",
    "NGN": "₦",
    "UAH": "₴",
    "TRY": "₺",
    "PHP": "₱",
}
LIMIT = 10**13
"""No amount has more minor units: sums over a million rows still fit into the 64 bits of a database."""

_AMOUNT = r"(?P<sign>[+-]?)(?P<whole>[0-9]{0,30})(?:\.(?P<part>[0-9]{1,30}))?"
_MARKED = r"(?P<sign>[+-]?)\s*(?P<before>[A-Za-z]{3}|[^\w\s.,+-])?\s*(?P<number>[+-]?[0-9.]+)\s*(?P<after>[A-Za-z]{3}|[^\w\s.,+-])?"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount: `Money(98000, "USD")` is 980 dollars."""

    minor: int
    currency: str

    @property
    def decimal(self) -> str:
        """The amount as a decimal string with all its places: `980.00`."""
        places = exponent(self.currency)
        digits = str(abs(self.minor)).rjust(places + 1, "0")
        text = f"{digits[:-places]}.{digits[-places:]}" if places else digits
        return "-" + text if self.minor < 0 else text

    def __str__(self) -> str:
        """As people write it: `$20`, `$20.50`, `CHF 5`; the places go where they are all zero."""
        text = self.decimal.lstrip("-")
        whole, _, part = text.partition(".")
        text = text if part.strip("0") else whole
        sign = "-" if self.minor < 0 else ""
        symbol = SYMBOLS.get(self.currency)
        return f"{sign}{symbol}{text}" if symbol else f"{sign}{self.currency} {text}"

    def as_cell(self) -> str:
        """As a table shows it."""
        return str(self)

    def as_json(self) -> dict[str, object]:
        """A decimal string for people, the integer for programs, the currency for both."""
        return {"amount": self.decimal, "minor": self.minor, "currency": self.currency}

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise Invalid(f"{self.currency} and {other.currency} cannot be mixed without a rate.")
        return other.minor

    def __mul__(self, times: int) -> Money:
        return Money(self.minor * _whole(times), self.currency)

    __rmul__ = __mul__

    def __abs__(self) -> Money:
        return Money(abs(self.minor), self.currency)

    def allocate(self, weights: Sequence[Ratio]) -> list[Money]:
        """Splits the amount in proportion to weights; the parts add up to it exactly.

        Weights are integers, fractions or decimal numbers as text (`"33.3"`). What does not divide goes, a minor unit
        each, to the parts that lost most (the first of equals). Raises Invalid for weights that are negative or all
        zero.
        """
        exact = [ratio(weight) for weight in weights]
        common = lcm(*(weight.denominator for weight in exact))
        whole = [int(weight * common) for weight in exact]
        total = sum(whole)
        if total <= 0 or min(whole) < 0:
            raise Invalid("An amount is split by weights that are not negative and not all zero.")
        size, sign = abs(self.minor), -1 if self.minor < 0 else 1
        shares = [divmod(size * weight, total) for weight in whole]
        left = size - sum(part for part, _ in shares)
        extra = set(sorted(range(len(shares)), key=lambda i: (-shares[i][1], i))[:left])
        return [Money(sign * (part + (i in extra)), self.currency) for i, (part, _) in enumerate(shares)]

    def split(self, parts: int) -> list[Money]:
        """So many parts as equal as can be, the larger ones first; they add up to the amount. Raises Invalid."""
        if _whole(parts) < 1:
            raise Invalid(f"An amount is split into one part at least, not {parts}.")
        return self.allocate([1] * parts)

    def times(self, factor: Ratio, mode: Rounding) -> Rounded:
        """The amount times a fraction or a decimal number as text, rounded once to a minor unit."""
        exact = ratio(factor) * self.minor
        amount = Money(rounded(exact.numerator, exact.denominator, mode), self.currency)
        return Rounded(amount, exact, mode)

    def percent(self, rate: Ratio, mode: Rounding) -> Rounded:
        """So many percent of the amount: `percent("19", mode)` of 9.99 is a tax of 1.90."""
        return self.times(ratio(rate) / 100, mode)

    def included(self, rate: Ratio, mode: Rounding) -> Rounded:
        """The tax of so many percent that the amount holds already; the amount without it is their difference.

        Raises Invalid for −100 percent and less, at which there is no amount without it.
        """
        part = ratio(rate)
        if part <= -100:
            raise Invalid(f"No amount holds a tax of {rate} percent.")
        return self.times(part / (100 + part), mode)


class Rounding(StrEnum):
    """What becomes of a fraction of a minor unit."""

    HALF_EVEN = "half-even"
    """To the nearest, a half to the even one: without bias over many amounts."""
    HALF_UP = "half-up"
    """To the nearest, a half away from zero: what people learn at school and most tax laws say."""
    HALF_DOWN = "half-down"
    """To the nearest, a half towards zero."""
    DOWN = "down"
    """Towards zero."""
    UP = "up"
    """Away from zero."""
    FLOOR = "floor"
    """To the lower one."""
    CEILING = "ceiling"
    """To the higher one."""


class Rounded(NamedTuple):
    """An amount, the exact number of minor units that it was made of, and how: enough to work it out again."""

    amount: Money
    exact: Fraction
    mode: Rounding

    @property
    def error(self) -> Fraction:
        """What rounding has added, in minor units; less than one."""
        return self.amount.minor - self.exact

    def as_json(self) -> dict[str, object]:
        """The amount, with the fraction beside it."""
        num, den = self.exact.numerator, self.exact.denominator
        return self.amount.as_json() | {"exact": f"{num}/{den}", "rounding": self.mode.value}


def rounded(num: int, den: int, mode: Rounding) -> int:
    """A fraction with a positive denominator as an integer."""
    whole, rest = divmod(num, den)  # whole is the lower neighbour
    if not rest or mode is Rounding.FLOOR:
        return whole
    if mode is Rounding.CEILING:
        return whole + 1
    if mode in (Rounding.DOWN, Rounding.UP):
        return whole + ((num < 0) == (mode is Rounding.DOWN))
    if 2 * rest != den:
        return whole + (2 * rest > den)
    if mode is Rounding.HALF_EVEN:
        return whole + whole % 2
    return whole + ((num < 0) == (mode is Rounding.HALF_DOWN))


def ratio(value: Ratio) -> Fraction:
    """A fraction, an integer, a Decimal, or a decimal number or fraction as text (`"19"`, `"0.075"`, `"1/3"`), exactly.

    Raises Invalid for any other text, and TypeError for a float, which is never exactly what it looks like.
    """
    from decimal import Decimal
    from fractions import Fraction

    if isinstance(value, Fraction):
        return value
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?(/[1-9][0-9]{0,39})?", value):
            raise Invalid(f"{value[:80]!r} is not a number.", hint="write 19, 7.5 or 1/3")
        above, _, below = value.partition("/")
        return Fraction(above) / int(below or 1)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise Invalid(f"{value} is not a number.")
        return Fraction(value)
    return Fraction(_whole(value))


def _whole(value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"money is counted in integers and fractions, not in {type(value).__name__}")
    return value


def total(amounts: Iterable[Money], code: str) -> Money:
    """The sum of amounts of one currency; nothing at all is zero of it. Raises Invalid for another currency."""
    result = Money(0, code)
    for amount in amounts:
        result += amount
    return result


@lru_cache(maxsize=512)
def exponent(code: str) -> int:
    """How many decimals a currency has. Raises Invalid for a code that ISO 4217 does not know."""
    for places, codes in EXPONENTS.items():
        if len(code) == 3 and code.isalpha() and code in codes:  # codes stand apart, so a part is no match
            return places
    raise _unknown(code)


@lru_cache(maxsize=512)
def currency(text: str) -> str:
    """A currency code as typed (`eur`, `€`). Raises Invalid for one that ISO 4217 does not know."""
    word = text.strip()
    code = next((c for c, symbol in SYMBOLS.items() if symbol == word), word.upper())
    exponent(code)
    return code


def _unknown(code: str) -> Invalid:
    from difflib import get_close_matches

    near = get_close_matches(code, " ".join(EXPONENTS.values()).split(), n=1)
    return Invalid(
        f"{code!r} is not a currency.",
        hint=f"did you mean {near[0]}?" if near else "write a code of ISO 4217: USD, EUR, JPY, …",
    )


def parse(text: str, code: str | None = None) -> Money:
    """An amount as typed: `20`, `20.50`, `-5`, `$20`, `10.50 EUR`. `code` is the currency where none is written.

    Nothing is rounded. Raises Invalid for what is no plain decimal number (`nan`, `1e3`, `1,50`), for more
    decimals than the currency has, and for two currencies that differ.
    """
    word = text.strip()
    match = re.fullmatch(_MARKED, word)
    if match is None or (match["sign"] and match["number"][:1] in "+-"):
        raise _no_amount(text)
    written = {currency(mark) for mark in (match["before"], match["after"]) if mark}
    if len(written) > 1 or (code is not None and written and written != {code}):
        named = sorted(written | ({code} if code else set()))
        raise Invalid(f"{text!r} names two currencies: {' and '.join(named)}.")
    unit = written.pop() if written else code
    if unit is None:
        raise Invalid(f"{text!r} names no currency.", hint="write 20 EUR or €20")
    return Money(minor(match["sign"] + match["number"], unit, text), unit)


def minor(number: str, code: str, shown: str | None = None) -> int:
    """A plain decimal number as minor units of a currency, exactly. Raises Invalid (naming `shown`)."""
    shown = number if shown is None else shown
    match = re.fullmatch(_AMOUNT, number)
    if match is None or not (match["whole"] or match["part"]):
        raise _no_amount(shown)
    places, part = exponent(code), match["part"] or ""
    if len(part) > places:
        what = f"{places} decimals" if places else "no decimals"
        raise Invalid(
            f"{shown!r} has too many decimals: {code} has {what}.", hint="amounts are never rounded"
        )
    size = int((match["whole"] or "0") + part.ljust(places, "0"))
    if size > LIMIT:
        raise Invalid(f"{shown!r} is more than this product counts ({Money(LIMIT, code)}).")
    return -size if match["sign"] == "-" else size


def _no_amount(text: str) -> Invalid:
    hint = "write 1234.50: a point for the decimals, nothing between thousands" if "," in text else None
    return Invalid(f"{text.strip()!r} is not an amount.", hint=hint or "write 20, 20.50 or 20.50 EUR")


# -- other people's wires ----------------------------------------------------------------------------------

STRIPE_DECIMALS = {"MGA": 0, "ISK": 2, "UGX": 2}
"""Where Stripe's smallest unit is not ISO's: no hundredths of an ariary, but "hundredths" of these, always 00."""


def to_stripe(amount: Money) -> int:
    """The integer that Stripe's wire has for an amount: ISO's minor units, apart from `STRIPE_DECIMALS`.

    Raises Invalid for what that wire cannot say: a third decimal that is not 0, a fraction of an ariary.
    """
    places = exponent(amount.currency)
    shift = STRIPE_DECIMALS.get(amount.currency, places) - places
    value, rest = _shifted(amount.minor, shift)
    if rest or (places == 3 and value % 10):
        raise Invalid(f"{amount} cannot be charged: {amount.currency} has no such fraction there.")
    return value


def _shifted(number: int, places: int) -> tuple[int, int]:
    """A number with its point moved to the right, and what falls off where it moves to the left."""
    scale: int = 10 ** abs(places)
    return (number * scale, 0) if places >= 0 else divmod(number, scale)


def from_stripe(value: int, code: str) -> Money:
    """The amount that an integer of Stripe's wire means; `code` in any case. Raises Invalid."""
    unit = currency(code)
    places = exponent(unit)
    shift = places - STRIPE_DECIMALS.get(unit, places)
    minor, rest = _shifted(_whole(value), shift)
    if rest or (places == 3 and value % 10):
        raise Invalid(f"{value} is no amount of {unit}: it has a fraction that cannot be charged.")
    return Money(_bounded(minor, unit), unit)


def from_decimal(value: str | int | Decimal, code: str) -> Money:
    """An amount from a decimal string (Open Banking, ISO 20022) or a JSON number that was read as a Decimal (Medusa:
    `json.loads(text, parse_float=Decimal)`). Zeros beyond the currency's decimals are no decimals.

    Raises Invalid for anything else, and TypeError for a float.
    """
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", value):
        raise _no_amount(value)
    unit = currency(code)
    exact = ratio(value) * 10 ** exponent(unit)
    if exact.denominator != 1:
        raise Invalid(
            f"{str(value)[:80]!r} has too many decimals for {unit}.", hint="amounts are never rounded"
        )
    return Money(_bounded(exact.numerator, unit), unit)


def to_number(amount: Money) -> int | Decimal:
    """The amount in major units for a wire that has JSON numbers (Medusa): 20 for 20.00, else a Decimal."""
    from decimal import Decimal

    places = exponent(amount.currency)
    whole, rest = divmod(amount.minor, 10**places)
    return Decimal(amount.minor).scaleb(-places).normalize() if rest else whole


def _bounded(minor: int, code: str) -> int:
    if abs(minor) > LIMIT:
        raise Invalid(f"An amount is more than this product counts ({Money(LIMIT, code)}).")
    return minor
