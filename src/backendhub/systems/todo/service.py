"""The rules of the in-memory to-do list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from threading import Lock
from typing import Any

from backendhub.kit.errors import Conflict, NotFound

from .models import Todo

MAX_TODOS = 10_000


class Todos:
    """A list that lives as long as the process. Every change is one step under a lock, so that concurrent
    changes of different fields of one to-do both survive."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: dict[int, Todo] = {}
        self._last = 0

    def find(self) -> list[Todo]:
        """All of them, by `order` where that is set, then by age."""
        with self._lock:
            rows = list(self._rows.values())
        return sorted(rows, key=lambda t: (t.order is None, t.order or 0, t.id))

    def add(self, *, title: str, completed: bool = False, order: int | None = None) -> Todo:
        """Adds one. Raises Conflict where the list is full: memory is not for keeping things."""
        with self._lock:
            if len(self._rows) >= MAX_TODOS:
                raise Conflict(f"The list holds {MAX_TODOS:,} to-dos already.", hint="DELETE / empties it")
            self._last += 1
            todo = self._rows[self._last] = Todo(self._last, title, completed, order)
        return todo

    def get(self, id: int) -> Todo:
        """One of them. Raises NotFound."""
        todo = self._rows.get(id)
        if todo is None:
            raise NotFound(f"There is no to-do {id}.")
        return todo

    def edit(self, id: int, changes: Mapping[str, Any]) -> Todo:
        """Changes the fields given. Raises NotFound."""
        with self._lock:
            todo = self._rows[id] = replace(self.get(id), **changes)
        return todo

    def remove(self, id: int) -> None:
        """Removes one. Raises NotFound."""
        with self._lock:
            self.get(id)
            del self._rows[id]

    def clear(self) -> None:
        """Removes all; ids are not used again."""
        with self._lock:
            self._rows.clear()
