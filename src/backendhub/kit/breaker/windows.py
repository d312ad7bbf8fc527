"""The calls that a breaker remembers, with their sums: each call costs the same however long the window is."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class Sums(NamedTuple):
    """Of some calls."""

    calls: int = 0
    failed: int = 0
    slow: int = 0
    slow_failed: int = 0

    def plus(self, failed: bool, slow: bool) -> Sums:
        """With one call more."""
        return Sums(
            self.calls + 1, self.failed + failed, self.slow + slow, self.slow_failed + (failed and slow)
        )

    def less(self, other: Sums) -> Sums:
        """Without some of them."""
        return Sums(*(a - b for a, b in zip(self, other, strict=True)))


class CountWindow:
    """The last `size` calls."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.sums = Sums()
        self._calls: deque[Sums] = deque()

    def add(self, now: int, *, failed: bool, slow: bool) -> Sums:
        """Adds a call; gives the sums."""
        if len(self._calls) == self.size:
            self.sums = self.sums.less(self._calls.popleft())
        self._calls.append(Sums().plus(failed, slow))
        self.sums = self.sums.plus(failed, slow)
        return self.sums

    def at(self, now: int) -> Sums:
        """The sums at a time."""
        return self.sums


class TimeWindow:
    """The calls of this second and the `size` - 1 before it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.sums = Sums()
        self._seconds: deque[tuple[int, Sums]] = deque()

    def add(self, now: int, *, failed: bool, slow: bool) -> Sums:
        """Adds a call at a time in microseconds; gives the sums. A clock that steps back stands still."""
        self.at(now)
        second = now // 1_000_000
        if self._seconds and self._seconds[-1][0] >= second:
            second, sums = self._seconds.pop()
        else:
            sums = Sums()
        self._seconds.append((second, sums.plus(failed, slow)))
        self.sums = self.sums.plus(failed, slow)
        return self.sums

    def at(self, now: int) -> Sums:
        """The sums at a time; what is older than the window is forgotten."""
        oldest = now // 1_000_000 - self.size + 1
        while self._seconds and self._seconds[0][0] < oldest:
            self.sums = self.sums.less(self._seconds.popleft()[1])
        return self.sums


Window = CountWindow | TimeWindow
