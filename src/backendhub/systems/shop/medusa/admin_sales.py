"""`/admin`: orders, parcels, payments, returns, customers, stock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from backendhub.kit import reservation
from backendhub.kit.db import Db
from backendhub.kit.errors import NotFound
from backendhub.kit.reservation import Stock, Units
from backendhub.systems.shop.models import Location, Variant
from backendhub.systems.shop.service import (
    catalogue,
    customers,
    fulfilment,
    orders,
    payments,
    regions,
    stock,
)
from backendhub.systems.shop.wire import admin

from . import orders as shapes
from .admin_bodies import (
    CaptureIn,
    FulfillmentIn,
    LevelIn,
    LevelPatch,
    LocationIn,
    RefundIn,
    ReservationIn,
    ReturnIn,
    ShipmentIn,
)
from .common import Limit, Offset, minor, page, stamp

# -- orders ------------------------------------------------------------------------------------------------


def _order(db: Db, id: str) -> dict[str, Any]:
    return {"order": shapes.order(orders.full(db, orders.get(db, id)))}


@admin.get("/orders", open_query=True)
def list_orders(db: Db, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Every order, the newest first."""
    found, count = orders.find(db, limit=limit, offset=offset)
    rows = [shapes.order(each) for each in orders.fulls(db, found)]
    return page("orders", rows, count, limit, offset)


@admin.get("/orders/{id}", open_query=True)
def get_order(db: Db, id: str) -> dict[str, Any]:
    """One order with parcels, payments and returns."""
    return _order(db, id)


@admin.post("/orders/{id}/cancel", statuses=(404, 409), open_query=True)
def cancel_order(db: Db, id: str) -> dict[str, Any]:
    """Call an order off while nothing of it is packed; stock, promotions and money go back."""
    orders.cancel(db, id)
    return _order(db, id)


@admin.post("/orders/{id}/complete", statuses=(404, 409), open_query=True)
def complete_order(db: Db, id: str) -> dict[str, Any]:
    """Say that an order is done."""
    orders.complete(db, id)
    return _order(db, id)


@admin.post("/orders/{id}/archive", statuses=(404, 409), open_query=True)
def archive_order(db: Db, id: str) -> dict[str, Any]:
    """Put an order that is done out of the way."""
    orders.archive(db, id)
    return _order(db, id)


@admin.post("/orders/{id}/fulfillments", statuses=(404, 409), open_query=True)
def pack(db: Db, id: str, body: FulfillmentIn) -> dict[str, Any]:
    """Pack a parcel: pieces of lines, or all that is left."""
    wanted: dict[str, int] | None = None
    if body.items is not None:
        wanted = {}
        for each in body.items:
            wanted[each.id] = wanted.get(each.id, 0) + each.quantity
    fulfilment.pack(db, id, wanted)
    return _order(db, id)


@admin.post("/orders/{id}/fulfillments/{fulfillment_id}/shipments", statuses=(404, 409), open_query=True)
def ship(db: Db, id: str, fulfillment_id: str, body: ShipmentIn) -> dict[str, Any]:
    """Ship a parcel; its pieces leave the stock."""
    fulfilment.ship(db, id, fulfillment_id, [label.model_dump() for label in body.labels or ()])
    return _order(db, id)


@admin.post(
    "/orders/{id}/fulfillments/{fulfillment_id}/mark-as-delivered", statuses=(404, 409), open_query=True
)
def deliver(db: Db, id: str, fulfillment_id: str) -> dict[str, Any]:
    """Say that the buyer has a parcel."""
    fulfilment.deliver(db, id, fulfillment_id)
    return _order(db, id)


@admin.post("/orders/{id}/fulfillments/{fulfillment_id}/cancel", statuses=(404, 409), open_query=True)
def unpack(db: Db, id: str, fulfillment_id: str) -> dict[str, Any]:
    """Unpack a parcel that has not left."""
    fulfilment.cancel(db, id, fulfillment_id)
    return _order(db, id)


# -- money -------------------------------------------------------------------------------------------------


def _payment(db: Db, id: str) -> dict[str, Any]:
    found = payments.payment(db, id)
    return {"payment": shapes.payment(found, payments.refunds_of(db, [id])[id])}


@admin.get("/payments/{id}", open_query=True)
def get_payment(db: Db, id: str) -> dict[str, Any]:
    """One payment with its captures and refunds."""
    return _payment(db, id)


@admin.post("/payments/{id}/capture", statuses=(404, 409), open_query=True)
def capture(db: Db, id: str, body: CaptureIn) -> dict[str, Any]:
    """Take the money, all that is authorized or a part."""
    code = payments.payment(db, id).currency
    payments.capture(db, id, None if body.amount is None else minor(body.amount, code))
    return _payment(db, id)


@admin.post("/payments/{id}/refund", statuses=(404, 409), open_query=True)
def refund(db: Db, id: str, body: RefundIn) -> dict[str, Any]:
    """Give money back, all that is captured or a part."""
    code = payments.payment(db, id).currency
    amount = None if body.amount is None else minor(body.amount, code)
    payments.refund(db, id, amount, body.note)
    return _payment(db, id)


# -- returns -----------------------------------------------------------------------------------------------


def _return(db: Db, id: str) -> dict[str, Any]:
    found = fulfilment.get_return(db, id)
    return {"return": shapes.return_(found, orders.full(db, orders.get(db, found.order_id)))}


@admin.post("/returns", statuses=(404, 409), open_query=True)
def ask_back(db: Db, body: ReturnIn) -> dict[str, Any]:
    """Note that shipped pieces are to come back, and what is refunded for them."""
    items = [{"item": i.id, "quantity": i.quantity, "reason": i.reason_id} for i in body.items]
    made = fulfilment.ask_back(db, body.order_id, items, location_id=body.location_id, note=body.note)
    return _return(db, made.id)


@admin.get("/returns/{id}", open_query=True)
def get_return(db: Db, id: str) -> dict[str, Any]:
    """One return."""
    return _return(db, id)


@admin.post("/returns/{id}/receive", statuses=(404, 409), open_query=True)
def receive(db: Db, id: str) -> dict[str, Any]:
    """The goods are back: stock again, and their money goes back."""
    fulfilment.receive(db, id)
    return _return(db, id)


@admin.post("/returns/{id}/cancel", statuses=(404, 409), open_query=True)
def cancel_return(db: Db, id: str) -> dict[str, Any]:
    """The goods do not come back."""
    fulfilment.cancel_return(db, id)
    return _return(db, id)


@admin.get("/customers", open_query=True)
def list_customers(db: Db, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Customers, the newest first."""
    found, count = customers.find(db, limit=limit, offset=offset)
    return page("customers", [shapes.customer(c, []) for c in found], count, limit, offset)


# -- stock -------------------------------------------------------------------------------------------------


def _items(db: Db, variants: Sequence[Variant]) -> list[dict[str, Any]]:
    known = stock.levels(db, (v.id for v in variants))
    return [_item(v, known[v.id]) for v in variants]


def _item(variant: Variant, levels: Sequence[Stock]) -> dict[str, Any]:
    """A variant as an inventory item; its levels are those of its stock."""
    return {
        "id": variant.id,
        "sku": variant.sku,
        "title": variant.title,
        "requires_shipping": True,
        "stocked_quantity": sum(s.total for s in levels),
        "reserved_quantity": sum(s.held + s.sold for s in levels),
        "location_levels": [
            {
                "id": f"ilev_{variant.id}_{s.location}",
                "inventory_item_id": variant.id,
                "location_id": s.location,
                "stocked_quantity": s.total,
                "reserved_quantity": s.held + s.sold,
                "available_quantity": s.free,
                "incoming_quantity": 0,
            }
            for s in levels
        ],
        "created_at": stamp(variant.created_at),
        "updated_at": stamp(variant.updated_at),
    }


@admin.get("/inventory-items", open_query=True)
def list_items(db: Db, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """What is in stock: an item for each variant, called as it is."""
    found, count = catalogue.every_variant(db, limit=limit, offset=offset)
    return page("inventory_items", _items(db, found), count, limit, offset)


@admin.get("/inventory-items/{id}", open_query=True)
def get_item(db: Db, id: str) -> dict[str, Any]:
    """One item with its levels."""
    return {"inventory_item": _items(db, [catalogue.variant(db, id)])[0]}


@admin.post("/inventory-items/{id}/location-levels", statuses=(404, 409), open_query=True)
def create_level(db: Db, id: str, body: LevelIn) -> dict[str, Any]:
    """Say how many are at a place."""
    variant = catalogue.variant(db, id)
    stock.set_level(db, variant, body.location_id, body.stocked_quantity)
    return {"inventory_item": _items(db, [variant])[0]}


@admin.post("/inventory-items/{id}/location-levels/{location_id}", statuses=(404, 409), open_query=True)
def update_level(db: Db, id: str, location_id: str, body: LevelPatch) -> dict[str, Any]:
    """Say how many are at a place; never fewer than are sold."""
    variant = catalogue.variant(db, id)
    stock.set_level(db, variant, location_id, body.stocked_quantity)
    return {"inventory_item": _items(db, [variant])[0]}


def _reserved(found: reservation.Hold) -> dict[str, Any]:
    unit = found.units[0] if found.units else None
    return {
        "id": found.id,
        "inventory_item_id": unit.resource if unit else None,
        "location_id": unit.location if unit else None,
        "quantity": unit.quantity if unit else 0,
        "status": found.state.value,
        "expires_at": stamp(found.expires_at),
        "created_at": stamp(found.created_at),
    }


@admin.post("/reservations", statuses=(404, 409), open_query=True)
def reserve(db: Db, body: ReservationIn) -> dict[str, Any]:
    """Keep pieces for somebody, for a time or until they are given back."""
    unit = Units(catalogue.variant(db, body.inventory_item_id).id, body.quantity, body.location_id)
    ttl = None if body.expires_in is None else timedelta(seconds=body.expires_in)
    return {"reservation": _reserved(reservation.hold(db, [unit], ttl=ttl, owner="admin"))}


@admin.delete("/reservations/{id}", status=200, statuses=(404, 409))
def release(db: Db, id: str) -> dict[str, Any]:
    """Give reserved pieces back."""
    if reservation.get(db, id).owner != "admin":
        raise NotFound(f"Reservation with id: {id[:80]} was not found")
    reservation.release(db, id)
    return {"id": id, "object": "reservation", "deleted": True}


def _location(found: Location) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.name,
        "address": found.address or None,
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.updated_at),
    }


@admin.get("/stock-locations", open_query=True)
def list_locations(db: Db, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """Places of stock."""
    found = regions.locations(db)
    rows = [_location(each) for each in found[offset : offset + limit]]
    return page("stock_locations", rows, len(found), limit, offset)


@admin.post("/stock-locations", open_query=True)
def create_location(db: Db, body: LocationIn) -> dict[str, Any]:
    """Make a place of stock."""
    return {"stock_location": _location(regions.add_location(db, name=body.name, address=body.address))}
