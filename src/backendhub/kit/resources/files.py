"""Data sets from files: a db.json, JSON lists and CSV tables, a folder of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from backendhub.kit.errors import Conflict, Invalid, NotFound

from . import values

JSON = (".json",)
TABLES = {".csv": ",;|\t", ".tsv": "\t"}
SUFFIXES = (*JSON, *TABLES)


def expand(paths: Iterable[str]) -> list[Path]:
    """The files that are named, those of folders included. Raises NotFound, Invalid."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
            if not inside:
                raise Invalid(f"There is no JSON or CSV file in {path}.")
            found += inside
        elif not path.exists():
            raise NotFound(f"There is no file {path}.")
        elif path.suffix.lower() not in SUFFIXES:
            raise Invalid(
                f"{path} is no data file.", hint="name .json, .csv or .tsv files, or a folder of them"
            )
        else:
            found.append(path)
    return found


def digest(paths: Sequence[Path]) -> str:
    """A hash of names and contents, to see whether files have changed."""
    total = sha256()
    for path in paths:
        content = _bytes(path)
        total.update(f"{path.name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def read(paths: Sequence[Path]) -> dict[str, Any]:
    """What files hold, by resource. Raises Invalid for what cannot be read, Conflict for a name given twice."""
    found: dict[str, Any] = {}
    for path in paths:
        for name, content in _read(path).items():
            if name in found and name != "$schema":
                raise Conflict(f"Two files have a resource {name!r}.", hint=f"one of them is {path}")
            found[name] = content
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        text = _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(f"{path} is not UTF-8 text.") from None
    if path.suffix.lower() in TABLES:
        return {path.stem: table(text, TABLES[path.suffix.lower()], str(path))}
    if not text.strip():
        return {}
    try:
        content = values.read(text)
    except Invalid as error:
        raise Invalid(f"{path}: {error.message}") from None
    if isinstance(content, list):
        return {path.stem: content}
    if not isinstance(content, dict):
        raise Invalid(f"{path} holds neither an object nor a list.")
    # An object of plain values in a file of its own is one resource: profile.json
    is_set = any(isinstance(value, (list, dict)) for value in content.values()) or not content
    return content if is_set else {path.stem: content}


def table(text: str, delimiters: str, name: str) -> list[dict[str, Any]]:
    """The rows of a CSV text (RFC 4180) with a header; columns of numbers or truth values become those.

    Raises Invalid for a table without names for its columns, or with a row that is too long.
    """
    first = text.split("\n", 1)[0]
    delimiter = max(delimiters, key=first.count)
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    if not rows or len(set(rows[0])) < len(rows[0]) or "" in rows[0]:
        raise Invalid(f"{name}: the first line has to name each column, and each differently.")
    if any(len(row) > len(rows[0]) for row in rows):
        raise Invalid(f"{name}: a line has more fields than the first.")
    columns = [_typed([row[i] if i < len(row) else "" for row in rows[1:]]) for i in range(len(rows[0]))]
    return [dict(zip(rows[0], cells, strict=True)) for cells in zip(*columns, strict=True)]


def _typed(cells: list[str]) -> list[Any]:
    """A column as numbers or truth values, where all that is not empty is written as they are written in JSON."""
    filled = [cell for cell in cells if cell]
    if filled and all(cell in ("true", "false") for cell in filled):
        return [None if not cell else cell == "true" for cell in cells]
    if filled and all(values.numeric(cell) is not None for cell in filled):
        return [None if not cell else _number(cell) for cell in cells]
    return [cell or None for cell in cells]


def _number(cell: str) -> int | float:
    number = float(cell)
    return int(cell) if number.is_integer() and cell.lstrip("-").isdecimal() else number
