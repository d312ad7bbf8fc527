"""Events: dates on which the places of a chart can be had, with channels and what is for sale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from backendhub.kit import clock, reservation
from backendhub.kit.db import Db
from backendhub.systems.cinema import plan, store
from backendhub.systems.cinema.models import NO_CHANNEL, Chart, Event, Gone, Refused, Workspace
from backendhub.systems.cinema.plan import AREA, SEAT, TABLE, Spot

from . import charts

INHERIT = {"mode": "INHERIT"}


def create(db: Db, own: Workspace, found: Chart, values: Mapping[str, Any]) -> Event:
    """A new event. Raises Refused for a key that is taken."""
    key = values.get("eventKey") or str(uuid4())
    if db.one(Event, store.ONE_EVENT, workspace_id=own.id, key=key) is not None:
        raise Refused("DUPLICATE_EVENT_KEY", f"Event key {key} is already in use.")
    event = db.insert(
        Event,
        "cinema_event",
        key=key,
        workspace_id=own.id,
        chart_id=found.id,
        name=values.get("name"),
        date=values.get("date"),
        tables=values.get("tableBookingConfig") or INHERIT,
        object_categories=values.get("objectCategories"),
        categories=list(values.get("categories") or ()),
        channels=[_channel(c) for c in values.get("channels") or ()],
        for_sale=_for_sale(values.get("forSaleConfig")),
        in_past=False,
        created_at=clock.now(),
    )
    charts.used(db, found)
    _stock(db, event)
    return event


def get(db: Db, own: Workspace, key: str) -> Event:
    """An event of a workspace. Raises Gone."""
    found = db.one(Event, store.ONE_EVENT, workspace_id=own.id, key=key)
    if found is None:
        raise Gone("EVENT_NOT_FOUND", f"Event not found: {key} was not found in workspace {own.key}")
    return found


def by_id(db: Db, id: int) -> Event:
    """An event by its number."""
    found = db.one(Event, store.EVENT_BY_ID, id=id)
    assert found is not None
    return found


def page(
    db: Db, own: Workspace, *, after: int | None, before: int | None, limit: int
) -> tuple[list[Event], bool, bool]:
    """Events, the latest first, behind or in front of one; whether there are more behind and in front."""
    if before is not None:
        rows = db.all(Event, store.EVENTS_UP, workspace_id=own.id, after=before, limit=limit + 1)
        return rows[:limit][::-1], bool(rows), len(rows) > limit
    rows = db.all(Event, store.EVENTS, workspace_id=own.id, before=after or 2**62, after=0, limit=limit + 1)
    return rows[:limit], len(rows) > limit, after is not None and bool(rows)


def of_chart(db: Db, found: Chart) -> list[Event]:
    """The events of a chart, the latest first."""
    return db.all(Event, store.EVENTS_OF_CHART, chart_id=found.id)


def update(db: Db, own: Workspace, event: Event, values: Mapping[str, Any]) -> Event:
    """Changes what is named. Raises Refused for a key that is taken."""
    changes: dict[str, Any] = {}
    if (key := values.get("eventKey")) and key != event.key:
        if db.one(Event, store.ONE_EVENT, workspace_id=own.id, key=key) is not None:
            raise Refused("DUPLICATE_EVENT_KEY", f"Event key {key} is already in use.")
        changes["key"] = key
    names = {
        "name": "name",
        "date": "date",
        "tableBookingConfig": "tables",
        "categories": "categories",
        "isInThePast": "in_past",
    }
    changes |= {column: values[name] for name, column in names.items() if name in values}
    if "objectCategories" in values:
        changes["object_categories"] = values["objectCategories"] or None
    return change(db, event, **changes)


def change(db: Db, event: Event, **changes: Any) -> Event:
    """Changes columns of an event and notes when."""
    changed = db.update(Event, "cinema_event", event.id, **changes, updated_at=clock.precise())
    assert changed is not None
    return changed


def move(db: Db, own: Workspace, event: Event) -> Event:
    """The event gets a copy of its chart for itself."""
    copied = charts.copy(db, charts.chart_of(db, event), own, suffix="")
    charts.used(db, copied)
    return change(db, event, chart_id=copied.id)


def delete(db: Db, event: Event) -> None:
    """Removes an event with its statuses and its log; its claims end."""
    for (claim,) in db.fetch(store.CLAIMS_OF_EVENT, {"id": event.id}):
        state = reservation.get(db, claim).state
        if state is reservation.State.CONFIRMED:
            reservation.cancel(db, claim)
    for sql in (store.FORGET_CHANGES, store.FORGET_PLACES, store.FORGET_STATES, store.DELETE_EVENT):
        db.run(sql, id=event.id)


# -- what can be had ---------------------------------------------------------------------------------------


def resource(event: Event) -> str:
    """The name of an event's seats among the reservations."""
    return f"cinema:{event.id}"


def area(event: Event, label: str) -> str:
    """The name of an area's places among the reservations."""
    return f"cinema:{event.id}:{label}"


def bookable(event: Event, found: Sequence[Spot]) -> list[Spot]:
    """What counts at an event: whole tables, or their seats."""
    return [spot for spot in found if counts(event, spot)]


def counts(event: Event, spot: Spot) -> bool:
    """Whether a spot is had by itself at an event."""
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


def categories(event: Event, drawing: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The chart's categories and the event's own."""
    return [*plan.categories(drawing), *event.categories]


def category_key(event: Event, spot: Spot) -> int | str | None:
    """The category of a spot at an event: the event's word goes before the chart's."""
    return (event.object_categories or {}).get(spot.label, spot.category)


def channel_of(event: Event, label: str) -> str | None:
    """The key of the channel that a spot is sold through, if any."""
    return next((c["key"] for c in event.channels if label in c["objects"]), None)


def reachable(event: Event, label: str, keys: Sequence[str] | None, ignore: bool) -> bool:
    """Whether a spot can be had through these channels."""
    channel = channel_of(event, label)
    if ignore:
        return True
    if not keys:
        return channel is None
    return (channel or NO_CHANNEL) in keys


def for_sale(event: Event, spot: Spot, category_label: str | None) -> bool:
    """Whether a spot is for sale."""
    config = event.for_sale
    if config is None:
        return True
    listed = spot.label in config["objects"] or (category_label in config["categories"])
    return bool(config["forSale"]) == listed


def closed_places(event: Event, label: str) -> int:
    """How many places of an area are not for sale."""
    config = event.for_sale
    return 0 if config is None or config["forSale"] else int(config["areaPlaces"].get(label, 0))


def set_for_sale(
    db: Db,
    event: Event,
    for_sale: bool,
    *,
    objects: Sequence[str] = (),
    area_places: Mapping[str, int] | None = None,
    categories: Sequence[str] = (),
) -> Event:
    """What is listed is for sale and nothing else, or the other way round."""
    config = {
        "forSale": for_sale,
        "objects": list(objects),
        "areaPlaces": dict(area_places or {}),
        "categories": list(categories),
    }
    return change(db, event, for_sale=config)


def edit_for_sale(
    db: Db, event: Event, *, add: Sequence[Mapping[str, Any]], remove: Sequence[Mapping[str, Any]]
) -> Event:
    """Puts some objects up for sale and takes others from it."""
    config = event.for_sale or {"forSale": False, "objects": [], "areaPlaces": {}, "categories": []}
    listed, unlisted = (add, remove) if config["forSale"] else (remove, add)
    objects, places = list(config["objects"]), dict(config["areaPlaces"])
    for item in listed:
        name, quantity = item["object"], item.get("quantity")
        if quantity is None:
            objects += [name] if name not in objects else []
        else:
            places[name] = places.get(name, 0) + quantity
    for item in unlisted:
        name, quantity = item["object"], item.get("quantity")
        if quantity is None:
            objects = [o for o in objects if o != name]
            places.pop(name, None)
        else:
            places[name] = max(0, places.get(name, 0) - quantity)
    return change(
        db,
        event,
        for_sale={**config, "objects": objects, "areaPlaces": {k: v for k, v in places.items() if v}},
    )


# -- channels ----------------------------------------------------------------------------------------------


def replace_channels(db: Db, event: Event, channels: Sequence[Mapping[str, Any]]) -> Event:
    """These channels and no others."""
    return change(db, event, channels=[_channel(c) for c in channels])


def add_channels(db: Db, event: Event, channels: Sequence[Mapping[str, Any]]) -> Event:
    """Further channels. Raises Refused for a key that is taken."""
    keys = {c["key"] for c in event.channels}
    if taken := [c["key"] for c in channels if c["key"] in keys]:
        raise Refused("CHANNEL_ALREADY_EXISTS", f"Channel {taken[0]} already exists.")
    return change(db, event, channels=[*event.channels, *(_channel(c) for c in channels)])


def remove_channel(db: Db, event: Event, key: str) -> Event:
    """Removes one. Raises Gone."""
    _known(event, key)
    return change(db, event, channels=[c for c in event.channels if c["key"] != key])


def update_channel(db: Db, event: Event, key: str, values: Mapping[str, Any]) -> Event:
    """Changes what is named of one. Raises Gone."""
    _known(event, key)
    names = ("name", "color", "objects", "areaPlaces", "index")
    changes = {name: values[name] for name in names if name in values}
    return change(db, event, channels=[c | changes if c["key"] == key else c for c in event.channels])


def channel_objects(db: Db, event: Event, key: str, values: Mapping[str, Any], *, there: bool) -> Event:
    """Adds objects to a channel (taking them from others), or removes them. Raises Gone."""
    _known(event, key)
    objects, places = values.get("objects") or [], values.get("areaPlaces") or {}
    changed = []
    for channel in event.channels:
        own = channel["key"] == key
        kept = [o for o in channel["objects"] if o not in objects]
        areas = dict(channel["areaPlaces"])
        if own and there:
            kept = [*channel["objects"], *(o for o in objects if o not in channel["objects"])]
            areas |= {label: areas.get(label, 0) + n for label, n in places.items()}
        elif own:
            areas |= {label: areas.get(label, 0) - n for label, n in places.items()}
        elif not there:
            kept = channel["objects"]
        areas = {label: n for label, n in areas.items() if n > 0}
        changed.append(channel | {"objects": kept, "areaPlaces": areas})
    return change(db, event, channels=changed)


def _known(event: Event, key: str) -> None:
    if all(c["key"] != key for c in event.channels):
        raise Gone("CHANNEL_NOT_FOUND", f"Channel not found: {key}")


def _channel(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "key": given["key"],
        "name": given.get("name"),
        "color": given.get("color"),
        "index": given.get("index"),
        "objects": list(given.get("objects") or ()),
        "areaPlaces": dict(given.get("areaPlaces") or {}),
    }


def _for_sale(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if given is None:
        return None
    return {
        "forSale": bool(given.get("forSale")),
        "objects": list(given.get("objects") or ()),
        "areaPlaces": dict(given.get("areaPlaces") or {}),
        "categories": list(given.get("categories") or ()),
    }


def _stock(db: Db, event: Event) -> None:
    """The places of areas are stock from the beginning."""
    for spot in charts.spots(db, event.chart_id):
        if spot.kind == AREA and spot.capacity:
            reservation.restock(db, area(event, spot.label), spot.capacity)
