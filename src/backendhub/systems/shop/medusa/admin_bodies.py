"""What staff sends to the Admin API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from .common import Any_, Body, Long, Number, Quantity, Text, Word

Status = Literal["draft", "proposed", "published", "rejected"]
Words = Annotated[list[Word], Field(max_length=200)]


class PriceIn(Body):
    """A price of a variant; `rules.region_id` narrows it to a region."""

    amount: Number
    currency_code: Word
    min_quantity: Annotated[int, Field(ge=1)] | None = None
    rules: dict[str, Text] | None = None


class VariantIn(Body):
    """A new variant."""

    title: Word
    sku: Text | None = None
    barcode: Text | None = None
    options: dict[str, Text] = Field(default_factory=dict)
    manage_inventory: bool = True
    allow_backorder: bool = False
    variant_rank: Annotated[int, Field(ge=0, le=10**6)] = 0
    weight: Annotated[int, Field(ge=0, le=10**9)] | None = None
    metadata: Any_ | None = None
    prices: Annotated[list[PriceIn], Field(max_length=100)] = Field(default_factory=list)


class VariantPatch(Body):
    """What is to change about a variant; prices replace those that are in no list."""

    title: Word | None = None
    sku: Text | None = None
    barcode: Text | None = None
    options: dict[str, Text] | None = None
    manage_inventory: bool | None = None
    allow_backorder: bool | None = None
    variant_rank: Annotated[int, Field(ge=0, le=10**6)] | None = None
    weight: Annotated[int, Field(ge=0, le=10**9)] | None = None
    metadata: Any_ | None = None
    prices: Annotated[list[PriceIn], Field(max_length=100)] | None = None


class OptionIn(Body):
    """An option and its values."""

    title: Word
    values: Annotated[list[Word], Field(min_length=1, max_length=100)]


class Named(Body):
    """Something by its id."""

    id: Word


class Url(Body):
    """An image."""

    url: Word


class ProductIn(Body):
    """A new product, with its options and variants."""

    title: Word
    handle: Text | None = None
    subtitle: Text | None = None
    description: Long | None = None
    status: Status = "draft"
    thumbnail: Text | None = None
    images: Annotated[list[Url], Field(max_length=50)] = Field(default_factory=list)
    options: Annotated[list[OptionIn], Field(max_length=10)] = Field(default_factory=list)
    variants: Annotated[list[VariantIn], Field(max_length=200)] = Field(default_factory=list)
    categories: Annotated[list[Named], Field(max_length=50)] = Field(default_factory=list)
    collection_id: Text | None = None
    material: Text | None = None
    weight: Annotated[int, Field(ge=0, le=10**9)] | None = None
    origin_country: Text | None = None
    discountable: bool = True
    metadata: Any_ | None = None


class ProductPatch(Body):
    """What is to change about a product."""

    title: Word | None = None
    handle: Word | None = None
    subtitle: Text | None = None
    description: Long | None = None
    status: Status | None = None
    thumbnail: Text | None = None
    images: Annotated[list[Url], Field(max_length=50)] | None = None
    categories: Annotated[list[Named], Field(max_length=50)] | None = None
    collection_id: Text | None = None
    material: Text | None = None
    weight: Annotated[int, Field(ge=0, le=10**9)] | None = None
    origin_country: Text | None = None
    discountable: bool | None = None
    metadata: Any_ | None = None


class CategoryIn(Body):
    """A category."""

    name: Word
    handle: Text | None = None
    description: Long = ""
    parent_category_id: Text | None = None
    rank: Annotated[int, Field(ge=0, le=10**6)] = 0


class CollectionIn(Body):
    """A collection."""

    title: Word
    handle: Text | None = None
    metadata: Any_ | None = None


class RegionIn(Body):
    """A region."""

    name: Word
    currency_code: Word
    countries: Annotated[list[Word], Field(max_length=250)] = Field(default_factory=list)
    is_tax_inclusive: bool = False
    metadata: Any_ | None = None


class TaxIn(Body):
    """A tax rate of a country, or a province of it."""

    country_code: Word
    province_code: Text = ""
    rate: Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,6})?$")]
    name: Word = "Tax"
    code: Text = ""


class LocationIn(Body):
    """A place of stock."""

    name: Word
    address: Any_ | None = None


class LevelIn(Body):
    """Stock at a place."""

    location_id: Word
    stocked_quantity: Annotated[int, Field(ge=0, le=10**9)]


class LevelPatch(Body):
    """How many there are to be at a place."""

    stocked_quantity: Annotated[int, Field(ge=0, le=10**9)]


class ReservationIn(Body):
    """Pieces that are kept for somebody; without an end until they are given back."""

    inventory_item_id: Word
    location_id: Word
    quantity: Quantity
    expires_in: Annotated[int, Field(ge=1, le=30 * 24 * 3600)] | None = None


class ItemQuantity(Body):
    """So many of a line."""

    id: Word
    quantity: Quantity


class FulfillmentIn(Body):
    """What is packed; all that is left where nothing is said."""

    items: Annotated[list[ItemQuantity], Field(max_length=200)] | None = None


class LabelIn(Body):
    """A label of a parcel."""

    tracking_number: Text = ""
    tracking_url: Text = ""
    label_url: Text = ""


class ShipmentIn(Body):
    """A parcel that leaves."""

    labels: Annotated[list[LabelIn], Field(max_length=20)] | None = None


class CaptureIn(Body):
    """How much is taken; all that is left where nothing is said."""

    amount: Number | None = None


class RefundIn(Body):
    """How much goes back; all that was captured where nothing is said."""

    amount: Number | None = None
    note: Text = ""


class ReturnItem(Body):
    """So many of a line, and why."""

    id: Word
    quantity: Quantity
    reason_id: Text | None = None


class ReturnIn(Body):
    """What comes back."""

    order_id: Word
    items: Annotated[list[ReturnItem], Field(min_length=1, max_length=200)]
    location_id: Text | None = None
    note: Text = ""


class KeyIn(Body):
    """A publishable key."""

    title: Word
    type: Literal["publishable"] = "publishable"


class MethodIn(Body):
    """What a promotion takes off."""

    type: Literal["percentage", "fixed"]
    value: Number
    currency_code: Text | None = None
    target_type: Literal["items", "order", "shipping_methods"] = "items"


class PromotionIn(Body):
    """A promotion."""

    code: Word
    is_automatic: bool = False
    application_method: MethodIn
    status: Literal["active", "draft", "inactive"] = "active"
    limit: Annotated[int, Field(ge=0, le=10**9)] | None = None
    min_subtotal: Number | None = None
    products: Words = Field(default_factory=list)
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class PromotionPatch(Body):
    """What is to change about a promotion."""

    status: Literal["active", "draft", "inactive"] | None = None
    limit: Annotated[int, Field(ge=0, le=10**9)] | None = None
    ends_at: datetime | None = None


class PriceOfList(PriceIn):
    """A price in a list."""

    variant_id: Word


class PriceListIn(Body):
    """Prices for a time."""

    title: Word
    description: Long = ""
    type: Literal["sale", "override"] = "sale"
    status: Literal["active", "draft"] = "active"
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    prices: Annotated[list[PriceOfList], Field(max_length=1000)] = Field(default_factory=list)


class ShippingPrice(Body):
    """What a way to be shipped costs in a currency."""

    currency_code: Word
    amount: Number


class ShippingIn(Body):
    """A way to be shipped."""

    name: Word
    code: Word = "standard"
    countries: Annotated[list[Word], Field(max_length=250)] = Field(default_factory=list)
    rank: Annotated[int, Field(ge=0, le=10**6)] = 0
    prices: Annotated[list[ShippingPrice], Field(min_length=1, max_length=100)]


def said(body: Body) -> dict[str, Any]:
    """The members that came."""
    return body.model_dump(exclude_unset=True)
