"""What the API sends, as the records' own `as_json` make it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import WithJsonSchema
from typing_extensions import TypedDict

Date = Annotated[str, WithJsonSchema({"type": "string", "format": "date"})]
Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
KindName = Literal["expense", "income", "refund"]


class Money(TypedDict):
    """An amount: decimal text for people, integer minor units for programs."""

    amount: str
    minor: int
    currency: str


class ExpenseOut(Money):
    """An entry."""

    id: int
    kind: KindName
    date: Date
    description: str
    category: str
    categorySource: Literal["explicit", "rule", "payee", "bayes", "keyword", "none"]
    recurId: int | None
    createdAt: Moment
    updatedAt: Moment


class BudgetOut(Money):
    """A budget; no category means all of them."""

    id: int
    category: str | None
    every: str
    rollover: bool


class BudgetStatus(TypedDict):
    """A budget in one of its periods."""

    id: int
    category: str | None
    every: str
    period: str
    currency: str
    limit: str
    limitMinor: int
    spent: str
    spentMinor: int
    left: str
    leftMinor: int
    percent: int | None
    exceeded: bool
    uncounted: list[Money]


class Added(ExpenseOut):
    """A new entry, why it has its category, and the budgets that it took over their limit."""

    reason: str | None
    alerts: list[str]


class RecurOut(Money):
    """A recurring entry and its next date."""

    id: int
    kind: KindName
    description: str
    category: str | None
    every: str
    until: Date | None
    next: Date | None


class RateOut(TypedDict):
    """One `base` is `num/den` `quote` from a date on."""

    date: Date
    base: str
    quote: str
    rate: str
    num: int
    den: int
    source: str


class CategorySum(Money):
    """What was spent and earned in a category."""

    category: str
    share: int | None
    income: str
    incomeMinor: int
    entries: int


class MonthSum(Money):
    """What was spent and earned in a month."""

    month: str
    share: int | None
    income: str
    incomeMinor: int
    entries: int


class SummaryOut(TypedDict):
    """Totals of a period, one for each currency, or one for all where they were valued."""

    period: str
    totals: list[Money]
    income: list[Money]
    net: list[Money]
    byCategory: list[CategorySum]
    byMonth: list[MonthSum]
    budgets: list[BudgetStatus]
    rates: list[RateOut]


class ImportOut(TypedDict):
    """How many rows of a file were new, how many were there already."""

    added: int
    skipped: int
