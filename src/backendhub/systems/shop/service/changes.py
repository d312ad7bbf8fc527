"""What has changed since the buyer has seen a cart. It is never applied in silence: a cart with changes is not completed,
and `accept` is how the buyer sees the new prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from backendhub.kit.db import Db
from backendhub.kit.money import Money
from backendhub.systems.shop import store
from backendhub.systems.shop.models import Cart

from . import carts, prices, promotions


class Change(NamedTuple):
    """Something that is no longer as the buyer has seen it."""

    kind: str
    message: str
    item: str | None = None
    before: int | None = None
    now: int | None = None


def find(db: Db, seen: carts.View) -> list[Change]:
    """What is no longer as the buyer has seen it: prices, what is sold, shipping, promotions."""
    found: list[Change] = []
    all_prices, lists = prices.of(db, seen.variants), prices.lists(db)
    for each in seen.items:
        variant = seen.variants[each.variant_id]
        product = seen.products[variant.product_id]
        name = f"{product.title} ({variant.title})"
        now = prices.pick(
            all_prices[variant.id],
            lists,
            currency=seen.cart.currency,
            region_id=seen.cart.region_id,
            quantity=each.quantity,
        )
        if now is None or variant.deleted_at is not None or product.status != "published":
            found.append(Change("unavailable", f"{name} is not sold any more.", each.id))
        elif now.amount != each.unit_price:
            was, is_ = Money(each.unit_price, seen.cart.currency), Money(now.amount, seen.cart.currency)
            said = f"The price of {name} has changed from {was} to {is_}."
            found.append(Change("price", said, each.id, each.unit_price, now.amount))
    found += _shipping_changes(db, seen) + _promotion_changes(db, seen)
    return found


def _shipping_changes(db: Db, seen: carts.View) -> list[Change]:
    if seen.shipping is None:
        return []
    now = {o.option.id: o.amount for o in carts.offers(db, seen.cart)}.get(seen.shipping.option.id)
    if now is None:
        return [Change("shipping", f"{seen.shipping.option.name} is not offered any more.")]
    if now == seen.shipping.amount:
        return []
    was, is_ = Money(seen.shipping.amount, seen.cart.currency), Money(now, seen.cart.currency)
    said = f"{seen.shipping.option.name} has changed from {was} to {is_}."
    return [Change("shipping", said, None, seen.shipping.amount, now)]


def _promotion_changes(db: Db, seen: carts.View) -> list[Change]:
    known = promotions.by_code(db, seen.cart.codes)
    return [
        Change("promotion", f"The promotion {code} is used up or over.", code)
        for code in seen.cart.codes
        if code not in known
    ]


def accept(db: Db, seen: carts.View, found: Sequence[Change]) -> Cart:
    """Puts what has changed into the cart, so that the buyer sees it. A line that is not sold any more is taken out."""
    cart = seen.cart
    gone = [each.item for each in found if each.kind == "unavailable" and each.item]
    dear = {each.item for each in found if each.kind == "price"}
    if gone:
        db.run(store.delete_cart_items(db), cart_id=cart.id, ids=gone)
    carts.reprice_all(db, cart, [i for i in seen.items if i.id in dear], seen.variants)
    for each in found:
        if each.kind == "shipping":
            option = cart.shipping_option_id if each.now is not None else None
            cart = carts.change(db, cart, shipping_option_id=option, shipping_seen=each.now)
    over = {each.item for each in found if each.kind == "promotion"}
    return carts.change(db, cart, codes=[c for c in cart.codes if c not in over]) if over else cart
