"""Conditions on rows, and the SQL that they become: look-ups in the index of fields, whatever the field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backendhub.kit.db import contains
from backendhub.kit.errors import Malformed

from . import patterns
from .fields import KEY, Entry, Kind, entry
from .values import text_of

COMPARISONS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
AFFIXES = {"contains": ("%", "%"), "starts": ("", "%"), "ends": ("%", "")}
OPERATORS = frozenset({"eq", "ne", "like", *COMPARISONS, *AFFIXES})
MAX_TEXT = 1000
"""Characters of a text that is searched for."""
EXACT = 2.0**53
FIELD = "SELECT row_id FROM resources_field WHERE resource_id = :resource AND path = :{path}"
MATCH = {"sqlite": "fold REGEXP :{text}", "postgres": "fold ~ :{text}"}


@dataclass(frozen=True, slots=True)
class Test:
    """Compares what a row has at a path with any of some values, by their JSON types; `ne` with all of them.

    Numbers are compared with numbers and text with text. `like` takes patterns of JavaScript and looks at
    everything but objects; `contains`, `starts` and `ends` look at text. None of these minds case.
    """

    path: str
    op: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class All:
    """Holds where every part holds."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds where one part holds."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class IfObject:
    """Holds where there is no object at a path, or the part holds."""

    path: str
    part: Node


Node = Test | All | AnyOf | IfObject


class Conditions:
    """Writes conditions on `resources_row r` and collects their parameters; `:resource` is the caller's."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.params: dict[str, Any] = {}

    def sql(self, node: Node) -> str:
        """A condition. Raises Malformed for a pattern that cannot be used."""
        if isinstance(node, All):
            return " AND ".join(self.sql(part) for part in node.parts) or "TRUE"
        if isinstance(node, AnyOf):
            return "(" + (" OR ".join(self.sql(part) for part in node.parts) or "FALSE") + ")"
        field = FIELD.format(path=self.keep(node.path))
        if isinstance(node, IfObject):
            return f"(r.id NOT IN ({field} AND kind = {Kind.OBJECT}) OR {self.sql(node.part)})"
        tests = [self.test(node.op, value) for value in node.values]
        if node.op == "ne":
            return f"r.id IN ({field} AND NOT ({' OR '.join(tests) or 'FALSE'}))"
        if not tests:
            return "FALSE"
        return "r.id IN (" + " UNION ALL ".join(f"{field} AND {test}" for test in tests) + ")"

    def entries(self, node: Node) -> str | None:
        """The entries of a condition that is one comparison: as many as rows, for a row has one entry under a path."""
        if isinstance(node, All) and len(node.parts) == 1:
            return self.entries(node.parts[0])
        if not isinstance(node, Test) or node.op == "ne" or len(node.values) != 1:
            return None
        return f"{FIELD.format(path=self.keep(node.path))} AND {self.test(node.op, node.values[0])}"

    def search(self, text: str) -> str:
        """The condition that some value of a row contains a text. Raises Malformed for one that is too long."""
        return f"r.search LIKE :{self.keep(contains(_bounded(text)))} ESCAPE '\\'"

    def keep(self, value: Any) -> str:
        """The name of a new parameter."""
        name = f"p{len(self.params)}"
        self.params[name] = value
        return name

    def test(self, op: str, value: Any) -> str:
        """What the columns of an entry have to say."""
        if op in AFFIXES:
            before, after = AFFIXES[op]
            pattern = before + contains(_bounded(text_of(value)))[1:-1] + after
            return f"kind = {Kind.STRING} AND fold LIKE :{self.keep(pattern)} ESCAPE '\\'"
        if op == "like":
            return f"(kind <= {Kind.ARRAY} AND {self._matches(text_of(value))})"
        wanted = entry(value)
        if op in COMPARISONS:
            return self._compared(COMPARISONS[op], wanted)
        return self._equal(wanted)

    def _matches(self, text: str) -> str:
        if patterns.is_literal(text):
            return f"fold LIKE :{self.keep(contains(_bounded(text)))} ESCAPE '\\'"
        return MATCH[self.dialect].format(text=self.keep(patterns.translate(text, self.dialect)))

    def _equal(self, wanted: Entry) -> str:
        same = f"kind = {wanted.kind} AND num = :{self.keep(wanted.num)} AND key = :{self.keep(wanted.key)}"
        if len(wanted.key) == KEY or abs(wanted.num) >= EXACT:  # the index holds only the beginning of it
            same += f" AND fold = :{self.keep(wanted.fold)}"
        return f"({same})"

    def _compared(self, sign: str, wanted: Entry) -> str:
        if wanted.kind in (Kind.NUMBER, Kind.BOOLEAN):
            return f"kind = {wanted.kind} AND num {sign} :{self.keep(wanted.num)}"
        if wanted.kind is Kind.STRING:
            return f"kind = {Kind.STRING} AND num = 0 AND key {sign} :{self.keep(wanted.key)}"
        return "FALSE"


def _bounded(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise Malformed(f"A text that is searched for has {MAX_TEXT:,} characters at most.")
    return text.lower()


def size(node: Node) -> int:
    """How many comparisons a condition makes."""
    if isinstance(node, Test):
        return max(1, len(node.values))
    parts: Sequence[Node] = (node.part,) if isinstance(node, IfObject) else node.parts
    return 1 + sum(size(part) for part in parts)
