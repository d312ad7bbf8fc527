"""The SQLite worker: runs in a process of its own because apsw brings its own copy of SQLite.

Two copies in one process on one file lose each other's POSIX locks, which can corrupt the file. Talks to its
parent in frames on stdout: a type byte, a big-endian length, the payload. `P` pages in order from page 2,
`1` page 1 (SQLite finishes it last), `J` a JSON report, `E` a JSON error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw

from .sqlite_pages import Out, begin, connect, read_file, read_pages, value


def findings(connection: apsw.Connection) -> list[str]:
    """What quick_check says; empty when the file is well."""
    try:
        said = [str(row[0]) for row in connection.execute("PRAGMA quick_check(20)")]
    except apsw.CorruptError as problem:
        return [str(problem)]
    return [] if said == ["ok"] else said


def objects(connection: apsw.Connection) -> dict[str, str]:
    """The tables and views by name, with their kind; a damaged schema has none."""
    with suppress(apsw.CorruptError):
        rows = connection.execute("SELECT name, type FROM pragma_table_list WHERE schema = 'main'")
        return {name: kind for name, kind in rows if not name.startswith("sqlite_")}
    return {}


def dump(out: Out, path: str, timeout: float, check: bool) -> None:
    """One read transaction: checked, described and copied page by page."""
    source = connect(path, timeout)
    quiet = begin(source, path)
    # Never closed: closing any descriptor of a file drops the locks that this process has on it (POSIX).
    file = os.open(path, os.O_RDONLY) if quiet else -1
    page_size = value(source, "PRAGMA page_size")
    out.report(b"J", {"page_size": page_size})
    bad = findings(source) if check else []
    about = {
        "journal_mode": value(source, "PRAGMA journal_mode"),
        "encoding": value(source, "PRAGMA encoding"),
        "user_version": value(source, "PRAGMA user_version"),
        "objects": objects(source),
        "findings": bad,
        "sqlite": apsw.sqlite_lib_version(),
    }
    pages = value(source, "PRAGMA page_count")
    if not (quiet and read_file(out, file, page_size, pages)):
        pages = read_pages(out, source, page_size)
    out.report(b"J", about | {"pages": pages})


def check(out: Out, path: str, timeout: float) -> None:
    """quick_check and the objects of a file."""
    connection = connect(path, timeout)
    connection.execute("BEGIN")
    wal = value(connection, "PRAGMA journal_mode") == "wal"
    out.report(b"J", {"findings": findings(connection), "objects": objects(connection), "wal": wal})


def retire(out: Out, path: str, timeout: float) -> None:
    """Folds the log back into a database that will be replaced; fails while anybody has it open in WAL mode."""
    connection = connect(path, timeout, write=True)
    if value(connection, "PRAGMA journal_mode") == "wal":
        value(connection, "PRAGMA journal_mode = DELETE")
    connection.execute("BEGIN EXCLUSIVE; COMMIT")
    out.report(b"J", {"empty": not objects(connection)})


def inventory(out: Out, path: str, timeout: float) -> None:
    """Tables with their number of rows, in one transaction."""
    connection = connect(path, timeout)
    connection.execute("BEGIN")
    found = {}
    for name, kind in objects(connection).items():
        rows = None if kind == "view" else value(connection, f"SELECT count(*) FROM {quoted(name)}")
        found[name] = {"kind": kind} | ({} if rows is None else {"rows": rows})
    out.report(b"J", found)


def query(out: Out, path: str, timeout: float, statements: list[str]) -> None:
    """Runs checks read-only: the first cell of each, or the error."""
    connection = connect(path, timeout)
    connection.execute("PRAGMA query_only = ON")
    answers: list[dict[str, Any]] = []
    for statement in statements:
        try:
            found = value(connection, statement)
            answers.append({"value": found if not isinstance(found, bytes) else found.hex()})
        except apsw.Error as problem:
            answers.append({"error": str(problem)})
    out.report(b"J", answers)


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def copy(out: Out, path: str, timeout: float, source: str, tables: list[str], replace: bool) -> None:
    """Copies tables with indexes, triggers and shadow tables from `source` into a live file, or nothing."""
    create = not Path(path).exists()
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    target = apsw.Connection(path, flags=flags)
    target.set_busy_timeout(int(timeout * 1000))
    target.execute("PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF; ATTACH ? AS aside", (source,))
    target.execute("BEGIN IMMEDIATE")
    here, there = objects(target), _kinds(target, "aside")
    if absent := [name for name in tables if name not in there]:
        raise LookupError(f"not in the backup: {', '.join(absent)}")
    if not replace and (taken := [name for name in tables if name in here]):
        raise FileExistsError(f"already in the target: {', '.join(taken)}")
    for name in tables:
        if name in here:
            target.execute(f"DROP {'VIEW' if here[name] == 'view' else 'TABLE'} main.{quoted(name)}")
        _copy_table(target, name, there)
    # A renumbered or missing parent row is for the operator to know, not for us to refuse.
    broken = [row[0] for name in tables for row in _foreign(target, name, there[name])]
    target.execute("COMMIT")
    out.report(b"J", {"foreign_key_violations": len(broken)})


def _kinds(connection: apsw.Connection, schema: str) -> dict[str, str]:
    rows = connection.execute("SELECT name, type FROM pragma_table_list WHERE schema = ?", (schema,))
    return {name: kind for name, kind in rows if not name.startswith("sqlite_")}


def _foreign(connection: apsw.Connection, name: str, kind: str) -> Iterator[tuple[Any, ...]]:
    if kind == "table":
        yield from connection.execute(f"PRAGMA main.foreign_key_check({quoted(name)})")


def _copy_table(target: apsw.Connection, name: str, there: dict[str, str]) -> None:
    definitions = list(
        target.execute(
            "SELECT type, sql FROM aside.sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL"
            " ORDER BY type = 'trigger', type = 'index'",
            (name,),
        )
    )
    for kind, sql in definitions:
        if kind in ("table", "view"):
            target.execute(sql)
    if there[name] == "virtual":
        shadows = [n for n, k in there.items() if k == "shadow" and n.startswith(name + "_")]
        for shadow in shadows:
            target.execute(f"DELETE FROM main.{quoted(shadow)}")
            _copy_rows(target, shadow)
    elif there[name] != "view":
        _copy_rows(target, name)
    for kind, sql in definitions:
        if kind in ("index", "trigger"):
            target.execute(sql)
    if value(target, "SELECT 1 FROM aside.sqlite_schema WHERE name = 'sqlite_sequence'") and value(
        target, "SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence'"
    ):
        target.execute("DELETE FROM main.sqlite_sequence WHERE name = ?", (name,))
        target.execute(
            "INSERT INTO main.sqlite_sequence SELECT * FROM aside.sqlite_sequence WHERE name = ?", (name,)
        )


def _copy_rows(target: apsw.Connection, name: str) -> None:
    info = list(target.execute("SELECT name, type, pk, hidden FROM pragma_table_xinfo(?, 'aside')", (name,)))
    columns = [quoted(column) for column, _, _, hidden in info if hidden == 0]
    taken = {column.lower() for column, *_ in info}
    alias = next((word for word in ("rowid", "_rowid_", "oid") if word not in taken), None)
    without_rowid = value(
        target, f"SELECT wr FROM pragma_table_list WHERE schema = 'aside' AND name = {literal(name)}"
    )
    if alias and not without_rowid:
        columns.insert(0, alias)
    names = ", ".join(columns)
    target.execute(f"INSERT INTO main.{quoted(name)} ({names}) SELECT {names} FROM aside.{quoted(name)}")


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def is_wal(path: str) -> bool:
    """Whether the header says write-ahead log; read only after SQLite has given up on the file."""
    with suppress(OSError), Path(path).open("rb") as file:
        return file.read(20)[18:20] == b"\x02\x02"
    return False


COMMANDS: dict[str, Callable[..., None]] = {
    "dump": dump,
    "check": check,
    "retire": retire,
    "inventory": inventory,
    "query": query,
    "copy": copy,
}


def main() -> int:
    """Runs one command given as a JSON array on stdin: name, then arguments."""
    request = json.loads(sys.stdin.buffer.read())
    out = Out()
    try:
        COMMANDS[request[0]](out, *request[1:])
    except apsw.Error as problem:
        code = getattr(problem, "extendedresult", 0)
        error = {"kind": type(problem).__name__, "code": code, "text": str(problem)}
        out.report(b"E", error | {"wal": is_wal(request[1])})
        return 1
    except (LookupError, FileExistsError) as problem:
        out.report(b"E", {"kind": type(problem).__name__, "code": 0, "text": str(problem.args[0])})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
