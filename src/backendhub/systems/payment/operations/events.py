"""Events."""

from __future__ import annotations

from backendhub.systems.payment import events
from backendhub.systems.payment.wire.operations import listing, retrieving

assert events.EVENT
listing("event", "/v1/events", "type str\ntypes list str\ndelivery_success bool")
retrieving("event", "/v1/events/{id}")
