"""Answers of the seats.io wire."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db

from . import plan
from .models import EVENT, PARTIAL, SEASON, Change, Chart, Entry, Event, Token, Workspace
from .service import charts, events, reports
from .service.views import View
from .service.workspaces import Part

Some = dict[str, Any]


def stamp(moment: datetime) -> str:
    """A time as the clients read it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def paged(page: Part[Any], shape: Callable[[Any], Any]) -> Some:
    """A part of a listing."""
    found: Some = {"items": [shape(item) for item in page.items]}
    if page.next is not None:
        found["next_page_starts_after"] = page.next
    if page.previous is not None:
        found["previous_page_ends_before"] = page.previous
    return found


def paged_with(page: Part[Any], shapes: Sequence[Some]) -> Some:
    """The same, of shapes that were made together."""
    shape = iter(shapes)
    return paged(page, lambda _: next(shape))


def workspace_shape(found: Workspace) -> Some:
    """A workspace."""
    return {
        "id": found.id,
        "name": found.name,
        "key": found.key,
        "secretKey": found.secret_key,
        "isTest": found.is_test,
        "isActive": found.is_active,
        "isDefault": found.is_default,
    }


def entry_shape(found: Entry) -> Some:
    """An entry of a workspace's log."""
    return {"id": found.id, "type": found.type, "timestamp": stamp(found.at), "data": found.data}


def chart_shape(db: Db, found: Chart, expand: Sequence[str] = ()) -> Some:
    """A chart, with what was asked for beside it."""
    return chart_shapes(db, [found], expand)[0]


def chart_shapes(db: Db, found: Sequence[Chart], expand: Sequence[str] = ()) -> list[Some]:
    """Charts, with what was asked for beside them."""
    shapes = [_chart(each) for each in found]
    if "events" in expand:
        of = events.of_charts(db, found)
        told = {s["id"]: s for s in event_shapes(db, [event for listed in of.values() for event in listed])}
        for each, shape in zip(found, shapes, strict=True):
            shape["events"] = [told[event.id] for event in of[each.id]]
    if {"venueType", "zones", "validation"} & set(expand):
        drawings = charts.drawings(db, found)
        for each, shape in zip(found, shapes, strict=True):
            shape |= _drawn(drawings[each.id], expand)
    return shapes


def _chart(found: Chart) -> Some:
    draft = f"/charts/{found.key}/version/draft/thumbnail" if found.status == charts.WITH_DRAFT else None
    return {
        "id": found.id,
        "key": found.key,
        "status": found.status,
        "name": found.name,
        "publishedVersionThumbnailUrl": f"/charts/{found.key}/version/published/thumbnail",
        "draftVersionThumbnailUrl": draft,
        "tags": found.tags,
        "archived": found.archived,
    }


def _drawn(drawing: Some, expand: Sequence[str]) -> Some:
    shape: Some = {}
    if "validation" in expand:
        shape["validation"] = plan.validation(drawing)
    if "venueType" in expand:
        kind = str(drawing.get("venueType"))
        shape["venueType"] = "WITH_ZONES" if kind == "ZONES" else kind
    if "zones" in expand:
        listed = (drawing.get("zones") or {}).get("list")
        shape["zones"] = [{"key": z["key"], "label": z["label"]} for z in listed] if listed else None
    return shape


def event_shapes(db: Db, found: Sequence[Event]) -> list[Some]:
    """Events, with the partial seasons that they are in."""
    parts = events.parts_of(db, found)
    return [_event(each, parts.get(each.id)) for each in found]


def event_shape(db: Db, event: Event) -> Some:
    """An event; a season with its own."""
    if event.kind == EVENT:
        return event_shapes(db, [event])[0]
    below = events.below(db, event)
    members = event_shapes(db, [e for e in below if e.kind == EVENT])
    keys = [e.key for e in below if e.kind == PARTIAL]
    return _event(event, None) | {"events": members, "partialSeasonKeys": keys}


def _event(event: Event, parts: list[str] | None) -> Some:
    shape: Some = {
        "id": event.id,
        "key": event.key,
        "name": event.name,
        "date": event.date,
        "chartKey": event.chart_key,
        "tableBookingConfig": event.tables,
        "supportsBestAvailable": True,
        "forSaleConfig": event.for_sale,
        "createdOn": stamp(event.created_at),
        "updatedOn": stamp(event.updated_at) if event.updated_at else None,
        "channels": event.channels or None,
        "isTopLevelSeason": event.kind == SEASON,
        "isPartialSeason": event.kind == PARTIAL,
        "isEventInSeason": event.kind == EVENT and event.season_id is not None,
        "topLevelSeasonKey": event.season_key,
        "objectCategories": event.object_categories,
        "categories": [_category(c) for c in events.categories(event)],
        "isInThePast": event.in_past,
    }
    if event.kind != EVENT:
        shape |= {"isSeason": True, "forSalePropagated": event.for_sale_propagated}
        shape |= {"events": [], "partialSeasonKeys": []}
    elif event.season_id is not None:
        shape["partialSeasonKeysForEvent"] = parts or []
    return shape


def _category(found: Some) -> Some:
    return {
        "key": found["key"],
        "label": found["label"],
        "color": found["color"],
        "accessible": bool(found.get("accessible")),
    }


def token_shape(found: Token, workspace: Workspace) -> Some:
    """A basket."""
    left = int((found.expires_at - clock.precise()).total_seconds())
    return {
        "holdToken": found.token,
        "expiresAt": stamp(found.expires_at),
        "expiresInSeconds": max(0, left),
        "workspaceKey": workspace.key,
    }


def change_shape(found: Change, why: str | None) -> Some:
    """An entry of an event's log. `why` it is on the chart no longer, if it is not."""
    return {
        "id": found.id,
        "status": found.status,
        "date": stamp(found.at),
        "objectLabel": found.label,
        "quantity": found.quantity,
        "eventId": found.event_id,
        "orderId": found.order_id,
        "extraData": found.extra,
        "holdToken": found.token,
        "origin": {"type": found.origin, "ip": found.ip},
        "isPresentOnChart": why is None,
        "notPresentOnChartReason": why,
    }


def object_shapes(seen: View) -> Some:
    """Objects by label."""
    return {label: reports.of_event(seen, label) for label in seen.spots}
