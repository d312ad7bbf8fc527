"""Exchange rates by date, as exact fractions, shared by every tool that knows money (table `hub_rate`).

One `base` is `num/den` `quote`. A rate holds from its date until the next one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from math import gcd

from backendhub.kit import clock, money
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid
from backendhub.kit.money import Money, Rounding

PUT = (
    "INSERT INTO hub_rate (date, base, quote, num, den, source) "
    "VALUES (:date, :base, :quote, :num, :den, :source) ON CONFLICT (base, quote, date) "
    "DO UPDATE SET num = excluded.num, den = excluded.den, source = excluded.source"
)
FIELDS = "date, base, quote, num, den, source"
PAIR = (
    f"SELECT {FIELDS} FROM hub_rate WHERE ((base = :a AND quote = :b) OR (base = :b AND quote = :a)) "
    "AND date <= :on ORDER BY date DESC, CASE WHEN base = :a THEN 0 ELSE 1 END LIMIT 1"
)
# Currencies that have some rate with the one asked for, in either direction.
NEIGHBOURS = (
    "SELECT quote FROM hub_rate WHERE base = :code AND date <= :on "
    "UNION SELECT base FROM hub_rate WHERE quote = :code AND date <= :on"
)
ALL = (
    f"SELECT {FIELDS} FROM hub_rate WHERE (CAST(:base AS TEXT) IS NULL OR base = :base) "
    "AND (CAST(:quote AS TEXT) IS NULL OR quote = :quote) ORDER BY base, quote, date"
)
DELETE = "DELETE FROM hub_rate WHERE base = :base AND quote = :quote AND date = :on"


@dataclass(frozen=True, slots=True)
class Rate:
    """One `base` is `num/den` `quote` from `date` on."""

    date: date
    base: str
    quote: str
    num: int
    den: int
    source: str

    @property
    def decimal(self) -> str:
        """The rate as a decimal number: exact where it ends, else to 12 significant digits."""
        from decimal import Context

        return f"{Context(prec=12).divide(self.num, self.den).normalize():f}"

    def as_json(self) -> dict[str, object]:
        """With the decimal form beside the fraction."""
        names = ("date", "base", "quote")
        fraction = {"num": self.num, "den": self.den, "source": self.source}
        return {n: getattr(self, n) for n in names} | {"rate": self.decimal} | fraction


def add(db: Db, *, base: str, quote: str, rate: str, on: date | None = None, source: str = "manual") -> Rate:
    """Records a rate (`1.08`, or the fraction `27/25`) from a day on, today by default; the same day is replaced.

    Raises Invalid for an unknown currency, a pair of one currency or a rate that is no positive number.
    """
    base, quote = money.currency(base), money.currency(quote)
    if base == quote:
        raise Invalid(f"A rate has two currencies, not {base} twice.")
    num, den = _fraction(rate)
    row = Rate(on or clock.today(), base, quote, num, den, source)
    db.run(PUT, date=row.date, base=base, quote=quote, num=str(num), den=str(den), source=source)
    return row


def _fraction(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"\s*(\d{1,40})(?:\.(\d{1,40}))?(?:\s*/\s*(\d{1,40})(?:\.(\d{1,40}))?)?\s*", text)
    num, den = 0, 1
    if match is not None and text.isascii():
        whole, part, below, below_part = match.groups(default="")
        num = int(whole + part) * 10 ** len(below_part)
        den = (int(below + below_part) if below else 1) * 10 ** len(part)
    if num <= 0 or den <= 0:
        raise Invalid(f"{text!r} is not an exchange rate.", hint="write a positive number: 1.08 or 27/25")
    shared = gcd(num, den)
    return num // shared, den // shared


def remove(db: Db, *, base: str, quote: str, on: date) -> bool:
    """Forgets one rate; says whether there was one."""
    return db.run(DELETE, base=money.currency(base), quote=money.currency(quote), on=on) > 0


def find(db: Db, *, base: str, quote: str, on: date | None = None) -> Rate | None:
    """The latest rate of a pair that is not after a day (today by default), or None.

    Recorded either way round, or through one common currency; then the date is the older of the two.
    """
    on = on or clock.today()
    base, quote = money.currency(base), money.currency(quote)
    if base == quote:
        return Rate(on, base, quote, 1, 1, "identity")
    if direct := _pair(db, base, quote, on):
        return direct
    best: Rate | None = None
    shared = _neighbours(db, base, on) & _neighbours(db, quote, on)
    for middle in sorted(shared):
        first, second = _pair(db, base, middle, on), _pair(db, middle, quote, on)
        if first and second and (best is None or min(first.date, second.date) > best.date):
            best = _chain(first, second, middle)
    return best


def _pair(db: Db, base: str, quote: str, on: date) -> Rate | None:
    rows = db.fetch(PAIR, {"a": base, "b": quote, "on": on})
    if not rows:
        return None
    rate = _rate(rows[0])
    if rate.base == base:
        return rate
    return Rate(rate.date, base, quote, rate.den, rate.num, rate.source)


def _neighbours(db: Db, code: str, on: date) -> set[str]:
    return {row[0] for row in db.fetch(NEIGHBOURS, {"code": code, "on": on})}


def _chain(first: Rate, second: Rate, middle: str) -> Rate:
    num, den = first.num * second.num, first.den * second.den
    shared = gcd(num, den)
    sources = first.source if first.source == second.source else f"{first.source}, {second.source}"
    day = min(first.date, second.date)
    return Rate(day, first.base, second.quote, num // shared, den // shared, f"{sources} via {middle}")


def _rate(row: tuple[str, str, str, str, str, str]) -> Rate:
    day, base, quote, num, den, source = row
    return Rate(date.fromisoformat(day), base, quote, int(num), int(den), source)


def find_all(db: Db, *, base: str | None = None, quote: str | None = None) -> list[Rate]:
    """Every recorded rate, optionally of one base or quote."""
    params = {"base": base and money.currency(base), "quote": quote and money.currency(quote)}
    return [_rate(row) for row in db.fetch(ALL, params)]


def convert(amount: Money, rate: Rate, mode: Rounding = Rounding.HALF_EVEN) -> Money:
    """An amount of the rate's base in its quote, rounded to minor units once."""
    if amount.currency != rate.base:
        raise Invalid(f"A rate of {rate.base} cannot convert {amount.currency}.")
    return Money(money.rounded(*minor_fraction(amount.minor, rate), mode), rate.quote)


def minor_fraction(minor: int, rate: Rate) -> tuple[int, int]:
    """Minor units of the base as an exact fraction of minor units of the quote."""
    up, down = 10 ** money.exponent(rate.quote), 10 ** money.exponent(rate.base)
    return minor * rate.num * up, rate.den * down


def half_even(num: int, den: int) -> int:
    """A fraction with a positive denominator rounded to an integer, ties to the even one."""
    return money.rounded(num, den, Rounding.HALF_EVEN)
