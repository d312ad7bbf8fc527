"""The query language of json-server 1: `?views:gt=10&_sort=-views&_page=2&_per_page=25&_embed=comments`, `_where`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from backendhub.kit.errors import Malformed
from backendhub.kit.resources import values
from backendhub.kit.resources.conditions import COMPARISONS, All, AnyOf, IfObject, Node, Test

from . import reading
from .models import MAX_IN, Asked, Pages, Slice
from .reading import Reader

OPERATORS = {
    **{name: name for name in ("lt", "lte", "gt", "gte", "eq", "ne", "contains")},
    "in": "eq",
    "startsWith": "starts",
    "endsWith": "ends",
}
MAX_WHERE = 10_000
MAX_DEPTH = 16
Known = Callable[[Sequence[str]], set[str]]


def parse(pairs: Sequence[tuple[str, str]], known: Known, *, strict: bool) -> Asked:
    """A list as asked for. Raises Malformed for what cannot be read, and where it is strict for operators and fields
    that do not exist; else conditions with an unknown operator are passed over."""
    reader = Reader(pairs, strict=strict)
    sort = [(reading.path(name.lstrip("-")), name.startswith("-")) for name in reader.names("_sort") if name]
    embed = reader.take_all("_embed")
    cursor, limit = reader.cursor()
    part = _part(reader)
    given = reader.take("_where")
    where = _json(given, strict) if given is not None else None
    if where is None:
        where = _conditions(reader)
    else:
        reader.values.clear()
    if strict:
        _all_known([*(p for p, _ in sort), *_paths(where)], known)
    return Asked(reading.query(where, None, sort, cursor, limit), part, embed)


def _part(reader: Reader) -> Slice | Pages | None:
    if "_page" in reader.values:
        return reader.part("_per_page", smallest=1)
    reader.integer("_per_page")
    return reader.part()


def _conditions(reader: Reader) -> Node | None:
    """`field:op=value`, and `field_op=value` as version 0 had it. Of two values for one operator the last counts."""
    parts: dict[tuple[str, str], Node] = {}
    for name, given in reader.values.items():
        path, colon, word = name.rpartition(":")
        if not colon:
            match = re.fullmatch(r"(.+)_([a-zA-Z]+)", name)
            path, word = (match[1], match[2]) if match and match[2] in OPERATORS else (name, "eq")
        elif not word:
            path, word = name, "eq"
        if word not in OPERATORS:
            if reader.strict:
                raise Malformed(
                    f"There is no operator {word[:40]!r}.", hint="choose from " + ", ".join(OPERATORS)
                )
            continue
        parts[path, word] = _condition(reading.path(path), word, given[-1])
    return All(tuple(parts.values())) if parts else None


def _condition(path: str, word: str, text: str) -> Node:
    operator = OPERATORS[word]
    if operator in ("eq", "ne"):
        given = text.split(",") if word == "in" else [text]
        if len(given) > MAX_IN:
            raise Malformed(f"{path[:80]} is compared with {MAX_IN} values at most.")
        return Test(
            path,
            operator,
            tuple(each for one in given for each in _typed(one.strip() if word == "in" else one)),
        )
    return Test(path, operator, reading.limits(text) if operator in COMPARISONS else (text,))


def _typed(text: str) -> tuple[Any, ...]:
    """What a value of a query string can mean: 1 of "1" as well as "1", as ids are text here and numbers there."""
    as_number = reading.number(text)
    words = {"true": True, "false": False, "null": None}
    return (text, *([as_number] if as_number is not None else []), *([words[text]] if text in words else []))


# -- _where ------------------------------------------------------------------------------------------------


def _json(text: str, strict: bool) -> Node | None:
    """The condition of a JSON text; None where it is none and that is passed over."""
    if len(text) > MAX_WHERE:
        raise Malformed(f"_where has {MAX_WHERE} characters at most.")
    try:
        found = values.read(text)
    except Malformed:
        if strict:
            raise
        return None
    if not isinstance(found, dict):
        if strict:
            raise Malformed("_where is a JSON object.")
        return None
    return _object(values.clean(found), "", strict, 0)


def _object(given: dict[str, Any], at: str, strict: bool, depth: int) -> Node:
    if depth == MAX_DEPTH:
        raise Malformed(f"_where is nested {MAX_DEPTH} levels deep at most.")
    parts: list[Node] = []
    for name, value in given.items():
        path = f"{at}.{name}" if at else name
        if name == "or":
            choices = value if isinstance(value, list) else []
            parts.append(
                AnyOf(tuple(_object(v, at, strict, depth + 1) for v in choices if isinstance(v, dict)))
            )
        elif not isinstance(value, dict):
            parts.append(Test(path, "eq", (value,)))
        elif known := [word for word in OPERATORS if word in value]:
            if strict and len(known) < len(value):
                raise Malformed(f"There is no operator {next(w for w in value if w not in known)[:40]!r}.")
            parts += [_test(path, word, value[word], strict) for word in known]
        elif strict and not value:
            raise Malformed(f"{path[:80]} is compared with nothing.")
        else:  # json-server asks what is within an object only where there is one
            inner = _object(value, path, strict, depth + 1)
            parts.append(inner if strict else IfObject(path, inner))
    return All(tuple(parts))


def _test(path: str, word: str, value: Any, strict: bool) -> Node:
    """Objects and arrays are equal to nothing, as in JavaScript; where it is strict they are refused."""
    several = word == "in" and isinstance(value, list)
    given = value if several else [value]
    if len(given) > MAX_IN:
        raise Malformed(f"{path[:80]} is compared with {MAX_IN} values at most.")
    plain = tuple(v for v in given if not isinstance(v, (dict, list)))
    if strict and (len(plain) < len(given) or several is not (word == "in")):
        raise Malformed(
            f"{path[:80]}: {word} is compared with {'a list of values' if word == 'in' else 'a value'}."
        )
    return Test(path, OPERATORS[word], plain)


def _paths(node: Node | None) -> list[str]:
    if node is None:
        return []
    if isinstance(node, Test):
        return [node.path]
    parts = (node.part,) if isinstance(node, IfObject) else node.parts
    return [path for part in parts for path in _paths(part)]


def _all_known(paths: Sequence[str], known: Known) -> None:
    found = known(paths)
    if missing := [path for path in paths if path not in found]:
        raise Malformed(f"No row has a field {missing[0][:80]!r}.")
