"""Events: dates on which the places of a chart can be had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from backendhub.kit import clock, reservation
from backendhub.kit.db import Db
from backendhub.kit.reservation import Units
from backendhub.systems.cinema import store
from backendhub.systems.cinema.models import (
    EVENT,
    PARTIAL,
    SEASON,
    Chart,
    Event,
    Gone,
    Refused,
    Workspace,
)
from backendhub.systems.cinema.plan import AREA, SEAT, TABLE, Spot

from . import charts, sales, workspaces
from .workspaces import Part, Span

INHERIT = {"mode": "INHERIT"}


# -- events ------------------------------------------------------------------------------------------------


def create(
    db: Db,
    own: Workspace,
    found: Chart,
    values: Mapping[str, Any],
    *,
    kind: str = EVENT,
    season: Event | None = None,
) -> Event:
    """A new event, or a season; `season`: the one that it is of. Raises Refused for a key that is taken."""
    return create_all(db, own, found, [values], kind=kind, season=season)[0]


def create_all(
    db: Db,
    own: Workspace,
    found: Chart,
    listed: Sequence[Mapping[str, Any]],
    *,
    kind: str = EVENT,
    season: Event | None = None,
) -> list[Event]:
    """Several new events of a chart, in this order. Raises Refused for a key that is taken."""
    if not listed:
        return []
    rows = [_row(own, found, values, kind, season) for values in listed]
    keys = [str(row["key"]) for row in rows]
    _unused(db, own, keys)
    charts.used(db, found)
    db.run_many(store.ADD_EVENT, rows)
    made = db.all(Event, store.EVENTS_OF_KEYS[db.dialect], workspace_id=own.id, keys=keys)
    _stock(db, found, made)
    workspaces.note(db, own, "event.created", *keys)
    return made


def _row(
    own: Workspace, found: Chart, values: Mapping[str, Any], kind: str, season: Event | None
) -> dict[str, Any]:
    return {
        "key": values.get("eventKey") or str(uuid4()),
        "workspace_id": own.id,
        "chart_id": found.id,
        "kind": kind,
        "season_id": None if season is None else season.id,
        "name": values.get("name"),
        "date": values.get("date"),
        "tables": values.get("tableBookingConfig") or INHERIT,
        "object_categories": values.get("objectCategories"),
        "categories": list(values.get("categories") or ()),
        "channels": sales.added((), values.get("channels") or ()),
        "for_sale": sales.config(values.get("forSaleConfig")),
        "for_sale_propagated": values.get("forSalePropagated", True),
        "in_past": False,
        "created_at": clock.now(),
    }


def get(db: Db, own: Workspace, key: str, *, lock: bool = False) -> Event:
    """An event of a workspace; `lock`ed where it, or what is had of it, will be changed. Raises Gone."""
    if lock:
        lock_all(db, own, [key])
    found = db.one(Event, store.ONE_EVENT, workspace_id=own.id, key=key)
    if found is None:
        raise Gone("EVENT_NOT_FOUND", f"Event not found: {key} was not found in workspace {own.key}")
    return found


def lock_all(db: Db, own: Workspace, keys: Iterable[str], *, shared: bool = False) -> None:
    """Lets nobody else change these events, and those of seasons among them, until the transaction ends; `shared`: but
    for those who take other seats that are free."""
    sql = store.SHARE_KEYS if shared else store.LOCK_KEYS
    db.fetch(sql[db.dialect], {"workspace_id": own.id, "keys": sorted(set(keys))})


def by_id(db: Db, id: int, *, lock: bool = False, shared: bool = False) -> Event:
    """An event by its number; locked, or `shared` with those who take other seats that are free."""
    if lock or shared:
        db.fetch((store.SHARE if shared else store.LOCK)[db.dialect], {"ids": [id]})
    found = db.one(Event, store.EVENT_BY_ID, id=id)
    assert found is not None
    return found


def find(db: Db, own: Workspace, span: Span) -> Part[Event]:
    """The events and seasons of a workspace, the latest first."""
    return workspaces.listed(db, Event, store.EVENTS, span, workspace_id=own.id)


def of_charts(db: Db, found: Sequence[Chart]) -> dict[int, list[Event]]:
    """The events of charts by its number, the latest first."""
    known: dict[int, list[Event]] = {chart.id: [] for chart in found}
    for event in db.all(Event, store.EVENTS_OF_CHARTS[db.dialect], ids=list(known)):
        known[event.chart_id].append(event)
    return known


def update(db: Db, own: Workspace, event: Event, values: Mapping[str, Any]) -> Event:
    """Changes what is named. Raises Refused for a key that is taken, and for that of a show, which is the show's id."""
    changes: dict[str, Any] = {}
    if (key := values.get("eventKey")) and key != event.key:
        if event.show_state is not None:
            raise Refused("EVENT_HAS_SHOW", "This event is a show of the cinema: its key is the show's id.")
        _unused(db, own, [key])
        changes["key"] = key
    names = {
        "name": "name",
        "date": "date",
        "tableBookingConfig": "tables",
        "categories": "categories",
        "isInThePast": "in_past",
        "forSalePropagated": "for_sale_propagated",
    }
    changes |= {column: values[name] for name, column in names.items() if values.get(name) is not None}
    if "objectCategories" in values:
        changes["object_categories"] = values["objectCategories"] or None
    return change(db, event, **changes)


def change(db: Db, event: Event, **changes: Any) -> Event:
    """Changes columns of an event and notes when."""
    change_all(db, [event], **changes)
    return by_id(db, event.id)


def change_all(db: Db, found: Sequence[Event], **changes: Any) -> None:
    """Changes columns of events and notes when."""
    sql = store.change_events(*changes)[db.dialect]
    db.run(sql, ids=[event.id for event in found], **changes, updated_at=clock.precise())


def move(db: Db, own: Workspace, event: Event) -> Event:
    """The event gets a copy of its chart for itself. Raises Refused for one of a season, whose chart is the season's."""
    if event.kind != EVENT or event.season_id is not None:
        raise Refused("EVENT_IN_SEASON", "An event of a season stays on the season's chart.")
    copied = charts.copy(db, charts.of(db, event), own, suffix="")
    charts.used(db, copied)
    return change(db, event, chart_id=copied.id)


def delete(db: Db, own: Workspace, event: Event) -> None:
    """Removes an event with its statuses and its log; its claims end. Raises Refused for a show's, and a season that has
    events, or places that are taken through one."""
    if event.show_state is not None:
        raise Refused("EVENT_HAS_SHOW", "This event is a show of the cinema: call the show off.")
    if db.value(store.CHILDREN, id=event.id):
        raise Refused("SEASON_HAS_EVENTS", "A season goes after its events.")
    if event.season_id is not None and db.fetch(store.CLAIMS_OF_EVENT, {"id": event.id}):
        raise Refused("EVENT_HAS_TAKEN_OBJECTS", "Release what is taken at this event of a season first.")
    for (claim,) in db.fetch(store.CLAIMS_OF_EVENT, {"id": event.id}):
        _give_back(db, event, claim)
    forget = (store.FORGET_CHANGES, store.FORGET_PLACES, store.FORGET_STATES, store.FORGET_PARTS)
    for sql in (*forget, store.DELETE_EVENT):
        db.run(sql, id=event.id)
    workspaces.note(db, own, "event.deleted", event.key)


def _give_back(db: Db, event: Event, claim: str) -> None:
    """A claim loses what it has of this event; a basket may hold places of others too."""
    held = reservation.get(db, claim)
    prefix = resource(event) + ":"
    mine: list[reservation.Item] = [s for s in held.slots if s.resource == resource(event)]
    mine += [u for u in held.units if u.resource.startswith(prefix)]
    if mine:
        reservation.drop(db, claim, mine)


def _unused(db: Db, own: Workspace, keys: Sequence[str]) -> None:
    rows = db.fetch(store.KEYS_IN_USE[db.dialect], {"workspace_id": own.id, "keys": list(keys)})
    taken = [row[0] for row in rows] or [key for key, count in Counter(keys).items() if count > 1]
    if taken:
        raise Refused("DUPLICATE_EVENT_KEY", f"Event key {taken[0]} is already in use.")


def _stock(db: Db, found: Chart, made: Sequence[Event]) -> None:
    """The places of areas are stock from the beginning."""
    areas = [s for s in charts.spots(db, found.id) if s.kind == AREA and s.capacity]
    reservation.restock_all(
        db, [Units(area(event.id, s.label), s.capacity or 0) for event in made for s in areas]
    )


# -- what can be had ---------------------------------------------------------------------------------------


def resource(event: Event) -> str:
    """The name of an event's seats among the reservations."""
    return f"cinema:{event.id}"


def area(event_id: int, label: str) -> str:
    """The name of an area's places among the reservations."""
    return f"cinema:{event_id}:{label}"


def counts(event: Event, spot: Spot) -> bool:
    """Whether a spot is had by itself at an event: whole tables, or their seats."""
    if spot.kind == TABLE:
        return _whole(event, spot.label, bool(spot.whole))
    if spot.kind == SEAT and spot.parent_kind == "table":
        return not _whole(event, spot.row, bool(spot.whole))
    return True


def _whole(event: Event, table: str, drawn: bool) -> bool:
    mode = event.tables.get("mode", "INHERIT")
    if mode == "CUSTOM":
        return bool((event.tables.get("tables") or {}).get(table) == "BY_TABLE")
    return {"ALL_BY_TABLE": True, "ALL_BY_SEAT": False}.get(mode, drawn)


def categories(event: Event) -> list[dict[str, Any]]:
    """The chart's categories and the event's own."""
    return [*event.chart_categories, *event.categories]


def category_key(event: Event, spot: Spot) -> int | str | None:
    """The category of a spot at an event: the event's word goes before the chart's."""
    return (event.object_categories or {}).get(spot.label, spot.category)


# -- seasons -----------------------------------------------------------------------------------------------


def below(db: Db, event: Event) -> list[Event]:
    """What a season or partial season reaches: its events (and partial seasons); nothing for a plain event."""
    if event.kind == SEASON:
        return db.all(Event, store.EVENTS_OF_SEASON, season_id=event.id)
    if event.kind == PARTIAL:
        return db.all(Event, store.EVENTS_OF_PARTIAL, partial_id=event.id)
    return []


def parts_of(db: Db, found: Sequence[Event]) -> dict[int, list[str]]:
    """The keys of the partial seasons that events are in."""
    ids = [e.id for e in found if e.season_id is not None and e.kind == EVENT]
    parts: dict[int, list[str]] = {}
    if ids:
        for event_id, key in db.fetch(store.PARTS[db.dialect], {"ids": ids}):
            parts.setdefault(event_id, []).append(key)
    return parts
