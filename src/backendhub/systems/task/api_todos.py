"""The to-do list API of the developer roadmap: accounts, tokens, and `/todos` in pages by number."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import Field

from backendhub.kit import account_routes, web
from backendhub.kit.db import Db
from backendhub.kit.web.fields import NO_NUL, Id, Text

from . import service, todos
from .models import Status
from .owners import owner


class TodoIn(account_routes.In):
    """A to-do to add."""

    title: Text
    description: Annotated[str, Field(max_length=todos.LONGEST, pattern=NO_NUL)] = ""
    status: Status = Status.TODO


class TodoPut(account_routes.In):
    """What is to change; what is left out stays."""

    title: Text | None = None
    description: Annotated[str, Field(max_length=todos.LONGEST, pattern=NO_NUL)] | None = None
    status: Status | None = None


def add(router: web.Router) -> None:
    """Adds these routes to the system's."""
    account_routes.add(router, "task")
    family = router.family("/todos", dialect=account_routes.BRIEF)
    family.get("")(list_todos)
    family.post("", status=201)(add_todo)
    family.get("/{id}")(get_todo)
    family.put("/{id}")(edit_todo)
    family.delete("/{id}")(delete_todo)


def list_todos(
    db: Db,
    user: web.MaybeUser,
    page: Annotated[int, Query(description="From 1")] = 1,
    limit: Annotated[int, Query(description="To-dos in a page, up to 100")] = 10,
    status: Annotated[Status | None, Query()] = None,
) -> todos.Todos:
    """List to-dos: `{data, page, limit, total}`."""
    page, limit = min(page, 10**9), min(limit, todos.MOST)
    return todos.listed(db, page=page, limit=limit, status=status, owner=owner(user))


def add_todo(db: Db, user: web.MaybeUser, body: TodoIn) -> todos.Todo:
    """Add a to-do."""
    mine = owner(user, write=True)
    return todos.add(db, title=body.title, description=body.description, status=body.status, owner=mine)


def get_todo(db: Db, user: web.MaybeUser, id: Id) -> todos.Todo:
    """Read a to-do."""
    return todos.get(db, id, owner=owner(user))


def edit_todo(db: Db, user: web.MaybeUser, id: Id, body: TodoPut) -> todos.Todo:
    """Change a to-do; somebody else's is 403."""
    mine = owner(user, write=True)
    return todos.edit(db, id, title=body.title, description=body.description, status=body.status, owner=mine)


def delete_todo(db: Db, user: web.MaybeUser, id: Id) -> None:
    """Delete a to-do; somebody else's is 403."""
    service.remove(db, id, owner=owner(user, write=True))
