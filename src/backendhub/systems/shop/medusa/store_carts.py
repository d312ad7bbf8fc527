"""`/store`: carts, from the first line to the order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound
from backendhub.kit.identity import Principal
from backendhub.kit.money import Money
from backendhub.systems.shop import gateway
from backendhub.systems.shop.models import Cart, PaymentFailed, PaymentSession
from backendhub.systems.shop.service import carts, catalogue, checkout, customers, orders, payments, regions
from backendhub.systems.shop.service.naming import metadata, new
from backendhub.systems.shop.wire import store, told

from . import carts as shapes
from . import orders as order_shapes
from . import products
from .bodies import (
    AddressIn,
    CartIn,
    CartPatch,
    CodesIn,
    CollectionIn,
    LineIn,
    LinePatch,
    MethodIn,
    SessionIn,
)
from .common import listed, one


def own(db: Db, cart: Cart, user: Principal | None) -> Cart:
    """A cart of somebody with an account is theirs alone. Raises NotFound for anybody else."""
    if not customers.theirs(db, cart.customer_id, user.id if user else None):
        raise NotFound(f"Cart id not found: {cart.id[:80]}")
    return cart


def _mine(db: Db, id: str, user: Principal | None) -> Cart:
    own(db, carts.get(db, id), user)
    return carts.hold(db, id)


def shown(db: Db, request: web.Request, id: str) -> dict[str, Any]:
    """A cart as its answer."""
    return {"cart": shapes.cart(db, carts.get(db, id), stripe=gateway.configured(request.hub))}


def _address(db: Db, cart: Cart, which: str, given: AddressIn | str | None) -> Cart:
    if isinstance(given, str):
        if cart.customer_id is None:
            raise NotFound(f"Address with id: {given[:80]} was not found")
        about = customers.get_address(db, cart.customer_id, given).address
    else:
        about = given.model_dump() if given is not None else {}
    return carts.set_address(db, cart, which, about or None)


def _apply(db: Db, cart: Cart, body: CartPatch) -> Cart:
    """Everything that a body says about a cart."""
    given = body.model_fields_set
    if body.region_id:
        cart = carts.set_region(db, cart, regions.get(db, body.region_id))
    if body.email:
        cart = carts.set_email(db, cart, body.email)
    if "shipping_address" in given:
        cart = _address(db, cart, "shipping_address", body.shipping_address)
    if "billing_address" in given:
        cart = _address(db, cart, "billing_address", body.billing_address)
    if "metadata" in given:
        cart = carts.change(db, cart, metadata=metadata(body.metadata))
    if body.promo_codes is not None:
        cart = carts.set_codes(db, cart, body.promo_codes)
    return cart


@store.post("/carts", statuses=(404, 409), open_query=True)
def create_cart(db: Db, request: web.Request, body: CartIn, user: web.MaybeUser) -> dict[str, Any]:
    """Make a cart, in a region or with a currency; with lines, addresses and codes where they are known already."""
    where = body.shipping_address.country_code if isinstance(body.shipping_address, AddressIn) else None
    region = regions.resolve(
        db, region_id=body.region_id, currency_code=body.currency_code, country_code=where
    )
    buyer = customers.of_user(db, user.id if user else None)
    cart = carts.add(
        db,
        region,
        email=buyer.email if buyer else None,
        customer_id=buyer.id if buyer else None,
        metadata_=body.metadata,
    )
    for line in body.items:
        variant = catalogue.variant(db, line.variant_id)
        carts.put(db, cart, variant, line.quantity, metadata_=line.metadata)
    _apply(db, cart, body.model_copy(update={"region_id": None}))
    return shown(db, request, cart.id)


@store.get("/carts/{id}", open_query=True)
def get_cart(db: Db, request: web.Request, id: str, user: web.MaybeUser) -> dict[str, Any]:
    """Read a cart; `warnings` says what has changed since the buyer has seen it."""
    own(db, carts.get(db, id), user)
    return shown(db, request, id)


@store.post("/carts/{id}", statuses=(404, 409), open_query=True)
def update_cart(
    db: Db, request: web.Request, id: str, body: CartPatch, user: web.MaybeUser
) -> dict[str, Any]:
    """Change region, e-mail address, addresses, metadata or codes."""
    _apply(db, _mine(db, id, user), body)
    return shown(db, request, id)


@store.post("/carts/{id}/line-items", statuses=(404, 409), open_query=True)
def add_line(db: Db, request: web.Request, id: str, body: LineIn, user: web.MaybeUser) -> dict[str, Any]:
    """Put pieces of a variant into a cart."""
    cart = _mine(db, id, user)
    carts.put(db, cart, catalogue.variant(db, body.variant_id), body.quantity, metadata_=body.metadata)
    return shown(db, request, id)


@store.post("/carts/{id}/line-items/{line_id}", statuses=(404, 409), open_query=True)
def update_line(
    db: Db, request: web.Request, id: str, line_id: str, body: LinePatch, user: web.MaybeUser
) -> dict[str, Any]:
    """Change how many there are of a line; 0 takes it out."""
    cart = _mine(db, id, user)
    if body.quantity:
        carts.set_quantity(db, cart, line_id, body.quantity)
    else:
        carts.remove(db, cart, line_id)
    return shown(db, request, id)


@store.delete("/carts/{id}/line-items/{line_id}", status=200, statuses=(404, 409), open_query=True)
def remove_line(db: Db, request: web.Request, id: str, line_id: str, user: web.MaybeUser) -> dict[str, Any]:
    """Take a line out."""
    carts.remove(db, _mine(db, id, user), line_id)
    parent = shown(db, request, id)["cart"]
    return {"id": line_id, "object": "line-item", "deleted": True, "parent": parent}


@store.post("/carts/{id}/promotions", statuses=(404, 409), open_query=True)
def add_codes(db: Db, request: web.Request, id: str, body: CodesIn, user: web.MaybeUser) -> dict[str, Any]:
    """Add promotion codes."""
    cart = _mine(db, id, user)
    carts.set_codes(db, cart, [*cart.codes, *body.promo_codes])
    return shown(db, request, id)


@store.delete("/carts/{id}/promotions", status=200, statuses=(404, 409), open_query=True)
def remove_codes(db: Db, request: web.Request, id: str, body: CodesIn, user: web.MaybeUser) -> dict[str, Any]:
    """Take promotion codes away."""
    cart = _mine(db, id, user)
    carts.change(db, cart, codes=[c for c in cart.codes if c not in body.promo_codes])
    return shown(db, request, id)


@store.post("/carts/{id}/shipping-methods", statuses=(404, 409), open_query=True)
def add_method(db: Db, request: web.Request, id: str, body: MethodIn, user: web.MaybeUser) -> dict[str, Any]:
    """Choose a way to be shipped."""
    carts.set_shipping(db, _mine(db, id, user), body.option_id)
    return shown(db, request, id)


@store.post("/carts/{id}/taxes", statuses=(404, 409), open_query=True)
def work_out_taxes(db: Db, request: web.Request, id: str, user: web.MaybeUser) -> dict[str, Any]:
    """Work taxes out; they always are."""
    _mine(db, id, user)
    return shown(db, request, id)


@store.post("/carts/{id}/customer", statuses=(404, 409), open_query=True)
def take_cart(db: Db, request: web.Request, id: str, user: web.CurrentUser) -> dict[str, Any]:
    """Make a cart that of the customer who is signed in."""
    cart, buyer = _mine(db, id, user), customers.mine(db, user.id)
    carts.change(db, cart, customer_id=buyer.id, email=buyer.email)
    return shown(db, request, id)


@store.get("/shipping-options", open_query=True)
def list_shipping(db: Db, request: web.Request, user: web.MaybeUser) -> dict[str, Any]:
    """How the cart `cart_id` can be shipped."""
    id = one(listed(request), "cart_id")
    if id is None:
        raise Invalid("Invalid request: Field 'cart_id' is required")
    cart = own(db, carts.get(db, id), user)
    inclusive = regions.get(db, cart.region_id).tax_inclusive
    rows = [products.shipping(o.option, o.amount, cart.currency, inclusive) for o in carts.offers(db, cart)]
    return {"shipping_options": rows}


@store.post("/shipping-options/{id}/calculate", open_query=True)
def price_shipping(
    db: Db, request: web.Request, id: str, body: CollectionIn, user: web.MaybeUser
) -> dict[str, Any]:
    """What a shipping option costs a cart."""
    cart = own(db, carts.get(db, body.cart_id), user)
    found = next((o for o in carts.offers(db, cart) if o.option.id == id), None)
    if found is None:
        raise NotFound(f"Shipping option with id: {id[:80]} was not found")
    return {"shipping_option": products.shipping(found.option, found.amount, cart.currency)}


# -- paying ------------------------------------------------------------------------------------------------


@store.post("/payment-collections", statuses=(404, 409), open_query=True)
def create_collection(
    db: Db, request: web.Request, body: CollectionIn, user: web.MaybeUser
) -> dict[str, Any]:
    """Begin to pay for a cart."""
    own(db, carts.get(db, body.cart_id), user)
    return _collected(db, request, payments.collect(db, body.cart_id).id)


def _collected(db: Db, request: web.Request, id: str) -> dict[str, Any]:
    found = payments.get(db, id)
    seen = carts.view(db, carts.get(db, found.cart_id))
    row = shapes.collection(
        found,
        payments.sessions(db, id),
        seen.totals.total,
        seen.cart.currency,
        gateway.configured(request.hub),
    )
    return {"payment_collection": row}


@store.post("/payment-collections/{id}/payment-sessions", statuses=(402, 404, 409, 502), open_query=True)
async def start_session(request: web.Request, id: str, body: SessionIn) -> dict[str, Any]:
    """Choose a provider to pay with. One of a Stripe wire answers with what the browser needs (`data.client_secret`)."""
    known = [p["id"] for p in products.provider(gateway.configured(request.hub))]
    if body.provider_id not in known:
        raise NotFound(f"Payment provider {body.provider_id[:80]} was not found", hint=", ".join(known))
    if body.provider_id == payments.SYSTEM:
        return await request.call(_start, request, id, body.provider_id)
    cart_id, total = await request.read(_owed, id, request.user)
    session = new("payses")
    intent = await gateway.create(
        request.hub, total, key=session, about={"cart": cart_id, "session": session}
    )
    return await request.call(
        _start,
        request,
        id,
        body.provider_id,
        session=session,
        reference=intent.id,
        data=intent.data,
        amount=intent.amount,
    )


def _owed(db: Db, id: str, user: Principal | None) -> tuple[str, Money]:
    cart = own(db, carts.get(db, payments.get(db, id).cart_id), user)
    return cart.id, carts.view(db, cart).total


def _start(
    db: Db, request: web.Request, id: str, provider: str, *, session: str | None = None, **about: Any
) -> dict[str, Any]:
    own(db, carts.get(db, payments.get(db, id).cart_id), request.user)
    payments.start(db, id, provider=provider, id=session, **about)
    return _collected(db, request, id)


@store.post("/carts/{id}/complete", statuses=(402, 404, 409, 502), open_query=True)
async def complete_cart(request: web.Request, id: str) -> dict[str, Any]:
    """Make the order. Where something stands in its way the answer is the cart, and an `error` that says what."""
    pending = await request.read(_pending, id, request.user)
    evidence = await proven(request, pending) if pending is not None else None
    return await request.call(_complete, request, id, evidence)


def _pending(db: Db, id: str, user: Principal | None) -> PaymentSession | None:
    cart = own(db, carts.get(db, id), user)
    collection = payments.of_cart(db, cart.id)
    session = payments.live(db, collection.id) if collection and cart.state == "open" else None
    return session if session is not None and session.provider == payments.STRIPE else None


async def proven(request: web.Request, session: PaymentSession) -> PaymentSession:
    """What the gateway says of a session. Raises PaymentFailed for another amount than the shop asked for."""
    intent = await gateway.retrieve(request.hub, session.reference or "")
    if intent.amount != Money(session.amount, session.currency):
        raise PaymentFailed("The payment is of another amount than the cart.")
    return replace(session, status=intent.status)


def _complete(db: Db, request: web.Request, id: str, evidence: PaymentSession | None) -> dict[str, Any]:
    own(db, carts.get(db, id), request.user)
    outcome = checkout.complete(db, id, evidence=evidence)
    if outcome.order is not None:
        return {"type": "order", "order": order_shapes.order(orders.full(db, outcome.order))}
    assert outcome.error is not None
    error = told(outcome.error)
    error |= {"name": type(outcome.error).__name__}
    return {"type": "cart", "error": error, **shown(db, request, id)}
