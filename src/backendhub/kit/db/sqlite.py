"""The default engine: one SQLite file, safe to share between the terminal, cron and a running server."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from backendhub.kit.errors import StoreError

from .base import Db, Store, encoded, log_if_slow
from .explain import explain
from .migrate import migrate, pending

BUSY_MS = 5000
CLOSE_S = 5.0
"""How long the end of a store waits for a thread that still uses it."""
SERVER_CHECKPOINT_PAGES = 4000  # 16 MB of log between two checkpoints, which are what waits for the disk
WAL_LIMIT = 20 << 20
TRIM_AFTER = 1000  # changed rows between two looks at the log's size: a look costs as much as a statement
WATCH_S = 0.1
"""How late another process's commit is noticed at most."""
# busy_timeout first, so that every later pragma waits its turn too.
PRAGMAS = (
    f"PRAGMA busy_timeout={BUSY_MS}",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-32000",
)


class SqliteDb(Db):
    """A transaction on one SQLite connection."""

    dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self.connection = connection
        self._path = path
        self._depth = 0
        self.busy = threading.RLock()
        """Held while a unit runs, so that nobody closes the connection under it."""
        self.trimmed = -TRIM_AFTER
        """`total_changes` when the log was last looked at: with the first commit, and then after many changes."""
        self.signals = set()
        self.actor = None

    def _execute(self, sql: str, params: Mapping[str, Any]) -> sqlite3.Cursor:
        start = time.perf_counter()
        try:
            cursor = self.connection.execute(sql, encoded(params))
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            raise explain(error, self._path) from error
        log_if_slow(sql, start)
        return cursor

    def fetch(self, sql: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Every row, raw."""
        try:
            return self._execute(sql, params).fetchall()
        except sqlite3.Error as error:
            raise explain(error, self._path) from error

    def run(self, sql: str, /, **params: Any) -> int:
        """Runs a statement and gives the number of rows it changed."""
        return self._execute(sql, params).rowcount

    def run_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Runs a statement once for each row of parameters and gives the number of rows changed."""
        try:
            return self.connection.executemany(sql, [encoded(row) for row in rows]).rowcount
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            raise explain(error, self._path) from error

    def among(self, name: str, type: str = "bigint") -> str:
        """`IN (…)` for a list; SQLite's values bring their types along."""
        return f"IN (SELECT value FROM json_each(:{name}))"

    def changes(self) -> int:
        """SQLite counts them itself, those of triggers included."""
        return self.connection.total_changes

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A nested transaction."""
        self._depth += 1
        name = f"s{self._depth}"
        self.connection.execute(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            self.connection.execute(f"ROLLBACK TO {name}")
            raise
        finally:
            self.connection.execute(f"RELEASE {name}")
            self._depth -= 1


class _Transaction(AbstractContextManager[Db]):
    """A transaction of a store. A class, since two generators for each unit of work cost as much as its BEGIN and COMMIT."""

    __slots__ = ("_db", "_label", "_nested", "_store", "_unit", "_write")

    def __init__(self, store: SqliteStore, write: bool, label: str | None) -> None:
        self._store = store
        self._write = write
        self._label = label
        self._nested: AbstractContextManager[None] | None = None
        self._unit: int | None = None

    def __enter__(self) -> Db:
        self._db = db = self._store._db()
        db.busy.acquire()  # a memory database exists in one connection only, so threads take turns on it
        try:
            if db.connection.in_transaction:
                nested = db.savepoint()
                nested.__enter__()
                self._nested = nested
            else:
                self._begin(db)
        except BaseException:
            db.busy.release()
            raise
        return db

    def _begin(self, db: SqliteDb) -> None:
        self._store._migrate(db)
        db.actor = None
        self._store._begin(db, "BEGIN IMMEDIATE" if self._write else "BEGIN")
        if self._write and self._label:
            try:
                self._unit = _begin_unit(db, self._label)
            except BaseException:
                self._undo(db)
                raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        db = self._db
        try:
            if self._nested is not None:
                self._nested.__exit__(kind, error, trace)
                return
            if kind is not None:
                self._undo(db)
                return
            try:
                if self._unit is not None:
                    _end_unit(db, self._unit)
                self._store._commit(db)
            except BaseException:
                self._undo(db)
                raise
        finally:
            db.busy.release()
        if db.signals:
            self._store._announce(db)

    def _undo(self, db: SqliteDb) -> None:
        db.signals.clear()
        if db.connection.in_transaction:
            db.connection.execute("ROLLBACK")


class SqliteStore(Store):
    """A SQLite file (or memory), with one connection a thread."""

    dialect = "sqlite"
    blocking = False

    def __init__(self, path: str) -> None:
        super().__init__()
        self.memory = path == ":memory:"
        self.path = path if self.memory else str(Path(path).expanduser().absolute())
        self.url = path if self.memory else f"sqlite:///{self.path}"
        self._local = threading.local()
        self._lock = threading.Lock()
        self._shared: SqliteDb | None = None
        self._all: list[tuple[threading.RLock, sqlite3.Connection]] = []

    def transaction(self, *, write: bool = True, label: str | None = None) -> AbstractContextManager[Db]:
        """One transaction; a savepoint inside another of the same thread."""
        return _Transaction(self, write, label)

    def _begin(self, db: SqliteDb, sql: str) -> None:
        try:
            db.connection.execute(sql)
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def _commit(self, db: SqliteDb) -> None:
        try:
            db.connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise explain(error, self.path) from error
        if not self.memory and db.connection.total_changes - db.trimmed >= TRIM_AFTER:
            db.trimmed = db.connection.total_changes
            _trim(db.connection, self.path + "-wal")

    def _db(self) -> SqliteDb:
        if self.memory:
            if self._shared is None:
                with self._lock:
                    self._shared = self._shared or self._opened()
            return self._shared
        db: SqliteDb | None = getattr(self._local, "db", None)
        if db is None or getattr(self._local, "pid", 0) != os.getpid():
            self._local.db = db = self._opened()
            self._local.pid = os.getpid()  # a connection must not cross a fork
        return db

    def _opened(self) -> SqliteDb:
        db = SqliteDb(self._open(), self.path)
        self._all.append((db.busy, db.connection))
        return db

    def _open(self) -> sqlite3.Connection:
        try:
            if not self.memory:
                _create(Path(self.path))
            # autocommit: BEGIN and COMMIT are ours; any thread may close it at the end
            connection = sqlite3.connect(
                self.path,
                timeout=BUSY_MS / 1000,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
            try:
                connection.create_function("regexp", 2, _regexp, deterministic=True)
                for pragma in PRAGMAS:
                    connection.execute(pragma)
                if not self.memory:
                    _write_ahead(connection)
            except BaseException:
                connection.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise explain(error, self.path) from error
        return connection

    def _migrate(self, db: SqliteDb) -> None:
        if self._ready == len(self.systems):
            return
        for system in ["hub", *self.systems]:
            if system not in self._migrated and pending(db, system):
                with _patient(db.connection):
                    self._begin(db, "BEGIN IMMEDIATE")
                try:
                    migrate(db, system)
                    self._commit(db)
                except BaseException:
                    if db.connection.in_transaction:
                        db.connection.execute("ROLLBACK")
                    raise
            self._migrated.add(system)
        self._ready = len(self.systems)

    def patience(self, wait_ms: int) -> None:
        """How long this thread waits for another's write lock before it raises StoreBusy."""
        self._migrate(self._db())
        if not self.memory:
            self._db().connection.execute(f"PRAGMA busy_timeout={wait_ms:d}")
            self._db().connection.execute(f"PRAGMA wal_autocheckpoint={SERVER_CHECKPOINT_PAGES}")

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Looks ten times a second whether another connection has committed; see Store.watch."""
        if self.memory:
            return lambda: None
        _create(Path(self.path))
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        ended = threading.Event()

        def look() -> None:
            seen = None
            while not ended.wait(WATCH_S):
                try:
                    now = connection.execute("PRAGMA data_version").fetchone()[0]
                except (
                    sqlite3.Error
                ):  # locked for a moment, or the disk fails: whoever is woken will find out
                    now = None
                if now is None or now != seen:
                    seen = now
                    wake()
            connection.close()

        threading.Thread(target=look, name="store-watch", daemon=True).start()
        return ended.set

    def snapshot(self, path: str) -> None:
        """Copies the whole store to a new file with SQLite's backup interface."""
        target = sqlite3.connect(path)
        try:
            self._db().connection.backup(target)
        finally:
            target.close()

    def close(self) -> None:
        """Ends every connection that was opened here. One in use by another thread is waited for, because SQLite would
        crash; one that is not given back in time is left to the end of the process, which rolls it back."""
        for busy, connection in self._all:
            if busy.acquire(timeout=CLOSE_S):
                connection.close()
                busy.release()
        self._all.clear()
        self._local = threading.local()
        self._shared = None
        self._migrated.clear()
        self._ready = -1


def _begin_unit(db: Db, label: str) -> int:
    from . import journal  # what only reads has no use for it

    return journal.start(db, label)


def _end_unit(db: Db, unit: int) -> None:
    from . import journal

    journal.finish(db, unit)


@contextmanager
def _patient(connection: sqlite3.Connection) -> Iterator[None]:
    """Waits for another's lock as long as a command does, also where a server's loop has little patience: two workers
    that begin together both find the tables missing, and a request that only reads has no thread to wait in."""
    usual = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA busy_timeout={usual:d}")


def _create(path: Path) -> None:
    """Makes the file readable by its owner alone; SQLite copies that mode to its -wal and -shm files."""
    if path.exists():
        if path.is_dir():
            raise StoreError(f"{path} is a directory, not a database.", hint="name a file with --db")
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switches to WAL. Ten processes at a new file may all try at once, and SQLite does not wait there."""
    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname not in ("SQLITE_BUSY", "SQLITE_LOCKED") or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _regexp(pattern: str, text: str | None) -> bool:
    """What `text REGEXP pattern` means: Rust's engine, whose time is linear in the text whatever the pattern."""
    from .regexp import matcher

    return text is not None and matcher(pattern)(text)


def _trim(connection: sqlite3.Connection, log: str) -> None:
    """Empties a write-ahead log that one large transaction has blown up.

    Commands end without closing their connection, so each later one would read and copy all of it again.
    """
    try:
        if os.stat(log).st_size < WAL_LIMIT:  # noqa: PTH116 (a Path for every commit costs more than the call)
            return
    except FileNotFoundError:
        return
    connection.execute("PRAGMA busy_timeout=0")  # a reader may hold it: then the next commit does this
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
