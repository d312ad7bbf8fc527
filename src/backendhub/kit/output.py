"""Where everything a command returns is rendered: a table for people, TSV for pipes, JSON, NDJSON, CSV.

Data goes to stdout; notes, progress and errors to stderr. Text that came from elsewhere cannot steer the
terminal: control and bidirectional characters are taken out of everything but JSON, which escapes them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from enum import Enum
from operator import attrgetter
from typing import IO, Any, NoReturn

from backendhub.kit import clock
from backendhub.kit.errors import HubError, Invalid, MissingExtra

FORMATS = ("table", "plain", "json", "ndjson", "csv")
# C0 (but not newline and tab), DEL, C1, and the marks that reorder or hide text (CWE-150, CVE-2021-42574).
CONTROL = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
ANSI = (
    "\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[PX^_][^\x1b]*(?:\x1b\\\\)?|[@-Z\\\\-_])"
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def clean(text: str) -> str:
    """Text that cannot steer a terminal: whole escape sequences go, then single control characters."""
    if text.isprintable():
        return text
    return re.sub(CONTROL, "", re.sub(ANSI, "", text))


def camel(name: str) -> str:
    """`created_at` as JSON spells it: `createdAt`."""
    head, *tail = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in tail)


def plain(value: Any) -> Any:
    """A record, or anything made of records, as JSON-ready values with camelCase keys.

    A record with a method `as_json()` speaks for itself.
    """
    if value is None or (isinstance(value, (str, int, float)) and not isinstance(value, Enum)):
        return value
    if hasattr(value, "as_json"):
        return plain(value.as_json())
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return clock.iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "__dataclass_fields__"):
        return {camel(f): plain(getattr(value, f)) for f in value.__dataclass_fields__}
    if hasattr(value, "_asdict"):
        return {camel(k): plain(v) for k, v in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


def dumps(value: Any, *, indent: int | None = None, compact: bool = False) -> str:
    """JSON of anything `plain` understands; control characters beyond ASCII are escaped too."""
    import json

    separators = (",", ":") if compact else None
    text = json.dumps(plain(value), ensure_ascii=False, indent=indent, separators=separators)
    return (
        text
        if text.isascii() and "\x7f" not in text
        else re.sub(CONTROL, lambda m: f"\\u{ord(m[0]):04x}", text)
    )


class Output:
    """One command's output. `format=None` means a table on a terminal and plain text in a pipe."""

    def __init__(
        self,
        format: str | None = None,
        *,
        fields: Sequence[str] | None = None,
        jq: str | None = None,
        color: str = "auto",
        quiet: bool = False,
        stdout: IO[str] | None = None,
        stderr: IO[str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        if format is not None and format not in FORMATS:
            raise Invalid(f"There is no format {format!r}.", hint="choose from " + ", ".join(FORMATS))
        if color not in ("auto", "always", "never"):
            raise Invalid(f"--color takes auto, always or never, not {color!r}.")
        self.asked = format
        self.fields = fields
        self.jq = jq
        self.color = color
        self.quiet = quiet
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self.environ = os.environ if environ is None else environ

    @property
    def format(self) -> str:
        """The format in force."""
        if self.asked:
            return self.asked
        if self.jq:
            return "json"
        return "table" if self.stdout.isatty() else "plain"

    @property
    def structured(self) -> bool:
        """Whether a program reads this (JSON of some kind)."""
        return self.format in ("json", "ndjson")

    def colored(self, stream: IO[str]) -> bool:
        """`--color`, then NO_COLOR, then FORCE_COLOR and CLICOLOR_FORCE, then whether it is a terminal."""
        if self.color != "auto":
            return self.color == "always"
        if self.environ.get("NO_COLOR"):
            return False
        if self.environ.get("FORCE_COLOR") or self.environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
            return True
        return stream.isatty() and self.environ.get("TERM") != "dumb"

    # -- data --------------------------------------------------------------------------------------------

    def show(self, value: Any, columns: Sequence[str] | None = None, *, empty: str | None = None) -> None:
        """Renders a record, a list of records or a text. `columns` are the field names a table shows;
        `empty` is the note for a person where there is nothing."""
        if value is None:
            return
        if isinstance(value, str) and not self.structured:
            self.line(value)
        elif self.format == "json":
            self._json(value)
        elif self.format == "ndjson":
            for item in _items(value):
                self._write(dumps(self._pick(item)) + "\n")
        else:
            self._rows(value, columns, empty)

    def line(self, text: str) -> None:
        """One line of text on stdout, cleaned."""
        self._write(clean(text) + "\n")

    def raw(self, text: str) -> None:
        """Text that is already a document (an exported file), byte for byte."""
        self._write(text)

    def _json(self, value: Any) -> None:
        if isinstance(value, Iterator):
            value = list(value)
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            data: Any = [self._pick(item) for item in value]
        else:
            data = self._pick(value)
        if self.jq:
            for text in _jq(self.jq, data):
                self._write(text + "\n")
        else:
            self._write(dumps(data, indent=2 if self.stdout.isatty() else None) + "\n")

    def _pick(self, item: Any) -> Any:
        data = plain(item)
        if not self.fields or not isinstance(data, dict):
            return data
        return {name: data[name] for name in _known(self.fields, data)}

    def _rows(self, value: Any, columns: Sequence[str] | None, empty: str | None) -> None:
        items = _items(value)
        if not items:
            if empty and self.format == "table":
                self.note(empty)
            if self.format == "csv" and (names := self.fields or columns):
                self._csv([camel(n) for n in names], [])
            return
        names, pick = _getters(items[0], self.fields or columns)
        if self.format == "csv":
            self._csv(names, map(pick, items))
        elif self.format == "table":
            if len(items) == 1 and not isinstance(value, (list, tuple)):
                self._card(names, list(pick(items[0])))
            else:
                self._table(names, map(pick, items))
        else:
            self._write("".join(["\t".join(map(tsv_cell, pick(item))) + "\n" for item in items]))

    def _csv(self, header: list[str], rows: Iterable[Iterable[Any]]) -> None:
        import csv

        writer = csv.writer(self.stdout, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow([csv_cell(v) for v in row])

    def _table(self, header: list[str], rows: Iterable[Iterable[Any]]) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
        body = [[cell(v) for v in row] for row in rows]
        values = list(zip(*body, strict=True)) or [()] * len(header)
        for name, column in zip(header, values, strict=True):
            numeric = bool(column) and all(re.fullmatch(r"-?[$€£¥]?[\d., ]*\d%?|–|", c) for c in column)
            table.add_column(_title(name), justify="right" if numeric else "left", overflow="fold")
        for line in body:
            table.add_row(*(Text(c) for c in line))
        self._console(self.stdout).print(table)

    def _card(self, header: list[str], row: list[Any]) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for name, value in zip(header, row, strict=True):
            table.add_row(_title(name), Text(cell(value)))
        self._console(self.stdout).print(table)

    def _console(self, stream: IO[str], *, moving: bool = False) -> Any:
        from rich.console import Console

        color = self.colored(stream)
        return Console(
            file=stream,
            force_terminal=color or moving,  # `no_color` alone would leave bold
            no_color=not color,
            highlight=False,
            markup=False,
            emoji=False,
        )

    def _write(self, text: str) -> None:
        self.stdout.write(text)

    # -- everything that is not data ---------------------------------------------------------------------

    def note(self, text: str) -> None:
        """A remark for a person, on stderr; silent under --quiet."""
        if not self.quiet:
            self.stderr.write(clean(text) + "\n")

    def warn(self, text: str) -> None:
        """A warning on stderr; not silenced."""
        self.stderr.write(clean(f"Warning: {text}") + "\n")

    def fail(self, error: HubError) -> None:
        """An error on stderr: one line and a hint, or under JSON one object."""
        if self.structured:
            body = {"code": error.code, "message": error.message, "hint": error.hint}
            self.stderr.write(dumps({"error": body}) + "\n")
            return
        lead = "\x1b[31mError:\x1b[0m" if self.colored(self.stderr) else "Error:"
        self.stderr.write(f"{lead} {clean(error.message)}\n")
        if error.hint:
            self.stderr.write(f"Hint: {clean(error.hint)}\n")

    @contextmanager
    def progress(self, text: str, total: float | None = None) -> Iterator[Callable[[float], None]]:
        """A progress bar on a terminal's stderr for anything that may last over a second; nothing elsewhere.

        Gives a function that is called with the amount done since the last call.
        """
        if self.quiet or not self.stderr.isatty():
            yield lambda amount: None
            return
        from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

        columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn()]
        if total is not None:  # of an unknown whole there is no percentage
            columns += [TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn()]
        with Progress(*columns, console=self._console(self.stderr, moving=True), transient=True) as bar:
            job = bar.add_task(clean(text), total=total)
            yield lambda amount: bar.advance(job, amount)


def cell(value: Any) -> str:
    """A value as a person or a script reads it in a column."""
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value.value if isinstance(value, Enum) else value)
    if value.__class__ is int:
        return str(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ",".join(cell(v) for v in value)
    if hasattr(value, "as_cell"):
        return clean(str(value.as_cell()))
    data = plain(value)
    return clean(dumps(data) if isinstance(data, (dict, list)) else str(data))


def tsv_cell(value: Any) -> str:
    """A value in a pipe: no tab or newline, so that a row stays a line."""
    if value is None:
        return ""
    if value.__class__ is not str:
        value = cell(value)
    return value if value.isprintable() else clean(value).replace("\t", " ").replace("\n", " ")


def csv_cell(value: Any) -> str:
    """A CSV cell that a spreadsheet takes as text: formulas get a leading apostrophe (CWE-1236)."""
    text = cell(value)
    if text.startswith(FORMULA) and not _is_number(text):
        return "'" + text
    return text


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+(\.\d+)?", text) is not None


def _title(name: str) -> str:
    if name == "id":
        return "ID"
    return re.sub(r"(?<=[a-z])([A-Z])", r" \1", name).replace("_", " ").capitalize()


def _items(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return list(value)
    return list(value) if isinstance(value, Iterator) else [value]


def _getters(item: Any, names: Sequence[str] | None) -> tuple[list[str], Callable[[Any], Iterable[Any]]]:
    """The columns and a function that takes them from an item (all of its fields where none are asked for)."""
    attributes: dict[str, str] = {}
    if hasattr(item, "as_json") or isinstance(item, Mapping):
        keys = {camel(str(key)): str(key) for key in _mapping(item)}
        chosen = _known([camel(n) for n in names], keys) if names else list(keys)
        return list(chosen), lambda row: [_mapping(row).get(keys[name]) for name in chosen]
    found = getattr(item, "__dataclass_fields__", None) or getattr(item, "_fields", None)
    if found is None:
        return ["value"], lambda row: [row]
    for name in (*found, *(n for n in names or () if hasattr(type(item), n))):  # properties on request
        attributes[camel(name)] = name
    chosen = _known([camel(n) for n in names], attributes) if names else list(attributes)
    if len(chosen) == 1:
        return list(chosen), lambda row: [getattr(row, attributes[chosen[0]])]
    return list(chosen), attrgetter(*(attributes[name] for name in chosen))


def _mapping(item: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = item.as_json() if hasattr(item, "as_json") else item
    return found


def _known(names: Sequence[str], data: Mapping[str, Any]) -> Sequence[str]:
    if unknown := [n for n in names if n not in data]:
        raise Invalid(f"There is no field {unknown[0]!r}.", hint="choose from " + ", ".join(data))
    return names


def _jq(expression: str, data: Any) -> list[str]:
    try:
        import jq
    except ImportError:
        raise MissingExtra("--jq", "jq") from None
    try:
        results = jq.compile(expression).input_value(data).all()
    except ValueError as error:
        raise Invalid(f"The jq expression fails: {error}.") from error
    return [r if isinstance(r, str) else dumps(r) for r in results]


def flush_and_exit(code: int) -> NoReturn:
    """Ends the process without Python's tear-down, which costs more than most commands do."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
