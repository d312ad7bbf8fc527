"""Counts in Redis, shared by every process that uses the server; one script, one round trip."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from backendhub.kit import clock
from backendhub.kit.errors import StoreError
from backendhub.kit.redis import Redis, Script

from .base import Limits, Pair, lease_of, named, unsure
from .rules import Decision, Rule

HIT = Script(Path(__file__).with_name("limits.lua").read_text(encoding="utf-8"))


class RedisLimits(Limits):
    """Time is Redis' own, so that machines whose clocks differ share one limit. While Redis cannot be asked, each
    rule's `fail` decides."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] | None = None) -> None:
        """`clock` (seconds since 1970) is for tests; a held clock of the kit is obeyed too."""
        self._redis = redis
        self._clock = clock

    def _hit(self, pairs: Sequence[Pair], costs: Sequence[int], lease: str) -> list[Decision]:
        try:
            reply = self._redis.run(HIT, self._keys(pairs), self._words(pairs, costs, lease))
        except StoreError:
            return unsure(pairs)
        return _decisions(pairs, costs, reply, lease)

    async def _ahit(self, pairs: Sequence[Pair], costs: Sequence[int], lease: str) -> list[Decision]:
        try:
            reply = await self._redis.arun(HIT, self._keys(pairs), self._words(pairs, costs, lease))
        except StoreError:
            return unsure(pairs)
        return _decisions(pairs, costs, reply, lease)

    def _keys(self, pairs: Sequence[Pair]) -> list[str]:
        return [self._key(key, rule) for key, rule in pairs]

    def _key(self, key: str, rule: Rule) -> str:
        return self._redis.key("limit", rule.id, key)

    def _words(self, pairs: Sequence[Pair], costs: Sequence[int], lease: str) -> list[str | int]:
        now = self._clock() if self._clock else clock.held()
        words: list[str | int] = ["" if now is None else round(now * 1_000_000), lease]
        for (_, rule), cost in zip(pairs, costs, strict=True):
            words += (rule.algorithm, cost, *rule.numbers)
        return words

    def release(self, key: str, decision: Decision) -> None:
        """Gives back a place."""
        try:
            self._redis.call("ZREM", self._key(key, decision.rule), decision.lease)
        except StoreError:
            return  # the lease ends by itself

    async def arelease(self, key: str, decision: Decision) -> None:
        """Gives back a place."""
        try:
            await self._redis.acall("ZREM", self._key(key, decision.rule), decision.lease)
        except StoreError:
            return  # the lease ends by itself

    def reset(self, key: str, rule: Rule) -> None:
        """Forgets what was counted."""
        self._redis.call("DEL", self._key(key, rule))

    async def areset(self, key: str, rule: Rule) -> None:
        """Forgets what was counted."""
        await self._redis.acall("DEL", self._key(key, rule))

    def counted(self, start: str = "", *, limit: int = 100) -> list[tuple[str, str]]:
        """Keys that have counts."""
        found: dict[bytes, None] = {}
        at, pattern = "0", self._pattern(start)
        while True:
            at, names = self._redis.call("SCAN", at, "MATCH", pattern, "COUNT", 1000)
            found |= dict.fromkeys(names)
            if int(at) == 0 or len(found) >= limit:
                return self._names(found, start)[:limit]

    async def acounted(self, start: str = "", *, limit: int = 100) -> list[tuple[str, str]]:
        """Keys that have counts."""
        found: dict[bytes, None] = {}
        at, pattern = "0", self._pattern(start)
        while True:
            at, names = await self._redis.acall("SCAN", at, "MATCH", pattern, "COUNT", 1000)
            found |= dict.fromkeys(names)
            if int(at) == 0 or len(found) >= limit:
                return self._names(found, start)[:limit]

    def _pattern(self, start: str) -> str:
        return _literal(self._redis.key("limit")) + ":*:" + _literal(start) + "*"

    def _names(self, names: Iterable[bytes], start: str) -> list[tuple[str, str]]:
        cut = len(self._redis.key("limit")) + 1
        pairs = [named(name.decode()[cut:]) for name in names]
        return [(key, rule) for rule, key in pairs if key.startswith(start)]


def _literal(text: str) -> str:
    """Text that a pattern of Redis takes for itself."""
    return re.sub(r"([\\*?\[\]^-])", r"\\\1", text)


def _decisions(pairs: Sequence[Pair], costs: Sequence[int], reply: list[int], lease: str) -> list[Decision]:
    found = []
    for at, ((_, rule), cost) in enumerate(zip(pairs, costs, strict=True)):
        allowed, remaining, reset, retry, delay = reply[at * 5 : at * 5 + 5]
        held = lease_of(lease, rule, cost, allowed=bool(allowed)) if lease else ""
        found.append(Decision(bool(allowed), rule, remaining, reset / 1e6, retry / 1e6, delay / 1e6, held))
    return found
