"""Carts, orders and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backendhub.kit.states import Machine, Move

ORDER = Machine(
    "order",
    table="shop_order",
    initial="pending",
    moves=(
        Move("complete", "pending", "completed", "Everything is delivered and paid, or somebody says so"),
        Move("cancel", "pending", "canceled", "Before anything is packed; stock and money go back"),
        Move("archive", "completed", "archived", "It is out of the way"),
    ),
)
FULFILLMENT = Machine(
    "fulfilment",
    table="shop_fulfillment",
    initial="packed",
    moves=(
        Move("ship", "packed", "shipped", "It leaves the house; its units leave the stock for good"),
        Move("deliver", "shipped", "delivered", "The buyer has it"),
        Move("cancel", "packed", "canceled", "It is unpacked again"),
    ),
)
RETURN = Machine(
    "return",
    table="shop_return",
    initial="requested",
    moves=(
        Move("receive", "requested", "received", "The goods are back; they are stock again"),
        Move("cancel", "requested", "canceled", "They do not come back"),
    ),
)


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who buys; with an account where `user_id` says so."""

    id: str
    user_id: str | None
    email: str
    first_name: str | None
    last_name: str | None
    phone: str | None
    company_name: str | None
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Address:
    """An address of a customer's book."""

    id: str
    customer_id: str
    address: dict[str, Any]
    name: str
    default_shipping: bool
    default_billing: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Cart:
    """What somebody may buy. `version` grows with each change."""

    id: str
    kind: str
    state: str
    region_id: str
    currency: str
    customer_id: str | None
    email: str | None
    shipping_address: dict[str, Any] | None
    billing_address: dict[str, Any] | None
    shipping_option_id: str | None
    shipping_seen: int | None
    codes: list[str]
    metadata: dict[str, Any]
    extra: dict[str, Any]
    version: int
    order_id: str | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class CartItem:
    """So many of a variant in a cart, at the price that the buyer has seen."""

    id: str
    cart_id: str
    variant_id: str
    quantity: int
    unit_price: int
    compare_at: int | None
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """What was bought. Amounts are those of the moment of buying."""

    no: int
    id: str
    cart_id: str | None
    customer_id: str | None
    email: str | None
    region_id: str
    currency: str
    state: str
    shipping_address: dict[str, Any] | None
    billing_address: dict[str, Any] | None
    shipping: dict[str, Any] | None
    promotions: list[dict[str, Any]]
    subtotal: int
    discount: int
    shipping_total: int
    tax: int
    total: int
    metadata: dict[str, Any]
    extra: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime
    canceled_at: datetime | None


@dataclass(frozen=True, slots=True)
class OrderItem:
    """A line of an order, and how many of it are packed, shipped, delivered, on their way back, back."""

    id: str
    order_id: str
    variant_id: str
    product_id: str
    title: str
    variant_title: str
    sku: str | None
    snapshot: dict[str, Any]
    managed: bool
    quantity: int
    unit_price: int
    compare_at: int | None
    original: int
    original_tax: int
    subtotal: int
    discount: int
    tax: int
    total: int
    tax_rate: str
    adjustments: list[dict[str, Any]]
    fulfilled: int
    shipped: int
    delivered: int
    return_requested: int
    returned: int
    metadata: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PaymentCollection:
    """All that has to do with paying for one cart."""

    id: str
    cart_id: str
    order_id: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class PaymentSession:
    """An attempt to pay with a provider; the newest one that is not cancelled counts."""

    id: str
    collection_id: str
    provider: str
    reference: str | None
    amount: int
    currency: str
    status: str
    data: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Payment:
    """The money of an order: authorized, captured, given back."""

    id: str
    order_id: str
    session_id: str
    provider: str
    reference: str | None
    currency: str
    amount: int
    captured: int
    refunded: int
    canceled_at: datetime | None
    captured_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that went back."""

    id: str
    payment_id: str
    amount: int
    note: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Fulfillment:
    """A parcel. Its items are `{item, quantity}`."""

    id: str
    order_id: str
    state: str
    items: list[dict[str, Any]]
    labels: list[dict[str, Any]]
    packed_at: datetime
    shipped_at: datetime | None
    delivered_at: datetime | None
    canceled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Return:
    """Goods that come back, and the money for them."""

    id: str
    order_id: str
    state: str
    items: list[dict[str, Any]]
    location_id: str | None
    refund: int
    note: str
    requested_at: datetime
    received_at: datetime | None
    canceled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Report:
    """What an agent has told of an order."""

    id: str
    order_id: str
    kind: str
    data: dict[str, Any]
    created_at: datetime
