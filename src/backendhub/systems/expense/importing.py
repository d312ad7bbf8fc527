"""Import without doubles: entries are compared as multisets, so that two equal coffees on a day stay two.

A row of a file is already there if an entry has the same day, kind, amount and description, or had them when
it was imported (whatever became of it since), or carries the bank's own id of it. Each entry answers for one
row: a file with three equal rows adds one to a store with two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db, Store

from . import store
from .categorise import Categoriser
from .formats import Draft
from .models import UNCATEGORIZED, Kind, Source
from .service import payee_of

CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file and what became of it."""

    where: str
    status: str
    date: str
    kind: Kind
    description: str
    minor: int
    currency: str
    category: str | None
    reason: str | None = None

    def as_json(self) -> dict[str, object]:
        """The row with its amount as decimal text."""
        from backendhub.kit.money import Money

        row: dict[str, object] = {"where": self.where, "status": self.status, "date": self.date}
        row |= {"kind": self.kind, "description": self.description}
        row |= Money(self.minor, self.currency).as_json()
        return row | {"category": self.category, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Imported:
    """How many rows of a file were new, how many were there already."""

    added: int
    skipped: int
    rows: list[Row]

    def as_json(self) -> dict[str, object]:
        """The counts and the rows that were added."""
        return {
            "added": self.added,
            "skipped": self.skipped,
            "rows": [r for r in self.rows if r.status == "new"],
        }


def fingerprint(date: str, kind: str, minor: int, currency: str, description: str) -> str:
    """What makes two rows equal; hashed, because descriptions are longer than an index likes."""
    from hashlib import blake2b

    text = f"{date}|{kind}|{minor}|{currency}|{' '.join(description.casefold().split())}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _print(draft: Draft) -> str:
    return fingerprint(draft.date, draft.kind, draft.minor, draft.currency, draft.description)


def add_drafts(
    db: Db,
    drafts: Sequence[Draft],
    *,
    owner: str = "",
    progress: Callable[[float], None] = lambda amount: None,
) -> Imported:
    """Adds the rows of a file that are not there yet, all or none; `progress` is told of rows done."""
    prints = [_print(d) for d in drafts]
    known = _already(db, drafts, prints, owner)
    categoriser = Categoriser(db, owner=owner)
    rows: list[Row] = []
    batch: list[dict[str, Any]] = []
    now = clock.now()
    for number, (draft, mark, old) in enumerate(zip(drafts, prints, known, strict=True), 1):
        if old:
            rows.append(Row(draft.where, "already there", *_facts(draft), draft.category))
        else:
            category, source, reason = _category(categoriser, draft)
            rows.append(Row(draft.where, "new", *_facts(draft), category, reason))
            batch.append(_values(draft, draft.key or mark, category, source) | {"owner": owner, "now": now})
        if number % CHUNK == 0:
            _flush(db, batch)
            progress(CHUNK)
    _flush(db, batch)
    progress(len(drafts) % CHUNK)
    added = len(drafts) - sum(known)
    return Imported(added, len(drafts) - added, rows)


def _facts(draft: Draft) -> tuple[str, Kind, str, int, str]:
    return draft.date, draft.kind, draft.description, draft.minor, draft.currency


def _values(draft: Draft, mark: str, category: str, source: Source) -> dict[str, Any]:
    return {
        "kind": draft.kind.value,
        "date": draft.date,
        "description": draft.description,
        "payee": payee_of(draft.description),
        "minor": draft.minor,
        "currency": draft.currency,
        "category": category,
        "category_source": source.value,
        "import_fp": mark,
    }


def _flush(db: Db, batch: list[dict[str, Any]]) -> None:
    if batch:
        db.run_many(store.INSERT, batch)
        batch.clear()


def _category(categoriser: Categoriser, draft: Draft) -> tuple[str, Source, str | None]:
    if draft.category is not None and (draft.category != UNCATEGORIZED or draft.source is not None):
        return draft.category, draft.source or Source.EXPLICIT, None
    guess = categoriser.guess(draft.description, income=draft.kind is Kind.INCOME)
    return guess.category, guess.source, guess.reason


def _already(db: Db, drafts: Sequence[Draft], prints: Sequence[str], owner: str) -> list[bool]:
    """Which rows the store has. Exact matches are used up first, then what entries were when imported."""
    if not drafts:
        return []
    since, until = min(d.date for d in drafts), max(d.date for d in drafts)
    by_key: dict[str, int] = {}
    now: dict[str, list[int]] = {}
    once: dict[str, list[int]] = {}
    from_bank: set[int] = set()
    params = {"owner": owner, "since": since, "until": until}
    for id, kind, date, minor, currency, description, mark in db.fetch(store.KNOWN, params):
        now.setdefault(fingerprint(date, kind, minor, currency, description), []).append(id)
        if mark and mark.startswith("ofx:"):
            by_key[mark] = id
            from_bank.add(id)
        elif mark:
            once.setdefault(mark, []).append(id)
    used: set[int] = set()
    found = [False] * len(drafts)
    for index, draft in enumerate(drafts):
        if draft.key is not None and draft.key in by_key:
            used.add(by_key[draft.key])
            found[index] = True
    for pool in (now, once):
        for index, (draft, mark) in enumerate(zip(drafts, prints, strict=True)):
            # An entry with a bank's id is that transaction: another id of the same bank is another one.
            barred = from_bank if draft.key is not None else frozenset[int]()
            if not found[index] and (id := _take(pool.get(mark, []), used, barred)) is not None:
                used.add(id)
                found[index] = True
    return found


def _take(ids: list[int], used: set[int], barred: Set[int]) -> int | None:
    """The next entry that answers for no row yet; those passed over are never asked again."""
    while ids:
        id = ids.pop()
        if id not in used and id not in barred:
            return id
    return None


def rehearsed(store: Store, run: Callable[[Db], Imported]) -> Callable[[], Imported]:
    """The same work with everything taken back at the end."""

    def work() -> Imported:
        result: list[Imported] = []
        try:
            with store.transaction() as db:
                result.append(run(db))
                raise _Rehearsed
        except _Rehearsed:
            return result[0]

    return work


class _Rehearsed(Exception):
    """Rolls a rehearsal back."""
