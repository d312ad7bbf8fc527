"""Workspaces with their logs, and the ids of people who may buy."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import uuid4

from backendhub.kit import clock
from backendhub.kit.db import Db, contains
from backendhub.kit.errors import Conflict, NotFound, Unauthenticated
from backendhub.systems.cinema import store
from backendhub.systems.cinema.models import Entry, Gone, Refused, Workspace

T = TypeVar("T")
OWN = "cinema"
"""The company of the cinema itself."""
LAST = 2**62


@dataclass(frozen=True, slots=True)
class Span:
    """Which part of a listing somebody wants: behind a row, or in front of one."""

    after: int | None = None
    before: int | None = None
    limit: int = 20

    @property
    def backwards(self) -> bool:
        """Whether it is what is in front of a row."""
        return self.before is not None


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """A part of a listing, and the ids that its neighbours begin at."""

    items: list[T]
    next: int | None
    previous: int | None

    def map(self, fn: Callable[[T], Any]) -> Part[Any]:
        """The same with other items."""
        return Part([fn(item) for item in self.items], self.next, self.previous)


def part(span: Span, rows: Sequence[T], id: Callable[[T], int]) -> Part[T]:
    """A part of up to `limit + 1` rows, which come in the order of the search."""
    more = len(rows) > span.limit
    items = list(rows[: span.limit])
    if span.backwards:
        items.reverse()
    behind, front = (bool(items), more) if span.backwards else (more, span.after is not None)
    return Part(items, id(items[-1]) if items and behind else None, id(items[0]) if items and front else None)


def listed(db: Db, record: type[T], sql: Mapping[str, str], span: Span, **params: Any) -> Part[T]:
    """A part of what is sorted by id, the latest first."""
    if span.before is not None:
        rows = db.all(record, sql["up"], **params, edge=span.before, limit=span.limit + 1)
    else:
        edge = LAST if span.after is None else span.after
        rows = db.all(record, sql["down"], **params, edge=edge, limit=span.limit + 1)
    return part(span, rows, lambda row: int(row.id))  # type: ignore[attr-defined]


def pattern(text: str | None) -> str:
    """A LIKE pattern for folded text."""
    return contains((text or "").casefold())


def raw_pattern(text: str | None) -> str:
    """A LIKE pattern for text as it is."""
    return contains(text or "")


# -- workspaces --------------------------------------------------------------------------------------------


def add(db: Db, *, company: str, name: str, is_test: bool = False, is_first: bool = False) -> Workspace:
    """A new workspace with a secret key of its own; the first of a company is its default."""
    return db.insert(
        Workspace,
        "cinema_workspace",
        key=str(uuid4()),
        company=company,
        name=name,
        name_key=name.casefold(),
        secret_key=str(uuid4()),
        is_test=is_test,
        is_active=True,
        is_default=is_first,
        is_first=is_first,
        created_at=clock.now(),
    )


def own(db: Db) -> Workspace:
    """The workspace of the cinema's halls and shows; made when first asked for."""
    found = db.one(Workspace, store.OF_COMPANY, company=OWN)
    if found is not None:
        return found
    try:
        with db.savepoint():
            return add(db, company=OWN, name="Cinema", is_first=True)
    except Conflict:  # two servers start at once
        return existing(db)


def existing(db: Db) -> Workspace:
    """The same, for those who only read. Raises NotFound where there is none yet."""
    found = db.one(Workspace, store.OF_COMPANY, company=OWN)
    if found is None:
        raise NotFound("This cinema has no hall yet.")
    return found


def find(
    db: Db, company: str, span: Span, *, text: str | None = None, active: bool | None = None
) -> Part[Workspace]:
    """The workspaces of a company, the latest first: those whose name holds a text, those that are active or not."""
    one, other = (True, False) if active is None else (active, active)
    return listed(
        db, Workspace, store.WORKSPACES, span, company=company, text=pattern(text), one=one, other=other
    )


def get(db: Db, key: str, company: str) -> Workspace:
    """A workspace of a company. Raises Gone."""
    found = db.one(Workspace, store.BY_KEY, key=key)
    if found is None or found.company != company:
        raise Gone("WORKSPACE_NOT_FOUND", f"Workspace not found: {key}")
    return found


def of_secret(db: Db, secret: str) -> Workspace:
    """The workspace that a secret key opens. Raises Unauthenticated."""
    found = db.one(Workspace, store.BY_SECRET, secret=secret)
    if found is None or not found.is_active:
        raise Unauthenticated("The secret key is not valid.")
    return found


def change(db: Db, found: Workspace, **changes: Any) -> Workspace:
    """Changes a workspace; of a company's workspaces one is the default. Raises Refused: without the first one nobody could
    reach the others."""
    if (found.is_default or found.is_first) and changes.get("is_active") is False:
        raise Refused("WORKSPACE_NEEDED", "The first workspace of a company and its default one stay active.")
    if changes.get("is_default"):
        db.run(store.NO_DEFAULT, company=found.company)
    if "name" in changes:
        changes["name_key"] = changes["name"].casefold()
    if changes.pop("new_secret", False):
        changes["secret_key"] = secrets.token_hex(20)
    changed = db.update(Workspace, "cinema_workspace", found.id, **changes)
    assert changed is not None
    return changed


def delete(db: Db, found: Workspace) -> None:
    """Takes an inactive workspace out of its company; what is in it can be reached no longer. Raises Refused."""
    if found.is_active or found.is_default or found.is_first:
        raise Refused("WORKSPACE_ACTIVE", "Only inactive workspaces are deleted.")
    change(db, found, company=f"deleted:{found.company}")


# -- logs --------------------------------------------------------------------------------------------------


def note(db: Db, found: Workspace, type: str, *keys: str) -> None:
    """Notes what was done in a workspace, to one thing or several."""
    common = {"workspace_id": found.id, "type": type, "at": clock.precise()}
    rows = [{**common, "data": {"key": key, "workspaceKey": found.key}} for key in keys]
    db.run_many(store.ADD_ENTRY, rows)


def entries(db: Db, found: Workspace, span: Span) -> Part[Entry]:
    """What was done in a workspace, in the order in which it happened."""
    edge = span.before if span.before is not None else span.after or 0
    sql = store.ENTRIES["down" if span.backwards else "up"]
    rows = db.all(Entry, sql, workspace_id=found.id, edge=edge, limit=span.limit + 1)
    return part(span, rows, lambda row: row.id)


# -- buyers ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Buyer:
    """Somebody who may buy, by the id that a shop knows them by."""

    id: int
    buyer: str


def add_buyers(db: Db, found: Workspace, ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Notes ids; which are new, and which were known."""
    asked = list(dict.fromkeys(ids))
    rows = db.fetch(store.ADD_BUYERS[db.dialect], {"workspace_id": found.id, "buyers": asked})
    new = {row[0] for row in rows}
    return [i for i in asked if i in new], [i for i in asked if i not in new]


def remove_buyers(db: Db, found: Workspace, ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Forgets ids; which are gone, and which were not known."""
    asked = list(dict.fromkeys(ids))
    rows = db.fetch(store.REMOVE_BUYERS[db.dialect], {"workspace_id": found.id, "buyers": asked})
    gone = {row[0] for row in rows}
    return [i for i in asked if i in gone], [i for i in asked if i not in gone]


def buyers(db: Db, found: Workspace, span: Span) -> Part[Buyer]:
    """The ids that are noted."""
    return listed(db, Buyer, store.BUYERS, span, workspace_id=found.id)
