"""How the places of events stand now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.systems.cinema import store
from backendhub.systems.cinema.models import FREE, HELD, RESALE, Event, Gone, Places, State
from backendhub.systems.cinema.plan import AREA, Spot

from . import charts, events, sales

OPEN = (FREE, RESALE)
"""Statuses in which a place can be had."""


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
        known = self.states.get(label) or State(self.event.id, label, FREE)
        if self.spots[label].kind != AREA:
            return known
        kinds = {p.status for p in self.places.get(label, ())}
        if HELD in kinds:
            return replace(known, status=HELD)
        return replace(known, status=next(iter(sorted(kinds)), FREE))

    def spot(self, label: str) -> Spot:
        """What has this label. Raises Gone."""
        if label not in self.spots:
            raise Gone("OBJECT_NOT_FOUND", f"Object not found: {label}")
        return self.spots[label]

    def category_label(self, spot: Spot) -> str | None:
        """The label of a spot's category at this event."""
        return self.labels.get(str(events.category_key(self.event, spot)))

    def on_sale(self, spot: Spot) -> bool:
        """Whether it is for sale."""
        return sales.on_sale(self.event, spot, self.category_label(spot))


def view(db: Db, event: Event, labels: Iterable[str] | None = None) -> View:
    """An event's places now: all of them, or these. Labels that the event does not have are not in it."""
    return views(db, [event], labels)[0]


def views(db: Db, found: Sequence[Event], labels: Iterable[str] | None = None) -> list[View]:
    """The places of events on one chart."""
    wanted = None if labels is None else sorted(set(labels))
    params: dict[str, Any] = {"ids": [e.id for e in found], "now": clock.precise()}
    if wanted is None:
        spots = charts.spots(db, found[0].chart_id)
        states = db.all(State, store.STATES[db.dialect], **params)
    else:
        spots = list(charts.spots_of(db, found[0].chart_id, wanted).values())
        states = db.all(State, store.STATES_OF[db.dialect], **params, labels=wanted)
    areas = any(spot.kind == AREA for spot in spots)
    places = db.all(Places, store.PLACES[db.dialect], **params) if areas else []
    states_of: dict[int, dict[str, State]] = {}
    for state in states:
        states_of.setdefault(state.event_id, {})[state.label] = state
    places_of: dict[int, dict[str, list[Places]]] = {}
    for row in places:
        places_of.setdefault(row.event_id, {}).setdefault(row.label, []).append(row)
    return [
        View(
            event,
            {spot.label: spot for spot in spots if events.counts(event, spot)},
            states_of.get(event.id, {}),
            places_of.get(event.id, {}),
            {str(c["key"]): str(c["label"]) for c in events.categories(event)},
        )
        for event in found
    ]
