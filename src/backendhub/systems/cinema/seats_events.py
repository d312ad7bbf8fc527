"""The wire of seats.io's clients: events, statuses, holds, channels and their reports."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from fastapi import Query

from backendhub.kit import web
from backendhub.kit.db import Db

from .models import Event, Gone, Refused
from .seats_charts import After, Limit, Text, paged
from .seats_shapes import (
    ANY_TYPE,
    BatchIn,
    BestStatusIn,
    EventIn,
    EventsIn,
    ExtraIn,
    ObjectsIn,
    Some,
    TokenIn,
    change_shape,
    event_shape,
    object_shapes,
    token_shape,
)
from .service import charts, events, seats, tokens
from .wire import event_routes, token_routes, workspace

SORTS = {
    "objectLabel": lambda s: s["objectLabel"],
    "status": lambda s: s["status"],
    "date": lambda s: s["id"],
}


def _one(db: Db, user: web.CurrentUser, key: str) -> Event:
    return events.get(db, workspace(db, user), key)


def _ip(request: web.Request) -> str | None:
    client = request.scope.get("client")
    return str(client[0]) if client else None


def _values(body: EventIn) -> Some:
    """What was said of an event. A date is a day, as text or in parts."""
    values = body.model_dump(exclude_unset=True)
    if (given := values.get("date")) is not None:
        try:
            text = given if isinstance(given, str) else "-".join(f"{int(p):02d}" for p in given)
            values["date"] = date.fromisoformat(text[:10]).isoformat()
        except (TypeError, ValueError):
            raise Refused("INVALID_DATE", "A date is YYYY-MM-DD.") from None
    return values


# -- events ------------------------------------------------------------------------------------------------


@event_routes.post("", status=201, consumes=ANY_TYPE, statuses=(400, 404))
def create_event(db: Db, user: web.CurrentUser, body: EventIn) -> Some:
    """Make an event of a chart."""
    own = workspace(db, user)
    made = events.create(db, own, charts.chart(db, own, body.chartKey or ""), _values(body))
    return event_shape(db, made)


@event_routes.post("/actions/create-multiple", status=201, consumes=ANY_TYPE, statuses=(400, 404))
def create_events(db: Db, user: web.CurrentUser, body: EventsIn) -> Some:
    """Make several events of a chart, all or none."""
    own = workspace(db, user)
    chart = charts.chart(db, own, body.chartKey)
    made = [events.create(db, own, chart, _values(each)) for each in body.events]
    return {"events": [event_shape(db, e) for e in made]}


@event_routes.get("")
def list_events(
    db: Db,
    user: web.CurrentUser,
    start_after_id: After = None,
    end_before_id: After = None,
    limit: Limit = 20,
    filter: Text = None,
) -> Some:
    """List events, the latest first."""
    found, more, less = events.page(
        db, workspace(db, user), after=start_after_id, before=end_before_id, limit=limit
    )
    page: Some = {"items": [event_shape(db, e) for e in found]}
    if found and more:
        page["next_page_starts_after"] = found[-1].id
    if found and less:
        page["previous_page_ends_before"] = found[0].id
    return page


@event_routes.get("/{key}", statuses=(404,))
def get_event(db: Db, user: web.CurrentUser, key: str) -> Some:
    """Read an event."""
    return event_shape(db, _one(db, user, key))


@event_routes.post("/{key}", status=204, consumes=ANY_TYPE, statuses=(400, 404))
def update_event(db: Db, user: web.CurrentUser, key: str, body: EventIn) -> None:
    """Change what is named of an event."""
    events.update(db, workspace(db, user), _one(db, user, key), _values(body))


@event_routes.delete("/{key}", statuses=(404,))
def delete_event(db: Db, user: web.CurrentUser, key: str) -> None:
    """Delete an event."""
    events.delete(db, _one(db, user, key))


@event_routes.post("/{key}/actions/move-to-new-chart-copy", statuses=(404,))
def move_event(db: Db, user: web.CurrentUser, key: str) -> Some:
    """Give the event a copy of its chart for itself."""
    own = workspace(db, user)
    return event_shape(db, events.move(db, own, events.get(db, own, key)))


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
    shapes: Some = {}
    for key in body.events:
        shapes |= _change(db, request, user, key, body)
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
    return {
        "results": [
            {"objects": _change(db, request, user, each.event or "", each)} for each in body.statusChanges
        ]
    }


@event_routes.post("/{key}/actions/change-object-status", consumes=ANY_TYPE, statuses=(400, 404))
def change_best(db: Db, request: web.Request, user: web.CurrentUser, key: str, body: BestStatusIn) -> Some:
    """Book, hold or change the best seats that are left."""
    own, wanted = workspace(db, user), body.bestAvailable
    seen, labels, together = seats.change_best(
        db,
        own,
        events.get(db, own, key),
        wanted.number,
        body.order(_ip(request)),
        categories=wanted.categories,
        zone=wanted.zone,
        sections=wanted.sections,
        accessible=wanted.accessibleSeats,
        prevent_orphans=wanted.tryToPreventOrphanSeats,
        ticket_types=wanted.ticketTypes,
        extras=wanted.extraData,
    )
    shapes = object_shapes(seen)
    return {"objects": labels, "objectDetails": shapes, "nextToEachOther": together}


def _change(db: Db, request: web.Request, user: web.CurrentUser, key: str, body: ObjectsIn) -> Some:
    own = workspace(db, user)
    wanted = [o.record() for o in body.objects]
    seen = seats.change(db, own, events.get(db, own, key), wanted, body.order(_ip(request)))
    return object_shapes(seen)


@event_routes.get("/{key}/objects", statuses=(404,))
def get_objects(
    db: Db, user: web.CurrentUser, key: str, label: Annotated[list[str], Query(max_length=1000)]
) -> Some:
    """Read objects by label."""
    seen = seats.view(db, _one(db, user, key), label)
    if missing := [name for name in label if name not in seen.spots]:
        raise Gone("OBJECT_NOT_FOUND", f"Object not found: {missing[0]}")
    return object_shapes(seen)


@event_routes.post("/{key}/objects/{label:path}", status=204, consumes=ANY_TYPE, statuses=(404,))
def update_extra(db: Db, user: web.CurrentUser, key: str, label: str, body: ExtraIn) -> None:
    """Say something of an object (`…/actions/update-extra-data`)."""
    name, action, _ = label.rpartition("/actions/update-extra-data")
    if not action:
        raise Gone("ACTION_NOT_FOUND", "There is no such action.")
    seats.set_extra(db, _one(db, user, key), {name: body.extraData})


@event_routes.post("/{key}/actions/update-extra-data", status=204, consumes=ANY_TYPE, statuses=(404,))
def update_extras(db: Db, user: web.CurrentUser, key: str, body: ExtraIn) -> None:
    """Say something of several objects."""
    seats.set_extra(db, _one(db, user, key), body.extraData or {})


@event_routes.get("/{key}/status-changes", statuses=(404,))
def list_changes(
    db: Db,
    user: web.CurrentUser,
    key: str,
    filter: Text = None,
    sort: Text = None,
    start_after_id: After = None,
    end_before_id: After = None,
    limit: Limit = 20,
) -> Some:
    """The log of an event, the latest first unless sorted (`objectLabel`, `status`, `date`; `:asc`, `:desc`)."""
    event = _one(db, user, key)
    shapes = _logged(db, event, None)
    if filter:
        shapes = [s for s in shapes if filter in s["objectLabel"]]
    if sort:
        name, _, way = sort.partition(":")
        if name not in SORTS:
            raise Refused("INVALID_SORT", f"There is no sort {name}.")
        shapes.sort(key=lambda s: s["id"])
        shapes.sort(key=SORTS[name], reverse=way == "desc")
    return _placed(shapes, start_after_id, end_before_id, limit)


@event_routes.get("/{key}/objects/{label:path}", statuses=(404,))
def list_changes_of(
    db: Db,
    user: web.CurrentUser,
    key: str,
    label: str,
    start_after_id: After = None,
    end_before_id: After = None,
    limit: Limit = 20,
) -> Some:
    """The log of one object (`…/status-changes`)."""
    name, action, _ = label.rpartition("/status-changes")
    if not action:
        raise Gone("ACTION_NOT_FOUND", "There is no such action.")
    return paged(_logged(db, _one(db, user, key), name), start_after_id, end_before_id, limit)


def _logged(db: Db, event: Event, label: str | None) -> list[Some]:
    found = seats.changes(db, event, label)
    spots = charts.spots_of(db, event.chart_id, {c.label for c in found})
    shapes = []
    for c in found:
        spot = spots.get(c.label)
        present = spot is not None and events.counts(event, spot)
        why = None if present else "SWITCHED_TO_BOOK_BY_SEAT" if spot is not None else "REMOVED"
        shapes.append(change_shape(c, present, why))
    return shapes


def _placed(shapes: list[Some], after: int | None, before: int | None, limit: int) -> Some:
    """A page of what is sorted in any way: behind, or in front of, the row of an id."""
    ids = [s["id"] for s in shapes]
    if before in ids:
        end = ids.index(before)
        start = max(0, end - limit)
    else:
        start = ids.index(after) + 1 if after in ids else 0
        end = start + limit
    page: Some = {"items": shapes[start:end]}
    if page["items"] and end < len(ids):
        page["next_page_starts_after"] = ids[end - 1]
    if page["items"] and start > 0:
        page["previous_page_ends_before"] = ids[start]
    return page


# -- baskets -----------------------------------------------------------------------------------------------


@token_routes.post("", status=201, consumes=ANY_TYPE, statuses=(400,))
def create_token(db: Db, user: web.CurrentUser, body: TokenIn) -> Some:
    """Begin to hold: 15 minutes, unless told otherwise."""
    own = workspace(db, user)
    minutes = body.expiresInMinutes
    ttl = tokens.TOKEN_TTL if minutes is None else timedelta(minutes=minutes)
    return token_shape(tokens.add(db, own, ttl), own)


@token_routes.get("/{token}", statuses=(404,))
def get_token(db: Db, user: web.CurrentUser, token: str) -> Some:
    """Read a hold token."""
    own = workspace(db, user)
    return token_shape(tokens.get(db, own, token), own)


@token_routes.post("/{token}", consumes=ANY_TYPE, statuses=(400, 404))
def extend_token(db: Db, user: web.CurrentUser, token: str, body: TokenIn) -> Some:
    """Let it end so many minutes from now; 0 ends it."""
    own = workspace(db, user)
    ttl = timedelta(minutes=15 if body.expiresInMinutes is None else max(0, body.expiresInMinutes))
    return token_shape(tokens.extend(db, tokens.get(db, own, token), ttl), own)
