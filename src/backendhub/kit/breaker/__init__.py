"""Circuit breakers, bulkheads and retry budgets: failures of others stay theirs. A library; `circuit-breaker` serves it."""

from __future__ import annotations

from .breaker import Breaker, Event, NotPermitted
from .bulkhead import Bulkhead, BulkheadFull
from .machine import Machine, Outcome, Permit, Snapshot, State
from .policy import Policy
from .retries import Backoff, RetryBudget

__all__ = [
    "Backoff",
    "Breaker",
    "Bulkhead",
    "BulkheadFull",
    "Event",
    "Machine",
    "NotPermitted",
    "Outcome",
    "Permit",
    "Policy",
    "RetryBudget",
    "Snapshot",
    "State",
]
