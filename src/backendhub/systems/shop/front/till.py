"""`/shop/checkout`: address, shipping, payment, here or on the provider's page."""

from __future__ import annotations

from html import escape
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, Field

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, HubError
from backendhub.kit.money import to_stripe
from backendhub.systems.shop import gateway
from backendhub.systems.shop.models import Cart, NotReady
from backendhub.systems.shop.service import carts, changes, checkout, payments, regions
from backendhub.systems.shop.service.naming import new

from .cart import KEEP_S, Text, cart_page, sums
from .page import CART, FORM, HTML, PLACE, field, go, money, note, options, post, same_origin, sent
from .shop import cart_of, front, region_of


class AddressForm(BaseModel):
    """Who buys, and where to ship."""

    email: Text
    first_name: Text
    last_name: Text
    address_1: Text
    address_2: Text = ""
    city: Text
    province: Text = ""
    postal_code: Text = ""
    country_code: Annotated[str, Field(pattern=r"^[a-z]{2}$")]


class PayForm(BaseModel):
    """How it is shipped and paid."""

    option_id: Text
    pay: Literal["system", "card"] = "system"
    total: Text


# -- checkout ----------------------------------------------------------------------------------------------


@front.get("/checkout", media_type=HTML, in_schema=False)
def show_checkout(db: Db, request: web.Request) -> web.Reply:
    """Address, then shipping and payment."""
    cart = cart_of(db, request)
    if cart is None or not carts.items(db, cart.id):
        return cart_page(db, request, cart)
    return _checkout_page(db, request, cart)


@front.post("/checkout/address", consumes=FORM, in_schema=False)
def set_address(db: Db, request: web.Request, body: AddressForm) -> web.Reply:
    """Say who buys and where to ship."""
    same_origin(request)
    cart = _needed(db, request)
    try:
        with db.savepoint():
            held = carts.hold(db, cart.id)
            held = carts.set_region(db, held, regions.resolve(db, country_code=body.country_code))
            held = carts.set_email(db, held, body.email)
            address = {k: v or None for k, v in body.model_dump().items() if k != "email"}
            held = carts.set_address(db, held, "shipping_address", address)
            if held.shipping_option_id is None and (known := carts.offers(db, held)):
                carts.set_shipping(db, held, known[0].option.id)
    except HubError as error:
        return _checkout_page(db, request, carts.get(db, cart.id), [error.message])
    made: web.Reply = go(request, "/shop/checkout", [web.cookie(PLACE, body.country_code, max_age=KEEP_S)])
    return made


def _needed(db: Db, request: web.Request) -> Cart:
    cart = cart_of(db, request)
    if cart is None:
        raise Conflict("There is no open cart in this browser.")
    return cart


def _checkout_page(db: Db, request: web.Request, cart: Cart, said: list[str] | None = None) -> web.Reply:
    seen = carts.view(db, cart)
    a = cart.shipping_address or {}
    known = sorted(c for within in regions.countries(db).values() for c in within)
    where = a.get("country_code") or region_of(db, request, cart)[1]
    address = (
        field("email", "E-mail", cart.email, type="email", more='required autocomplete="email"')
        + '<div class="pair">'
        + field("first_name", "First name", a.get("first_name"), more='required autocomplete="given-name"')
        + field("last_name", "Last name", a.get("last_name"), more='required autocomplete="family-name"')
        + "</div>"
        + field(
            "address_1", "Street and number", a.get("address_1"), more='required autocomplete="address-line1"'
        )
        + field(
            "address_2", "Further line (optional)", a.get("address_2"), more='autocomplete="address-line2"'
        )
        + '<div class="pair">'
        + field("postal_code", "Postal code", a.get("postal_code"), more='autocomplete="postal-code"')
        + field("city", "City", a.get("city"), more='required autocomplete="address-level2"')
        + '</div><div class="pair">'
        + field("province", "State or province", a.get("province"), more='autocomplete="address-level1"')
        + f'<label>Country<select name="country_code">{options([(c, c.upper()) for c in known], where)}</select></label>'
        + "</div><button>Use this address</button>"
    )
    body = (
        f"<h1>Checkout</h1>{note(said or [])}{note([c.message for c in changes.find(db, seen)])}"
        f'<div class="two"><section><h2>1. Where to</h2>{post(request, "/shop/checkout/address", address, css="stack")}'
        f"</section><section><h2>2. Shipping and payment</h2>{_pay_form(db, request, seen)}{sums(seen)}</section></div>"
    )
    made: web.Reply = sent(request, "Checkout", body)
    return made


def _pay_form(db: Db, request: web.Request, seen: carts.View) -> str:
    if not seen.cart.shipping_address or not seen.cart.email:
        return "<p>Fill in the address first.</p>"
    code, ways = seen.cart.currency, ""
    for o, free in carts.priced_offers(db, seen):
        mark = " checked" if o.option.id == seen.cart.shipping_option_id else ""
        cost = "Free" if free else money(o.amount, code)
        ways += (
            f'<label><input type="radio" name="option_id" value="{escape(o.option.id)}" required{mark}>'
            f'{escape(o.option.name)} <span class="end">{cost}</span></label>'
        )
    card = gateway.configured(request.hub)
    pays = [("system", "On delivery or by invoice")]
    if card:
        pays.insert(0, ("card", "By card, on the payment provider's page"))
    how = "".join(
        f'<label><input type="radio" name="pay" value="{v}" required{" checked" if n == 0 else ""}>{t}</label>'
        for n, (v, t) in enumerate(pays)
    )
    inner = (
        f"<fieldset><legend>Shipping</legend>{ways}</fieldset><fieldset><legend>Payment</legend>{how}</fieldset>"
        f'<input type="hidden" name="total" value="{seen.totals.total} {code}"><button>Place the order</button>'
    )
    return post(request, "/shop/checkout", inner, css="stack")


@front.post("/checkout", consumes=FORM, in_schema=False)
async def place_order(request: web.Request, body: PayForm) -> web.Reply:
    """Place the order, or go and pay first."""
    same_origin(request)
    if body.pay == "card":
        return await _to_gateway(request, body)
    made: web.Reply = await request.call(_place, request, body)
    return made


def _place(db: Db, request: web.Request, body: PayForm) -> web.Reply:
    cart = _needed(db, request)
    if (problem := _chosen(db, request, cart, body)) is not None:
        return problem
    payments.start(db, payments.collect(db, cart.id).id, provider=payments.SYSTEM)
    outcome = checkout.complete(db, cart.id)
    return _done(db, request, cart, outcome)


def _chosen(db: Db, request: web.Request, cart: Cart, body: PayForm) -> web.Reply | None:
    """Chooses the shipping; a page where the total is then not the one that was shown."""
    try:
        with db.savepoint():
            held = carts.set_shipping(db, carts.hold(db, cart.id), body.option_id)
    except HubError as error:
        return _checkout_page(db, request, carts.get(db, cart.id), [error.message])
    seen = carts.view(db, held)
    shipping_changed = body.option_id != cart.shipping_option_id
    if f"{seen.totals.total} {held.currency}" != body.total:
        said = (
            "Please look at the new total, then place the order."
            if shipping_changed
            else f"The total has changed to {seen.total}. Please look at it, then place the order."
        )
        return _checkout_page(db, request, held, [said])
    return None


def _done(db: Db, request: web.Request, cart: Cart, outcome: checkout.Outcome) -> web.Reply:
    if outcome.order is None:
        assert outcome.error is not None
        return _checkout_page(db, request, carts.get(db, cart.id), [outcome.error.message])
    away = [web.cookie(CART, "", max_age=0)]
    made: web.Reply = go(request, f"/shop/orders/{outcome.order.id}", away)
    return made


# -- the payment provider's page ---------------------------------------------------------------------------


async def _to_gateway(request: web.Request, body: PayForm) -> web.Reply:
    """Opens a hosted checkout for the cart, and offers the way there."""
    found = await request.call(_owed, request, body)
    if isinstance(found, web.Reply):
        return found
    cart, seen = found
    session = new("payses")
    back = f"{request.base_url}/shop/checkout/paid?session={{CHECKOUT_SESSION_ID}}"
    form = {
        "mode": "payment",
        "success_url": back,
        "cancel_url": f"{request.base_url}/shop/checkout",
        "customer_email": cart.email,
        "client_reference_id": cart.id,
        "payment_intent_data[capture_method]": "manual",
        "line_items[0][quantity]": 1,
        "line_items[0][price_data][currency]": cart.currency.lower(),
        "line_items[0][price_data][unit_amount]": to_stripe(seen.total),
        "line_items[0][price_data][product_data][name]": _said(seen),
    }
    made = await gateway.ask(request.hub, "POST", "/v1/checkout/sessions", form, key=session)
    text = (
        f"<h1>Payment</h1><p>{escape(money(seen.total.minor, cart.currency))} to pay.</p>"
        f'<p><a class="button" href="{escape(str(made.get("url") or ""))}" rel="noreferrer">Continue to payment</a></p>'
    )
    page: web.Reply = sent(request, "Payment", text)
    return page


def _said(seen: carts.View) -> str:
    """What the provider's page says is bought: one price for all of it, with taxes and promotions."""
    lines = [
        f"{i.quantity} × {seen.products[seen.variants[i.variant_id].product_id].title}" for i in seen.items
    ]
    text = ", ".join(lines)
    return text if len(text) <= 250 else text[:249] + "…"


def _owed(db: Db, request: web.Request, body: PayForm) -> Any:
    cart = _needed(db, request)
    if (problem := _chosen(db, request, cart, body)) is not None:
        return problem
    held = carts.get(db, cart.id)
    return held, carts.view(db, held)


@front.get("/checkout/paid", media_type=HTML, in_schema=False)
async def paid(request: web.Request, session: str) -> web.Reply:
    """Back from the provider's page: the order is made of what was authorized there."""
    hosted = await gateway.ask(request.hub, "GET", f"/v1/checkout/sessions/{quote(session[:200], safe='')}")
    reference = hosted.get("payment_intent")
    if isinstance(reference, dict):
        reference = reference.get("id")
    intent = await gateway.retrieve(request.hub, str(reference or "none"))
    cart_id = str(hosted.get("client_reference_id") or "")
    made: web.Reply = await request.call(_paid, request, cart_id, intent)
    return made


def _paid(db: Db, request: web.Request, cart_id: str, intent: gateway.Intent) -> web.Reply:
    cart = cart_of(db, request)
    known = carts.get(db, cart_id)
    if known.order_id is not None:
        if all(p.reference != intent.id for p in payments.of_order(db, known.order_id)):
            payments.let_go(db, intent.id, intent.status, intent.amount)
        made: web.Reply = go(request, f"/shop/orders/{known.order_id}", [web.cookie(CART, "", max_age=0)])
        return made
    if cart is None or cart.id != cart_id or intent.status not in ("authorized", "captured"):
        raise Conflict("This payment is not one of this cart.")
    collection = payments.collect(db, cart.id)
    try:
        session = payments.start(
            db,
            collection.id,
            provider=payments.STRIPE,
            reference=intent.id,
            amount=intent.amount,
            status=intent.status,
        )
    except NotReady as error:  # the cart has changed while its buyer was there
        payments.let_go(db, intent.id, intent.status, intent.amount, collection_id=collection.id)
        return _checkout_page(db, request, carts.get(db, cart.id), [error.message])
    return _done(db, request, cart, checkout.complete(db, cart.id, evidence=session))
