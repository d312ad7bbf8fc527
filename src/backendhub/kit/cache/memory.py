"""A cache in the memory of this process: bounded in bytes, the least recently used goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from backendhub.kit import clock, payload
from backendhub.kit.errors import Invalid

from .base import Cache, lifetime

MAX_BYTES = 64 << 20
OVERHEAD = 200
"""What an entry costs beyond its key and its value, in bytes."""


class Entry(NamedTuple):
    """A value and when it ends (seconds of the clock; None: never)."""

    data: bytes
    ends: float | None
    size: int


class MemoryCache(Cache):
    """Safe to use from threads and event loops alike; each process has its own."""

    def __init__(self, max_bytes: int = MAX_BYTES, *, clock: Callable[[], float] = clock.steady) -> None:
        super().__init__()
        self.max_bytes = max_bytes
        self.bytes = 0
        self._clock = clock
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._guard = Lock()

    def load(self, key: str) -> bytes | None:
        """The bytes under a key."""
        with self._guard:
            entry = self._live(key)
            return None if entry is None else entry.data

    def _live(self, key: str) -> Entry | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.ends is not None and entry.ends <= self._clock():
            self._forget(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def store(self, key: str, data: bytes, ttl_s: float | None) -> bool:
        """Keeps bytes; false where they alone are more than the whole cache may hold."""
        with self._guard:
            return self._keep(key, data, None if ttl_s is None else self._clock() + ttl_s)

    def _keep(self, key: str, data: bytes, ends: float | None) -> bool:
        self._forget(key)
        size = len(key) + len(data) + OVERHEAD
        if size > self.max_bytes:
            return False
        self._entries[key] = Entry(data, ends, size)
        self.bytes += size
        while self.bytes > self.max_bytes:
            self._forget(next(iter(self._entries)))
        return True

    def _forget(self, key: str) -> bool:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry.size
        return entry is not None

    def incr(self, key: str, by: int = 1, *, ttl: float | None = None) -> int:
        """Adds to a whole number; see Cache.incr."""
        ttl_s = lifetime(ttl)
        with self._guard:
            entry = self._live(key)
            ends = entry.ends if entry else None if ttl_s is None else self._clock() + ttl_s
            value = payload.decode(entry.data) if entry else 0
            if type(value) is not int or not -(2**63) <= value + by < 2**63:
                raise Invalid(f"What is kept under {key!r} is no number that {by} can be added to.")
            self._keep(key, payload.encode(value + by), ends)
            return value + by

    def delete(self, *keys: str) -> int:
        """Forgets keys; gives how many were there."""
        with self._guard:
            return sum(self._live(key) is not None and self._forget(key) for key in keys)

    def clear(self, prefix: str = "") -> None:
        """Forgets every key that begins like this."""
        with self._guard:
            for key in [key for key in self._entries if key.startswith(prefix)]:
                self._forget(key)
