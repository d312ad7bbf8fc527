"""Exact numbers as pairs of integers, read from what people type and written as decimals.

`fractions` would do the arithmetic too, but importing it (with `decimal` behind it) costs more than a
conversion; two integers and a gcd do not.
"""

from __future__ import annotations

import re
from math import gcd

from backendhub.kit.errors import Invalid

Ratio = tuple[int, int]

DIGITS = 500
"""Digits a number may have, and the exponent it may reach: enough for anybody, and results stay
well below the 4300 digits that Python writes."""

SIGNIFICANT = 10
"""Significant digits of a result that does not terminate."""

# To 120 digits: angles are rounded long before that.
PI: Ratio = (
    3141592653589793238462643383279502884197169399375105820974944592307816406286208998628034825342117067982148086513282306647,
    10**120,
)
PI_DIGITS = 100

VULGAR = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5),
    "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅐": (1, 7), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8),
    "⅑": (1, 9), "⅒": (1, 10),
}  # fmt: skip
_VULGAR = "[" + "".join(VULGAR) + "]"
NUMBER = (
    rf"[+\-−]?(?:(?:\d[\d,_]*(?:\.\d*)?|\.\d+)(?:[eE][+\-−]?\d+(?!\w))?(?:/\d+(?!\w)|{_VULGAR})?|{_VULGAR})"
)
_PLAIN = r"(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?"


def reduced(num: int, den: int) -> Ratio:
    """The pair in lowest terms, with a positive denominator."""
    if den < 0:
        num, den = -num, -den
    common = gcd(num, den)
    return num // common, den // common


def add(a: Ratio, b: Ratio) -> Ratio:
    """The sum."""
    return reduced(a[0] * b[1] + b[0] * a[1], a[1] * b[1])


def multiply(a: Ratio, b: Ratio) -> Ratio:
    """The product."""
    return reduced(a[0] * b[0], a[1] * b[1])


def quotient(a: Ratio, b: Ratio) -> Ratio:
    """The quotient."""
    return reduced(a[0] * b[1], a[1] * b[0])


def negative(a: Ratio) -> Ratio:
    """The number with the other sign."""
    return -a[0], a[1]


def power(a: Ratio, exponent: int) -> Ratio:
    """A whole power, negative ones included."""
    num, den = a if exponent >= 0 else (a[1], a[0])
    return reduced(num ** abs(exponent), den ** abs(exponent))


def parse(text: str) -> Ratio:
    """`5`, `-1,234.5`, `1e400`, `3/4`, `1½` as a number.

    Raises Invalid for anything else; `1,5` gets a hint, since half the world writes one and a half that way.
    """
    word = text.strip().replace("−", "-")
    if word.isascii() and word.isdigit() and len(word) <= DIGITS:
        return int(word), 1
    sign = -1 if word.startswith("-") else 1
    word = word.removeprefix("-").removeprefix("+")
    fraction = (0, 1)
    if word and word[-1] in VULGAR:
        fraction, word = VULGAR[word[-1]], word[:-1] or "0"
    whole, slash, below = word.partition("/")
    num, den = _decimal(_ungrouped(whole, text), text)
    if slash:
        if not below.isdigit() or int(below[:DIGITS]) == 0 or len(below) > DIGITS:
            raise Invalid(f"{text!r} is not a fraction.", hint="write 3/4")
        den *= int(below)
    num, den = add((num, den), fraction)
    return sign * num, den


def _ungrouped(word: str, text: str) -> str:
    """The number without its thousands separators. Raises Invalid where commas do not group thousands."""
    if "," not in word and "_" not in word:
        return word
    head, dot, tail = word.partition(".")
    if re.fullmatch(r"\d{1,3}(,\d{3})+(e[+-]?\d+)?|\d+(_\d+)*", head) is None or "," in tail or "_" in tail:
        hint = "a comma groups thousands (1,234.5); decimals have a point"
        if re.fullmatch(r"\d+,\d+", word):
            hint = (
                f"write {word.replace(',', '.')}: decimals have a point, a comma groups thousands (1,234.5)"
            )
        raise Invalid(f"{text!r} is not a number.", hint=hint)
    return head.replace(",", "").replace("_", "") + dot + tail


def _decimal(word: str, text: str) -> Ratio:
    match = re.fullmatch(_PLAIN, word, re.ASCII)
    if match is None or not (match[1] or match[2]):
        raise Invalid(f"{text!r} is not a number.", hint="write 5, 1,234.5, 1e6, 3/4 or 1½")
    whole, tail, exponent = match[1], match[2] or "", match[3] or "0"
    digits = whole + tail
    if len(digits) > DIGITS or len(exponent) > 5 or abs(int(exponent)) > DIGITS:
        raise Invalid(f"The number is too long or too large: {DIGITS} digits and e±{DIGITS} are the limit.")
    shift = int(exponent) - len(tail)
    return reduced(int(digits) * 10 ** max(shift, 0), 10 ** max(-shift, 0))


def terminates(den: int) -> bool:
    """Whether a fraction in lowest terms with this denominator has finitely many decimals."""
    return _twos_and_fives(den) is not None


def _twos_and_fives(den: int) -> int | None:
    """How many decimals the fraction has; None where they never end."""
    twos = (den & -den).bit_length() - 1
    den >>= twos
    fives = 0
    while den % 5 == 0:
        den //= 5
        fives += 1
    return max(twos, fives) if den == 1 else None


def half_even(num: int, den: int) -> int:
    """The nearest whole number; the even one in the middle."""
    whole, rest = divmod(num, den)
    return whole + (2 * rest > den or (2 * rest == den and whole % 2 == 1))


def text(value: Ratio, *, precision: int | None = None, decimals: int | None = None) -> tuple[str, bool]:
    """A number as a decimal, and whether that is all of it.

    `precision` is a number of significant digits, `decimals` of digits after the point; without either, a
    number that terminates is written in full and any other to ten significant digits.
    """
    num, den = reduced(*value)
    if decimals is not None:
        scaled = half_even(num * 10**decimals, den)
        return _fixed(scaled, decimals), scaled * den == num * 10**decimals
    places = _twos_and_fives(den)
    if precision is None and places is not None:
        return _trimmed(num * 10**places // den, -places), True
    if num == 0:
        return "0", True
    digits = precision or SIGNIFICANT
    exponent = digits - _magnitude(abs(num), den) - 1
    scaled = _scaled(num, den, exponent)
    return _trimmed(scaled, -exponent), _scaled_exactly(num, den, scaled, exponent)


def _magnitude(num: int, den: int) -> int:
    """The power of ten of the leading digit."""
    guess = len(str(num)) - len(str(den))
    return guess - (num * _tens(-guess) < den * _tens(guess))


def _tens(exponent: int) -> int:
    """10 to a power, and 1 where that is negative."""
    return int(10 ** max(exponent, 0))


def _scaled(num: int, den: int, exponent: int) -> int:
    return half_even(num * _tens(exponent), den * _tens(-exponent))


def _scaled_exactly(num: int, den: int, scaled: int, exponent: int) -> bool:
    return scaled * den * _tens(-exponent) == num * _tens(exponent)


def _fixed(scaled: int, decimals: int) -> str:
    sign = "-" if scaled < 0 else ""
    digits = str(abs(scaled)).rjust(decimals + 1, "0")
    return sign + (f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits)


def _trimmed(mantissa: int, exponent: int) -> str:
    """mantissa × 10^exponent without needless zeros; as `1.5e403` where zeros would be all one sees."""
    if mantissa == 0:
        return "0"
    sign, digits = "-" if mantissa < 0 else "", str(abs(mantissa))
    bare = digits.rstrip("0")
    exponent += len(digits) - len(bare)
    point = len(bare) + exponent  # digits in front of the decimal point
    if point > 21 or point < -6:
        tail = f".{bare[1:]}" if len(bare) > 1 else ""
        return f"{sign}{bare[0]}{tail}e{point - 1}"
    if exponent >= 0:
        return sign + bare + "0" * exponent
    if point > 0:
        return f"{sign}{bare[:point]}.{bare[point:]}"
    return f"{sign}0.{'0' * -point}{bare}"


def fraction(value: Ratio) -> str:
    """`78125/25146`, or just `5` for a whole number."""
    num, den = value
    return f"{num}/{den}" if den != 1 else str(num)
