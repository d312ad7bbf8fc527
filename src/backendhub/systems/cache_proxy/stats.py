"""What the cache has done: counters, and the last minutes second by second."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

SECONDS = 300


@dataclass(slots=True)
class Stats:
    """Counters of one process."""

    hits: int = 0
    misses: int = 0
    stale: int = 0
    validated: int = 0
    passed: int = 0
    collapsed: int = 0
    fetches: int = 0
    stored: int = 0
    purged: int = 0
    errors: int = 0
    truncated: int = 0
    damaged: int = 0
    disk_errors: int = 0
    last_disk_error: str = ""
    bytes_in: int = 0
    """From the origin."""
    bytes_out: int = 0
    """To clients."""
    history: deque[tuple[int, int, int, int]] = field(default_factory=lambda: deque(maxlen=SECONDS))
    """Second, hits, misses and bytes out of each."""
    _last: tuple[int, int, int] = (0, 0, 0)

    @property
    def ratio(self) -> float:
        """The share of hits among what could have been one."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0

    def tick(self, second: int) -> None:
        """Closes a second, once: who wakes a moment too early comes again for the same."""
        if self.history and second <= self.history[-1][0]:
            return
        hits, misses, out = self._last
        row = (second, self.hits - hits, self.misses - misses, self.bytes_out - out)
        self._last = (self.hits, self.misses, self.bytes_out)
        self.history.append(row)
