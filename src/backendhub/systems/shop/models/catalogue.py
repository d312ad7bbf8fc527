"""What is sold, where, and for how much."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Key:
    """A publishable key: what a storefront sends along, no secret."""

    id: str
    token: str
    title: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Region:
    """Countries with one currency. `tax_inclusive`: prices hold the tax already."""

    id: str
    name: str
    currency: str
    tax_inclusive: bool
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Country:
    """A country of a region, by its ISO 3166 code in lower case."""

    iso2: str
    region_id: str


@dataclass(frozen=True, slots=True)
class TaxRate:
    """So many percent in a country, or in a province of it."""

    country: str
    province: str
    rate: str
    name: str
    code: str


@dataclass(frozen=True, slots=True)
class Collection:
    """Products that are shown together."""

    id: str
    title: str
    handle: str
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Category:
    """A place in the tree of categories; `path` is its ids from the root."""

    id: str
    name: str
    handle: str
    description: str
    parent_id: str | None
    path: str
    rank: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Product:
    """What is described; what is sold are its variants."""

    id: str
    handle: str
    title: str
    subtitle: str | None
    description: str | None
    status: str
    thumbnail: str | None
    images: list[str]
    options: list[dict[str, Any]]
    tags: list[str]
    material: str | None
    weight: int | None
    origin_country: str | None
    collection_id: str | None
    discountable: bool
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Variant:
    """One thing that can be bought: a value for each option of its product."""

    id: str
    product_id: str
    title: str
    sku: str | None
    barcode: str | None
    options: dict[str, str]
    manage_inventory: bool
    allow_backorder: bool
    rank: int
    weight: int | None
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices for a time. A sale shows the other price beside it, an override takes its place."""

    id: str
    title: str
    description: str
    type: str
    status: str
    starts_at: datetime | None
    ends_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Price:
    """What a variant costs in a currency: everywhere or in a region, from a quantity on."""

    id: str
    variant_id: str
    price_list_id: str | None
    region_id: str | None
    currency: str
    min_quantity: int
    amount: int


class Priced(NamedTuple):
    """The price that counts now, what it would be without price lists, and where it is from."""

    amount: int
    original: int
    price: Price
    list_type: str | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """Where stock is."""

    id: str
    name: str
    address: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Promotion:
    """Less to pay: by a code, or by itself."""

    id: str
    code: str
    automatic: bool
    kind: str
    percent: str | None
    amount: int | None
    currency: str | None
    min_subtotal: int
    products: list[str]
    label: str
    status: str
    starts_at: datetime | None
    ends_at: datetime | None
    usage_limit: int | None
    used: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ShippingOption:
    """A way to be shipped; of the options of one level those that name the country win."""

    id: str
    name: str
    code: str
    countries: list[str]
    rank: int
    created_at: datetime
    updated_at: datetime
