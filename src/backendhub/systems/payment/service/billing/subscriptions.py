"""Subscriptions: what they are, and how one begins."""

from __future__ import annotations

from typing import Any

from backendhub.kit.db import Db
from backendhub.kit.states import Machine, Move
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError, missing
from backendhub.systems.payment.models import Json, call
from backendhub.systems.payment.service import methods

from . import catalog, invoicing, paying, taxes
from .codes import Worth
from .pricing import bounded, exact, whole
from .times import living

SUBSCRIPTION = resources.declare(
    resources.Resource(
        "subscription",
        "sub",
        "/v1/subscriptions",
        index=(
            "customer", "status", "collection_method", "items.data", "items.data.price", "test_clock", "pending_setup_intent",
            "items.data.current_period_start", "items.data.current_period_end",
        ),
        search=("status",),
        expand={
            "customer": "customer", "latest_invoice": "invoice", "default_payment_method": "payment_method",
            "pending_setup_intent": "setup_intent", "discounts": "discount", "test_clock": "test_helpers.test_clock",
        },
    )
)  # fmt: skip
ITEM = resources.declare(
    resources.Resource(
        "subscription_item", "si", "/v1/subscription_items", expand={"discounts": "discount"}, tells=False
    )
)
OPEN = ("incomplete", "trialing", "active", "past_due", "unpaid", "paused")
SUBSCRIPTIONS = Machine(
    "subscription",
    table="payment_object",
    column="status",
    initial="incomplete",
    moves=(
        Move("activate", "incomplete", "active", "The first invoice is paid"),
        Move("activate", "trialing", "active", "The trial is over"),
        Move("activate", "past_due", "active", "What was open is paid"),
        Move("activate", "unpaid", "active", "What was open is paid"),
        Move("activate", "paused", "active", "Resumed"),
        Move("try", "incomplete", "trialing", "It begins with a trial"),
        Move("try", "active", "trialing", "A trial was granted"),
        Move("fall_behind", "active", "past_due", "An invoice was refused, or not paid in time"),
        Move("give_up", "past_due", "unpaid", "Nobody tries any more"),
        Move("expire", "incomplete", "incomplete_expired", "The first invoice was not paid within 23 hours"),
        Move("pause", "trialing", "paused", "The trial is over and there is no payment method"),
        *(Move("cancel", state, "canceled", "Cancelled") for state in OPEN),
    ),
)
EXPIRES_AFTER = 23 * 3600
WARNS_BEFORE = 3
"""Days before the end of a trial."""
DEFAULTS: Json = {
    "application": None,
    "application_fee_percent": None,
    "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
    "billing_cycle_anchor_config": None,
    "billing_mode": {"type": "classic"},
    "billing_thresholds": None,
    "cancel_at": None,
    "cancel_at_period_end": False,
    "canceled_at": None,
    "cancellation_details": {"comment": None, "feedback": None, "reason": None},
    "collection_method": "charge_automatically",
    "customer_account": None,
    "days_until_due": None,
    "default_payment_method": None,
    "default_source": None,
    "default_tax_rates": [],
    "description": None,
    "discounts": [],
    "ended_at": None,
    "invoice_settings": {
        "account_tax_ids": None,
        "custom_fields": None,
        "description": None,
        "footer": None,
        "issuer": {"type": "self"},
    },
    "latest_invoice": None,
    "next_pending_invoice_item_invoice": None,
    "on_behalf_of": None,
    "pause_collection": None,
    "payment_settings": {
        "payment_method_options": None,
        "payment_method_types": None,
        "save_default_payment_method": "off",
    },
    "pending_invoice_item_interval": None,
    "pending_setup_intent": None,
    "pending_update": None,
    "schedule": None,
    "transfer_data": None,
    "trial_end": None,
    "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
    "trial_start": None,
}
KEPT = (
    "cancel_at", "cancel_at_period_end", "collection_method", "days_until_due", "description", "metadata",
    "on_behalf_of", "trial_settings", "default_payment_method",
)  # fmt: skip
NO_METHOD = (
    "This customer has no attached payment source or default payment method. Please consider adding a default payment "
    "method. For more information, visit https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority."
)


def create(db: Db, params: Json) -> Json:
    """Subscribe a customer to prices: the first invoice is made, finalised and paid at once where it can be."""
    from . import starting

    if not params.get("customer"):
        raise ApiError("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = objects.get(db, "customer", params["customer"], param="customer", lock=True)
    with living(db, customer):
        if params.get("payment_behavior") == "error_if_incomplete":
            with db.savepoint():
                return starting.begin(db, customer, params)
        return starting.begin(db, customer, params)


# -- items -------------------------------------------------------------------------------------------------


def item(db: Db, given: Json, *, param: str, currency: str | None = None, old: Json | None = None) -> Json:
    """An item of a subscription from what a request says of it; `sold` is a price that was offered before. Raises ApiError."""
    price: Json | None = old["price"] if old else None
    if given.get("price_data"):
        price = catalog.inline(db, given["price_data"], param=f"{param}[price_data]")
    elif given.get("sold"):
        price = catalog.priced(db, objects.get(db, "price", given["sold"]))
    elif given.get("price") or given.get("plan"):
        price = catalog.usable(
            db, given.get("price") or given["plan"], param=f"{param}[price]", currency=currency
        )
    if price is None:
        raise ApiError(
            f"Missing required param: {param}[price].", code="parameter_missing", param=f"{param}[price]"
        )
    if price["type"] != "recurring":
        raise ApiError(
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.",
            param=f"{param}[price]",
        )
    metered = price["recurring"]["usage_type"] == "metered"
    if metered and given.get("quantity") is not None:
        raise ApiError("Quantity cannot be given for a metered price.", param=f"{param}[quantity]")
    count: Any = None if metered else given.get("quantity", (old or {}).get("quantity") or 1)
    if count is not None:
        bounded(whole(exact(catalog.priced(db, price), count)), param=f"{param}[quantity]")
    shown = catalog.kept(price)
    fresh: Json = (
        old or {"id": objects.new_id("si", 14), "object": "subscription_item", "created": objects.now()}
    ) | {
        "billing_thresholds": None,
        "plan": plan(shown),
        "price": shown,
        "quantity": count,
    }
    fresh.setdefault("current_period_end", 0)
    fresh.setdefault("current_period_start", 0)
    fresh.setdefault("discounts", [])
    fresh["metadata"] = (
        objects.merged(fresh.get("metadata") or {}, given["metadata"])
        if "metadata" in given
        else fresh.get("metadata", {})
    )
    if "tax_rates" in given or "tax_rates" not in fresh:
        fresh["tax_rates"] = taxes.rates(db, given.get("tax_rates"), param=f"{param}[tax_rates]")
    return fresh


def worth(db: Db, found: list[Json], more: int = 0) -> Worth:
    """What items cost in a whole period, before discounts, and what is charged along with them."""
    sold = catalog.sold(db, [each["price"] for each in found])
    amounts = [
        whole(exact(sold[each["price"]["id"]][0], each["quantity"]))
        for each in found
        if each["quantity"] is not None
    ]
    return Worth(sum(amounts) + more, found[0]["price"]["currency"])


def agree(found: list[Json]) -> None:
    """Raises ApiError where items do not go together in one subscription."""
    if not found:
        raise ApiError("A subscription needs one item at least.", param="items")
    if len(found) > 20:
        raise ApiError("A subscription has up to 20 items.", param="items")
    first = found[0]["price"]
    for n, each in enumerate(found):
        price = each["price"]
        if price["currency"] != first["currency"]:
            raise ApiError("All prices of a subscription are in one currency.", param=f"items[{n}][price]")
        if cycle(price) != cycle(first):
            raise ApiError(
                "Currency and interval fields must match across all items: all prices of a subscription have the same "
                "`recurring.interval` and `recurring.interval_count`.",
                param=f"items[{n}][price]",
            )
        if price["id"] in {other["price"]["id"] for other in found[:n]}:
            raise ApiError(
                f"Cannot add multiple subscription items with the same price: `{price['id']}`.",
                param=f"items[{n}][price]",
            )


def cycle(price: Json) -> tuple[str, int]:
    """How long a period of a price is."""
    return price["recurring"]["interval"], price["recurring"]["interval_count"]


def plan(price: Json) -> Json:
    """A price as older clients know it."""
    recurring = price["recurring"]
    told = {
        k: price[k]
        for k in (
            "id",
            "active",
            "billing_scheme",
            "created",
            "currency",
            "livemode",
            "metadata",
            "nickname",
            "product",
            "tiers_mode",
        )
    }
    return (
        told
        | {
            "object": "plan",
            "amount": price["unit_amount"],
            "amount_decimal": price["unit_amount_decimal"],
            "transform_usage": price["transform_quantity"],
        }
        | {
            k: recurring[k]
            for k in ("interval", "interval_count", "meter", "trial_period_days", "usage_type")
        }
    )


def items_of(subscription: Json) -> list[Json]:
    """The items of a subscription."""
    found: list[Json] = subscription["items"]["data"]
    return found


def with_items(subscription: Json, found: list[Json]) -> Json:
    """A subscription with these items."""
    listed = subscription["items"] | {"data": found}
    return subscription | {"items": listed, "quantity": found[0]["quantity"] if len(found) == 1 else None}


def in_period(subscription: Json, start: int, end: int) -> Json:
    """A subscription whose items are in a period."""
    told = {"current_period_start": start, "current_period_end": end}
    return with_items(subscription, [each | told for each in items_of(subscription)])


def period(subscription: Json) -> tuple[int, int]:
    """The period that a subscription is in."""
    first = items_of(subscription)[0]
    return first["current_period_start"], first["current_period_end"]


def owner_of(db: Db, item: str, *, lock: bool = False) -> tuple[Json, Json]:
    """The subscription that an item belongs to, and the item. Raises ApiError."""
    if call().fixtures and objects.is_well_known(item):
        sample = objects.get(db, "subscription", item.replace("si_", "sub_", 1))
        return sample, items_of(sample)[0]
    for found in objects.where(db, "subscription", **{"items.data": item}, limit=1):
        owner = objects.get(db, "subscription", found["id"], lock=lock)
        for each in items_of(owner):
            if each["id"] == item:
                return owner, each
    raise missing("subscription_item", item)


# -- states ------------------------------------------------------------------------------------------------


def locked(db: Db, id: str, *, param: str = "id") -> Json:
    """A subscription that nobody else changes until this transaction ends."""
    return objects.get(db, "subscription", id, param=param, lock=True)


def moved(db: Db, subscription: Json, verb: str) -> Json:
    """A subscription in its next state, stored; told of as an update."""
    status = SUBSCRIPTIONS.move(db, objects.key_of(db, "subscription", subscription["id"]), verb)
    return objects.save(db, subscription | {"status": status})


def turned(db: Db, subscription: Json, verb: str) -> Json:
    """The same, told of."""
    fresh = moved(db, subscription, verb)
    events.updated(db, "customer.subscription.updated", subscription, fresh)
    return fresh


def method_of(db: Db, subscription: Json) -> str | None:
    """What a subscription is paid with."""
    customer = objects.get(db, "customer", subscription["customer"])
    return subscription["default_payment_method"] or methods.default_of(customer)


# -- what invoices tell ------------------------------------------------------------------------------------


def _owner(db: Db, invoice: Json) -> Json | None:
    id = invoicing.subscription_of(invoice)
    return objects.find(db, "subscription", id, lock=True) if id else None


def _paid(db: Db, invoice: Json) -> None:
    """A subscription whose invoice was paid."""
    owner = _owner(db, invoice)
    if owner is None:
        return
    if owner["payment_settings"]["save_default_payment_method"] == "on_subscription":
        intent = invoicing.intent_of(db, invoice)
        if intent is not None and intent["payment_method"] and not owner["default_payment_method"]:
            owner = objects.save(db, owner | {"default_payment_method": intent["payment_method"]})
    if owner["status"] == "incomplete" and invoice["billing_reason"] == "subscription_create":
        turned(db, owner, "activate")
    elif owner["status"] in ("past_due", "unpaid"):
        _caught_up(db, owner)


def _caught_up(db: Db, owner: Json) -> None:
    about = {"parent.subscription_details.subscription": owner["id"], "status": "open"}
    if not objects.where(db, "invoice", **about, limit=1):
        turned(db, owner, "activate")


def _refused(db: Db, invoice: Json) -> None:
    """A subscription whose invoice was refused: it falls behind, and in the end it is cancelled."""
    from . import ending

    owner = _owner(db, invoice)
    if owner is None or invoice["billing_reason"] == "subscription_create":
        return
    if owner["status"] == "active":
        owner = turned(db, owner, "fall_behind")
    over = invoice["auto_advance"] and invoice["next_payment_attempt"] is None
    if owner["status"] == "past_due" and over and invoice["attempt_count"] > len(paying.RETRIES):
        ending.cancelled(db, owner, reason="payment_failed")


def _late(db: Db, invoice: Json) -> None:
    """A subscription whose invoice was not paid in time."""
    owner = _owner(db, invoice)
    if owner is not None and owner["status"] == "active":
        turned(db, owner, "fall_behind")


def _off(db: Db, invoice: Json) -> None:
    """A subscription whose open invoice is no longer wanted."""
    owner = _owner(db, invoice)
    if owner is not None and owner["status"] in ("past_due", "unpaid"):
        _caught_up(db, owner)


def _set_up(db: Db, intent: Json) -> None:
    """A subscription whose payment method is there."""
    for found in objects.where(db, "subscription", pending_setup_intent=intent["id"], limit=1):
        owner = locked(db, found["id"])
        fresh = objects.save(
            db, owner | {"pending_setup_intent": None, "default_payment_method": intent["payment_method"]}
        )
        events.updated(db, "customer.subscription.updated", owner, fresh)


events.listen("invoice.paid", _paid)
events.listen("invoice.payment_failed", _refused)
events.listen("invoice.overdue", _late)
events.listen("invoice.voided", _off)
events.listen("invoice.marked_uncollectible", _off)
events.listen("setup_intent.succeeded", _set_up)
