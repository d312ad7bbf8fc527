"""What older versions of the wire sent otherwise."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.systems.payment import objects
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import charging, customers
from backendhub.systems.payment.wire.versions import change


@change(
    "2024-04-10", "payment_intent", "`automatic_async` is the usual capture method; before it was `automatic`"
)
def _capture_method(db: Db, intent: Json) -> None:
    if intent.get("capture_method") == "automatic_async":
        intent["capture_method"] = "automatic"


@change("2022-11-15", "charge", "`refunds` are sent when they are asked for")
def _refunds(db: Db, charge: Json) -> None:
    charge.setdefault("refunds", charging.refunds_of(db, charge))


@change("2022-11-15", "payment_intent", "`charges` gave way to `latest_charge`")
def _charges(db: Db, intent: Json) -> None:
    found = objects.where(db, "charge", payment_intent=intent["id"], limit=10)
    url = f"/v1/charges?payment_intent={intent['id']}"
    intent["charges"] = {"object": "list", "data": found, "has_more": False, "url": url}
    intent.pop("latest_charge", None)


@change("2020-08-27", "customer", "`sources` and `tax_ids` are sent when they are asked for")
def _inside(db: Db, customer: Json) -> None:
    if not customer.get("deleted"):
        for name, kind in (("sources", "card"), ("tax_ids", "tax_id")):
            customer.setdefault(name, customers.inner(db, customer, kind, name))
