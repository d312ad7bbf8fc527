"""Seats: who has what, and every way in which that changes. The reservations of the kit decide; here is what is said of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from backendhub.kit import clock, reservation
from backendhub.kit.db import Db
from backendhub.kit.reservation import Slot, Units
from backendhub.systems.cinema import store
from backendhub.systems.cinema.best import best
from backendhub.systems.cinema.models import (
    BOOKED,
    FREE,
    HELD,
    Change,
    Event,
    Gone,
    IllegalStatusChange,
    Places,
    Refused,
    State,
    Workspace,
)
from backendhub.systems.cinema.plan import AREA, Spot

from . import charts, events, tokens


class Wanted(NamedTuple):
    """An object to change, with what is said of it."""

    label: str
    quantity: int = 1
    ticket_type: str | None = None
    extra: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What is to happen to some objects."""

    status: str
    token: str | None = None
    order_id: str | None = None
    keep_extra: bool = False
    ignore_channels: bool = False
    channels: Sequence[str] | None = None
    allowed: Sequence[str] | None = None
    rejected: Sequence[str] | None = None
    listing_id: str | None = None
    origin: str = "API_CALL"
    ip: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """Everything about an event's places that matters now."""

    event: Event
    spots: dict[str, Spot]
    states: dict[str, State]
    places: dict[str, list[Places]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    """Category labels by key."""

    def state(self, label: str) -> State:
        """The status of an object; areas have one too, for want of a better word."""
        known = self.states.get(label) or State(label, FREE)
        if self.spots[label].kind != AREA:
            return known
        kinds = {p.status for p in self.places.get(label, ())}
        if HELD in kinds:
            return replace(known, status=HELD)
        return replace(known, status=next(iter(sorted(kinds)), FREE))

    def category_label(self, spot: Spot) -> str | None:
        """The label of a spot's category at this event."""
        return self.labels.get(str(events.category_key(self.event, spot)))

    def on_sale(self, spot: Spot) -> bool:
        """Whether it is for sale."""
        return events.for_sale(self.event, spot, self.category_label(spot))


# -- looking -----------------------------------------------------------------------------------------------


def view(db: Db, event: Event, labels: Iterable[str] | None = None) -> View:
    """An event's places now: all of them, or these. Labels that the event does not have are not in it."""
    wanted = None if labels is None else sorted(set(labels))
    params: dict[str, Any] = {
        "event_id": event.id,
        "resource": events.resource(event),
        "now": clock.precise(),
    }
    if wanted is None:
        found = charts.spots(db, event.chart_id)
        states = db.all(State, store.STATES, **params)
    else:
        found = list(charts.spots_of(db, event.chart_id, wanted).values())
        states = db.all(State, store.STATES_OF[db.dialect], **params, labels=wanted)
    spots = {spot.label: spot for spot in found if events.counts(event, spot)}
    places: dict[str, list[Places]] = {}
    if any(spot.kind == AREA for spot in spots.values()):
        prefix = events.area(event, "")
        for row in db.all(Places, store.PLACES, event_id=event.id, prefix=prefix, now=params["now"]):
            places.setdefault(row.label, []).append(row)
    drawing = charts.drawing(db, charts.chart_of(db, event))
    known = {str(c["key"]): str(c["label"]) for c in events.categories(event, drawing)}
    return View(event, spots, {s.label: s for s in states}, places, known)


def changes(db: Db, event: Event, label: str | None = None) -> list[Change]:
    """The log of an event, or of one object, the latest first."""
    if label is None:
        return db.all(Change, store.CHANGES, event_id=event.id)
    return db.all(Change, store.CHANGES_OF, event_id=event.id, label=label)


def set_extra(db: Db, event: Event, extras: Mapping[str, dict[str, Any] | None]) -> None:
    """Says something of objects without changing their status. Raises Gone."""
    seen = view(db, event, extras)
    for label, extra in extras.items():
        _known(seen, label)
        _write(db, event, replace(seen.states.get(label) or State(label, FREE), extra=extra))


# -- changing ----------------------------------------------------------------------------------------------


def change(db: Db, own: Workspace, event: Event, wanted: Sequence[Wanted], order: Order) -> View:
    """Gives some objects of an event a status: all of them, or none. Raises Gone, Refused, IllegalStatusChange.

    Held objects are free for nobody but those who have the token; the claim itself decides between two who come at once.
    """
    if order.status == HELD and order.token is None:
        raise Refused("HOLD_TOKEN_REQUIRED", "A hold token is required to hold objects.")
    if order.token is not None:
        tokens.get(db, own, order.token)
    seen = view(db, event, [w.label for w in wanted])
    for each in wanted:
        _check(seen, each, order)
    singles = [w for w in wanted if seen.spots[w.label].kind != AREA]
    try:
        with db.savepoint():
            _change_singles(db, seen, singles, order)
            for each in wanted:
                if seen.spots[each.label].kind == AREA:
                    _change_places(db, seen, each, order)
    except reservation.Unavailable as error:
        taken = ", ".join(str(name).rpartition(":")[2] for name in error.details["items"])
        raise IllegalStatusChange("not free", order.status, f"{taken} is not available") from None
    except reservation.HoldOver:
        raise Refused("HOLD_TOKEN_EXPIRED", f"Hold token {order.token} has expired.") from None
    _log(db, event, wanted, order)
    return view(db, event, [w.label for w in wanted])


def change_best(
    db: Db,
    own: Workspace,
    event: Event,
    number: int,
    order: Order,
    *,
    categories: Sequence[str] | None = None,
    zone: str | None = None,
    sections: Sequence[str] | None = None,
    accessible: int = 0,
    prevent_orphans: bool = True,
    ticket_types: Sequence[str] | None = None,
    extras: Sequence[dict[str, Any]] | None = None,
) -> tuple[View, list[str], bool]:
    """Gives the best seats that are left a status; their labels, and whether they are next to each other.

    Raises Refused (BEST_AVAILABLE_OBJECTS_NOT_FOUND) and what `change` raises.
    """
    seen = view(db, event)
    asked = {str(c).casefold() for c in categories or ()}
    free = [
        spot
        for spot in seen.spots.values()
        if seen.state(spot.label).status == FREE
        and seen.on_sale(spot)
        and events.reachable(event, spot.label, order.channels, order.ignore_channels)
        and (zone is None or spot.zone == zone)
        and (not sections or spot.section in sections)
        and (
            not asked
            or str(events.category_key(event, spot)).casefold() in asked
            or str(seen.category_label(spot)).casefold() in asked
        )
    ]
    chosen, together = best(free, number, accessible=accessible, prevent_orphans=prevent_orphans)
    if not chosen or number < 1:
        raise Refused("BEST_AVAILABLE_OBJECTS_NOT_FOUND", "Best available objects not found")
    wanted = [
        Wanted(
            spot.label,
            ticket_type=ticket_types[n] if ticket_types and n < len(ticket_types) else None,
            extra=extras[n] if extras and n < len(extras) else None,
        )
        for n, spot in enumerate(chosen)
    ]
    after = change(db, own, event, wanted, order)
    return after, [w.label for w in wanted], together


# -- inside ------------------------------------------------------------------------------------------------


def _known(seen: View, label: str) -> Spot:
    if label not in seen.spots:
        raise Gone("OBJECT_NOT_FOUND", f"Object not found: {label}")
    return seen.spots[label]


def _check(seen: View, each: Wanted, order: Order) -> None:
    spot = _known(seen, each.label)
    old = seen.state(each.label)
    if order.allowed is not None and old.status not in order.allowed:
        why = f"{old.status} is not in the list of allowed previous statuses"
        raise IllegalStatusChange(old.status, order.status, why)
    if order.rejected is not None and old.status in order.rejected:
        why = f"{old.status} is in the list of rejected previous statuses"
        raise IllegalStatusChange(old.status, order.status, why)
    if order.status != FREE and not events.reachable(
        seen.event, each.label, order.channels, order.ignore_channels
    ):
        raise Refused("CHANNEL_MISMATCH", f"{each.label} is not sold through this channel.")
    if spot.kind == AREA:
        if each.quantity < 1:
            raise Refused("INVALID_QUANTITY", "A quantity is at least one.")
        return
    if each.quantity != 1:
        raise Refused("INVALID_QUANTITY", f"{each.label} is one of a kind.")
    if old.status == HELD and order.token != old.claim_id:
        raise IllegalStatusChange(HELD, order.status, f"{each.label} is held by another token")
    if old.status == order.status != FREE or (old.status != FREE and order.status == HELD):
        raise IllegalStatusChange(old.status, order.status)
    if order.status in (BOOKED, HELD) and not seen.on_sale(spot):
        raise IllegalStatusChange(old.status, order.status, f"{each.label} is not for sale")


def _change_singles(db: Db, seen: View, wanted: Sequence[Wanted], order: Order) -> None:
    if not wanted:
        return
    old = {w.label: seen.state(w.label) for w in wanted}
    name = events.resource(seen.event)

    def slots(labels: Iterable[str]) -> list[Slot]:
        return [Slot(name, label) for label in labels]

    # What they are held by until now ends, unless one confirmed status follows another.
    ending: dict[str, list[str]] = {}
    for label, state in old.items():
        if state.claim_id is not None and (order.status == FREE or state.status == HELD):
            ending.setdefault(state.claim_id, []).append(label)
    for ended, labels in sorted(ending.items()):
        reservation.drop(db, ended, slots(labels))
    new = [
        label
        for label, state in old.items()
        if order.status != FREE and (state.claim_id is None or state.status == HELD)
    ]
    claim = _claim(db, slots(new), order) if new else None
    for each in wanted:
        state = old[each.label]
        kept = claim if each.label in new else None if order.status == FREE else state.claim_id
        extra = each.extra if each.extra is not None or not order.keep_extra else state.extra
        made = State(
            each.label,
            order.status,
            kept,
            order.order_id if order.order_id is not None or order.status == FREE else state.order_id,
            each.ticket_type,
            order.listing_id,
            extra,
        )
        _write(db, seen.event, made)


def _claim(db: Db, items: Sequence[Slot | Units], order: Order) -> str:
    """Takes things for an order: into its basket, or for good."""
    if order.status == HELD:
        assert order.token is not None
        reservation.add(db, order.token, items)
        return order.token
    return reservation.take(db, items, owner=order.order_id or "cinema").id


def _change_places(db: Db, seen: View, each: Wanted, order: Order) -> None:
    name = events.area(seen.event, each.label)
    rows = seen.places.get(each.label, [])
    held = [p for p in rows if p.status == HELD and p.claim_id == order.token]
    if order.status == FREE:
        mine = held or [p for p in rows if p.status != HELD]
        if order.order_id is not None and not held:
            mine = [p for p in mine if p.order_id == order.order_id] or mine
        if _give_up(db, name, mine[::-1], each.quantity, each.ticket_type):
            raise IllegalStatusChange(FREE, FREE, f"{each.label} has not so many places taken")
        return
    if order.status != HELD and held:
        _give_up(db, name, held, each.quantity, None)
    closed = events.closed_places(seen.event, each.label)
    if closed and reservation.stock(db, name).free - closed < each.quantity:
        raise IllegalStatusChange(FREE, order.status, f"{each.label} has not so many places for sale")
    claim = _claim(db, [Units(name, each.quantity)], order)
    db.insert(
        Places,
        "cinema_places",
        event_id=seen.event.id,
        label=each.label,
        status=order.status,
        claim_id=claim,
        order_id=order.order_id,
        ticket_type=each.ticket_type,
        quantity=each.quantity,
    )
    if each.extra is not None:
        _write(db, seen.event, State(each.label, FREE, extra=each.extra))


def _give_up(db: Db, name: str, rows: Sequence[Places], quantity: int, ticket_type: str | None) -> int:
    """Gives so many places back, out of these rows; the number that they did not have."""
    for row in rows:
        if quantity == 0:
            break
        if ticket_type is not None and row.ticket_type != ticket_type:
            continue
        part = min(quantity, row.quantity)
        reservation.drop(db, row.claim_id, [Units(name, part)])
        if part == row.quantity:
            db.run(store.DELETE_PLACES, id=row.id)
        else:
            db.run(store.SET_PLACES, id=row.id, quantity=row.quantity - part)
        quantity -= part
    return quantity


def _write(db: Db, event: Event, state: State) -> None:
    values = {name: getattr(state, name) for name in State.__slots__}
    db.run(store.SET_STATE, event_id=event.id, **values)


def _log(db: Db, event: Event, wanted: Sequence[Wanted], order: Order) -> None:
    now = clock.precise()
    db.run_many(
        store.ADD_CHANGE,
        [
            {
                "event_id": event.id,
                "label": w.label,
                "status": order.status,
                "quantity": w.quantity,
                "order_id": order.order_id,
                "token": order.token,
                "extra": w.extra,
                "origin": order.origin,
                "ip": order.ip,
                "at": now,
            }
            for w in wanted
        ],
    )
