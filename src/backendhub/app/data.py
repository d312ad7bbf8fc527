"""`backendhub data`: the store as a plain database, to look into, to fill from files and to write out."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from backendhub import registry
from backendhub.kit import cli, hub
from backendhub.kit.db import Db
from backendhub.kit.errors import Denied, HubError, Invalid, NotFound

if TYPE_CHECKING:
    from sqlite_utils import Database

app = cli.commands(
    "data",
    "The store as a plain database: query it, import files into it, export tables of it.",
    examples=(
        'backendhub data query "SELECT status, count(*) AS n FROM task GROUP BY status"',
        "backendhub data import people.csv --table people",
        "backendhub data export task --format json",
    ),
)
COMMANDS = {"data": app}
FORMATS = ("csv", "tsv", "json", "ndjson")
NAME = r"[A-Za-z_][A-Za-z0-9_]{0,62}"
Row = dict[str, Any]


@app.command(empty="No rows.")
def query(
    sql: Annotated[str, Argument(help="One SQL statement; - reads it from stdin.", metavar="SQL")],
    write: Annotated[bool, Option("--write", help="Allow it to change the store.")] = False,
) -> list[Row]:
    """Run SQL on the store, read-only unless --write is given."""
    text = sys.stdin.read() if sql == "-" else sql
    if not text.strip():
        raise Invalid("The SQL is empty.", hint="backendhub data query --help")
    return hub.unit(_select, text) if write else hub.read(_select_only, text)


@app.command("schema", undoable=False, empty="The store has no tables yet.")
def schema(
    table: Annotated[str | None, Argument(help="One table: its columns.", metavar="TABLE")] = None,
) -> list[Row]:
    """The tables of the store with their row counts, or the columns of one."""
    return hub.read(_columns, table) if table else hub.read(_tables)


@app.command(
    "import",
    says="{0[added]} rows imported into {0[table]}",
    examples=("backendhub data import people.csv --table people --pk email",),
)
def import_(
    file: Annotated[str, Argument(help="CSV, TSV, JSON or NDJSON; - is stdin.", metavar="FILE")],
    table: Annotated[str, Option(help="The table to fill; it is made where there is none.")],
    format: Annotated[str | None, Option("--format", help="csv, tsv, json or ndjson.")] = None,
    pk: Annotated[
        str | None, Option(help="Primary key of a new table; an old row with it is replaced.")
    ] = None,
    force: Annotated[bool, Option("--force", help="Even into a table that belongs to a system.")] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="Check everything, change nothing.")] = False,
) -> Row | None:
    """Load the rows of a file into a table, all or none."""
    _check_target(table, force=force)
    raw = _bytes(file)
    kind = _kind(format, file, raw)
    result = (hub.rehearse if dry_run else hub.unit)(_insert, table, raw, kind, pk)
    if dry_run:
        hub.output().note(f"{result['added']} rows would be imported into {table}; nothing was changed.")
        return None
    return result


@app.command(undoable=False, examples=("backendhub data export task --format json > task.json",))
def export(
    table: Annotated[str, Argument(help="The table.", metavar="TABLE")],
    format: Annotated[str, Option("--format", help="csv, json or ndjson.")] = "csv",
) -> None:
    """Write a table to stdout as a file; JSON keeps types, CSV escapes spreadsheet formulas."""
    if format not in ("csv", "json", "ndjson"):
        raise Invalid(f"There is no format {format!r}.", hint="choose from csv, json, ndjson")
    rows = hub.read(_export, table)
    output = hub.output()
    output.asked = format
    output.show(rows, list(hub.read(_names, table)))


# -- reading ----------------------------------------------------------------------------------------------


def _select(db: Db, sql: str) -> list[Row]:
    """The rows of one statement as objects; columns of the same name are numbered."""
    # The seven verbs do not tell column names: below them is the driver's own connection.
    connection: Any = getattr(getattr(db, "session", db), "connection")  # noqa: B009
    try:
        if db.dialect == "postgres":  # prepared: the server then refuses several statements
            cursor = connection.execute(sql, prepare=True)
        else:
            cursor = connection.execute(sql)
        if cursor.description is None:
            return [{"changed": max(cursor.rowcount, 0)}]
        names = _distinct([column[0] for column in cursor.description])
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except HubError:
        raise
    except Exception as error:
        if type(error).__module__.partition(".")[0] in ("sqlite3", "psycopg"):
            raise Invalid(f"The SQL fails: {str(error).splitlines()[0]}.") from error
        raise


def _select_only(db: Db, sql: str) -> list[Row]:
    if db.dialect == "postgres":
        return _select(db, sql)  # the transaction is read-only already
    db.run("PRAGMA query_only=ON")
    try:
        return _select(db, sql)
    except Invalid as error:
        if "readonly" in error.message:
            raise Invalid("That SQL would change the store.", hint="add --write") from error
        raise
    finally:
        db.run("PRAGMA query_only=OFF")


def _distinct(names: list[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        fresh, number = name, 2
        while fresh in found:
            fresh, number = f"{name}_{number}", number + 1
        found.append(fresh)
    return found


_TABLES = {
    "sqlite": (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
        "ORDER BY name"
    ),
    "postgres": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename",
}
_COLUMNS = {
    "sqlite": 'SELECT name, type, "notnull", pk, dflt_value FROM pragma_table_info(:table)',
    "postgres": (
        "SELECT c.column_name, c.data_type, c.is_nullable = 'NO', coalesce(k.ordinal_position, 0), "
        "c.column_default FROM information_schema.columns c "
        "LEFT JOIN information_schema.table_constraints t ON t.table_schema = c.table_schema "
        "AND t.table_name = c.table_name AND t.constraint_type = 'PRIMARY KEY' "
        "LEFT JOIN information_schema.key_column_usage k ON k.constraint_name = t.constraint_name "
        "AND k.table_schema = c.table_schema AND k.column_name = c.column_name "
        "WHERE c.table_schema = current_schema() AND c.table_name = :table ORDER BY c.ordinal_position"
    ),
}


def _tables(db: Db) -> list[Row]:
    names = [row[0] for row in db.fetch(_TABLES[db.dialect], {})]
    return [
        {"table": n, "rows": db.value(f"SELECT count(*) FROM {_quoted(n)}"), "system": owner(n)}
        for n in names
    ]


def _names(db: Db, table: str) -> list[str]:
    return [row["column"] for row in _columns(db, table)]


def _columns(db: Db, table: str) -> list[Row]:
    keys = ("column", "type", "required", "key", "default")
    found = db.fetch(_COLUMNS[db.dialect], {"table": table})
    if not found:
        known = [row[0] for row in db.fetch(_TABLES[db.dialect], {})]
        error = cli.unknown("table", table, table, known, "data schema")
        raise NotFound(error.message, hint=error.hint)
    rows = [dict(zip(keys, row, strict=True)) for row in found]
    return [row | {"required": bool(row["required"]), "key": bool(row["key"])} for row in rows]


def _export(db: Db, table: str) -> list[Row]:
    names = _names(db, table)
    picked = ", ".join(map(_quoted, names))
    return _select(db, f"SELECT {picked} FROM {_quoted(table)}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def owner(table: str) -> str | None:
    """The system that a table belongs to by its prefix, None for a table of the user's own."""
    names = ("hub", "sqlite", *(s.name for s in registry.SYSTEMS))
    for name in sorted(names, key=len, reverse=True):  # `task_board_x` is task-board's, not task's
        prefix = name.replace("-", "_")
        if table.lower() == prefix or table.lower().startswith(prefix + "_"):
            return name
    return None


# -- writing ----------------------------------------------------------------------------------------------


def _check_target(table: str, *, force: bool) -> None:
    import re

    if not re.fullmatch(NAME, table):
        raise Invalid(f"{table!r} is not a table name.", hint="letters, digits and _, at most 63")
    if (system := owner(table)) in ("hub", "sqlite"):
        raise Denied(f"The table {table} belongs to the store itself.")
    if system is not None and not force:
        raise Denied(
            f"The table {table} belongs to {system}, whose rules an import would pass by.",
            hint=f"backendhub {system} import, another --table, or --force",
        )


def _bytes(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except FileNotFoundError:
        raise NotFound(f"There is no file {file}.") from None
    except OSError as error:
        raise Invalid(f"The file {file} cannot be read: {error.strerror}.") from None


def _kind(format: str | None, file: str, raw: bytes) -> str:
    """The format that was named, or that the file's name or first character tells. Raises Invalid."""
    if format is not None:
        if format not in FORMATS:
            raise Invalid(f"There is no format {format!r}.", hint="choose from " + ", ".join(FORMATS))
        return format
    suffix = file.rsplit(".", 1)[-1].lower()
    if kind := {"csv": "csv", "tsv": "tsv", "json": "json", "ndjson": "ndjson", "jsonl": "ndjson"}.get(
        suffix
    ):
        return kind
    start = raw.lstrip()[:1]
    if start in (b"[", b"{"):
        return "json" if start == b"[" else "ndjson"
    first = raw.split(b"\n", 1)[0]
    return "tsv" if first.count(b"\t") > first.count(b",") else "csv"


def _insert(db: Db, table: str, raw: bytes, kind: str, pk: str | None) -> Row:
    import sqlite3

    from sqlite_utils import Database
    from sqlite_utils.utils import TypeTracker

    if db.dialect != "sqlite":
        raise Invalid(
            "Files are imported into SQLite stores only.", hint="psql: \\copy TABLE FROM FILE CSV HEADER"
        )
    connection: Any = getattr(db, "connection")  # noqa: B009
    database: Database = Database(connection, recursive_triggers=False, execute_plugins=False)
    rows = _rows(raw, kind)
    if not rows:
        return {"table": table, "added": 0}
    tracker = TypeTracker()
    target: Any = database[table]
    new = not target.exists()
    source = list(tracker.wrap(rows)) if kind in ("csv", "tsv") else rows
    if pk is not None and pk not in source[0]:
        raise Invalid(f"The file has no column {pk!r}.", hint="its columns: " + ", ".join(source[0]))
    options: dict[str, Any] = {"pk": pk, "replace": True} if pk else {}
    if new and kind in ("csv", "tsv"):
        types = {"integer": int, "float": float}
        options["columns"] = {name: types.get(kind_, str) for name, kind_ in tracker.types.items()}
    try:
        target.insert_all(source, **options)
    except sqlite3.Error as error:
        raise Invalid(
            f"The rows do not fit {table}: {error}.", hint=f"backendhub data schema {table}"
        ) from error
    return {"table": table, "added": len(source)}


def _rows(raw: bytes, kind: str) -> list[Row]:
    """The rows of a file. Raises Invalid for what cannot be read."""
    import csv
    import json

    from sqlite_utils.utils import Format, RowError, RowsFromFileBadJSON, rows_from_file

    formats = {"csv": Format.CSV, "tsv": Format.TSV, "json": Format.JSON, "ndjson": Format.NL}
    try:
        found, _ = rows_from_file(io.BytesIO(raw), format=formats[kind])
        rows = list(found)
    except (
        json.JSONDecodeError,
        RowsFromFileBadJSON,
        RowError,
        csv.Error,
        UnicodeDecodeError,
        RecursionError,
    ) as error:
        raise Invalid(
            f"The file is not {kind.upper()}: {error}.", hint="name its format with --format"
        ) from None
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise Invalid(f"Row {number} is not an object.")
        if None in row.values() and kind in ("csv", "tsv"):
            raise Invalid(f"Row {number} has fewer values than there are columns.")
    return rows
