"""Payment links: an address that makes a Checkout Session of everyone who opens it."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json, call

from . import catalog, selling, sessions

LINK = resources.declare(
    resources.Resource(
        "payment_link",
        "plink",
        "/v1/payment_links",
        index=("active",),
        include={"line_items": lambda db, link: line_items(db, link["id"], {})},
    )
)
DETAILS = resources.declare(resources.Resource("payment_link.details", metadata=False, tells=False))
DEFAULTS: Json = {
    "allow_promotion_codes": False,
    "application": None,
    "application_fee_amount": None,
    "application_fee_percent": None,
    "automatic_tax": {"enabled": False, "liability": None},
    "billing_address_collection": "auto",
    "consent_collection": None,
    "custom_fields": [],
    "custom_text": {
        "after_submit": None,
        "shipping_address": None,
        "submit": None,
        "terms_of_service_acceptance": None,
    },
    "customer_creation": "if_required",
    "inactive_message": None,
    "invoice_creation": None,
    "on_behalf_of": None,
    "payment_intent_data": None,
    "payment_method_collection": "always",
    "payment_method_types": None,
    "phone_number_collection": {"enabled": False},
    "restrictions": None,
    "shipping_address_collection": None,
    "shipping_options": [],
    "submit_type": "auto",
    "subscription_data": None,
    "tax_id_collection": {"enabled": False, "required": "never"},
    "transfer_data": None,
}
AFTER: Json = {
    "type": "hosted_confirmation",
    "hosted_confirmation": {"custom_message": None},
    "redirect": None,
}


def create(db: Db, params: Json) -> Json:
    """Make a payment link for some prices."""
    if not params["line_items"]:
        raise ApiError("A payment link has at least one line item.", param="line_items")
    given = {k: v for k, v in params.items() if k not in ("line_items", "after_completion")}
    prices = [
        catalog.usable(db, each["price"], param=f"line_items[{n}][price]")
        for n, each in enumerate(params["line_items"])
    ]
    id = objects.new_id("plink")
    recurring = any(price["type"] == "recurring" for price in prices)
    made = objects.make(
        db,
        "payment_link",
        DEFAULTS
        | given
        | {
            "active": True,
            "after_completion": _after(params),
            "currency": prices[0]["currency"],
            "metadata": params.get("metadata") or {},
            "url": f"{call().base_url}/b/{id.removeprefix('plink_')}",
        },
        id=id,
    )
    details: Json = {"line_items": params["line_items"], "mode": "subscription" if recurring else "payment"}
    objects.make(db, "payment_link.details", details, id=id)
    events.emit(db, "payment_link.created", made)
    return made


def _after(params: Json) -> Json:
    """What buyers see at the end. Raises ApiError for a redirection to nowhere."""
    after = AFTER | (params.get("after_completion") or {})
    if after["type"] == "redirect" and not after["redirect"]:
        raise ApiError(
            "Missing required param: after_completion[redirect].",
            code="parameter_missing",
            param="after_completion[redirect]",
        )
    return after


def edit(db: Db, id: str, params: Json) -> Json:
    """Change a payment link, or whether it works."""
    old = objects.get(db, "payment_link", id, lock=True)
    given = dict(params)
    if "after_completion" in given:
        given["after_completion"] = _after(given)
    fresh = objects.save(db, objects.changed(old, given))
    events.updated(db, "payment_link.updated", old, fresh)
    return fresh


def line_items(db: Db, id: str, params: Json) -> Json:
    """List what a payment link sells."""
    link = objects.get(db, "payment_link", id)
    details = objects.get(db, "payment_link.details", id)
    about = {"line_items": details["line_items"], "mode": details["mode"]}
    found = selling.lines_of(db, about)
    return selling.shown(found, link["currency"], params, f"/v1/payment_links/{id}/line_items")


def opened(db: Db, id: str) -> Json:
    """The session of somebody who has opened a link. Raises ApiError where it does not work any more."""
    link = objects.get(db, "payment_link", id)
    if not link["active"]:
        raise ApiError(
            link["inactive_message"] or "This link is no longer active.", code="payment_link_inactive"
        )
    details = objects.get(db, "payment_link.details", id)
    after = link["after_completion"]
    shown = after["type"] == "redirect"
    url = after["redirect"]["url"] if shown else f"{call().base_url}/c/pay/{{CHECKOUT_SESSION_ID}}/thanks"
    about: Json = {
        "mode": details["mode"],
        "line_items": details["line_items"],
        "success_url": url,
        "payment_link": id,
        "metadata": link["metadata"],
        "allow_promotion_codes": link["allow_promotion_codes"] or None,
        "billing_address_collection": link["billing_address_collection"],
        "phone_number_collection": link["phone_number_collection"],
        "custom_text": link["custom_text"],
        "submit_type": None if details["mode"] == "subscription" else link["submit_type"],
    }
    for name, mode in (("payment_intent_data", "payment"), ("subscription_data", "subscription")):
        if link[name] and details["mode"] == mode:
            about[name] = link[name]
    if details["mode"] == "payment":
        about["customer_creation"] = link["customer_creation"]
    else:
        about["payment_method_collection"] = link["payment_method_collection"]
    return sessions.create(db, about)
