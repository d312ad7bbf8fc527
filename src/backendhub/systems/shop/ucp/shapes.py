"""Checkouts and orders as UCP shows them. Amounts are integers in minor units."""

from __future__ import annotations

from typing import Any

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.systems.shop.medusa.common import stamp
from backendhub.systems.shop.models import Cart, Order
from backendhub.systems.shop.service import agents, carts, changes, orders
from backendhub.systems.shop.service.naming import new

from .profile import envelope, handlers

Any_ = dict[str, Any]


def _total(type: str, amount: int, text: str | None = None) -> Any_:
    row: Any_ = {"type": type, "amount": amount}
    return row | {"display_text": text} if text else row


def checkout(db: Db, cart: Cart, request: web.Request) -> Any_:
    """A checkout session."""
    seen = carts.view(db, cart)
    extra = cart.extra
    row: Any_ = {
        "ucp": envelope("checkout"),
        "id": cart.id,
        "status": _status(seen),
        "currency": cart.currency,
        "line_items": [_line(seen, i) for i in seen.items],
        "totals": _totals(seen),
        "messages": _messages(db, seen),
        "links": [],
        "payment": {
            "handlers": handlers(request.hub),
            "selected_instrument_id": (extra.get("payment") or {}).get("selected_instrument_id"),
            "instruments": (extra.get("payment") or {}).get("instruments") or [],
        },
        "discounts": _discounts(seen),
    }
    if extra.get("buyer"):
        row["buyer"] = extra["buyer"]
    if "fulfillment" in extra:
        row["fulfillment"] = {"methods": [_method(db, seen)]}
    if cart.order_id:
        row["order"] = {"id": cart.order_id, "permalink_url": permalink(request, cart.order_id)}
    return row


def permalink(request: web.Request, order_id: str) -> str:
    """Where a person sees an order."""
    return f"{request.base_url}/shop/orders/{order_id}"


def _status(seen: carts.View) -> str:
    if seen.cart.state != "open":
        return seen.cart.state
    return "incomplete" if seen.shipping is None else "ready_for_complete"


def _line(seen: carts.View, item: Any) -> Any_:
    variant = seen.variants[item.variant_id]
    product = seen.products[variant.product_id]
    worked = seen.totals.lines[item.id]
    about: Any_ = {
        "id": item.metadata.get("item", variant.id),
        "title": product.title,
        "price": item.unit_price,
    }
    if product.thumbnail:
        about["image_url"] = product.thumbnail
    rows = [_total("subtotal", worked.subtotal)]
    if worked.discount:
        rows.append(_total("items_discount", worked.discount))
    if worked.tax:
        rows.append(_total("tax", worked.tax))
    return {
        "id": item.id,
        "item": about,
        "quantity": item.quantity,
        "totals": [*rows, _total("total", worked.total)],
    }


def _totals(seen: carts.View) -> list[Any_]:
    t = seen.totals
    rows = [_total("subtotal", t.items_subtotal)]
    discount = sum(a.discount for a in t.lines.values())
    if discount:
        rows.append(_total("discount", discount))
    if seen.shipping is not None:
        rows.append(
            _total("fulfillment", t.shipping.subtotal - t.shipping.discount, seen.shipping.option.name)
        )
    if t.tax:
        rows.append(_total("tax", t.tax, seen.tax_name or None))
    return [*rows, _total("total", t.total)]


def _discounts(seen: carts.View) -> Any_:
    applied = []
    for a in seen.totals.applied:
        row = {"title": a.promotion.label, "amount": a.amount, "automatic": a.promotion.automatic}
        applied.append(row if a.promotion.automatic else {"code": a.promotion.code, **row})
    return {"codes": [*seen.cart.codes, *seen.cart.extra.get("refused", ())], "applied": applied}


def _messages(db: Db, seen: carts.View) -> list[Any_]:
    """What the agent must know: codes that do not count, and what has changed since."""
    found = [
        {
            "type": "warning",
            "code": "discount_code_invalid",
            "path": "$.discounts.codes",
            "content": f"The code {code} cannot be used.",
        }
        for code in seen.cart.extra.get("refused", ())
    ]
    if seen.cart.state != "open":
        return found
    return found + [
        {"type": "warning", "code": f"{c.kind}_changed", "content": c.message} for c in changes.find(db, seen)
    ]


def _method(db: Db, seen: carts.View) -> Any_:
    state: Any_ = seen.cart.extra.get("fulfillment") or {}
    ids = [i.id for i in seen.items]
    group: Any_ = {
        "id": f"group_{seen.cart.id}",
        "line_item_ids": ids,
        "selected_option_id": seen.cart.shipping_option_id,
    }
    if seen.cart.shipping_address is not None:
        group["options"] = [
            {
                "id": o.option.id,
                "title": titled(o.option.name, free=free),
                "totals": [
                    _total("subtotal", o.amount),
                    *([_total("discount", o.amount)] if free else []),
                    _total("total", 0 if free else o.amount),
                ],
            }
            for o, free in carts.priced_offers(db, seen)
        ]
    row: Any_ = {
        "id": state.get("id") or f"method_{seen.cart.id}",
        "type": "shipping",
        "line_item_ids": ids,
        "selected_destination_id": state.get("selected"),
        "groups": [group],
    }
    if state.get("destinations"):
        row["destinations"] = state["destinations"]
    return row


def titled(name: str, *, free: bool) -> str:
    """What an option is called."""
    return f"{name} (Free)" if free else name


# -- orders ------------------------------------------------------------------------------------------------


def order(db: Db, found: Order, request: web.Request) -> Any_:
    """An order: what is expected, what happened, and what an agent has told."""
    full = orders.full(db, found)
    told = agents.reports(db, found.id)
    refunds = [
        {
            "id": r.id,
            "type": "refund",
            "occurred_at": stamp(r.created_at),
            "status": "completed",
            "amount": r.amount,
            **({"description": r.note} if r.note else {}),
        }
        for r in full.refunds
    ]
    return {
        "ucp": envelope("order"),
        "id": found.id,
        "checkout_id": found.cart_id,
        "permalink_url": permalink(request, found.id),
        "line_items": [_order_line(i) for i in full.items],
        "fulfillment": {
            "expectations": _expected(full),
            "events": [*_events(full), *(r.data for r in told if r.kind == "event")],
        },
        "adjustments": [*refunds, *(r.data for r in told if r.kind == "adjustment")],
        "totals": _order_totals(full),
    }


def _order_line(i: Any) -> Any_:
    status = "fulfilled" if i.shipped == i.quantity else "partial" if i.shipped else "processing"
    about: Any_ = {"id": i.metadata.get("item", i.variant_id), "title": i.title, "price": i.unit_price}
    if i.snapshot.get("thumbnail"):
        about["image_url"] = i.snapshot["thumbnail"]
    return {
        "id": i.id,
        "item": about,
        "quantity": {"total": i.quantity, "fulfilled": i.shipped},
        "totals": [_total("subtotal", i.subtotal), _total("total", i.total)],
        "status": status,
    }


def _expected(full: orders.Full) -> list[Any_]:
    shipping = full.order.shipping
    if shipping is None:
        return []
    free = shipping["total"] == 0 and shipping["discount"] > 0
    return [
        {
            "id": f"exp_{full.order.id}",
            "line_items": [{"id": i.id, "quantity": i.quantity} for i in full.items],
            "method_type": "shipping",
            "destination": agents.outward(full.order.shipping_address or {}),
            "description": titled(shipping["name"], free=free),
        }
    ]


def _events(full: orders.Full) -> list[Any_]:
    rows = []
    for f in full.fulfillments:
        about: Any_ = {"line_items": [{"id": e["item"], "quantity": e["quantity"]} for e in f.items]}
        for label in f.labels[:1]:
            about |= {k: label[k] for k in ("tracking_number", "tracking_url") if label.get(k)}
        moments = (("shipped", f.shipped_at), ("delivered", f.delivered_at), ("canceled", f.canceled_at))
        rows += [
            {"id": f"{f.id}_{type}", "type": type, "occurred_at": stamp(at), **about}
            for type, at in moments
            if at is not None
        ]
    return rows


def _order_totals(full: orders.Full) -> list[Any_]:
    o = full.order
    shipping = o.shipping or {"subtotal": 0, "discount": 0}
    rows = [_total("subtotal", o.subtotal)]
    discount = sum(i.discount for i in full.items)
    if discount:
        rows.append(_total("discount", discount))
    rows.append(_total("fulfillment", shipping["subtotal"] - shipping["discount"]))
    if o.tax:
        rows.append(_total("tax", o.tax))
    return [*rows, _total("total", o.total)]


def event(db: Db, type: str, found: Order, request: web.Request) -> Any_:
    """What an agent is told of an order."""
    return {
        "event_id": new("evt"),
        "event_type": type,
        "checkout_id": found.cart_id,
        "created_time": stamp(found.updated_at),
        "order": order(db, found, request),
    }
