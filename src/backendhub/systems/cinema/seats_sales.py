"""The wire of seats.io's clients: what is for sale, and through which channels."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Body

from backendhub.kit import clock, web
from backendhub.kit.db import Db

from .models import Event, Refused
from .seats_shapes import ANY_TYPE, ChannelIn, ChannelsIn, EditForSaleIn, ForSaleIn, Some, stamp
from .service import events
from .wire import event_routes, workspace


def _one(db: Db, user: web.CurrentUser, key: str) -> Event:
    return events.get(db, workspace(db, user), key)


# -- for sale ----------------------------------------------------------------------------------------------


@event_routes.post("/{key}/actions/mark-as-for-sale", status=204, consumes=ANY_TYPE, statuses=(404,))
def mark_for_sale(db: Db, user: web.CurrentUser, key: str, body: ForSaleIn) -> None:
    """These are for sale, and nothing else."""
    _mark(db, user, key, True, body)


@event_routes.post("/{key}/actions/mark-as-not-for-sale", status=204, consumes=ANY_TYPE, statuses=(404,))
def mark_not_for_sale(db: Db, user: web.CurrentUser, key: str, body: ForSaleIn) -> None:
    """These are not for sale, everything else is."""
    _mark(db, user, key, False, body)


@event_routes.post("/{key}/actions/mark-everything-as-for-sale", status=204, statuses=(404,))
def mark_everything(db: Db, user: web.CurrentUser, key: str) -> None:
    """Everything is for sale."""
    events.change(db, _one(db, user, key), for_sale=None)


@event_routes.post("/{key}/actions/edit-for-sale-config", consumes=ANY_TYPE, statuses=(404,))
def edit_for_sale(db: Db, user: web.CurrentUser, key: str, body: EditForSaleIn) -> Some:
    """Put some objects up for sale and take others from it."""
    return _edited(db, user, key, body)


@event_routes.post("/actions/edit-for-sale-config", consumes=ANY_TYPE, statuses=(404,))
def edit_for_sale_of_events(db: Db, user: web.CurrentUser, body: Annotated[Some, Body()]) -> Some:
    """The same for several events."""
    found = body.get("events")
    if not isinstance(found, dict):
        raise Refused("GENERAL_ERROR", "#: required key [events] not found")
    return {key: _edited(db, user, key, EditForSaleIn.model_validate(each)) for key, each in found.items()}


def _edited(db: Db, user: web.CurrentUser, key: str, body: EditForSaleIn) -> Some:
    changed = events.edit_for_sale(
        db,
        _one(db, user, key),
        add=[i.model_dump() for i in body.forSale or ()],
        remove=[i.model_dump() for i in body.notForSale or ()],
    )
    limits = {
        "rateLimitRemainingCalls": 9,
        "rateLimitResetDate": stamp(clock.precise() + timedelta(minutes=1)),
    }
    return {"forSaleConfig": changed.for_sale, "rateLimitInfo": limits}


def _mark(db: Db, user: web.CurrentUser, key: str, for_sale: bool, body: ForSaleIn) -> None:
    events.set_for_sale(
        db,
        _one(db, user, key),
        for_sale,
        objects=body.objects,
        area_places=body.areaPlaces,
        categories=body.categories,
    )


# -- channels ----------------------------------------------------------------------------------------------


@event_routes.post("/{key}/channels", status=204, consumes=ANY_TYPE, statuses=(400, 404))
def add_channels(
    db: Db, user: web.CurrentUser, key: str, body: Annotated[ChannelIn | list[ChannelIn], Body()]
) -> None:
    """Add a channel, or several."""
    given = body if isinstance(body, list) else [body]
    events.add_channels(db, _one(db, user, key), [_channel(c) for c in given])


@event_routes.post("/{key}/channels/replace", status=204, consumes=ANY_TYPE, statuses=(404,))
def replace_channels(db: Db, user: web.CurrentUser, key: str, body: ChannelsIn) -> None:
    """These channels and no others."""
    events.replace_channels(db, _one(db, user, key), [_channel(c) for c in body.channels])


@event_routes.post("/{key}/channels/{channel}", status=204, consumes=ANY_TYPE, statuses=(404,))
def update_channel(db: Db, user: web.CurrentUser, key: str, channel: str, body: ChannelIn) -> None:
    """Change a channel."""
    events.update_channel(db, _one(db, user, key), channel, body.model_dump(exclude_unset=True))


@event_routes.delete("/{key}/channels/{channel}", statuses=(404,))
def remove_channel(db: Db, user: web.CurrentUser, key: str, channel: str) -> None:
    """Remove a channel."""
    events.remove_channel(db, _one(db, user, key), channel)


@event_routes.post("/{key}/channels/{channel}/objects", status=204, consumes=ANY_TYPE, statuses=(404,))
def add_to_channel(db: Db, user: web.CurrentUser, key: str, channel: str, body: ChannelIn) -> None:
    """Sell these objects through a channel."""
    events.channel_objects(db, _one(db, user, key), channel, body.model_dump(), there=True)


@event_routes.delete("/{key}/channels/{channel}/objects", consumes=ANY_TYPE, statuses=(404,))
def remove_from_channel(db: Db, user: web.CurrentUser, key: str, channel: str, body: ChannelIn) -> None:
    """Sell them through it no longer."""
    events.channel_objects(db, _one(db, user, key), channel, body.model_dump(), there=False)


def _channel(body: ChannelIn) -> Some:
    if body.key is None:
        raise Refused("GENERAL_ERROR", "#: required key [key] not found")
    return body.model_dump()
