"""Bodies and answers of the seats.io wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from backendhub.kit import clock
from backendhub.kit.db import Db

from . import plan
from .models import Change, Chart, Event, Refused, Token, Workspace
from .service import charts, events, reports, seats

Label = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Key = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00/]*$")]
Listed = Annotated[list[Any], Field(max_length=1000)]
Some = dict[str, Any]
ANY_TYPE = ("*/*",)
"""The clients send JSON without saying so."""


class ChartIn(BaseModel):
    """A chart's name, kind and categories."""

    name: Annotated[str, Field(max_length=500)] | None = None
    venueType: str | None = None
    categories: Listed | None = None


class CategoryIn(BaseModel):
    """A category."""

    key: int | str
    label: Label
    color: str
    accessible: bool = False


class CategoryPatch(BaseModel):
    """What changes of a category."""

    label: Label | None = None
    color: str | None = None
    accessible: bool | None = None


class EventIn(BaseModel):
    """A new event, or what changes of one."""

    chartKey: str | None = None
    eventKey: Key | None = None
    name: Annotated[str, Field(max_length=500)] | None = None
    date: Any = None
    tableBookingConfig: Some | None = None
    objectCategories: Some | None = None
    categories: Listed | None = None
    channels: Listed | None = None
    forSaleConfig: Some | None = None
    isInThePast: bool | None = None


class EventsIn(BaseModel):
    """Several new events."""

    chartKey: str
    events: Annotated[list[EventIn], Field(min_length=1, max_length=500)]


class ObjectIn(BaseModel):
    """An object of a change."""

    objectId: Label
    quantity: int = 1
    ticketType: str | None = None
    extraData: Some | None = None

    def record(self) -> seats.Wanted:
        """As the service takes it."""
        return seats.Wanted(self.objectId, self.quantity, self.ticketType, self.extraData)


class StatusIn(BaseModel):
    """A change of status."""

    type: str = "CHANGE_STATUS_TO"
    status: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    holdToken: str | None = None
    orderId: Annotated[str, Field(max_length=200)] | None = None
    keepExtraData: bool = False
    ignoreChannels: bool = False
    channelKeys: list[str] | None = None
    allowedPreviousStatuses: list[str] | None = None
    rejectedPreviousStatuses: list[str] | None = None
    resaleListingId: str | None = None

    def order(self, ip: str | None) -> seats.Order:
        """As the service takes it."""
        if self.type != "RELEASE" and self.status is None:
            raise Refused("GENERAL_ERROR", "#: required key [status] not found")
        return seats.Order(
            "free" if self.type == "RELEASE" else self.status or "free",
            self.holdToken,
            self.orderId,
            self.keepExtraData,
            self.ignoreChannels,
            self.channelKeys,
            self.allowedPreviousStatuses,
            self.rejectedPreviousStatuses,
            self.resaleListingId,
            ip=ip,
        )


class ObjectsIn(StatusIn):
    """A change of the status of objects, at one event or several."""

    objects: Annotated[list[ObjectIn], Field(max_length=1000)]
    events: Annotated[list[str], Field(max_length=100)] = Field(default_factory=list)
    event: str | None = None


class BatchIn(BaseModel):
    """Several changes, all or none."""

    statusChanges: Annotated[list[ObjectsIn], Field(max_length=100)]


class BestIn(BaseModel):
    """What the best seats have to be."""

    number: Annotated[int, Field(ge=1, le=10_000)]
    categories: list[Any] | None = None
    zone: str | None = None
    sections: list[str] | None = None
    extraData: list[Some] | None = None
    ticketTypes: list[str] | None = None
    tryToPreventOrphanSeats: bool = True
    accessibleSeats: int = 0


class BestStatusIn(StatusIn):
    """A change of the status of the best seats."""

    bestAvailable: BestIn


class TokenIn(BaseModel):
    """How long a basket lasts."""

    expiresInMinutes: int | None = None


class ExtraIn(BaseModel):
    """What is said of an object, or of several by label."""

    extraData: Some | None = None


class ForSaleIn(BaseModel):
    """What is for sale, or not."""

    objects: list[str] = Field(default_factory=list)
    areaPlaces: dict[str, int] = Field(default_factory=dict)
    categories: list[str] = Field(default_factory=list)


class SaleItem(BaseModel):
    """An object, or so many places of an area."""

    object: Label
    quantity: int | None = None


class EditForSaleIn(BaseModel):
    """What goes on sale and what off it."""

    forSale: list[SaleItem] | None = None
    notForSale: list[SaleItem] | None = None


class ChannelIn(BaseModel):
    """A channel, or what changes of it."""

    key: Key | None = None
    name: str | None = None
    color: str | None = None
    index: int | None = None
    objects: list[str] | None = None
    areaPlaces: dict[str, int] | None = None


class ChannelsIn(BaseModel):
    """All channels of an event."""

    channels: list[ChannelIn] = Field(default_factory=list)


class WorkspaceIn(BaseModel):
    """A workspace."""

    name: Label
    isTest: bool | None = None


def stamp(moment: datetime) -> str:
    """A time as the clients read it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def checked(categories: list[Any]) -> list[Some]:
    """Categories as they came. Raises Refused for what is no object."""
    for n, each in enumerate(categories):
        if not isinstance(each, dict):
            found = {str: "String", int: "Integer", list: "JSONArray", bool: "Boolean"}.get(
                type(each), "Null"
            )
            message = f"#/categories/{n}: expected type: JSONObject, found: {found}"
            raise Refused("GENERAL_ERROR", message)
    return categories


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


def chart_shape(db: Db, found: Chart, expand: list[str] | None = None) -> Some:
    """A chart, with what was asked for beside it."""
    wanted = expand or []
    shape: Some = {
        "id": found.id,
        "key": found.key,
        "status": found.status,
        "name": found.name,
        "publishedVersionThumbnailUrl": f"/charts/{found.key}/version/published/thumbnail",
        "draftVersionThumbnailUrl": None,
        "tags": found.tags,
        "archived": found.archived,
    }
    if found.status == "PUBLISHED_WITH_DRAFT":
        shape["draftVersionThumbnailUrl"] = f"/charts/{found.key}/version/draft/thumbnail"
    if "events" in wanted:
        shape["events"] = [event_shape(db, e) for e in events.of_chart(db, found)]
    if "validation" in wanted:
        shape["validation"] = {"errors": [], "warnings": []}
    if {"venueType", "zones"} & set(wanted):
        drawing = charts.drawing(db, found)
        if "venueType" in wanted:
            kind = str(drawing.get("venueType"))
            shape["venueType"] = "WITH_ZONES" if kind == "ZONES" else kind
        if "zones" in wanted:
            listed = (drawing.get("zones") or {}).get("list")
            shape["zones"] = [{"key": z["key"], "label": z["label"]} for z in listed] if listed else None
    return shape


def event_shape(db: Db, event: Event) -> Some:
    """An event."""
    chart = charts.chart_of(db, event)
    drawing = charts.drawing(db, chart)
    return {
        "id": event.id,
        "key": event.key,
        "name": event.name,
        "date": event.date,
        "chartKey": chart.key,
        "tableBookingConfig": event.tables,
        "supportsBestAvailable": True,
        "forSaleConfig": event.for_sale,
        "createdOn": stamp(event.created_at),
        "updatedOn": stamp(event.updated_at) if event.updated_at else None,
        "channels": event.channels or None,
        "isTopLevelSeason": False,
        "isPartialSeason": False,
        "isEventInSeason": False,
        "topLevelSeasonKey": None,
        "objectCategories": event.object_categories,
        "categories": [
            {
                "key": c["key"],
                "label": c["label"],
                "color": c["color"],
                "accessible": bool(c.get("accessible")),
            }
            for c in events.categories(event, drawing)
        ]
        or plan.categories(drawing),
        "isInThePast": event.in_past,
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


def change_shape(found: Change, present: bool, why: str | None) -> Some:
    """An entry of the log."""
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
        "isPresentOnChart": present,
        "notPresentOnChartReason": why,
    }


def object_shapes(seen: seats.View) -> Some:
    """Objects by label."""
    return {label: reports.of_event(seen, label) for label in seen.spots}
