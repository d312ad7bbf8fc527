"""Data sets, resources, rows, and what is asked of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from . import values
from .conditions import Node


@dataclass(frozen=True, slots=True)
class DataSet:
    """A named set of resources. The hashes tell whether its file or its content has changed since it was loaded."""

    id: int
    name: str
    file_hash: str | None
    content_hash: str | None
    loaded_at: datetime | None


@dataclass(frozen=True, slots=True)
class Resource:
    """What `/posts` names: many rows, or one object where it is not `plural`."""

    id: int
    set_id: int
    name: str
    plural: bool
    integer_ids: bool
    next_id: int


@dataclass(frozen=True, slots=True)
class Row:
    """A JSON object; `body` is its text."""

    id: int
    resource_id: int
    key: str
    body: str
    revision: int

    @property
    def value(self) -> dict[str, Any]:
        """The object."""
        found: dict[str, Any] = values.read(self.body)
        return found

    @property
    def tag(self) -> str:
        """The entity tag. Ids of rows are not used again, so no two states of a key ever share one."""
        return f'"{self.id}.{self.revision}"'


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows, in which order, how many. `sort` holds paths and whether they descend; `text` is searched for in
    all values; with a `cursor` ("" for the first page) paging is by position, and inserts shift nothing."""

    where: Node | None = None
    text: str | None = None
    sort: tuple[tuple[str, bool], ...] = ()
    offset: int = 0
    limit: int | None = None
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of rows, and the cursor of the next one."""

    rows: list[Row]
    next: str | None = None


Check = Callable[[str, Any], None]
"""Raises Invalid for a value that a resource (its name comes first) does not take."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for the rows of a set: the member that is the id, what ends a reference (`postId`), whether ids are
    random text whatever clients send, whether references must lead somewhere, and what values are taken."""

    id: str = "id"
    suffix: str = "Id"
    random_ids: bool = False
    references: bool = False
    check: Check | None = field(default=None)
