"""Bodies and answers of the plain API. Amounts are decimal strings; the currency stands once beside them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from backendhub.kit.db import Db
from backendhub.kit.money import Money
from backendhub.kit.web.fields import NO_NUL

from .models import Product
from .service import carts, catalogue, changes, orders, prices, stock

Email = Annotated[str, Field(min_length=3, max_length=254, pattern=NO_NUL, examples=["maya@mail.example"])]
Password = Annotated[str, Field(min_length=8, max_length=1000)]
Name = Annotated[str, Field(max_length=200, pattern=NO_NUL)]
Label = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
Ref = Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)]
Amount = Annotated[str, Field(pattern=r"^[0-9]{1,11}(\.[0-9]{1,4})?$", examples=["24.00"])]
Code = Annotated[str, Field(pattern=r"^[A-Za-z]{3}$", examples=["USD"])]
Quantity = Annotated[int, Field(ge=1, le=1_000_000)]


class Shape(BaseModel):
    """Members in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class SignUpIn(Shape):
    """A new customer."""

    email: Email
    password: Password
    first_name: Name | None = None
    last_name: Name | None = None


class LoginIn(Shape):
    """Who signs in."""

    email: Email
    password: Annotated[str, Field(min_length=1, max_length=1000)]


class TokenOut(Shape):
    """What is sent as `Authorization: Bearer` from now on."""

    token: str
    customer_id: str | None


class VariantOut(Shape):
    """One thing that can be bought. `left` is None where it is not counted."""

    id: str
    title: str
    sku: str | None
    options: dict[str, str]
    price: str | None
    before: str | None
    left: int | None


class ProductOut(Shape):
    """A product with its variants and their prices."""

    id: str
    handle: str
    title: str
    description: str | None
    status: str
    tags: list[str]
    image: str | None
    currency: str
    variants: list[VariantOut]


class LineIn(Shape):
    """So many of a variant."""

    variant_id: Ref
    quantity: Quantity = 1


class LinePatch(Shape):
    """How many there are to be."""

    quantity: Quantity


class AddressIn(Shape):
    """Where to ship."""

    first_name: Name | None = None
    last_name: Name | None = None
    company: Name | None = None
    address_1: Name
    address_2: Name | None = None
    city: Name
    country_code: Annotated[str, Field(pattern=r"^[A-Za-z]{2}$", examples=["us"])]
    province: Name | None = None
    postal_code: Name | None = None
    phone: Name | None = None


class CartPatch(Shape):
    """What else is said of a cart."""

    address: AddressIn | None = None
    shipping_option_id: Ref | None = None
    codes: Annotated[list[Ref], Field(max_length=10)] | None = None


class PayIn(Shape):
    """A payment method of the gateway: `pm_card_visa`."""

    payment_method: Ref


class LineOut(Shape):
    """A line of a cart or an order."""

    id: str
    variant_id: str
    title: str
    variant: str
    quantity: int
    unit_price: str
    total: str


class OfferOut(Shape):
    """A way to be shipped."""

    id: str
    name: str
    price: str


class CartOut(Shape):
    """A cart. `warnings` says what has changed since it was put together."""

    id: str
    currency: str
    lines: list[LineOut]
    codes: list[str]
    address: dict[str, Any] | None
    shipping: OfferOut | None
    offers: list[OfferOut]
    subtotal: str
    discount: str
    tax: str
    total: str
    warnings: list[str]


class ParcelOut(Shape):
    """A parcel and where it is."""

    id: str
    state: str
    tracking: list[dict[str, Any]]
    shipped_at: datetime | None
    delivered_at: datetime | None


class OrderOut(Shape):
    """An order and how far it is."""

    id: str
    number: int
    state: str
    payment: str
    fulfillment: str
    currency: str
    lines: list[LineOut]
    subtotal: str
    discount: str
    shipping: str
    tax: str
    total: str
    address: dict[str, Any] | None
    parcels: list[ParcelOut]
    placed_at: datetime


class ProductIn(Shape):
    """A new product with one variant."""

    title: Label
    description: Annotated[str, Field(max_length=10_000, pattern=NO_NUL)] | None = None
    sku: Ref | None = None
    price: Amount
    currency: Code
    stock: Annotated[int, Field(ge=0, le=10**9)] = 0
    tags: Annotated[list[Ref], Field(max_length=50)] = []
    published: bool = True


class ProductPatch(Shape):
    """What is to change about a product."""

    title: Label | None = None
    description: Annotated[str, Field(max_length=10_000, pattern=NO_NUL)] | None = None
    published: bool | None = None


class PriceIn(Shape):
    """What a variant costs in a currency."""

    price: Amount
    currency: Code


class StockIn(Shape):
    """How many are at a place, sold and not yet shipped ones included; without a place at the first one."""

    quantity: Annotated[int, Field(ge=0, le=10**9)]
    location_id: Ref | None = None


class LevelOut(Shape):
    """Stock at a place."""

    location_id: str
    free: int
    reserved: int
    sold: int


def text(minor: int, currency: str) -> str:
    """An amount as a decimal string."""
    return Money(minor, currency).decimal


def products_out(db: Db, found: Sequence[Product], currency: str, region_id: str | None) -> list[ProductOut]:
    """Products with prices and stock."""
    whole = catalogue.full(db, found)
    ids = [v.id for each in whole for v in each.variants]
    known, lists, free = prices.of(db, ids), prices.lists(db), stock.free(db, ids)
    rows = []
    for each in whole:
        variants = []
        for v in each.variants:
            cost = prices.pick(known[v.id], lists, currency=currency, region_id=region_id)
            variants.append(
                VariantOut(
                    id=v.id,
                    title=v.title,
                    sku=v.sku,
                    options=v.options,
                    price=text(cost.amount, currency) if cost else None,
                    before=text(cost.original, currency) if cost and cost.original > cost.amount else None,
                    left=free[v.id] if v.manage_inventory else None,
                )
            )
        p = each.product
        rows.append(
            ProductOut(
                id=p.id,
                handle=p.handle,
                title=p.title,
                description=p.description,
                status=p.status,
                tags=p.tags,
                image=p.thumbnail,
                currency=currency,
                variants=variants,
            )
        )
    return rows


def cart_out(db: Db, seen: carts.View) -> CartOut:
    """A cart."""
    code, totals = seen.cart.currency, seen.totals
    lines = []
    for i in seen.items:
        variant = seen.variants[i.variant_id]
        lines.append(
            LineOut(
                id=i.id,
                variant_id=i.variant_id,
                title=seen.products[variant.product_id].title,
                variant=variant.title,
                quantity=i.quantity,
                unit_price=text(i.unit_price, code),
                total=text(totals.lines[i.id].total, code),
            )
        )
    offers = [_offer(o.option.id, o.option.name, o.amount, code) for o in carts.offers(db, seen.cart)]
    s = seen.shipping
    return CartOut(
        id=seen.cart.id,
        currency=code,
        lines=lines,
        codes=seen.cart.codes,
        address=seen.cart.shipping_address,
        shipping=_offer(s.option.id, s.option.name, totals.shipping.total, code) if s else None,
        offers=offers,
        subtotal=text(totals.items_subtotal, code),
        discount=text(totals.discount, code),
        tax=text(totals.tax, code),
        total=text(totals.total, code),
        warnings=[c.message for c in changes.find(db, seen)],
    )


def _offer(id: str, name: str, amount: int, code: str) -> OfferOut:
    return OfferOut(id=id, name=name, price=text(amount, code))


def order_out(full: orders.Full) -> OrderOut:
    """An order."""
    o, code = full.order, full.order.currency
    return OrderOut(
        id=o.id,
        number=o.no,
        state=o.state,
        payment=orders.payment_status(full.payments),
        fulfillment=orders.fulfillment_status(full.items, o.state),
        currency=code,
        lines=[
            LineOut(
                id=i.id,
                variant_id=i.variant_id,
                title=i.title,
                variant=i.variant_title,
                quantity=i.quantity,
                unit_price=text(i.unit_price, code),
                total=text(i.total, code),
            )
            for i in full.items
        ],
        subtotal=text(o.subtotal, code),
        discount=text(o.discount, code),
        shipping=text(o.shipping_total, code),
        tax=text(o.tax, code),
        total=text(o.total, code),
        address=o.shipping_address,
        parcels=[
            ParcelOut(
                id=f.id,
                state=f.state,
                tracking=f.labels,
                shipped_at=f.shipped_at,
                delivered_at=f.delivered_at,
            )
            for f in full.fulfillments
        ],
        placed_at=o.created_at,
    )
