"""The wire of seats.io's clients: events, statuses, holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import WithJsonSchema

from backendhub.kit import web
from backendhub.kit.db import Db

from . import store
from .models import Event, Gone, Refused, Workspace
from .seats_out import (
    Some,
    change_shape,
    event_shape,
    event_shapes,
    object_shapes,
    paged,
    paged_with,
    token_shape,
)
from .seats_shapes import (
    ANY_TYPE,
    BatchIn,
    BestStatusIn,
    EventIn,
    EventsIn,
    ExtraIn,
    ExtrasIn,
    Label,
    ObjectsIn,
    OverrideIn,
    TokenIn,
)
from .service import changes, charts, events, seasons, seats, tokens
from .service.views import view
from .wire import After, Limit, Rest, Text, Word, event_routes, span, token_routes, workspace

Sort = Annotated[
    str | None,
    Query(max_length=60),
    WithJsonSchema(
        {"type": "string", "enum": [f"{s}{way}" for s in store.SORTS for way in ("", ":asc", ":desc")]}
    ),
]


def _one(db: Db, user: web.CurrentUser, key: str, *, lock: bool = False) -> Event:
    return events.get(db, workspace(db, user), key, lock=lock)


def _ip(request: web.Request) -> str | None:
    client = request.scope.get("client")
    return str(client[0]) if client else None


def _values(body: EventIn) -> Some:
    """What was said of an event. A date is a day, as text or in parts."""
    values = body.values()
    if (given := values.get("date")) is not None:
        try:
            text = given if isinstance(given, str) else "-".join(f"{int(p):02d}" for p in given)
            values["date"] = date.fromisoformat(text[:10]).isoformat()
        except (TypeError, ValueError, OverflowError):
            raise Refused("INVALID_DATE", "A date is YYYY-MM-DD.") from None
    return values


# -- events ------------------------------------------------------------------------------------------------


@event_routes.post("", status=201, consumes=ANY_TYPE, statuses=(400, 404))
def create_event(db: Db, user: web.CurrentUser, body: EventIn) -> Some:
    """Make an event of a chart."""
    own = workspace(db, user)
    made = events.create(db, own, charts.get(db, own, body.chartKey or ""), _values(body))
    return event_shape(db, made)


@event_routes.post("/actions/create-multiple", status=201, consumes=ANY_TYPE, statuses=(400, 404))
def create_events(db: Db, user: web.CurrentUser, body: EventsIn) -> Some:
    """Make several events of a chart, all or none."""
    own = workspace(db, user)
    chart = charts.get(db, own, body.chartKey)
    made = events.create_all(db, own, chart, [_values(each) for each in body.events])
    return {"events": event_shapes(db, made)}


@event_routes.get("")
def list_events(
    db: Db,
    user: web.CurrentUser,
    start_after_id: After = None,
    end_before_id: After = None,
    limit: Limit = 20,
) -> Some:
    """List events and seasons, the latest first."""
    page = events.find(db, workspace(db, user), span(start_after_id, end_before_id, limit))
    return paged_with(page, event_shapes(db, page.items))


@event_routes.get("/{key}", statuses=(404,))
def get_event(db: Db, user: web.CurrentUser, key: Word) -> Some:
    """Read an event."""
    return event_shape(db, _one(db, user, key))


@event_routes.post("/{key}", status=204, consumes=ANY_TYPE, statuses=(400, 404))
def update_event(db: Db, user: web.CurrentUser, key: Word, body: EventIn) -> None:
    """Change what is named of an event."""
    own, values = workspace(db, user), _values(body)
    event = events.get(db, own, key, lock=True)
    events.update(db, own, event, values)
    seasons.share(db, event, values)


@event_routes.delete("/{key}", statuses=(400, 404))
def delete_event(db: Db, user: web.CurrentUser, key: Word) -> None:
    """Delete an event."""
    events.delete(db, workspace(db, user), _one(db, user, key, lock=True))


@event_routes.post("/{key}/actions/move-to-new-chart-copy", statuses=(404,))
def move_event(db: Db, user: web.CurrentUser, key: Word) -> Some:
    """Give the event a copy of its chart for itself."""
    own = workspace(db, user)
    return event_shape(db, events.move(db, own, events.get(db, own, key, lock=True)))


# -- statuses ----------------------------------------------------------------------------------------------


@event_routes.post("/groups/actions/change-object-status", consumes=ANY_TYPE, statuses=(400, 404))
def change_statuses(
    db: Db,
    request: web.Request,
    user: web.CurrentUser,
    body: ObjectsIn,
    expand: Annotated[str, Query(max_length=20)] = "objects",
) -> Some:
    """Book, hold, release or change objects, at one event or several: all or none."""
    own = workspace(db, user)
    shared = len(body.events) == 1 and _side_by_side(db, own, body.events[0], body)
    events.lock_all(db, own, body.events, shared=shared)
    shapes: Some = {}
    for key in body.events:
        shapes |= _change(db, request, user, key, body, shared=shared)
    return {"objects": shapes}


@event_routes.post("/actions/change-object-status", consumes=ANY_TYPE, statuses=(400, 404))
def change_batch(
    db: Db,
    request: web.Request,
    user: web.CurrentUser,
    body: BatchIn,
    expand: Annotated[str, Query(max_length=20)] = "objects",
) -> Some:
    """Several changes in order, all or none."""
    events.lock_all(db, workspace(db, user), [each.event or "" for each in body.statusChanges])
    return {
        "results": [
            {"objects": _change(db, request, user, each.event or "", each)} for each in body.statusChanges
        ]
    }


@event_routes.post("/{key}/actions/change-object-status", consumes=ANY_TYPE, statuses=(400, 404))
def change_best(db: Db, request: web.Request, user: web.CurrentUser, key: Word, body: BestStatusIn) -> Some:
    """Book, hold or change the best seats that are left."""
    own = workspace(db, user)
    event = events.get(db, own, key, lock=True)
    order = body.order(_ip(request))
    seen, labels, together = seats.change_best(db, own, event, body.bestAvailable.record(), order)
    return {"objects": labels, "objectDetails": object_shapes(seen), "nextToEachOther": together}


def _side_by_side(db: Db, own: Workspace, key: str, body: ObjectsIn) -> bool:
    status = body.status if body.type == "CHANGE_STATUS_TO" else None
    return seats.side_by_side(db, own, key, [o.objectId for o in body.objects], status)


def _change(
    db: Db, request: web.Request, user: web.CurrentUser, key: str, body: ObjectsIn, *, shared: bool = False
) -> Some:
    own = workspace(db, user)
    event = events.get(db, own, key)
    labels = [o.objectId for o in body.objects]
    if body.type == "OVERRIDE_SEASON_STATUS":
        return object_shapes(seasons.override(db, event, labels, body.season))
    if body.type == "USE_SEASON_STATUS":
        return object_shapes(seasons.use(db, event, labels, body.season))
    order = replace(body.order(_ip(request)), shared=shared)
    return object_shapes(seats.change(db, own, event, [o.record() for o in body.objects], order))


@event_routes.post("/{key}/actions/override-season-status", status=204, consumes=ANY_TYPE, statuses=(404,))
def override_status(db: Db, user: web.CurrentUser, key: Word, body: OverrideIn) -> None:
    """These objects of an event have a status of their own from now on, whatever its season says."""
    seasons.override(db, _of_season(db, user, key), body.objects, body.season)


@event_routes.post("/{key}/actions/use-season-status", status=204, consumes=ANY_TYPE, statuses=(404,))
def use_status(db: Db, user: web.CurrentUser, key: Word, body: OverrideIn) -> None:
    """They have the status of the season again."""
    seasons.use(db, _of_season(db, user, key), body.objects, body.season)


def _of_season(db: Db, user: web.CurrentUser, key: str) -> Event:
    """An event, locked together with its season."""
    own = workspace(db, user)
    event = events.get(db, own, key)
    events.lock_all(db, own, [event.season_key or key])
    return events.get(db, own, key)


@event_routes.get("/{key}/objects", statuses=(404,))
def get_objects(
    db: Db, user: web.CurrentUser, key: Word, label: Annotated[list[Label], Query(max_length=200)]
) -> Some:
    """Read objects by label."""
    seen = view(db, _one(db, user, key), label)
    for name in label:
        seen.spot(name)
    return object_shapes(seen)


@event_routes.post("/{key}/objects/{label:path}", status=204, consumes=ANY_TYPE, statuses=(404,))
def update_extra(db: Db, user: web.CurrentUser, key: Word, label: Rest, body: ExtraIn) -> None:
    """Say something of an object (`…/actions/update-extra-data`)."""
    name, action, _ = label.rpartition("/actions/update-extra-data")
    if not action:
        raise Gone("ACTION_NOT_FOUND", "There is no such action.")
    seats.set_extra(db, _one(db, user, key, lock=True), {name: body.extraData})


@event_routes.post("/{key}/actions/update-extra-data", status=204, consumes=ANY_TYPE, statuses=(404,))
def update_extras(db: Db, user: web.CurrentUser, key: Word, body: ExtrasIn) -> None:
    """Say something of several objects."""
    seats.set_extra(db, _one(db, user, key, lock=True), body.extraData)


@event_routes.get("/{key}/status-changes", statuses=(404,))
def list_changes(
    db: Db,
    user: web.CurrentUser,
    key: Word,
    filter: Text = None,
    sort: Sort = None,
    start_after_id: After = None,
    end_before_id: After = None,
    limit: Limit = 20,
) -> Some:
    """The log of an event, the latest first unless sorted (`objectLabel`, `status`, `date`; `:asc`, `:desc`)."""
    event = _one(db, user, key)
    wanted = span(start_after_id, end_before_id, limit)
    page = changes.of_event(db, event, wanted, text=filter, sort=sort)
    absent = changes.absent(db, event, page)
    return paged(page, lambda c: change_shape(c, absent.get(c.label)))


@event_routes.get("/{key}/objects/{label:path}", statuses=(404,))
def list_changes_of(
    db: Db,
    user: web.CurrentUser,
    key: Word,
    label: Rest,
    start_after_id: After = None,
    end_before_id: After = None,
    limit: Limit = 20,
) -> Some:
    """The log of one object (`…/status-changes`)."""
    name, action, _ = label.rpartition("/status-changes")
    if not action:
        raise Gone("ACTION_NOT_FOUND", "There is no such action.")
    event = _one(db, user, key)
    page = changes.of_object(db, event, name, span(start_after_id, end_before_id, limit))
    absent = changes.absent(db, event, page)
    return paged(page, lambda c: change_shape(c, absent.get(c.label)))


# -- baskets -----------------------------------------------------------------------------------------------


@token_routes.post("", status=201, consumes=ANY_TYPE, statuses=(400,))
def create_token(db: Db, user: web.CurrentUser, body: TokenIn) -> Some:
    """Begin to hold: 15 minutes, unless told otherwise."""
    own = workspace(db, user)
    minutes = body.expiresInMinutes
    ttl = tokens.TTL if minutes is None else timedelta(minutes=minutes)
    return token_shape(tokens.add(db, own, ttl), own)


@token_routes.get("/{token}", statuses=(404,))
def get_token(db: Db, user: web.CurrentUser, token: Word) -> Some:
    """Read a hold token."""
    own = workspace(db, user)
    return token_shape(tokens.get(db, own, token), own)


@token_routes.post("/{token}", consumes=ANY_TYPE, statuses=(400, 404))
def extend_token(db: Db, user: web.CurrentUser, token: Word, body: TokenIn) -> Some:
    """Let it end so many minutes from now; 0 ends it."""
    own = workspace(db, user)
    ttl = timedelta(minutes=15 if body.expiresInMinutes is None else max(0, body.expiresInMinutes))
    return token_shape(tokens.extend(db, tokens.get(db, own, token), ttl), own)
