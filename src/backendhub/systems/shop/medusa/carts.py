"""Carts, payments and shipping as Medusa shows them."""

from __future__ import annotations

from collections.abc import Sequence

from backendhub.kit.db import Db
from backendhub.systems.shop.models import Cart, CartItem, PaymentCollection, PaymentSession
from backendhub.systems.shop.service import carts, changes, payments, regions, stock
from backendhub.systems.shop.service.totals import Adjustment, Amounts

from . import products
from .common import Any_, number, stamp


def address(found: Any_ | None, id: str) -> Any_ | None:
    """An address of a cart or an order."""
    if found is None:
        return None
    kept = {k: v for k, v in found.items() if k != "metadata"}
    return {"id": id, **kept, "metadata": found.get("metadata") or None}


def adjustments(found: Sequence[Adjustment], currency: str, owner: Any_) -> list[Any_]:
    """What promotions take off."""
    return [
        {
            "id": f"adj_{a.promotion.id}_{n}",
            "code": a.promotion.code,
            "amount": number(a.amount, currency),
            "description": a.promotion.label,
            "promotion_id": a.promotion.id,
            "provider_id": None,
            **owner,
        }
        for n, a in enumerate(found)
    ]


def tax_lines(rate: str, name: str, amount: Amounts, currency: str, owner: Any_) -> list[Any_]:
    """The tax of a line."""
    if rate == "0":
        return []
    return [
        {
            "id": f"tax_{name or 'tax'}".lower(),
            "code": name or "tax",
            "description": name or None,
            "rate": float(rate),
            "provider_id": "system",
            "total": number(amount.tax, currency),
            "subtotal": number(amount.original_tax, currency),
            **owner,
        }
    ]


def amounts(worked: Amounts, currency: str, *, prefix: str = "") -> Any_:
    """The totals of a line."""
    discount = worked.original - worked.total
    values = {
        "original_total": worked.original,
        "original_subtotal": worked.original - worked.original_tax,
        "original_tax_total": worked.original_tax,
        "total": worked.total,
        "subtotal": worked.subtotal,
        "tax_total": worked.tax,
        "discount_total": discount,
        "discount_subtotal": worked.discount,
        "discount_tax_total": discount - worked.discount,
    }
    return {prefix + name: number(value, currency) for name, value in values.items()}


def totals(lines: Sequence[Amounts], shipping: Amounts, currency: str) -> Any_:
    """The totals of a cart or an order."""
    items = _sum(lines)
    whole = _sum([items, shipping])
    row = amounts(whole, currency)
    item, ship = amounts(items, currency), amounts(shipping, currency)
    for name in ("original_total", "original_subtotal", "original_tax_total"):
        row[name.replace("original_", "original_item_")] = item[name]
        row[name.replace("original_", "original_shipping_")] = ship[name]
    for name in ("total", "subtotal", "tax_total", "discount_total"):
        row[f"item_{name}"] = item[name]
        row[f"shipping_{name}"] = ship[name]
    row |= {"gift_card_total": 0, "gift_card_tax_total": 0, "credit_line_total": 0}
    return row


def _sum(parts: Sequence[Amounts]) -> Amounts:
    return Amounts(
        sum(p.original for p in parts),
        sum(p.original_tax for p in parts),
        sum(p.subtotal for p in parts),
        sum(p.discount for p in parts),
        sum(p.tax for p in parts),
        sum(p.total for p in parts),
    )


def cart(db: Db, found: Cart, *, stripe: bool = False) -> Any_:
    """A whole cart. `warnings` is what has changed since the buyer has seen it."""
    seen = carts.view(db, found)
    currency = found.currency
    free = stock.free(db, seen.variants)
    collection = payments.of_cart(db, found.id)
    return {
        "id": found.id,
        "currency_code": currency.lower(),
        "email": found.email,
        "customer_id": found.customer_id,
        "region_id": found.region_id,
        "sales_channel_id": None,
        "locale": None,
        "region": products.region(seen.region, regions.countries_of(db, found.region_id)),
        "shipping_address": address(found.shipping_address, f"caaddr_{found.id}_s"),
        "billing_address": address(found.billing_address, f"caaddr_{found.id}_b"),
        "items": [_item(seen, i, free) for i in seen.items],
        "shipping_methods": _methods(seen),
        "promotions": _promotions(seen),
        "payment_collection": _collected(db, collection, seen, stripe),
        "metadata": found.metadata or None,
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.updated_at),
        "completed_at": stamp(found.completed_at),
        "warnings": [] if found.completed_at else [c._asdict() for c in changes.find(db, seen)],
        **totals(list(seen.totals.lines.values()), seen.totals.shipping, currency),
    }


def _item(seen: carts.View, found: CartItem, free: dict[str, int]) -> Any_:
    variant = seen.variants[found.variant_id]
    product = seen.products[variant.product_id]
    worked, currency = seen.totals.lines[found.id], seen.cart.currency
    owner = {"item_id": found.id}
    return {
        "id": found.id,
        "cart_id": found.cart_id,
        "title": product.title,
        "subtitle": variant.title,
        "thumbnail": product.thumbnail,
        "quantity": found.quantity,
        "variant_id": variant.id,
        "variant": products.variant(variant, product, [], {}, free.get(variant.id, 0), None),
        "product_id": product.id,
        "product": products.product(product),
        "product_title": product.title,
        "product_description": product.description,
        "product_subtitle": product.subtitle,
        "product_type": None,
        "product_collection": product.collection_id,
        "product_handle": product.handle,
        "variant_sku": variant.sku,
        "variant_barcode": variant.barcode,
        "variant_title": variant.title,
        "variant_option_values": variant.options,
        "requires_shipping": True,
        "is_discountable": product.discountable,
        "is_tax_inclusive": seen.region.tax_inclusive,
        "is_giftcard": False,
        "unit_price": number(found.unit_price, currency),
        "compare_at_unit_price": None if found.compare_at is None else number(found.compare_at, currency),
        "adjustments": adjustments(worked.adjustments, currency, owner),
        "tax_lines": tax_lines(seen.totals.rate, seen.tax_name, worked, currency, owner),
        "metadata": found.metadata or None,
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.updated_at),
        **amounts(worked, currency),
    }


def _methods(seen: carts.View) -> list[Any_]:
    if seen.shipping is None:
        return []
    worked, currency = seen.totals.shipping, seen.cart.currency
    owner = {"shipping_method_id": f"casm_{seen.cart.id}"}
    return [
        {
            "id": owner["shipping_method_id"],
            "cart_id": seen.cart.id,
            "name": seen.shipping.option.name,
            "description": None,
            "amount": number(seen.shipping.amount, currency),
            "is_tax_inclusive": seen.region.tax_inclusive,
            "shipping_option_id": seen.shipping.option.id,
            "data": {},
            "metadata": None,
            "adjustments": adjustments(worked.adjustments, currency, owner),
            "tax_lines": tax_lines(seen.totals.rate, seen.tax_name, worked, currency, owner),
            **amounts(worked, currency),
        }
    ]


def _promotions(seen: carts.View) -> list[Any_]:
    return [
        {
            "id": a.promotion.id,
            "code": a.promotion.code,
            "is_automatic": a.promotion.automatic,
            "application_method": {
                "type": "percentage" if a.promotion.kind == "percentage" else "fixed",
                "value": float(a.promotion.percent)
                if a.promotion.percent
                else number(a.amount, seen.cart.currency),
                "currency_code": seen.cart.currency.lower(),
                "target_type": "shipping_methods" if a.promotion.kind == "free_shipping" else "items",
            },
        }
        for a in seen.totals.applied
    ]


# -- payments ----------------------------------------------------------------------------------------------


def _collected(db: Db, found: PaymentCollection | None, seen: carts.View, stripe: bool) -> Any_ | None:
    if found is None:
        return None
    return collection(found, payments.sessions(db, found.id), seen.totals.total, seen.cart.currency, stripe)


def collection(
    found: PaymentCollection, sessions: Sequence[PaymentSession], total: int, currency: str, stripe: bool
) -> Any_:
    """The payment collection of a cart with the sessions that still count."""
    live = [s for s in sessions if s.status not in ("canceled", "error")]
    authorized = any(s.status in ("authorized", "captured") for s in live)
    return {
        "id": found.id,
        "currency_code": currency.lower(),
        "amount": number(total, currency),
        "authorized_amount": number(total, currency) if authorized else 0,
        "captured_amount": 0,
        "refunded_amount": 0,
        "status": "authorized" if authorized else "awaiting" if live else "not_paid",
        "payment_providers": products.provider(stripe),
        "payment_sessions": [session(s) for s in live],
        "payments": [],
        "metadata": None,
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.updated_at),
        "completed_at": None,
    }


def session(found: PaymentSession) -> Any_:
    """A payment session; `data` is what a browser needs to pay."""
    return {
        "id": found.id,
        "amount": number(found.amount, found.currency),
        "currency_code": found.currency.lower(),
        "provider_id": found.provider,
        "data": found.data,
        "context": {},
        "status": found.status,
        "authorized_at": None,
        "payment_collection_id": found.collection_id,
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.updated_at),
    }
