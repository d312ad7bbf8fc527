"""Talking to MariaDB and MySQL through their own programs: options, secrets, queries, loading SQL."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backendhub.systems.backup.models import CANNOT_CONNECT, SOURCE_FAILED, BackupError
from backendhub.systems.backup.streams import Reader

from .base import Deadline, Dsn
from .child import Child, environment, output
from .secrets import my_cnf, password, secret_file

PROGRAMS = {
    "client": ("mariadb", "mysql"),
    "dump": ("mariadb-dump", "mysqldump"),
    "binlog": ("mariadb-binlog", "mysqlbinlog"),
}
ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", "0": "\x00"}
SSL = ("ssl-ca", "ssl-cert", "ssl-key", "ssl-capath", "ssl-verify-server-cert", "tls-version")


def ident(name: str) -> str:
    """A name as an SQL identifier."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A text as an SQL literal that no sql_mode can misread."""
    if "\\" in text or "\x00" in text:
        return "CONVERT(x'" + text.encode().hex() + "' USING utf8mb4)"
    return "'" + text.replace("'", "''") + "'"


def _unescape(cell: str) -> str:
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), cell)


class Client:
    """One server and the database named in the DSN."""

    def __init__(self, dsn: Dsn, options: Mapping[str, Any]) -> None:
        self.dsn, self.options = dsn, options

    def program(self, kind: str) -> str:
        """The path of the client, dump or binlog program; MySQL's own first for a mysql:// DSN."""
        names = PROGRAMS[kind] if self.dsn.scheme != "mysql" else PROGRAMS[kind][::-1]
        if folder := self.options.get("bin_dir"):
            found = [str(Path(str(folder), name)) for name in names if Path(str(folder), name).exists()]
        else:
            found = [path for name in names if (path := shutil.which(name))]
        return found[0] if found else names[0]

    @contextmanager
    def command(self, kind: str, *words: str) -> Iterator[tuple[list[str], tuple[int, ...]]]:
        """The argv of a program with how to connect, and the descriptors it needs; the secret is in a file."""
        secret = password(self.options)
        dsn = self.dsn
        where = (
            [f"--socket={dsn.host}"]
            if dsn.host.startswith("/")
            else [f"--host={dsn.host}", f"--port={dsn.port}"]
        )
        if not dsn.host.startswith("/"):
            where.append("--protocol=tcp")
        if dsn.user:
            where.append(f"--user={dsn.user}")
        where += [f"--{key}={dsn.params[key]}" for key in SSL if key in dsn.params]
        if secret is None:
            yield [self.program(kind), *self.defaults(), *where, *words], ()
            return
        with secret_file(my_cnf(secret)) as file:
            yield [self.program(kind), f"--defaults-extra-file={file.path}", *where, *words], file.fds

    def defaults(self) -> list[str]:
        """What must come first: `no_defaults` keeps a throwaway server apart from the user's option files."""
        return ["--no-defaults"] if self.options.get("no_defaults") else []

    def sql(self, text: str, *, database: str | None = None, doing: str = "Querying") -> list[list[str]]:
        """Runs statements and returns their rows as text."""
        words = ["--batch", "--skip-column-names", "--default-character-set=utf8mb4", "--connect-timeout=15"]
        if database is not None:
            words.append(f"--database={database}")
        deadline = Deadline.after(None, stall=float(self.options.get("query_timeout", 3600)))
        with (
            self.command("client", *words) as (argv, fds),
            Child(argv, doing=doing, stdin=True, fds=fds, deadline=deadline, failed=failed) as child,
        ):
            child.write(text.encode())
            child.close_stdin()
            found = b"".join(child.blocks()).decode()
            child.finish()
        return [[_unescape(cell) for cell in line.split("\t")] for line in found.split("\n")[:-1]]

    def value(self, text: str) -> str:
        """The first cell of a query, or nothing."""
        rows = self.sql(text)
        return rows[0][0] if rows else ""

    def load(self, database: str, readers: Iterable[Reader], deadline: Deadline | None) -> None:
        """Feeds a dump to the client; the first error ends it."""
        words = ["--binary-mode", "--default-character-set=utf8mb4", "--max-allowed-packet=1G"]
        with (
            self.command("client", *words, f"--database={database}") as (argv, fds),
            Child(
                argv, doing="Restoring", stdin=True, stdout=False, fds=fds, deadline=deadline, failed=failed
            ) as child,
        ):
            for reader in readers:
                while data := reader.read(1 << 20):
                    child.write(data)
            child.finish()

    def exists(self, database: str) -> bool:
        """Whether the server has that database."""
        name = literal(database)
        return bool(self.value(f"SELECT 1 FROM information_schema.schemata WHERE schema_name = {name}"))

    def is_mariadb(self) -> bool:
        """Whether the server is MariaDB and not MySQL."""
        return "MariaDB" in self.value("SELECT version()")

    def variables(self, *names: str) -> dict[str, str]:
        """Global variables that the server has, by name."""
        wanted = ", ".join(f"'{name}'" for name in names)
        return {
            name: value
            for name, value in self.sql(f"SHOW GLOBAL VARIABLES WHERE variable_name IN ({wanted})")
        }


def failed(doing: str, stderr: str, code: int) -> BackupError:
    """21, unless the server was never reached or refused: 20."""
    from .child import source_failed

    # The client repeats the whole statement before its error; people want the error.
    errors = "\n".join(line for line in stderr.splitlines() if line.startswith("ERROR "))
    said = errors or stderr
    problem = source_failed(doing, said, code)
    if re.search(r"\b(2013|2006)\b|Lost connection|gone away", said) and "initial communication" not in said:
        problem.exit_code = SOURCE_FAILED
    elif re.search(r"\b(1044|1045|1049|1142|1227|2002|2003|2005)\b", said):
        problem.exit_code = CANNOT_CONNECT
    return problem


def is_mariadb_program(path: str) -> bool:
    """Whether a client program is MariaDB's; its options differ from MySQL's."""
    return b"MariaDB" in output([path, "--version"])


def utc_environment() -> dict[str, str]:
    """mariadb-binlog reads --stop-datetime in the local zone: make it UTC."""
    return environment(TZ="UTC")


def names(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column."""
    return [row[0] for row in rows]
