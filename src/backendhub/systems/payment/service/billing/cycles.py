"""Billing the periods of subscriptions: each once, guarded by the database."""

from __future__ import annotations

from fractions import Fraction

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, store
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import money

from . import catalog, coupons, invoices, items, lines, periods, subscriptions, usage
from .pricing import exact, whole


def bill(
    db: Db,
    customer: Json,
    owner: Json,
    start: int,
    end: int,
    *,
    reason: str,
    free: bool = False,
    used: tuple[int, int] | None = None,
    id: str | None = None,
) -> Json | None:
    """The draft that bills a period, with what waited for it and what was used in the period before; None where it was
    billed already."""
    id = id or objects.new_id("in")
    if not db.run(store.INSERT_PERIOD, subscription=owner["id"], starts=start, ends=end, invoice=id):
        return None
    own = [
        line
        for item in subscriptions.items_of(owner)
        if (line := _line(db, owner, item, start, end, free)) is not None
    ]
    if used is not None:
        own += metered(db, owner, *used)
    return draft(db, customer, owner, own, reason=reason, id=id, period=used or (start, start))


def draft(
    db: Db,
    customer: Json,
    owner: Json,
    own: list[Json],
    *,
    reason: str,
    period: tuple[int, int],
    id: str | None = None,
) -> Json:
    """An invoice of a subscription: its own lines, and what waited."""
    settings = owner["invoice_settings"]
    about: Json = {
        "billing_reason": reason,
        "auto_advance": True,
        "collection_method": owner["collection_method"],
        "default_tax_rates": owner["default_tax_rates"],
        "description": settings.get("description"),
        "footer": settings.get("footer"),
        "payment_settings": invoices.DEFAULTS["payment_settings"]
        | {"payment_method_types": owner["payment_settings"].get("payment_method_types")},
        "period_start": period[0],
        "period_end": period[1],
    }
    if owner["collection_method"] == "send_invoice":
        about["due_date"] = periods.days(objects.now(), owner["days_until_due"] or 0)
    waiting = items.waiting(db, customer["id"], owner["currency"], subscription=owner["id"])
    kept = [{"discount": each} for each in owner["discounts"]]
    return invoices.put(
        db,
        customer,
        owner["currency"],
        about,
        id=id,
        subscription=owner,
        own=own,
        waiting=waiting,
        discounts=kept,
    )


def _line(db: Db, owner: Json, item: Json, start: int, end: int, free: bool) -> Json | None:
    """What an item costs in a period; a first one that is shorter than others costs its share."""
    price = catalog.priced(db, item["price"], None)
    if price["recurring"]["usage_type"] == "metered":
        return None
    share = _share(owner, item, start, end)
    name = objects.find(db, "product", price["product"]) or {}
    amount = 0 if free else whole(exact(price, item["quantity"]) * share)
    shown = f"{item['quantity']} × {name.get('name', price['product'])} (at {rate(price)})"
    return lines.line(
        amount=amount,
        currency=owner["currency"],
        description=f"Trial period for {name.get('name', price['product'])}"
        if owner["status"] == "trialing" and free
        else shown,
        period={"start": start, "end": end},
        parent=parent(owner, item),
        price=price,
        unit="0" if free else None,
        quantity=item["quantity"],
        discounts=item["discounts"],
        tax_rates=item["tax_rates"],
        metadata=owner["metadata"],
    )


def _share(owner: Json, item: Json, start: int, end: int) -> Fraction:
    """How much of a whole period this is: 1 but for the first, where the cycle begins later."""
    interval, count = subscriptions.cycle(item["price"])
    if end != owner["billing_cycle_anchor"]:
        return Fraction(1)
    whole_start = periods.boundary(end, interval, count, -1)
    return periods.left(whole_start, end, start)


def metered(db: Db, owner: Json, start: int, end: int) -> list[Json]:
    """What was used of metered prices in a period."""
    found: list[Json] = []
    for item in subscriptions.items_of(owner):
        price = catalog.priced(db, item["price"], None)
        if price["recurring"]["usage_type"] != "metered":
            continue
        count = usage.used(db, price["recurring"]["meter"], owner["customer"], start, end)
        name = (objects.find(db, "product", price["product"]) or {}).get("name", price["product"])
        found.append(
            lines.line(
                amount=whole(exact(price, count)),
                currency=owner["currency"],
                description=f"{count} × {name} (at {rate(price)})",
                period={"start": start, "end": end},
                parent=parent(owner, item),
                price=price,
                quantity=count,
                discounts=item["discounts"],
                tax_rates=item["tax_rates"],
                metadata=owner["metadata"],
            )
        )
    return found


def parent(owner: Json, item: Json) -> Json:
    """What a line bills."""
    details = {
        "invoice_item": None,
        "proration": False,
        "proration_details": None,
        "subscription": owner["id"],
        "subscription_item": item["id"],
    }
    return {
        "type": "subscription_item_details",
        "subscription_item_details": details,
        "invoice_item_details": None,
    }


def rate(price: Json) -> str:
    """`$10.00 / month`."""
    interval, count = subscriptions.cycle(price)
    each = f"{interval}" if count == 1 else f"{count} {interval}s"
    if price["billing_scheme"] == "tiered":
        return f"tiered / {each}"
    unit = Fraction(price["unit_amount_decimal"] or 0)
    shown = (
        money.said(int(unit), price["currency"])
        if unit.denominator == 1
        else f"{float(unit)} {price['currency']}"
    )
    return f"{shown.rsplit(' ', 1)[0]} / {each}"


def factor(db: Db, owner: Json, item: Json) -> Fraction:
    """What percentages leave of the price of an item: what prorations are worked out on."""
    left = Fraction(1)
    for off in coupons.offs(db, [*item["discounts"], *owner["discounts"]], owner["currency"]):
        if off.percent is not None and (not off.products or item["price"]["product"] in off.products):
            left *= 1 - off.percent / 100
    return left


def prorate(db: Db, customer: Json, owner: Json, item: Json, at: int, *, sign: int) -> Json | None:
    """An item that waits for the next invoice: what is left of the period of an item, given back (-1) or charged (1).

    Exactly `price × quantity × seconds left / seconds of the period`, less percentages, rounded once: half a smallest unit
    away from zero.
    """
    price = catalog.priced(db, item["price"], None)
    if price["recurring"]["usage_type"] == "metered":
        return None
    start, end = item["current_period_start"], item["current_period_end"]
    share = periods.left(start, end, at) * _share(owner, item, start, end)
    amount = sign * whole(exact(price, item["quantity"]) * factor(db, owner, item) * share)
    name = (objects.find(db, "product", price["product"]) or {}).get("name", price["product"])
    count = f"{item['quantity']} × " if item["quantity"] != 1 else ""
    word = "Unused" if sign < 0 else "Remaining"
    return items.put(
        db,
        customer,
        amount=amount,
        currency=owner["currency"],
        quantity=item["quantity"],
        pricing={
            "type": "price_details",
            "price_details": {"price": price["id"], "product": price["product"]},
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        about={"subscription": owner["id"], "subscription_item": item["id"]},
        description=f"{word} time on {count}{name} after {periods.day(at)}",
        discountable=False,
        period={"start": at, "end": end},
        rates=item["tax_rates"],
        proration=True,
    )


def renewed(db: Db, owner: Json, start: int, end: int) -> Json:
    """A subscription in its next period, told of."""
    fresh = subscriptions.in_period(owner, start, end)
    fresh = objects.save(db, fresh | {"discounts": coupons.lasting(db, owner["discounts"], start)})
    events.updated(db, "customer.subscription.updated", owner, fresh)
    return fresh
