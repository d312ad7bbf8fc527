"""JSON as rows hold it: read with limits, cleaned, written in one form on every engine."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

from backendhub.kit.errors import Invalid, Malformed

MAX_DEPTH = 32
"""Levels of objects and arrays in a row."""
MAX_VALUES = 10_000
"""Values in a row, those of arrays and objects counted."""
MAX_KEY = 200
"""Characters of an id."""


def read(text: str | bytes) -> Any:
    """A JSON text (RFC 8259). Raises Malformed where it is none; NaN and Infinity are none."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise Malformed("The JSON is nested too deeply.") from None
    except ValueError as error:
        raise Malformed(f"This is not JSON: {error}.") from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def write(value: Any) -> str:
    """The one JSON text that is stored for a value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def clean(value: Any) -> Any:
    """The value as it is stored: 3.0 is 3, as in JavaScript.

    Raises Invalid, with the JSON Pointer of the place, for text with NUL or lone surrogates, numbers beyond what a
    double holds, and more depth or values than rows may have.
    """
    return _Cleaner().value(value, "", 0)


class _Cleaner:
    """Counts the values on the way."""

    def __init__(self) -> None:
        self.count = 0

    def value(self, value: Any, at: str, depth: int) -> Any:
        self.count += 1
        if self.count > MAX_VALUES:
            raise _broken(at, "too_many", f"a row has {MAX_VALUES:,} values at most")
        kind = value.__class__
        if kind is str:
            return self.text(value, at)
        if kind is float:
            return _number(value, at)
        if kind is dict or kind is list:
            if depth == MAX_DEPTH:
                raise _broken(at, "too_deep", f"a row is nested {MAX_DEPTH} levels deep at most")
            if kind is list:
                return [self.value(item, f"{at}/{i}", depth + 1) for i, item in enumerate(value)]
            return {
                self.text(name, at): self.value(item, f"{at}/{escaped(name)}", depth + 1)
                for name, item in value.items()
            }
        if kind is int and not -(10**308) < value < 10**308:
            raise _broken(at, "too_large", "the number is too large")
        return value

    def text(self, text: str, at: str) -> str:
        """Text that every engine stores."""
        if "\0" in text:
            raise _broken(at, "nul", "text cannot hold the character NUL")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise _broken(at, "surrogate", "text cannot hold a lone surrogate") from None
        return text


def _number(value: float, at: str) -> int | float:
    if not isfinite(value):  # 1e999 is well-formed JSON
        raise _broken(at, "too_large", "the number is too large")
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def escaped(name: str) -> str:
    """A name in a JSON Pointer (RFC 6901 §3)."""
    return name.replace("~", "~0").replace("/", "~1")


def _broken(at: str, code: str, detail: str) -> Invalid:
    errors = [{"in": "body", "pointer": at, "code": code, "detail": detail}]
    return Invalid(f"{at or 'The body'}: {detail}.", errors=errors)


def as_object(value: Any) -> dict[str, Any]:
    """The value where it is an object. Raises Malformed."""
    if not isinstance(value, dict):
        raise Malformed("Body must be a JSON object")
    return value


def text_of(value: Any) -> str:
    """What JavaScript's `String(value)` gives: json-server compares with that."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        mantissa, e, exponent = repr(value).partition("e")
        return f"{mantissa}e{int(exponent):+d}" if e else mantissa
    if isinstance(value, list):
        return ",".join("" if item is None else text_of(item) for item in value)
    return "[object Object]" if isinstance(value, dict) else "null" if value is None else str(value)


def numeric(key: str) -> float | None:
    """The number whose text a key is (7 of "7", not of "07"), if any."""
    try:
        number = float(key)
    except ValueError:
        return None
    if not isfinite(number):
        return None
    whole = abs(number) < 1e21 and number.is_integer()
    return number if text_of(int(number) if whole else number) == key else None
