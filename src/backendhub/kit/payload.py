"""Values as bytes, and back: what caches keep and events carry, the same in memory and over Redis."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from enum import Enum
from typing import Any

from backendhub.kit.errors import Invalid
from backendhub.kit.output import plain

RAW = b"\x00"
"""Begins bytes that were bytes before; JSON never begins with it."""


def _more(value: Any) -> Any:
    """What JSON has no word for; TypeError where even `plain` would only make up a text."""
    known = isinstance(value, (Enum, date, Iterable)) or type(value).__module__ in (
        "decimal",
        "fractions",
        "uuid",
    )
    if (known or hasattr(value, "as_json") or hasattr(value, "__dataclass_fields__")) and not isinstance(
        value, (bytes, bytearray, memoryview)
    ):
        return plain(value)
    raise TypeError("only values, records and times can be")


_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_more).encode


def encode(value: Any) -> bytes:
    """JSON of a value, records and times included; bytes as they are behind a mark. Raises Invalid."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return RAW + bytes(value)
    try:
        return _json(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"A {type(value).__name__} cannot be written as JSON: {error}.") from None


def decode(data: bytes) -> Any:
    """What `encode` was given, with records as dicts. Raises ValueError for anything else."""
    return data[1:] if data[:1] == RAW else json.loads(data)
