"""What older versions of the wire sent otherwise of billing."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.systems.payment import objects
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service.billing import invoicing, subscriptions
from backendhub.systems.payment.wire.versions import change

BASIL = "2025-03-31"


@change(
    BASIL,
    "invoice",
    "`payment_intent`, `charge`, `paid`, `subscription` and `tax` were fields of the invoice",
)
def _invoice(db: Db, invoice: Json) -> None:
    if invoice.get("deleted"):
        return
    intent = invoicing.intent_of(db, invoice)
    taxes = [each["amount"] for each in invoice["total_taxes"]]
    invoice |= {
        "charge": intent["latest_charge"] if intent else None,
        "paid": invoice["status"] == "paid",
        "payment_intent": invoice.get("payment_intent") or (intent["id"] if intent else None),
        "quote": None,
        "subscription": invoice.get("subscription") or invoicing.subscription_of(invoice),
        "tax": sum(taxes) if taxes else None,
        "total_tax_amounts": [_tax(each) for each in invoice["total_taxes"]],
    }


@change(BASIL, "line_item", "`price`, `proration` and `type` were fields of the line")
def _line(db: Db, line: Json) -> None:
    parent = (
        line["parent"].get("subscription_item_details") or line["parent"].get("invoice_item_details") or {}
    )
    about = (line["pricing"] or {}).get("price_details") or {}
    price = objects.find(db, "price", about["price"]) if about.get("price") else None
    line |= {
        "invoice_item": parent.get("invoice_item"),
        "price": price,
        "proration": parent.get("proration", False),
        "subscription_item": parent.get("subscription_item"),
        "tax_amounts": [_tax(each) for each in line["taxes"]],
        "type": "invoiceitem" if parent.get("invoice_item") else "subscription",
    }


@change(BASIL, "invoiceitem", "`price` and `unit_amount` were fields of the item")
def _item(db: Db, item: Json) -> None:
    if item.get("deleted"):
        return
    about = (item["pricing"] or {}).get("price_details") or {}
    price = objects.find(db, "price", about["price"]) if about.get("price") else None
    details = (item["parent"] or {}).get("subscription_details") or {}
    item |= {
        "price": price,
        "subscription": details.get("subscription"),
        "unit_amount": price["unit_amount"] if price else None,
    }


@change(BASIL, "subscription", "the current period was a field of the subscription")
def _subscription(db: Db, owner: Json) -> None:
    if not owner.get("deleted"):
        start, end = subscriptions.period(owner)
        owner |= {"current_period_start": start, "current_period_end": end}


@change("2025-09-30", "discount", "the coupon was a field of the discount")
def _discount(db: Db, discount: Json) -> None:
    row = objects.row_of(db, "coupon", (discount.get("source") or {}).get("coupon") or "")
    discount["coupon"] = None if row is None else row.data


@change("2025-09-30", "promotion_code", "the coupon was a field of the code")
def _code(db: Db, code: Json) -> None:
    row = objects.row_of(db, "coupon", (code.get("promotion") or {}).get("coupon") or "")
    code["coupon"] = None if row is None else row.data


def _tax(each: Json) -> Json:
    rate = (each.get("tax_rate_details") or {}).get("tax_rate")
    told = {k: each[k] for k in ("amount", "taxability_reason", "taxable_amount")}
    return told | {"inclusive": each["tax_behavior"] == "inclusive", "tax_rate": rate}
