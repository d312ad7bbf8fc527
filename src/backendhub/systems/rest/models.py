"""What a request asks for, whichever dialect it was said in."""

from __future__ import annotations

from dataclasses import dataclass

from backendhub.kit.resources.models import Query

MAX_CONDITIONS = 300
"""Comparisons in a request."""
MAX_IN = 20
"""Values in a list that a field is compared with."""
MAX_SORTS = 5
MAX_RELATIONS = 10
"""Resources that are embedded or expanded in a response."""
PAGE = 10
"""Rows of a page where the request names no number."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Part of a list, from one index to another as `Array.slice` of JavaScript takes them: both may be negative."""

    start: int = 0
    end: int | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Pages:
    """One page of several, counted from 1."""

    number: int
    size: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A list as asked for: which rows, which part of them, with which relations."""

    query: Query
    part: Slice | Pages | None = None
    embed: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
