"""Identifiers that are visible outside one machine: UUIDv7, which sort by the time they were made."""

from __future__ import annotations

import os
import time

_last = 0
_random: list[int] = []
"""Random numbers of 64 bits in stock: asking the system for one at a time costs more than all the rest."""
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
    try:
        tail = _random.pop()
    except IndexError:
        drawn = list(memoryview(os.urandom(512)).cast("Q"))
        tail = drawn.pop()
        _random.extend(drawn)
    return (
        f"{stamp >> 28:08x}-{stamp >> 12 & 0xFFFF:04x}-7{stamp & 0xFFF:03x}-"
        f"{tail & 0x3FFF | 0x8000:04x}-{tail >> 16:012x}"
    )
