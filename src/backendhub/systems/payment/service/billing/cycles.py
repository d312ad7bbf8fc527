"""Billing the periods of subscriptions: each once, guarded by the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, store
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import money

from . import catalog, discounting, invoices, items, lines, periods, subscriptions, usage
from .pricing import exact, whole
from .totals import Off


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
    found = subscriptions.items_of(owner)
    sold = catalog.sold(db, [item["price"] for item in found])
    own = [
        line
        for item in found
        if (line := _line(owner, item, *sold[item["price"]["id"]], start, end, free)) is not None
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


def _line(owner: Json, item: Json, price: Json, name: str, start: int, end: int, free: bool) -> Json | None:
    """What an item costs in a period; a first one that is shorter than others costs its share."""
    if price["recurring"]["usage_type"] == "metered":
        return None
    share = _share(owner, item, start, end)
    amount = 0 if free else whole(exact(price, item["quantity"]) * share)
    shown = f"{item['quantity']} × {name} (at {rate(price)})"
    return lines.line(
        amount=amount,
        currency=owner["currency"],
        description=f"Trial period for {name}" if owner["status"] == "trialing" and free else shown,
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
    counted = [
        each
        for each in subscriptions.items_of(owner)
        if each["price"]["recurring"]["usage_type"] == "metered"
    ]
    sold = catalog.sold(db, [item["price"] for item in counted])
    for item in counted:
        price, name = sold[item["price"]["id"]]
        count = usage.used(db, price["recurring"]["meter"], owner["customer"], start, end)
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


def _factor(owner: Json, item: Json, offs: Mapping[str, Off]) -> Fraction:
    """What percentages leave of the price of an item: what prorations are worked out on."""
    left = Fraction(1)
    for id in [*item["discounts"], *owner["discounts"]]:
        off = offs.get(id)
        if off is None or off.percent is None:
            continue
        if not off.products or item["price"]["product"] in off.products:
            left *= 1 - off.percent / 100
    return left


def prorate(db: Db, customer: Json, owner: Json, found: Sequence[Json], at: int, *, sign: int) -> None:
    """Has items wait for the next invoice: what is left of the period of each, given back (-1) or charged (1).

    Exactly `price × quantity × seconds left / seconds of the period`, less percentages, rounded once: half a smallest unit
    away from zero. What is metered is not prorated.
    """
    kept = [item for item in found if item["price"]["recurring"]["usage_type"] != "metered"]
    sold = catalog.sold(db, [item["price"] for item in kept])
    wanted = [*owner["discounts"], *(id for item in kept for id in item["discounts"])]
    offs = discounting.offs(db, wanted, owner["currency"])
    for item in kept:
        price, name = sold[item["price"]["id"]]
        _prorated(db, customer, owner, item, price, name, _factor(owner, item, offs), at, sign)


def _prorated(
    db: Db,
    customer: Json,
    owner: Json,
    item: Json,
    price: Json,
    name: str,
    factor: Fraction,
    at: int,
    sign: int,
) -> None:
    start, end = item["current_period_start"], item["current_period_end"]
    share = periods.left(start, end, at) * _share(owner, item, start, end)
    amount = sign * whole(exact(price, item["quantity"]) * factor * share)
    count = f"{item['quantity']} × " if item["quantity"] != 1 else ""
    word = "Unused" if sign < 0 else "Remaining"
    items.put(
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
    fresh = objects.save(db, fresh | {"discounts": discounting.lasting(db, owner["discounts"], start)})
    events.updated(db, "customer.subscription.updated", owner, fresh)
    return fresh
