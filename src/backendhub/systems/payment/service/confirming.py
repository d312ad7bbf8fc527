"""Confirming a payment intent: the attempt, 3-D Secure, other pages, what the bank says later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NoReturn

from backendhub.kit import jobs
from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects
from backendhub.systems.payment.errors import ApiError, CardError
from backendhub.systems.payment.models import Json, call

from . import cards, charging, intents, methods

SETTLES_AFTER = timedelta(seconds=2)
"""How long banks take here."""
OPTIONS = ("receipt_email", "setup_future_usage", "shipping", "capture_method", "payment_method_options")
FAILURE = "payment_intent_authentication_failure"
NOT_AUTHENTICATED = (
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod to "
    "attempt to fulfill this PaymentIntent again."
)
NO_METHOD = (
    "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent "
    "with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken."
)
FAILING = {
    cards.fingerprint(f"{type}:{number}"): code
    for type, number, code in (
        ("us_bank_account", "000111111113", "account_closed"),
        ("us_bank_account", "000111111116", "no_account"),
        ("us_bank_account", "000222222227", "insufficient_funds"),
        ("us_bank_account", "000333333335", "debit_not_authorized"),
        ("sepa_debit", "AT861904300235473202", "debit_not_authorized"),
        ("sepa_debit", "DE62370400440532013001", "debit_not_authorized"),
        ("au_becs_debit", "111111116", "no_account"),
        ("au_becs_debit", "222222227", "insufficient_funds"),
    )
}
"""The test accounts whose debits fail, and why."""


def confirm(db: Db, id: str, params: Json) -> Json:
    """Confirm a payment intent."""
    intent = intents.locked(db, id)
    if (secret := params.get("client_secret")) is not None:
        intents.read(db, id, {"client_secret": secret})
    return confirmed(db, intent, params)


def confirmed(db: Db, intent: Json, params: Json) -> Json:
    """An intent after an attempt to pay. Raises ApiError, and CardError where the card is refused."""
    intents.must_be(intent, "confirm")
    given = {k: params[k] for k in OPTIONS if params.get(k) is not None}
    intent = objects.save(db, intent | given)
    method = intents.method_of(db, intent, params)
    if method is None:
        if intent["payment_method"] is None:
            raise ApiError(NO_METHOD, code="payment_intent_unexpected_state", payment_intent=intent)
        method = objects.get(db, "payment_method", intent["payment_method"], param="payment_method")
        intents.check_method(intent, method)
    intent = objects.save(db, intent | {"payment_method": method["id"], "next_action": None})
    if intent["status"] != "requires_confirmation":
        intent = intents.moved(db, intent, "provide")
    return attempt(db, intent, method, params)


def attempt(db: Db, intent: Json, method: Json, params: Json) -> Json:
    """Tries to pay with a method that nobody has authenticated yet."""
    off_session = params.get("off_session") not in (None, False)
    url = params.get("return_url")
    if method["type"] in methods.REDIRECTS:
        if url is None:
            raise ApiError(
                f"A `return_url` must be specified because this Payment Method ({method['type']}) sends the customer to "
                "another page.",
                code="parameter_missing",
                param="return_url",
            )
        return action(db, intent, method, url)
    if method["type"] != "card":
        return process(db, intent, method)
    if needs_authentication(db, intent, method, off_session=off_session):
        if off_session or params.get("error_on_requires_action"):
            refuse(db, intent, method, cards.decline("authentication_required"))
        return action(db, intent, method, url)
    return pay(db, intent, method)


def needs_authentication(db: Db, intent: Json, method: Json, *, off_session: bool) -> bool:
    """Whether 3-D Secure stands before a payment."""
    when = cards.behaviour(method["card"]["fingerprint"]).authenticate
    if when == "setup":
        return not was_set_up(db, method)
    if when == "never":
        return not off_session
    asked = (intent["payment_method_options"].get("card") or {}).get("request_three_d_secure")
    return when == "always" or (when == "optional" and asked in ("any", "challenge"))


def was_set_up(db: Db, method: Json) -> bool:
    """Whether a card was authenticated to be charged later."""
    return bool(
        objects.where(
            db, "setup_intent", payment_method=method["id"], status="succeeded", usage="off_session", limit=1
        )
        or objects.where(
            db,
            "payment_intent",
            payment_method=method["id"],
            status="succeeded",
            setup_future_usage="off_session",
            limit=1,
        )
    )


def action(db: Db, intent: Json, method: Json, url: str | None) -> Json:
    """An intent whose buyer has to do something on our page first."""
    page = f"{call().base_url}/authenticate/{intent['id']}?client_secret={intent['client_secret']}"
    if url is not None:
        todo: Json = {"type": "redirect_to_url", "redirect_to_url": {"return_url": url, "url": page}}
    else:
        kind = "three_d_secure_redirect"
        todo = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": kind, "stripe_js": page, "source": None}}
    fresh = intents.moved(db, intent | {"next_action": todo}, "act")
    events.emit(db, "payment_intent.requires_action", fresh)
    return fresh


def answered(db: Db, id: str, *, success: bool) -> Json:
    """What becomes of an intent when its buyer has authenticated, or has not. Raises ApiError where nobody asked."""
    intent = intents.locked(db, id)
    if intent["status"] != "requires_action":
        raise intents.unexpected(intent, "confirm")
    method = objects.get(db, "payment_method", intent["payment_method"])
    intent = objects.save(db, intent | {"next_action": None})
    if not success:
        code, message = FAILURE, NOT_AUTHENTICATED
        if method["type"] != "card":
            code, message = "payment_intent_payment_attempt_failed", "The payment failed."
        return _failed(
            db, intent, method, {"type": "invalid_request_error", "code": code, "message": message}
        )
    if intent["confirmation_method"] == "manual":
        return intents.moved(db, intent, "provide")
    try:
        return pay(db, intent, method, secured=True)
    except CardError as error:  # the page tells it: it is no failed request
        told = error.more["payment_intent"]
        assert isinstance(told, dict)
        return told


def pay(db: Db, intent: Json, method: Json, *, secured: bool = False) -> Json:
    """Charges a method that may be charged. Raises CardError where it is refused."""
    if why := cards.declines(method.get("card") or {}):
        refuse(db, intent, method, cards.decline(why))
    manual = _capture_method(intent, method) == "manual"
    charge = charging.succeed(db, about(intent), method, capture=not manual, secured=secured)
    fresh = _saved_method(db, intent, method) | {"latest_charge": charge["id"], "last_payment_error": None}
    if manual:
        fresh = intents.moved(db, fresh | {"amount_capturable": intent["amount"]}, "authorize")
        events.emit(db, "payment_intent.amount_capturable_updated", fresh)
        return fresh
    fresh = intents.moved(db, fresh | {"amount_received": intent["amount"]}, "succeed")
    events.emit(db, "payment_intent.succeeded", fresh)
    return fresh


def process(db: Db, intent: Json, method: Json) -> Json:
    """A payment that takes the bank some time; a job (`settled`) ends it."""
    charge = charging.build(db, about(intent), method, status="pending")
    fresh = _saved_method(db, intent, method) | {"latest_charge": charge["id"], "last_payment_error": None}
    fresh = intents.moved(db, fresh, "process")
    events.emit(db, "payment_intent.processing", fresh)
    jobs.enqueue(db, "payment.intent_settles", at=SETTLES_AFTER, id=intent["id"])
    return fresh


def settled(db: Db, id: str) -> None:
    """Ends a payment that the bank was working on."""
    intent = intents.locked(db, id)
    if intent["status"] != "processing":
        return
    method = objects.get(db, "payment_method", intent["payment_method"])
    charge = objects.get(db, "charge", intent["latest_charge"], lock=True)
    why = FAILING.get((method.get(method["type"]) or {}).get("fingerprint", ""))
    if why is not None:
        told = {"type": "card_error", "code": why, "message": f"The payment failed: {why.replace('_', ' ')}."}
        charging.finish(db, charge, failure=told)
        _failed(db, intent, method, told, charge=charge)
        return
    charging.finish(db, charge)
    fresh = intents.moved(db, intent | {"amount_received": intent["amount"]}, "succeed")
    events.emit(db, "payment_intent.succeeded", fresh)


def refuse(db: Db, intent: Json, method: Json, why: Json) -> NoReturn:
    """Writes down that a card was refused, and raises CardError: what was written stays."""
    charge = charging.build(db, about(intent), method, status="failed", failure=why)
    fresh = _failed(db, intent, method, why | {"charge": charge["id"]}, charge=charge)
    rest = {k: v for k, v in why.items() if k not in ("type", "code", "message", "param")}
    raise CardError(
        why["message"],
        code=why["code"],
        param=why.get("param"),
        charge=charge["id"],
        payment_intent=fresh,
        payment_method=method,
        **rest,
    )


def _failed(db: Db, intent: Json, method: Json, why: Json, *, charge: Json | None = None) -> Json:
    fresh = intent | {"last_payment_error": why | {"payment_method": method}, "payment_method": None}
    if charge is not None:
        fresh["latest_charge"] = charge["id"]
    fresh = intents.moved(db, fresh, "decline")
    events.emit(db, "payment_intent.payment_failed", fresh)
    return fresh


def about(intent: Json) -> Json:
    """What a charge has of its intent."""
    return {k: intent[k] for k in charging.OF_INTENT} | {"payment_intent": intent["id"]}


def _capture_method(intent: Json, method: Json) -> str:
    own: Any = (intent["payment_method_options"].get(method["type"]) or {}).get("capture_method")
    return str(own or intent["capture_method"])


def _saved_method(db: Db, intent: Json, method: Json) -> Json:
    """Keeps the payment method for later, where that was asked for."""
    own: Any = (intent["payment_method_options"].get(method["type"]) or {}).get("setup_future_usage")
    usage = own if own not in (None, "none") else intent["setup_future_usage"]
    if usage and intent["customer"] and method["customer"] is None:
        methods.attached(db, method, intent["customer"])
    return intent
