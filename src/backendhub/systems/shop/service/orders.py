"""Orders: found, cancelled, completed. What is packed, shipped and sent back is in `fulfilment`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from backendhub.kit import clock, outbox
from backendhub.kit.db import Db
from backendhub.kit.errors import NotFound
from backendhub.systems.shop import store
from backendhub.systems.shop.models import (
    ORDER,
    Fulfillment,
    Order,
    OrderItem,
    Payment,
    Refund,
    Return,
    TooMuch,
)

from . import payments, promotions, stock
from .naming import total


class Full(NamedTuple):
    """An order with all that belongs to it."""

    order: Order
    items: list[OrderItem]
    payments: list[Payment]
    refunds: list[Refund]
    fulfillments: list[Fulfillment]
    returns: list[Return]

    @property
    def captured(self) -> int:
        """What was taken."""
        return sum(p.captured for p in self.payments)

    @property
    def refunded(self) -> int:
        """What went back."""
        return sum(p.refunded for p in self.payments)


def get(db: Db, id: str) -> Order:
    """An order. Raises NotFound."""
    found = db.one(Order, store.ORDER_BY_ID, id=id)
    if found is None:
        raise NotFound(f"Order with id: {id[:80]} was not found")
    return found


def hold(db: Db, id: str) -> Order:
    """The order for a change: nobody else changes it until this transaction is over. Raises NotFound."""
    found = db.one(Order, store.LOCK_ORDER, id=id, now=clock.precise())
    return found if found is not None else get(db, id)


def items(db: Db, order_id: str) -> list[OrderItem]:
    """The lines of an order."""
    return db.all(OrderItem, store.items_by_order(db), ids=[order_id])


def full(db: Db, order: Order) -> Full:
    """An order with all that belongs to it."""
    return fulls(db, [order])[0]


def fulls(db: Db, found: Sequence[Order]) -> list[Full]:
    """Orders with all that belongs to them: five statements for any number of them."""
    ids = [o.id for o in found]
    if not ids:
        return []
    lines = items_of(db, found)
    paid = payments.of_orders(db, ids)
    back = payments.refunds_of(db, [p.id for each in paid.values() for p in each])
    parcels: dict[str, list[Fulfillment]] = {id: [] for id in ids}
    returns: dict[str, list[Return]] = {id: [] for id in ids}
    for parcel in db.all(Fulfillment, store.fulfillments_by_order(db), ids=ids):
        parcels[parcel.order_id].append(parcel)
    for one in db.all(Return, store.returns_by_order(db), ids=ids):
        returns[one.order_id].append(one)
    return [
        Full(
            o,
            lines[o.id],
            paid[o.id],
            [r for p in paid[o.id] for r in back.get(p.id, ())],
            parcels[o.id],
            returns[o.id],
        )
        for o in found
    ]


def of_customer(db: Db, customer_id: str, *, limit: int = 20, offset: int = 0) -> tuple[list[Order], int]:
    """A page of a customer's orders, the newest first, and how many there are."""
    rows = db.fetch(store.ORDERS_OF, {"customer_id": customer_id, "limit": limit, "offset": offset})
    numbers = [row[0] for row in rows]
    known = db.all(Order, store.orders_by_number(db), ids=numbers) if numbers else []
    count = total(len(known), limit, offset)
    if count is None:
        count = int(db.value(store.COUNT_ORDERS_OF, customer_id=customer_id))
    return sorted(known, key=lambda o: -o.no), count


def find(db: Db, *, limit: int = 20, offset: int = 0) -> tuple[list[Order], int]:
    """A page of all orders, the newest first, and how many there are."""
    ids = [row[0] for row in db.fetch(store.ALL_ORDERS, {"limit": limit, "offset": offset})]
    known = {o.id: o for o in db.all(Order, store.orders_by_id(db), ids=ids)} if ids else {}
    count = total(len(ids), limit, offset)
    return [known[id] for id in ids], int(db.value(store.COUNT_ORDERS)) if count is None else count


def items_of(db: Db, found: Sequence[Order]) -> dict[str, list[OrderItem]]:
    """The lines of several orders."""
    lines: dict[str, list[OrderItem]] = {o.id: [] for o in found}
    if lines:
        for item in db.all(OrderItem, store.items_by_order(db), ids=list(lines)):
            lines[item.order_id].append(item)
    return lines


# -- changes -----------------------------------------------------------------------------------------------


def cancel(db: Db, id: str) -> Order:
    """Calls an order off while nothing of it is packed: stock, promotions and money go back. Twice is once.

    Raises NotFound, IllegalMove, TooMuch.
    """
    order = hold(db, id)
    if order.state == "canceled":
        return order
    lines = items(db, id)
    if any(line.fulfilled for line in lines):
        raise TooMuch("All fulfillments must be canceled before canceling an order")
    _move(db, order, "cancel")
    promotions.give_back(db, id)
    for line in sorted(lines, key=lambda i: (i.variant_id, i.id)):
        stock.give_back(db, line)
    payments.settle(db, id)
    outbox.publish(db, "shop.order_canceled", {"order": id}, key=id)
    return get(db, id)


def complete(db: Db, id: str) -> Order:
    """Says that an order is done. Raises NotFound, IllegalMove."""
    _move(db, hold(db, id), "complete")
    outbox.publish(db, "shop.order_completed", {"order": id}, key=id)
    return get(db, id)


def archive(db: Db, id: str) -> Order:
    """Puts an order that is done out of the way. Raises NotFound, IllegalMove."""
    _move(db, hold(db, id), "archive")
    return get(db, id)


def _move(db: Db, order: Order, verb: str) -> None:
    more = {"canceled_at": clock.precise()} if verb == "cancel" else {}
    ORDER.move(db, order.id, verb, updated_at=clock.precise(), **more)


# -- where it stands ---------------------------------------------------------------------------------------


def fulfillment_status(lines: Sequence[OrderItem], state: str) -> str:
    """How far the goods are, in Medusa's words."""
    if state == "canceled":
        return "canceled"
    whole = sum(i.quantity for i in lines)
    for name, count in (
        ("delivered", sum(i.delivered for i in lines)),
        ("shipped", sum(i.shipped for i in lines)),
        ("fulfilled", sum(i.fulfilled for i in lines)),
    ):
        if count:
            return name if count == whole else f"partially_{name}"
    return "not_fulfilled"


def payment_status(found: Sequence[Payment]) -> str:
    """How far the money is, in Medusa's words."""
    amount = sum(p.amount for p in found)
    captured, refunded = sum(p.captured for p in found), sum(p.refunded for p in found)
    if not found:
        return "captured"  # it costs nothing
    if refunded:
        return "refunded" if refunded == captured else "partially_refunded"
    if captured:
        return "captured" if captured == amount else "partially_captured"
    return "canceled" if all(p.canceled_at for p in found) else "authorized"
