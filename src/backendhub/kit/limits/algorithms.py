"""The algorithms, as pure functions of a rule, a state, the time and a cost. `limits.lua` says the same to Redis.

Time is in whole ticks (`Rule.numbers`), so that nothing is ever rounded in favour of a hit. A state is a tuple of
whole numbers, or None for a key that was never seen; a hit that is refused leaves it as it was. `need` is what must
be free, `cost` what is taken: a cost of 0 only looks, and needs 1. A clock that steps back is taken as standing still.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any, NamedTuple

from .rules import Numbers, Rule

State = tuple[Any, ...] | None


class Step(NamedTuple):
    """What an algorithm finds; times in ticks from now. `state` is the one after the hit, and None where nothing
    needs to be kept; after `keep` ticks it says no more than None does."""

    allowed: bool
    remaining: int
    reset: int
    retry: int
    state: State
    keep: int
    delay: int = 0


def fixed_window(n: Numbers, state: State, now: int, cost: int, lease: str) -> Step:
    """Counts hits in windows of the clock: [window, used]."""
    window, used = state or (0, 0)
    if now // n.period > window:
        window, used = now // n.period, 0
    ends = (window + 1) * n.period - now
    allowed = used + (cost or 1) <= n.limit
    if allowed:
        used += cost
    return Step(
        allowed,
        n.limit - used,
        ends if used else 0,
        0 if allowed else ends,
        (window, used) if used else None,
        ends,
    )


def sliding_log(n: Numbers, state: State, now: int, cost: int, lease: str) -> Step:
    """Remembers each hit for a period: [what came before, ((time, sum so far), …)]."""
    before, log = state or (0, ())
    last = log[-1][0] if log else now
    now, late = max(now, last), max(0, last - now)
    if gone := bisect_right(log, (now - n.period, n.limit << 53)):
        before, log = log[gone - 1][1], log[gone:]
    total = log[-1][1] if log else before
    used, need = total - before, cost or 1

    def until(free: int) -> int:
        """When `free` will be free: the hit whose end makes it so."""
        at = bisect_left(log, used + free - n.limit + before, key=lambda entry: entry[1])
        return int(log[at][0] + n.period - now + late)

    allowed = used + need <= n.limit
    retry = 0 if allowed else until(need)
    if allowed and cost:
        log, used = (*log, (now, total + cost)), used + cost
    remaining = n.limit - used
    reset = until(remaining + 1) if used else 0
    return Step(allowed, remaining, reset, retry, (before, log) if log else None, n.period + late)


def sliding_counter(n: Numbers, state: State, now: int, cost: int, lease: str) -> Step:
    """Counts this window and a share of the last: [window, used, used in the one before]."""
    window, used, before = state or (0, 0, 0)
    this = now // n.period
    if this > window:
        window, used, before = this, 0, used if this == window + 1 else 0
    start = window * n.period
    spent = max(0, now - start)

    def until(free: int) -> int:
        """When `free` will be free; in this window if what is used in it leaves room, else in the next."""
        room = n.limit - used - free
        if room >= 0:
            at = n.period - room * n.period // before if before else 0
        else:
            at = 2 * n.period - (n.limit - free) * n.period // used
        return max(0, int(start + at - now))

    need = cost or 1
    allowed = before * (n.period - spent) + (used + need) * n.period <= n.limit * n.period
    retry = 0 if allowed else until(need)
    if allowed:
        used += cost
    remaining = ((n.limit - used) * n.period - before * (n.period - spent)) // n.period
    reset = until(remaining + 1) if remaining < n.limit else 0
    state = (window, used, before) if used or before else None
    return Step(allowed, remaining, reset, retry, state, start + 2 * n.period - now)


def token_bucket(n: Numbers, state: State, now: int, cost: int, lease: str) -> Step:
    """A bucket of `burst` tokens that fills steadily: [units in it, time]."""
    full = n.burst * n.one
    level, last = state or (full, now)
    now, late = max(now, last), max(0, last - now)

    def until(level: int, free: int) -> int:
        return int(late - (level - free * n.one) // n.flow)

    filled = now - last >= until(level, n.burst) - late
    level = full if filled else level + (now - last) * n.flow
    need = cost or 1
    allowed = level >= need * n.one
    retry = 0 if allowed else until(level, need)
    if allowed:
        level -= cost * n.one
    remaining = level // n.one
    reset = until(level, remaining + 1) if remaining < n.burst else 0
    keep = until(level, n.burst)
    return Step(allowed, remaining, reset, retry, (level, now) if level < full else None, keep)


def gcra(n: Numbers, state: State, now: int, cost: int, lease: str) -> Step:
    """The generic cell rate algorithm (ITU-T I.371): [theoretical arrival time, its fraction]."""
    tat, part = max(state or (now, 0), (now, 0))
    # How far the next arrival may lie ahead, and how far it does: in units, `flow` of them a tick.
    tolerance, ahead = n.burst * n.one, (tat - now) * n.flow + part

    def until(ahead: int, free: int) -> int:
        return -(-(ahead + free * n.one - tolerance) // n.flow)

    need = cost or 1
    allowed = ahead + need * n.one <= tolerance
    retry = 0 if allowed else until(ahead, need)
    if allowed:
        ahead += cost * n.one
    remaining = max(0, tolerance - ahead) // n.one
    reset = until(ahead, remaining + 1) if remaining < n.burst else 0
    ticks, part = divmod(ahead, n.flow)
    return Step(allowed, remaining, reset, retry, (now + ticks, part) if ahead else None, ticks + 1)


def leaky_bucket(n: Numbers, state: State, now: int, cost: int, lease: str) -> Step:
    """A queue that is let through at an even pace: [when its next place is free, the fraction of that]."""
    free, part = max(state or (now, 0), (now, 0))
    ahead, room = (free - now) * n.flow + part, n.burst * n.one

    def until(ahead: int, more: int) -> int:
        return -(-(ahead + (more - 1) * n.one - room) // n.flow)

    need = cost or 1
    allowed = ahead + (need - 1) * n.one <= room
    retry = 0 if allowed else until(ahead, need)
    delay = -(-ahead // n.flow) if allowed else 0
    if allowed:
        ahead += cost * n.one
    remaining = (room - ahead) // n.one + 1 if ahead <= room else 0
    reset = until(ahead, remaining + 1) if remaining <= n.burst else 0
    ticks, part = divmod(ahead, n.flow)
    return Step(allowed, remaining, reset, retry, (now + ticks, part) if ahead else None, ticks + 1, delay)


def concurrency(n: Numbers, state: State, now: int, cost: int, lease: str) -> Step:
    """Who is inside: ((end of the lease, lease, cost), …)."""
    inside = tuple(entry for entry in state or () if entry[0] > now)
    used = sum(entry[2] for entry in inside)

    def until(free: int) -> int:
        left = used
        for ends, _, size in inside:
            left -= size
            if left + free <= n.limit:
                return int(ends) - now
        raise AssertionError("a cost above the limit")

    need = cost or 1
    allowed = used + need <= n.limit
    retry = 0 if allowed else until(need)
    if allowed and cost:
        inside, used = tuple(sorted((*inside, (now + n.period, lease, cost)))), used + cost
    remaining = n.limit - used
    reset = until(remaining + 1) if used else 0
    return Step(allowed, remaining, reset, retry, inside or None, inside[-1][0] - now if inside else 0)


def released(state: State, lease: str) -> State:
    """The state of `concurrency` without one lease."""
    return tuple(entry for entry in state or () if entry[1] != lease) or None


STEPS: dict[str, Callable[[Numbers, State, int, int, str], Step]] = {
    "fixed-window": fixed_window,
    "sliding-log": sliding_log,
    "sliding-counter": sliding_counter,
    "token-bucket": token_bucket,
    "gcra": gcra,
    "leaky-bucket": leaky_bucket,
    "concurrency": concurrency,
}


def step(rule: Rule, state: State, now_us: int, cost: int, lease: str = "") -> Step:
    """One hit at a time in microseconds; what comes back is in microseconds too."""
    tick = rule.numbers.tick_us
    found = STEPS[rule.algorithm](rule.numbers, state, now_us // tick, cost, lease)
    if tick == 1:
        return found
    inside = now_us % tick  # how much of this tick is over

    def micro(ticks: int) -> int:
        return ticks * tick - inside if ticks else 0

    allowed, remaining, reset, retry, state, keep, delay = found
    return Step(allowed, remaining, micro(reset), micro(retry), state, (keep + 1) * tick, micro(delay))
