"""Test clocks: objects that live in a time of their own, which stands until somebody moves it.

Whoever belongs to a clock carries its id. Services do things `within` it, `schedule` what is due on it, and a job `step`s
it to where it was sent, doing what is due on the way in its order. A migration says `-- needs: clocks`.
"""

from __future__ import annotations

from .models import Clock
from .service import advance, create, delete, get, schedule, step, within

__all__ = ["Clock", "advance", "create", "delete", "get", "schedule", "step", "within"]
