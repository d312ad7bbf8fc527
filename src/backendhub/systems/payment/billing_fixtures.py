"""`--fixtures stripe`: what Stripe's own examples of billing (`in_xxxxxxxxxxxxx`, `sub_123`) name."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from backendhub.kit import clocks
from backendhub.kit.clock import wall
from backendhub.kit.db import Db
from backendhub.kit.errors import NotFound

from . import objects, store
from .models import Json, call
from .service.billing import (
    catalog,
    discounting,
    invoices,
    lines,
    links,
    periods,
    sessions,
    subscriptions,
    taxes,
    test_clocks,
)

PRICE: Json = {
    "active": True,
    "billing_scheme": "per_unit",
    "currency": "usd",
    "custom_unit_amount": None,
    "lookup_key": None,
    "nickname": None,
    "product": "prod_123",
    "tax_behavior": "unspecified",
    "tiers_mode": None,
    "transform_quantity": None,
    "unit_amount": 2000,
    "unit_amount_decimal": "2000",
}
MONTHLY: Json = {
    "interval": "month",
    "interval_count": 1,
    "meter": None,
    "trial_period_days": None,
    "usage_type": "licensed",
}

RECURS = ("subscriptions", "subscription_items", "create_preview")
"""Requests whose prices recur."""


def _product(db: Db, id: str) -> Json:
    return catalog.PRODUCT_DEFAULTS | {"name": "A sample", "updated": objects.now()}


def _price(db: Db, id: str) -> Json:
    recurring = MONTHLY if call().verb in RECURS else None
    return PRICE | {"recurring": recurring, "type": "recurring" if recurring else "one_time"}


def _coupon(db: Db, id: str) -> Json:
    told = dict.fromkeys(
        ("amount_off", "currency", "duration_in_months", "max_redemptions", "name", "redeem_by")
    )
    return told | {"duration": "forever", "percent_off": 25.5, "times_redeemed": 0, "valid": True}


def _code(db: Db, id: str) -> Json:
    told = dict.fromkeys(("customer", "customer_account", "expires_at", "max_redemptions"))
    limits = {"first_time_transaction": False, "minimum_amount": None, "minimum_amount_currency": None}
    promotion = {"coupon": "coupon_123", "type": "coupon"}
    return told | {
        "active": True,
        "code": "SAMPLE",
        "promotion": promotion,
        "restrictions": limits,
        "times_redeemed": 0,
    }


def _rate(db: Db, id: str) -> Json:
    return taxes.DEFAULTS | {"display_name": "VAT", "inclusive": False, "percentage": 19}


def _invoice(db: Db, id: str) -> Json:
    credited = call().verb in ("credit_notes", "preview")
    opened = credited or call().verb in ("pay", "void", "mark_uncollectible", "send")
    status, amount = "open" if opened else "draft", 1000 if credited else 0
    if call().writes:  # nothing was credited of a sample that is new again
        db.run(store.RESET_CREDITED, invoice=id)
        db.run(store.RESET_CREDIT, invoice=id)
    now = objects.now()
    about: Json = {"invoice_item": None, "proration": False, "proration_details": None, "subscription": None}
    one = lines.line(
        amount=amount,
        currency="usd",
        description="A sample",
        period={"start": now, "end": now},
        parent={
            "type": "invoice_item_details",
            "invoice_item_details": about,
            "subscription_item_details": None,
        },
        id=id.replace("in_", "il_", 1),
    )
    listed = {"object": "list", "data": [one], "has_more": False, "url": f"/v1/invoices/{id}/lines"}
    zero = dict.fromkeys(
        (
            "amount_due",
            "amount_remaining",
            "subtotal",
            "subtotal_excluding_tax",
            "total",
            "total_excluding_tax",
        ),
        amount,
    )
    sums: Json = {
        name: [] for name in ("total_discount_amounts", "total_pretax_credit_amounts", "total_taxes")
    }
    who = dict.fromkeys(
        ("customer_address", "customer_email", "customer_name", "customer_phone", "customer_shipping")
    )
    return (
        invoices.DEFAULTS
        | who
        | zero
        | sums
        | {
            "collection_method": "send_invoice" if call().verb == "send" else "charge_automatically",
            "currency": "usd",
            "customer": "cus_123",
            "customer_tax_exempt": "none",
            "customer_tax_ids": [],
            "default_tax_rates": [],
            "discounts": [],
            "ending_balance": 0 if status == "open" else None,
            "lines": listed,
            "number": "SAMPLE-0001" if status == "open" else None,
            "period_end": objects.now(),
            "period_start": objects.now(),
            "status": status,
            "test_clock": None,
        }
    )


def _note(db: Db, id: str) -> Json:
    nothing: Json = dict.fromkeys(
        ("amount_shipping", "discount_amount", "post_payment_amount", "subtotal_excluding_tax"), 0
    )
    some = dict.fromkeys(("amount", "pre_payment_amount", "subtotal", "total", "total_excluding_tax"), 100)
    empty: Json = {
        name: [] for name in ("discount_amounts", "pretax_credit_amounts", "refunds", "total_taxes")
    }
    absent = dict.fromkeys(
        ("customer_account", "customer_balance_transaction", "memo", "out_of_band_amount", "reason")
    )
    url = f"/v1/credit_notes/{id}/lines"
    about: Json = {
        "currency": "usd",
        "customer": "cus_123",
        "effective_at": objects.now(),
        "invoice": "in_123",
        "lines": {"object": "list", "data": [], "has_more": False, "url": url},
        "number": "SAMPLE-0001-CN-01",
        "pdf": "",
        "shipping_cost": None,
        "status": "issued",
        "type": "pre_payment",
        "voided_at": None,
    }
    return nothing | some | empty | absent | about


def _discount(db: Db, id: str) -> Json:
    source = {"coupon": "coupon_123", "type": "coupon"}
    about: Json = {"customer": "cus_123", "end": None, "promotion_code": None, "source": source}
    return discounting.WHO | about | {"start": objects.now()}


def _item(db: Db, id: str) -> Json:
    now = objects.now()
    return {
        "amount": 1000,
        "currency": "usd",
        "customer": "cus_123",
        "customer_account": None,
        "date": now,
        "description": "A sample",
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "net_amount": 1000,
        "parent": None,
        "period": {"start": now, "end": now},
        "pricing": None,
        "proration": False,
        "quantity": 1,
        "quantity_decimal": "1",
        "tax_rates": [],
        "test_clock": None,
    }


def _subscription(db: Db, id: str) -> Json:
    now = objects.now()
    price = PRICE | {
        "id": "price_123",
        "object": "price",
        "created": now,
        "livemode": False,
        "metadata": {},
        "recurring": MONTHLY,
        "type": "recurring",
    }
    item: Json = {
        "id": id.replace("sub_", "si_", 1),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": now,
        "current_period_end": periods.boundary(now, "month", 1, 1),
        "current_period_start": now,
        "discounts": [],
        "metadata": {},
        "plan": subscriptions.plan(price),
        "price": price,
        "quantity": 1,
        "subscription": id,
        "tax_rates": [],
    }
    listed = {
        "object": "list",
        "data": [item],
        "has_more": False,
        "url": f"/v1/subscription_items?subscription={id}",
    }
    return subscriptions.DEFAULTS | {
        "billing_cycle_anchor": now,
        "currency": "usd",
        "customer": "cus_123",
        "discounts": ["di_123"] if call().verb == "discount" else [],
        "items": listed,
        "quantity": 1,
        "start_date": now,
        "status": "paused" if call().verb == "resume" else "active",
        "test_clock": None,
    }


def _session(db: Db, id: str) -> Json:
    if call().writes:
        empty: Json = {
            "lines": [],
            "payment_intent": None,
            "redeemed": [],
            "setup_intent": None,
            "subscription": None,
        }
        found = objects.row_of(db, "checkout.details", id)
        if found is None:
            objects.make(
                db, "checkout.details", empty | {"subscription_data": {}, "payment_intent_data": {}}, id=id
            )
    return sessions.DEFAULTS | {
        "amount_subtotal": 0,
        "amount_total": 0,
        "currency": "usd",
        "customer_details": None,
        "discounts": [],
        "expires_at": objects.now() + sessions.LIVES,
        "mode": "payment",
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "status": "open",
        "success_url": "https://example.com/success",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "url": f"{call().base_url}/c/pay/{id}",
    }


def _details(db: Db, id: str) -> Json:
    return {"lines": [], "line_items": [], "mode": "payment", "options": {}, "tiers": None}


def _link(db: Db, id: str) -> Json:
    url = f"{call().base_url}/b/{id.removeprefix('plink_')}"
    return links.DEFAULTS | {"active": True, "after_completion": links.AFTER, "currency": "usd", "url": url}


def _clock(db: Db, id: str) -> Json:
    now = wall()
    if call().writes:
        with suppress(NotFound):
            clocks.delete(db, id)
        clocks.create(db, id, datetime.fromtimestamp(100, UTC))
    return {
        "deletes_after": int(now.timestamp()),
        "frozen_time": 100,
        "name": None,
        "status": "ready",
        "status_details": {},
    }


def _meter(db: Db, id: str) -> Json:
    return {
        "customer_mapping": {"event_payload_key": "stripe_customer_id", "type": "by_id"},
        "default_aggregation": {"formula": "sum"},
        "display_name": "A sample",
        "event_name": "sample",
        "event_time_window": None,
        "status": "inactive" if call().verb == "reactivate" else "active",
        "status_transitions": {"deactivated_at": None},
        "updated": objects.now(),
        "value_settings": {"event_payload_key": "value"},
    }


SAMPLES: dict[str, Any] = {
    "billing.meter": _meter,
    "checkout.details": _details,
    "coupon": _coupon,
    "credit_note": _note,
    "discount": _discount,
    "invoice": _invoice,
    "invoiceitem": _item,
    "payment_link": _link,
    "payment_link.details": _details,
    "price": _price,
    "product": _product,
    "promotion_code": _code,
    "subscription": _subscription,
    "tax_rate": _rate,
    sessions.KIND: _session,
    test_clocks.KIND: _clock,
}
for _kind, _make in SAMPLES.items():
    objects.fixture(_kind, _make)
objects.STATEFUL.update(("invoice", "subscription", "billing.meter", sessions.KIND))
