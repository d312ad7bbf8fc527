"""What a limit is, and what is decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha1
from math import gcd
from typing import Literal, NamedTuple

from backendhub.kit.errors import Invalid

Algorithm = Literal[
    "fixed-window", "sliding-log", "sliding-counter", "token-bucket", "gcra", "leaky-bucket", "concurrency"
]
ALGORITHMS: tuple[Algorithm, ...] = (
    "fixed-window",
    "sliding-log",
    "sliding-counter",
    "token-bucket",
    "gcra",
    "leaky-bucket",
    "concurrency",
)
BURSTING = ("token-bucket", "gcra", "leaky-bucket")
EXACT = 2**52
"""Whole numbers up to here are exact in Lua too; every product that an algorithm forms stays below."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`limit` in `period` seconds, counted by an algorithm.

    | algorithm | admits | keeps |
    |---|---|---|
    | `fixed-window` | `limit` in each window of the clock; twice that around a boundary | 2 numbers |
    | `sliding-log` | `limit` in any period, exactly | one entry for each hit |
    | `sliding-counter` | about `limit` in any period: the last window is taken as evenly spread | 3 numbers |
    | `token-bucket` | `burst` at once, then `limit` a period | 2 numbers |
    | `gcra` | the same as a token bucket, by its theoretical arrival time | 2 numbers |
    | `leaky-bucket` | evenly spaced: a hit is told how long to wait (`delay_s`), `burst` may be waiting | 2 numbers |
    | `concurrency` | `limit` at the same time; `period` is how long one that is never released counts | one entry each |

    `name` is the policy's name in `RateLimit` fields; `unit` what is counted. `fail` says what happens while the
    store of the counts cannot be asked or is full: `open` admits, `closed` refuses.
    """

    limit: int
    period: float
    algorithm: Algorithm = "sliding-log"
    burst: int | None = None
    name: str = "default"
    unit: str = "requests"
    fail: Literal["open", "closed"] = "open"
    numbers: Numbers = field(init=False, repr=False, compare=False)
    id: str = field(init=False, repr=False, compare=False)
    """The name with a mark that changes with the numbers: counts of another rule are never taken for this one's."""

    def __post_init__(self) -> None:
        """Raises Invalid for a rule that nothing could obey."""
        if self.algorithm not in ALGORITHMS:
            raise Invalid(
                f"There is no algorithm {self.algorithm!r}.", hint="one of " + ", ".join(ALGORITHMS)
            )
        if self.limit < 1 or self.period < 0.001 or (self.burst is not None and self.burst < 1):
            raise Invalid("A limit is at least 1 in at least 1 ms, and a burst at least 1.")
        if self.burst is not None and self.algorithm not in BURSTING:
            raise Invalid(f"{self.algorithm} has no burst.", hint="only " + ", ".join(BURSTING) + " have")
        if self.fail not in ("open", "closed"):
            raise Invalid("A rule fails `open` or `closed`.")
        if not self.name or not self.name.isascii() or not self.name.isprintable():
            raise Invalid("The name of a limit is printable ASCII.")
        numbers = _numbers(self.limit, self.period, self.burst or self.limit)
        object.__setattr__(self, "numbers", numbers)
        mark = sha1(repr((self.algorithm, numbers)).encode(), usedforsecurity=False).hexdigest()[:8]
        object.__setattr__(self, "id", f"{self.name}:{mark}")

    @property
    def most(self) -> int:
        """The largest cost that can ever be admitted at once."""
        if self.algorithm == "leaky-bucket":
            return self.numbers.burst + 1
        return self.numbers.burst if self.algorithm in BURSTING else self.limit


class Numbers(NamedTuple):
    """A rule in whole numbers: time in ticks; `limit` units flow each tick and `one` units are one hit."""

    limit: int
    period: int
    burst: int
    flow: int
    one: int
    tick_us: int


def _numbers(limit: int, period_s: float, burst: int) -> Numbers:
    """Takes the finest tick with which every product stays exact. Raises Invalid where even seconds are too fine."""
    period_us = round(period_s * 1_000_000)
    most = max(limit, burst) + 1
    tick = 1
    while True:
        period = -(-period_us // tick)
        shared = gcd(limit, period)
        if most * period * 2 < EXACT:
            return Numbers(limit, period, burst, limit // shared, period // shared, tick)
        tick *= 10
        if tick > 1_000_000 or period_us % tick:
            raise Invalid(f"{limit} in {period_s:g} s is more than can be counted exactly.")


class Decision(NamedTuple):
    """Whether a hit is admitted. Times are seconds from now."""

    allowed: bool
    rule: Rule
    remaining: int
    """What could still be admitted at once."""
    reset_s: float
    """Until more than `remaining` can be; 0 where all of the limit is there."""
    retry_after_s: float
    """Until the same hit is admitted if nobody else comes first; 0 where it was."""
    delay_s: float = 0.0
    """How long an admitted hit has to wait for its turn (leaky bucket)."""
    lease: str = ""
    """What `release` wants back (concurrency)."""
    unsure: bool = False
    """The counts could not be asked: the rule's `fail` has decided."""

    @property
    def limit(self) -> int:
        """The rule's limit."""
        return self.rule.limit
