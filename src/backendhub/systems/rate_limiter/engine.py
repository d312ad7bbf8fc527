"""Requests against the configuration: which limits apply, whether all of them admit, what is told about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from backendhub.kit.limits import Decision, Limits, Rule

from .config import Config
from .models import Descriptor, Hits, Limit, Match, Status, Verdict

NEAR = 0.8
"""From this part of a limit on, hits are counted as near it."""
MAX_LABELS = 10_000
Pair = tuple[str, Rule]


class Engine:
    """The limits of one process. `config` is replaced as a whole; a request sees one configuration from end to end."""

    def __init__(self, limits: Limits, config: Config | None = None) -> None:
        self.limits = limits
        self.config = config or Config()
        self.hits: dict[str, Hits] = {}

    async def check(self, domain: str, descriptors: Sequence[Descriptor], hits: int = 1) -> Verdict:
        """Counts a request under every limit that applies, or under none of them if one refuses.

        Limits in shadow mode are counted for themselves and refuse nothing; of limits in quota mode one that admits is
        enough. Neither takes anything from a request that is refused anyway. Hits of 0 only look.
        """
        if (plain := self.plain(domain, descriptors, hits)) is not None:
            alone, rule, cost = plain
            return self.judged(alone, await self.limits.ahit(alone.key, rule, cost), cost)
        matches = self._matches(domain, descriptors)
        costs = [hits if d.hits is None else d.hits for d in descriptors]
        found: list[Status | None] = [
            Status(False, match and match.limit) if match is None or match.limit.unlimited else None
            for match in matches
        ]
        strict = [n for n, m in enumerate(matches) if found[n] is None and m and not _lenient(m.limit)]
        over = await self._all_or_none(strict, matches, costs, found)
        quotas = []
        for n, match in enumerate(matches):
            if found[n] is None and match is not None:
                found[n] = await self._alone(match, costs[n], counting=not over)
                if match.limit.quota and not match.limit.shadow:
                    quotas.append(found[n])
        over = over or (bool(quotas) and all(status and status.over for status in quotas))
        statuses = [status for status in found if status is not None]
        for match, status, cost in zip(matches, statuses, costs, strict=True):
            if match is not None and cost and not match.limit.unlimited:
                self._note(match, status, cost)
        return Verdict(over, [_shadowed(status) for status in statuses])

    def plain(
        self, domain: str, descriptors: Sequence[Descriptor], hits: int
    ) -> tuple[Match, Rule, int] | None:
        """What is to be counted for most requests: one descriptor with a plain limit; None for any other."""
        if len(descriptors) != 1:
            return None
        descriptor = descriptors[0]
        match = self.config.find(domain, descriptor)
        if match is None:
            return None
        limit, cost = match.limit, hits if descriptor.hits is None else descriptor.hits
        if limit.rule is None or limit.shadow or limit.quota or cost > limit.rule.most:
            return None
        return match, limit.rule, cost

    def judged(self, match: Match, decision: Decision, cost: int) -> Verdict:
        """The verdict on a request with one plain limit."""
        status = _status(match, match.key, decision)
        if cost:
            self._note(match, status, cost)
        return Verdict(status.over, (status,))

    def _matches(self, domain: str, descriptors: Sequence[Descriptor]) -> list[Match | None]:
        config = self.config
        matches = [config.find(domain, descriptor) for descriptor in descriptors]
        replaced = frozenset().union(*(m.limit.replaces for m in matches if m is not None))
        if replaced:
            return [None if m is not None and m.limit.name in replaced else m for m in matches]
        return matches

    async def _all_or_none(
        self,
        which: Sequence[int],
        matches: Sequence[Match | None],
        costs: Sequence[int],
        found: list[Status | None],
    ) -> bool:
        """Counts under all of these or none; says whether one is over."""
        pairs, places, over = _together((n, matches[n], costs[n]) for n in which)
        if pairs:
            never = [cost > rule.most for (_, rule), cost in pairs.items()]
            spent = [0] * len(pairs) if over or any(never) else [*pairs.values()]
            decisions = await self.limits.ahit_all([*pairs], spent)
            for (pair, positions), decision, hopeless in zip(places.items(), decisions, never, strict=True):
                if hopeless:
                    decision = decision._replace(allowed=False)
                over = over or not decision.allowed
                for n in positions:
                    found[n] = _status(matches[n], pair[0], decision)
        for n in which:
            if found[n] is None:  # a limit of nothing
                found[n] = _status(matches[n], "", None)
        return over

    async def _alone(self, match: Match, cost: int, *, counting: bool) -> Status:
        """Counts under one limit for itself."""
        rule = match.limit.rule
        if rule is None:
            return _status(match, "", None)
        decision = await self.limits.ahit(match.key, rule, cost if counting and cost <= rule.most else 0)
        if cost > rule.most:
            decision = decision._replace(allowed=False)
        return _status(match, match.key, decision)

    def _note(self, match: Match, status: Status, cost: int) -> None:
        hits = self.hits.get(match.label)
        if hits is None:
            label = match.label if len(self.hits) < MAX_LABELS else match.limit.path
            hits = self.hits.setdefault(label, Hits())
        hits.total += cost
        if status.over:
            hits.over += cost
            hits.shadow += cost if match.limit.shadow else 0
            return
        hits.within += cost
        used = match.limit.amount - status.remaining
        hits.near += max(0, min(cost, used - int(match.limit.amount * NEAR)))

    async def reset(self, domain: str, descriptors: Sequence[Descriptor]) -> int:
        """Forgets what was counted on some descriptors; gives how many have a limit. Raises StoreError."""
        found = [m for m in self._matches(domain, descriptors) if m is not None and m.limit.rule is not None]
        for match in found:
            assert match.limit.rule is not None
            await self.limits.areset(match.key, match.limit.rule)
        return len(found)

    async def release(self, key: str, rule: str, lease: str) -> None:
        """Gives back a place of a `concurrency` limit; one that is not known any more has ended."""
        for limit in self.config.limits():
            if limit.rule is not None and limit.rule.id == rule:
                await self.limits.arelease(key, Decision(True, limit.rule, 0, 0, 0, lease=lease))
                return


def _lenient(limit: Limit) -> bool:
    return limit.shadow or limit.quota


def _together(
    found: Iterable[tuple[int, Match | None, int]],
) -> tuple[dict[Pair, int], dict[Pair, list[int]], bool]:
    """What each pair of key and rule is hit with, for which descriptors, and whether there is a limit of nothing."""
    pairs: dict[Pair, int] = {}
    places: dict[Pair, list[int]] = {}
    over = False
    for n, match, cost in found:
        assert match is not None
        if match.limit.rule is None:
            over = True
            continue
        pair = (match.key, match.limit.rule)
        pairs[pair] = pairs.get(pair, 0) + cost
        places.setdefault(pair, []).append(n)
    return pairs, places, over


def _status(match: Match | None, key: str, decision: Decision | None) -> Status:
    assert match is not None
    if decision is None:
        return Status(True, match.limit)
    return Status(
        not decision.allowed, match.limit, decision, key, decision.remaining if decision.allowed else 0
    )


def _shadowed(status: Status) -> Status:
    return status._replace(over=False) if status.limit is not None and status.limit.shadow else status
