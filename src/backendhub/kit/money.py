"""Exact money: an integer of minor units and an ISO 4217 currency. Input is never rounded, nothing is a float."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from backendhub.kit.errors import Invalid

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

    def allocate(self, weights: Sequence[int]) -> list[Money]:
        """Splits the amount in proportion to weights; the parts add up to it exactly.

        What does not divide goes, a minor unit each, to the parts that lost most (the first of equals).
        Raises Invalid for weights that are negative or all zero.
        """
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise Invalid("An amount is split by weights that are not negative and not all zero.")
        size, sign = abs(self.minor), -1 if self.minor < 0 else 1
        shares = [divmod(size * weight, total) for weight in weights]
        left = size - sum(whole for whole, _ in shares)
        first = sorted(range(len(shares)), key=lambda i: (-shares[i][1], i))[:left]
        extra = set(first)
        return [Money(sign * (whole + (i in extra)), self.currency) for i, (whole, _) in enumerate(shares)]


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

    near = get_close_matches(code, " ".join(EXPONENTS.values()).split(), n=1, cutoff=0.6)
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
