"""Talking to PostgreSQL through its own programs: conninfo, secrets, one-shot queries, a held session."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from backendhub.systems.backup.models import CANNOT_CONNECT, SOURCE_FAILED, BackupError

from .base import Deadline, Dsn
from .child import Child, environment, output
from .secrets import password, pgpass, secret_file

MARK = "--backendhub-end-of-answer--"
SERVER_FOLDERS = ("/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt", "/usr/local/opt")


def ident(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal, whatever standard_conforming_strings says."""
    quoted = text.replace("'", "''")
    return " E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in quoted else "'" + quoted + "'"


def conninfo(dsn: Dsn, database: str | None = None, **extra: str) -> str:
    """A libpq connection string; names like `--help` or `a=b` are just values in it."""
    values = {"dbname": dsn.database if database is None else database, "host": dsn.host}
    values |= {"port": str(dsn.port or 5432), "user": dsn.user or ""}
    for key in (
        "sslmode",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "sslcrl",
        "channel_binding",
        "target_session_attrs",
    ):
        values[key] = dsn.params.get(key, "")
    values |= {"application_name": "backendhub", "connect_timeout": "15"} | extra
    return " ".join(f"{key}={_quoted(value)}" for key, value in values.items() if value)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def find_program(name: str, options: Mapping[str, Any], *, major: int = 0) -> str:
    """A client or server program: bin_dir=, else the newest installed one that is not older than `major`."""
    if folder := options.get("bin_dir"):
        return str(Path(str(folder), name))
    found = shutil.which(name)
    candidates = [path for base in SERVER_FOLDERS for path in Path(base).parent.glob(f"{Path(base).name}*")]
    programs = [p for c in candidates for p in (c / "bin" / name, *c.glob(f"*/bin/{name}")) if p.exists()]
    numbered = [(_major_of(program), program) for program in programs]
    fitting = sorted((number, str(program)) for number, program in numbered if number >= major)
    if found and not major:
        return found
    if fitting:
        exact = [program for number, program in fitting if number == major]
        return exact[0] if exact else fitting[-1][1]
    return found or name


def _major_of(program: Path) -> int:
    numbers = re.findall(r"(\d+)", "/".join(program.parts[-4:-2]))
    return int(numbers[-1]) if numbers else 0


@dataclass(frozen=True, slots=True)
class Access:
    """How a child gets at the server's password."""

    env: dict[str, str]
    fds: tuple[int, ...]


class Client:
    """One server and the database named in the DSN."""

    def __init__(self, dsn: Dsn, options: Mapping[str, Any]) -> None:
        self.dsn, self.options = dsn, options
        self._maintenance: str | None = None

    @contextmanager
    def access(self) -> Iterator[Access]:
        """Holds the password, if the options name one, where only children can read it."""
        secret = password(self.options)
        base = environment(PGCLIENTENCODING="UTF8", PGTZ="UTC")
        if secret is None:
            yield Access(base, ())
            return
        with secret_file(pgpass(secret)) as file:
            yield Access(base | {"PGPASSFILE": file.path}, file.fds)

    def program(self, name: str) -> str:
        """The path of a client program."""
        return find_program(name, self.options)

    def psql(
        self, sql: str, *, database: str | None = None, stop: bool = True, doing: str = "Querying"
    ) -> str:
        """Runs SQL from stdin and returns what it prints, unaligned."""
        argv = self.psql_argv(database)
        if stop:
            argv += ["-v", "ON_ERROR_STOP=1"]
        with self.access() as access:
            deadline = Deadline.after(None, stall=float(self.options.get("query_timeout", 3600)))
            with Child(
                argv,
                doing=doing,
                stdin=True,
                env=access.env,
                fds=access.fds,
                deadline=deadline,
                failed=_failed,
            ) as child:
                child.write(sql.encode())
                child.close_stdin()
                found = b"".join(child.blocks())
                child.finish()
        return found.decode().removesuffix("\n")

    def psql_argv(self, database: str | None) -> list[str]:
        """psql without start-up file, prompts or decoration."""
        where = conninfo(self.dsn, database)
        return [self.program("psql"), "-XAtqw", "-F", "\x1f", "-d", where]

    def json(self, sql: str, *, database: str | None = None) -> Any:
        """The one JSON value that a query gives."""
        return json.loads(self.psql(sql, database=database) or "null")

    def maintenance(self) -> str:
        """A database to stand in while others are created, renamed or dropped."""
        if self._maintenance is None:
            self._maintenance = str(self.options.get("maintenance") or self._reachable())
        return self._maintenance

    def _reachable(self) -> str:
        try:
            self.psql("SELECT 1", database="postgres")
        except BackupError:
            self.psql("SELECT 1", database="template1")
            return "template1"
        return "postgres"

    def exists(self, database: str) -> bool:
        """Whether the server has that database."""
        sql = f"SELECT count(*) FROM pg_database WHERE datname = {literal(database)}"
        return self.psql(sql, database=self.maintenance()) == "1"

    def versions(self) -> tuple[int, int]:
        """Major versions of the server and of pg_dump."""
        server = int(self.psql("SHOW server_version_num", doing="Connecting")) // 10000
        text = output([self.program("pg_dump"), "--version"]).decode()
        found = re.search(r"\) (\d+)", text)
        return server, int(found[1]) if found else 0


def _failed(doing: str, stderr: str, code: int) -> BackupError:
    from .child import source_failed

    problem = source_failed(doing, stderr, code)
    # psql ends with 2 exactly when the connection was refused or lost, whatever the words.
    if code == 2 and problem.exit_code == SOURCE_FAILED and "closed the connection" not in stderr:
        problem.exit_code = CANNOT_CONNECT
    return problem


class Session:
    """A psql kept open: one transaction that others (pg_dump --snapshot) can look through."""

    def __init__(self, client: Client, access: Access, deadline: Deadline | None) -> None:
        argv = [*client.psql_argv(None), "-v", "ON_ERROR_STOP=1"]
        self._child = Child(
            argv,
            doing="The snapshot's session",
            deadline=deadline,
            stdin=True,
            env=access.env,
            fds=access.fds,
            failed=_failed,
        )
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.__exit__(None, None, None)

    def ask(self, sql: str) -> list[str]:
        """Runs statements and returns the lines they print."""
        self._child.write(f"{sql}\n\\echo {MARK}\n".encode())
        end = f"{MARK}\n".encode()
        while end not in self._rest:
            data = self._child.read()
            if not data:
                self._child.finish()
                raise BackupError("The snapshot's session ended early.", SOURCE_FAILED)
            self._rest += data
        answer, _, self._rest = self._rest.partition(end)
        return answer.decode().splitlines()

    def end(self) -> None:
        """Commits, and proves that the session lived as long as the dump."""
        self.ask("COMMIT;")
        self._child.finish()


def server_account() -> str | None:
    """The account under which a throwaway server must run: PostgreSQL refuses root."""
    if not hasattr(os, "getuid") or os.getuid() != 0:
        return None
    import pwd

    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise BackupError(
        "PostgreSQL does not run as root.", CANNOT_CONNECT, hint="Run the drill as another user."
    )
