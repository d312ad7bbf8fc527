"""`a[b][0][c]=d`: nested forms as Stripe's clients send them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from backendhub.systems.payment.errors import ApiError

MAX_FIELDS = 2000
MAX_DEPTH = 12
Tree = dict[str, Any]


def pairs(text: str) -> list[tuple[str, str]]:
    """The names and values of a query or an urlencoded body. Raises ApiError."""
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise ApiError(
            "The request is no well-formed percent-encoded UTF-8, or has too many fields."
        ) from None


def tree(given: Iterable[tuple[str, Any]]) -> Tree:
    """Fields as nested dictionaries; a list is one whose keys are numbers, or `#0`, `#1` … for `a[]`. Raises ApiError."""
    root: Tree = {}
    for name, value in given:
        path = _path(name)
        if isinstance(value, str) and "\0" in value:
            raise ApiError(f"Invalid string: {name} holds a NUL character", param=name)
        at = root
        for n, part in enumerate(path[:-1], 1):
            at = _step(at, part, name, path[n] if n == len(path) - 1 else "")
        last = path[-1] or f"#{len(at)}"
        if isinstance(at.get(last), dict):
            raise _odd(name)
        at[last] = value
    return root


def _path(name: str) -> list[str]:
    match = re.fullmatch(r"([^\[\]]+)((?:\[[^\[\]]*\])*)", name)
    if match is None or "\0" in name:
        raise ApiError(f"Invalid request: {name[:100]!r} is no name of a parameter")
    path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
    if len(path) > MAX_DEPTH:
        raise ApiError(f"Invalid request: {name[:100]} is nested too deeply")
    return path


def _step(at: Tree, part: str, name: str, leaf: str) -> Tree:
    """One level down. `items[][price]` goes on with the last element until a field of it would come twice."""
    if part == "":
        last = f"#{len(at) - 1}"
        before = at.get(last)
        if not isinstance(before, dict) or (leaf and leaf in before):
            last = f"#{len(at)}"
        part = last
    child = at.setdefault(part, {})
    if not isinstance(child, dict):
        raise _odd(name)
    return child


def _odd(name: str) -> ApiError:
    return ApiError(f"Invalid request: {name[:100]} is given both as a value and as an object", param=name)
