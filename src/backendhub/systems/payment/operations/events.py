"""Events and webhook endpoints."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.kit.db.base import contains
from backendhub.systems.payment import events
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import webhooks
from backendhub.systems.payment.wire import lists
from backendhub.systems.payment.wire.operations import listing as listed
from backendhub.systems.payment.wire.operations import operation, retrieving
from backendhub.systems.payment.wire.parameters import parameters

EVT = events.EVENT.path


def _list(db: Db, params: Json) -> Json:
    """List events, the newest first."""
    types = params.pop("types", None)
    if types and params.get("type"):
        raise ApiError("You may pass either `type` or `types`, but not both.", param="types")
    if types and len(types) > 20:
        raise ApiError("You may pass up to 20 types.", param="types")
    params.pop("delivery_success", None)
    if (type := params.get("type") or "").endswith("*"):
        params["type"] = {"~": contains(type[:-1]).removeprefix("%")}
    if types:
        params["type"] = types
    return lists.page(db, "event", params, url=EVT)


operation(
    "GET",
    EVT,
    _list,
    parameters(lists.LISTING + "created range\ntype str\ntypes list str\ndelivery_success bool"),
)
retrieving("event", EVT + "/{id}")
operation("POST", EVT + "/{id}/retry", webhooks.resend, parameters("webhook_endpoint! str"))

WE = "/v1/webhook_endpoints"
SHARED = "description str | empty\nmetadata metadata\n"
operation(
    "POST",
    WE,
    webhooks.create,
    parameters(SHARED + "api_version str\nconnect bool\nenabled_events! list str\nurl! str"),
)
listed("webhook_endpoint", WE)
retrieving("webhook_endpoint", WE + "/{id}")
operation(
    "POST",
    WE + "/{id}",
    webhooks.edit,
    parameters(SHARED + "disabled bool\nenabled_events list str\nurl str"),
)
operation("DELETE", WE + "/{id}", webhooks.delete)
