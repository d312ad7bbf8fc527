"""Stock: how many of a variant are where, and the claims of order lines on it (kit.reservation).

A variant's stock is the kit's resource of its id; a line of an order has one hold, called as the line is. Whoever changes
stock goes through guarded statements of the kit, so that no number of buyers can take more than there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from backendhub.kit import clock, reservation
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid
from backendhub.kit.reservation import Stock, Unavailable, Units
from backendhub.systems.shop import store
from backendhub.systems.shop.models import InsufficientStock, OrderItem, Variant

from . import regions


def levels(db: Db, variant_ids: Iterable[str]) -> dict[str, list[Stock]]:
    """The stock of some variants at each place, the fullest first; what expired holds kept counts as free."""
    ids = list(dict.fromkeys(variant_ids))
    found: dict[str, list[Stock]] = {id: [] for id in ids}
    if ids:
        for level in db.all(Stock, store.stock_by_variant(db), ids=ids, now=clock.precise()):
            found[level.resource].append(level)
    return found


def free(db: Db, variant_ids: Iterable[str]) -> dict[str, int]:
    """How many of some variants are free, all places together."""
    return {id: sum(s.free for s in found) for id, found in levels(db, variant_ids).items()}


def limited(variant: Variant) -> bool:
    """Whether no more of it can be sold than there are."""
    return variant.manage_inventory and not variant.allow_backorder


def check(db: Db, wanted: Mapping[str, tuple[Variant, int]]) -> None:
    """Raises InsufficientStock where less is free than is wanted. A look, no claim: that is `claim`."""
    about = [v.id for v, _ in wanted.values() if limited(v)]
    left = free(db, about) if about else {}
    short = [
        {"variant_id": v.id, "title": v.title, "wanted": n, "left": left[v.id]}
        for v, n in wanted.values()
        if v.id in left and left[v.id] < n
    ]
    if short:
        raise too_few(short)


def too_few(short: Sequence[Mapping[str, Any]]) -> InsufficientStock:
    """What is said where there is not enough: of what, how many are wanted and how many are left."""
    said = "; ".join(f"{s['title']}: {s['wanted']} wanted, {s['left']} left" for s in short)
    return InsufficientStock(f"Insufficient stock: {said}.", items=[dict(s) for s in short])


def set_level(db: Db, variant: Variant, location_id: str, quantity: int) -> Stock:
    """Says how many pieces are at a place, those that are sold and not yet shipped included.

    Raises Conflict where more are sold than that, Invalid.
    """
    if quantity < 0:
        raise Invalid("A stock is not negative.", field="stocked_quantity")
    place = regions.location(db, location_id)
    now = reservation.restock(db, variant.id, 0, place.id)
    change = quantity - now.total
    if not change:
        return now
    try:
        return reservation.restock(db, variant.id, change, place.id)
    except Unavailable:
        taken = now.held + now.sold
        raise Conflict(
            f"{taken} of them are sold or reserved: there cannot be {quantity}.", taken=taken
        ) from None


def adjust(db: Db, variant: Variant, location_id: str, change: int) -> Stock:
    """Adds pieces to a place, or takes free ones out (negative). Raises Unavailable, Invalid."""
    return reservation.restock(db, variant.id, change, regions.location(db, location_id).id)


def claim(db: Db, line: str, variant: Variant, quantity: int, owner: str) -> bool:
    """Sells stock to a line: from one place where that is enough, else from several. Raises InsufficientStock.

    False where no stock is claimed: it is not counted, or the variant may be ordered beyond what there is.
    """
    if not variant.manage_inventory:
        return False
    try:
        reservation.take(db, [Units(variant.id, quantity, None)], owner=owner, id=line)
        return True
    except Unavailable:
        pass
    parts = _spread(db, variant, quantity)
    if parts is None:
        return False
    try:
        reservation.take(db, parts, owner=owner, id=line)
    except Unavailable:  # somebody was faster
        left = free(db, [variant.id])[variant.id]
        raise too_few(
            [{"variant_id": variant.id, "title": variant.title, "wanted": quantity, "left": left}]
        ) from None
    return True


def _spread(db: Db, variant: Variant, quantity: int) -> list[Units] | None:
    """What is taken from where; None for what is ordered beyond the stock, as its variant allows."""
    found = levels(db, [variant.id])[variant.id]
    left = sum(s.free for s in found)
    if left < quantity:
        if variant.allow_backorder:
            return None
        raise too_few([{"variant_id": variant.id, "title": variant.title, "wanted": quantity, "left": left}])
    parts: list[Units] = []
    for level in found:
        n = min(level.free, quantity)
        if n > 0:
            parts.append(Units(variant.id, n, level.location))
            quantity -= n
    return sorted(parts, key=lambda u: u.location or "")


def _first(db: Db) -> str:
    places = regions.locations(db)
    if not places:
        raise Conflict("The shop has no place of stock yet.", hint="POST /admin/stock-locations")
    return places[0].id


def give_back(db: Db, item: OrderItem) -> None:
    """What a line has not shipped is free again."""
    if item.managed:
        reservation.cancel(db, item.id)


def send(db: Db, item: OrderItem, quantity: int) -> None:
    """So many of a line leave the stock for good. Raises Conflict where the line has fewer."""
    if not item.managed:
        return
    for unit in reservation.get(db, item.id).units:
        n = min(unit.quantity, quantity)
        if n:
            part = Units(unit.resource, n, unit.location)
            reservation.drop(db, item.id, [part])  # both within this transaction: nobody sees them free
            reservation.restock(db, unit.resource, -n, unit.location or "")
            quantity -= n
    if quantity:
        raise Conflict("The line has not so many pieces left to ship.")


def put_back(db: Db, items: Iterable[tuple[OrderItem, int]], location_id: str | None) -> None:
    """So many of some lines are back in the house."""
    back = sorted(((i.variant_id, n) for i, n in items if i.managed))
    place = location_id or (_first(db) if back else "")
    for variant_id, quantity in back:
        reservation.restock(db, variant_id, quantity, place)
