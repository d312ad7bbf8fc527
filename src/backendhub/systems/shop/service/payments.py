"""Paying for a cart, and the money of an order.

A provider is the house itself (`pp_system_default`: paid by hand, on delivery, by transfer) or a Stripe wire. Rows here say
what is meant to be; what has to be asked of another server is a job that is written in the same commit, with a key that
makes asking twice asking once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backendhub.kit import clock, jobs
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound
from backendhub.kit.money import Money
from backendhub.systems.shop import store
from backendhub.systems.shop.models import (
    Cart,
    NotReady,
    Order,
    Payment,
    PaymentCollection,
    PaymentFailed,
    PaymentSession,
    Refund,
    TooMuch,
)

from . import carts
from .naming import new, stamps

SYSTEM = "pp_system_default"
STRIPE = "pp_stripe_stripe"
SETTLE = "shop.settle"
"""The job that asks a Stripe wire to capture, refund or cancel."""


# -- before the order --------------------------------------------------------------------------------------


def collect(db: Db, cart_id: str, *, kind: str = "store") -> PaymentCollection:
    """The payment collection of a cart, made where there is none. Raises NotFound, CartOver."""
    cart = carts.hold(db, cart_id, kind=kind)
    db.run(store.MAKE_COLLECTION, id=new("pay_col"), cart_id=cart.id, now=clock.precise())
    found = of_cart(db, cart.id)
    assert found is not None
    return found


def of_cart(db: Db, cart_id: str) -> PaymentCollection | None:
    """The payment collection of a cart."""
    return db.one(PaymentCollection, store.COLLECTION_OF_CART, cart_id=cart_id)


def get(db: Db, id: str) -> PaymentCollection:
    """A payment collection. Raises NotFound."""
    found = db.one(PaymentCollection, store.COLLECTION_OF_PAYMENTS, id=id)
    if found is None:
        raise NotFound(f"Payment collection with id: {id[:80]} was not found")
    return found


def sessions(db: Db, collection_id: str) -> list[PaymentSession]:
    """The sessions of a collection, the oldest first."""
    return db.all(PaymentSession, store.SESSIONS, collection_id=collection_id)


def live(db: Db, collection_id: str) -> PaymentSession | None:
    """The session that counts."""
    return db.one(PaymentSession, store.LIVE_SESSION, collection_id=collection_id)


def start(
    db: Db,
    collection_id: str,
    *,
    provider: str,
    reference: str | None = None,
    data: dict[str, Any] | None = None,
    amount: Money | None = None,
    id: str | None = None,
    status: str = "pending",
) -> PaymentSession:
    """Starts to pay what the cart costs now, in place of what was started before. Raises NotFound, CartOver, NotReady.

    `amount` is what the provider was asked for, where it was asked. Raises PaymentFailed for a `reference` that was given
    up before: what is held for it is on its way back.
    """
    found = get(db, collection_id)
    cart = db.one(Cart, store.CART, id=found.cart_id)
    assert cart is not None
    seen = carts.view(db, carts.hold(db, cart.id, kind=cart.kind))
    if amount is not None and amount != seen.total:
        raise NotReady(f"The total has changed to {seen.total} meanwhile: start the payment again.")
    for known in sessions(db, found.id) if reference else ():
        if known.reference == reference:
            if known.status in ("canceled", "error"):
                raise PaymentFailed("This payment was given back: start another.")
            return known
    drop(db, found.id)
    return db.insert(
        PaymentSession,
        "shop_payment_session",
        id=id or new("payses"),
        collection_id=found.id,
        provider=provider,
        reference=reference,
        amount=seen.total.minor,
        currency=cart.currency,
        status=status,
        data=data or {},
        **stamps(),
    )


def drop(db: Db, collection_id: str) -> None:
    """Gives up what was started before; what a provider may hold for it goes back."""
    for each in sessions(db, collection_id):
        if each.status in ("pending", "authorized") and each.provider == STRIPE and each.reference:
            ask(db, each.reference, "cancel", each.amount, each.currency, f"back_{each.id}")
    db.run(store.DROP_SESSIONS, collection_id=collection_id, now=clock.precise())


def let_go(db: Db, reference: str, status: str, amount: Money, *, collection_id: str | None = None) -> None:
    """Gives back what a provider holds, or has taken, for a cart that it does not pay for; with the collection of that cart it
    can never pay for it afterwards."""
    if collection_id is not None:
        db.insert(
            PaymentSession,
            "shop_payment_session",
            id=new("payses"),
            collection_id=collection_id,
            provider=STRIPE,
            reference=reference,
            amount=amount.minor,
            currency=amount.currency,
            status="canceled",
            data={},
            **stamps(),
        )
    what = "refund" if status == "captured" else "cancel"
    ask(db, reference, what, amount.minor, amount.currency, f"back_{reference}")


def paid(db: Db, seen: carts.View, evidence: PaymentSession | None) -> PaymentSession | None:
    """The session that pays for a cart. `evidence` is one that a provider has said is authorized or captured.

    None for a cart that costs nothing. Raises NotReady, PaymentFailed.
    """
    if seen.totals.total == 0:
        return None
    collection = of_cart(db, seen.cart.id)
    session = live(db, collection.id) if collection else None
    if session is None:
        raise NotReady("Payment collection has not been initiated for cart", what="payment")
    if session.amount != seen.totals.total or session.currency != seen.cart.currency:
        raise NotReady(
            f"The total has changed to {seen.total} since the payment was started: start it again.",
            what="payment",
        )
    if session.provider == SYSTEM or session.status in ("authorized", "captured"):
        return session
    if evidence is None or evidence.id != session.id or evidence.status not in ("authorized", "captured"):
        raise PaymentFailed("Payment sessions are required to complete cart: the payment is not authorized.")
    return evidence


def record(db: Db, order: Order, session: PaymentSession) -> Payment:
    """The payment of an order that was just made."""
    captured = session.amount if session.status == "captured" else 0
    payment = db.insert(
        Payment,
        "shop_payment",
        id=new("pay"),
        order_id=order.id,
        session_id=session.id,
        provider=session.provider,
        reference=session.reference,
        currency=session.currency,
        amount=session.amount,
        captured=captured,
        refunded=0,
        captured_at=clock.precise() if captured else None,
        canceled_at=None,
        created_at=clock.precise(),
    )
    status = "captured" if captured else "authorized"
    db.update(PaymentSession, "shop_payment_session", session.id, status=status, updated_at=clock.precise())
    db.update(PaymentCollection, "shop_payment_collection", session.collection_id, order_id=order.id)
    return payment


# -- after it ----------------------------------------------------------------------------------------------


def of_order(db: Db, order_id: str) -> list[Payment]:
    """The payments of an order."""
    return of_orders(db, [order_id])[order_id]


def of_orders(db: Db, order_ids: Sequence[str]) -> dict[str, list[Payment]]:
    """The payments of each of some orders."""
    found: dict[str, list[Payment]] = {id: [] for id in order_ids}
    for each in db.all(Payment, store.payments_by_order(db), ids=list(order_ids)):
        found[each.order_id].append(each)
    return found


def payment(db: Db, id: str) -> Payment:
    """A payment. Raises NotFound."""
    found = db.one(Payment, store.PAYMENT, id=id)
    if found is None:
        raise NotFound(f"Payment with id: {id[:80]} was not found")
    return found


def refunds_of(db: Db, payment_ids: Sequence[str]) -> dict[str, list[Refund]]:
    """The refunds of each of some payments, the oldest first."""
    found: dict[str, list[Refund]] = {id: [] for id in payment_ids}
    for each in db.all(Refund, store.refunds_by_payment(db), ids=list(payment_ids)) if found else ():
        found[each.payment_id].append(each)
    return found


def capture(db: Db, id: str, amount: int | None = None) -> Payment:
    """Takes the money, all that is authorized or a part. Raises NotFound, TooMuch, Invalid."""
    found = _held(db, id)
    part = found.amount - found.captured if amount is None else amount
    if part <= 0:
        raise TooMuch("There is nothing left to capture.")
    if found.provider == STRIPE and found.captured:
        raise TooMuch("The provider captures a payment once: what was not captured then was let go.")
    if not db.run(store.CAPTURE, id=id, amount=part, now=clock.precise()):
        raise TooMuch(
            "You cannot capture more than the authorized amount substracted by what is already captured."
        )
    _ask(db, found, "capture", part, new("capt"))
    return payment(db, id)


def capturable(found: Payment) -> bool:
    """Whether there is something left to capture. A Stripe wire captures once and lets go of the rest."""
    once = found.provider == STRIPE and found.captured > 0
    return found.captured < found.amount and found.canceled_at is None and not once


def refund(db: Db, id: str, amount: int | None = None, note: str = "") -> Payment:
    """Gives money back, all that is captured or a part. Raises NotFound, TooMuch, Invalid."""
    found = _held(db, id)
    part = found.captured - found.refunded if amount is None else amount
    if amount is not None and amount <= 0:
        raise Invalid("A refund is above zero.", field="amount")
    if part <= 0:
        raise TooMuch("There is nothing to refund.")
    give(db, found, part, note)
    return payment(db, id)


def _held(db: Db, id: str) -> Payment:
    """The payment, with its order held: whoever cancels that, or takes goods back, does so before or afterwards. A guard in
    the statement would not do: PostgreSQL looks at other tables as they were before it waited for the row. Raises NotFound."""
    db.fetch(store.LOCK_ORDER, {"id": payment(db, id).order_id, "now": clock.precise()})
    return payment(db, id)


# For those who hold the order.


def give(db: Db, found: Payment, part: int, note: str) -> None:
    """Gives a part of what was captured back. Raises TooMuch."""
    if not db.run(store.REFUND, id=found.id, amount=part):
        raise TooMuch("You cannot refund more than what is captured on the payment.")
    made = db.insert(
        Refund,
        "shop_refund",
        id=new("ref"),
        payment_id=found.id,
        amount=part,
        note=note,
        created_at=clock.precise(),
    )
    _ask(db, found, "refund", part, made.id)


def settle(db: Db, order_id: str) -> None:
    """An order is off: authorizations are let go, what is captured goes back."""
    for each in of_order(db, order_id):
        if each.captured > each.refunded:
            give(db, each, each.captured - each.refunded, "order canceled")
        elif not each.captured and db.run(store.VOID, id=each.id, now=clock.precise()):
            _ask(db, each, "cancel", 0, f"void_{each.id}")


def _ask(db: Db, found: Payment, what: str, amount: int, key: str) -> None:
    if found.provider == STRIPE and found.reference:
        ask(db, found.reference, what, amount, found.currency, key)


def ask(db: Db, reference: str, what: str, amount: int, currency: str, key: str) -> None:
    """Has a Stripe wire capture, refund or cancel a PaymentIntent, once this is committed."""
    jobs.enqueue(
        db, SETTLE, unique=key, reference=reference, what=what, amount=amount, currency=currency, key=key
    )
