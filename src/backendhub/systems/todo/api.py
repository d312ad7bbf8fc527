"""The Todo-Backend specification (todobackend.com) at the root of the system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field

from backendhub.kit import web
from backendhub.kit.web.fields import VISIBLE, Id, Integer

from .models import Todo
from .service import Todos

router = web.Router(
    "The Todo-Backend specification, in memory: a list of to-dos for front ends to play with. "
    "Any origin may call it; `DELETE /` starts over.",
    cors=True,
    dialect=web.Dialect(invalid=400),
)

Title = Annotated[str, Field(min_length=1, max_length=1000, pattern=VISIBLE)]


class TodoIn(BaseModel):
    """A to-do to add. Fields that are not named here are ignored, as the specification's clients expect."""

    title: Title
    completed: bool = False
    order: Integer | None = None


class TodoPatch(BaseModel):
    """The fields to change."""

    title: Title = Field(default_factory=str)
    completed: bool = False
    order: Integer | None = None


@dataclass(frozen=True, slots=True)
class TodoOut:
    """A to-do with the URL at which it is found."""

    id: int
    title: str
    completed: bool
    order: int | None
    url: str


def _todos(request: web.Request) -> Todos:
    return request.hub.memory("todo", Todos)


def _out(request: web.Request, todo: Todo) -> TodoOut:
    return TodoOut(todo.id, todo.title, todo.completed, todo.order, f"{request.base_url}/{todo.id}")


@router.get("/")
def list_todos(request: web.Request) -> list[TodoOut]:
    """List the to-dos."""
    return [_out(request, todo) for todo in _todos(request).find()]


@router.post("/", status=201, statuses=(409,))
def add_todo(request: web.Request, body: TodoIn) -> TodoOut:
    """Add a to-do."""
    todo = _out(request, _todos(request).add(**body.model_dump()))
    return web.reply(todo, headers={"Location": todo.url})


@router.delete("/")
def clear_todos(request: web.Request) -> None:
    """Remove every to-do."""
    _todos(request).clear()


@router.get("/{id}")
def get_todo(request: web.Request, id: Id) -> TodoOut:
    """Read a to-do."""
    return _out(request, _todos(request).get(id))


@router.patch("/{id}")
def edit_todo(request: web.Request, id: Id, body: TodoPatch) -> TodoOut:
    """Change a to-do."""
    changes: dict[str, Any] = body.model_dump(exclude_unset=True)
    return _out(request, _todos(request).edit(id, changes))


@router.delete("/{id}")
def delete_todo(request: web.Request, id: Id) -> None:
    """Remove a to-do."""
    _todos(request).remove(id)
