"""Events that are written in the same commit as the change they tell of, and delivered at least once.

    outbox.publish(db, "order.paid", {"order": order.id, "total": order.total}, key=order.id)   # in a service

    @jobs.job("mailer.on_paid", on=("order.paid",))                                             # in a jobs.py
    def on_paid(db: Db, event: dict[str, Any]) -> None: ...

A worker (`serve`, `backendhub jobs run`) hands them on: to handlers and to webhooks. A system's migration says
`-- needs: outbox`.
"""

from __future__ import annotations

from .events import find, get, matches, once, publish
from .models import Delivery, Endpoint, Event

__all__ = ["Delivery", "Endpoint", "Event", "find", "get", "matches", "once", "publish"]
