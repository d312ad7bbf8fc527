"""Keyset paging: a page costs the same at any depth, and inserts in front of it shift nothing.

A cursor is the sort key of the last row, opaque to clients. There is no OFFSET anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from backendhub.kit.errors import Invalid, NotFound

T = TypeVar("T")
MAX_LIMIT = 100


class Sort(NamedTuple):
    """A sortable key: its SQL expression, never NULL, and the same value taken from a record."""

    sql: str
    key: Callable[[Any], Any]


class Page(NamedTuple, Generic[T]):
    """Some rows and the cursor of the rows after them, None at the end."""

    items: list[T]
    next: str | None


class Order(NamedTuple):
    """A sort order that ends in a unique key, so that every row has its one place."""

    name: str
    terms: tuple[tuple[Sort, bool], ...]

    @property
    def sql(self) -> str:
        """The ORDER BY list."""
        return ", ".join(f"{sort.sql} {'DESC' if desc else 'ASC'}" for sort, desc in self.terms)

    def after(self, cursor: str | None) -> tuple[str, dict[str, Any]]:
        """A WHERE condition (and its parameters) for the rows behind a cursor. Raises NotFound."""
        if cursor is None:
            return "TRUE", {}
        values = decode(cursor, self)
        params = {f"key{i}": value for i, value in enumerate(values)}
        if (
            len({desc for _, desc in self.terms}) == 1
        ):  # one direction: a row comparison, which an index answers
            left = ", ".join(sort.sql for sort, _ in self.terms)
            right = ", ".join(f":key{i}" for i in range(len(values)))
            return f"({left}) {'<' if self.terms[0][1] else '>'} ({right})", params
        ways = []
        for i, (sort, desc) in enumerate(self.terms):
            same = [f"{s.sql} = :key{j}" for j, (s, _) in enumerate(self.terms[:i])]
            ways.append(" AND ".join([*same, f"{sort.sql} {'<' if desc else '>'} :key{i}"]))
        return "(" + " OR ".join(f"({way})" for way in ways) + ")", params

    def cursor(self, item: Any) -> str:
        """The cursor of a row."""
        import base64

        data = json.dumps([self.name, *(sort.key(item) for sort, _ in self.terms)], separators=(",", ":"))
        return base64.urlsafe_b64encode(data.encode()).decode().rstrip("=")


def order(text: str, sorts: Mapping[str, Sort], *, unique: str = "id") -> Order:
    """Reads `-due,id`: names in order, `-` for descending; the unique key is added where it is missing.

    Raises Invalid for a name that is not sortable.
    """
    terms: list[tuple[Sort, bool]] = []
    names = [part.strip() for part in text.split(",") if part.strip()]
    for part in names:
        name = part.lstrip("+-")
        if name not in sorts:
            raise Invalid(f"Cannot sort by {name!r}.", hint="choose from " + ", ".join(sorts))
        terms.append((sorts[name], part.startswith("-")))
    if all(sort is not sorts[unique] for sort, _ in terms):
        terms.append((sorts[unique], terms[-1][1] if terms else False))
        names.append(("-" if terms[-1][1] else "") + unique)
    return Order(",".join(names), tuple(terms))


def page(rows: Sequence[T], limit: int, by: Order) -> Page[T]:
    """Makes a page of up to `limit + 1` rows: one more than asked for says that there is a next page."""
    items = list(rows[:limit])
    return Page(items, by.cursor(items[-1]) if len(rows) > limit and items else None)


def decode(cursor: str, by: Order) -> list[Any]:
    """The sort key in a cursor. Raises NotFound for one that was not made for this order."""
    import base64
    import binascii

    try:
        data = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        data = None
    well_formed = isinstance(data, list) and len(data) == len(by.terms) + 1 and data[0] == by.name
    if not well_formed or not all(isinstance(v, (str, int, float)) for v in data[1:]):
        raise NotFound(
            "There is no such page: the cursor was not made by this listing.",
            hint="take it from the previous page, with the same sort",
        )
    if any(isinstance(v, str) and not v.isascii() and not _storable(v) for v in data[1:]):
        raise NotFound("There is no such page.")
    return list(data[1:])


def _storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
