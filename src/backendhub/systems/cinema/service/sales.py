"""What of an event is for sale, and through which channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from backendhub.systems.cinema.models import NO_CHANNEL, Event, Gone, Refused
from backendhub.systems.cinema.plan import Spot

Config = dict[str, Any]
Channels = list[dict[str, Any]]


# -- for sale ----------------------------------------------------------------------------------------------


def config(given: Mapping[str, Any] | None) -> Config | None:
    """What is listed is for sale and nothing else (`forSale`), or the other way round; None: everything is."""
    if given is None:
        return None
    return {
        "forSale": bool(given.get("forSale")),
        "objects": list(given.get("objects") or ()),
        "areaPlaces": dict(given.get("areaPlaces") or {}),
        "categories": list(given.get("categories") or ()),
    }


def on_sale(event: Event, spot: Spot, category_label: str | None) -> bool:
    """Whether a spot is for sale."""
    if event.for_sale is None:
        return True
    listed = spot.label in event.for_sale["objects"] or category_label in event.for_sale["categories"]
    if event.for_sale["forSale"] and event.for_sale["areaPlaces"].get(spot.label):
        return True
    return bool(event.for_sale["forSale"]) == listed


def closed_places(event: Event, spot: Spot) -> int:
    """How many places of an area are not for sale."""
    if event.for_sale is None:
        return 0
    listed = int(event.for_sale["areaPlaces"].get(spot.label, 0))
    if not event.for_sale["forSale"]:
        return listed
    return max(0, (spot.capacity or 0) - listed) if listed else 0


def edited(event: Event, *, add: Sequence[Mapping[str, Any]], remove: Sequence[Mapping[str, Any]]) -> Config:
    """What is for sale once some objects are put up for sale and others taken from it."""
    old = event.for_sale or {"forSale": False, "objects": [], "areaPlaces": {}, "categories": []}
    listed, unlisted = (add, remove) if old["forSale"] else (remove, add)
    objects, places = list(old["objects"]), dict(old["areaPlaces"])
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
    return {**old, "objects": objects, "areaPlaces": {k: v for k, v in places.items() if v}}


# -- channels ----------------------------------------------------------------------------------------------


def channel_of(event: Event, label: str) -> str | None:
    """The key of the channel that a spot is sold through, if any."""
    return next((c["key"] for c in event.channels if label in c["objects"]), None)


def reachable(event: Event, label: str, keys: Sequence[str] | None, ignore: bool) -> bool:
    """Whether a spot can be had through these channels."""
    found = channel_of(event, label)
    if ignore:
        return True
    if not keys:
        return found is None
    return (found or NO_CHANNEL) in keys


def allotments(event: Event, label: str) -> dict[str, int]:
    """How many places of an area each channel has for itself."""
    return {c["key"]: int(c["areaPlaces"][label]) for c in event.channels if c["areaPlaces"].get(label)}


def channel(given: Mapping[str, Any]) -> dict[str, Any]:
    """A new channel."""
    return {
        "id": str(uuid4()),
        "key": given["key"],
        "name": given.get("name"),
        "color": given.get("color"),
        "index": given.get("index"),
        "objects": list(given.get("objects") or ()),
        "areaPlaces": dict(given.get("areaPlaces") or {}),
    }


def added(known: Sequence[Mapping[str, Any]], channels: Sequence[Mapping[str, Any]]) -> Channels:
    """Channels and further ones. Raises Refused for a key that is taken."""
    keys = {c["key"] for c in known}
    for given in channels:
        if given["key"] in keys:
            raise Refused("CHANNEL_ALREADY_EXISTS", f"Channel {given['key']} already exists.")
        keys.add(given["key"])
    return [*map(dict, known), *(channel(c) for c in channels)]


def removed(event: Event, key: str) -> Channels:
    """The channels without one. Raises Gone."""
    _known(event, key)
    return [c for c in event.channels if c["key"] != key]


def updated(event: Event, key: str, values: Mapping[str, Any]) -> Channels:
    """The channels after a change of one. Raises Gone."""
    _known(event, key)
    names = ("name", "color", "objects", "areaPlaces", "index")
    changes = {name: values[name] for name in names if values.get(name) is not None}
    return [c | changes if c["key"] == key else c for c in event.channels]


def with_objects(event: Event, key: str, values: Mapping[str, Any], *, there: bool) -> Channels:
    """The channels after objects were added to one (taken from others), or removed. Raises Gone."""
    _known(event, key)
    objects, places = values.get("objects") or [], values.get("areaPlaces") or {}
    changed = []
    for each in event.channels:
        own = each["key"] == key
        kept = [o for o in each["objects"] if o not in objects]
        areas = dict(each["areaPlaces"])
        if own:
            sign = 1 if there else -1
            areas |= {label: areas.get(label, 0) + sign * n for label, n in places.items()}
            if there:
                kept = [*each["objects"], *(o for o in objects if o not in each["objects"])]
        elif not there:
            kept = each["objects"]
        changed.append(each | {"objects": kept, "areaPlaces": {a: n for a, n in areas.items() if n > 0}})
    return changed


def _known(event: Event, key: str) -> None:
    if all(c["key"] != key for c in event.channels):
        raise Gone("CHANNEL_NOT_FOUND", f"Channel not found: {key}")
