"""Meters: what is counted of usage, and how much of it there was."""

from __future__ import annotations

import re

from backendhub.kit.db import Db
from backendhub.kit.states import Machine, Move
from backendhub.systems.payment import events, objects, resources, store
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json

from .times import living

METER = resources.declare(
    resources.Resource(
        "billing.meter", "mtr", "/v1/billing/meters", index=("status", "event_name"), metadata=False
    )
)
EVENT = resources.declare(resources.Resource("billing.meter_event", metadata=False))
METERS = Machine(
    "meter",
    table="payment_object",
    column="status",
    initial="active",
    moves=(
        Move("deactivate", "active", "inactive", "It counts no more"),
        Move("reactivate", "inactive", "active", "It counts again"),
    ),
)


def create(db: Db, params: Json) -> Json:
    """Make a meter, which counts the events of a name."""
    objects.alone(db, f"meter {params['event_name']}")
    if objects.where(db, "billing.meter", event_name=params["event_name"], status="active", limit=1):
        raise ApiError(
            f"There is already an active meter with the event name {params['event_name']}.",
            param="event_name",
        )
    made = objects.make(
        db,
        "billing.meter",
        {
            "customer_mapping": params.get("customer_mapping")
            or {"event_payload_key": "stripe_customer_id", "type": "by_id"},
            "default_aggregation": params["default_aggregation"],
            "display_name": params["display_name"],
            "event_name": params["event_name"],
            "event_time_window": None,
            "status_transitions": {"deactivated_at": None},
            "updated": objects.now(),
            "value_settings": params.get("value_settings") or {"event_payload_key": "value"},
        },
        status="active",
    )
    events.emit(db, "billing.meter.created", made)
    return made


def edit(db: Db, id: str, params: Json) -> Json:
    """Change what a meter is called."""
    old = objects.get(db, "billing.meter", id, lock=True)
    fresh = objects.save(db, old | params | {"updated": objects.now()})
    events.updated(db, "billing.meter.updated", old, fresh)
    return fresh


def deactivate(db: Db, id: str, params: Json) -> Json:
    """Have a meter count no more."""
    return _turned(db, id, "deactivate", objects.now(), "billing.meter.deactivated")


def reactivate(db: Db, id: str, params: Json) -> Json:
    """Have a meter count again."""
    return _turned(db, id, "reactivate", None, "billing.meter.reactivated")


def _turned(db: Db, id: str, verb: str, stamp: int | None, event: str) -> Json:
    old = objects.get(db, "billing.meter", id, lock=True)
    status = METERS.move(db, objects.key_of(db, "billing.meter", id), verb)
    fresh = old | {
        "status": status,
        "status_transitions": {"deactivated_at": stamp},
        "updated": objects.now(),
    }
    fresh = objects.save(db, fresh)
    events.emit(db, event, fresh)
    return fresh


def record(db: Db, params: Json) -> Json:
    """Count a usage; one of the same identifier is counted once."""
    found = objects.where(db, "billing.meter", event_name=params["event_name"], status="active", limit=1)
    if not found:
        raise ApiError(
            f"No active meter found for event name {params['event_name']}.",
            code="no_meter",
            param="event_name",
        )
    meter, payload = found[0], params["payload"] if isinstance(params["payload"], dict) else {}
    who = payload.get(meter["customer_mapping"]["event_payload_key"])
    if not isinstance(who, str):
        key = meter["customer_mapping"]["event_payload_key"]
        raise ApiError(f"The payload has no {key}.", code="no_customer_defined", param=f"payload[{key}]")
    customer = objects.get(db, "customer", who, param="payload")
    value = _value(meter, payload)
    with living(db, customer):
        at = params.get("timestamp") or objects.now()
        identifier = params.get("identifier") or objects.new_id("evt")
        row = {"identifier": identifier, "meter": meter["id"], "customer": who, "at": at, "value": value}
        if not db.run(store.INSERT_USAGE, **row):
            raise ApiError(
                f"An event already exists with identifier {identifier}.",
                code="duplicate_meter_event",
                param="identifier",
            )
        return {
            "object": "billing.meter_event",
            "created": objects.now(),
            "event_name": params["event_name"],
            "identifier": identifier,
            "livemode": False,
            "payload": payload,
            "timestamp": at,
        }


def _value(meter: Json, payload: Json) -> int:
    key = meter["value_settings"]["event_payload_key"]
    value = payload.get(key)
    if meter["default_aggregation"]["formula"] == "count":
        return 1
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,15}", value):
        raise ApiError(
            f"The value of an event is a whole number in {key}.",
            code="meter_event_value",
            param=f"payload[{key}]",
        )
    return int(value)


def used(db: Db, meter: str, customer: str, start: int, end: int) -> int:
    """How much a customer used in a period; never below nothing."""
    formula = objects.get(db, "billing.meter", meter)["default_aggregation"]["formula"]
    found = db.value(store.USED[formula], meter=meter, customer=customer, start=start, end=end)
    return max(0, int(found or 0))
