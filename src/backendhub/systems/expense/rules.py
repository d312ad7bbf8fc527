"""Rules that decide a category by a pattern, and the revision of what was only guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound

from . import store
from .categorise import Categoriser
from .models import Expense, Kind
from .service import category_of


@dataclass(frozen=True, slots=True)
class Rule:
    """Descriptions that match a pattern belong to a category."""

    id: int
    pattern: str
    category: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An entry whose category nobody decided on, with what the categoriser says today."""

    id: int
    description: str
    category: str
    suggested: str
    reason: str
    changed: bool


def add(db: Db, *, pattern: str, category: str, owner: str = "") -> Rule:
    """Adds a rule (a regular expression, case ignored); the first that matches decides. Raises Invalid."""
    text = pattern.strip()
    try:
        empty = re.compile(text, re.IGNORECASE).search("")
    except (re.error, OverflowError, RecursionError) as error:
        raise Invalid(f"{pattern!r} is not a regular expression: {error}.") from None
    if empty or len(text) > 200:
        raise Invalid("A rule's pattern has 1 to 200 characters and may not match everything.")
    values = {"owner": owner, "pattern": text, "category": category_of(category), "created_at": clock.now()}
    return db.insert(Rule, "expense_rule", **values)


def find_all(db: Db, *, owner: str = "") -> list[Rule]:
    """The rules in the order in which they are asked."""
    return db.all(Rule, store.RULES, owner=owner)


def remove(db: Db, id: int, *, owner: str = "") -> None:
    """Deletes a rule; what it decided stays. Raises NotFound."""
    if not db.run(store.DELETE_RULE, id=id, owner=owner):
        raise NotFound(f"There is no rule {id}.", hint="backendhub expense rule list")


def review(db: Db, *, owner: str = "", apply: bool = False) -> list[Suggestion]:
    """What the categoriser says today of every entry whose category is not decided; `apply` stores it."""
    categoriser = Categoriser(db, owner=owner)
    found = []
    for entry in db.all(Expense, store.GUESSED, owner=owner):
        guess = categoriser.guess(entry.description, income=entry.kind is Kind.INCOME)
        changed = (guess.category, guess.source) != (entry.category, entry.category_source)
        row = (entry.id, entry.description, entry.category, guess.category)
        found.append(Suggestion(*row, guess.reason or "nothing known", guess.category != entry.category))
        if apply and changed:
            db.update(Expense, "expense", entry.id, category=guess.category, category_source=guess.source)
    return found
