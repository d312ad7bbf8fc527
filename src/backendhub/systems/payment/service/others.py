"""Smaller things that clients ask for: the account, its tax ids, files, ephemeral keys, confirmation tokens."""

from __future__ import annotations

from base64 import b64decode, b64encode

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json, call

from . import methods

FILE = resources.declare(
    resources.Resource("file", "file", "/v1/files", index=("purpose",), metadata=False, tells=False)
)
KEY = resources.declare(resources.Resource("ephemeral_key", "ephkey", index=("customer",), metadata=False))
CONFIRMATION = resources.declare(
    resources.Resource("confirmation_token", "ctoken", "/v1/confirmation_tokens", metadata=False)
)
LARGEST_FILE = 512 * 1024
PURPOSES = (
    "account_requirement", "additional_verification", "business_icon", "business_logo", "customer_signature",
    "dispute_evidence", "identity_document", "issuing_regulatory_reporting", "pci_document", "tax_document_user_upload",
    "terminal_reader_splashscreen", "terminal_wifi_certificate", "terminal_wifi_private_key",
)  # fmt: skip
TYPES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"%PDF": "pdf"}


def account(db: Db, params: Json) -> Json:
    """Read the account that the key belongs to."""
    abilities = {"card_payments": "active", "transfers": "active"}
    return {
        "id": "acct_1",
        "object": "account",
        "business_profile": {"name": "backendhub", "url": None},
        "business_type": "company",
        "capabilities": abilities,
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": True,
        "settings": {"payouts": {"schedule": {"delay_days": 2, "interval": "manual"}}},
        "type": "standard",
    }


# -- tax ids of the account --------------------------------------------------------------------------------


def add_tax_id(db: Db, params: Json) -> Json:
    """Add a tax id to the account, or to a customer."""
    owner = params.get("owner") or {"type": "self"}
    customer = owner.get("customer")
    if owner["type"] == "customer":
        if not customer:
            raise ApiError(
                "Missing required param: owner[customer].", code="parameter_missing", param="owner[customer]"
            )
        objects.get(db, "customer", customer, param="owner[customer]")
    made = objects.make(
        db,
        "tax_id",
        {
            "country": params["type"][:2].upper(),
            "customer": customer,
            "owner": {"account": None, "application": None, "customer": customer, "type": owner["type"]},
            "type": params["type"],
            "value": params["value"],
            "verification": {"status": "pending", "verified_address": None, "verified_name": None},
        },
    )
    if customer:
        events.emit(db, "customer.tax_id.created", made)
    return made


def delete_tax_id(db: Db, id: str, params: Json) -> Json:
    """Delete a tax id."""
    return objects.delete(db, "tax_id", id)


# -- files -------------------------------------------------------------------------------------------------


def add_file(db: Db, *, purpose: str, filename: str | None, content: bytes) -> Json:
    """Keeps a file, for instance evidence of a dispute. Raises ApiError."""
    if purpose not in PURPOSES:
        raise ApiError(f"Invalid purpose: must be one of {', '.join(PURPOSES)}", param="purpose")
    if not content or len(content) > LARGEST_FILE:
        raise ApiError(f"A file has between 1 and {LARGEST_FILE} bytes here.", param="file")
    kind = next((name for start, name in TYPES.items() if content.startswith(start)), None)
    id = objects.new_id("file")
    made = objects.make(
        db,
        "file",
        {
            "expires_at": None,
            "filename": filename,
            "purpose": purpose,
            "size": len(content),
            "title": None,
            "type": kind,
            "url": f"{call().base_url}/v1/files/{id}/contents",
        },
        id=id,
    )
    objects.make(db, "file.content", {"base64": b64encode(content).decode()}, id=id)
    return made


def contents(db: Db, id: str) -> bytes:
    """The bytes of a file. Raises ApiError."""
    objects.get(db, "file", id)
    return b64decode(objects.get(db, "file.content", id)["base64"])


# -- keys and tokens of front ends -------------------------------------------------------------------------


def add_key(db: Db, params: Json) -> Json:
    """Make a key with which an app may look at one customer for an hour."""
    customer = params.get("customer")
    if customer is None:
        raise ApiError("Missing required param: customer.", code="parameter_missing", param="customer")
    objects.get(db, "customer", customer, param="customer")
    secret = objects.new_id("ek_test", 40)
    expires = objects.now() + 3600
    about = [{"id": customer, "type": "customer"}]
    return objects.make(db, "ephemeral_key", {"associated_objects": about, "expires": expires}) | {
        "secret": secret
    }


def delete_key(db: Db, id: str, params: Json) -> Json:
    """Take an ephemeral key back."""
    gone = objects.get(db, "ephemeral_key", id)
    objects.delete(db, "ephemeral_key", id)
    return gone


def add_confirmation_token(db: Db, params: Json) -> Json:
    """Make a confirmation token, as Stripe's front end would (a test helper)."""
    if params.get("payment_method"):
        method = methods.named(db, params["payment_method"])
    elif params.get("payment_method_data"):
        method = methods.build(db, params["payment_method_data"])
    else:
        raise ApiError(
            "Missing required param: payment_method.", code="parameter_missing", param="payment_method"
        )
    return objects.make(
        db,
        "confirmation_token",
        {
            "expires_at": objects.now() + 12 * 3600,
            "mandate_data": None,
            "payment_intent": None,
            "payment_method": method["id"],
            "payment_method_preview": {
                k: method[k] for k in ("type", "billing_details", "customer", method["type"])
            },
            "return_url": params.get("return_url"),
            "setup_future_usage": params.get("setup_future_usage"),
            "setup_intent": None,
            "shipping": params.get("shipping"),
        },
    )
