"""The rules of the books. Every function takes the transaction first and is called alike by terminal, API and jobs.

`owner` is whose books they are: '' for the person at this terminal. Nobody reads or changes another's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from backendhub.kit import clock, money, when
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound, PreconditionFailed
from backendhub.kit.money import Money

from . import store
from .models import Expense, Filter, Kind, Source

MAX_DESCRIPTION = 1000
MAX_PAYEE = 100
CATEGORY = r"[^\W_][\w &/'+.:-]{0,59}"
DEFAULT_CURRENCY = "USD"


# -- values as typed --------------------------------------------------------------------------------------


def one_line(text: str) -> str:
    """A description: one line, every run of white space a single space. Raises Invalid."""
    line = " ".join(text.split())
    if not line:
        raise Invalid("The description is empty.", hint='backendhub expense add -d "Lunch" -a 20')
    if len(line) > MAX_DESCRIPTION:
        raise Invalid(f"The description is longer than {MAX_DESCRIPTION:,} characters.")
    if "\x00" in line:
        raise Invalid("The description holds a NUL character.")
    return line


def payee_of(description: str) -> str:
    """Who was paid, as far as a description tells: its words, without numbers, signs and case."""
    words = re.findall(r"[^\W\d_]+", description.casefold())
    return (" ".join(words) or description.casefold())[:MAX_PAYEE]


def amount_of(text: str, code: str | None = None, default: str = DEFAULT_CURRENCY) -> Money:
    """A positive amount as typed, in `code`, else the currency written with it, else the default.

    Raises Invalid for anything that is no exact positive amount of that currency.
    """
    if code is not None:
        amount = money.parse(text, money.currency(code))
    else:
        amount = money.parse(text, None if re.search(r"[^\d.+\-\s]", text) else money.currency(default))
    if amount.minor <= 0:
        raise Invalid(
            f"{text.strip()!r} is not a positive amount.", hint="money back is --refund, money in is --income"
        )
    return amount


def category_of(text: str) -> str:
    """A category as typed: lower case, sub-categories after a colon (`food:lunch`). Raises Invalid."""
    word = re.sub(r"\s*:\s*", ":", " ".join(text.casefold().split()))
    if not re.fullmatch(CATEGORY, word) or "::" in word or word.endswith(":"):
        raise Invalid(
            f"{text!r} is not a category.",
            hint="letters and digits, up to 60: food, food:lunch, health & care",
        )
    return word


def kind_of(text: str) -> Kind:
    """The kind of an entry. Raises Invalid."""
    try:
        return Kind(text.strip().lower())
    except ValueError:
        raise Invalid(f"There is no kind {text!r}.", hint="choose from " + ", ".join(Kind)) from None


def day_of(value: str | date | None) -> date:
    """A day as typed, today where none is given. Raises Invalid."""
    if value is None:
        return clock.today()
    found = when.parse(value) if isinstance(value, str) else value
    return found.astimezone().date() if isinstance(found, datetime) else found


def wanted(
    *,
    owner: str = "",
    since: date | None = None,
    until: date | None = None,
    category: str | None = None,
    kind: str | None = None,
    currency: str | None = None,
    text: str | None = None,
    ids: Sequence[int] | None = None,
) -> Filter:
    """A filter from what was typed. Raises Invalid for a value that no entry can have and a reversed range."""
    if since and until and since > until:
        raise Invalid(f"The range ends ({until}) before it starts ({since}).")
    return Filter(
        owner=owner,
        since=since,
        until=until,
        category=category_of(category) if category else None,
        kind=kind_of(kind) if kind else None,
        currency=money.currency(currency) if currency else None,
        text=text,
        ids=tuple(ids) if ids is not None else None,
    )


# -- reading ----------------------------------------------------------------------------------------------


def get(db: Db, id: int, *, owner: str = "") -> Expense:
    """One entry. Raises NotFound, for another's as for none."""
    found = db.one(Expense, store.ONE, id=id, owner=owner)
    if found is None:
        raise _missing([id])
    return found


def find(
    db: Db, wanted: Filter = Filter(), *, sort: str = "id", limit: int = 20, cursor: str | None = None
) -> Any:
    """A page of entries. Raises Invalid for an unknown sort key and NotFound for a foreign cursor."""
    from backendhub.kit import paging

    by = paging.order(sort, store.sorts())
    return paging.page(store.select(db, wanted, by, limit=limit + 1, cursor=cursor), limit, by)


def find_all(db: Db, wanted: Filter = Filter(), *, sort: str = "id", limit: int = 2**31 - 1) -> list[Expense]:
    """Every entry that matches, up to a limit."""
    from backendhub.kit import paging

    return store.select(db, wanted, paging.order(sort, store.sorts()), limit=limit)


def count(db: Db, wanted: Filter = Filter()) -> int:
    """How many entries match."""
    return store.count(db, wanted)


def categories(db: Db, *, owner: str = "") -> list[tuple[str, int]]:
    """Every category in use and its number of entries."""
    return [(row[0], row[1]) for row in db.fetch(store.CATEGORIES, {"owner": owner})]


def require(db: Db, wanted: Sequence[int], *, owner: str = "") -> None:
    """Raises NotFound that names every id that does not exist, before anything is changed."""
    found = {e.id for e in find_all(db, Filter(owner=owner, ids=tuple(wanted)))}
    if missing := [i for i in wanted if i not in found]:
        raise _missing(missing)


def _missing(ids: Sequence[int]) -> NotFound:
    names = ", ".join(map(str, ids))
    text = f"There is no expense {names}." if len(ids) == 1 else f"There are no expenses {names}."
    return NotFound(text, hint="backendhub expense list")


# -- writing ----------------------------------------------------------------------------------------------


def add(
    db: Db,
    *,
    description: str,
    amount: str | Money,
    currency: str | None = None,
    default: str = DEFAULT_CURRENCY,
    date: str | date | None = None,
    category: str | None = None,
    kind: str = Kind.EXPENSE,
    recur_id: int | None = None,
    owner: str = "",
) -> Expense:
    """Adds an entry; without a category one is guessed, and `reason` says how. Raises Invalid."""
    line = one_line(description)
    sum_ = amount if isinstance(amount, Money) else amount_of(amount, currency, default)
    values: dict[str, Any] = {"owner": owner, "kind": kind_of(kind), "date": day_of(date)}
    values |= {"description": line, "payee": payee_of(line), "minor": sum_.minor, "currency": sum_.currency}
    guess = None
    if category is not None:
        values |= {"category": category_of(category), "category_source": Source.EXPLICIT}
    else:
        from .categorise import Categoriser

        guess = Categoriser(db, owner=owner).guess(line, income=values["kind"] is Kind.INCOME)
        values |= {"category": guess.category, "category_source": guess.source}
    now = clock.now()
    stamps = {"revision": 1, "created_at": now, "updated_at": now}
    row = db.insert(Expense, "expense", **values, recur_id=recur_id, import_fp=None, **stamps)
    return replace(row, reason=guess.reason) if guess is not None else row


def edit(
    db: Db, id: int, changes: Mapping[str, Any], *, owner: str = "", if_revision: int | None = None
) -> Expense:
    """Changes fields: description, amount, currency, date, category, kind. A key that is missing stays.

    A category of None is guessed anew; one that was guessed follows a new description. Raises NotFound,
    Invalid, and PreconditionFailed where the entry is no longer at `if_revision`.
    """
    entry = get(db, id, owner=owner)
    _same(entry, if_revision)
    values: dict[str, Any] = {}
    if changes.get("description") is not None:
        line = one_line(changes["description"])
        values |= {"description": line, "payee": payee_of(line)}
    if changes.get("date") is not None:
        values["date"] = day_of(changes["date"])
    if changes.get("kind") is not None:
        values["kind"] = kind_of(changes["kind"])
    values |= _new_amount(entry, changes)
    values |= _new_category(db, entry, changes, values)
    row = db.update(Expense, "expense", id, **values, revision=entry.revision + 1, updated_at=clock.now())
    assert row is not None
    return row


def _same(entry: Expense, revision: int | None) -> None:
    if revision is not None and entry.revision != revision:
        raise PreconditionFailed(f"Expense {entry.id} was changed in the meantime.", hint="read it again")


def _new_amount(entry: Expense, changes: Mapping[str, Any]) -> dict[str, Any]:
    text, code = changes.get("amount"), changes.get("currency")
    if text is None and code is None:
        return {}
    if isinstance(text, Money):
        return {"minor": text.minor, "currency": text.currency}
    amount = amount_of(entry.amount.decimal if text is None else text, code, entry.currency)
    return {"minor": amount.minor, "currency": amount.currency}


def _new_category(
    db: Db, entry: Expense, changes: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    if changes.get("category") is not None:
        return {"category": category_of(changes["category"]), "category_source": Source.EXPLICIT}
    moved = "description" in values and entry.category_source is not Source.EXPLICIT
    if not moved and "category" not in changes:
        return {}
    from .categorise import Categoriser

    # An entry must not teach the guess about itself.
    db.update(Expense, "expense", entry.id, category_source=Source.NONE)
    line, kind = values.get("description", entry.description), values.get("kind", entry.kind)
    guess = Categoriser(db, owner=entry.owner).guess(line, income=kind is Kind.INCOME)
    return {"category": guess.category, "category_source": guess.source}


def remove(db: Db, id: int, *, owner: str = "", if_revision: int | None = None) -> Expense:
    """Deletes an entry. Raises NotFound, PreconditionFailed."""
    if if_revision is not None:
        _same(get(db, id, owner=owner), if_revision)
    entry = db.one(Expense, store.DELETE, id=id, owner=owner)
    if entry is None:
        raise _missing([id])
    return entry


def has_budgets(db: Db, *, owner: str = "") -> bool:
    """Whether there is any budget to be exceeded."""
    return bool(db.value(store.HAS_BUDGET, owner=owner))
