"""How a subscription begins: its items, its trial, its first period and invoice."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import intents, methods, setups

from . import (
    cycles,
    discounting,
    finalizing,
    invoicing,
    items,
    paying,
    periods,
    subscriptions,
    taxes,
)
from .catalog import inline, priced, usable
from .pricing import exact, whole
from .times import later


def begin(db: Db, customer: Json, params: Json) -> Json:
    """A subscription with its first invoice. Raises ApiError, and CardError where it must not be incomplete."""
    found = items_from(db, params, customer)
    currency = found[0]["price"]["currency"]
    now = objects.now()
    trial = trial_end(params, found, now)
    anchor, end = _first_period(params, found, now, trial)
    made = _made(db, customer, params, found, currency, anchor, trial)
    made = subscriptions.in_period(made, now, end)
    more = extra(db, customer, made, params.get("add_invoice_items"))
    discounts = discounting.redeem(
        db,
        params.get("discounts"),
        worth=subscriptions.worth(db, found, more),
        customer=customer["id"],
        subscription=made["id"],
    )
    made = objects.save(db, made | {"discounts": discounts})
    if trial is not None:
        made = subscriptions.moved(db, made, "try")
    elif made["collection_method"] == "send_invoice":
        made = subscriptions.moved(db, made, "activate")
    events.emit(db, "customer.subscription.created", made)
    scheduled(db, made, trial)
    free = trial is not None or (anchor > now and params.get("proration_behavior") == "none")
    return first_invoice(db, customer, made, params, free=free)


def first_invoice(db: Db, customer: Json, made: Json, params: Json, *, free: bool) -> Json:
    """Bills the first period; the answer of an attempt to collect that is in the state of the subscription."""
    start, end = subscriptions.period(made)
    invoice = cycles.bill(db, customer, made, start, end, reason="subscription_create", free=free)
    assert invoice is not None
    made = objects.save(db, made | {"latest_invoice": invoice["id"]})
    invoice = finalizing.finalized(db, invoice)
    if made["collection_method"] == "send_invoice":
        paying.collect(db, invoice)
    elif invoice["status"] == "open":
        _collect(db, made, invoice, params)
    elif params.get("payment_behavior") == "default_incomplete" and subscriptions.method_of(db, made) is None:
        wanted = setups.create(
            db, {"customer": customer["id"], "usage": "off_session", "payment_method_types": ["card"]}
        )
        current = subscriptions.locked(db, made["id"])
        objects.save(db, current | {"pending_setup_intent": wanted["id"]})
    return objects.get(db, "subscription", made["id"])


def _collect(db: Db, made: Json, invoice: Json, params: Json) -> None:
    behaviour = params.get("payment_behavior") or "allow_incomplete"
    method = subscriptions.method_of(db, made)
    if behaviour == "default_incomplete":
        intent = invoicing.intent_of(db, invoice)
        if intent is not None and method is not None:
            intents.with_method(db, intent, {"payment_method": method})
        return
    if method is None:
        raise ApiError(subscriptions.NO_METHOD, code="resource_missing")
    failed = paying.attempt(
        db, invoice, method=method, off_session=params.get("off_session", False), url=params.get("return_url")
    )
    if behaviour == "error_if_incomplete":
        if failed is not None:
            raise failed
        if objects.get(db, "invoice", invoice["id"])["status"] != "paid":
            raise ApiError(
                "Payment for this subscription requires additional user action before it can be completed successfully.",
                code="subscription_payment_intent_requires_action",
                status=402,
            )


def items_from(db: Db, params: Json, customer: Json) -> list[Json]:
    """The items that a request wants."""
    given = params.get("items") or []
    currency = params.get("currency")
    found = [
        subscriptions.item(db, each, param=f"items[{n}]", currency=currency) for n, each in enumerate(given)
    ]
    subscriptions.agree(found)
    for n, each in enumerate(given):
        if each.get("discounts"):
            found[n]["discounts"] = discounting.redeem(
                db,
                each["discounts"],
                worth=subscriptions.worth(db, [found[n]]),
                customer=customer["id"],
                subscription_item=found[n]["id"],
            )
    return found


def trial_end(params: Json, found: list[Json], now: int) -> int | None:
    """When a trial ends that begins now. Raises ApiError."""
    if params.get("trial_end") == "now":
        return None
    if params.get("trial_end") is not None:
        if params.get("trial_period_days") is not None:
            raise ApiError("You can give `trial_end` or `trial_period_days`, not both.", param="trial_end")
        if params["trial_end"] <= now:
            raise ApiError("The trial's end must be in the future.", param="trial_end")
        return int(params["trial_end"])
    number = params.get("trial_period_days")
    if number is None and params.get("trial_from_plan"):
        number = max((each["price"]["recurring"]["trial_period_days"] or 0 for each in found), default=0)
    return periods.days(now, number) if number else None


def _first_period(params: Json, found: list[Json], now: int, trial: int | None) -> tuple[int, int]:
    """What the cycle goes by, and when the first period ends."""
    interval, count = subscriptions.cycle(found[0]["price"])
    if trial is not None:
        return trial, trial
    anchor = params.get("billing_cycle_anchor")
    if anchor is None:
        return now, periods.after(now, interval, count, now)
    if not now <= anchor <= periods.boundary(now, interval, count, 1):
        raise ApiError(
            "`billing_cycle_anchor` must be in the future, and within one period of the subscription.",
            param="billing_cycle_anchor",
        )
    return anchor, anchor if anchor > now else periods.after(now, interval, count, now)


def _made(
    db: Db, customer: Json, params: Json, found: list[Json], currency: str, anchor: int, trial: int | None
) -> Json:
    """The subscription as it is stored first."""
    check(db, customer, params)
    now = objects.now()
    id = objects.new_id("sub")
    about = {k: params[k] for k in subscriptions.KEPT if k in params}
    for name in ("payment_settings", "invoice_settings"):
        about[name] = subscriptions.DEFAULTS[name] | (params.get(name) or {})
    if params.get("billing_mode"):
        about["billing_mode"] = {"type": params["billing_mode"]["type"]}
    listed: Json = {
        "object": "list",
        "data": [each | {"subscription": id} for each in found],
        "has_more": False,
        "url": f"/v1/subscription_items?subscription={id}",
    }
    wide = (
        subscriptions.DEFAULTS
        | about
        | {
            "billing_cycle_anchor": anchor,
            "currency": currency,
            "customer": customer["id"],
            "default_tax_rates": taxes.rates(db, params.get("default_tax_rates"), param="default_tax_rates"),
            "items": listed,
            "metadata": params.get("metadata") or {},
            "quantity": found[0]["quantity"] if len(found) == 1 else None,
            "start_date": now,
            "test_clock": customer.get("test_clock"),
            "trial_end": trial,
            "trial_start": now if trial is not None else None,
        }
    )
    if wide["cancel_at_period_end"]:
        wide["canceled_at"] = now
    return objects.make(db, "subscription", wide, id=id, status="incomplete")


def check(db: Db, owner: Json, params: Json) -> None:
    """Raises ApiError for what does not go together."""
    method = params.get("collection_method")
    if method == "send_invoice" and params.get("days_until_due") is None and owner["object"] == "customer":
        raise ApiError(
            "If `collection_method` is set to `send_invoice`, you must specify `days_until_due`.",
            code="parameter_missing",
            param="days_until_due",
        )
    if params.get("default_payment_method"):
        customer = owner["id"] if owner["object"] == "customer" else owner["customer"]
        found = methods.named(db, params["default_payment_method"], param="default_payment_method")
        if found["customer"] != customer:
            raise ApiError(
                f"The customer does not have a payment method with the ID {found['id']}. The payment method must be "
                "attached to the customer.",
                code="resource_missing",
                param="default_payment_method",
            )
    if params.get("cancel_at") and params.get("cancel_at_period_end"):
        raise ApiError("You can give `cancel_at` or `cancel_at_period_end`, not both.", param="cancel_at")
    if params.get("cancel_at") and params["cancel_at"] <= objects.now():
        raise ApiError("`cancel_at` must be in the future.", param="cancel_at")
    if (params.get("automatic_tax") or {}).get("enabled"):
        raise ApiError(
            "Taxes are not worked out automatically here: use tax rates.",
            code="tax_not_available",
            param="automatic_tax[enabled]",
        )


def extra(db: Db, customer: Json, owner: Json, given: list[Json] | None) -> int:
    """Adds what is charged once along with the next invoice (`add_invoice_items`), and gives what it comes to."""
    total = 0
    for n, each in enumerate(given or ()):
        param = f"add_invoice_items[{n}]"
        if each.get("price_data"):
            price = inline(db, each["price_data"], param=f"{param}[price_data]")
        elif each.get("sold"):
            price = priced(db, objects.get(db, "price", each["sold"]))
        elif each.get("price"):
            price = usable(db, each["price"], param=f"{param}[price]", currency=owner["currency"])
        else:
            raise ApiError(
                f"Missing required param: {param}[price].", code="parameter_missing", param=f"{param}[price]"
            )
        if price["type"] != "one_time":
            raise ApiError("`add_invoice_items` takes prices with `type=one_time`.", param=f"{param}[price]")
        count = each.get("quantity", 1)
        amount = whole(exact(price, count))
        total += amount
        items.put(
            db,
            customer,
            amount=amount,
            currency=owner["currency"],
            quantity=count,
            pricing={
                "type": "price_details",
                "price_details": {"price": price["id"], "product": price["product"]},
                "unit_amount_decimal": price["unit_amount_decimal"],
            },
            about={"subscription": owner["id"], "subscription_item": None},
            rates=taxes.rates(db, each.get("tax_rates")),
            description=objects.get(db, "product", price["product"])["name"],
        )
    return total


def scheduled(db: Db, made: Json, trial: int | None) -> None:
    """Has what comes next done at its time: renewal, the end of a trial, expiry, cancellation."""
    _, end = subscriptions.period(made)
    later(db, made, "payment.subscription_renews", end, id=made["id"], due=end)
    if made["status"] == "incomplete":
        later(
            db,
            made,
            "payment.subscription_expires",
            objects.now() + subscriptions.EXPIRES_AFTER,
            id=made["id"],
        )
    if trial is not None:
        warned = max(objects.now(), periods.days(trial, -subscriptions.WARNS_BEFORE))
        later(db, made, "payment.trial_ends_soon", warned, id=made["id"], trial=trial)
    if made["cancel_at"]:
        later(db, made, "payment.subscription_ends", made["cancel_at"], id=made["id"])
