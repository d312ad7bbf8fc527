"""What a chart holds and how an event stands, by any of its sides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from backendhub.systems.cinema.models import FREE, HELD
from backendhub.systems.cinema.plan import AREA, FLAGS, SEAT, TABLE, TYPES, Spot

from . import events, sales
from .views import OPEN, View

Item = dict[str, Any]
Weighted = tuple[Item, int]
SIDES: dict[str, tuple[str, str]] = {
    "byStatus": ("status", FREE),
    "byObjectType": ("objectType", SEAT),
    "byCategoryLabel": ("categoryLabel", "NO_CATEGORY"),
    "byCategoryKey": ("categoryKey", "NO_CATEGORY"),
    "byLabel": ("label", ""),
    "byOrderId": ("orderId", "NO_ORDER_ID"),
    "bySection": ("section", "NO_SECTION"),
    "byZone": ("zone", "NO_ZONE"),
    "byAvailability": ("availability", ""),
    "byAvailabilityReason": ("availabilityReason", ""),
    "byChannel": ("channel", "NO_CHANNEL"),
}
"""The sides of a report: the member they go by, and what stands for none."""
OF_CHART = ("byLabel", "byObjectType", "byCategoryKey", "byCategoryLabel", "bySection", "byZone")
SUMMED = (
    "byStatus",
    "byObjectType",
    "byCategoryLabel",
    "byCategoryKey",
    "bySection",
    "byZone",
    "byAvailability",
    "byAvailabilityReason",
    "byChannel",
)
AVAILABLE, NOT_AVAILABLE = "available", "not_available"


def of_spot(spot: Spot, category_key: Any, category_label: str | None) -> Item:
    """A spot as a chart's report shows it."""
    item: Item = {
        "label": spot.label,
        "labels": spot.labels,
        "ids": spot.ids,
        "categoryLabel": category_label,
        "categoryKey": None if category_key is None else str(category_key),
        "section": spot.section,
        "zone": spot.zone,
        "entrance": spot.entrance,
        "objectType": spot.kind,
        "distanceToFocalPoint": spot.distance,
        "floor": spot.floor,
    }
    if spot.kind == AREA:
        item |= {"capacity": spot.capacity, "bookAsAWhole": bool(spot.whole)}
    if spot.kind == TABLE:
        item |= {"numSeats": spot.seats, "bookAsAWhole": bool(spot.whole)}
    if spot.kind == SEAT:
        item |= {"leftNeighbour": spot.left, "rightNeighbour": spot.right}
        item |= {flag: spot.flags.get(flag, False) for flag in FLAGS}
    return item


def of_event(seen: View, label: str) -> Item:
    """An object as an event shows it."""
    spot, state = seen.spots[label], seen.state(label)
    key = events.category_key(seen.event, spot)
    on_sale = seen.on_sale(spot)
    free = state.status in OPEN
    item = of_spot(spot, key, seen.category_label(spot)) | {
        "status": state.status,
        "forSale": on_sale,
        "orderId": state.order_id,
        "ticketType": state.ticket_type,
        "extraData": state.extra,
        "holdToken": state.claim_id if state.status == HELD else None,
        "channel": sales.channel_of(seen.event, label),
        "isAvailable": free and on_sale,
        "seasonStatusOverriddenQuantity": (spot.capacity or 1) if state.overridden else 0,
    }
    if state.listing_id:
        item["resaleListingId"] = state.listing_id
    if spot.kind == AREA:
        item |= _area(seen, spot)
    item |= {
        "availability": AVAILABLE if item["isAvailable"] else NOT_AVAILABLE,
        "availabilityReason": (AVAILABLE if on_sale else "not_for_sale") if free else state.status,
    }
    return item


def _area(seen: View, spot: Spot) -> Item:
    rows = seen.places.get(spot.label, [])
    held = sum(p.quantity for p in rows if p.status == HELD)
    taken = sum(p.quantity for p in rows if p.status != HELD)
    holds: dict[str, dict[str, int]] = {}
    for p in rows:
        if p.status == HELD:
            kinds = holds.setdefault(p.claim_id, {})
            kind = p.ticket_type or "NO_TICKET_TYPE"
            kinds[kind] = kinds.get(kind, 0) + p.quantity
    capacity = spot.capacity or 0
    closed = sales.closed_places(seen.event, spot)
    return {
        "orderId": None,
        "numBooked": taken,
        "numHeld": held,
        "numFree": capacity - taken - held,
        "numNotForSale": closed,
        "holds": holds or None,
        "holdToken": None,
        "isAvailable": capacity - taken - held - closed > 0 and seen.on_sale(spot),
        "variableOccupancy": True,
        "minOccupancy": 1,
        "maxOccupancy": capacity,
    }


def items_of_chart(spots: Iterable[Spot], labels: dict[str, str]) -> list[Item]:
    """Every spot of a chart."""
    return [of_spot(s, s.category, labels.get(str(s.category))) for s in spots]


def items_of_event(seen: View) -> list[Item]:
    """Every object of an event."""
    return [of_event(seen, label) for label in seen.spots]


def value(item: Item, side: str) -> str:
    """Where an item belongs on a side."""
    member, none = SIDES[side]
    found = item.get(member)
    return none if found is None else str(found)


def grouped(items: Sequence[Item], side: str) -> dict[str, list[Item]]:
    """The items of a report, by a side."""
    groups: dict[str, list[Item]] = {kind: [] for kind in TYPES} if side == "byObjectType" else {}
    if side == "byZone":
        groups["NO_ZONE"] = []
    for item in items:
        groups.setdefault(value(item, side), []).append(item)
    return groups


def weighed(seen: View, items: Sequence[Item]) -> list[Weighted]:
    """Each place by itself: an area is so many that are booked, held and free."""
    found: list[Weighted] = []
    for item in items:
        if item["objectType"] != AREA:
            found.append((item, 1))
            continue
        free = item["numFree"]
        for p in seen.places.get(item["label"], ()):
            part = {"status": p.status, "orderId": p.order_id}
            part |= {"availability": NOT_AVAILABLE, "availabilityReason": p.status}
            found.append((item | part, p.quantity))
        on_sale = item["forSale"]
        part = {"status": FREE, "availability": AVAILABLE if on_sale else NOT_AVAILABLE}
        part["availabilityReason"] = AVAILABLE if on_sale else "not_for_sale"
        if free:
            found.append((item | part, free))
    return found


def weighed_chart(items: Sequence[Item]) -> list[Weighted]:
    """Each place of a chart by itself."""
    return [(item, item["capacity"] if item["objectType"] == AREA else 1) for item in items]


def summary(found: Sequence[Weighted], side: str, others: Sequence[str]) -> dict[str, Any]:
    """How many there are by a side, and of those by every other."""

    def inner(part: Sequence[Weighted]) -> dict[str, Any]:
        return {other: _counts(part, other) for other in others if other != side}

    return _by(found, side, inner)


def deep_summary(found: Sequence[Weighted], side: str, others: Sequence[str]) -> dict[str, Any]:
    """The same a storey deeper."""

    def inner(part: Sequence[Weighted]) -> dict[str, Any]:
        return {other: summary(part, other, others) for other in others if other != side}

    return _by(found, side, inner)


def _by(
    found: Sequence[Weighted], side: str, inner: Callable[[Sequence[Weighted]], dict[str, Any]]
) -> dict[str, Any]:
    groups: dict[str, list[Weighted]] = {kind: [] for kind in TYPES} if side == "byObjectType" else {}
    for item, weight in found:
        groups.setdefault(value(item, side), []).append((item, weight))
    return {name: {"count": sum(w for _, w in part), **inner(part)} for name, part in groups.items()}


def _counts(found: Sequence[Weighted], side: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item, weight in found:
        name = value(item, side)
        counts[name] = counts.get(name, 0) + weight
    return counts
