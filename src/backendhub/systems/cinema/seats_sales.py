"""The wire of seats.io's clients: what is for sale, and through which channels."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Body

from backendhub.kit import clock, limits, web
from backendhub.kit.db import Db
from backendhub.kit.limits import Decision, Rule

from .models import Event, Refused
from .seats_out import Some, stamp
from .seats_shapes import ANY_TYPE, ChannelIn, ChannelsIn, EditForSaleIn, EditForSalesIn, ForSaleIn
from .service import events, sales
from .wire import Word, event_routes, workspace

EDITS = Rule(10, 60, "fixed-window", name="cinema.edit-for-sale", unit="edits")
"""How often an event's sale may be edited; the answer says how many edits are left."""


def _one(db: Db, user: web.CurrentUser, key: str) -> Event:
    return events.get(db, workspace(db, user), key, lock=True)


# -- for sale ----------------------------------------------------------------------------------------------


@event_routes.post("/{key}/actions/mark-as-for-sale", status=204, consumes=ANY_TYPE, statuses=(404,))
def mark_for_sale(db: Db, user: web.CurrentUser, key: Word, body: ForSaleIn) -> None:
    """These are for sale, and nothing else."""
    _mark(db, user, key, True, body)


@event_routes.post("/{key}/actions/mark-as-not-for-sale", status=204, consumes=ANY_TYPE, statuses=(404,))
def mark_not_for_sale(db: Db, user: web.CurrentUser, key: Word, body: ForSaleIn) -> None:
    """These are not for sale, everything else is."""
    _mark(db, user, key, False, body)


@event_routes.post("/{key}/actions/mark-everything-as-for-sale", status=204, statuses=(404,))
def mark_everything(db: Db, user: web.CurrentUser, key: Word) -> None:
    """Everything is for sale."""
    _set(db, _one(db, user, key), None)


@event_routes.post("/{key}/actions/edit-for-sale-config", consumes=ANY_TYPE, statuses=(404, 429))
async def edit_for_sale(request: web.Request, user: web.CurrentUser, key: Word, body: EditForSaleIn) -> Some:
    """Put some objects up for sale and take others from it; ten times a minute."""
    decision = await request.hub.limits.ahit(f"{user.id}/{key}", EDITS)
    limits.enforce(decision)
    return await request.call(_edited, user, key, body, decision)


@event_routes.post("/actions/edit-for-sale-config", consumes=ANY_TYPE, statuses=(404, 429))
async def edit_for_sale_of_events(request: web.Request, user: web.CurrentUser, body: EditForSalesIn) -> Some:
    """The same for several events, all or none."""
    decisions = await request.hub.limits.ahit_all([(f"{user.id}/{key}", EDITS) for key in body.events])
    for decision in decisions:
        limits.enforce(decision)

    def edit(db: Db) -> Some:
        events.lock_all(db, workspace(db, user), body.events)
        wanted = zip(body.events.items(), decisions, strict=True)
        return {key: _edited(db, user, key, each, decision) for (key, each), decision in wanted}

    return await request.call(edit)


def _edited(db: Db, user: web.CurrentUser, key: str, body: EditForSaleIn, decision: Decision) -> Some:
    event = _one(db, user, key)
    add = [i.model_dump() for i in body.forSale or ()]
    remove = [i.model_dump() for i in body.notForSale or ()]
    changed = _set(db, event, sales.edited(event, add=add, remove=remove))
    told = {
        "rateLimitRemainingCalls": decision.remaining,
        "rateLimitResetDate": stamp(clock.precise() + timedelta(seconds=decision.reset_s)),
    }
    return {"forSaleConfig": changed.for_sale, "rateLimitInfo": told}


def _mark(db: Db, user: web.CurrentUser, key: str, for_sale: bool, body: ForSaleIn) -> None:
    _set(db, _one(db, user, key), sales.config({"forSale": for_sale, **body.model_dump()}))


def _set(db: Db, event: Event, config: sales.Config | None) -> Event:
    """A season hands it on to its events, unless it was told not to."""
    below = events.below(db, event) if event.for_sale_propagated else []
    events.change_all(db, [event, *below], for_sale=config)
    return events.by_id(db, event.id)


# -- channels ----------------------------------------------------------------------------------------------


@event_routes.post("/{key}/channels", status=204, consumes=ANY_TYPE, statuses=(400, 404))
def add_channels(
    db: Db, user: web.CurrentUser, key: Word, body: Annotated[ChannelIn | list[ChannelIn], Body()]
) -> None:
    """Add a channel, or several."""
    event = _one(db, user, key)
    given = [_named(c) for c in (body if isinstance(body, list) else [body])]
    events.change(db, event, channels=sales.added(event.channels, given))


@event_routes.post("/{key}/channels/replace", status=204, consumes=ANY_TYPE, statuses=(404,))
def replace_channels(db: Db, user: web.CurrentUser, key: Word, body: ChannelsIn) -> None:
    """These channels and no others."""
    channels = sales.added((), [c.model_dump() for c in body.channels])
    events.change(db, _one(db, user, key), channels=channels)


@event_routes.post("/{key}/channels/{channel}", status=204, consumes=ANY_TYPE, statuses=(404,))
def update_channel(db: Db, user: web.CurrentUser, key: Word, channel: Word, body: ChannelIn) -> None:
    """Change a channel."""
    event = _one(db, user, key)
    changes = body.model_dump(exclude_unset=True)
    events.change(db, event, channels=sales.updated(event, channel, changes))


@event_routes.delete("/{key}/channels/{channel}", statuses=(404,))
def remove_channel(db: Db, user: web.CurrentUser, key: Word, channel: Word) -> None:
    """Remove a channel."""
    event = _one(db, user, key)
    events.change(db, event, channels=sales.removed(event, channel))


@event_routes.post("/{key}/channels/{channel}/objects", status=204, consumes=ANY_TYPE, statuses=(404,))
def add_to_channel(db: Db, user: web.CurrentUser, key: Word, channel: Word, body: ChannelIn) -> None:
    """Sell these objects through a channel."""
    event = _one(db, user, key)
    events.change(db, event, channels=sales.with_objects(event, channel, body.model_dump(), there=True))


@event_routes.delete("/{key}/channels/{channel}/objects", consumes=ANY_TYPE, statuses=(404,))
def remove_from_channel(db: Db, user: web.CurrentUser, key: Word, channel: Word, body: ChannelIn) -> None:
    """Sell them through it no longer."""
    event = _one(db, user, key)
    events.change(db, event, channels=sales.with_objects(event, channel, body.model_dump(), there=False))


def _named(body: ChannelIn) -> Some:
    if body.key is None:
        raise Refused("GENERAL_ERROR", "#: required key [key] not found")
    return body.model_dump()
