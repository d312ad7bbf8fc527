"""Orders, parcels, returns and customers as Medusa shows them."""

from __future__ import annotations

from collections.abc import Sequence

from backendhub.systems.shop.models import (
    Address,
    Customer,
    Fulfillment,
    Order,
    OrderItem,
    Payment,
    Refund,
    Return,
)
from backendhub.systems.shop.service import orders
from backendhub.systems.shop.service.totals import Amounts

from .carts import address, amounts, totals
from .common import Any_, number, stamp


def order(full: orders.Full) -> Any_:
    """A whole order."""
    found, currency = full.order, full.order.currency
    shipping = _shipping_amounts(found)
    return {
        "id": found.id,
        "display_id": found.no,
        "custom_display_id": None,
        "version": found.version,
        "status": found.state,
        "email": found.email,
        "customer_id": found.customer_id,
        "region_id": found.region_id,
        "sales_channel_id": None,
        "currency_code": currency.lower(),
        "payment_status": orders.payment_status(full.payments),
        "fulfillment_status": orders.fulfillment_status(full.items, found.state),
        "shipping_address": address(found.shipping_address, f"ordaddr_{found.id}_s"),
        "billing_address": address(found.billing_address, f"ordaddr_{found.id}_b"),
        "items": [item(i, currency) for i in full.items],
        "shipping_methods": _methods(found, shipping),
        "promotions": [
            {"id": p["id"], "code": p["code"], "amount": number(p["amount"], currency)}
            for p in found.promotions
        ],
        "payment_collections": _collections(full),
        "fulfillments": [fulfillment(f) for f in full.fulfillments],
        "returns": [return_(r, full) for r in full.returns],
        "transactions": _transactions(full),
        "summary": summary(full),
        "metadata": found.metadata or None,
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.updated_at),
        "canceled_at": stamp(found.canceled_at),
        **totals([_amounts(i) for i in full.items], shipping, currency),
        "item_discount_total": number(sum(i.original - i.total for i in full.items), currency),
        "shipping_discount_total": number(shipping.original - shipping.total, currency),
    }


def _amounts(i: OrderItem) -> Amounts:
    return Amounts(i.original, i.original_tax, i.subtotal, i.discount, i.tax, i.total)


def _shipping_amounts(found: Order) -> Amounts:
    s = found.shipping
    if s is None:
        return Amounts()
    return Amounts(s["original"], s["original_tax"], s["subtotal"], s["discount"], s["tax"], s["total"])


def item(i: OrderItem, currency: str) -> Any_:
    """A line with its counts."""
    detail = {
        "id": f"orditem_{i.id}",
        "item_id": i.id,
        "quantity": i.quantity,
        "fulfilled_quantity": i.fulfilled,
        "shipped_quantity": i.shipped,
        "delivered_quantity": i.delivered,
        "return_requested_quantity": i.return_requested,
        "return_received_quantity": i.returned,
        "return_dismissed_quantity": 0,
        "written_off_quantity": 0,
        "metadata": None,
    }
    rate = i.tax_rate
    return {
        "id": i.id,
        "title": i.title,
        "subtitle": i.variant_title,
        "thumbnail": i.snapshot.get("thumbnail"),
        "variant_id": i.variant_id,
        "product_id": i.product_id,
        "product_title": i.title,
        "product_description": i.snapshot.get("description"),
        "product_subtitle": i.snapshot.get("subtitle"),
        "product_type": None,
        "product_type_id": None,
        "product_collection": None,
        "product_handle": i.snapshot.get("handle"),
        "variant_sku": i.sku,
        "variant_barcode": i.snapshot.get("barcode"),
        "variant_title": i.variant_title,
        "variant_option_values": i.snapshot.get("options"),
        "requires_shipping": True,
        "is_discountable": True,
        "is_tax_inclusive": i.original == i.unit_price * i.quantity and i.original_tax > 0,
        "unit_price": number(i.unit_price, currency),
        "compare_at_unit_price": None if i.compare_at is None else number(i.compare_at, currency),
        "quantity": i.quantity,
        "detail": detail,
        "adjustments": [
            {
                "id": f"ordliadj_{i.id}_{n}",
                "code": a["code"],
                "amount": number(a["amount"], currency),
                "promotion_id": a["id"],
                "item_id": i.id,
            }
            for n, a in enumerate(i.adjustments)
        ],
        "tax_lines": []
        if rate == "0"
        else [{"id": f"ordlitxl_{i.id}", "code": "tax", "rate": float(rate), "item_id": i.id}],
        "metadata": i.metadata or None,
        "created_at": stamp(i.created_at),
        "updated_at": stamp(i.created_at),
        "refundable_total": number(i.total - i.total * i.returned // i.quantity, currency),
        "refundable_total_per_unit": number(i.total // i.quantity, currency),
        **amounts(_amounts(i), currency),
    }


def _methods(found: Order, worked: Amounts) -> list[Any_]:
    s = found.shipping
    if s is None:
        return []
    return [
        {
            "id": s["id"],
            "order_id": found.id,
            "name": s["name"],
            "description": None,
            "amount": number(s["amount"], found.currency),
            "is_tax_inclusive": s["original"] == s["amount"] and s["original_tax"] > 0,
            "shipping_option_id": s["option_id"],
            "data": None,
            "metadata": None,
            "tax_lines": [],
            "adjustments": [],
            "created_at": stamp(found.created_at),
            "updated_at": stamp(found.created_at),
            **amounts(worked, found.currency),
        }
    ]


def summary(full: orders.Full) -> Any_:
    """What is paid and what is left to pay."""
    found, currency = full.order, full.order.currency
    owed = (
        0 if found.state == "canceled" else found.total - sum(r.refund for r in full.returns if r.received_at)
    )
    paid = full.captured - full.refunded
    values = {
        "pending_difference": owed - paid,
        "current_order_total": owed,
        "original_order_total": found.total,
        "transaction_total": paid,
        "paid_total": full.captured,
        "refunded_total": full.refunded,
        "accounting_total": owed,
    }
    return {name: number(value, currency) for name, value in values.items()}


def _transactions(full: orders.Full) -> list[Any_]:
    found = full.order
    rows = [
        {
            "id": f"ordtrx_{p.id}",
            "order_id": found.id,
            "amount": number(p.captured, found.currency),
            "currency_code": found.currency.lower(),
            "reference": "capture",
            "reference_id": p.id,
            "created_at": stamp(p.captured_at),
        }
        for p in full.payments
        if p.captured
    ]
    return rows + [
        {
            "id": f"ordtrx_{r.id}",
            "order_id": found.id,
            "amount": number(-r.amount, found.currency),
            "currency_code": found.currency.lower(),
            "reference": "refund",
            "reference_id": r.id,
            "created_at": stamp(r.created_at),
        }
        for r in full.refunds
    ]


def _collections(full: orders.Full) -> list[Any_]:
    found = full.order
    if not full.payments:
        return []
    done = all(p.captured == p.amount for p in full.payments)
    gone = all(p.canceled_at for p in full.payments)
    return [
        {
            "id": f"pay_col_{found.id}",
            "currency_code": found.currency.lower(),
            "amount": number(sum(p.amount for p in full.payments), found.currency),
            "authorized_amount": number(sum(p.amount for p in full.payments), found.currency),
            "captured_amount": number(full.captured, found.currency),
            "refunded_amount": number(full.refunded, found.currency),
            "status": "canceled" if gone else "completed" if done else "authorized",
            "payment_providers": [{"id": p.provider} for p in full.payments],
            "payment_sessions": [],
            "payments": [payment(p, full.refunds) for p in full.payments],
        }
    ]


def payment(p: Payment, refunds: Sequence[Refund] = ()) -> Any_:
    """A payment with its captures and refunds."""
    captures = (
        [
            {
                "id": f"capt_{p.id}",
                "amount": number(p.captured, p.currency),
                "created_at": stamp(p.captured_at),
            }
        ]
        if p.captured
        else []
    )
    return {
        "id": p.id,
        "amount": number(p.amount, p.currency),
        "authorized_amount": number(p.amount, p.currency),
        "captured_amount": number(p.captured, p.currency),
        "refunded_amount": number(p.refunded, p.currency),
        "currency_code": p.currency.lower(),
        "provider_id": p.provider,
        "data": {"id": p.reference} if p.reference else {},
        "captured_at": stamp(p.captured_at),
        "canceled_at": stamp(p.canceled_at),
        "created_at": stamp(p.created_at),
        "payment_session_id": p.session_id,
        "captures": captures,
        "refunds": [
            {
                "id": r.id,
                "amount": number(r.amount, p.currency),
                "note": r.note or None,
                "payment_id": p.id,
                "created_at": stamp(r.created_at),
            }
            for r in refunds
            if r.payment_id == p.id
        ],
    }


def fulfillment(f: Fulfillment) -> Any_:
    """A parcel."""
    return {
        "id": f.id,
        "location_id": None,
        "provider_id": "manual_manual",
        "shipping_option_id": None,
        "requires_shipping": True,
        "packed_at": stamp(f.packed_at),
        "shipped_at": stamp(f.shipped_at),
        "delivered_at": stamp(f.delivered_at),
        "canceled_at": stamp(f.canceled_at),
        "items": [{"id": e["item"], "line_item_id": e["item"], "quantity": e["quantity"]} for e in f.items],
        "labels": f.labels,
        "data": None,
        "metadata": None,
        "created_at": stamp(f.packed_at),
    }


def return_(r: Return, full: orders.Full) -> Any_:
    """Goods on their way back, or back."""
    currency = full.order.currency
    return {
        "id": r.id,
        "order_id": r.order_id,
        "display_id": full.order.no,
        "status": r.state,
        "refund_amount": number(r.refund, currency),
        "location_id": r.location_id,
        "note": r.note or None,
        "items": [
            {
                "id": f"retitem_{r.id}_{n}",
                "item_id": e["item"],
                "quantity": e["quantity"],
                "received_quantity": e["quantity"] if r.received_at else 0,
                "reason_id": e.get("reason"),
            }
            for n, e in enumerate(r.items)
        ],
        "created_at": stamp(r.requested_at),
        "requested_at": stamp(r.requested_at),
        "received_at": stamp(r.received_at),
        "canceled_at": stamp(r.canceled_at),
    }


def customer(found: Customer, book: Sequence[Address]) -> Any_:
    """A customer with their address book."""
    shipping = next((a.id for a in book if a.default_shipping), None)
    billing = next((a.id for a in book if a.default_billing), None)
    return {
        "id": found.id,
        "email": found.email,
        "first_name": found.first_name,
        "last_name": found.last_name,
        "phone": found.phone,
        "company_name": found.company_name,
        "has_account": found.user_id is not None,
        "default_shipping_address_id": shipping,
        "default_billing_address_id": billing,
        "addresses": [customer_address(a) for a in book],
        "metadata": found.metadata or None,
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.updated_at),
        "deleted_at": None,
    }


def customer_address(a: Address) -> Any_:
    """An address of the book."""
    return {
        **a.address,
        "id": a.id,
        "customer_id": a.customer_id,
        "address_name": a.name or None,
        "is_default_shipping": a.default_shipping,
        "is_default_billing": a.default_billing,
        "metadata": a.address.get("metadata") or None,
        "created_at": stamp(a.created_at),
        "updated_at": stamp(a.updated_at),
    }
