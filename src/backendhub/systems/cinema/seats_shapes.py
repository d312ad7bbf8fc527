"""Bodies of the seats.io wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from .models import Refused
from .service.orders import Best, Order, Wanted

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
    forSalePropagated: bool | None = None


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

    def record(self) -> Wanted:
        """As the service takes it."""
        return Wanted(self.objectId, self.quantity, self.ticketType, self.extraData)


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

    def order(self, ip: str | None) -> Order:
        """As the service takes it."""
        if self.type != "RELEASE" and self.status is None:
            raise Refused("GENERAL_ERROR", "#: required key [status] not found")
        return Order(
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
    season: str | None = None


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

    def record(self) -> Best:
        """As the service takes it."""
        return Best(
            self.number,
            self.categories,
            self.zone,
            self.sections,
            self.accessibleSeats,
            self.tryToPreventOrphanSeats,
            ticket_types=self.ticketTypes,
            extras=self.extraData,
        )


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


class EditForSalesIn(BaseModel):
    """The same, by event."""

    events: Annotated[dict[Key, EditForSaleIn], Field(max_length=100)]


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


class SeasonIn(BaseModel):
    """A new season, or a part of one."""

    chartKey: str | None = None
    key: Key | None = None
    name: Annotated[str, Field(max_length=500)] | None = None
    numberOfEvents: Annotated[int, Field(ge=0, le=500)] | None = None
    eventKeys: Annotated[list[Key], Field(max_length=500)] | None = None
    tableBookingConfig: Some | None = None
    objectCategories: Some | None = None
    categories: Listed | None = None
    channels: Listed | None = None
    forSaleConfig: Some | None = None
    forSalePropagated: bool = True


class OverrideIn(BaseModel):
    """Objects that go their own way, or follow their season again."""

    objects: Annotated[list[Label], Field(max_length=1000)]
    season: str | None = None


class BuyersIn(BaseModel):
    """Ids of people who may buy."""

    ids: Annotated[list[Annotated[str, Field(min_length=1, max_length=100)] | None], Field(max_length=1000)]


class WorkspaceIn(BaseModel):
    """A workspace."""

    name: Label
    isTest: bool | None = None


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
