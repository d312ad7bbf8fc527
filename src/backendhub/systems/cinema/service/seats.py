"""Every way in which seats change hands. The reservations of the kit decide; here is what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from backendhub.kit import clock, reservation
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict
from backendhub.kit.reservation import Slot
from backendhub.systems.cinema import store
from backendhub.systems.cinema.best import best
from backendhub.systems.cinema.models import (
    BOOKED,
    CANCELLED,
    EVENT,
    FREE,
    HELD,
    Event,
    IllegalStatusChange,
    Refused,
    ShowOver,
    State,
    TokenOver,
    Workspace,
)
from backendhub.systems.cinema.plan import AREA, Spot

from . import events, places, sales, tokens
from .orders import Best, Order, Wanted, claim
from .views import View, view, views


def change(db: Db, own: Workspace, event: Event, wanted: Sequence[Wanted], order: Order) -> View:
    """Gives some objects of an event a status: all of them, or none.

    `event` was read with a lock, or with a share of it (`order.shared`). The claim itself decides between two who come at once; who is too late is told which
    seats were taken. Raises Gone, Refused, IllegalStatusChange, TokenOver, ShowOver.
    """
    check_open(event, order.status)
    if order.status == HELD and order.token is None:
        raise Refused("HOLD_TOKEN_REQUIRED", "A hold token is required to hold objects.")
    if order.token is not None:
        tokens.live(db, own, order.token)
    labels = [w.label for w in wanted]
    if len(set(labels)) != len(labels) and not _only_areas(db, event, labels):
        raise Refused("DUPLICATE_OBJECT", "An object was named twice.")
    seen = views(db, [event, *events.below(db, event)], labels)
    _check_all(seen[0], wanted, order)
    if order.status != BOOKED and not order.ticketed:
        _no_tickets(db, seen, labels)
    try:
        with db.savepoint():
            singles = [w for w in wanted if seen[0].spots[w.label].kind != AREA]
            rows = _singles(db, seen, singles, order)
            areas = [w for w in wanted if seen[0].spots[w.label].kind == AREA]
            rows += places.change(db, seen, areas, order)
            write(db, rows)
    except reservation.Unavailable as error:
        raise _taken(error, order) from None
    except reservation.HoldOver:
        raise TokenOver(f"Hold token {order.token} has expired.") from None
    log(db, event, wanted, order)
    if areas or order.status == FREE:
        return view(db, event, labels)
    told = {row.label: row for row in rows if row.event_id == event.id}
    return replace(seen[0], states=seen[0].states | told)


def side_by_side(db: Db, own: Workspace, key: str, labels: Sequence[str], status: str | None) -> bool:
    """Whether taking these needs no more than a share of the event: they are seats of it, each free or held.

    Asked before the event is locked; what has changed when it is, `change` refuses.
    """
    if db.dialect != "postgres" or status not in (BOOKED, HELD):
        return False
    event = events.get(db, own, key)
    seen = view(db, event, labels)
    plain = all(spot.kind != AREA for spot in seen.spots.values())
    return event.kind == EVENT and plain and all(s.status in (FREE, HELD) for s in seen.states.values())


def change_best(
    db: Db, own: Workspace, event: Event, wanted: Best, order: Order
) -> tuple[View, list[str], bool]:
    """Gives the best seats that are left a status; their labels, and whether they are next to each other.

    Raises Refused (BEST_AVAILABLE_OBJECTS_NOT_FOUND) and what `change` raises.
    """
    seen = views(db, [event, *events.below(db, event)])
    main = seen[0]
    free = [s for s in main.spots.values() if _fits(main, s.label, wanted, order) and _free(seen, s.label)]
    chosen, together = best(
        free, wanted.number, accessible=wanted.accessible, prevent_orphans=wanted.prevent_orphans
    )
    if not chosen or (wanted.together and not together):
        raise Refused("BEST_AVAILABLE_OBJECTS_NOT_FOUND", "Best available objects not found")
    kinds, extras = wanted.ticket_types or (), wanted.extras or ()
    objects = [
        Wanted(
            spot.label,
            ticket_type=kinds[n] if n < len(kinds) else None,
            extra=extras[n] if n < len(extras) else None,
        )
        for n, spot in enumerate(chosen)
    ]
    return change(db, own, event, objects, order), [w.label for w in objects], together


def set_extra(db: Db, event: Event, extras: Mapping[str, dict[str, Any] | None]) -> None:
    """Says something of objects without changing their status. Raises Gone."""
    seen = view(db, event, extras)
    states = {
        label: seen.states.get(seen.spot(label).label) or State(event.id, label, FREE) for label in extras
    }
    write(db, [replace(state, extra=extras[label]) for label, state in states.items()])


def write(db: Db, states: Sequence[State]) -> None:
    """Keeps what is said of objects."""
    rows = [{name: getattr(state, name) for name in State.__slots__} for state in states]
    if rows:
        db.run_many(store.SET_STATE, rows)


def log(db: Db, event: Event, wanted: Sequence[Wanted], order: Order) -> None:
    """Notes a change in the event's log."""
    common: dict[str, Any] = {"event_id": event.id, "status": order.status, "order_id": order.order_id}
    common |= {"token": order.token, "origin": order.origin, "ip": order.ip, "at": clock.precise()}
    rows = [{**common, "label": w.label, "quantity": w.quantity, "extra": w.extra} for w in wanted]
    if rows:
        db.run_many(store.ADD_CHANGE, rows)


# -- what may happen ---------------------------------------------------------------------------------------


def check_open(event: Event, status: str) -> None:
    """Seats of a show are had until it begins. Raises ShowOver."""
    if status == FREE or event.show_state is None or event.show_starts is None:
        return
    if event.show_state == CANCELLED:
        raise ShowOver("The show was called off.")
    if event.show_starts <= clock.precise():
        raise ShowOver(f"The show began at {clock.iso(event.show_starts)}.")


def _only_areas(db: Db, event: Event, labels: Sequence[str]) -> bool:
    """Places of an area may be asked for by several kinds of ticket."""
    seen = view(db, event, labels)
    return all(seen.spot(name).kind == AREA for name in labels if labels.count(name) > 1)


def _check_all(seen: View, wanted: Sequence[Wanted], order: Order) -> None:
    """Raises one error that names every place that cannot be had."""
    wrong: list[IllegalStatusChange] = []
    for each in wanted:
        try:
            _check(seen, each, order)
        except IllegalStatusChange as error:
            wrong.append(error)
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        why = "; ".join(error.why for error in wrong)
        names = tuple(name for error in wrong for name in error.details["seats"])
        raise IllegalStatusChange(wrong[0].old, order.status, why, names)


def _check(seen: View, each: Wanted, order: Order) -> None:
    spot, old = seen.spot(each.label), seen.state(each.label)

    def illegal(why: str = "") -> IllegalStatusChange:
        return IllegalStatusChange(old.status, order.status, why, (each.label,))

    if order.allowed is not None and old.status not in order.allowed:
        raise illegal(f"{old.status} is not in the list of allowed previous statuses")
    if order.rejected is not None and old.status in order.rejected:
        raise illegal(f"{old.status} is in the list of rejected previous statuses")
    if order.status != FREE and not _reached(seen, spot, order):
        raise Refused("CHANNEL_MISMATCH", f"{each.label} is not sold through this channel.")
    if each.quantity < 1:
        raise Refused("INVALID_QUANTITY", "A quantity is at least one.")
    if order.status in (BOOKED, HELD) and not seen.on_sale(spot):
        raise illegal(f"{each.label} is not for sale")
    if order.shared and (spot.kind == AREA or old.status not in (FREE, HELD)):
        raise illegal(f"{each.label} is {old.status}")
    if spot.kind == AREA:
        return
    if each.quantity != 1:
        raise Refused("INVALID_QUANTITY", f"{each.label} is one of a kind.")
    if old.season_id is not None:
        raise illegal(f"{each.label} has its status from a season: override it first")
    if old.status == HELD and order.token != old.claim_id:
        raise illegal(f"{each.label} is held by another token")
    if old.status == order.status != FREE or (old.status != FREE and order.status == HELD):
        raise illegal(f"{each.label} is {old.status}")


def _reached(seen: View, spot: Spot, order: Order) -> bool:
    """An area may be in no channel and have places for some: those are looked at with its quantities."""
    if spot.kind == AREA and sales.channel_of(seen.event, spot.label) is None:
        return True
    return sales.reachable(seen.event, spot.label, order.channels, order.ignore_channels)


def _no_tickets(db: Db, seen: Sequence[View], labels: Sequence[str]) -> None:
    """What has a ticket of the cinema is changed by its booking only."""
    if all(v.state(name).status != BOOKED for v in seen for name in labels):
        return
    rows = db.fetch(store.TICKETED[db.dialect], {"ids": [v.event.id for v in seen], "labels": list(labels)})
    if found := [row[0] for row in rows]:
        raise Refused("OBJECT_HAS_TICKET", f"There are tickets for {', '.join(found)}: cancel the booking.")


def _fits(seen: View, label: str, wanted: Best, order: Order) -> bool:
    spot = seen.spots[label]
    asked = {str(c).casefold() for c in wanted.categories or ()}
    names = {str(events.category_key(seen.event, spot)).casefold(), str(seen.category_label(spot)).casefold()}
    return (
        (wanted.zone is None or spot.zone == wanted.zone)
        and (not wanted.sections or spot.section in wanted.sections)
        and (not asked or bool(asked & names))
        and seen.on_sale(spot)
        and sales.reachable(seen.event, label, order.channels, order.ignore_channels)
    )


def _free(seen: Sequence[View], label: str) -> bool:
    """Free at an event, and at all that are reached through it."""
    below = [v.state(label) for v in seen[1:] if label in v.spots]
    return seen[0].state(label).status == FREE and all(s.overridden or s.status == FREE for s in below)


def _taken(error: reservation.Unavailable, order: Order) -> IllegalStatusChange:
    names = tuple(sorted({str(name).rpartition(":")[2] for name in error.details["items"]}))
    return IllegalStatusChange("not free", order.status, f"{', '.join(names)} is not available", names)


# -- seats, tables, booths ---------------------------------------------------------------------------------


def _singles(db: Db, seen: Sequence[View], wanted: Sequence[Wanted], order: Order) -> list[State]:
    """Moves the claims of things that are one of a kind; what is to be said of them comes back."""
    main = seen[0].event.id
    cells = [(v, w) for w in wanted for v in seen if v is seen[0] or _follows(v, w.label, main, order)]
    ending: dict[str, list[Slot]] = {}
    new: list[Slot] = []
    for v, each in cells:
        old, slot = v.state(each.label), Slot(events.resource(v.event), each.label)
        # What it is held by until now ends, unless one final status follows another.
        if old.claim_id is not None and (order.status == FREE or old.status == HELD):
            ending.setdefault(old.claim_id, []).append(slot)
        if order.status != FREE and (old.claim_id is None or old.status == HELD):
            new.append(slot)
    for ended, slots in sorted(ending.items()):
        _drop(db, ended, slots, order)
    claimed = claim(db, new, order) if new else None
    fresh = set(new)
    return [_said(v, each, order, claimed, main, fresh) for v, each in cells]


def _drop(db: Db, ended: str, slots: Sequence[Slot], order: Order) -> None:
    """Ends claims. Raises HoldOver, and IllegalStatusChange where somebody who has the same token was faster."""
    try:
        reservation.drop(db, ended, slots)
    except reservation.HoldOver:
        raise
    except Conflict:
        names = tuple(sorted({slot.slot for slot in slots}))
        raise IllegalStatusChange(
            HELD, order.status, f"{', '.join(names)} is not held any more", names
        ) from None


def _follows(seen: View, label: str, main: int, order: Order) -> bool:
    """Whether an event goes along with its season. Raises IllegalStatusChange where somebody has the place there."""
    state = seen.state(label)
    if state.overridden:
        return False
    if state.status == FREE or state.season_id == main:
        return order.status != FREE or state.season_id == main
    if order.status == FREE:
        return False
    why = f"{label} is {state.status} at {seen.event.key}"
    raise IllegalStatusChange(state.status, order.status, why, (label,))


def _said(seen: View, each: Wanted, order: Order, claimed: str | None, main: int, fresh: set[Slot]) -> State:
    old = seen.state(each.label)
    is_new = Slot(events.resource(seen.event), each.label) in fresh
    free = order.status == FREE
    return State(
        seen.event.id,
        each.label,
        order.status,
        claimed if is_new else None if free else old.claim_id,
        order.order_id if order.order_id is not None or free else old.order_id,
        each.ticket_type,
        order.listing_id,
        each.extra if each.extra is not None or not order.keep_extra else old.extra,
        None if free or seen.event.id == main else main,
        old.overridden,
    )
