"""Values as bytes, and back: what caches keep and events carry, the same in memory and over Redis."""

from __future__ import annotations

import json
from typing import Any

from backendhub.kit.errors import Invalid
from backendhub.kit.output import plain

RAW = b"\x00"
"""Begins bytes that were bytes before; JSON never begins with it."""

_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain).encode


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
