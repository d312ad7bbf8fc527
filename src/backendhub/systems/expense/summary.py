"""Totals of a period: by currency, by category, month or payee, and in one currency on request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from backendhub.kit import clock, money, rates
from backendhub.kit.db import Db, as_dict
from backendhub.kit.errors import Invalid, NotFound
from backendhub.kit.money import Money
from backendhub.kit.rates import Rate

from . import budgets, store
from .models import Filter
from .periods import ALWAYS, Period

BY = tuple(store.KEYS)
VALUE = ("then", "end", "now")


@dataclass(frozen=True, slots=True)
class Group:
    """What was spent and earned under one key in one currency; `share` of the spending in whole per cent."""

    key: str
    currency: str
    spent: Money
    income: Money
    entries: int
    share: int | None = None

    def as_json(self, name: str = "key") -> dict[str, object]:
        """The spending as the amount, income beside it."""
        row: dict[str, object] = {name: self.key, **self.spent.as_json(), "share": self.share}
        return row | {
            "income": self.income.decimal,
            "incomeMinor": self.income.minor,
            "entries": self.entries,
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """The totals of a period, one for each currency, or one for all with `into`."""

    period: Period
    spent: list[Money]
    income: list[Money]
    by: str | None
    groups: list[Group]
    categories: list[Group]
    budgets: list[budgets.Status]
    into: str | None = None
    value: str | None = None
    rates: list[Rate] = field(default_factory=list)

    @property
    def net(self) -> list[Money]:
        """Income less spending, for each currency."""
        earned = {m.currency: m.minor for m in self.income}
        for m in self.spent:
            earned[m.currency] = earned.get(m.currency, 0) - m.minor
        return [Money(minor, code) for code, minor in sorted(earned.items())]

    def as_json(self) -> dict[str, object]:
        """The document of `summary --json`."""
        row: dict[str, object] = {"period": self.period.key, "totals": self.spent, "income": self.income}
        row |= {"net": self.net, "byCategory": [g.as_json("category") for g in self.categories]}
        if self.by in ("month", "payee"):
            row[f"by{self.by.title()}"] = [g.as_json(self.by) for g in self.groups]
        row["budgets"] = self.budgets
        if self.into:
            row["valuation"] = {"in": self.into, "value": self.value, "rates": self.rates}
        return row


def summarise(
    db: Db,
    wanted: Filter = Filter(),
    period: Period = ALWAYS,
    *,
    by: str | None = None,
    into: str | None = None,
    value: str | None = None,
) -> Summary:
    """Adds up the entries that match, in one snapshot.

    `into` values everything in one currency at the rate of each entry's day (`then`, the default), of the
    period's last day (`end`) or of today (`now`). Raises Invalid, and NotFound naming the pair without a rate.
    """
    if by is not None and by not in BY:
        raise Invalid(f"Cannot add up by {by!r}.", hint="choose from " + ", ".join(BY))
    if value is not None and (into is None or value not in VALUE):
        raise Invalid(
            "--value needs --in CURRENCY." if into is None else f"Cannot value at {value!r}.",
            hint="choose from " + ", ".join(VALUE),
        )
    code = money.currency(into) if into else None
    valuer = Valuer(db, code, value or "then", period) if code else None
    matching = Filter(**(as_dict(wanted) | {"since": period.start, "until": period.end}))
    categories = _groups(db, matching, "category", valuer)
    groups = categories if by in (None, "category") else _groups(db, matching, by, valuer)
    day = min(period.end, clock.today()) if period.end else clock.today()
    return Summary(
        period,
        _total(categories, "spent"),
        [m for m in _total(categories, "income") if m.minor],
        by,
        groups,
        categories,
        budgets.statuses(db, max(day, period.start) if period.start else day, owner=wanted.owner),
        code,
        (value or "then") if code else None,
        valuer.used() if valuer else [],
    )


def _total(groups: list[Group], name: str) -> list[Money]:
    totals: dict[str, int] = {}
    for group in groups:
        totals[group.currency] = totals.get(group.currency, 0) + getattr(group, name).minor
    return [Money(minor, code) for code, minor in sorted(totals.items())]


def _groups(db: Db, wanted: Filter, by: str, valuer: Valuer | None) -> list[Group]:
    rows = store.sums(db, wanted, key=by, by_day=valuer is not None and valuer.by_day)
    sums: dict[tuple[str, str], dict[str, Sum]] = {}
    counts: dict[tuple[str, str], int] = {}
    for key, code, side, day, minor, entries in rows:
        place = (key, valuer.code if valuer else code)
        both = sums.setdefault(place, {"expense": Sum(), "income": Sum()})
        if valuer is None or code == valuer.code:
            both[side].add(minor, 1)
        else:
            both[side].add(*valuer.fraction(code, day, minor))
        counts[place] = counts.get(place, 0) + entries
    return _shared(sums, counts, sort_by_size=by != "month")


def _shared(
    sums: Mapping[tuple[str, str], Mapping[str, Sum]],
    counts: Mapping[tuple[str, str], int],
    *,
    sort_by_size: bool,
) -> list[Group]:
    found, totals = [], dict[str, int]()
    for (key, code), both in sums.items():
        spent, income = Money(both["expense"].whole, code), Money(both["income"].whole, code)
        totals[code] = totals.get(code, 0) + spent.minor
        found.append(Group(key, code, spent, income, counts[key, code]))
    groups = [
        Group(g.key, g.currency, g.spent, g.income, g.entries, _share(g.spent.minor, totals[g.currency]))
        for g in found
    ]
    if sort_by_size:
        return sorted(groups, key=lambda g: (g.currency, -g.spent.minor, -g.income.minor, g.key))
    return sorted(groups, key=lambda g: (g.currency, g.key))


def _share(part: int, total: int) -> int | None:
    return rates.half_even(100 * part, total) if total > 0 else None


class Sum:
    """An exact sum of fractions, rounded once, when it is read."""

    def __init__(self) -> None:
        self._by_den: dict[int, int] = {}

    def add(self, num: int, den: int) -> None:
        """Adds num/den."""
        self._by_den[den] = self._by_den.get(den, 0) + num

    @property
    def whole(self) -> int:
        """The sum, rounded half-even to an integer."""
        from math import lcm

        den = lcm(*self._by_den)
        return rates.half_even(sum(num * (den // d) for d, num in self._by_den.items()), den)


class Valuer:
    """Amounts in another currency at dated rates; every rate is looked up once."""

    def __init__(self, db: Db, code: str, value: str, period: Period) -> None:
        self.code = code
        self.by_day = value == "then"
        self._db = db
        today = clock.today()
        self._day = (period.end or today) if value == "end" else today
        self._rates: dict[tuple[str, date], Rate] = {}

    def fraction(self, code: str, day: str | None, minor: int) -> tuple[int, int]:
        """Minor units of a currency as a fraction of minor units of the one asked for. Raises NotFound."""
        on = date.fromisoformat(day) if day is not None else self._day
        if (code, on) not in self._rates:
            rate = rates.find(self._db, base=code, quote=self.code, on=on)
            if rate is None:
                raise NotFound(
                    f"There is no rate from {code} to {self.code} on {on}.",
                    hint=f"backendhub expense rate add {code} {self.code} RATE --date {on}",
                )
            self._rates[code, on] = rate
        return rates.minor_fraction(minor, self._rates[code, on])

    def used(self) -> list[Rate]:
        """The rates that were used."""
        return sorted(set(self._rates.values()), key=lambda r: (r.base, r.date))
