"""PayPal's Orders v2 over the same intents, charges and refunds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, Invalid
from backendhub.kit.money import Money, from_decimal, to_stripe
from backendhub.systems.payment import objects, resources
from backendhub.systems.payment.errors import ApiError, CardError
from backendhub.systems.payment.models import Json

from . import confirming, intents, methods, money, refunding

ORDER, CAPTURE, AUTHORIZATION, REFUND = (
    f"paypal.{name}" for name in ("order", "capture", "authorization", "refund")
)
for _kind in (ORDER, CAPTURE, AUTHORIZATION, REFUND):
    resources.declare(resources.Resource(_kind, index=("order", "intent"), metadata=False, tells=False))
APPROVED_FOR = timedelta(hours=3)
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Unprocessable(HubError):
    """A request that is understood and cannot be carried out: `issue` is PayPal's name for why."""

    status, exit_code, code, title = 422, 1, "UNPROCESSABLE_ENTITY", "Unprocessable"

    def __init__(self, issue: str, message: str, *, field: str | None = None, status: int = 422) -> None:
        super().__init__(message)
        self.issue, self.field = issue, field
        self.status = status


def new_id() -> str:
    """17 capital letters and digits."""
    return objects.new_id("", 17)[1:].upper()


def find(db: Db, kind: str, id: str, *, lock: bool = False) -> Json:
    """An object by its id. Raises Unprocessable (404)."""
    found = objects.find(db, kind, id, lock=lock)
    if found is None:
        raise Unprocessable("INVALID_RESOURCE_ID", "Specified resource ID does not exist.", status=404)
    return found


def amount_of(value: str, currency: str, field: str) -> Money:
    """An amount of this wire. Raises Unprocessable."""
    try:
        amount = from_decimal(value, currency)
    except Invalid:
        raise Unprocessable(
            "DECIMAL_PRECISION", "The value has too many decimals or no such currency.", field=field
        ) from None
    if amount.minor <= 0:
        raise Unprocessable("CANNOT_BE_ZERO_OR_NEGATIVE", "Must be greater than zero.", field=field)
    return amount


def said(amount: Money) -> Json:
    """An amount as this wire sends it."""
    return {"currency_code": amount.currency, "value": amount.decimal}


def add_order(db: Db, *, intent: str, unit: Json, context: Json, card: Json | None) -> Json:
    """Makes an order of one purchase unit; a card pays at once. Raises Unprocessable."""
    amount = amount_of(
        unit["amount"]["value"],
        unit["amount"]["currency_code"],
        "/purchase_units/@reference_id=='default'/amount/value",
    )
    order = objects.make(
        db,
        ORDER,
        {
            "context": context,
            "intent_kind": intent,
            "minor": amount.minor,
            "currency": amount.currency,
            "payer": None,
            "purchase_unit": {"reference_id": "default"} | unit,
            "state": "CREATED",
            "made_at": clock.iso(clock.now()),
            "updated_at": clock.iso(clock.now()),
        },
        id=new_id(),
    )
    if card is None:
        return order
    _charge(db, order, {"type": "card", "card": card})
    return find(db, ORDER, order["id"])


def approve(db: Db, id: str) -> Json:
    """The buyer agrees to an order. Raises Unprocessable."""
    order = find(db, ORDER, id, lock=True)
    if order["state"] not in ("CREATED", "APPROVED"):
        raise Unprocessable("ORDER_ALREADY_COMPLETED", "The order cannot be approved any more.")
    payer = {
        "email_address": "buyer@mail.example",
        "name": {"given_name": "Amira", "surname": "Haddad"},
        "payer_id": objects.new_id("", 13)[1:].upper(),
    }
    return _changed(db, order, state="APPROVED", payer=payer)


def take(db: Db, id: str, *, kind: str) -> Json:
    """Captures or authorises an order that was approved. Raises Unprocessable."""
    order = find(db, ORDER, id, lock=True)
    if order["state"] == "COMPLETED":
        done = "captured" if kind == "CAPTURE" else "authorized"
        raise Unprocessable(f"ORDER_ALREADY_{done.upper()}", f"Order already {done}.")
    if order["intent_kind"] != kind:
        word = "capture" if kind == "CAPTURE" else "authorize"
        raise Unprocessable("ACTION_DOES_NOT_MATCH_INTENT", f"The order was not created to {word} it.")
    if order["state"] != "APPROVED":
        raise Unprocessable("ORDER_NOT_APPROVED", "Payer has not yet approved the Order for payment.")
    method = methods.build(db, {"type": "card", "card": {"token": "tok_visa"}})
    _charge(db, order, method)
    return find(db, ORDER, id)


def _charge(db: Db, order: Json, method: Json) -> None:
    """Pays an order: what comes of it is a capture or an authorisation."""
    holds = order["intent_kind"] == "AUTHORIZE"
    amount = Money(order["minor"], order["currency"])
    given: Json = {
        "amount": to_stripe(amount),
        "currency": amount.currency.lower(),
        "capture_method": "manual" if holds else "automatic",
        "description": order["purchase_unit"].get("description"),
        "payment_method_types": ["card"],
    }
    pays = {"payment_method": method["id"]} if "id" in method else {"payment_method_data": method}
    try:
        intent = confirming.confirm(
            db, intents.create(db, given)["id"], pays | {"error_on_requires_action": True}
        )
    except CardError as error:
        raise Unprocessable(
            "INSTRUMENT_DECLINED", f"The instrument presented was declined: {error.message}"
        ) from None
    except ApiError as error:
        raise Unprocessable("INVALID_PARAMETER_VALUE", error.message, field=error.param) from None
    if holds:
        _resource(
            db,
            AUTHORIZATION,
            order,
            intent,
            amount,
            "CREATED",
            expires=clock.iso(clock.now() + timedelta(days=7)),
        )
    else:
        _captured(db, order, intent, amount)
    _changed(db, order, state="COMPLETED")


def capture_authorization(db: Db, id: str, value: Json | None) -> Json:
    """Captures what is authorised, once. Raises Unprocessable."""
    held = find(db, AUTHORIZATION, id, lock=True)
    if held["state"] != "CREATED":
        issue = "AUTHORIZATION_VOIDED" if held["state"] == "VOIDED" else "AUTHORIZATION_ALREADY_CAPTURED"
        raise Unprocessable(issue, f"The authorization is {held['state'].lower()}.")
    whole = Money(held["minor"], held["currency"])
    amount = whole if value is None else amount_of(value["value"], value["currency_code"], "/amount/value")
    if amount.currency != whole.currency or amount.minor > whole.minor:
        raise Unprocessable(
            "MAX_CAPTURE_AMOUNT_EXCEEDED",
            "Capture amount exceeds the authorized amount.",
            field="/amount/value",
        )
    try:
        intent = intents.capture(db, held["intent"], {"amount_to_capture": to_stripe(amount)})
    except ApiError as error:
        raise Unprocessable("INVALID_PARAMETER_VALUE", error.message, field="/amount/value") from None
    _changed(db, held, state="CAPTURED")
    return _captured(db, find(db, ORDER, held["order"]), intent, amount)


def void_authorization(db: Db, id: str) -> None:
    """Gives back what is authorised. Raises Unprocessable."""
    held = find(db, AUTHORIZATION, id, lock=True)
    if held["state"] != "CREATED":
        issue = "PREVIOUSLY_VOIDED" if held["state"] == "VOIDED" else "PREVIOUSLY_CAPTURED"
        raise Unprocessable(issue, f"The authorization is {held['state'].lower()} already.")
    intents.cancel(db, held["intent"], {})
    _changed(db, held, state="VOIDED")


def refund(db: Db, id: str, value: Json | None, note: str | None) -> Json:
    """Refunds a capture, what is left of it or less. Raises Unprocessable."""
    taken = find(db, CAPTURE, id, lock=True)
    params: Json = {"payment_intent": taken["intent"]}
    left = Money(taken["minor"] - taken["refunded"], taken["currency"])
    amount = left if value is None else amount_of(value["value"], value["currency_code"], "/amount/value")
    if amount.currency != left.currency:
        raise Unprocessable(
            "CURRENCY_MISMATCH", "The currency must be that of the capture.", field="/amount/currency_code"
        )
    if not left.minor:
        raise Unprocessable("CAPTURE_FULLY_REFUNDED", "The capture has already been fully refunded.")
    if amount.minor > left.minor:
        raise Unprocessable(
            "REFUND_AMOUNT_EXCEEDED",
            "The refund amount must be less than or equal to what is left.",
            field="/amount/value",
        )
    try:
        refunding.create(db, params | {"amount": to_stripe(amount)})
    except ApiError as error:
        raise Unprocessable("REFUND_NOT_ALLOWED", error.message) from None
    refunded = taken["refunded"] + amount.minor
    state = "REFUNDED" if refunded == taken["minor"] else "PARTIALLY_REFUNDED"
    _changed(db, taken, refunded=refunded, state=state)
    return _resource(
        db,
        REFUND,
        find(db, ORDER, taken["order"]),
        {"id": taken["intent"]},
        amount,
        "COMPLETED",
        note=note,
        capture=id,
    )


def _captured(db: Db, order: Json, intent: Json, amount: Money) -> Json:
    charge = objects.get(db, "charge", intent["latest_charge"])
    line = objects.get(db, "balance_transaction", charge["balance_transaction"])
    fee = money.exact(line["fee"], line["currency"])
    net = Money(amount.minor - fee.minor, amount.currency)
    breakdown = {"gross_amount": said(amount), "paypal_fee": said(fee), "net_amount": said(net)}
    return _resource(db, CAPTURE, order, intent, amount, "COMPLETED", breakdown=breakdown, refunded=0)


def _resource(db: Db, kind: str, order: Json, intent: Json, amount: Money, state: str, **more: Any) -> Json:
    at = clock.iso(clock.now())
    return objects.make(
        db,
        kind,
        {
            "currency": amount.currency,
            "custom_id": order["purchase_unit"].get("custom_id"),
            "intent": intent["id"],
            "invoice_id": order["purchase_unit"].get("invoice_id"),
            "made_at": at,
            "minor": amount.minor,
            "order": order["id"],
            "state": state,
            "updated_at": at,
        }
        | more,
        id=new_id(),
    )


def of_order(db: Db, order: str) -> dict[str, list[Json]]:
    """The captures, authorisations and refunds of an order, oldest first."""
    kinds = {"captures": CAPTURE, "authorizations": AUTHORIZATION, "refunds": REFUND}
    found = {name: objects.where(db, kind, order=order)[::-1] for name, kind in kinds.items()}
    return {name: each for name, each in found.items() if each}


def _changed(db: Db, data: Json, **changes: Any) -> Json:
    return objects.save(db, data | changes | {"updated_at": clock.iso(clock.now())})
