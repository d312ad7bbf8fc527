"""Test clocks: customers made on one live in its time, with all that belongs to them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from backendhub.kit import clock, clocks, jobs
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json

KIND = "test_helpers.test_clock"
CLOCK = resources.declare(resources.Resource(KIND, "clock", "/v1/test_helpers/test_clocks", metadata=False))


def create(db: Db, params: Json) -> Json:
    """Make a test clock, standing at a time."""
    at = params["frozen_time"]
    id = objects.new_id("clock")
    clocks.create(db, id, datetime.fromtimestamp(at, UTC))
    made = objects.make(
        db,
        KIND,
        {
            "deletes_after": int(clock.wall().timestamp()) + 30 * 86_400,
            "frozen_time": at,
            "name": params.get("name"),
            "status": "ready",
            "status_details": {},
        },
        id=id,
    )
    events.emit(db, "test_helpers.test_clock.created", made)
    return made


def advance(db: Db, id: str, params: Json) -> Json:
    """Send a clock to a later time: what is due on the way is done there, then it is `ready` again."""
    found = objects.get(db, KIND, id, lock=True)
    to = params["frozen_time"]
    try:
        clocks.advance(db, id, datetime.fromtimestamp(to, UTC))
    except Conflict:
        raise ApiError("Test clock advancement underway - cannot perform modifications", status=429) from None
    except Invalid:
        raise ApiError("Test clock can only be advanced to a future time.", param="frozen_time") from None
    fresh = objects.save(
        db, found | {"status": "advancing", "status_details": {"advancing": {"target_frozen_time": to}}}
    )
    events.emit(db, "test_helpers.test_clock.advancing", fresh)
    jobs.enqueue(db, "payment.clock_advances", unique=id, id=id)
    return fresh


def step(db: Db, id: str) -> bool:
    """Does the next thing that is due on a clock's way; False where it has arrived."""
    found = objects.find(db, KIND, id, lock=True)
    if found is None or found.get("deleted"):
        return False
    if clocks.step(db, id):
        return True
    at = int(clocks.get(db, id).at.timestamp())
    if found["status"] == "advancing":
        fresh = objects.save(db, found | {"frozen_time": at, "status": "ready", "status_details": {}})
        events.emit(db, "test_helpers.test_clock.ready", fresh)
    return False


def walk(unit: Callable[..., Any], id: str, check: Callable[[], None] = lambda: None) -> None:
    """Walks a clock to where it was sent, a transaction for each thing that is due."""
    while unit(step, id):
        check()


def failed(db: Db, id: str) -> None:
    """A clock whose way broke off for good."""
    found = objects.find(db, KIND, id, lock=True)
    if found is not None and found.get("status") == "advancing":
        fresh = objects.save(db, found | {"status": "internal_failure"})
        events.emit(db, "test_helpers.test_clock.internal_failure", fresh)


def delete(db: Db, id: str, params: Json) -> Json:
    """Delete a test clock, and its customers with it."""
    found = objects.get(db, KIND, id, lock=True)
    clocks.delete(db, id)
    for customer in objects.where(db, "customer", test_clock=id, limit=100):
        for owner in objects.where(db, "subscription", customer=customer["id"], limit=100):
            objects.delete(db, "subscription", owner["id"])
        objects.delete(db, "customer", customer["id"])
    events.emit(db, "test_helpers.test_clock.deleted", found)
    return objects.delete(db, KIND, id)


def checked(db: Db, id: str) -> None:
    """Raises ApiError where a customer cannot be made on a clock."""
    found = objects.get(db, KIND, id, param="test_clock", lock=True)
    if found["status"] == "advancing":
        raise ApiError("Test clock advancement underway - cannot perform modifications", status=429)
    if len(objects.where(db, "customer", test_clock=id, limit=3)) >= 3:
        raise ApiError("A test clock has up to three customers.", param="test_clock")
