"""What an entry in the books is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from backendhub.kit.db import derived
from backendhub.kit.money import Money

UNCATEGORIZED = "uncategorized"


class Kind(StrEnum):
    """Money out, money in, or money back: a refund makes the expenses of its category smaller."""

    EXPENSE = "expense"
    INCOME = "income"
    REFUND = "refund"


class Source(StrEnum):
    """Where a category came from, most certain first."""

    EXPLICIT = "explicit"
    RULE = "rule"
    PAYEE = "payee"
    BAYES = "bayes"
    KEYWORD = "keyword"
    NONE = "none"


TRUSTED = (Source.EXPLICIT, Source.RULE)
"""Categories that a person decided on; only these teach."""


@dataclass(frozen=True, slots=True)
class Expense:
    """One entry. `minor` is always positive, `kind` says which way the money went.

    `payee` is the description without numbers and signs; `reason` says how the category was found.
    """

    id: int
    owner: str
    kind: Kind
    date: date
    description: str
    payee: str
    minor: int
    currency: str
    category: str
    category_source: Source
    recur_id: int | None
    import_fp: str | None
    revision: int
    created_at: datetime
    updated_at: datetime
    reason: str | None = derived()

    @property
    def amount(self) -> Money:
        """The amount as it was written."""
        return Money(self.minor, self.currency)

    @property
    def signed(self) -> str:
        """The amount as a list shows it: `$20`, a refund `-$20`, income `+$20`."""
        sign = {Kind.REFUND: "-", Kind.INCOME: "+"}.get(self.kind, "")
        return f"{sign}{self.amount}"

    def as_json(self) -> dict[str, object]:
        """The entry with its amount as decimal text and as an integer."""
        row: dict[str, object] = {"id": self.id, "kind": self.kind, "date": self.date}
        row |= {"description": self.description, **self.amount.as_json()}
        row |= {"category": self.category, "categorySource": self.category_source, "recurId": self.recur_id}
        row |= {"createdAt": self.created_at, "updatedAt": self.updated_at}
        return row | ({"reason": self.reason} if self.reason else {})


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries; every part that is given must hold. Both dates are inclusive."""

    owner: str = ""
    since: date | None = None
    until: date | None = None
    category: str | None = None
    kind: Kind | None = None
    currency: str | None = None
    text: str | None = None
    ids: tuple[int, ...] | None = None
