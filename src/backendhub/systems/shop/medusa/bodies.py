"""What clients of the Store API send."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from .common import Any_, Body, Quantity, Text, Word

Metadata = Any_ | None
Codes = Annotated[list[Word], Field(max_length=50)]


class AddressIn(Body):
    """An address."""

    first_name: Text | None = None
    last_name: Text | None = None
    company: Text | None = None
    address_1: Text | None = None
    address_2: Text | None = None
    city: Text | None = None
    country_code: Text | None = None
    province: Text | None = None
    postal_code: Text | None = None
    phone: Text | None = None
    metadata: Metadata = None


class LineIn(Body):
    """So many of a variant."""

    variant_id: Word
    quantity: Quantity
    metadata: Metadata = None


class LinePatch(Body):
    """How many there are to be; 0 takes the line out."""

    quantity: Annotated[int, Field(ge=0, le=1_000_000)]
    metadata: Metadata = None


class CartPatch(Body):
    """What is to change about a cart. An address may be the id of one in the customer's book."""

    region_id: Text | None = None
    email: Text | None = None
    shipping_address: AddressIn | Text | None = None
    billing_address: AddressIn | Text | None = None
    sales_channel_id: Text | None = None
    metadata: Metadata = None
    promo_codes: Codes | None = None


class CartIn(CartPatch):
    """A new cart."""

    currency_code: Text | None = None
    items: Annotated[list[LineIn], Field(max_length=200)] = Field(default_factory=list)


class CodesIn(Body):
    """Promotion codes."""

    promo_codes: Codes


class MethodIn(Body):
    """The way to be shipped."""

    option_id: Word
    data: Any_ | None = None


class CollectionIn(Body):
    """Whose payment it is."""

    cart_id: Word


class SessionIn(Body):
    """How to pay."""

    provider_id: Word
    data: Any_ | None = None


class CustomerPatch(Body):
    """What is to change about a customer."""

    first_name: Text | None = None
    last_name: Text | None = None
    phone: Text | None = None
    company_name: Text | None = None
    metadata: Metadata = None


class CustomerIn(CustomerPatch):
    """A customer; the address is that of the account."""

    email: Word


class BookIn(AddressIn):
    """An address for the book."""

    address_name: Text | None = None
    is_default_shipping: bool | None = None
    is_default_billing: bool | None = None


class Credentials(Body):
    """What somebody signs in with."""

    email: Word
    password: Annotated[str, Field(min_length=1, max_length=1000)]


def sent(body: Body, **names: str) -> dict[str, Any]:
    """The members that came, under other names where those are given."""
    return {names.get(k, k): v for k, v in body.model_dump(exclude_unset=True).items()}
