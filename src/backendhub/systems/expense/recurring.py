"""Recurring entries: rent on the 31st, a salary every month. Running twice enters nothing twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from backendhub.kit import clock
from backendhub.kit.db import Db, columns, derived
from backendhub.kit.errors import Invalid, NotFound
from backendhub.kit.money import Money

from . import periods, service, store
from .models import Expense, Kind

MAX_RUN = 10_000
"""Entries that one run makes at most: a daily series of 1926 is a slip of the finger."""


@dataclass(frozen=True, slots=True)
class Recur:
    """An entry that repeats from its anchor on; dates are counted from there, so that month ends stay month ends."""

    id: int
    owner: str
    kind: Kind
    description: str
    minor: int
    currency: str
    category: str | None
    every: str
    anchor: date
    until: date | None
    next: date | None = derived()  # noqa: RUF009 (a dataclass field, as in the models)

    @property
    def amount(self) -> Money:
        """What each entry will be."""
        return Money(self.minor, self.currency)

    def as_json(self) -> dict[str, object]:
        """The series with its amount as decimal text and as an integer."""
        row: dict[str, object] = {"id": self.id, "kind": self.kind, "description": self.description}
        row |= self.amount.as_json() | {"category": self.category, "every": self.every}
        return row | {"from": self.anchor, "until": self.until, "next": self.next}


SELECT = f"SELECT {columns(Recur)} FROM expense_recur WHERE owner = :owner"


def add(
    db: Db,
    *,
    description: str,
    amount: str,
    every: str,
    currency: str | None = None,
    default: str = service.DEFAULT_CURRENCY,
    category: str | None = None,
    kind: str = Kind.EXPENSE,
    start: str | date | None = None,
    until: str | date | None = None,
    owner: str = "",
) -> Recur:
    """Adds a series; nothing is entered before `run`. Raises Invalid."""
    total = service.amount_of(amount, currency, default)
    values: dict[str, object] = {"owner": owner, "kind": service.kind_of(kind)}
    values |= {"description": service.one_line(description), "minor": total.minor, "currency": total.currency}
    values |= {"category": service.category_of(category) if category else None}
    values |= {"every": periods.every_of(every), "anchor": service.day_of(start), "created_at": clock.now()}
    values["until"] = end = service.day_of(until) if until is not None else None
    if end is not None and end < service.day_of(start):
        raise Invalid(f"The series ends ({end}) before it starts.")
    return _with_next(db, db.insert(Recur, "expense_recur", **values))


def find_all(db: Db, *, owner: str = "") -> list[Recur]:
    """Every series."""
    return db.all(Recur, f"{SELECT} ORDER BY id", owner=owner)


def remove(db: Db, id: int, *, owner: str = "") -> None:
    """Ends a series; what was entered stays. Raises NotFound."""
    if not db.run(store.DELETE_RECUR, id=id, owner=owner):
        raise NotFound(f"There is no recurring entry {id}.", hint="backendhub expense recur list")


def due(db: Db, series: Recur, until: date) -> list[date]:
    """The dates of a series up to a day that have not been entered yet. Raises Invalid for far too many."""
    last = min(until, series.until) if series.until else until
    done = {row[0] for row in db.fetch(store.DONE_DATES, {"id": series.id})}
    found: list[date] = []
    for day in periods.starts(series.every, series.anchor):
        if day > last:
            break
        if day.isoformat() not in done:
            found.append(day)
        if len(found) > MAX_RUN:
            raise Invalid(
                f"Recurring entry {series.id} would make more than {MAX_RUN:,} entries.",
                hint="give it a later --from",
            )
    return found


def next_date(db: Db, series: Recur) -> date | None:
    """The first date of a series that has not been entered yet; None where it has ended."""
    done = {row[0] for row in db.fetch(store.DONE_DATES, {"id": series.id})}
    for day in periods.starts(series.every, series.anchor):
        if series.until and day > series.until:
            return None
        if day.isoformat() not in done:
            return day
    raise AssertionError("a series has no last date")


def planned(db: Db, *, owner: str = "") -> list[Recur]:
    """Every series with its next date."""
    return [_with_next(db, s) for s in find_all(db, owner=owner)]


def _with_next(db: Db, series: Recur) -> Recur:
    return replace(series, next=next_date(db, series))


def run(db: Db, until: date | None = None, *, owner: str = "") -> list[Expense]:
    """Enters what is due up to a day (today by default), each date once however often it runs."""
    made = []
    for series in find_all(db, owner=owner):
        for day in due(db, series, until or clock.today()):
            entry = service.add(
                db,
                description=series.description,
                amount=series.amount,
                kind=series.kind,
                date=day,
                category=series.category,
                recur_id=series.id,
                owner=owner,
            )
            db.run(store.PUT_DONE, recur_id=series.id, date=day, expense_id=entry.id)
            made.append(entry)
    return made
