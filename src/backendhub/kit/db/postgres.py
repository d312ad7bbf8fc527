"""PostgreSQL as a plain role: kept connections, lock and statement timeouts, one unit a transaction.

A restart of the server loses and doubles nothing: a unit whose connection breaks fails with StoreError and is not run
again here; the next one finds out, without asking, that a connection has ended, and makes another.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from backendhub.kit.errors import Conflict, HubError, Invalid, MissingExtra, StoreBusy, StoreError
from backendhub.kit.settings import without_password

from . import journal
from .base import Db, Store, encoded, log_if_slow
from .migrate import migrate, pending

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

    from .session import Session

LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 30_000
POOL = 12
"""Connections of a kind (writing, reading) a process has at most; `max_connections` of a server is 100 by default."""
POOL_WAIT_S = 30.0
"""How long a unit waits for one of them."""
IDLE_S = 300.0
"""How long one more than is needed is kept."""
RETRY_S = 0.25
"""How long units fail at once after a connection was refused."""
# A server that falls silent is given up after half a minute; without these TCP would wait for hours.
DEFAULTS = {
    "application_name": "backendhub",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
CHANNEL = "backendhub"
"""Where NOTIFY says that a signalling transaction was committed. Schemas share it: a wake-up too many harms nobody."""


class PostgresDb(Db):
    """A transaction on one PostgreSQL connection."""

    dialect = "postgres"

    def __init__(self, session: Session) -> None:
        self.session = session
        self._changes = 0
        self._depth = 0
        self.signals = set()
        self.actor = None

    def execute(self, sql: str) -> PGresult:
        """Runs a statement of the transaction itself."""
        return self._execute(sql, {})

    def commit(self) -> None:
        """Ends the transaction. Raises StoreError where it was not, or where nobody knows."""
        try:
            done = self.execute("COMMIT")
        except StoreError as error:
            if not self.session.connected:
                error.message += " It is not known whether the change was made."
            raise
        if done.command_status != b"COMMIT":  # a statement had failed, and the unit went on as if it had not
            raise StoreError("PostgreSQL has undone a change of which a part had failed.")

    def _execute(self, sql: str, params: Mapping[str, Any]) -> PGresult:
        import psycopg

        start = time.perf_counter()
        try:
            result = self.session.execute(sql, encoded(params))
        except (psycopg.Error, UnicodeEncodeError, ValueError) as error:
            raise explain(error) from error
        log_if_slow(sql, start)
        return result

    def fetch(self, sql: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Every row, raw."""
        if not sql.lstrip()[:6].upper().startswith(("SELECT", "WITH")):
            self._changes += 1
        return self.session.rows(self._execute(sql, params))

    def run(self, sql: str, /, **params: Any) -> int:
        """Runs a statement and gives the number of rows it changed."""
        self._changes += 1
        changed = self._execute(sql, params).command_tuples
        return -1 if changed is None else changed

    def run_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Runs a statement once for each row of parameters (pipelined) and gives the rows changed."""
        import psycopg

        self._changes += 1
        try:
            return self.session.many(sql, [encoded(row) for row in rows])
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
        """A nested transaction; within a read, whose statements stand alone, there is nothing to nest."""
        if not self.session.in_transaction:
            yield
            return
        self._depth += 1
        name = f"s{self._depth}"
        self.execute(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            if self.session.connected:
                self.execute(f"ROLLBACK TO {name}")
                self.execute(f"RELEASE {name}")
            raise
        else:
            self.execute(f"RELEASE {name}")
        finally:
            self._depth -= 1


class PostgresStore(Store):
    """A PostgreSQL database. Connections are made when all others are at work, and kept for the next.

    Never more than POOL of a kind: units beyond that wait here, where they cost the server nothing.
    """

    dialect = "postgres"
    blocking = True

    def __init__(self, url: str) -> None:
        super().__init__()
        try:
            import psycopg  # noqa: F401
        except ImportError:
            raise MissingExtra("PostgreSQL", "postgres") from None
        self._dsn = url
        self.url = without_password(url)
        # A reader's statements commit themselves: at READ COMMITTED a transaction around them would add two round
        # trips and no consistency. The last one used is the next one used, so that few are open when little is done.
        self._idle: dict[bool, list[Session]] = {False: [], True: []}
        self._free = {False: threading.Semaphore(POOL), True: threading.Semaphore(POOL)}
        self._local = threading.local()
        self._gate = threading.Lock()
        self._down: tuple[float, str] | None = None
        self._trying = False

    # -- connections --------------------------------------------------------------------------------------

    @contextmanager
    def _borrowed(self, write: bool) -> Iterator[Session]:
        """A connection for writing or one that is read-only. Raises StoreError; StoreBusy if all are at work for long."""
        free = self._free[write]
        if not free.acquire(timeout=POOL_WAIT_S):
            raise StoreBusy(
                f"All {POOL} connections to PostgreSQL are at work for {POOL_WAIT_S:.0f} s.", hint="try again"
            )
        try:
            session = self._take(write)
            try:
                yield session
            finally:
                self._keep(session, write)
        finally:
            free.release()

    def _take(self, write: bool) -> Session:
        idle = self._idle[write]
        while idle:
            try:
                session = idle.pop()
            except IndexError:  # another thread was faster
                break
            if not session.ended:
                return session
            session.close()  # a restart of the server has ended it
        return self._connect(write)

    def _keep(self, session: Session, write: bool) -> None:
        """Keeps a connection for the next unit, unless it broke; ends one that rests too long."""
        idle = self._idle[write]
        if not session.usable:
            session.close()
            return
        session.rest()
        idle.append(session)
        if session.used - idle[0].used > IDLE_S:
            with contextlib.suppress(IndexError):
                idle.pop(0).close()

    def _connect(self, write: bool) -> Session:
        """A new connection. While the server does not answer one thread asks it, and all others fail at once."""
        import psycopg

        from .session import Session

        with self._gate:
            if self._down is not None and (self._trying or time.monotonic() < self._down[0]):
                raise self._lost(self._down[1])
            self._trying = self._down is not None
        try:
            session = Session(**_options(self._dsn, write))
        except psycopg.OperationalError as error:
            reason = _reason(error)
            self._down = (time.monotonic() + RETRY_S, reason)
            raise self._lost(reason) from error
        finally:
            self._trying = False
        self._down = None
        return session

    def _lost(self, reason: str) -> StoreError:
        return StoreError(
            f"PostgreSQL at {self.url} does not answer: {reason}.", hint="is the server running?"
        )

    # -- units of work ------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, *, write: bool = True, label: str | None = None) -> Iterator[Db]:
        """One transaction; a savepoint inside another of the same thread."""
        if (outer := getattr(self._local, "db", None)) is not None:
            with outer.savepoint():
                yield outer
            return
        if self._ready != len(self.systems):
            self._migrate()
        with self._borrowed(write) as session:
            db = self._local.db = PostgresDb(session)
            try:
                if write:
                    with self._written(db, label):
                        yield db
                else:
                    yield db
            finally:
                self._local.db = None
        if db.signals:
            self._announce(db)

    @contextmanager
    def _written(self, db: PostgresDb, label: str | None) -> Iterator[None]:
        """BEGIN … COMMIT, or ROLLBACK on an exception."""
        db.execute("BEGIN")
        try:
            unit = journal.start(db, label) if label else None
            yield
            if unit is not None:
                journal.finish(db, unit)
            db.commit()
        except BaseException:
            db.session.roll_back()
            raise

    def _migrate(self) -> None:
        with self._borrowed(True) as session:
            db = PostgresDb(session)
            for system in ["hub", *self.systems]:
                if system not in self._migrated:
                    with self._written(db, None):
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
        """Ends every connection that is not at work."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()


def _options(dsn: str, write: bool) -> dict[str, Any]:
    """What a connection is opened with. What the URL says of the same comes last and wins."""
    from psycopg.conninfo import conninfo_to_dict

    given = {name: value for name, value in conninfo_to_dict(dsn).items() if value is not None}
    options = f"-c lock_timeout={LOCK_TIMEOUT_MS} -c statement_timeout={STATEMENT_TIMEOUT_MS}"
    if not write:
        options += " -c default_transaction_read_only=on"
    options += f" {given.pop('options', '')}"  # `?options=-csearch_path%3Dmine` picks a schema
    return {"dsn": dsn, **DEFAULTS, **given, "options": options}


def _reason(error: Exception) -> str:
    """The line of libpq's answer that says why, without the question that it puts below."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.endswith("?")]
    return lines[-1].rpartition("failed: ")[2].rstrip(".") if lines else type(error).__name__


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
    if state.startswith(("57P0", "08")) or (not state and isinstance(error, psycopg.OperationalError)):
        return StoreError(f"The connection to PostgreSQL was lost: {_reason(error)}.", hint="try again")
    if state in ("40001", "40P01"):
        return StoreError(f"PostgreSQL could not do this beside other changes: {text}.", hint="try again")
    if state == "42501":
        hint = "the role needs CREATE on its schema; ?options=-csearch_path%3Dmine in the URL names another"
        return StoreError(f"PostgreSQL refused: {text}.", hint=hint)
    return StoreError(f"PostgreSQL failed: {text}.", hint="backendhub doctor")
