"""What protects one upstream."""

from __future__ import annotations

from dataclasses import dataclass, field

from backendhub.kit.breaker import Policy, State


@dataclass(frozen=True, slots=True)
class Instance:
    """A breaker by name, and what lies behind it."""

    name: str
    policy: Policy = field(default_factory=Policy)
    state: State = State.CLOSED
    upstream: str | None = None
    statuses: frozenset[int] = frozenset(range(500, 600))
    """Answers of the upstream that are failures."""
    ignored: frozenset[int] = frozenset()
    """Answers that say nothing about the upstream."""
    events: int = 100
    """How many it remembers."""
    fallback: str | None = None
    """What is answered instead where the breaker refuses or the upstream fails."""
    calls: int = 25
    """How many at a time (the bulkhead)."""
    wait_s: float = 0.0
    """How long a call waits for its place."""
    tries: int = 1
    """How often an idempotent request is sent, within the retry budget."""
    timeout_s: float = 30.0
    health: bool = True
    may_fail: bool = False
    """Whether an open breaker makes the whole health DOWN."""
