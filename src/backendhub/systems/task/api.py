"""`backendhub serve task`: the same tasks over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.output import camel
from backendhub.kit.paging import Page
from backendhub.kit.web.fields import (
    Cursor,
    Id,
    IdRef,
    Limit,
    Match,
    Search,
    Span,
    Text,
    When,
    Word,
    sort_pattern,
)

from . import api_todos, service
from .models import Note, Priority, RecurMode, Stats, Status, Task
from .owners import owner
from .service import Completed

router = web.Router(
    "To-dos with due dates, priorities, tags, dependencies and recurrence: the tasks of `backendhub task`, over HTTP. "
    "Lists are paged by cursor (`Link: rel=next`), changes may be guarded by `If-Match`. `/todos` is the plain form. "
    "With `--auth token` every account has tasks of its own."
)


class Recurrence(BaseModel):
    """How often a task comes back, counted by the calendar or from the day it was done."""

    model_config = ConfigDict(extra="forbid")

    every: Span
    mode: RecurMode = RecurMode.FIXED


class TaskIn(BaseModel):
    """A task to add."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid")

    description: Text
    status: Status = Status.TODO
    priority: Priority | None = None
    due: When | None = None
    project: Text | None = None
    tags: list[Word] = Field(default=[], max_length=100)
    depends_on: list[IdRef] = Field(default=[], max_length=100)
    recurrence: Recurrence | None = None

    def values(self) -> dict[str, Any]:
        """What was sent, as the service takes it."""
        sent = self.model_dump(exclude_unset=True, exclude={"recurrence"})
        if "recurrence" in self.model_fields_set:
            fixed = self.recurrence is None or self.recurrence.mode is RecurMode.FIXED
            sent["every" if fixed else "every_after"] = self.recurrence.every if self.recurrence else None
        return sent


class TaskPatch(TaskIn):
    """The fields to change; null clears one that may be empty."""

    description: Text = Field(default_factory=str)


class NoteIn(BaseModel):
    """A remark to add."""

    model_config = ConfigDict(extra="forbid")

    text: Text


@router.get("/tasks", statuses=(404,))
def list_tasks(
    db: Db,
    user: web.MaybeUser,
    status: Annotated[tuple[Status, ...], Query(description="Any of these", max_length=3)] = (),
    tag: Search = None,
    project: Search = None,
    priority: Annotated[Priority | None, Query()] = None,
    q: Annotated[str | None, Query(description="Words in description or notes", max_length=200)] = None,
    due_before: Annotated[When | None, Query(alias="dueBefore")] = None,
    due_after: Annotated[When | None, Query(alias="dueAfter")] = None,
    sort: Annotated[
        str, Query(description="`-due`: latest first", pattern=sort_pattern(service.SORT_KEYS))
    ] = "id",
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[Task]:
    """List tasks, a page at a time."""
    wanted = service.wanted(
        statuses=status,
        tag=tag,
        project=project,
        priority=priority,
        text=q,
        due_before=due_before,
        due_after=due_after,
        owner=owner(user),
    )
    return service.find(db, wanted, sort=sort, limit=limit, cursor=cursor)


@router.post("/tasks", status=201, statuses=(404,), idempotent=True)
def add_task(db: Db, user: web.MaybeUser, request: web.Request, body: TaskIn) -> Task:
    """Add a task."""
    task = service.add(db, **body.values(), owner=owner(user, write=True))
    headers = {"Location": f"{request.prefix}/tasks/{task.id}"}
    return web.reply(task, headers=headers, etag=web.etag(task.revision))


@router.get("/tasks/{id}")
def get_task(db: Db, user: web.MaybeUser, id: Id) -> Task:
    """Read a task."""
    task = service.get(db, id, owner=owner(user))
    return web.reply(task, etag=web.etag(task.revision))


@router.patch("/tasks/{id}", statuses=(409, 412))
def edit_task(db: Db, user: web.MaybeUser, id: Id, body: TaskPatch, if_match: Match = None) -> Task:
    """Change a task (JSON Merge Patch); setting `status` to done follows its recurrence.

    `If-Match` with the ETag of an earlier answer makes it fail with 412 where somebody else was faster.
    """
    mine = owner(user, write=True)
    task = service.edit(db, id, body.values(), if_revision=web.revision(if_match), owner=mine)
    return web.reply(task, etag=web.etag(task.revision))


@router.delete("/tasks/{id}", statuses=(412,))
def delete_task(db: Db, user: web.MaybeUser, id: Id, if_match: Match = None) -> None:
    """Delete a task. `If-Match` guards it as it does a change."""
    service.remove(db, id, if_revision=web.revision(if_match), owner=owner(user, write=True))


@router.post("/tasks/{id}/done")
def complete_task(db: Db, user: web.MaybeUser, id: Id) -> Task:
    """Mark a task as done; a repeating one is added again for its next date (see Location)."""
    result: Completed = service.complete(db, id, owner=owner(user, write=True))
    headers = {"Location": f"/tasks/{result.next.id}"} if result.next else {}
    return web.reply(result.task, headers=headers, etag=web.etag(result.task.revision))


@router.post("/tasks/{id}/start")
def start_task(db: Db, user: web.MaybeUser, id: Id) -> Task:
    """Start working on a task."""
    return service.start(db, id, owner=owner(user, write=True))


@router.post("/tasks/{id}/stop")
def stop_task(db: Db, user: web.MaybeUser, id: Id) -> Task:
    """Stop working on a task."""
    return service.stop(db, id, owner=owner(user, write=True))


@router.get("/tasks/{id}/notes")
def list_notes(db: Db, user: web.MaybeUser, id: Id) -> list[Note]:
    """Read a task's notes."""
    return service.detail(db, id, owner=owner(user)).notes


@router.post("/tasks/{id}/notes", status=201)
def add_note(db: Db, user: web.MaybeUser, id: Id, body: NoteIn) -> Note:
    """Add a note to a task."""
    return service.add_note(db, id, body.text, owner=owner(user, write=True))


@router.get("/tags")
def list_tags(db: Db, user: web.MaybeUser) -> dict[str, int]:
    """Every tag and how many tasks have it."""
    return dict(service.tag_counts(db, owner=owner(user)))


@router.get("/stats")
def stats(db: Db, user: web.MaybeUser) -> Stats:
    """Counts over all tasks."""
    return service.stats(db, owner=owner(user))


api_todos.add(router)
