"""Rows to frozen dataclasses, by position, and Python values to what a database stores.

Stored forms are the same on both engines: times are UTC text with milliseconds (fixed width, so that they
sort), dates are ISO text, enums their value, lists and dicts JSON text, booleans native.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import Field, field, fields
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Row = Sequence[Any]
PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
"""Types that a database takes as they are."""


@cache
def columns(record: Any, prefix: str = "") -> str:
    """The SELECT list of a record, in the order of its fields: `id, title` or `t.id, t.title`."""
    dot = f"{prefix}." if prefix else ""
    return ", ".join(dot + field.name for field in stored(record))


def derived(default: Any = None) -> Any:
    """A field that no column holds: a service, or further columns of a SELECT, fill it in. They come last."""
    return field(default=default, metadata={"derived": True})


def stored(record: Any) -> list[Field[Any]]:
    """The fields that columns hold."""
    return [f for f in fields(record) if not f.metadata.get("derived")]


def as_dict(record: Any) -> dict[str, Any]:
    """The fields of a record by name, one level deep (`dataclasses.asdict` copies all the way down)."""
    return {f.name: getattr(record, f.name) for f in fields(record)}


def encode(value: Any) -> Any:
    """What the database stores for a Python value."""
    if value.__class__ in PLAIN:
        return value
    if isinstance(value, datetime):
        if value.tzinfo is not UTC:
            value = value.astimezone(UTC)
        return value.isoformat(timespec="milliseconds")[:-6] + "Z"
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (list, tuple)) and all(type(v) is int for v in value):
        return f"[{','.join(map(str, value))}]"  # a list of ids needs no JSON module
    if isinstance(value, (list, tuple, dict)):
        import json

        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value) if type(value).__name__ in ("Decimal", "Fraction") else value


_decoders: dict[type, Callable[[Row], Any]] = {}


def decoder(record: type[T]) -> Callable[[Row], T]:
    """A function that makes a record of a row; only the fields that need it are converted."""
    if (known := _decoders.get(record)) is None:
        known = _decoders[record] = _make_decoder(record)
    return known


def _make_decoder(record: Any) -> Callable[[Row], Any]:
    """Writes out one call, `record(r[0], r[1], None if r[2] is None else c2(r[2]), …)`: a loop takes twice as long."""
    hints = get_type_hints(record)
    names: dict[str, Any] = {"record": record}
    terms: list[str] = []
    optional: list[str] = []
    for i, f in enumerate(fields(record)):
        convert = _converter(hints[f.name])
        if convert is not None:
            names[f"c{i}"] = convert
        term = f"r[{i}]" if convert is None else f"(None if r[{i}] is None else c{i}(r[{i}]))"
        (optional if f.metadata.get("derived") else terms).append(term)
    plain: Callable[[Row], Any] = eval(f"lambda r: record({', '.join(terms)})", names)
    if not optional:
        return plain
    whole: Callable[[Row], Any] = eval(f"lambda r: record({', '.join(terms + optional)})", names)
    width = len(terms)
    return lambda row: plain(row) if len(row) == width else whole(row)


def _converter(hint: Any) -> Callable[[Any], Any] | None:
    """How a stored value of this type is read back; None where it already is what it should be."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        inner = [a for a in get_args(hint) if a is not type(None)]
        return _converter(inner[0]) if len(inner) == 1 else None
    if hint is bool:
        return bool
    if hint is datetime:
        return datetime.fromisoformat
    if hint is date:
        return date.fromisoformat
    if isinstance(hint, type) and hint.__module__ in ("decimal", "fractions"):
        return hint
    if origin in (list, dict) or hint in (list, dict):
        return _loads
    if origin is tuple:
        return lambda text: () if text == "[]" else tuple(_loads(text))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {member.value: member for member in hint}.__getitem__
    return None


def _loads(text: str) -> Any:
    from json import loads

    return loads(text)
