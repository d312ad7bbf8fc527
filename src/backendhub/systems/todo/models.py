"""What a to-do is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Todo:
    """A to-do of the Todo-Backend specification, without its URL, which depends on who asks."""

    id: int
    title: str
    completed: bool = False
    order: int | None = None
