"""The interface of a store: seven verbs inside one transaction, whichever engine is underneath."""

from __future__ import annotations

import re
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, Concatenate, ParamSpec, TypeVar

from .migrate import needs
from .records import PLAIN, columns, decoder, encode

T = TypeVar("T")
P = ParamSpec("P")

SLOW_QUERY_MS = 50.0
ANEW = "/* plan anew */ "
"""Begins a statement that PostgreSQL plans for the values at hand each time: prepared, it would get one plan for all values,
and where they differ much in how many rows they find that may be twenty times slower."""


def log_if_slow(sql: str, start: float) -> None:
    """Logs a query that took over 50 ms: in a server always, in a command under --debug."""
    spent = (time.perf_counter() - start) * 1000
    if spent > SLOW_QUERY_MS and "logging" in sys.modules:
        import logging

        logging.getLogger("backendhub.db").info("slow query: %.0f ms: %s", spent, " ".join(sql.split()))


PARAMETER = r"(?<![:\w]):([a-zA-Z_]\w*)"
"""A `:name` outside of quotes, and no `::cast`."""


@lru_cache(maxsize=4096)
def pyformat(sql: str) -> str:
    """`:name` parameters as psycopg spells them; text in quotes and `::casts` stay as they are."""
    parts = re.split(r"('(?:[^']|'')*')", sql.replace("%", "%%"))
    return "".join(p if i % 2 else re.sub(PARAMETER, r"%(\1)s", p) for i, p in enumerate(parts))


class Db(ABC):
    """One transaction. Domain code is handed one of these and never commits.

    SQL has `:name` parameters. Values are encoded (`records.encode`) and rows decoded into the record asked
    for. Raises `errors.Conflict` on a broken UNIQUE or foreign key, `errors.Invalid` on a broken CHECK and
    `errors.StoreError` when the store itself fails.
    """

    dialect: str
    signals: set[str]
    actor: str | None
    """On whose behalf: `user:<id>` in a request whose user is known."""

    @abstractmethod
    def fetch(self, sql: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Every row, raw."""

    @abstractmethod
    def run(self, sql: str, /, **params: Any) -> int:
        """Runs a statement and gives the number of rows it changed."""

    @abstractmethod
    def run_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Runs a statement once for each row of parameters and gives the number of rows changed."""

    @abstractmethod
    def among(self, name: str, type: str = "bigint") -> str:
        """`IN (…)` for a parameter that is a list: `f"WHERE id {db.among('ids')}"`; `type` is that of its values."""

    @abstractmethod
    def changes(self) -> int:
        """A number that grows whenever this connection changes a row."""

    def signal(self, topic: str) -> None:
        """Once this is committed, wakes whoever listens to the store (`Store.listeners`, `Store.watch`)."""
        self.signals.add(topic)

    @abstractmethod
    def savepoint(self) -> AbstractContextManager[None]:
        """A nested transaction: an exception undoes what was done inside, and goes on."""

    def one(self, record: type[T], sql: str, /, **params: Any) -> T | None:
        """The first row as a record, or None."""
        rows = self.fetch(sql, params)
        return decoder(record)(rows[0]) if rows else None

    def all(self, record: type[T], sql: str, /, **params: Any) -> list[T]:
        """Every row as a record."""
        decode = decoder(record)
        return [decode(row) for row in self.fetch(sql, params)]

    def value(self, sql: str, /, **params: Any) -> Any:
        """The first column of the first row, or None."""
        rows = self.fetch(sql, params)
        return rows[0][0] if rows else None

    def insert(self, record: type[T], table: str, /, **values: Any) -> T:
        """Inserts a row and gives it back as stored."""
        kind: Any = record
        row = self.one(record, _insert_sql(kind, table, tuple(values)), **values)
        assert row is not None
        return row

    def update(self, record: type[T], table: str, id: Any, /, **changes: Any) -> T | None:
        """Changes the row with this `id` and gives it back; None where there is no such row."""
        kind: Any = record
        if not changes:
            return self.one(record, f"SELECT {columns(kind)} FROM {table} WHERE id = :id", id=id)
        return self.one(record, _update_sql(kind, table, tuple(changes)), id_=id, **changes)


def contains(text: str) -> str:
    """A LIKE pattern (ESCAPE '\\') that finds a text anywhere, its wildcards taken literally."""
    return "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


@lru_cache(maxsize=1024)
def _insert_sql(record: Any, table: str, names: tuple[str, ...]) -> str:
    marks = ", ".join(f":{n}" for n in names)
    target = f"({', '.join(names)}) VALUES ({marks})" if names else "DEFAULT VALUES"
    return f"INSERT INTO {table} {target} RETURNING {columns(record)}"


@lru_cache(maxsize=1024)
def _update_sql(record: Any, table: str, names: tuple[str, ...]) -> str:
    sets = ", ".join(f"{n} = :{n}" for n in names)
    return f"UPDATE {table} SET {sets} WHERE id = :id_ RETURNING {columns(record)}"


class _Redo(Exception):
    """A unit of a group failed after it had written."""


def encoded(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as the database takes them."""
    return {name: v if v.__class__ in PLAIN else encode(v) for name, v in params.items()}


class Store(ABC):
    """A database of some engine. Units of work are its only door."""

    dialect: str
    url: str
    """How it was asked for, without a password: safe to print."""
    blocking: bool
    """Whether a unit may wait long enough (network) that an event loop must not run it itself."""

    def __init__(self) -> None:
        self.systems: list[str] = []
        self._migrated: set[str] = set()
        self._ready = -1  # how many of `systems` are known to be migrated
        self.label: str | None = None
        self.listeners: list[Callable[[str], None]] = []
        """Called in the committing thread with each topic that a committed transaction has signalled."""

    def use(self, *systems: str) -> None:
        """Names systems (and the parts of the kit they need) whose migrations must have been applied before the
        next unit runs."""
        for system in systems:
            if system not in self.systems:
                wanted = (*needs(system, self.dialect), system)
                self.systems.extend(name for name in wanted if name not in self.systems)

    @abstractmethod
    def transaction(self, *, write: bool = True, label: str | None = None) -> AbstractContextManager[Db]:
        """One transaction: committed on leaving the block, rolled back on an exception.

        Inside another transaction of the same thread it is a savepoint. A `label` makes it undoable.
        """

    def group(self, units: Sequence[Callable[[Db], Any]]) -> list[Any]:
        """Runs several units and commits them together: each one's result, or the exception it raised.

        A unit that fails without having written anything leaves the others alone. One that fails later makes all
        of them run again, each in a transaction of its own; so a unit must be a function of the store alone.
        Raises StoreError (StoreBusy before any unit has run) where the store itself fails.
        """
        results: list[Any] = []
        try:
            with self.transaction() as db:
                for unit in units:
                    before = db.changes()
                    try:
                        results.append(unit(db))
                    except Exception as error:
                        if db.changes() != before:
                            raise _Redo from error
                        results.append(error)
            return results
        except _Redo:
            return [self._alone(unit) for unit in units]

    def _alone(self, unit: Callable[[Db], Any]) -> Any:
        try:
            with self.transaction() as db:
                return unit(db)
        except Exception as error:
            return error

    def _announce(self, db: Db) -> None:
        """Hands on what a transaction has signalled, after its commit."""
        topics, db.signals = db.signals, set()
        for listener in self.listeners:
            for topic in topics:
                listener(topic)

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Calls `wake` (from a thread of its own) when another process may have committed something; gives the
        function that ends it. On SQLite that is any commit, on PostgreSQL one that has signalled."""
        return lambda: None

    def patience(self, wait_ms: int) -> None:  # noqa: B027 (only an engine with one writer has to be patient)
        """How long this thread waits for another's write lock before it raises StoreBusy."""

    @abstractmethod
    def snapshot(self, path: str) -> None:
        """Writes a consistent copy of the whole store to a file. Raises Invalid where that is not possible."""

    @abstractmethod
    def close(self) -> None:
        """Ends every connection."""

    def unit(
        self,
        fn: Callable[Concatenate[Db, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Runs `fn(db, …)` in one writing transaction; see `read` for one that takes no write lock."""
        with self.transaction(label=self.label) as db:
            return fn(db, *args, **kwargs)

    def read(
        self,
        fn: Callable[Concatenate[Db, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Runs `fn(db, …)` in one transaction that sees a snapshot and takes no write lock."""
        with self.transaction(write=False) as db:
            return fn(db, *args, **kwargs)
