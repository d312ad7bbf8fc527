"""A cart becomes an order, once and whole: one transaction claims stock and promotions, and writes the order.

Rows are locked in one order everywhere: cart, promotions by id, stock by variant. Of two that complete the same cart one
makes the order and the other gets it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from backendhub.kit import clock, outbox
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError
from backendhub.systems.shop import store
from backendhub.systems.shop.models import (
    Cart,
    CartChanged,
    CartItem,
    CartOver,
    InsufficientStock,
    NotReady,
    Order,
    OrderItem,
    PaymentFailed,
    PaymentSession,
    PromotionRefused,
)

from . import carts, changes, orders, payments, promotions, stock
from .naming import new, stamps
from .totals import Adjustment


class Outcome(NamedTuple):
    """The order, or what stands in its way. A refusal is committed: what has changed is then in the cart to be seen."""

    order: Order | None
    error: HubError | None = None


def complete(
    db: Db,
    cart_id: str,
    *,
    kind: str = "store",
    evidence: PaymentSession | None = None,
    extra: dict[str, Any] | None = None,
) -> Outcome:
    """Makes the order of a cart; of one that has its order gives that. Raises NotFound."""
    over = carts.get(db, cart_id, kind=kind)
    if over.order_id is not None:
        return Outcome(orders.get(db, over.order_id))
    held = db.one(Cart, store.TOUCH_CART, id=cart_id, now=clock.precise())
    if held is None:  # somebody was faster, or it was given up
        over = carts.get(db, cart_id, kind=kind)
        if over.order_id is not None:
            return Outcome(orders.get(db, over.order_id))
        return Outcome(None, CartOver(f"The cart is already {over.state}.", state=over.state))
    seen = carts.view(db, held)
    if found := changes.find(db, seen):
        changes.accept(db, seen, found)
        return refused(
            db,
            evidence,
            CartChanged(" ".join(c.message for c in found), changes=[c._asdict() for c in found]),
        )
    try:
        with db.savepoint():
            ready(db, seen)
            session = payments.paid(db, seen, evidence)
            return Outcome(_place(db, seen, session, extra or {}))
    except (InsufficientStock, PromotionRefused, NotReady, PaymentFailed) as error:
        if isinstance(error, PromotionRefused):
            gone = set(error.details.get("codes", ()))
            carts.change(db, held, codes=[c for c in held.codes if c not in gone])
        return refused(db, evidence, error)


def refused(db: Db, evidence: PaymentSession | None, error: HubError) -> Outcome:
    """No order: money that a provider holds for it goes back."""
    if evidence is not None and evidence.reference and not isinstance(error, NotReady | PaymentFailed):
        if evidence.status == "captured":
            key = f"refund_{evidence.id}"
            payments.ask(db, evidence.reference, "refund", evidence.amount, evidence.currency, key)
            db.run(store.DROP_SESSIONS, collection_id=evidence.collection_id, now=clock.precise())
        else:
            payments.drop(db, evidence.collection_id)
    return Outcome(None, error)


def ready(db: Db, seen: carts.View) -> None:
    """Raises NotReady where something is missing."""
    if not seen.items:
        raise NotReady("The cart is empty.", what="items")
    if seen.cart.kind == "store" and not seen.cart.email:
        raise NotReady("The cart has no email.", what="email")
    if not (seen.cart.shipping_address or {}).get("country_code"):
        raise NotReady("The cart has no shipping address.", what="address")
    if seen.shipping is None:
        raise NotReady(
            "No shipping method selected but the cart contains items that require shipping.", what="shipping"
        )


def _place(db: Db, seen: carts.View, session: PaymentSession | None, extra: dict[str, Any]) -> Order:
    cart, totals = seen.cart, seen.totals
    id = new("order")
    values: dict[str, Any] = {
        "id": id,
        "cart_id": cart.id,
        "customer_id": cart.customer_id,
        "email": cart.email,
        "region_id": cart.region_id,
        "currency": cart.currency,
        "state": "pending",
        "shipping_address": cart.shipping_address,
        "billing_address": cart.billing_address or cart.shipping_address,
        "shipping": _shipping(seen),
        "promotions": [_off(a) for a in totals.applied],
        "subtotal": totals.items_subtotal,
        "discount": totals.discount,
        "shipping_total": totals.shipping.total,
        "tax": totals.tax,
        "total": totals.total,
        "metadata": cart.metadata,
        "extra": {**cart.extra, **extra},
        "version": 1,
        "canceled_at": None,
    }
    db.run(store.COMPLETE_CART, id=cart.id, order_id=id, now=clock.precise())
    order = db.insert(Order, "shop_order", **values, **stamps())
    promotions.use(db, (a.promotion for a in totals.applied), id)
    for item in sorted(seen.items, key=lambda i: (i.variant_id, i.id)):
        _line(db, seen, order, item)
    if session is not None:
        payments.record(db, order, session)
    outbox.publish(db, "shop.order_placed", {"order": id, "cart": cart.id, "total": order.total}, key=id)
    return order


def _line(db: Db, seen: carts.View, order: Order, item: CartItem) -> OrderItem:
    variant = seen.variants[item.variant_id]
    product = seen.products[variant.product_id]
    worked = seen.totals.lines[item.id]
    id = new("ordli")
    managed = stock.claim(db, id, variant, item.quantity, order.id)
    return db.insert(
        OrderItem,
        "shop_order_item",
        id=id,
        order_id=order.id,
        variant_id=variant.id,
        product_id=product.id,
        title=product.title,
        variant_title=variant.title,
        sku=variant.sku,
        snapshot={
            "subtitle": product.subtitle,
            "description": product.description,
            "handle": product.handle,
            "thumbnail": product.thumbnail,
            "options": variant.options,
            "barcode": variant.barcode,
            "line": item.id,
        },
        managed=managed,
        quantity=item.quantity,
        unit_price=item.unit_price,
        compare_at=item.compare_at,
        original=worked.original,
        original_tax=worked.original_tax,
        subtotal=worked.subtotal,
        discount=worked.discount,
        tax=worked.tax,
        total=worked.total,
        tax_rate=seen.totals.rate,
        adjustments=[_off(a) for a in worked.adjustments],
        metadata=item.metadata,
        created_at=clock.precise(),
    )


def _off(found: Adjustment) -> dict[str, Any]:
    return {"id": found.promotion.id, "code": found.promotion.code, "amount": found.amount}


def _shipping(seen: carts.View) -> dict[str, Any] | None:
    if seen.shipping is None:
        return None
    worked = seen.totals.shipping
    return {
        "id": new("ordsm"),
        "name": seen.shipping.option.name,
        "option_id": seen.shipping.option.id,
        "code": seen.shipping.option.code,
        "amount": seen.shipping.amount,
        "original": worked.original,
        "original_tax": worked.original_tax,
        "subtotal": worked.subtotal,
        "discount": worked.discount,
        "tax": worked.tax,
        "total": worked.total,
        "tax_rate": seen.totals.rate,
    }
