"""Payment intents: made, changed, confirmed, authenticated, captured, cancelled."""

from __future__ import annotations

from typing import Any

from backendhub.kit.db import Db
from backendhub.kit.states import Machine, Move
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json

from . import charging, methods, money

INTENT = resources.declare(
    resources.Resource(
        "payment_intent",
        "pi",
        "/v1/payment_intents",
        index=("customer", "status", "payment_method", "setup_future_usage"),
        search=("amount", "currency", "customer", "status"),
        expand={
            "customer": "customer",
            "payment_method": "payment_method",
            "latest_charge": "charge",
            "invoice": "invoice",
            "review": "review",
        },
    )
)
INTENTS = Machine(
    "payment intent",
    table="payment_object",
    column="status",
    initial="requires_payment_method",
    moves=(
        Move("provide", "requires_payment_method", "requires_confirmation", "A payment method is there"),
        Move(
            "provide", "requires_action", "requires_confirmation", "Confirmed again, or authenticated by hand"
        ),
        Move(
            "withdraw", "requires_confirmation", "requires_payment_method", "The payment method is taken away"
        ),
        Move("act", "requires_confirmation", "requires_action", "The buyer has to authenticate"),
        Move("process", "requires_confirmation", "processing", "The bank takes its time"),
        Move("process", "requires_action", "processing", "Authenticated; the bank takes its time"),
        Move("authorize", "requires_confirmation", "requires_capture", "The money is held"),
        Move("authorize", "requires_action", "requires_capture", "Authenticated; the money is held"),
        Move("succeed", "requires_confirmation", "succeeded", "Paid"),
        Move("succeed", "requires_action", "succeeded", "Authenticated and paid"),
        Move("succeed", "processing", "succeeded", "The bank has paid"),
        Move("capture", "requires_capture", "succeeded", "What was held is taken"),
        Move("decline", "requires_confirmation", "requires_payment_method", "Refused"),
        Move("decline", "requires_action", "requires_payment_method", "Not authenticated, or refused"),
        Move("decline", "processing", "requires_payment_method", "The bank has not paid"),
        Move("cancel", "requires_payment_method", "canceled", "Given up"),
        Move("cancel", "requires_confirmation", "canceled", "Given up"),
        Move("cancel", "requires_action", "canceled", "Given up"),
        Move("cancel", "requires_capture", "canceled", "What was held is released"),
    ),
)
DEFAULTS: Json = {
    "amount_capturable": 0,
    "amount_details": {"tip": {}},
    "amount_received": 0,
    "application": None,
    "application_fee_amount": None,
    "automatic_payment_methods": None,
    "canceled_at": None,
    "cancellation_reason": None,
    "capture_method": "automatic_async",
    "confirmation_method": "automatic",
    "customer": None,
    "customer_account": None,
    "description": None,
    "excluded_payment_method_types": None,
    "last_payment_error": None,
    "latest_charge": None,
    "next_action": None,
    "on_behalf_of": None,
    "payment_method": None,
    "payment_method_configuration_details": None,
    "payment_method_options": {},
    "processing": None,
    "receipt_email": None,
    "review": None,
    "setup_future_usage": None,
    "shipping": None,
    "source": None,
    "statement_descriptor": None,
    "statement_descriptor_suffix": None,
    "transfer_data": None,
    "transfer_group": None,
}
KEPT = (
    "amount", "amount_details", "application_fee_amount", "automatic_payment_methods", "capture_method",
    "confirmation_method", "currency", "customer", "description", "metadata", "on_behalf_of", "payment_method_types",
    "receipt_email", "setup_future_usage", "shipping", "statement_descriptor", "statement_descriptor_suffix",
    "transfer_data", "transfer_group", "excluded_payment_method_types",
)  # fmt: skip
"""Parameters that are kept as they come."""
WHEN = {
    "confirm": ("requires_payment_method", "requires_confirmation", "requires_action"),
    "capture": ("requires_capture",),
    "cancel": (
        "requires_payment_method",
        "requires_capture",
        "requires_confirmation",
        "requires_action",
        "processing",
    ),
    "update": ("requires_payment_method", "requires_confirmation", "requires_action"),
    "increment": ("requires_capture",),
}
SAID = {
    "confirm": "confirmed",
    "capture": "captured",
    "cancel": "canceled",
    "update": "updated",
    "increment": "incremented",
}


def create(db: Db, params: Json) -> Json:
    """Make a payment intent; `confirm` confirms it in the same request."""
    from . import confirming

    money.checked(params["amount"], params["currency"])
    _check(db, params)
    given = {k: params[k] for k in KEPT if k in params}
    id = objects.new_id("pi")
    wide: Json = DEFAULTS | {"client_secret": f"{id}_secret_{objects.new_id('', 25)[1:]}"}
    wide |= types_of(params) | given | {"payment_method_options": params.get("payment_method_options") or {}}
    for name in ("metadata", "shipping"):
        wide[name] = wide.get(name) or ({} if name == "metadata" else None)
    intent = objects.make(db, "payment_intent", wide, id=id, status="requires_payment_method")
    events.emit(db, "payment_intent.created", intent)
    if params.get("confirm"):
        return confirming.confirmed(db, intent, params)
    for name in ("off_session", "return_url", "mandate", "mandate_data"):
        if params.get(name) is not None:
            raise ApiError(
                f"You can only provide `{name}` when creating a PaymentIntent with `confirm` set to `true`.",
                param=name,
            )
    return with_method(db, intent, params)


def types_of(params: Json) -> Json:
    """Which types of payment methods an intent takes, and what that was said by."""
    if types := params.get("payment_method_types"):
        for n, type in enumerate(types):
            if type not in methods.TYPES:
                raise ApiError(
                    f'The payment method type "{type}" is invalid.',
                    code="parameter_invalid_string",
                    param=f"payment_method_types[{n}]",
                )
        return {"payment_method_types": types}
    automatic = params.get("automatic_payment_methods") or {"enabled": True}
    told = {"allow_redirects": "always"} | automatic
    return {"automatic_payment_methods": told, "payment_method_types": ["card"]}


def _check(db: Db, params: Json) -> None:
    if params.get("customer"):
        objects.get(db, "customer", params["customer"], param="customer")
    if (
        (fee := params.get("application_fee_amount")) is not None
        and "amount" in params
        and fee > params["amount"]
    ):
        raise ApiError(
            "The application fee cannot be greater than the amount.", param="application_fee_amount"
        )


def with_method(db: Db, intent: Json, params: Json) -> Json:
    """An intent with the payment method that a request brings, in the state that this means."""
    if "payment_method" in params and params["payment_method"] is None:
        if intent["payment_method"] is None:
            return intent
        fresh = objects.save(db, intent | {"payment_method": None})
        return moved(db, fresh, "withdraw") if intent["status"] == "requires_confirmation" else fresh
    method = method_of(db, intent, params)
    if method is None:
        return intent
    fresh = objects.save(db, intent | {"payment_method": method["id"], "next_action": None})
    if intent["status"] != "requires_confirmation":
        fresh = moved(db, fresh, "provide")
    return fresh


def method_of(db: Db, intent: Json, params: Json) -> Json | None:
    """The payment method of a request: an id, a test token, or the data to make one of. Raises ApiError."""
    if params.get("payment_method_data"):
        method = methods.build(db, params["payment_method_data"])
    elif params.get("confirmation_token"):
        token = objects.get(
            db, "confirmation_token", params["confirmation_token"], param="confirmation_token"
        )
        method = objects.get(db, "payment_method", token["payment_method"])
    elif params.get("payment_method"):
        method = methods.named(db, params["payment_method"])
    else:
        return None
    check_method(intent, method)
    return method


def check_method(intent: Json, method: Json) -> None:
    """Whether an intent takes a payment method. Raises ApiError."""
    if method["customer"] is not None and method["customer"] != intent["customer"]:
        raise ApiError(
            f"The provided PaymentMethod ({method['id']}) belongs to the Customer {method['customer']}. Please include the "
            "Customer in the `customer` parameter on the PaymentIntent."
            if intent["customer"] is None
            else f"The customer does not have a payment method with the ID {method['id']}. The payment method must be "
            "attached to the customer.",
            param="payment_method",
        )
    automatic = intent.get("automatic_payment_methods")
    if method["type"] not in intent["payment_method_types"] and not (automatic and method["type"] == "link"):
        raise ApiError(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent. Please attach a "
            f"PaymentMethod of one of the following types: {', '.join(intent['payment_method_types'])}.",
            param="payment_method",
        )


def edit(db: Db, id: str, params: Json) -> Json:
    """Change a payment intent that is not confirmed."""
    old = locked(db, id)
    plain = set(params) <= {"metadata", "description", "receipt_email", "transfer_group"}
    if not plain:
        must_be(old, "update")
        whole = old | params
        money.checked(whole["amount"], whole["currency"])
    _check(db, params)
    given = {k: params[k] for k in KEPT if k in params}
    if params.get("payment_method_types"):
        given |= types_of(params) | {"automatic_payment_methods": None}
    if options := params.get("payment_method_options"):
        given["payment_method_options"] = old["payment_method_options"] | options
    fresh = objects.save(db, objects.changed(old, given))
    return with_method(db, fresh, params)


def capture(db: Db, id: str, params: Json) -> Json:
    """Capture what a confirmed intent holds, all of it or less; the rest is released."""
    intent = locked(db, id)
    must_be(intent, "capture")
    amount = ({"amount_to_capture": intent["amount_capturable"]} | params)["amount_to_capture"]
    if amount > intent["amount_capturable"]:
        raise ApiError(
            f"The amount to capture ({amount}) is greater than the amount that can be captured "
            f"({intent['amount_capturable']}).",
            code="amount_too_large",
            param="amount_to_capture",
        )
    money.checked(amount, intent["currency"], param="amount_to_capture")
    charge = objects.get(db, "charge", intent["latest_charge"], lock=True)
    about: Json = {
        k: params[k] for k in ("statement_descriptor", "statement_descriptor_suffix") if k in params
    }
    charging.captured_later(db, charge, amount, about=about)
    fresh = objects.changed(intent, {"metadata": params["metadata"]} if "metadata" in params else {})
    fresh |= {"amount_capturable": 0, "amount_received": amount} | about
    fresh = moved(db, fresh, "capture")
    events.emit(db, "payment_intent.succeeded", fresh)
    return fresh


def increment(db: Db, id: str, params: Json) -> Json:
    """Raise the amount that a confirmed intent holds."""
    intent = locked(db, id)
    must_be(intent, "increment")
    money.checked(params["amount"], intent["currency"])
    if params["amount"] <= intent["amount"]:
        raise ApiError("The new amount must be higher than the one before.", param="amount")
    charge = objects.get(db, "charge", intent["latest_charge"], lock=True)
    charging.extend(db, charge, params["amount"])
    about: Json = {k: params[k] for k in ("description", "statement_descriptor", "metadata") if k in params}
    fresh = objects.changed(intent, about) | {
        "amount": params["amount"],
        "amount_capturable": params["amount"],
    }
    fresh = objects.save(db, fresh)
    events.emit(db, "payment_intent.amount_capturable_updated", fresh)
    return fresh


def cancel(db: Db, id: str, params: Json) -> Json:
    """Cancel a payment intent; what it holds is released."""
    intent = locked(db, id)
    if intent["status"] == "processing":
        raise unexpected(intent, "cancel")
    must_be(intent, "cancel")
    return cancelled(db, intent, params.get("cancellation_reason"))


def cancelled(db: Db, intent: Json, reason: str | None) -> Json:
    """An intent that will not be paid."""
    if intent["status"] == "requires_capture":
        charging.released(db, objects.get(db, "charge", intent["latest_charge"], lock=True))
    fresh = intent | {
        "amount_capturable": 0,
        "canceled_at": objects.now(),
        "cancellation_reason": reason,
        "next_action": None,
    }
    fresh = moved(db, fresh, "cancel")
    events.emit(db, "payment_intent.canceled", fresh)
    return fresh


def expire(db: Db) -> int:
    """Gives back what was held for too long and never captured; gives the number of payments."""
    asked = [
        ("captured", ":", "false"),
        ("refunded", ":", "false"),
        ("payment_method_details.card.capture_before", "<=", objects.now()),
    ]
    count = 0
    for found in objects.select(db, "charge", asked, limit=100):
        intent = locked(db, found["payment_intent"]) if found["payment_intent"] else None
        charge = objects.get(db, "charge", found["id"], lock=True)
        if charge["captured"] or charge["refunded"]:  # by somebody who was there in between
            continue
        count += 1
        if intent is not None and intent["status"] == "requires_capture":
            cancelled(db, intent, "automatic")
        else:
            charging.released(db, charge)
        events.emit(db, "charge.expired", objects.get(db, "charge", charge["id"]))
    return count


def read(db: Db, id: str, params: Json) -> Json:
    """Read a payment intent."""
    found = objects.get(db, "payment_intent", id)
    secret = params.get("client_secret")
    if secret is not None and secret != found["client_secret"]:
        raise ApiError(
            f"The client_secret provided does not match any associated {found['object']} on this account.",
            code="payment_intent_invalid_parameter",
            param="client_secret",
        )
    return found


# -- states ------------------------------------------------------------------------------------------------


def locked(db: Db, id: str) -> Json:
    """An intent that nobody else changes until this transaction ends."""
    return objects.get(db, "payment_intent", id, param="intent", lock=True)


def moved(db: Db, intent: Json, verb: str) -> Json:
    """An intent in its next state, stored."""
    status = INTENTS.move(db, objects.key_of(db, "payment_intent", intent["id"]), verb)
    return objects.save(db, intent | {"status": status})


def must_be(intent: Json, verb: str) -> None:
    """Raises ApiError (payment_intent_unexpected_state) where an intent's state forbids something."""
    if intent["status"] not in WHEN[verb]:
        raise unexpected(intent, verb)


def unexpected(intent: Json, verb: str) -> ApiError:
    """What is said where an intent's state forbids something."""
    status: Any = intent["status"]
    allowed = ", ".join(s for s in WHEN[verb] if s != "processing")
    if verb == "confirm" and status == "succeeded":
        message = "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed."
    else:
        message = (
            f"This PaymentIntent could not be {SAID[verb]} because it has a status of {status}. Only a PaymentIntent with "
            f"one of the following statuses may be {SAID[verb]}: {allowed}."
        )
    return ApiError(message, code="payment_intent_unexpected_state", payment_intent=intent)
