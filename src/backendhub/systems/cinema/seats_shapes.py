"""Bodies of the seats.io wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from backendhub.kit.web.fields import NO_NUL, Integer

from . import plan
from .models import Refused
from .seats_out import Some
from .service.orders import Best, Order, Wanted

Text = Annotated[str, Field(max_length=500, pattern=NO_NUL)]
Label = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
Key = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00/]*$")]
Labels = Annotated[list[Label], Field(max_length=plan.MAX_SPOTS)]
Keys = Annotated[list[Text], Field(max_length=500)]
Places = Annotated[dict[Label, Annotated[Integer, Field(ge=0, le=10**6)]], Field(max_length=1000)]
ANY_TYPE = ("*/*",)
"""The clients send JSON without saying so."""


class ChartIn(BaseModel):
    """A chart's name, kind and categories."""

    name: Text | None = None
    venueType: Text | None = None
    categories: Annotated[list[Any] | None, Field(max_length=1000)] = None


class CategoryIn(BaseModel):
    """A category."""

    key: Integer | Label
    label: Label
    color: Text
    accessible: bool = False


class CategoryPatch(BaseModel):
    """What changes of a category."""

    label: Label | None = None
    color: Text | None = None
    accessible: bool | None = None


class TablesIn(BaseModel):
    """Whether tables are had as a whole."""

    mode: Literal["INHERIT", "ALL_BY_TABLE", "ALL_BY_SEAT", "CUSTOM"]
    tables: Annotated[dict[Label, Literal["BY_TABLE", "BY_SEAT"]] | None, Field(max_length=1000)] = None


class ForSaleIn(BaseModel):
    """What is for sale, or not."""

    objects: Labels | None = None
    areaPlaces: Places | None = None
    categories: Labels | None = None


class ForSaleConfigIn(ForSaleIn):
    """The same, saying which."""

    forSale: bool = False


class ChannelIn(BaseModel):
    """A channel, or what changes of it."""

    key: Key | None = None
    name: Text | None = None
    color: Text | None = None
    index: Integer | None = None
    objects: Labels | None = None
    areaPlaces: Places | None = None


class NewChannelIn(ChannelIn):
    """A channel of a new event."""

    key: Key


class _Common(BaseModel):
    tableBookingConfig: TablesIn | None = None
    objectCategories: Annotated[dict[Label, Integer | Label] | None, Field(max_length=plan.MAX_SPOTS)] = None
    categories: Annotated[list[CategoryIn] | None, Field(max_length=1000)] = None
    channels: Annotated[list[NewChannelIn] | None, Field(max_length=1000)] = None
    forSaleConfig: ForSaleConfigIn | None = None

    def values(self) -> Some:
        """What was said, as the service takes it."""
        found = self.model_dump(exclude_unset=True)
        if self.tableBookingConfig is not None:
            found["tableBookingConfig"] = self.tableBookingConfig.model_dump(exclude_none=True)
        return found


class EventIn(_Common):
    """A new event, or what changes of one."""

    chartKey: Text | None = None
    eventKey: Key | None = None
    name: Text | None = None
    date: Any = None
    isInThePast: bool | None = None
    forSalePropagated: bool | None = None


class EventsIn(BaseModel):
    """Several new events."""

    chartKey: Text
    events: Annotated[list[EventIn], Field(min_length=1, max_length=500)]


class ObjectIn(BaseModel):
    """An object of a change."""

    objectId: Label
    quantity: Annotated[Integer, Field(ge=1, le=10**6)] = 1
    ticketType: Text | None = None
    extraData: Some | None = None

    def record(self) -> Wanted:
        """As the service takes it."""
        return Wanted(self.objectId, self.quantity, self.ticketType, self.extraData)


class StatusIn(BaseModel):
    """A change of status."""

    type: Literal["CHANGE_STATUS_TO", "RELEASE", "OVERRIDE_SEASON_STATUS", "USE_SEASON_STATUS"] = (
        "CHANGE_STATUS_TO"
    )
    status: Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)] | None = None
    holdToken: Text | None = None
    orderId: Annotated[str, Field(max_length=200, pattern=NO_NUL)] | None = None
    keepExtraData: bool = False
    ignoreChannels: bool = False
    channelKeys: Keys | None = None
    allowedPreviousStatuses: Keys | None = None
    rejectedPreviousStatuses: Keys | None = None
    resaleListingId: Text | None = None

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
    events: Annotated[list[Text], Field(max_length=100)] = Field(default_factory=list)
    event: Text | None = None
    season: Text | None = None


class BatchIn(BaseModel):
    """Several changes, all or none."""

    statusChanges: Annotated[list[ObjectsIn], Field(max_length=100)]


class BestIn(BaseModel):
    """What the best seats have to be."""

    number: Annotated[Integer, Field(ge=1, le=10_000)]
    categories: Annotated[list[Integer | Text] | None, Field(max_length=1000)] = None
    zone: Text | None = None
    sections: Keys | None = None
    extraData: Annotated[list[Some] | None, Field(max_length=1000)] = None
    ticketTypes: Annotated[list[Text] | None, Field(max_length=1000)] = None
    tryToPreventOrphanSeats: bool = True
    accessibleSeats: Annotated[Integer, Field(ge=0, le=1000)] = 0

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

    expiresInMinutes: Annotated[Integer, Field(ge=0, le=527_040)] | None = None


class ExtraIn(BaseModel):
    """What is said of an object."""

    extraData: Some | None = None


class ExtrasIn(BaseModel):
    """What is said of objects, by label."""

    extraData: Annotated[dict[Label, Some | None], Field(max_length=10_000)] = Field(default_factory=dict)


class SaleItem(BaseModel):
    """An object, or so many places of an area."""

    object: Label
    quantity: Annotated[Integer, Field(ge=1, le=10**6)] | None = None


class EditForSaleIn(BaseModel):
    """What goes on sale and what off it."""

    forSale: Annotated[list[SaleItem] | None, Field(max_length=10_000)] = None
    notForSale: Annotated[list[SaleItem] | None, Field(max_length=10_000)] = None


class EditForSalesIn(BaseModel):
    """The same, by event."""

    events: Annotated[dict[Key, EditForSaleIn], Field(max_length=100)]


class ChannelsIn(BaseModel):
    """All channels of an event."""

    channels: Annotated[list[NewChannelIn], Field(max_length=1000)] = Field(default_factory=list)


class SeasonIn(_Common):
    """A new season, or a part of one."""

    chartKey: Text | None = None
    key: Key | None = None
    name: Text | None = None
    numberOfEvents: Annotated[Integer, Field(ge=0, le=500)] | None = None
    eventKeys: Annotated[list[Key] | None, Field(max_length=500)] = None
    forSalePropagated: bool = True


class OverrideIn(BaseModel):
    """Objects that go their own way, or follow their season again."""

    objects: Annotated[list[Label], Field(max_length=1000)]
    season: Text | None = None


class BuyersIn(BaseModel):
    """Ids of people who may buy."""

    ids: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)] | None],
        Field(max_length=1000),
    ]


class WorkspaceIn(BaseModel):
    """A workspace."""

    name: Label
    isTest: bool | None = None


def checked(categories: list[Any]) -> list[Some]:
    """Categories as they came. Raises Refused for what is none."""
    for n, each in enumerate(categories):
        try:
            plan.check_category(each)
        except ValueError as error:
            raise Refused("GENERAL_ERROR", f"#/categories/{n}: {error}") from None
    return categories
