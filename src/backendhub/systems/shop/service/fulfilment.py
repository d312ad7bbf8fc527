"""Parcels and returns: each count of a line grows by one guarded statement, so nothing is packed or sent twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from backendhub.kit import clock, outbox
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound
from backendhub.kit.states import IllegalMove
from backendhub.systems.shop import store
from backendhub.systems.shop.models import FULFILLMENT, RETURN, Fulfillment, Order, OrderItem, Return, TooMuch

from . import orders, payments, regions, stock
from .naming import new

# -- parcels -----------------------------------------------------------------------------------------------


def pack(db: Db, order_id: str, quantities: Mapping[str, int] | None = None) -> Fulfillment:
    """Packs pieces of lines, without a say all that is not packed yet. Raises NotFound, TooMuch, Invalid, IllegalMove."""
    order = _open(db, order_id)
    lines = {i.id: i for i in orders.items(db, order_id)}
    wanted = quantities
    if wanted is None:
        wanted = {i.id: i.quantity - i.fulfilled for i in lines.values() if i.quantity > i.fulfilled}
    if not wanted:
        raise TooMuch("Everything is packed already.")
    _count(db, store.PACK, order.id, lines, wanted, "packed")
    return db.insert(
        Fulfillment,
        "shop_fulfillment",
        id=new("ful"),
        order_id=order_id,
        state="packed",
        items=[{"item": id, "quantity": n} for id, n in wanted.items()],
        labels=[],
        packed_at=clock.precise(),
        shipped_at=None,
        delivered_at=None,
        canceled_at=None,
    )


def get(db: Db, order_id: str, id: str) -> Fulfillment:
    """A parcel of this order. Raises NotFound."""
    found = db.one(Fulfillment, store.FULFILLMENT_BY_ID, id=id, order_id=order_id)
    if found is None:
        raise NotFound(f"Fulfillment with id: {id[:80]} was not found")
    return found


def ship(db: Db, order_id: str, id: str, labels: Sequence[Mapping[str, Any]] = ()) -> Fulfillment:
    """A parcel leaves; its pieces leave the stock for good. Raises NotFound, IllegalMove."""
    orders.hold(db, order_id)
    parcel = get(db, order_id, id)
    FULFILLMENT.move(db, id, "ship", shipped_at=clock.precise(), labels=[dict(each) for each in labels])
    lines = {i.id: i for i in orders.items(db, order_id)}
    pieces = _pieces(parcel.items)
    _count(db, store.SHIP, order_id, lines, pieces, "shipped")
    for line in sorted((lines[item] for item in pieces), key=lambda i: i.variant_id):
        stock.send(db, line, pieces[line.id])
    outbox.publish(db, "shop.order_shipped", {"order": order_id, "fulfillment": id}, key=order_id)
    return get(db, order_id, id)


def deliver(db: Db, order_id: str, id: str) -> Fulfillment:
    """The buyer has a parcel. Raises NotFound, IllegalMove."""
    orders.hold(db, order_id)
    parcel = get(db, order_id, id)
    FULFILLMENT.move(db, id, "deliver", delivered_at=clock.precise())
    lines = {i.id: i for i in orders.items(db, order_id)}
    _count(db, store.DELIVER, order_id, lines, _pieces(parcel.items), "delivered")
    outbox.publish(db, "shop.order_delivered", {"order": order_id, "fulfillment": id}, key=order_id)
    return get(db, order_id, id)


def cancel(db: Db, order_id: str, id: str) -> Fulfillment:
    """Unpacks a parcel that has not left. Raises NotFound, IllegalMove."""
    orders.hold(db, order_id)
    parcel = get(db, order_id, id)
    FULFILLMENT.move(db, id, "cancel", canceled_at=clock.precise())
    lines = {i.id: i for i in orders.items(db, order_id)}
    _count(db, store.UNPACK, order_id, lines, _pieces(parcel.items), "unpacked")
    return get(db, order_id, id)


# -- returns -----------------------------------------------------------------------------------------------


def ask_back(
    db: Db,
    order_id: str,
    items: Iterable[Mapping[str, Any]],
    *,
    location_id: str | None = None,
    note: str = "",
) -> Return:
    """Notes that shipped pieces are to come back, and what is refunded for them: `{item, quantity, reason}` each.

    Raises NotFound, TooMuch, Invalid.
    """
    orders.hold(db, order_id)
    if location_id is not None:
        regions.location(db, location_id)
    lines = {i.id: i for i in orders.items(db, order_id)}
    given = [dict(each) for each in items]
    if not given:
        raise Invalid("A return is of something.", field="items")
    pieces = _pieces(given)
    _count(db, store.ASK_BACK, order_id, lines, pieces, "returned")
    before = {id: lines[id].return_requested + lines[id].returned for id in pieces}
    refund = sum(worth(lines[id], before[id], n) for id, n in pieces.items())
    return db.insert(
        Return,
        "shop_return",
        id=new("return"),
        order_id=order_id,
        state="requested",
        items=given,
        location_id=location_id,
        refund=refund,
        note=note,
        requested_at=clock.precise(),
        received_at=None,
        canceled_at=None,
    )


def worth(line: OrderItem, before: int, quantity: int) -> int:
    """What pieces of a line were paid with: shares that add up to the line, whatever the parts."""
    return line.total * (before + quantity) // line.quantity - line.total * before // line.quantity


def get_return(db: Db, id: str) -> Return:
    """A return. Raises NotFound."""
    found = db.one(Return, store.RETURN_BY_ID, id=id)
    if found is None:
        raise NotFound(f"Return with id: {id[:80]} was not found")
    return found


def receive(db: Db, id: str, *, refund: bool = True) -> Return:
    """The goods are back: they are stock again, and their money goes back as far as it was captured.

    Raises NotFound, IllegalMove.
    """
    order = orders.hold(db, get_return(db, id).order_id)
    found = get_return(db, id)
    RETURN.move(db, id, "receive", received_at=clock.precise())
    lines = {i.id: i for i in orders.items(db, order.id)}
    pieces = _pieces(found.items)
    _count(db, store.TAKE_BACK, order.id, lines, pieces, "taken back")
    stock.put_back(db, [(lines[id], n) for id, n in pieces.items()], found.location_id)
    if refund:
        _refund(db, order, found)
    outbox.publish(db, "shop.return_received", {"order": order.id, "return": id}, key=order.id)
    return get_return(db, id)


def cancel_return(db: Db, id: str) -> Return:
    """The goods do not come back. Raises NotFound, IllegalMove."""
    order = orders.hold(db, get_return(db, id).order_id)
    found = get_return(db, id)
    RETURN.move(db, id, "cancel", canceled_at=clock.precise())
    lines = {i.id: i for i in orders.items(db, order.id)}
    _count(db, store.NOT_BACK, order.id, lines, _pieces(found.items), "kept")
    return get_return(db, id)


def _refund(db: Db, order: Order, found: Return) -> None:
    left = found.refund
    for payment in payments.of_order(db, order.id):
        part = min(left, payment.captured - payment.refunded)
        if part > 0:
            payments.give(db, payment, part, f"return {found.id}")
            left -= part


def _open(db: Db, order_id: str) -> Order:
    order = orders.hold(db, order_id)
    if order.state == "canceled":
        raise IllegalMove("An order that is canceled is not packed.", state=order.state, allowed=[])
    return order


def _pieces(items: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many of each line there are in a parcel or a return. Raises Invalid."""
    pieces: dict[str, int] = {}
    for each in items:
        if each["quantity"] < 1:
            raise Invalid("A quantity is at least 1.", field="quantity")
        pieces[each["item"]] = pieces.get(each["item"], 0) + each["quantity"]
    return pieces


def _count(
    db: Db,
    statement: Mapping[str, str],
    order_id: str,
    lines: Mapping[str, OrderItem],
    pieces: Mapping[str, int],
    done: str,
) -> None:
    """One guarded step of the counts of lines, of all of them or of none. Raises TooMuch, Invalid, NotFound."""
    for id, n in pieces.items():
        if id not in lines:
            raise NotFound(f"The order has no item {id[:80]}.")
        if n < 1:
            raise Invalid("A quantity is at least 1.", field="quantity")
    wanted = sorted(pieces.items())
    changed = {row[0] for row in db.fetch(statement[db.dialect], {"order_id": order_id, "wanted": wanted})}
    for id, n in wanted:
        if id not in changed:
            raise TooMuch(f"{n} of {lines[id].title} cannot be {done}: there are not so many.", item=id)
