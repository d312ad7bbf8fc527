"""When a breaker opens, how long it stays open, what it takes for a failure: resilience4j's words and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Literal

from backendhub.kit.errors import Invalid


@dataclass(frozen=True, slots=True)
class Policy:
    """A breaker's policy.

    It opens where at least `minimum` of the calls in the window are known and `failure_rate` per cent of them failed
    or `slow_rate` per cent took longer than `slow_s`. The window is the last `size` calls, or the calls of the last
    `size` seconds. After `wait_s` (times `wait_factor` for each time that it opened again, `wait_max_s` at most) it
    admits `half_open` calls and decides by them alone. Where they are not back after `half_open_s` it opens again; 0
    waits for them. With `automatic` it is half-open when its wait is over, else when the next call comes.

    Errors in `ignored` are neither success nor failure; `recorded` says which of the others are failures, the rest
    are successes. A cancelled call is `ignored` or a `failure`.
    """

    failure_rate: float = 50.0
    slow_rate: float = 100.0
    slow_s: float = 60.0
    window: Literal["count", "time"] = "count"
    size: int = 100
    minimum: int = 100
    half_open: int = 10
    wait_s: float = 60.0
    wait_factor: float = 1.0
    wait_max_s: float = 3600.0
    half_open_s: float = 0.0
    automatic: bool = False
    recorded: tuple[type[BaseException], ...] = (Exception,)
    ignored: tuple[type[BaseException], ...] = ()
    cancelled: Literal["ignored", "failure"] = "ignored"

    def __post_init__(self) -> None:
        """Raises Invalid for what no breaker could follow."""
        if not (0 < self.failure_rate <= 100 and 0 < self.slow_rate <= 100):
            raise Invalid("A rate at which a breaker opens is above 0 and at most 100 per cent.")
        if self.window not in ("count", "time"):
            raise Invalid("A window is of calls (`count`) or of seconds (`time`).")
        if not (1 <= self.size <= 1_000_000 and self.minimum >= 1 and 1 <= self.half_open <= 1_000_000):
            raise Invalid(
                "The window, the calls it needs and those in half-open are at least 1, at most a million."
            )
        if not all(
            map(isfinite, (self.slow_s, self.wait_s, self.wait_factor, self.wait_max_s, self.half_open_s))
        ):
            raise Invalid("Times of a breaker are finite.")
        if self.wait_s <= 0 or self.wait_factor < 1 or self.wait_max_s < self.wait_s:
            raise Invalid(
                "An open breaker waits more than 0 s, ever longer or as long, and has a longest wait."
            )
        if self.slow_s <= 0 or self.half_open_s < 0:
            raise Invalid("A call is slow after more than 0 s; the wait in half-open is 0 or more.")
        if self.cancelled not in ("ignored", "failure"):
            raise Invalid("A cancelled call is `ignored` or a `failure`.")

    def wait(self, attempts: int) -> int:
        """How long it stays open the `attempts`-th time in a row, in microseconds."""
        try:
            seconds = min(self.wait_s * self.wait_factor ** (attempts - 1), self.wait_max_s)
        except OverflowError:  # it has opened hundreds of times
            seconds = self.wait_max_s
        return round(seconds * 1_000_000)
