"""Customers: guests by their e-mail address, and those with an account; their address books."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backendhub.kit import clock
from backendhub.kit.accounts import users
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, NotFound, Unauthenticated
from backendhub.systems.shop import store
from backendhub.systems.shop.models import Address, Customer

from .naming import country, metadata, new, stamps, total

FIELDS = (
    "first_name",
    "last_name",
    "company",
    "address_1",
    "address_2",
    "city",
    "country_code",
    "province",
    "postal_code",
    "phone",
)
SAME = ("address_1", "city", "province", "postal_code", "country_code")
"""What makes two addresses the same place."""


def add(db: Db, *, email: str, user_id: str | None = None, id: str | None = None, **about: Any) -> Customer:
    """Adds a customer; one with an account takes over the carts and orders of the guest with that address only where
    `adopt` is called. Raises Invalid, Conflict where the account has a customer already."""
    if user_id is not None and db.one(Customer, store.CUSTOMER_OF_USER, user_id=user_id) is not None:
        raise Conflict("Request already authenticated as a customer.")
    kept = users.email(email)
    return db.insert(
        Customer,
        "shop_customer",
        id=id or new("cus"),
        user_id=user_id,
        email=kept,
        email_key=users.folded(kept),
        first_name=about.get("first_name"),
        last_name=about.get("last_name"),
        phone=about.get("phone"),
        company_name=about.get("company_name"),
        metadata=metadata(about.get("metadata")),
        **stamps(),
    )


def get(db: Db, id: str) -> Customer:
    """A customer. Raises NotFound."""
    found = db.one(Customer, store.CUSTOMER, id=id)
    if found is None:
        raise NotFound(f"Customer with id: {id[:80]} was not found")
    return found


def of_user(db: Db, user_id: str | None) -> Customer | None:
    """The customer of an account."""
    return db.one(Customer, store.CUSTOMER_OF_USER, user_id=user_id) if user_id else None


def mine(db: Db, user_id: str | None) -> Customer:
    """The customer of an account. Raises Unauthenticated where it has none."""
    found = of_user(db, user_id)
    if found is None:
        raise Unauthenticated("Unauthorized", hint="POST /store/customers makes the customer of an account")
    return found


def guest(db: Db, email: str) -> Customer:
    """The guest with this address, made where there is none."""
    kept = users.email(email)
    known = db.one(Customer, store.GUEST_BY_EMAIL, email_key=users.folded(kept))
    return known or add(db, email=kept)


def by_email(db: Db, email: str) -> Customer | None:
    """A customer with this address, one with an account first."""
    return db.one(Customer, store.CUSTOMER_BY_EMAIL, email_key=users.folded(email.strip()))


def theirs(db: Db, customer_id: str | None, user_id: str | None) -> bool:
    """Whether what is this customer's may be seen by somebody: a guest's by whoever knows its id, that of somebody with an
    account by them alone."""
    owner = get(db, customer_id).user_id if customer_id is not None else None
    return owner is None or owner == user_id


def edit(db: Db, id: str, changes: Mapping[str, Any]) -> Customer:
    """Changes names, phone, company or metadata. Raises NotFound."""
    get(db, id)
    made = db.update(Customer, "shop_customer", id, **changes, updated_at=clock.precise())
    assert made is not None
    return made


def find(db: Db, *, limit: int, offset: int) -> tuple[list[Customer], int]:
    """A page of customers, the newest first, and how many there are."""
    ids = [row[0] for row in db.fetch(store.CUSTOMERS, {"limit": limit, "offset": offset})]
    known = {c.id: c for c in db.all(Customer, store.customers_by_id(db), ids=ids)} if ids else {}
    many = total(len(ids), limit, offset)
    return [known[id] for id in ids], int(db.value(store.COUNT_CUSTOMERS)) if many is None else many


# -- addresses ---------------------------------------------------------------------------------------------


def address(given: Mapping[str, Any]) -> dict[str, Any]:
    """An address as it is kept: known fields, the country in lower case. Raises Invalid."""
    kept = {name: given.get(name) for name in FIELDS}
    kept["country_code"] = country(given.get("country_code"))
    kept["metadata"] = metadata(given.get("metadata"))
    return kept


def same_place(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two addresses are the same place, in whatever case."""
    return all(str(a.get(n) or "").casefold() == str(b.get(n) or "").casefold() for n in SAME)


def addresses(db: Db, customer_id: str) -> list[Address]:
    """A customer's address book."""
    return db.all(Address, store.ADDRESSES, customer_id=customer_id)


def get_address(db: Db, customer_id: str, id: str) -> Address:
    """An address of this customer. Raises NotFound."""
    found = db.one(Address, store.ADDRESS, id=id, customer_id=customer_id)
    if found is None:
        raise NotFound(f"Address with id: {id[:80]} was not found")
    return found


def add_address(
    db: Db,
    customer_id: str,
    given: Mapping[str, Any],
    *,
    name: str = "",
    default_shipping: bool = False,
    default_billing: bool = False,
    id: str | None = None,
) -> Address:
    """Adds an address; a default takes the place of the one before. Raises Invalid."""
    made = db.insert(
        Address,
        "shop_address",
        id=id or new("cuaddr"),
        customer_id=customer_id,
        address=address(given),
        name=name,
        default_shipping=default_shipping,
        default_billing=default_billing,
        **stamps(),
    )
    _only(db, made)
    return made


def edit_address(db: Db, customer_id: str, id: str, changes: Mapping[str, Any]) -> Address:
    """Changes an address. Raises NotFound, Invalid."""
    before = get_address(db, customer_id, id)
    values = {n: v for n, v in changes.items() if n in ("name", "default_shipping", "default_billing")}
    about = {n: v for n, v in changes.items() if n not in values}
    made = db.update(
        Address,
        "shop_address",
        id,
        address=address({**before.address, **about}),
        updated_at=clock.precise(),
        **values,
    )
    assert made is not None
    _only(db, made)
    return made


def remove_address(db: Db, customer_id: str, id: str) -> None:
    """Removes an address. Raises NotFound."""
    if not db.run(store.DELETE_ADDRESS, id=id, customer_id=customer_id):
        get_address(db, customer_id, id)


def _only(db: Db, made: Address) -> None:
    if made.default_shipping:
        db.run(store.ONLY_SHIPPING, customer_id=made.customer_id, id=made.id)
    if made.default_billing:
        db.run(store.ONLY_BILLING, customer_id=made.customer_id, id=made.id)
