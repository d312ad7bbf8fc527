"""The messages of `envoy.service.ratelimit.v3` in protobuf's wire format: only what the service reads and writes.

Five small messages; a generated package of all of Envoy's would be a hundred times this file.
"""

from __future__ import annotations

from collections.abc import Iterator

from backendhub.kit.errors import Malformed

from .models import MOST, UNITS, Descriptor, Status, Verdict
from .rls import UNIT_NAMES, Asked, checked, described, left, unit_of, wait

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Value = int | bytes


def request(data: bytes) -> Asked:
    """A `RateLimitRequest`. Raises Malformed."""
    domain, descriptors, hits = "", [], 0
    for number, value in fields(data):
        if number == 1:
            domain = _text(value)
        elif number == 2:
            descriptors.append(_descriptor(_bytes(value)))
        elif number == 3:
            hits = _uint32(value)
    return checked(domain, descriptors, hits)


def _descriptor(data: bytes) -> Descriptor:
    entries, override, hits = [], None, None
    for number, value in fields(data):
        if number == 1:
            entry = dict(fields(_bytes(value)))
            entries.append((_text(entry.get(1, b"")), _text(entry.get(2, b""))))
        elif number == 2:
            limit = dict(fields(_bytes(value)))
            unit = _uint32(limit.get(2, 0))
            override = (
                _uint32(limit.get(1, 0)),
                unit_of(UNIT_NAMES[unit] if unit < len(UNIT_NAMES) else str(unit)),
            )
        elif number == 3:  # google.protobuf.UInt64Value
            hits = _uint32(dict(fields(_bytes(value))).get(1, 0))
    return described(tuple(entries), override, hits)


def response(verdict: Verdict) -> bytes:
    """A `RateLimitResponse`."""
    return _varint(1, 2 if verdict.over else 1) + b"".join(_message(2, _status(s)) for s in verdict.statuses)


def _status(status: Status) -> bytes:
    found = _varint(1, 2 if status.over else 1)
    limit = status.limit
    if limit is not None and not limit.unlimited:
        unit = [*UNITS].index(limit.unit) + 1
        name = _message(3, limit.name.encode()) if limit.name else b""
        found += _message(2, _varint(1, limit.amount) + _varint(2, unit) + name)
    found += _varint(3, left(status))
    if (seconds := wait(status)) is not None:
        found += _message(4, _varint(1, seconds))  # google.protobuf.Duration
    return found


# -- the wire ----------------------------------------------------------------------------------------------


def fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """The fields of a message: numbers of fields with whole numbers or bytes. Raises Malformed."""
    at = 0
    while at < len(data):
        tag, at = _read(data, at)
        number, kind = tag >> 3, tag & 7
        value: Value
        if kind == VARINT:
            value, at = _read(data, at)
        elif kind in (BYTES, FIXED64, FIXED32):
            size, at = _read(data, at) if kind == BYTES else (8 if kind == FIXED64 else 4, at)
            value, at = data[at : at + size], at + size
            if at > len(data):
                raise Malformed("The message ends too early.")
        else:
            raise Malformed(f"There is no wire type {kind}.")
        if not number:
            raise Malformed("There is no field 0.")
        yield number, value


def _read(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise Malformed("The message ends too early.")
        octet = data[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, at
    raise Malformed("A number of the message has no end.")


def _bytes(value: Value) -> bytes:
    if isinstance(value, int):
        raise Malformed("A number stands where bytes should.")
    return value


def _text(value: Value) -> str:
    try:
        return _bytes(value).decode()
    except UnicodeDecodeError:
        raise Malformed("A text of the message is no UTF-8.") from None


def _uint32(value: Value) -> int:
    if not isinstance(value, int) or value > MOST:
        raise Malformed(f"A number of the message is none from 0 to {MOST:,}.")
    return value


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _varint(number: int, value: int) -> bytes:
    return _number(number << 3 | VARINT) + _number(value) if value else b""


def _message(number: int, data: bytes) -> bytes:
    return _number(number << 3 | BYTES) + _number(len(data)) + data
