"""Checkout Sessions: what somebody is to pay, subscribe to or save a card for, on a page of ours."""

from __future__ import annotations

from typing import Any

from backendhub.kit.db import Db
from backendhub.kit.states import Machine, Move
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json, call
from backendhub.systems.payment.service import intents, setups

from . import codes, discounting, selling, starting
from .codes import Worth
from .times import later, living

KIND = "checkout.session"
SESSION = resources.declare(
    resources.Resource(
        KIND,
        "cs",
        "/v1/checkout/sessions",
        index=(
            "customer",
            "payment_intent",
            "subscription",
            "status",
            "payment_link",
            "payment_status",
            "customer_details.email",
        ),
        expand={
            "customer": "customer",
            "payment_intent": "payment_intent",
            "setup_intent": "setup_intent",
            "subscription": "subscription",
            "invoice": "invoice",
            "payment_link": "payment_link",
        },
        include={"line_items": lambda db, session: line_items(db, session["id"], {})},
    )
)
DETAILS = resources.declare(
    resources.Resource(
        "checkout.details",
        index=("payment_intent", "setup_intent", "subscription"),
        metadata=False,
        tells=False,
    )
)
"""What a session keeps to itself: its lines, and what is made of it when somebody pays."""
LINE = resources.declare(resources.Resource("item", "li", metadata=False, tells=False))
SESSIONS = Machine(
    "Checkout Session",
    table="payment_object",
    column="status",
    initial="open",
    moves=(
        Move("complete", "open", "complete", "Paid, subscribed or saved"),
        Move("expire", "open", "expired", "Its time is over, or the shop has ended it"),
    ),
)
LIVES, SHORTEST = 24 * 3600, 30 * 60
DEFAULTS: Json = {
    "adaptive_pricing": {"enabled": False},
    "after_expiration": None,
    "allow_promotion_codes": None,
    "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
    "billing_address_collection": None,
    "cancel_url": None,
    "client_reference_id": None,
    "client_secret": None,
    "collected_information": None,
    "consent": None,
    "consent_collection": None,
    "currency_conversion": None,
    "custom_fields": [],
    "custom_text": {
        "after_submit": None,
        "shipping_address": None,
        "submit": None,
        "terms_of_service_acceptance": None,
    },
    "customer": None,
    "customer_account": None,
    "customer_creation": None,
    "customer_email": None,
    "invoice": None,
    "invoice_creation": None,
    "locale": None,
    "origin_context": None,
    "payment_intent": None,
    "payment_link": None,
    "payment_method_collection": None,
    "payment_method_configuration_details": None,
    "payment_method_options": {},
    "permissions": None,
    "phone_number_collection": {"enabled": False},
    "recovered_from": None,
    "saved_payment_method_options": None,
    "setup_intent": None,
    "shipping_address_collection": None,
    "shipping_cost": None,
    "shipping_options": [],
    "submit_type": None,
    "subscription": None,
    "success_url": None,
    "ui_mode": "hosted_page",
    "wallet_options": None,
}
KEPT = (
    "allow_promotion_codes", "billing_address_collection", "cancel_url", "client_reference_id", "customer",
    "customer_email", "locale", "metadata", "payment_link", "payment_method_collection", "phone_number_collection",
    "shipping_address_collection", "submit_type", "success_url",
)  # fmt: skip


def create(db: Db, params: Json) -> Json:
    """Make a session; its `url` is where the buyer is sent."""
    customer: Json | None = None
    if params.get("customer"):
        customer = objects.get(db, "customer", params["customer"], param="customer")
        if params.get("customer_email"):
            raise ApiError(
                "You may only specify one of these parameters: customer, customer_email.",
                param="customer_email",
            )
    with living(db, customer or {}):
        _check(params)
        id = objects.new_id("cs_test", 58)
        currency, found = selling.read(db, params)
        worth = Worth(sum(each["amount"] for each in found), currency or "usd")
        wide = DEFAULTS | {k: params[k] for k in KEPT if k in params}
        wide |= {
            "customer_creation": _creates(params),
            "customer_details": _details(customer, params),
            "currency": currency,
            "custom_text": DEFAULTS["custom_text"] | (params.get("custom_text") or {}),
            "discounts": _discounts(db, params, worth),
            "expires_at": params.get("expires_at") or objects.now() + LIVES,
            "metadata": params.get("metadata") or {},
            "mode": params["mode"],
            "payment_method_collection": params.get("payment_method_collection")
            or ("always" if params["mode"] == "subscription" else "if_required"),
            "payment_method_types": params.get("payment_method_types") or ["card"],
            "payment_status": "no_payment_required" if params["mode"] == "setup" else "unpaid",
            "url": f"{call().base_url}/c/pay/{id}",
        }
        wide, found = selling.priced(db, wide, found)
        if params["mode"] == "setup":
            wide["setup_intent"] = _setup(db, params)
        made = objects.make(db, KIND, wide, id=id, status="open")
        kept = {
            name: params.get(name) or {}
            for name in ("payment_intent_data", "setup_intent_data", "subscription_data")
        }
        about: Json = kept | {"lines": found, "payment_intent": None, "subscription": None, "redeemed": []}
        about["test_clock"] = (customer or {}).get("test_clock")
        objects.make(db, "checkout.details", about | {"setup_intent": made["setup_intent"]}, id=id)
        later(db, customer or {}, "payment.session_expires", made["expires_at"], id=id)
    return made


def _check(params: Json) -> None:
    """Raises ApiError for what does not go together."""
    mode = params["mode"]
    if not params.get("success_url"):
        raise ApiError("Missing required param: success_url.", code="parameter_missing", param="success_url")
    for name in ("success_url", "cancel_url"):
        if params.get(name) and not params[name].startswith(("http://", "https://")):
            raise ApiError("Not a valid URL", code="url_invalid", param=name)
    if mode == "setup" and params.get("line_items"):
        raise ApiError("You can not pass `line_items` in `setup` mode.", param="line_items")
    if mode != "setup" and not params.get("line_items"):
        raise ApiError(
            f"You must provide `line_items` in `{mode}` mode.", code="parameter_missing", param="line_items"
        )
    for name, wanted in (
        ("payment_intent_data", "payment"),
        ("setup_intent_data", "setup"),
        ("subscription_data", "subscription"),
    ):
        if params.get(name) and mode != wanted:
            raise ApiError(f"You can not pass `{name}` in `{mode}` mode.", param=name)
    expires, now = params.get("expires_at"), objects.now()
    if expires is not None and not now + SHORTEST <= expires <= now + LIVES:
        raise ApiError(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.",
            param="expires_at",
        )
    if params.get("discounts") and params.get("allow_promotion_codes"):
        raise ApiError(
            "You may only specify one of these parameters: allow_promotion_codes, discounts.",
            param="discounts",
        )
    if len(params.get("discounts") or ()) > 1:
        raise ApiError("A session takes one discount.", param="discounts")
    if (params.get("automatic_tax") or {}).get("enabled"):
        raise ApiError(
            "Taxes are not worked out automatically here: use tax rates.",
            code="tax_not_available",
            param="automatic_tax[enabled]",
        )


def _discounts(db: Db, params: Json, worth: Worth) -> list[Json]:
    """The discount of a session. Raises ApiError where it cannot be redeemed for what is sold."""
    told: list[Json] = []
    for each in discounting.chosen(db, params.get("discounts")):
        coupon, code = each.coupon, each.code
        if coupon is not None and not coupon["valid"]:
            raise ApiError(f"Coupon expired: {coupon['id']}", code="coupon_expired", param="discounts[0]")
        if code is not None:
            codes.fits(db, code, params.get("customer"), worth, "discounts[0]")
            told.append({"coupon": None, "promotion_code": code["id"]})
        elif coupon is not None:
            told.append({"coupon": coupon["id"], "promotion_code": None})
    return told


def _creates(params: Json) -> str | None:
    """Whether a customer is made when somebody pays."""
    if params.get("customer") or params["mode"] != "payment":
        return (
            None
            if params.get("customer")
            else ("always" if params["mode"] == "subscription" else params.get("customer_creation"))
        )
    if (params.get("payment_intent_data") or {}).get("setup_future_usage"):
        return "always"
    return str(params.get("customer_creation") or "if_required")


def _details(customer: Json | None, params: Json) -> Json | None:
    email = (customer or {}).get("email") or params.get("customer_email")
    if customer is None and email is None:
        return None
    told: Json = dict.fromkeys(("address", "business_name", "individual_name", "name", "phone", "tax_ids"))
    told |= {"email": email, "tax_exempt": (customer or {}).get("tax_exempt", "none")}
    return told | {"name": (customer or {}).get("name"), "phone": (customer or {}).get("phone")}


def _setup(db: Db, params: Json) -> str:
    data = params.get("setup_intent_data") or {}
    about: Json = {
        "payment_method_types": params.get("payment_method_types") or ["card"],
        "usage": "off_session",
    }
    about |= {k: data[k] for k in ("description", "metadata") if k in data}
    if params.get("customer"):
        about["customer"] = params["customer"]
    return str(setups.create(db, about)["id"])


# -- reading, changing, ending -----------------------------------------------------------------------------


def line_items(db: Db, id: str, params: Json) -> Json:
    """List what a session is for."""
    session = objects.get(db, KIND, id)
    details = objects.get(db, "checkout.details", id)
    return selling.shown(
        details["lines"], session["currency"], params, f"/v1/checkout/sessions/{id}/line_items"
    )


def edit(db: Db, id: str, params: Json) -> Json:
    """Change the metadata of a session."""
    old = locked(db, id)
    return objects.save(db, objects.changed(old, params))


def expire(db: Db, id: str, params: Json) -> Json:
    """Expire an open session: nobody can pay on its page any more."""
    session = locked(db, id)
    if session["status"] != "open":
        raise ApiError(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of '
            f"{session['status']}.",
        )
    with living(db, objects.get(db, "checkout.details", id)):
        return expired(db, session)


def expired(db: Db, session: Json) -> Json:
    """A session whose time is over; what was begun for it is given up."""
    from . import ending, subscriptions

    details = objects.get(db, "checkout.details", session["id"], lock=True)
    if details["payment_intent"]:
        intent = intents.locked(db, details["payment_intent"])
        if intent["status"] == "processing":
            raise ApiError("The payment of this Checkout Session is being processed.")
        if intent["status"] not in ("succeeded", "canceled"):
            intents.cancelled(db, intent, "abandoned")
    if details["subscription"]:
        owner = subscriptions.locked(db, details["subscription"])
        if owner["status"] == "incomplete":
            ending.cancelled(db, owner, reason=None)
    discounting.give_back(db, details["redeemed"])
    fresh = moved(db, session | {"url": None}, "expire")
    events.emit(db, "checkout.session.expired", fresh)
    return fresh


def locked(db: Db, id: str) -> Json:
    """A session that nobody else changes until this transaction ends."""
    return objects.get(db, KIND, id, lock=True)


def moved(db: Db, session: Json, verb: str) -> Json:
    """A session in its next state, stored."""
    status = SESSIONS.move(db, objects.key_of(db, KIND, session["id"]), verb)
    return objects.save(db, session | {"status": status})


def wants_card(db: Db, session: Json) -> bool:
    """Whether the page asks for a card."""
    if session["mode"] == "setup" or session["payment_method_collection"] == "always":
        return bool(session["amount_total"]) or session["mode"] != "payment"
    details: Any = objects.get(db, "checkout.details", session["id"])
    return bool(session["amount_total"]) and trial_of(details) is None


def trial_of(details: Json) -> int | None:
    """When the trial ends that a session gives."""
    return starting.trial_end(details["subscription_data"], [], objects.now())
