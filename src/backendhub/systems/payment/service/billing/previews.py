"""What would be billed: the real thing is done, looked at, and taken back."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.systems.payment import objects
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json

from . import changing, cycles, invoices, invoicing, items, periods, starting, subscriptions
from .times import living


class _Seen(Exception):
    """What was looked at."""

    def __init__(self, invoice: Json) -> None:
        super().__init__("seen")
        self.invoice = invoice


def preview(db: Db, params: Json) -> Json:
    """Show the next invoice of a customer or a subscription, after a change perhaps; nothing of it stays."""
    about = params.get("subscription_details") or {}
    owner: Json | None = None
    if params.get("subscription"):
        owner = objects.get(db, "subscription", params["subscription"], param="subscription")
    who = params.get("customer") or (owner or {}).get("customer")
    if who is None:
        raise ApiError(
            "You must give `customer` or `subscription`.", code="parameter_missing", param="customer"
        )
    customer = objects.get(db, "customer", who, param="customer")
    if owner is not None and owner["customer"] != who:
        raise ApiError("The subscription belongs to another customer.", param="subscription")
    with living(db, customer):
        try:
            with db.savepoint():
                raise _Seen(_looked(db, customer, owner, about, params))
        except _Seen as seen:
            return _unreal(seen.invoice)


def _looked(db: Db, customer: Json, owner: Json | None, about: Json, params: Json) -> Json:
    """The invoice, with all that had to happen for it."""
    _added(db, customer, owner, params)
    if owner is None and about.get("items"):
        wanted = {
            k: v
            for k, v in about.items()
            if k in ("items", "trial_end", "billing_cycle_anchor", "default_tax_rates", "proration_behavior")
        }
        wanted |= {
            "payment_behavior": "default_incomplete",
            "discounts": params.get("discounts"),
            "currency": params.get("currency"),
        }
        made = starting.begin(db, customer, {k: v for k, v in wanted.items() if v is not None})
        return invoicing.locked(db, made["latest_invoice"])
    if owner is not None:
        return _of(db, customer, owner, about, params)
    currency = params.get("currency") or customer["currency"] or "usd"
    waiting = items.waiting(db, customer["id"], currency)
    if not waiting:
        raise ApiError(
            f"No upcoming invoices for customer: {customer['id']}", code="invoice_upcoming_none", status=404
        )
    return invoices.put(
        db,
        customer,
        currency,
        {"billing_reason": "upcoming"},
        waiting=waiting,
        discounts=params.get("discounts"),
    )


def _of(db: Db, customer: Json, owner: Json, about: Json, params: Json) -> Json:
    """The next invoice of a subscription: at once where a change is billed at once, else that of the next period."""
    if owner["status"] not in subscriptions.OPEN:
        raise ApiError(
            f"No upcoming invoices for customer: {customer['id']}", code="invoice_upcoming_none", status=404
        )
    last = owner["latest_invoice"]
    change = {k: v for k, v in about.items() if k not in ("cancel_now",)}
    if params.get("discounts") is not None:
        change["discounts"] = params["discounts"]
    if about.get("cancel_now"):
        if about.get("proration_behavior", "create_prorations") != "none":
            cycles.prorate(db, customer, owner, subscriptions.items_of(owner), objects.now(), sign=-1)
        return cycles.draft(db, customer, owner, [], reason="upcoming", period=subscriptions.period(owner))
    if change:
        owner = changing.edit(db, owner["id"], change | {"payment_behavior": "default_incomplete"})
        if owner["latest_invoice"] != last:
            return invoicing.locked(db, owner["latest_invoice"])
    if owner["cancel_at_period_end"]:
        raise ApiError(
            f"No upcoming invoices for customer: {customer['id']}", code="invoice_upcoming_none", status=404
        )
    start, end = subscriptions.period(owner)
    interval, count = subscriptions.cycle(subscriptions.items_of(owner)[0]["price"])
    following = periods.after(owner["billing_cycle_anchor"], interval, count, end)
    fresh = cycles.renewed(db, owner, end, following)
    if fresh["status"] == "trialing":
        fresh = subscriptions.moved(db, fresh, "activate")
    invoice = cycles.bill(db, customer, fresh, end, following, reason="upcoming", used=(start, end))
    assert invoice is not None
    return invoice | {"created": end}


def _added(db: Db, customer: Json, owner: Json | None, params: Json) -> None:
    """Items that a request adds to what it wants to see."""
    for each in params.get("invoice_items") or ():
        given = {k: v for k, v in each.items() if k not in ("price", "invoiceitem", "unit_amount")}
        if each.get("price"):
            given["pricing"] = {"price": each["price"]}
        if each.get("unit_amount") is not None:
            given["unit_amount_decimal"] = str(each["unit_amount"])
        if each.get("invoiceitem"):
            items.edit(db, each["invoiceitem"], given)
            continue
        about = {"customer": customer["id"]} | ({"subscription": owner["id"]} if owner else {})
        items.create(db, given | about)


def _unreal(invoice: Json) -> Json:
    """An invoice that is none yet: no number, no status but that of a draft."""
    id = objects.new_id("upcoming_in", 24)
    found = [
        each | {"invoice": id, "id": each["id"].replace("il_", "il_tmp_", 1)}
        for each in invoice["lines"]["data"]
    ]
    listed = invoice["lines"] | {"data": found, "url": f"/v1/invoices/{id}/lines"}
    return invoice | {
        "id": id,
        "lines": listed,
        "status": "draft",
        "number": None,
        "hosted_invoice_url": None,
        "auto_advance": False,
        "status_transitions": invoices.DEFAULTS["status_transitions"],
        "ending_balance": None,
    }
