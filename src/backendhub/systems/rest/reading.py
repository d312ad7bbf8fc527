"""What both dialects read alike in a query string."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from backendhub.kit.errors import Malformed
from backendhub.kit.resources.conditions import All, Node, size
from backendhub.kit.resources.models import Query
from backendhub.kit.resources.values import numeric

from .models import MAX_CONDITIONS, MAX_RELATIONS, MAX_SORTS, PAGE, Pages, Slice

MAX_INTEGER = 10**15 - 1
"""What a whole number in a query may be at most."""


def path(text: str) -> str:
    """A path as rows have it: `tags[0].name` is `tags.0.name`."""
    return re.sub(r"\[['\"]?([^\]]*?)['\"]?\]", r".\1", text)


def number(text: str) -> int | float | None:
    """The number that JavaScript's `Number(text)` is, if that is finite and the text is not blank."""
    if re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*", text, re.ASCII) is None:
        return None
    found = float(text)
    if found in (float("inf"), float("-inf")):
        return None
    return int(found) if found.is_integer() and abs(found) < 2**53 else found


def alternatives(text: str) -> tuple[Any, ...]:
    """The values whose text in JavaScript this is: "1" is that of 1, "1" and ["1"]."""
    found: list[Any] = [text, [text]]
    if (as_number := numeric(text)) is not None:
        found.append(int(text) if as_number.is_integer() else as_number)
    if text in ("true", "false"):
        found.append(text == "true")
    return tuple(found)


def limits(text: str) -> tuple[Any, ...]:
    """What a bound is compared with: numbers, if it is one, and text."""
    as_number = number(text)
    return (text,) if as_number is None else (as_number, text)


class Reader:
    """The named values of one query string. `strict` refuses what would else be passed over."""

    def __init__(self, pairs: Iterable[tuple[str, str]], *, strict: bool) -> None:
        self.strict = strict
        self.values: dict[str, list[str]] = {}
        for name, value in pairs:
            if "\0" in name or "\0" in value:
                raise Malformed("The query string holds the character NUL.")
            self.values.setdefault(name, []).append(value)

    def take(self, name: str) -> str | None:
        """The first value of a parameter, which is read with this; None where it is absent or empty."""
        return self.values.pop(name, [""])[0] or None

    def names(self, name: str) -> list[str]:
        """Names that are separated by commas; some clients repeat the parameter instead."""
        return ",".join(self.values.pop(name, [])).split(",")

    def take_all(self, name: str) -> tuple[str, ...]:
        """The values of a parameter that may be repeated. Raises Malformed for too many."""
        given = self.values.pop(name, [])
        if len(given) > MAX_RELATIONS:
            raise Malformed(f"{name} names {MAX_RELATIONS} resources at most.")
        return tuple(dict.fromkeys(value for value in given if value or self.strict))

    def integer(self, name: str, default: int | None = None) -> int | None:
        """A whole number, as `parseInt` reads it. Raises Malformed for anything else where that is not passed over."""
        given = self.values.pop(name, [])
        text = given[0] if given else ""
        if not text and not (given and self.strict):
            return default
        match = re.match(r"\s*([+-]?\d{1,100})", text, re.ASCII)
        found = int(match[1]) if match else default
        if self.strict and (match is None or match[0] != text or abs(int(match[1])) > MAX_INTEGER):
            raise Malformed(f"{name} is {text[:40]!r}, not a whole number.")
        return max(-MAX_INTEGER, min(found, MAX_INTEGER)) if found is not None else None

    def part(self, size: str = "_limit", *, smallest: int = PAGE) -> Slice | Pages | None:
        """The part of a list that is asked for, of `_page`, `_start`, `_end` and `_limit` (or whatever `size` is).

        A page of no rows, or fewer, has `smallest`.
        """
        page, start, end = (self.integer(name) for name in ("_page", "_start", "_end"))
        length = self.integer(size)
        if page is not None:
            rows = PAGE if length is None else length if length > 0 else smallest
            return Pages(max(page, 1), rows)
        if end is not None:
            return Slice(start or 0, end)
        if length is not None:
            return Slice(start or 0, None, max(length, 0))
        return Slice(start) if start is not None else None

    def cursor(self) -> tuple[str | None, int | None]:
        """The cursor and the rows of a page, where paging is by cursor: `_cursor` is there, if empty."""
        given = self.values.pop("_cursor", None)
        if given is None:
            return None, None
        length = self.integer("_limit", PAGE)
        if length is None or not 0 < length <= 1000:
            raise Malformed("_limit is from 1 to 1000 where paging is by cursor.")
        return given[0], length


def query(
    where: Node | None, text: str | None, sort: list[tuple[str, bool]], cursor: str | None, limit: int | None
) -> Query:
    """The query. Raises Malformed for one that asks too much."""
    if where is not None and size(where) > MAX_CONDITIONS:
        raise Malformed(f"A request makes {MAX_CONDITIONS} comparisons at most.")
    if len(sort) > MAX_SORTS:
        raise Malformed(f"A list is sorted by {MAX_SORTS} fields at most.")
    return Query(where, text, tuple(sort), 0, limit, cursor)


def bounds(part: Slice, total: int) -> tuple[int, int]:
    """The offset and number of rows of a slice of `total` rows."""
    start = max(total + part.start, 0) if part.start < 0 else min(part.start, MAX_INTEGER)
    if part.length is not None:
        return start, part.length
    end = total if part.end is None else total + part.end if part.end < 0 else part.end
    return start, max(end - start, 0)


def both(first: Node, second: Node | None) -> Node:
    """A condition that holds where both do."""
    return All((first, second)) if second is not None else first
