"""A breaker's states. They follow from outcomes and times alone: the machine has no clock and no lock of its own."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from .policy import Policy
from .windows import CountWindow, Sums, TimeWindow, Window


class State(StrEnum):
    """What a breaker does with calls."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"
    DISABLED = "DISABLED"
    FORCED_OPEN = "FORCED_OPEN"
    METRICS_ONLY = "METRICS_ONLY"


class Outcome(StrEnum):
    """What became of a call. IGNORED says nothing about the other side."""

    SUCCESS = "SUCCESS"
    FAILURE = "ERROR"
    IGNORED = "IGNORED_ERROR"


class Permit(NamedTuple):
    """Leave to make one call. It belongs to the state that gave it: what comes back later changes no other."""

    generation: int
    began: int


class Snapshot(NamedTuple):
    """A breaker at a moment. Rates are per cent, -1 where too few calls are known."""

    state: State
    failure_rate: float
    slow_rate: float
    sums: Sums
    refused: int
    retry_after: int
    """Microseconds until an open one admits calls again; 0 where it is not open."""
    attempts: int
    """How often in a row it has opened."""


Note = Callable[[str, int, str], None]
"""Told of what happens: a type, the time, a word about it (a transition, a rate)."""
CATCH_UP = 1000
"""Changes of state that time alone brought, and that are made up for at a look."""
COUNTING = (State.CLOSED, State.HALF_OPEN, State.METRICS_ONLY)


class Machine:
    """The states of one breaker. Times are whole microseconds of any clock, and never go back for it."""

    def __init__(
        self, policy: Policy, *, note: Note | None = None, state: State = State.CLOSED, now: int = 0
    ) -> None:
        self.policy = policy
        self._note = note or _nothing
        self._now = now
        self._generation = 0
        self._attempts = 0
        self._window: Window = CountWindow(policy.size)
        self._minimum = policy.size
        self._enter(state)

    def _enter(self, state: State) -> None:
        policy = self.policy
        self._state = state
        self._generation += 1
        self._told: set[str] = set()
        self._refused = 0
        self._until = 0
        if state is State.CLOSED:
            self._attempts = 0
        elif state is State.OPEN:
            self._attempts += 1
            self._until = self._now + policy.wait(self._attempts)
            return  # what made it open stays to be seen
        elif state is State.HALF_OPEN:
            self._left = policy.half_open
            self._until = self._now + round(policy.half_open_s * 1_000_000) if policy.half_open_s else 0
        size = policy.half_open if state is State.HALF_OPEN else policy.size
        by_time = policy.window == "time" and state is not State.HALF_OPEN
        self._window = TimeWindow(size) if by_time else CountWindow(size)
        # A window of calls never holds more than its size: with a larger minimum it would never decide.
        self._minimum = policy.minimum if by_time else min(policy.minimum, size)

    def _move(self, state: State) -> None:
        before = self._state
        self._enter(state)
        if before is not state:
            self._note("STATE_TRANSITION", self._now, f"{before}_TO_{state}")

    def _tick(self, now: int) -> int:
        """Brings the time up; ends what has lasted long enough."""
        now = max(now, self._now)
        for _ in range(CATCH_UP):
            if self._until == 0 or now < self._until:
                break
            if self._state is State.HALF_OPEN:
                following = State.OPEN
            elif self._state is State.OPEN and self.policy.automatic:
                following = State.HALF_OPEN
            else:
                break
            self._now = self._until  # it was then, whenever somebody looks
            self._move(following)
        self._now = now
        return now

    def acquire(self, now: int) -> Permit | None:
        """Leave for one call; None where it is refused."""
        now = self._tick(now)
        if self._state is State.OPEN and now >= self._until:
            self._move(State.HALF_OPEN)
        if self._state is State.HALF_OPEN and self._left:
            self._left -= 1
            return Permit(self._generation, now)
        if self._state in (State.OPEN, State.FORCED_OPEN, State.HALF_OPEN):
            self._refused += 1
            self._note("NOT_PERMITTED", now, "")
            return None
        return Permit(self._generation, now)

    def release(self, permit: Permit, now: int) -> None:
        """Gives leave back of a call that was not made, or that says nothing."""
        self._tick(now)
        if permit.generation == self._generation and self._state is State.HALF_OPEN:
            self._left += 1

    def record(
        self, permit: Permit, now: int, outcome: Outcome, why: str = "", took: int | None = None
    ) -> None:
        """Records what became of a call; `took` where it was over sooner than now."""
        now = self._tick(now)
        if self._state is not State.DISABLED:
            self._note(outcome.value, now, why)
        if outcome is Outcome.IGNORED:
            self.release(permit, now)
            return
        if permit.generation != self._generation or self._state not in COUNTING:
            return
        slow = (now - permit.began if took is None else took) > self.policy.slow_s * 1_000_000
        sums = self._window.add(now, failed=outcome is Outcome.FAILURE, slow=slow)
        if sums.calls >= self._minimum:
            self._decide(sums)

    def _decide(self, sums: Sums) -> None:
        policy = self.policy
        exceeded = False
        for kind, rate, most in (
            ("FAILURE_RATE_EXCEEDED", _rate(sums.failed, sums), policy.failure_rate),
            ("SLOW_CALL_RATE_EXCEEDED", _rate(sums.slow, sums), policy.slow_rate),
        ):
            if rate >= most:
                exceeded = True
                if kind not in self._told:
                    self._told.add(kind)
                    self._note(kind, self._now, f"{rate:g}%")
        if self._state is State.METRICS_ONLY:
            return
        if exceeded:
            self._move(State.OPEN)
        elif self._state is State.HALF_OPEN:
            self._move(State.CLOSED)

    def force(self, state: State, now: int) -> None:
        """Goes into a state, whatever happened before."""
        self._tick(now)
        self._move(state)

    def reset(self, now: int) -> None:
        """Closed, and as if nothing had ever happened."""
        self._tick(now)
        self._enter(State.CLOSED)
        self._note("RESET", self._now, "")

    def snapshot(self, now: int) -> Snapshot:
        """How it is at a time. Looking does not open or close anything that time has not."""
        now = self._tick(now)
        sums = self._window.at(now)
        known = sums.calls >= self._minimum
        return Snapshot(
            self._state,
            _rate(sums.failed, sums) if known else -1.0,
            _rate(sums.slow, sums) if known else -1.0,
            sums,
            self._refused,
            max(0, self._until - now) if self._state is State.OPEN else 0,
            self._attempts,
        )


def _rate(part: int, sums: Sums) -> float:
    return 100.0 * part / sums.calls


def _nothing(kind: str, now: int, text: str) -> None:
    return None
