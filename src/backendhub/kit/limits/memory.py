"""Counts in the memory of this process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock

from backendhub.kit import clock

from .algorithms import State, Step, released, step
from .base import Limits, Pair, lease_of, named, unsure
from .rules import Decision, Rule

MAX_WEIGHT = 1_000_000
"""Numbers that may be kept: a key is one, each entry of a log another. About 150 MB at most."""


class MemoryLimits(Limits):
    """Safe to use from threads and event loops alike; each process has its own.

    What is counted is never forgotten early. Where there is no room for another key, its rule's `fail` decides.
    """

    def __init__(self, *, clock: Callable[[], float] = clock.steady, max_weight: int = MAX_WEIGHT) -> None:
        self._clock = clock
        self._max = max_weight
        self._weight = 0
        self._swept = 0
        self._states: OrderedDict[str, tuple[State, int, int]] = (
            OrderedDict()
        )  # state, its end in µs, its weight
        self._lock = Lock()

    def _hit(self, pairs: Sequence[Pair], costs: Sequence[int], lease: str) -> list[Decision]:
        if len(pairs) == 1:
            return [self._alone(*pairs[0], costs[0], lease)]
        with self._lock:
            now = round(self._clock() * 1_000_000)
            steps = [
                step(rule, self._state(key, rule.id, now), now, cost, f"{cost}:{lease}")
                for (key, rule), cost in zip(pairs, costs, strict=True)
            ]
            if all(found.allowed for found in steps):
                if any(costs) and not self._room(now):
                    return unsure(pairs)
                for (key, rule), found, cost in zip(pairs, steps, costs, strict=True):
                    if cost:
                        self._keep(f"{rule.id}:{key}", found, now)
            else:
                # Nothing is counted: those that would have been admitted tell what is there without this hit.
                looked = [step(rule, self._state(key, rule.id, now), now, 0, "") for key, rule in pairs]
                steps = [
                    without._replace(allowed=found.allowed, retry=found.retry)
                    for found, without in zip(steps, looked, strict=True)
                ]
        return [
            _decided(rule, found, cost, lease)
            for (_, rule), found, cost in zip(pairs, steps, costs, strict=True)
        ]

    def _alone(self, key: str, rule: Rule, cost: int, lease: str) -> Decision:
        """One rule alone, as nearly all hits are."""
        name = f"{rule.id}:{key}"
        with self._lock:
            now = round(self._clock() * 1_000_000)
            known = self._states.get(name)
            state = None if known is None or known[1] <= now else known[0]
            found = step(rule, state, now, cost, f"{cost}:{lease}")
            if found.allowed and cost:
                if not self._room(now):
                    return unsure([(key, rule)])[0]
                self._keep(name, found, now)
        return _decided(rule, found, cost, lease)

    def _state(self, key: str, rule: str, now: int) -> State:
        known = self._states.get(f"{rule}:{key}")
        return None if known is None or known[1] <= now else known[0]

    def _keep(self, name: str, found: Step, now: int) -> None:
        before = self._states.pop(name, None)
        if before is not None:
            self._weight -= before[2]
        if found.state is not None:
            weight = 1 + sum(len(part) for part in found.state if isinstance(part, tuple))
            self._states[name] = (found.state, now + found.keep, weight)
            self._weight += weight

    def _room(self, now: int) -> bool:
        """Drops what has ended: a few of those touched longest ago at every hit, all of it where room is short."""
        for _ in range(2):
            oldest = next(iter(self._states), None)
            if oldest is None or self._states[oldest][1] > now:
                break
            self._weight -= self._states.pop(oldest)[2]
        if self._weight >= self._max and now - self._swept > 1_000_000:
            self._swept = now
            for name in [name for name, kept in self._states.items() if kept[1] <= now]:
                self._weight -= self._states.pop(name)[2]
        return self._weight < self._max

    def release(self, key: str, decision: Decision) -> None:
        """Gives back a place."""
        name = f"{decision.rule.id}:{key}"
        with self._lock:
            known = self._states.get(name)
            if known is not None and decision.lease:
                state = released(known[0], decision.lease)
                self._weight -= known[2]
                if state is None:
                    del self._states[name]
                else:
                    weight = 1 + sum(len(part) for part in state)
                    self._states[name] = (state, known[1], weight)
                    self._weight += weight

    def reset(self, key: str, rule: Rule) -> None:
        """Forgets what was counted."""
        with self._lock:
            known = self._states.pop(f"{rule.id}:{key}", None)
            self._weight -= known[2] if known else 0

    def counted(self, start: str = "", *, limit: int = 100) -> list[tuple[str, str]]:
        """Keys that have counts."""
        with self._lock:
            now = round(self._clock() * 1_000_000)
            found = []
            for name, kept in self._states.items():
                rule, key = named(name)
                if kept[1] > now and key.startswith(start):
                    found.append((key, rule))
                    if len(found) == limit:
                        break
            return found


def _decided(rule: Rule, found: Step, cost: int, lease: str) -> Decision:
    return Decision(
        found.allowed,
        rule,
        found.remaining,
        found.reset / 1_000_000,
        found.retry / 1_000_000,
        found.delay / 1_000_000,
        lease_of(lease, rule, cost, allowed=found.allowed) if lease else "",
    )
