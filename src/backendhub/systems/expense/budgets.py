"""Budgets: so much in a period, for everything or for one category, with what was left carried over on request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from backendhub.kit import clock, rates
from backendhub.kit.db import Db, columns
from backendhub.kit.errors import NotFound
from backendhub.kit.money import Money

from . import periods, store
from .models import Expense, Kind
from .periods import Period
from .service import DEFAULT_CURRENCY, amount_of, category_of, day_of


@dataclass(frozen=True, slots=True)
class Budget:
    """`minor` of a currency for every period; no category means all of them."""

    id: int
    owner: str
    category: str
    every: str
    anchor: date
    minor: int
    currency: str
    rollover: bool

    @property
    def amount(self) -> Money:
        """What each period has, before anything is carried over."""
        return Money(self.minor, self.currency)

    def as_json(self) -> dict[str, object]:
        """The budget with its amount as decimal text and as an integer."""
        row: dict[str, object] = {"id": self.id, "category": self.category or None, **self.amount.as_json()}
        return row | {"every": self.every, "from": self.anchor, "rollover": self.rollover}


@dataclass(frozen=True, slots=True)
class Status:
    """A budget in one of its periods. `limit` is its amount and what earlier periods left (or owe)."""

    budget: Budget
    period: Period
    limit: Money
    spent: Money
    uncounted: tuple[Money, ...] = ()

    @property
    def left(self) -> Money:
        """What may still be spent; negative where too much was."""
        return self.limit - self.spent

    @property
    def percent(self) -> int | None:
        """The share spent, in whole per cent; none of a limit that is not positive."""
        return 100 * self.spent.minor // self.limit.minor if self.limit.minor > 0 else None

    @property
    def exceeded(self) -> bool:
        """Whether more was spent than there was."""
        return self.limit < self.spent

    @property
    def title(self) -> str:
        """`August`, `August food`."""
        return f"{self.period.name} {self.budget.category}".rstrip()

    @property
    def warning(self) -> str:
        """`August budget exceeded: $520 of $500 (104%)`."""
        share = f" ({self.percent}%)" if self.percent is not None else ""
        return f"{self.title} budget exceeded: {self.spent} of {self.limit}{share}"

    def as_json(self) -> dict[str, object]:
        """Flat: the budget, the period and the three amounts."""
        row: dict[str, object] = {"id": self.budget.id, "category": self.budget.category or None}
        row |= {"every": self.budget.every, "period": self.period.key, "currency": self.budget.currency}
        for name in ("limit", "spent", "left"):
            amount: Money = getattr(self, name)
            row |= {name: amount.decimal, f"{name}Minor": amount.minor}
        row |= {"percent": self.percent, "exceeded": self.exceeded}
        return row | {"uncounted": [m.as_json() for m in self.uncounted]}


SELECT = f"SELECT {columns(Budget)} FROM expense_budget WHERE owner = :owner"


def put(
    db: Db,
    *,
    amount: str,
    currency: str | None = None,
    default: str = DEFAULT_CURRENCY,
    category: str | None = None,
    every: str = "month",
    rollover: bool = False,
    start: str | date | None = None,
    owner: str = "",
) -> Budget:
    """Sets a budget, replacing the one of the same category, period and currency. Raises Invalid."""
    limit = amount_of(amount, currency, default)
    span = periods.every_of(every)
    name = category_of(category) if category else ""
    anchor = day_of(start) if start is not None else periods.default_anchor(span, clock.today())
    key = {"owner": owner, "category": name, "every": span, "currency": limit.currency}
    values = {"anchor": anchor, "minor": limit.minor, "rollover": rollover}
    db.run(store.PUT_BUDGET, **key, **values, now=clock.now())
    where = "category = :category AND every = :every AND currency = :currency"
    row = db.one(Budget, f"{SELECT} AND {where}", **key)
    assert row is not None
    return row


def find_all(db: Db, *, owner: str = "") -> list[Budget]:
    """Every budget."""
    return db.all(Budget, f"{SELECT} ORDER BY category, every, currency", owner=owner)


def remove(db: Db, id: int, *, owner: str = "") -> None:
    """Deletes a budget. Raises NotFound."""
    if not db.run(store.DELETE_BUDGET, id=id, owner=owner):
        raise NotFound(f"There is no budget {id}.", hint="backendhub expense budget list")


def status(db: Db, budget: Budget, day: date) -> Status:
    """A budget in the period that holds a day."""
    step, period = periods.window(budget.every, budget.anchor, day)
    assert period.start is not None and period.end is not None
    spent, uncounted = _spent(db, budget, period.start, period.end)
    limit = budget.minor
    if budget.rollover and step > 0:
        before, _ = _spent(db, budget, budget.anchor, period.start - timedelta(days=1))
        limit += budget.minor * step - before
    return Status(budget, period, Money(limit, budget.currency), Money(spent, budget.currency), uncounted)


def statuses(db: Db, day: date | None = None, *, owner: str = "") -> list[Status]:
    """Every budget in the period that holds a day, today by default."""
    return [status(db, budget, day or clock.today()) for budget in find_all(db, owner=owner)]


def _spent(db: Db, budget: Budget, since: date, until: date) -> tuple[int, tuple[Money, ...]]:
    """Minor units spent in the budget's currency; other currencies count at the rate of their day.

    What has no rate is not counted, and said.
    """
    params = {"owner": budget.owner, "since": since, "until": until, "category": budget.category}
    total, missing = 0, dict[str, int]()
    parts: dict[str, tuple[int, int]] = {}
    for day, code, minor in db.fetch(store.SPENT, params | {"below": store.below(budget.category)}):
        if code == budget.currency:
            total += int(minor)
        elif rate := rates.find(db, base=code, quote=budget.currency, on=date.fromisoformat(day)):
            num, den = rates.minor_fraction(int(minor), rate)
            up, down = parts.get(code, (0, 1))
            parts[code] = (up * den + num * down, down * den)
        else:
            missing[code] = missing.get(code, 0) + int(minor)
    total += sum(rates.half_even(num, den) for num, den in parts.values())
    return total, tuple(Money(minor, code) for code, minor in sorted(missing.items()) if minor)


def exceeded_by(db: Db, entry: Expense) -> list[Status]:
    """The budgets that an entry counts against and that are exceeded in its period."""
    if entry.kind is not Kind.EXPENSE or not db.value(store.HAS_BUDGET, owner=entry.owner):
        return []
    found = []
    for budget in find_all(db, owner=entry.owner):
        name = budget.category
        inside = not name or entry.category == name or entry.category.startswith(name + ":")
        if inside and rates.find(db, base=entry.currency, quote=budget.currency, on=entry.date):
            found.append(status(db, budget, entry.date))
    return [s for s in found if s.exceeded]


def crossed_by(db: Db, entry: Expense) -> list[Status]:
    """The budgets that this entry and no earlier one took over the limit: each period alerts once."""
    found = []
    for over in exceeded_by(db, entry):
        rate = rates.find(db, base=entry.currency, quote=over.budget.currency, on=entry.date)
        assert rate is not None  # exceeded_by leaves out what cannot be valued
        if over.spent - rates.convert(entry.amount, rate) <= over.limit:
            found.append(over)
    return found
