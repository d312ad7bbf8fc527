"""`backendhub serve task`: the same tasks over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.output import camel
from backendhub.kit.paging import MAX_LIMIT, Page

from . import service
from .models import Note, Priority, Stats, Status, Task
from .service import Completed

router = web.Router(
    "To-dos with due dates, priorities, tags, dependencies and recurrence: the tasks of `backendhub task`, over HTTP. "
    "Lists are paged by cursor (`Link: rel=next`), changes may be guarded by `If-Match`."
)

# Text that a terminal, a CSV file and PostgreSQL can all hold: not blank, no NUL.
Text = Annotated[
    str, Field(min_length=1, max_length=service.MAX_DESCRIPTION, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")
]
Tag = Annotated[str, Field(min_length=1, max_length=service.MAX_TAG, pattern=r"^[^\s,\x00+#][^\s,\x00]*$")]
When = Annotated[
    str,
    Field(
        description="A date, a time with offset, or `tomorrow`, `fri`, `eom`, `+3d`",
        max_length=40,
        examples=["2026-02-28"],
    ),
]
Span = Annotated[str, Field(description="`1m`, `2w`, `daily`", max_length=20, examples=["1m"])]
Id = Annotated[int, Path(ge=1, le=2**63 - 1, description="The task's number")]
Match = Annotated[str | None, Header(description="Only if the task still has this ETag")]


class TaskIn(BaseModel):
    """A task to add."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid")

    description: Text
    status: Status = Status.TODO
    priority: Priority | None = None
    due: When | None = None
    project: Text | None = None
    tags: list[Tag] = Field(default=[], max_length=100)
    depends_on: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] = Field(default=[], max_length=100)
    every: Span | None = Field(default=None, description="Repeats by the calendar")
    every_after: Span | None = Field(default=None, description="Repeats so long after it was done")


class TaskPatch(TaskIn):
    """The fields to change; null clears one that may be empty."""

    description: Text = ""
    status: Status = Status.TODO
    tags: list[Tag] | None = Field(default=None, max_length=100)  # type: ignore[assignment]
    depends_on: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] | None = Field(default=None, max_length=100)  # type: ignore[assignment]


class NoteIn(BaseModel):
    """A remark to add."""

    model_config = ConfigDict(extra="forbid")

    text: Text


@router.get("/tasks", statuses=(400,))
def list_tasks(
    db: Db,
    status: Annotated[tuple[Status, ...], Query(description="Any of these", max_length=3)] = (),
    tag: Annotated[str | None, Query(max_length=100)] = None,
    project: Annotated[str | None, Query(max_length=1000)] = None,
    priority: Annotated[Priority | None, Query()] = None,
    q: Annotated[str | None, Query(description="Words in description or notes", max_length=200)] = None,
    due_before: Annotated[str | None, Query(alias="dueBefore", max_length=40)] = None,
    due_after: Annotated[str | None, Query(alias="dueAfter", max_length=40)] = None,
    sort: Annotated[
        str, Query(description="`-due,id`: " + ", ".join(service.SORT_KEYS), max_length=100)
    ] = "id",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 20,
    cursor: Annotated[str | None, Query(description="From the Link header", max_length=2000)] = None,
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
    )
    return service.find(db, wanted, sort=sort, limit=limit, cursor=cursor)


@router.post("/tasks", status=201, statuses=(404,))
def add_task(db: Db, request: web.Request, body: TaskIn) -> Task:
    """Add a task."""
    task = service.add(db, **body.model_dump())
    headers = {"Location": f"{request.prefix}/tasks/{task.id}"}
    return web.reply(task, headers=headers, etag=web.etag(task.revision))


@router.get("/tasks/{id}")
def get_task(db: Db, id: Id) -> Task:
    """Read a task."""
    task = service.get(db, id)
    return web.reply(task, etag=web.etag(task.revision))


@router.patch("/tasks/{id}", statuses=(409, 412))
def edit_task(db: Db, id: Id, body: TaskPatch, if_match: Match = None) -> Task:
    """Change a task (JSON Merge Patch); setting `status` to done follows its recurrence."""
    changes: dict[str, Any] = body.model_dump(exclude_unset=True)
    task = service.edit(db, id, changes, if_revision=web.revision(if_match))
    return web.reply(task, etag=web.etag(task.revision))


@router.delete("/tasks/{id}", statuses=(412,))
def delete_task(db: Db, id: Id, if_match: Match = None) -> None:
    """Delete a task."""
    service.remove(db, id, if_revision=web.revision(if_match))


@router.post("/tasks/{id}/done")
def complete_task(db: Db, id: Id) -> Task:
    """Mark a task as done; a repeating one is added again for its next date (see Location)."""
    result: Completed = service.complete(db, id)
    headers = {"Location": f"/tasks/{result.next.id}"} if result.next else {}
    return web.reply(result.task, headers=headers, etag=web.etag(result.task.revision))


@router.post("/tasks/{id}/start")
def start_task(db: Db, id: Id) -> Task:
    """Start working on a task."""
    return service.start(db, id)


@router.post("/tasks/{id}/stop")
def stop_task(db: Db, id: Id) -> Task:
    """Stop working on a task."""
    return service.stop(db, id)


@router.get("/tasks/{id}/notes")
def list_notes(db: Db, id: Id) -> list[Note]:
    """Read a task's notes."""
    return service.detail(db, id).notes


@router.post("/tasks/{id}/notes", status=201)
def add_note(db: Db, id: Id, body: NoteIn) -> Note:
    """Add a note to a task."""
    return service.add_note(db, id, body.text)


@router.get("/tags")
def list_tags(db: Db) -> dict[str, int]:
    """Every tag and how many tasks have it."""
    return dict(service.tag_counts(db))


@router.get("/stats")
def stats(db: Db) -> Stats:
    """Counts over all tasks."""
    return service.stats(db)
