"""Seasons: what is had there is had at all of their events, unless an event has said that it goes its own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from backendhub.kit import reservation
from backendhub.kit.db import Db
from backendhub.kit.reservation import Slot
from backendhub.systems.cinema import store
from backendhub.systems.cinema.models import (
    EVENT,
    FREE,
    HELD,
    PARTIAL,
    SEASON,
    Event,
    Gone,
    IllegalStatusChange,
    Refused,
    State,
    Workspace,
)
from backendhub.systems.cinema.plan import AREA

from . import charts, events, places, seats
from .orders import Order, Wanted
from .views import View, view, views

MAX_EVENTS = 500


def create(db: Db, own: Workspace, chart_key: str, values: Mapping[str, Any]) -> Event:
    """A season of a chart, with events by number or by key. Raises Gone, Refused."""
    chart = charts.get(db, own, chart_key)
    named = {**values, "eventKey": values.get("key")}
    made = events.create(db, own, chart, named, kind=SEASON)
    add_events(db, own, made, number=values.get("numberOfEvents"), keys=values.get("eventKeys"))
    return made


def season(db: Db, own: Workspace, key: str) -> Event:
    """A season of a workspace, locked with its events. Raises Gone."""
    found = events.get(db, own, key, lock=True)
    if found.kind != SEASON:
        raise Gone("SEASON_NOT_FOUND", f"Season not found: {key}")
    return found


def partial(db: Db, own: Workspace, top: Event, key: str) -> Event:
    """A partial season of a season. Raises Gone."""
    found = events.get(db, own, key, lock=True)
    if found.kind != PARTIAL or found.season_id != top.id:
        raise Gone("PARTIAL_SEASON_NOT_FOUND", f"Partial season not found: {key}")
    return found


def add_events(
    db: Db, own: Workspace, top: Event, *, number: int | None = None, keys: Sequence[str] | None = None
) -> list[Event]:
    """Further events of a season; what is had of the season is had at them too. Raises Refused."""
    wanted = list(keys or ()) or [str(uuid4()) for _ in range(number or 0)]
    if len(wanted) > MAX_EVENTS:
        raise Refused("TOO_MANY_EVENTS", f"At most {MAX_EVENTS} events at a time.")
    chart = charts.of(db, top)
    common = _shared(top)
    made = events.create_all(db, own, chart, [{**common, "eventKey": key} for key in wanted], season=top)
    if made:
        _follow(db, top, made)
    return made


def _shared(top: Event) -> dict[str, Any]:
    """What events of a season begin with."""
    return {
        "tableBookingConfig": top.tables,
        "objectCategories": top.object_categories,
        "categories": top.categories,
        "channels": top.channels,
        "forSaleConfig": top.for_sale if top.for_sale_propagated else None,
    }


def add_partial(db: Db, own: Workspace, top: Event, values: Mapping[str, Any]) -> Event:
    """A part of a season, with some of its events. Raises Gone, Refused."""
    named = {**_shared(top), "name": values.get("name"), "eventKey": values.get("key")}
    made = events.create(db, own, charts.of(db, top), named, kind=PARTIAL, season=top)
    _follow(db, top, [made])
    if values.get("eventKeys"):
        add_parts(db, top, made, values["eventKeys"])
    return made


def add_parts(db: Db, top: Event, part: Event, keys: Sequence[str]) -> None:
    """Puts events of a season into a part of it; what is had of the part is had at them too. Raises Gone,
    IllegalStatusChange."""
    members = {e.key: e for e in events.below(db, top) if e.kind == EVENT}
    known = {e.id for e in events.below(db, part)}
    if missing := [key for key in keys if key not in members]:
        raise Gone("EVENT_NOT_FOUND", f"Event not found in season {top.key}: {missing[0]}")
    new = [members[key] for key in dict.fromkeys(keys) if members[key].id not in known]
    db.run_many(store.ADD_PART, [{"partial_id": part.id, "event_id": e.id} for e in new])
    if new:
        _follow(db, part, new)


def remove_part(db: Db, part: Event, key: str) -> None:
    """Takes an event out of a part of a season. Raises Gone, and Refused where something is had there through the part."""
    found = next((e for e in events.below(db, part) if e.key == key), None)
    if found is None:
        raise Gone("EVENT_NOT_FOUND", f"Event not found in season {part.key}: {key}")
    seen = view(db, found)
    through = [s.label for s in seen.states.values() if s.season_id == part.id]
    through += [p.label for rows in seen.places.values() for p in rows if p.season_id == part.id]
    if through:
        raise Refused(
            "EVENT_HAS_TAKEN_OBJECTS", f"Had through {part.key}: {', '.join(sorted(set(through)))}."
        )
    db.run(store.REMOVE_PART, partial_id=part.id, event_id=found.id)


def share(db: Db, found: Event, values: Mapping[str, Any]) -> None:
    """What a season says of tables, categories and sale is said of its events too."""
    names = {
        "tableBookingConfig": "tables",
        "categories": "categories",
        "objectCategories": "object_categories",
    }
    changes = {column: values[name] for name, column in names.items() if name in values}
    if found.kind == SEASON and changes:
        events.change_all(db, events.below(db, found), **changes)


# -- going one's own way -----------------------------------------------------------------------------------


def override(db: Db, event: Event, labels: Sequence[str], season_key: str | None = None) -> View:
    """From now on these objects of an event have a status of their own; what a season has of them is free here.

    Raises Gone, Refused.
    """
    _of_season(event, season_key)
    seen = view(db, event, labels)
    rows = []
    for label in dict.fromkeys(labels):
        spot, state = seen.spot(label), seen.state(label)
        if spot.kind == AREA:
            _free_area(db, seen, label)
        elif state.season_id is not None and state.claim_id is not None:
            reservation.drop(db, state.claim_id, [Slot(events.resource(event), label)])
            state = State(event.id, label, FREE)
        rows.append(replace(seen.states.get(label, state) if spot.kind == AREA else state, overridden=True))
    seats.write(db, rows)
    return view(db, event, labels)


def use(db: Db, event: Event, labels: Sequence[str], season_key: str | None = None) -> View:
    """These objects have the status of the season again. Raises Gone, Refused, and IllegalStatusChange where somebody has
    them at the event."""
    _of_season(event, season_key)
    assert event.season_id is not None
    seen = view(db, event, labels)
    rows = [replace(seen.states[n], overridden=False) for n in labels if n in seen.states and seen.spot(n)]
    seats.write(db, rows)
    for source in _sources(db, event):
        _follow(db, source, [event], labels)
    return view(db, event, labels)


def _sources(db: Db, event: Event) -> list[Event]:
    """The season of an event, and the parts of it that the event is in."""
    assert event.season_id is not None
    top = events.by_id(db, event.season_id)
    keys = events.parts_of(db, [event]).get(event.id, [])
    return [top, *(e for e in events.below(db, top) if e.key in keys)]


def _of_season(event: Event, key: str | None) -> None:
    if event.season_id is None or event.kind != EVENT:
        raise Refused("EVENT_NOT_IN_SEASON", f"Event {event.key} is not part of a season.")
    if key is not None and key != event.season_key:
        raise Gone("SEASON_NOT_FOUND", f"Event {event.key} is not part of season {key}.")


def _free_area(db: Db, seen: View, label: str) -> None:
    for row in [p for p in seen.places.get(label, ()) if p.season_id is not None]:
        places.give_up(db, seen, [row], row.quantity, None)


# -- following a season ------------------------------------------------------------------------------------


def _follow(db: Db, source: Event, found: Sequence[Event], labels: Sequence[str] | None = None) -> None:
    """What is had of a season is had at these events too. Raises IllegalStatusChange where somebody has it there."""
    main, *below = views(db, [source, *found], labels)
    rows: list[State] = []
    claims: dict[str, list[Slot]] = {}
    for state in main.states.values():
        if state.claim_id is None or state.label not in main.spots or main.spots[state.label].kind == AREA:
            continue
        followers = [v for v in below if not v.state(state.label).overridden]
        followers = [v for v in followers if v.state(state.label).season_id is None]
        for v in followers:
            if (old := v.state(state.label)).status != FREE:
                why = f"{state.label} is {old.status} at {v.event.key}"
                raise IllegalStatusChange(old.status, state.status, why, (state.label,))
        slots = [Slot(events.resource(v.event), state.label) for v in followers]
        claims.setdefault(state.claim_id, []).extend(slots)
        rows += [replace(state, event_id=v.event.id, season_id=source.id) for v in followers]
    for claim_id, slots in sorted(claims.items()):
        # A claim takes so many at a time.
        for n in range(0, len(slots), MAX_EVENTS):
            reservation.add(db, claim_id, slots[n : n + MAX_EVENTS])
    seats.write(db, rows)
    for label, had in main.places.items():
        _follow_area(db, main, below, label, [p for p in had if p.season_id is None])


def _follow_area(db: Db, main: View, below: Sequence[View], label: str, had: Sequence[Any]) -> None:
    """Places of an area, kind by kind of ticket, with a claim of their own: a confirmed one takes no more units."""
    for v in below:
        if v.state(label).overridden:
            continue
        known = {p.season_id for p in v.places.get(label, ())}
        if main.event.id in known:
            continue
        for p in had:
            order = Order(
                p.status, p.claim_id if p.status == HELD else None, p.order_id, ignore_channels=True
            )
            places.join(db, v, Wanted(label, p.quantity, p.ticket_type), order, main.event.id)
