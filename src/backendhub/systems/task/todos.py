"""Tasks in the plain form of `/todos`: a title, a description, pages by number."""

from __future__ import annotations

from dataclasses import dataclass

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid

from . import service, store
from .models import Status

LONGEST = 10_000
MOST = 100


@dataclass(frozen=True, slots=True)
class Todo:
    """A task in the plain form of `/todos`."""

    id: int
    title: str
    description: str
    status: Status


@dataclass(frozen=True, slots=True)
class Todos:
    """A page of to-dos and how many there are in all."""

    data: list[Todo]
    page: int
    limit: int
    total: int


def get(db: Db, id: int, *, owner: str | None) -> Todo:
    """One to-do. Raises NotFound, Denied."""
    service.get(db, id, owner=owner)
    found = db.one(Todo, store.TODO, id=id)
    assert found is not None
    return found


def listed(db: Db, *, page: int, limit: int, status: Status | None, owner: str | None) -> Todos:
    """A page, in the order in which they were added; numbers out of range are taken as the nearest in it."""
    page, limit = max(1, page), min(max(1, limit), MOST)
    mine = {"owner": owner or "", "status": status}
    skip = (page - 1) * limit
    found = db.all(Todo, store.TODOS, **mine, limit=limit, skip=skip)
    return Todos(found, page, limit, int(db.value(store.COUNT_TODOS, **mine)))


def add(
    db: Db, *, title: str, description: str = "", status: Status = Status.TODO, owner: str | None
) -> Todo:
    """Adds a to-do. Raises Invalid."""
    task = service.add(db, description=title, status=status, owner=owner, details=_long(description))
    return get(db, task.id, owner=owner)


def edit(
    db: Db,
    id: int,
    *,
    title: str | None = None,
    description: str | None = None,
    status: Status | None = None,
    owner: str | None,
) -> Todo:
    """Changes what is given of a to-do. Raises NotFound, Denied, Invalid."""
    changes = {
        name: value for name, value in (("description", title), ("status", status)) if value is not None
    }
    service.edit(db, id, changes, owner=owner)
    if description is not None:
        db.run(store.SET_DETAILS, id=id, details=_long(description), now=clock.now())
    return get(db, id, owner=owner)


def _long(text: str) -> str:
    if len(text) > LONGEST or "\x00" in text:
        raise Invalid(f"A description has at most {LONGEST:,} characters.", field="description")
    return text
