"""Retries that cannot become a storm: a budget for all of them together, and pauses that spread."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

from backendhub.kit import clock


class RetryBudget:
    """Retries may be `ratio` of the calls of the last `window_s` seconds, and `floor` a second in any case."""

    def __init__(
        self,
        *,
        ratio: float = 0.2,
        floor: float = 1.0,
        window_s: int = 10,
        clock: Callable[[], float] = clock.steady,
    ) -> None:
        self.ratio = ratio
        self.floor = floor
        self.window_s = window_s
        self._clock = clock
        self._seconds: deque[tuple[int, list[int]]] = deque()
        self._calls = 0
        self._retries = 0

    def _second(self) -> list[int]:
        now = int(self._clock())
        while self._seconds and self._seconds[0][0] <= now - self.window_s:
            calls, retries = self._seconds.popleft()[1]
            self._calls -= calls
            self._retries -= retries
        if not self._seconds or self._seconds[-1][0] < now:
            self._seconds.append((now, [0, 0]))
        return self._seconds[-1][1]

    def call(self) -> None:
        """Notes a call that is no retry."""
        self._second()[0] += 1
        self._calls += 1

    def retry(self) -> bool:
        """Whether a retry may be made; then it is noted."""
        second = self._second()
        if self._retries + 1 > self.ratio * self._calls + self.floor * self.window_s:
            return False
        second[1] += 1
        self._retries += 1
        return True


class Backoff:
    """Pauses between tries: at random up to a bound that doubles ("full jitter")."""

    def __init__(
        self, *, first_s: float = 0.05, most_s: float = 5.0, rng: random.Random | None = None
    ) -> None:
        self.first_s = first_s
        self.most_s = most_s
        self._rng = rng or random.Random()

    def pause(self, retry: int) -> float:
        """Seconds before a retry; the first is 1."""
        return self._rng.uniform(0, min(self.most_s, self.first_s * 2 ** min(retry - 1, 60)))
