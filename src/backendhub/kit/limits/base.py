"""The interface of limits, and everything about them that does not depend on where the counts are."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from os import urandom

from backendhub.kit.errors import Invalid

from .headers import TooManyHits
from .rules import Decision, Rule

MARKED = re.compile(r":[0-9a-f]{8}:")
Pair = tuple[str, Rule]
Cost = int | Sequence[int]
"""What a hit takes: the same of every rule, or a number for each."""


class Limits(ABC):
    """Counts hits on keys by rules.

    `hit`, `hit_all`, `release`, `reset` and `holding` are for threads and commands, their twins with an `a` in front
    for event loops. They take one step (over Redis: one round trip), however many ask at once.
    """

    def hit(self, key: str, rule: Rule, cost: int = 1) -> Decision:
        """Counts a hit if the rule admits it; a cost of 0 only looks. Raises Invalid for a cost that never fits."""
        pairs = [(key, rule)]
        return self._hit(
            pairs, checked(pairs, cost), lease_for(pairs) if rule.algorithm == "concurrency" else ""
        )[0]

    async def ahit(self, key: str, rule: Rule, cost: int = 1) -> Decision:
        """`hit` for event loops."""
        return (await self.ahit_all([(key, rule)], cost))[0]

    def hit_all(self, pairs: Sequence[Pair], cost: Cost = 1) -> list[Decision]:
        """Counts a hit under several rules if all of them admit it, and under none if one does not."""
        costs = checked(pairs, cost)
        return self._hit(pairs, costs, lease_for(pairs))

    async def ahit_all(self, pairs: Sequence[Pair], cost: Cost = 1) -> list[Decision]:
        """`hit_all` for event loops."""
        costs = checked(pairs, cost)
        return await self._ahit(pairs, costs, lease_for(pairs))

    @contextmanager
    def holding(self, key: str, rule: Rule, cost: int = 1) -> Iterator[Decision]:
        """A place of a `concurrency` rule for the length of a block. Raises TooManyHits where there is none."""
        decision = self.hit(key, rule, cost)
        if not decision.allowed:
            raise TooManyHits([decision])
        try:
            yield decision
        finally:
            self.release(key, decision)

    @asynccontextmanager
    async def aholding(self, key: str, rule: Rule, cost: int = 1) -> AsyncIterator[Decision]:
        """`holding` for event loops."""
        decision = await self.ahit(key, rule, cost)
        if not decision.allowed:
            raise TooManyHits([decision])
        try:
            yield decision
        finally:
            await self.arelease(key, decision)

    @abstractmethod
    def _hit(self, pairs: Sequence[Pair], costs: Sequence[int], lease: str) -> list[Decision]: ...

    async def _ahit(self, pairs: Sequence[Pair], costs: Sequence[int], lease: str) -> list[Decision]:
        return self._hit(pairs, costs, lease)

    @abstractmethod
    def release(self, key: str, decision: Decision) -> None:
        """Gives back a place of a `concurrency` rule; one that cannot be told so ends with its lease."""

    async def arelease(self, key: str, decision: Decision) -> None:
        """`release` for event loops."""
        self.release(key, decision)

    @abstractmethod
    def reset(self, key: str, rule: Rule) -> None:
        """Forgets what was counted. Raises StoreError where it cannot be."""

    async def areset(self, key: str, rule: Rule) -> None:
        """`reset` for event loops."""
        self.reset(key, rule)

    @abstractmethod
    def counted(self, start: str = "", *, limit: int = 100) -> list[tuple[str, str]]:
        """Keys that begin with `start` and have counts at the moment, each with its rule's id: at most `limit`, in no
        order. For people who look, not for programs that decide. Raises StoreError."""

    async def acounted(self, start: str = "", *, limit: int = 100) -> list[tuple[str, str]]:
        """`counted` for event loops."""
        return self.counted(start, limit=limit)


def checked(pairs: Sequence[Pair], cost: Cost) -> Sequence[int]:
    """The cost for each rule. Raises Invalid for what no store may be asked."""
    if len(pairs) != 1 and (len({(key, rule.id) for key, rule in pairs}) != len(pairs) or not pairs):
        raise Invalid("A hit names each key and rule once.")
    costs = (cost,) * len(pairs) if isinstance(cost, int) else cost
    if len(costs) != len(pairs):
        raise Invalid("A hit has one cost, or one for each rule.")
    for (_, rule), takes in zip(pairs, costs, strict=True):
        if not 0 <= takes <= rule.most:
            raise Invalid(f"A hit that costs {takes} is more than {rule.name!r} ever admits ({rule.most}).")
    return costs


def lease_for(pairs: Sequence[Pair]) -> str:
    """A name for a hit that may be given back."""
    return urandom(9).hex() if any(rule.algorithm == "concurrency" for _, rule in pairs) else ""


def lease_of(lease: str, rule: Rule, cost: int, *, allowed: bool) -> str:
    """The name of one rule's part of a hit, which begins with what it costs; empty where nothing is held."""
    return f"{cost}:{lease}" if allowed and cost and rule.algorithm == "concurrency" else ""


def named(name: str) -> tuple[str, str]:
    """The rule's id and the key of counts that are kept under `<id>:<key>`; an id ends with eight digits."""
    at = MARKED.search(name)
    assert at is not None
    return name[: at.end() - 1], name[at.end() :]


def unsure(pairs: Sequence[Pair]) -> list[Decision]:
    """What the rules decide while the counts cannot be asked."""
    return [
        Decision(rule.fail == "open", rule, 0, 1.0, 0.0 if rule.fail == "open" else 1.0, unsure=True)
        for _, rule in pairs
    ]
