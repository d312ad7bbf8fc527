"""What agents send. What the shop does not act on is left aside."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Word = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]
Text = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]
Any_ = dict[str, Any]


class ItemIn(BaseModel):
    """What is bought: the id of a variant or product, a SKU, or a handle."""

    id: Word


class LineIn(BaseModel):
    """So many of it. Prices and titles that an agent sends are not looked at."""

    id: Word | None = None
    item: ItemIn
    quantity: Annotated[int, Field(ge=1, le=1_000_000)]


class DestinationIn(BaseModel):
    """Where to ship."""

    id: Word | None = None
    full_name: Text | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    street_address: Text | None = None
    extended_address: Text | None = None
    address_locality: Text | None = None
    address_region: Text | None = None
    postal_code: Text | None = None
    address_country: Text | None = None
    phone_number: Text | None = None


class GroupIn(BaseModel):
    """Which option was chosen for a group of lines."""

    id: Text | None = None
    selected_option_id: Text | None = None


class MethodIn(BaseModel):
    """How lines come to the buyer. The shop ships everything together."""

    id: Text | None = None
    type: Literal["shipping"] = "shipping"
    destinations: Annotated[list[DestinationIn], Field(max_length=20)] | None = None
    selected_destination_id: Text | None = None
    groups: Annotated[list[GroupIn], Field(max_length=20)] | None = None


class FulfillmentIn(BaseModel):
    """The fulfilment extension."""

    methods: Annotated[list[MethodIn], Field(max_length=1)] | None = None


class DiscountsIn(BaseModel):
    """The discount extension."""

    codes: Annotated[list[Word], Field(max_length=10)] | None = None


class BuyerIn(BaseModel):
    """Who buys; the consent extension may stand in it."""

    model_config = ConfigDict(extra="allow")

    email: Text | None = None
    first_name: Text | None = None
    last_name: Text | None = None


class PaymentIn(BaseModel):
    """What the agent means to pay with; credentials are never kept."""

    selected_instrument_id: Text | None = None
    instruments: Annotated[list[Any_], Field(max_length=20)] | None = None


class SessionIn(BaseModel):
    """A checkout, new or changed."""

    line_items: Annotated[list[LineIn], Field(min_length=1, max_length=100)]
    currency: Text | None = None
    buyer: BuyerIn | None = None
    payment: PaymentIn | None = None
    discounts: DiscountsIn | None = None
    fulfillment: FulfillmentIn | None = None


class CompleteIn(BaseModel):
    """The payment instrument with its credential."""

    payment_data: Any_
    risk_signals: Any_ | None = None


class Counted(BaseModel):
    """So many of a line."""

    id: Word
    quantity: Annotated[int, Field(ge=1)]


class EventIn(BaseModel):
    """What an agent has seen of a shipment."""

    id: Word
    occurred_at: AwareDatetime
    type: Word
    line_items: list[Counted] = Field(default_factory=list)
    tracking_number: Text | None = None
    tracking_url: Text | None = None
    carrier: Text | None = None
    description: Text | None = None


class AdjustmentIn(BaseModel):
    """What an agent asks to be put right."""

    id: Word
    type: Word
    occurred_at: AwareDatetime
    status: Literal["pending", "completed", "failed"]
    line_items: list[Counted] | None = None
    amount: Annotated[int, Field(ge=0)] | None = None
    description: Text | None = None


class ShippedIn(BaseModel):
    """The events of an order."""

    events: Annotated[list[EventIn], Field(max_length=100)] | None = None


class OrderIn(BaseModel):
    """An order as an agent sends it back. Only what it has to tell is looked at."""

    fulfillment: ShippedIn | None = None
    adjustments: Annotated[list[AdjustmentIn], Field(max_length=100)] | None = None


def kept(model: BaseModel) -> Any_:
    """A body as JSON, what was not said left out."""
    return model.model_dump(mode="json", exclude_none=True)
