"""Identifiers that are visible outside one machine: UUIDv7, which sort by the time they were made."""

from __future__ import annotations

import os
import time

_last = 0
_random = bytearray()
"""Random bytes in stock: asking the system for eight at a time costs more than all the rest."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.clear)  # two processes must not draw the same ones


def uuid7() -> str:
    """A new UUIDv7 (RFC 9562 §5.7) as text, strictly increasing within a process.

    The 12 bits after the millisecond hold its fraction (method 3 of §6.2), so that ids made in one
    millisecond still sort in the order in which they were made.
    """
    global _last
    stamp = time.time_ns() * 4096 // 1_000_000
    _last = stamp = max(stamp, _last + 1)
    if len(_random) < 8:
        _random.extend(os.urandom(512))
    tail = int.from_bytes(_random[-8:]) & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    del _random[-8:]
    value = (stamp >> 12) << 80 | 0x7000 << 64 | (stamp & 0xFFF) << 64 | tail
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
