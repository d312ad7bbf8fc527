"""`/shop/admin`: the back office. Orders to pack and ship, products with their prices and stock."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from backendhub.kit import checks, reservation, web
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, NotFound
from backendhub.kit.money import minor
from backendhub.systems.shop import store
from backendhub.systems.shop.models import Fulfillment, Order, Variant
from backendhub.systems.shop.service import (
    catalogue,
    fulfilment,
    orders,
    payments,
    prices,
    regions,
    stock,
)
from backendhub.systems.shop.wire import STAFF

from .account import order_body
from .cart import Text
from .page import FORM, HTML, field, go, link, money, note, post, same_origin, sent
from .shop import front

office = front.family("/admin", guard=web.require(*STAFF))
PAGE = 50


class OrderForm(BaseModel):
    """What is done to an order."""

    what: Literal["capture", "pack", "ship", "deliver", "unpack", "cancel", "refund", "complete"]
    parcel: Text = ""
    payment: Text = ""
    tracking: Text = ""


class StockForm(BaseModel):
    """How many are at a place."""

    location: Text
    quantity: Annotated[int, Field(ge=0, le=10**9)]


class PriceForm(BaseModel):
    """What a variant costs."""

    price: Text
    currency: Text


@office.get("", media_type=HTML, in_schema=False)
def home(db: Db, request: web.Request) -> web.Reply:
    """Orders, the newest first, and whether everything adds up."""
    found, count = orders.find(db, limit=PAGE)
    lines = orders.items_of(db, found)
    report = checks.run(db, [*reservation.CHECKS, *store.CHECKS])
    bad = [f"{c.name}: {c.violations} ({c.holds})" for c in report.checks if not c.ok]
    rows = "".join(
        f'<tr><td><a href="{link(request, f"/shop/admin/orders/{o.id}")}">Order {o.no}</a></td>'
        f"<td>{o.created_at:%Y-%m-%d %H:%M}</td><td>{escape(o.email or '')}</td>"
        f'<td><span class="tag">{escape(o.state)}</span></td>'
        f"<td>{escape(orders.fulfillment_status(lines[o.id], o.state).replace('_', ' '))}</td>"
        f'<td class="n">{money(o.total, o.currency)}</td></tr>'
        for o in found
    )
    fine = note([f"All {len(report.checks)} invariants hold."], good=True)
    body = (
        f"<h1>Orders</h1>{note(bad) or fine}"
        '<div class="scroll"><table><thead><tr><th scope="col">Order</th><th scope="col">Placed</th>'
        '<th scope="col">Buyer</th><th scope="col">State</th><th scope="col">Goods</th>'
        f'<th scope="col" class="n">Total</th></tr></thead><tbody>{rows}</tbody></table></div>'
        f'<p class="dim small">{count} orders</p>'
    )
    made: web.Reply = sent(request, "Orders", body, staff=True)
    return made


@office.get("/orders/{id}", media_type=HTML, in_schema=False)
def show_order(db: Db, request: web.Request, id: str) -> web.Reply:
    """An order, and what can be done with it."""
    return _order_page(db, request, orders.get(db, id))


def _order_page(db: Db, request: web.Request, found: Order, said: list[str] | None = None) -> web.Reply:
    full = orders.full(db, found)
    path = f"/shop/admin/orders/{found.id}"

    def act(what: str, text: str, more: str = "") -> str:
        return post(request, path, f'{more}<button name="what" value="{what}">{text}</button>')

    parts = []
    if found.state == "pending" and any(i.quantity > i.fulfilled for i in full.items):
        parts.append(act("pack", "Pack what is left"))
    if found.state == "pending" and not any(i.fulfilled for i in full.items):
        parts.append(act("cancel", "Cancel the order"))
    if found.state == "pending":
        parts.append(act("complete", "Complete"))
    for p in full.payments:
        id = f'<input type="hidden" name="payment" value="{escape(p.id)}">'
        if found.state != "canceled" and payments.capturable(p):
            parts.append(act("capture", f"Capture {money(p.amount - p.captured, p.currency)}", id))
        if p.refunded < p.captured:
            parts.append(act("refund", f"Refund {money(p.captured - p.refunded, p.currency)}", id))
    parcels = "".join(_parcel(act, f) for f in full.fulfillments)
    a = found.shipping_address or {}
    where = ", ".join(
        escape(str(a[n])) for n in ("first_name", "last_name", "address_1", "postal_code", "city") if a.get(n)
    )
    body = (
        note(said or [])
        + order_body(db, found)
        + f"<h2>Ship to</h2><p>{where} {escape(str(a.get('country_code') or '').upper())}<br>{escape(found.email or '')}</p>"
        f'<h2>Actions</h2><div class="actions">{"".join(parts)}</div>{parcels}'
    )
    made: web.Reply = sent(request, f"Order {found.no}", body, staff=True)
    return made


def _parcel(act: Any, f: Fulfillment) -> str:
    id = f'<input type="hidden" name="parcel" value="{escape(f.id)}">'
    forms = ""
    if f.state == "packed":
        number = field("tracking", "Tracking number", more="")
        forms = act("ship", "Ship", id + number) + act("unpack", "Unpack", id)
    elif f.state == "shipped":
        forms = act("deliver", "Delivered", id)
    pieces = sum(e["quantity"] for e in f.items)
    return (
        f'<h2>Parcel of {pieces} <span class="tag">{escape(f.state)}</span></h2>'
        f'<div class="actions">{forms}</div>'
    )


@office.post("/orders/{id}", consumes=FORM, in_schema=False)
def change_order(db: Db, request: web.Request, id: str, body: OrderForm) -> web.Reply:
    """Do something with it."""
    same_origin(request)
    try:
        with db.savepoint():
            _act(db, id, body)
    except HubError as error:
        return _order_page(db, request, orders.get(db, id), [error.message])
    made: web.Reply = go(request, f"/shop/admin/orders/{id}")
    return made


def _act(db: Db, id: str, body: OrderForm) -> None:
    labels = [{"tracking_number": body.tracking}] if body.tracking else []
    mine = {p.id for p in payments.of_order(db, id)}
    if body.what in ("capture", "refund") and body.payment not in mine:
        raise NotFound("The order has no such payment.")
    actions: dict[str, Callable[[], Any]] = {
        "capture": lambda: payments.capture(db, body.payment),
        "refund": lambda: payments.refund(db, body.payment, note="back office"),
        "pack": lambda: fulfilment.pack(db, id),
        "ship": lambda: fulfilment.ship(db, id, body.parcel, labels),
        "deliver": lambda: fulfilment.deliver(db, id, body.parcel),
        "unpack": lambda: fulfilment.cancel(db, id, body.parcel),
        "cancel": lambda: orders.cancel(db, id),
        "complete": lambda: orders.complete(db, id),
    }
    actions[body.what]()


# -- products ----------------------------------------------------------------------------------------------


@office.get("/products", media_type=HTML, in_schema=False)
def show_products(db: Db, request: web.Request) -> web.Reply:
    """Products with prices and stock."""
    return _products_page(db, request)


def _products_page(db: Db, request: web.Request, said: list[str] | None = None) -> web.Reply:
    whole = catalogue.full(db, catalogue.find(db, order="title", limit=200, public=False).products)
    ids = [v.id for each in whole for v in each.variants]
    known, levels = prices.of(db, ids), stock.levels(db, ids)
    places = regions.locations(db)
    codes = sorted({r.currency for r in regions.find(db)})
    rows = ""
    for each in whole:
        for v in each.variants:
            base = {
                p.currency: p.amount for p in known[v.id] if p.price_list_id is None and p.min_quantity == 1
            }
            at = {s.location: s for s in levels[v.id]}
            cells = "".join(f"<td>{_price(request, v, code, base.get(code))}</td>" for code in codes)
            cells += "".join(f"<td>{_level(request, v, p.id, p.name, at.get(p.id))}</td>" for p in places)
            rows += (
                f'<tr><th scope="row">{escape(each.product.title)}<br><span class="dim small">{escape(v.title)} · '
                f"{escape(v.sku or '')}</span></th>{cells}</tr>"
            )
    heads = "".join(f'<th scope="col">{escape(c)}</th>' for c in codes)
    heads += "".join(f'<th scope="col">{escape(p.name)}</th>' for p in places)
    body = (
        f"<h1>Products</h1>{note(said or [])}"
        '<p class="dim small">Stock is what lies there, sold and not yet shipped pieces included.</p>'
        f'<div class="scroll"><table><thead><tr><th scope="col">Product</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
    made: web.Reply = sent(request, "Products", body, staff=True)
    return made


def _price(request: web.Request, v: Variant, code: str, amount: int | None) -> str:
    shown = "" if amount is None else money(amount, code).lstrip("$€£¥")
    inner = (
        f'<input type="hidden" name="currency" value="{code}"><input class="count" name="price" inputmode="decimal" '
        f'value="{escape(shown.removesuffix(" " + code))}" aria-label="Price of {escape(v.sku or v.title)} in {code}">'
        '<button class="quiet">Save</button>'
    )
    return post(request, f"/shop/admin/variants/{v.id}/price", inner)


def _level(request: web.Request, v: Variant, place: str, name: str, level: Any) -> str:
    total = level.total if level else 0
    taken = f'<span class="dim small">{level.sold + level.held} sold</span>' if level else ""
    inner = (
        f'<input type="hidden" name="location" value="{escape(place)}"><input class="count" name="quantity" '
        f'type="number" min="0" value="{total}" aria-label="Stock of {escape(v.sku or v.title)} in {escape(name)}">'
        '<button class="quiet">Save</button>'
    )
    return post(request, f"/shop/admin/variants/{v.id}/stock", inner) + taken


@office.post("/variants/{id}/stock", consumes=FORM, in_schema=False)
def set_stock(db: Db, request: web.Request, id: str, body: StockForm) -> web.Reply:
    """Say how many are at a place."""
    same_origin(request)
    try:
        with db.savepoint():
            stock.set_level(db, catalogue.variant(db, id), body.location, body.quantity)
    except HubError as error:
        return _products_page(db, request, [error.message])
    made: web.Reply = go(request, "/shop/admin/products")
    return made


@office.post("/variants/{id}/price", consumes=FORM, in_schema=False)
def set_price(db: Db, request: web.Request, id: str, body: PriceForm) -> web.Reply:
    """Say what a variant costs."""
    same_origin(request)
    try:
        with db.savepoint():
            amount = minor(body.price.strip(), body.currency)
            prices.put(db, catalogue.variant(db, id).id, currency_code=body.currency, amount=amount)
    except HubError as error:
        return _products_page(db, request, [error.message])
    made: web.Reply = go(request, "/shop/admin/products")
    return made
