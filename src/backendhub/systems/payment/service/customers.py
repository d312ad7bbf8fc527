"""Customers, their balance, and their tax ids."""

from __future__ import annotations

from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError, missing
from backendhub.systems.payment.models import Json

from .billing import test_clocks
from .billing.times import living

CUSTOMER = resources.declare(
    resources.Resource(
        "customer",
        "cus",
        "/v1/customers",
        index=("email", "test_clock"),
        search=("email", "name", "phone"),
        expand={"default_source": "*", "invoice_settings.default_payment_method": "payment_method"},
        include={
            "tax_ids": lambda db, c: inner(db, c, "tax_id", "tax_ids"),
            "sources": lambda db, c: inner(db, c, "card", "sources"),
        },
    )
)
MOVEMENT = resources.declare(
    resources.Resource(
        "customer_balance_transaction",
        "cbtxn",
        index=("customer",),
        expand={"customer": "customer", "invoice": "invoice"},
    )
)
TAX_ID = resources.declare(
    resources.Resource(
        "tax_id",
        "txi",
        index=("customer", "owner.type", "owner.customer"),
        expand={"customer": "customer"},
        metadata=False,
    )
)
DEFAULTS: Json = {
    "address": None,
    "balance": 0,
    "currency": None,
    "default_source": None,
    "delinquent": False,
    "description": None,
    "discount": None,
    "email": None,
    "invoice_prefix": None,
    "invoice_settings": {
        "custom_fields": None,
        "default_payment_method": None,
        "footer": None,
        "rendering_options": None,
    },
    "name": None,
    "next_invoice_sequence": 1,
    "phone": None,
    "preferred_locales": [],
    "shipping": None,
    "tax_exempt": "none",
    "test_clock": None,
}


def create(db: Db, params: Json) -> Json:
    """Make a customer, in the time of a test clock perhaps."""
    if params.get("test_clock"):
        test_clocks.checked(db, params["test_clock"])
    with living(db, params):
        return _create(db, params)


def _create(db: Db, params: Json) -> Json:
    given = dict(params)
    tax_ids = given.pop("tax_id_data", [])
    start = given.pop("balance", 0)
    prepared = _prepared(db, given)
    made = objects.make(db, "customer", DEFAULTS | {"invoice_prefix": _prefix()} | prepared)
    for tax in tax_ids:
        add_tax_id(db, made["id"], tax)
    if start:
        made = shifted(db, made, start, "usd", "adjustment", {})[0]
    events.emit(db, "customer.created", made)
    return made


def edit(db: Db, id: str, params: Json) -> Json:
    """Change a customer."""
    old = objects.get(db, "customer", id, lock=True)
    given = dict(params)
    balance = given.pop("balance", None)
    fresh = objects.changed(old, _prepared(db, given, old))
    if balance is not None and balance != old["balance"]:
        fresh = shifted(db, fresh, balance - old["balance"], old["currency"] or "usd", "adjustment", {})[0]
    fresh = objects.save(db, fresh)
    events.updated(db, "customer.updated", old, fresh)
    return fresh


def delete(db: Db, id: str, params: Json) -> Json:
    """Delete a customer."""
    old = objects.get(db, "customer", id, lock=True)
    gone = objects.delete(db, "customer", id)
    events.emit(db, "customer.deleted", old)
    return gone


def _prepared(db: Db, given: Json, old: Json | None = None) -> Json:
    """What is stored of the parameters."""
    changes = dict(given)
    email = changes.get("email")
    if email is not None and "@" not in email:
        raise ApiError(f"Invalid email address: {email}", code="email_invalid", param="email")
    for name in ("source", "payment_method", "validate", "cash_balance", "tax"):
        changes.pop(name, None)
    if (settings := changes.get("invoice_settings")) is not None:
        before = (old or DEFAULTS)["invoice_settings"]
        changes["invoice_settings"] = before | settings
    if "address" in changes or "shipping" in changes:
        for name in ("address", "shipping"):
            if changes.get(name) is not None:
                changes[name] = _filled(changes[name])
    return changes


def _filled(given: Json) -> Json:
    """An address, or what has one in it, with every member."""
    if "address" in given:
        return {"name": None, "phone": None} | given | {"address": _filled(given["address"] or {})}
    return dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")) | given


def _prefix() -> str:
    return objects.new_id("", 8)[1:].upper()


# -- balance -----------------------------------------------------------------------------------------------


def add_movement(db: Db, id: str, params: Json) -> Json:
    """Change a customer's balance by an amount; negative is what they have to their credit."""
    customer = objects.get(db, "customer", id, lock=True)
    about: Json = {k: params.get(k) for k in ("description", "metadata") if k in params}
    fresh, made = shifted(db, customer, params["amount"], params["currency"], "adjustment", about)
    objects.save(db, fresh)
    return made


def edit_movement(db: Db, id: str, movement: str, params: Json) -> Json:
    """Change the description or metadata of a movement."""
    old = get_movement(db, id, movement, {})
    return objects.save(db, objects.changed(old, params))


def get_movement(db: Db, id: str, movement: str, params: Json) -> Json:
    """Read a movement of a customer's balance."""
    found = objects.get(db, "customer_balance_transaction", movement)
    if found["customer"] != id:
        raise missing("customer_balance_transaction", movement)
    return found


def shifted(db: Db, customer: Json, amount: int, currency: str, type: str, about: Json) -> tuple[Json, Json]:
    """A customer whose balance has changed by an amount, and the line that tells of it."""
    if customer["currency"] not in (None, currency):
        raise ApiError(
            f"The customer's currency is {customer['currency']}, and cannot be changed to {currency}.",
            param="currency",
        )
    fresh = customer | {"balance": customer["balance"] + amount, "currency": currency}
    made = objects.make(
        db,
        "customer_balance_transaction",
        {
            "amount": amount,
            "checkout_session": None,
            "credit_note": None,
            "currency": currency,
            "customer": customer["id"],
            "description": None,
            "ending_balance": fresh["balance"],
            "invoice": None,
            "type": type,
        }
        | about,
    )
    return objects.save(db, fresh), made


# -- tax ids -----------------------------------------------------------------------------------------------


def add_tax_id(db: Db, id: str, params: Json) -> Json:
    """Add a tax id to a customer."""
    objects.get(db, "customer", id)
    made = objects.make(
        db,
        "tax_id",
        {
            "country": params["type"][:2].upper(),
            "customer": id,
            "owner": {"type": "customer", "customer": id},
            "type": params["type"],
            "value": params["value"],
            "verification": {"status": "pending", "verified_address": None, "verified_name": None},
        },
    )
    events.emit(db, "customer.tax_id.created", made)
    return made


def get_tax_id(db: Db, id: str, tax: str, params: Json) -> Json:
    """Read a tax id of a customer."""
    found = objects.get(db, "tax_id", tax)
    if found["customer"] != id:
        raise missing("tax_id", tax)
    return found


def delete_tax_id(db: Db, id: str, tax: str, params: Json) -> Json:
    """Delete a tax id of a customer."""
    old = get_tax_id(db, id, tax, params)
    events.emit(db, "customer.tax_id.deleted", old)
    return objects.delete(db, "tax_id", tax)


def inner(db: Db, owner: Json, kind: str, name: str, **fields: Any) -> Json:
    """The list that stands inside a customer."""
    data = objects.where(db, kind, limit=10, customer=owner["id"], **fields)
    return {"object": "list", "data": data, "has_more": False, "url": f"/v1/customers/{owner['id']}/{name}"}
