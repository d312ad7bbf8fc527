"""PostgreSQL as a plain role: pooled sync connections, lock and statement timeouts, one unit a transaction."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from backendhub.kit.errors import Conflict, HubError, Invalid, MissingExtra, StoreBusy, StoreError

from . import journal
from .base import Db, Store, encoded, log_if_slow, pyformat
from .migrate import migrate, pending

if TYPE_CHECKING:
    import psycopg
    from psycopg_pool import ConnectionPool

LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 30_000
CHANNEL = "backendhub"
"""Where NOTIFY says that a signalling transaction was committed. Schemas share it: a wake-up too many harms nobody."""


class PostgresDb(Db):
    """A transaction on one PostgreSQL connection."""

    dialect = "postgres"

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.connection = connection
        self._changes = 0
        self.signals = set()

    def _execute(self, sql: str, params: Mapping[str, Any]) -> psycopg.Cursor[tuple[Any, ...]]:
        import psycopg

        start = time.perf_counter()
        try:
            # A statement without parameters is sent as it is: `%` in it is no placeholder then.
            query: Any = pyformat(sql) if params else sql
            cursor = self.connection.execute(query, encoded(params) if params else None)
        except (psycopg.Error, UnicodeEncodeError, ValueError) as error:
            raise explain(error) from error
        log_if_slow(sql, start)
        return cursor

    def fetch(self, sql: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Every row, raw."""
        if not sql.lstrip()[:6].upper().startswith(("SELECT", "WITH")):
            self._changes += 1
        return self._execute(sql, params).fetchall()

    def run(self, sql: str, /, **params: Any) -> int:
        """Runs a statement and gives the number of rows it changed."""
        self._changes += 1
        return self._execute(sql, params).rowcount

    def run_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Runs a statement once for each row of parameters (pipelined) and gives the rows changed."""
        import psycopg

        self._changes += 1
        query: Any = pyformat(sql)
        try:
            with self.connection.cursor() as cursor:
                cursor.executemany(query, [encoded(row) for row in rows])
                return cursor.rowcount
        except (psycopg.Error, UnicodeEncodeError, ValueError) as error:
            raise explain(error) from error

    def among(self, name: str, type: str = "bigint") -> str:
        """`IN (…)` for a list."""
        return (
            f"= ANY(ARRAY(SELECT CAST(value AS {type}) FROM json_array_elements_text(CAST(:{name} AS json))))"
        )

    def signal(self, topic: str) -> None:
        """NOTIFY, which PostgreSQL delivers after the commit and to every process."""
        if topic not in self.signals:
            self.signals.add(topic)
            self._execute("SELECT pg_notify(:channel, :topic)", {"channel": CHANNEL, "topic": topic})

    def changes(self) -> int:
        """How many statements may have written."""
        return self._changes

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A nested transaction."""
        with self.connection.transaction():
            yield


class PostgresStore(Store):
    """A PostgreSQL database behind a pool."""

    dialect = "postgres"
    blocking = True

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        super().__init__()
        try:
            import psycopg  # noqa: F401
            import psycopg_pool  # noqa: F401
        except ImportError:
            raise MissingExtra("PostgreSQL", "postgres") from None
        self._dsn = url
        self.url = re.sub(r"(//[^:/@]*):[^@/]*@", r"\1:***@", url)
        self._size = pool_size
        self._pools: dict[bool, ConnectionPool] = {}
        self._local = threading.local()
        self._lock = threading.Lock()

    def _open(self, write: bool) -> ConnectionPool:
        """The pool for writers or for readers. A reader's statements commit themselves: at READ COMMITTED a
        transaction around them would add three round trips and no consistency."""
        with self._lock:
            if write not in self._pools:
                import psycopg
                from psycopg.conninfo import conninfo_to_dict
                from psycopg_pool import ConnectionPool

                # A pool would try for its whole timeout and not say why: ask once, and fail at once.
                psycopg.connect(self._dsn, connect_timeout=5).close()
                options = f"-c lock_timeout={LOCK_TIMEOUT_MS} -c statement_timeout={STATEMENT_TIMEOUT_MS}"
                if not write:
                    options += " -c default_transaction_read_only=on"
                # The URL's own options come last and so win: `?options=-csearch_path%3Dmine` picks a schema.
                options += f" {conninfo_to_dict(self._dsn).get('options') or ''}"
                logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # a refused connection is told once
                self._pools[write] = ConnectionPool(
                    self._dsn,
                    min_size=1,
                    max_size=self._size,
                    timeout=10,
                    check=_check_if_idle,
                    kwargs={
                        "options": options,
                        "application_name": "backendhub",
                        "connect_timeout": 5,
                        "autocommit": True,  # transactions are begun where there is more than one statement to keep
                    },
                    open=True,
                )
            return self._pools[write]

    @contextmanager
    def transaction(self, *, write: bool = True, label: str | None = None) -> Iterator[Db]:
        """One transaction; a savepoint inside another of the same thread."""
        if (outer := getattr(self._local, "db", None)) is not None:
            with outer.savepoint():
                yield outer
            return
        import psycopg
        from psycopg_pool import PoolTimeout

        try:
            if self._ready != len(self.systems):
                self._migrate()
            with self._open(write).connection() as connection:
                db = PostgresDb(connection)
                self._local.db = db
                try:
                    if write:
                        with connection.transaction():
                            unit = journal.start(db, label) if label else None
                            yield db
                            if unit is not None:
                                journal.finish(db, unit)
                    else:
                        yield db
                finally:
                    self._local.db = None
                    _last_used[id(connection)] = time.monotonic()
            if db.signals:
                self._announce(db)
        except PoolTimeout as error:
            raise StoreError(
                f"PostgreSQL at {self.url} does not answer: {self._why()}.", hint="is the server running?"
            ) from error
        except psycopg.OperationalError as error:
            if error.sqlstate is None:  # no answer, as against an answer that is an error
                raise StoreError(
                    f"PostgreSQL at {self.url} does not answer: {_reason(error)}.",
                    hint="is the server running?",
                ) from error
            raise explain(error) from error
        except psycopg.Error as error:
            raise explain(error) from error

    def _why(self) -> str:
        """What a direct connection says, because the pool only says that it waited."""
        import psycopg

        try:
            psycopg.connect(self._dsn, connect_timeout=3).close()
        except psycopg.Error as error:
            return _reason(error)
        return "every connection is busy"

    def _migrate(self) -> None:
        with self._open(True).connection() as connection:
            db = PostgresDb(connection)
            for system in ["hub", *self.systems]:
                if system not in self._migrated:
                    with connection.transaction():
                        if pending(db, system):
                            migrate(db, system)
                    self._migrated.add(system)
            self._ready = len(self.systems)

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """LISTENs on a connection of its own, and makes a new one when it breaks; see Store.watch."""
        ended = threading.Event()
        thread = threading.Thread(target=self._listen, args=(wake, ended), name="store-watch", daemon=True)
        thread.start()
        return ended.set

    def _listen(self, wake: Callable[[], None], ended: threading.Event) -> None:
        import psycopg

        while not ended.is_set():
            try:
                with psycopg.connect(self._dsn, autocommit=True, connect_timeout=5) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    wake()  # whatever was signalled while nobody listened
                    while not ended.is_set():
                        for _ in connection.notifies(timeout=1, stop_after=1):
                            wake()
            except psycopg.Error:
                ended.wait(1)

    def snapshot(self, path: str) -> None:
        """Not for PostgreSQL."""
        raise Invalid(
            "A snapshot file is made of SQLite stores only.", hint="backendhub backup add NAME postgresql://…"
        )

    def close(self) -> None:
        """Ends every connection."""
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()


def _reason(error: Exception) -> str:
    """The line of libpq's answer that says why, without the question that it puts below."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.endswith("?")]
    return lines[-1].rpartition("failed: ")[2].rstrip(".") if lines else type(error).__name__


IDLE_S = 1.0
_last_used: dict[int, float] = {}


def _check_if_idle(connection: psycopg.Connection[Any]) -> None:
    """Finds out a connection that a restart of the server has killed, without a round trip for busy ones."""
    if time.monotonic() - _last_used.get(id(connection), 0.0) > IDLE_S:
        from psycopg_pool import ConnectionPool

        ConnectionPool.check_connection(connection)


def explain(error: BaseException) -> HubError:
    """One clear line for what PostgreSQL said, by SQLSTATE class."""
    import psycopg

    if isinstance(error, HubError):
        return error
    if isinstance(error, UnicodeEncodeError):
        return Invalid("Text with lone surrogates cannot be stored.", hint="send well-formed UTF-8")
    if isinstance(error, psycopg.DataError) or not isinstance(error, psycopg.Error):
        return Invalid(f"A value cannot be stored: {str(error).splitlines()[0]}.")
    state = error.sqlstate or ""
    text = (error.diag.message_primary or str(error)).strip()
    if state in ("23505", "23503", "23P01"):
        return Conflict(f"This clashes with what is stored: {error.diag.constraint_name or text}.")
    if state.startswith("23"):
        return Invalid(f"A value breaks a rule of the store: {error.diag.constraint_name or text}.")
    if state == "55P03":  # lock_timeout
        return StoreBusy(f"PostgreSQL gave up waiting: {text}.", hint="try again")
    if state == "57014":
        return StoreError(f"PostgreSQL gave up waiting: {text}.", hint="try again")
    return StoreError(f"PostgreSQL failed: {text}.", hint="backendhub doctor")
