"""Checkout sessions and orders of agents."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, NamedTuple

from pydantic_core import to_json

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import Denied, HubError, Malformed, NotFound
from backendhub.kit.money import Money
from backendhub.kit.web.replays import replayed
from backendhub.kit.web.replies import Sent
from backendhub.systems.shop import gateway
from backendhub.systems.shop.models import Cart, CartOver, Order, PaymentFailed
from backendhub.systems.shop.service import (
    agents,
    carts,
    catalogue,
    checkout,
    fulfilment,
    orders,
    payments,
    regions,
)
from backendhub.systems.shop.service.naming import new

from . import shapes
from .bodies import CompleteIn, LineIn, OrderIn, SessionIn, kept
from .profile import MOCK, STRIPE
from .wire import NoSuchItem, agent, order_routes, sessions, testing

TEST_CARDS = ("4242424242424242", "5555555555554444")


# -- sessions ----------------------------------------------------------------------------------------------


@sessions.post("", status=201, statuses=(409,), idempotent=True)
def create(db: Db, request: web.Request, body: SessionIn) -> dict[str, Any]:
    """Begin a checkout."""
    profile = agent(request)
    region = regions.resolve(db, currency_code=body.currency)
    cart = carts.add(db, region, kind=agents.KIND, extra={"agent": profile} if profile else {})
    return shapes.checkout(db, _apply(db, request, cart, body), request)


@sessions.get("/{id}")
def read(db: Db, request: web.Request, id: str) -> dict[str, Any]:
    """Read a checkout."""
    return shapes.checkout(db, carts.get(db, id, kind=agents.KIND), request)


@sessions.put("/{id}", statuses=(404, 409), idempotent=True)
def update(db: Db, request: web.Request, id: str, body: SessionIn) -> dict[str, Any]:
    """Change a checkout: its lines are replaced, what is not said of the rest stays."""
    profile = agent(request)
    cart = carts.hold(db, id, kind=agents.KIND)
    if profile:
        cart = carts.change(db, cart, extra={**cart.extra, "agent": profile})
    return shapes.checkout(db, _apply(db, request, cart, body), request)


@sessions.post("/{id}/cancel", statuses=(404, 409), idempotent=True)
def cancel(db: Db, request: web.Request, id: str) -> dict[str, Any]:
    """Give a checkout up."""
    return shapes.checkout(db, carts.cancel(db, id, kind=agents.KIND), request)


def _apply(db: Db, request: web.Request, cart: Cart, body: SessionIn) -> Cart:
    """Everything that a body says about a checkout."""
    book = request.hub.settings.flag("shop.ucp_address_book")
    lines = [_wanted(db, line) for line in body.line_items]
    agents.set_lines(db, cart, lines)
    if body.buyer is not None:
        cart = agents.set_buyer(db, cart, kept(body.buyer))
    if body.payment is not None:
        cart = carts.change(db, cart, extra={**cart.extra, "payment": _payment(kept(body.payment))})
    if body.discounts is not None:
        cart = agents.set_codes(db, cart, body.discounts.codes or [])
    for method in (body.fulfillment.methods or []) if body.fulfillment else []:
        given = [kept(d) for d in method.destinations] if method.destinations else None
        cart = agents.set_destinations(db, cart, given, method.selected_destination_id, book=book)
        chosen = next((g.selected_option_id for g in method.groups or () if g.selected_option_id), None)
        if chosen:
            cart = agents.set_option(db, cart, chosen)
    return carts.get(db, cart.id, kind=agents.KIND)


def _wanted(db: Db, line: LineIn) -> tuple[str | None, str, Any, int]:
    variant = catalogue.item(db, line.item.id)
    if variant is None or catalogue.get(db, variant.product_id).status != "published":
        raise NoSuchItem(f"Product {line.item.id[:80]} not found")
    return line.id, line.item.id, variant, line.quantity


def _payment(given: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a payment: never a credential."""
    instruments = [
        {k: v for k, v in each.items() if k != "credential"} for each in given.get("instruments") or []
    ]
    return {"selected_instrument_id": given.get("selected_instrument_id"), "instruments": instruments}


# -- paying ------------------------------------------------------------------------------------------------


class Proof(NamedTuple):
    """What stands for the payment: a session to be made, authorized already."""

    provider: str
    amount: Money
    reference: str | None
    status: str


@sessions.post("/{id}/complete", statuses=(402, 404, 409, 502))
async def complete(request: web.Request, id: str, body: CompleteIn) -> dict[str, Any]:
    """Pay and make the order. `Idempotency-Key` makes it safe to repeat."""
    owed = await request.read(_owed, id)
    proof = await _pay(request, owed, body.payment_data) if owed is not None else None
    try:
        return await request.call(_complete, request, id, proof)
    except HubError:
        if proof is not None and proof.reference is not None:
            await request.call(_let_go, id, proof)
        raise


def _let_go(db: Db, id: str, proof: Proof) -> None:
    """What was authorized goes back; the cart's next version makes the next try another payment at the gateway."""
    if carts.get(db, id, kind=agents.KIND).state == "open":
        carts.hold(db, id, kind=agents.KIND)
    payments.let_go(db, proof.reference or "", proof.status, proof.amount)


def _owed(db: Db, id: str) -> carts.View | None:
    """The checkout that is to be paid; None for one that is over. Raises NotFound, NotReady."""
    cart = carts.get(db, id, kind=agents.KIND)
    if cart.state != "open":
        return None
    seen = carts.view(db, cart)
    agents.ready(seen)
    return seen


async def _pay(request: web.Request, seen: carts.View, instrument: Mapping[str, Any]) -> Proof:
    """Has the handler of an instrument authorize. Raises PaymentFailed, Malformed."""
    cart, total = seen.cart, seen.total
    handler = str(instrument.get("handler_id") or "")
    credential = instrument.get("credential")
    secret = credential if isinstance(credential, dict) else {}
    if handler == STRIPE and gateway.configured(request.hub):
        token = str(secret.get("token") or "")
        if not token:
            raise Malformed("The instrument has no token.")
        mark = f"{cart.id}-{cart.version}-{request.header('idempotency-key') or new('try')}-{token}"
        key = sha256(mark.encode()).hexdigest()[:40]
        intent = await gateway.create(request.hub, total, key=key, about={"checkout": cart.id})
        intent = await gateway.confirm(request.hub, intent.id, token, key=f"{key}-confirm")
        if intent.status not in ("authorized", "captured"):
            raise PaymentFailed("The payment needs the buyer.", decline="requires_3ds")
        return Proof(payments.STRIPE, intent.amount, intent.id, intent.status)
    if handler == MOCK and request.hub.settings.get("shop.simulation_secret"):
        if secret.get("token") != "success_token" and secret.get("number") not in TEST_CARDS:
            raise PaymentFailed("The payment was declined.")
        return Proof(payments.SYSTEM, total, None, "authorized")
    raise Malformed(f"The payment handler {handler[:80]!r} is not one of this shop's.")


def _complete(db: Db, request: web.Request, id: str, proof: Proof | None) -> Any:
    if request.header("idempotency-key") is None:
        return _order(db, request, id, proof)

    def run() -> Sent:
        return Sent(200, [], to_json(_order(db, request, id, proof)), b"application/json")

    return replayed(db, "shop", request, run)


def _order(db: Db, request: web.Request, id: str, proof: Proof | None) -> dict[str, Any]:
    """The checkout with its order. Raises what stands in its way."""
    cart = carts.get(db, id, kind=agents.KIND)
    if cart.state != "open" or proof is None:
        raise CartOver(f"The checkout is already {cart.state}.", state=cart.state)
    held = carts.hold(db, id, kind=agents.KIND)
    collection = payments.collect(db, held.id, kind=agents.KIND)
    session = payments.start(
        db,
        collection.id,
        provider=proof.provider,
        reference=proof.reference,
        amount=proof.amount,
        status=proof.status,
    )
    outcome = checkout.complete(db, id, kind=agents.KIND, evidence=replace(session, status=proof.status))
    if outcome.error is not None:
        raise outcome.error
    assert outcome.order is not None
    agents.tell(db, outcome.order, shapes.event(db, "order_placed", outcome.order, request))
    return shapes.checkout(db, carts.get(db, id, kind=agents.KIND), request)


# -- orders ------------------------------------------------------------------------------------------------


def _ordered(db: Db, id: str) -> Order:
    """An order that an agent has made. Raises NotFound, for those of other wires too."""
    found = orders.get(db, id)
    if found.cart_id is None or carts.get(db, found.cart_id, kind=agents.KIND).order_id != id:
        raise NotFound(f"Order with id: {id[:80]} was not found")
    return found


@order_routes.get("/{id}")
def read_order(db: Db, request: web.Request, id: str) -> dict[str, Any]:
    """Read an order that an agent has made."""
    return shapes.order(db, _ordered(db, id), request)


@order_routes.put("/{id}", statuses=(404,))
def update_order(db: Db, request: web.Request, id: str, body: OrderIn) -> dict[str, Any]:
    """Tell of an order: events and adjustments are noted beside it. They move neither goods nor money."""
    found = _ordered(db, id)
    own = {e["id"] for e in shapes.order(db, found, request)["fulfillment"]["events"]}
    events = body.fulfillment.events if body.fulfillment else None
    agents.report(db, found, "event", [kept(e) for e in events or () if e.id not in own])
    mine = {r.id for r in orders.full(db, found).refunds}
    adjustments = [kept(a) for a in body.adjustments or () if a.id not in mine]
    agents.report(db, found, "adjustment", adjustments)
    return shapes.order(db, found, request)


@testing.post("/simulate-shipping/{id}", statuses=(403, 404))
def simulate_shipping(db: Db, request: web.Request, id: str) -> dict[str, Any]:
    """Pack and ship an order, for tests of agents. Needs `Simulation-Secret`, and the setting of that name."""
    secret = request.hub.settings.get("shop.simulation_secret") or ""
    given = request.header("simulation-secret") or ""
    if not secret or not hmac.compare_digest(secret.encode(), given.encode()):
        raise Denied("This needs the simulation secret.")
    found = _ordered(db, id)
    parcel = fulfilment.pack(db, found.id)
    fulfilment.ship(db, found.id, parcel.id)
    agents.tell(db, orders.get(db, id), shapes.event(db, "order_shipped", orders.get(db, id), request))
    return {"status": "shipped"}
