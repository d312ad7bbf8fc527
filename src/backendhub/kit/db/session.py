"""One PostgreSQL connection: statements prepared at their third use, sent and read through psycopg's libpq layer.

psycopg's cursors are made for everything; what is done here for one statement costs 18 µs of CPU instead of 65
(decision 10). Parameters and rows are adapted by psycopg all the same.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

import psycopg
from psycopg import generators, pq, waiting
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result

from backendhub.kit.sockets import readable

from .base import ANEW, PARAMETER, pyformat

PREPARED_FROM = 3
"""The use at which a statement is prepared: one that comes once or twice is cheaper without."""
MAX_PREPARED = 300
_ANEW = ANEW.encode()
WAIT_S = 0.2
"""How often a wait for PostgreSQL looks whether Python has a signal to handle."""
DONE = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK, pq.ExecStatus.EMPTY_QUERY)


class Statement(NamedTuple):
    """SQL with `$1 …` for `:name`, and the names in their order."""

    text: bytes
    names: tuple[str, ...]
    formats: list[PyFormat]


@lru_cache(maxsize=2048)  # some SQL is made of what clients ask for
def numbered(sql: str) -> Statement:
    """`:name` parameters as PostgreSQL numbers them; text in quotes and `::casts` stay as they are."""
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${names.setdefault(match[1], len(names) + 1)}"

    parts = re.split(r"('(?:[^']|'')*')", sql)
    text = "".join(p if i % 2 else re.sub(PARAMETER, number, p) for i, p in enumerate(parts))
    return Statement(text.encode(), tuple(names), [PyFormat.AUTO] * len(names))


class Session:
    """A connection whose statements commit themselves unless `begin` was called. One thread at a time."""

    def __init__(self, dsn: str, **options: Any) -> None:
        """Connects. Raises psycopg.OperationalError."""
        self.connection = psycopg.connect(dsn, autocommit=True, **options)
        self.used = 0.0
        self._pg = self.connection.pgconn
        self._descriptor = self._pg.socket
        self._adapt = Transformer(self.connection)
        self._uses: dict[tuple[bytes, tuple[int, ...]], int] = {}
        self._prepared: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._named = 0

    # -- statements ---------------------------------------------------------------------------------------

    def execute(self, sql: str, params: Mapping[str, Any]) -> pq.abc.PGresult:
        """Runs a statement; `params` are values that psycopg can adapt. Raises psycopg.Error."""
        if not params:  # sent as it is, `:` and all
            return self.command(sql.encode())
        text, names, formats = numbered(sql)
        adapt = self._adapt
        values = adapt.dump_sequence([params[name] for name in names], formats)
        types = adapt.types or ()
        key = (text, types)
        name = self._prepared.get(key)
        if name is None:
            name = self._count(key)
        if name is not None:
            self._pg.send_query_prepared(name, values, adapt.formats)
        else:
            self._pg.send_query_params(text, values, types, adapt.formats)
        return self._result()

    def command(self, text: bytes) -> pq.abc.PGresult:
        """Runs SQL without parameters. Raises psycopg.Error."""
        key = (text, ())
        name = self._prepared.get(key)
        if name is None and text[:6].upper() in (b"SELECT", b"INSERT", b"UPDATE", b"DELETE"):
            name = self._count(key)
        if name is not None:
            self._pg.send_query_prepared(name, None)
        else:
            self._pg.send_query(text)
        return self._result()

    def rows(self, result: pq.abc.PGresult) -> list[tuple[Any, ...]]:
        """The rows of a result, as psycopg reads them."""
        adapt = self._adapt
        adapt.set_pgresult(result)
        return adapt.load_rows(0, result.ntuples, tuple)

    def many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Runs a statement for each row of parameters, all sent together; gives the rows changed."""
        query: Any = pyformat(sql)
        with self.connection.cursor() as cursor:
            cursor.executemany(query, rows)
            return cursor.rowcount

    def _count(self, key: tuple[bytes, tuple[int, ...]]) -> bytes | None:
        """Prepares a statement that comes often; its name, or None for one that does not."""
        if key[0].startswith(_ANEW):
            return None
        uses = self._uses.get(key, 0) + 1
        if uses < PREPARED_FROM:
            if len(self._uses) > 10 * MAX_PREPARED:
                self._uses.clear()
            self._uses[key] = uses
            return None
        self._uses.pop(key, None)
        if len(self._prepared) >= MAX_PREPARED:
            self._forget()
        self._named += 1  # a name is never used twice: the server may still know it
        name = b"s%d" % self._named
        self._pg.send_prepare(name, key[0], key[1])
        self._result()
        self._prepared[key] = name
        return name

    def _forget(self) -> None:
        self._prepared.clear()
        self._uses.clear()
        self._pg.send_query(b"DEALLOCATE ALL")
        self._result()

    def _result(self) -> pq.abc.PGresult:
        """Waits for the answer; with statements sent together, the last one's or the first that is an error."""
        results: list[pq.abc.PGresult]
        results = waiting.wait(generators.execute(self._pg), self._descriptor, WAIT_S)
        for result in results:
            if result.status not in DONE:
                raise self._failure(result)
        return results[-1]

    def _failure(self, result: pq.abc.PGresult) -> psycopg.Error:
        error = error_from_result(result, "utf-8")
        if error.sqlstate in ("0A000", "26000") and not self.in_transaction:
            self._prepared.clear()  # the tables were changed under it: the next use prepares it anew
        return error

    # -- transactions and life ----------------------------------------------------------------------------

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, in whatever state."""
        return self._pg.transaction_status != pq.TransactionStatus.IDLE

    @property
    def connected(self) -> bool:
        """Whether the connection has not broken."""
        return self._pg.status == pq.ConnStatus.OK

    @property
    def usable(self) -> bool:
        """Whether it is connected and between transactions."""
        return self.connected and not self.in_transaction

    @property
    def ended(self) -> bool:
        """Whether the server has closed it, or said so, while it lay idle."""
        return readable(self._descriptor)

    def roll_back(self) -> None:
        """Undoes the open transaction; a connection that breaks over it has undone it too."""
        if self.connected and self.in_transaction:
            with suppress(psycopg.Error):
                self.command(b"ROLLBACK")

    def rest(self) -> None:
        """Notes that it lies idle from now on."""
        self.used = time.monotonic()

    def close(self) -> None:
        """Ends it."""
        self.connection.close()
