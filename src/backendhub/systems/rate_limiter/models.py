"""What is limited, and what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from backendhub.kit.limits import Decision, Rule

UNITS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "month": 30 * 86_400,
    "year": 365 * 86_400,
    "week": 7 * 86_400,
}
"""Seconds of a unit; its place from 1 on is its number on Envoy's wire."""
MOST = 2**32 - 1
"""The largest number that Envoy's wire has room for."""

Entries = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Defaults:
    """How a limit is meant that does not say it."""

    algorithm: str = "fixed-window"
    fail: str = "open"
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """A `rate_limit` of the configuration. Without a rule it is unlimited, or admits nothing at all (`amount` 0)."""

    path: str
    amount: int
    unit: str
    rule: Rule | None = None
    unlimited: bool = False
    shadow: bool = False
    quota: bool = False
    detailed: bool = False
    name: str = ""
    replaces: frozenset[str] = frozenset()


@dataclass(slots=True)
class Branch:
    """Descriptors at one depth: those with a value, those with a pattern of values, those of a key alone."""

    limit: Limit | None = None
    exact: dict[tuple[str, str], Branch] = field(default_factory=dict)
    patterns: list[Pattern] = field(default_factory=list)
    keys: dict[str, Branch] = field(default_factory=dict)
    named: bool = False
    """Statistics name the values that come here (`value_to_metric`)."""

    def leaves(self) -> list[Limit]:
        """Every limit from here on."""
        below = [*self.exact.values(), *(p.branch for p in self.patterns), *self.keys.values()]
        found = [self.limit] if self.limit is not None else []
        return found + [limit for branch in below for limit in branch.leaves()]


@dataclass(slots=True)
class Pattern:
    """Values such as `files/*`; where they share, all that match are counted together."""

    key: str
    text: str
    parts: tuple[str, ...]
    shared: bool
    branch: Branch

    def matches(self, key: str, value: str) -> bool:
        """Whether a value has all the parts, in order and without overlap."""
        first, *middle, last = self.parts
        if key != self.key or not value.startswith(first) or not value.endswith(last):
            return False
        at, end = len(first), len(value) - len(last)
        for part in middle:
            found = value.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return at <= end


class Descriptor(NamedTuple):
    """What a request is: `(("user", "ada"), ("path", "/pay"))`, with a limit of its own where the caller knows one."""

    entries: Entries
    override: tuple[int, str] | None = None
    hits: int | None = None


class Match(NamedTuple):
    """The limit of a descriptor, the key that it is counted on, and what statistics call it."""

    limit: Limit
    key: str
    label: str


class Status(NamedTuple):
    """What became of one descriptor. `limit` is None where none applies."""

    over: bool
    limit: Limit | None = None
    decision: Decision | None = None
    """None where nothing was counted: no limit, unlimited, or one that admits nothing."""
    key: str = ""
    remaining: int = 0


class Verdict(NamedTuple):
    """What became of a request."""

    over: bool
    statuses: Sequence[Status]

    @property
    def decisions(self) -> list[Decision]:
        """What was counted and counts: those of shadow limits are left out."""
        found = [s.decision for s in self.statuses if s.decision and s.limit and not s.limit.shadow]
        return list({(d.rule.id, d.remaining): d for d in found}.values())


@dataclass(slots=True)
class Hits:
    """What happened at a limit since the process began, in hits."""

    total: int = 0
    within: int = 0
    near: int = 0
    over: int = 0
    shadow: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """A domain whose configuration is kept in the store."""

    domain: str
    config: str
    revision: int
    created_at: datetime
    updated_at: datetime
