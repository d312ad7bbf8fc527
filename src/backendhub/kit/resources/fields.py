"""What a row says at each of its paths, in columns that every engine compares and sorts alike.

JSON functions differ between engines in types, collation and case; parsing every row for every question is slow on
all of them. So each value has an entry of its own, under its dotted path (`author.name`, `tags.0`), as document
stores have it: `kind` in the order in which kinds sort, `num` for numbers and booleans (else 0), `key`, the first
characters of text (else ''), and `fold`, all of its text in lower case. (resource, path, kind, num, key) is an index:
equality, ranges and orders are look-ups in it, whichever field they ask for.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import Any, NamedTuple

from .values import text_of

KEY = 200
"""Characters of text that are in the index; longer text is told apart by `fold`."""
MAX_PATH = 200
BETWEEN = "\x1f"
"""What stands between the texts of a row: the unit separator of ASCII."""
MAX_ELEMENTS = 16
"""Elements of an array that have an entry each; the array as a whole has one too."""
MAX_ENTRIES = 300
"""Entries of a row. Values nearer to its root come first; what is left out can be read, but not asked for."""


class Kind(IntEnum):
    """Kinds of value in the order in which they sort; what a row does not have comes after all of them."""

    BOOLEAN = 1
    NUMBER = 2
    STRING = 3
    ARRAY = 4
    OBJECT = 5
    NULL = 6
    MISSING = 7


class Entry(NamedTuple):
    """A value as the index has it."""

    kind: Kind
    num: float
    key: str
    fold: str


def entry(value: Any) -> Entry:
    """The entry of one value."""
    kind = value.__class__
    if kind is str:
        return Entry(Kind.STRING, 0.0, value[:KEY], value.lower())
    if kind is bool:
        return Entry(Kind.BOOLEAN, float(value), "", text_of(value))
    if kind is int or kind is float:
        return Entry(Kind.NUMBER, float(value), "", text_of(value))
    if kind is list:
        text = text_of(value)
        return Entry(Kind.ARRAY, 0.0, text[:KEY], text.lower())
    return Entry(Kind.OBJECT if kind is dict else Kind.NULL, 0.0, "", "")


def entries(row: dict[str, Any]) -> dict[str, Entry]:
    """The entries of a row by path."""
    found: dict[str, Entry] = {}
    waiting: deque[tuple[str, Any]] = deque(row.items())
    while waiting and len(found) < MAX_ENTRIES:
        path, value = waiting.popleft()
        if path in found or len(path) > MAX_PATH:  # {"a.b": 1} hides the b in {"a": {"b": 2}}
            continue
        found[path] = entry(value)
        if value.__class__ is dict:
            waiting.extend((f"{path}.{name}", item) for name, item in value.items())
        elif value.__class__ is list:
            waiting.extend((f"{path}.{i}", item) for i, item in enumerate(value[:MAX_ELEMENTS]))
    return found


def searchable(row: dict[str, Any]) -> str:
    """All that a row says, in lower case: the texts of its values, with a character between them that no search has."""
    found: list[str] = []
    waiting: list[Any] = [row]
    while waiting:
        value = waiting.pop()
        if value.__class__ is dict:
            waiting.extend(value.values())
        elif value.__class__ is list:
            waiting.extend(value)
        elif value is not None and value is not False:  # json-server passes over what is false in JavaScript
            found.append(text_of(value).lower())
    return BETWEEN.join(found)
