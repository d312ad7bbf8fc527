"""Rate limits by seven algorithms, counted in this process or in Redis: `hub.limits`, and a library of its own."""

from __future__ import annotations

from .base import Limits, Pair
from .headers import TooManyHits, enforce, fields, retry_after
from .memory import MemoryLimits
from .rules import ALGORITHMS, Algorithm, Decision, Rule

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Decision",
    "Limits",
    "MemoryLimits",
    "Pair",
    "Rule",
    "TooManyHits",
    "enforce",
    "fields",
    "retry_after",
]
