"""Places of general admission areas: so many of them, had by claim and kind of ticket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from backendhub.kit import reservation
from backendhub.kit.db import Db
from backendhub.kit.reservation import Units
from backendhub.systems.cinema import store
from backendhub.systems.cinema.models import FREE, HELD, NO_CHANNEL, IllegalStatusChange, Places, State

from . import events, sales
from .orders import Order, Wanted, claim
from .views import View


def change(db: Db, views: Sequence[View], wanted: Sequence[Wanted], order: Order) -> list[State]:
    """Gives places of areas a status, at an event and at those that are reached through it. What is to be said of the
    areas themselves comes back. Raises IllegalStatusChange, and Unavailable where there are not so many."""
    if not wanted:
        return []
    cells = [(view, each) for each in wanted for view in views if not _overridden(view, views, each)]
    if order.status == FREE:
        for view, each in cells:
            _release(db, view, views[0], each, order)
        return []
    planned: Counter[tuple[int, str, str | None]] = Counter()
    channels = []
    for view, each in cells:
        if order.status != HELD:
            give_up(db, view, _held(view, each, order), each.quantity, None)
        channel = _channel(view, each, order, planned)
        planned[view.event.id, each.label, channel] += each.quantity
        channels.append(channel)
    taken = claim(db, [Units(events.area(v.event.id, w.label), w.quantity) for v, w in cells], order)
    rows = [_row(v, w, order, taken, c, views[0]) for (v, w), c in zip(cells, channels, strict=True)]
    db.run_many(store.ADD_PLACES, rows)
    main = views[0].event.id
    return [State(main, w.label, FREE, extra=w.extra) for w in wanted if w.extra is not None]


def join(db: Db, view: View, each: Wanted, order: Order, season_id: int) -> None:
    """Places of a season at an event that came later. Raises IllegalStatusChange, Unavailable."""
    channel = _channel(view, each, order, Counter())
    taken = claim(db, [Units(events.area(view.event.id, each.label), each.quantity)], order)
    row = _row(view, each, order, taken, channel, view) | {"season_id": season_id}
    db.run_many(store.ADD_PLACES, [row])


def _overridden(view: View, views: Sequence[View], each: Wanted) -> bool:
    return view is not views[0] and view.state(each.label).overridden


def _row(
    view: View, each: Wanted, order: Order, claim_id: str, channel: str | None, main: View
) -> dict[str, Any]:
    return {
        "event_id": view.event.id,
        "label": each.label,
        "status": order.status,
        "claim_id": claim_id,
        "order_id": order.order_id,
        "ticket_type": each.ticket_type,
        "channel": channel,
        "season_id": None if view is main else main.event.id,
        "quantity": each.quantity,
    }


def _held(view: View, each: Wanted, order: Order) -> list[Places]:
    rows = view.places.get(each.label, ())
    return [p for p in rows if p.status == HELD and p.claim_id == order.token]


def _channel(
    view: View, each: Wanted, order: Order, planned: Counter[tuple[int, str, str | None]]
) -> str | None:
    """Out of whose allotment the places are: of the channels that were named, or what is left for everybody.

    Raises IllegalStatusChange where there are not so many.
    """
    spot = view.spots[each.label]
    given = sales.allotments(view.event, each.label)

    def left(channel: str | None) -> int:
        rows = view.places.get(each.label, ())
        used = sum(p.quantity for p in rows if p.channel == channel)
        used += planned[view.event.id, each.label, channel]
        if channel is not None:
            return given[channel] - used
        closed = sales.closed_places(view.event, spot)
        return (spot.capacity or 0) - sum(given.values()) - closed - used

    asked = list(given) if order.ignore_channels else [key for key in order.channels or () if key in given]
    everybody = order.ignore_channels or not order.channels or NO_CHANNEL in order.channels
    for channel in [*asked, *([None] if everybody else [])]:
        if left(channel) >= each.quantity:
            return channel
    why = f"{each.label} has not so many places for sale"
    raise IllegalStatusChange(view.state(each.label).status, order.status, why, (each.label,))


def _release(db: Db, view: View, main: View, each: Wanted, order: Order) -> None:
    season = None if view is main else main.event.id
    rows = [p for p in view.places.get(each.label, ()) if p.season_id == season]
    mine = [p for p in rows if p.status == HELD and p.claim_id == order.token]
    if not mine:
        mine = [p for p in rows if p.status != HELD]
    if order.order_id is not None:
        mine = [p for p in mine if p.order_id == order.order_id] or mine
    if give_up(db, view, mine[::-1], each.quantity, each.ticket_type):
        why = f"{each.label} has not so many places taken"
        raise IllegalStatusChange(FREE, FREE, why, (each.label,))


def give_up(db: Db, view: View, rows: Sequence[Places], quantity: int, ticket_type: str | None) -> int:
    """Gives so many places back, out of these rows; the number that they did not have."""
    for row in rows:
        if quantity == 0:
            break
        if ticket_type is not None and row.ticket_type != ticket_type:
            continue
        part = min(quantity, row.quantity)
        reservation.drop(db, row.claim_id, [Units(events.area(row.event_id, row.label), part)])
        known = view.places[row.label]
        known.remove(row)
        if part == row.quantity:
            db.run(store.DELETE_PLACES, id=row.id)
        else:
            db.run(store.SET_PLACES, id=row.id, quantity=row.quantity - part)
            known.append(replace(row, quantity=row.quantity - part))
        quantity -= part
    return quantity
