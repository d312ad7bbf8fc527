"""Razorpay's orders, payments and refunds over the same intents, charges and refunds."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Any

from backendhub.kit.db import Db
from backendhub.kit.errors import HubError
from backendhub.systems.payment import objects, resources
from backendhub.systems.payment.errors import ApiError, CardError
from backendhub.systems.payment.models import Json

from . import confirming, intents, refunding

ORDER, PAYMENT, REFUND = "razorpay.order", "razorpay.payment", "razorpay.refund"
PREFIXES = {ORDER: "order", PAYMENT: "pay", REFUND: "rfnd"}
for _kind, _fields in (
    (ORDER, ("receipt", "status")),
    (PAYMENT, ("order_id", "intent")),
    (REFUND, ("payment_id",)),
):
    resources.declare(resources.Resource(_kind, index=_fields, metadata=False, tells=False))
HIDDEN = ("object", "created", "intent", "payment_capture", "secret")


class Refused(HubError):
    """What cannot be done, as Razorpay tells it."""

    status, exit_code, code, title = 400, 1, "BAD_REQUEST_ERROR", "Bad request"

    def __init__(
        self, message: str, *, field: str | None = None, reason: str = "input_validation_failed", **more: Any
    ) -> None:
        super().__init__(message)
        self.field, self.reason, self.more = field, reason, more


def shown(data: Json, entity: str) -> Json:
    """An object as this wire sends it."""
    told = {k: v for k, v in data.items() if k not in HIDDEN}
    return {"id": told.pop("id"), "entity": entity} | told | {"created_at": data["created"]}


def find(db: Db, kind: str, id: str, *, lock: bool = False) -> Json:
    """An object by its id. Raises Refused."""
    found = objects.find(db, kind, id, lock=lock)
    if found is None:
        raise Refused("The id provided does not exist")
    return found


def listed(db: Db, kind: str, *, count: int, skip: int, since: int, until: int, **fields: Any) -> list[Json]:
    """A page of a kind, the newest first."""
    asked: list[tuple[str, str, Any]] = [(k, ":", v) for k, v in fields.items() if v is not None]
    asked += [("created", ">=", since)] * bool(since) + [("created", "<=", until)] * bool(until)
    return objects.select(db, kind, asked, limit=skip + count)[skip:]


def add_order(
    db: Db, *, amount: int, currency: str, receipt: str | None, notes: Json, capture: bool, partial: bool
) -> Json:
    """Makes an order."""
    if amount < 100 and currency == "INR":
        raise Refused("Order amount less than minimum amount allowed", field="amount")
    if partial:
        raise Refused("Partial payments are not enabled", field="partial_payment")
    return objects.make(
        db,
        ORDER,
        {
            "amount": amount,
            "amount_due": amount,
            "amount_paid": 0,
            "attempts": 0,
            "currency": currency,
            "notes": notes,
            "offer_id": None,
            "payment_capture": capture,
            "receipt": receipt,
            "status": "created",
        },
        id=objects.new_id(PREFIXES[ORDER], 14),
    )


def edit_order(db: Db, id: str, notes: Json) -> Json:
    """Changes the notes of an order."""
    return objects.save(db, find(db, ORDER, id, lock=True) | {"notes": notes})


def pay(
    db: Db, *, amount: int, currency: str, order: str | None, card: Json, about: Json, base: str
) -> tuple[Json, Json | None]:
    """Pays by card: the payment, and why it was refused if it was. Raises Refused."""
    owner = find(db, ORDER, order, lock=True) if order is not None else None
    if owner is not None:
        if owner["status"] == "paid":
            raise Refused(
                "Payment already done for this order", reason="order_already_paid", field="order_id"
            )
        if (owner["amount"], owner["currency"]) != (amount, currency):
            raise Refused("Your payment amount is different from your order amount", field="amount")
        owner = objects.save(db, owner | {"attempts": owner["attempts"] + 1, "status": "attempted"})
    id = objects.new_id(PREFIXES[PAYMENT], 14)
    intent, why = _charge(db, amount, currency, card, about, f"{base}/razorpay/payments/{id}/done")
    payment = objects.make(
        db,
        PAYMENT,
        {
            "acquirer_data": {"auth_code": None},
            "amount": amount,
            "amount_refunded": 0,
            "bank": None,
            "captured": False,
            "card": _card(db, intent),
            "contact": about.get("contact"),
            "currency": currency,
            "description": about.get("description"),
            "email": about.get("email"),
            "error_code": None,
            "error_description": None,
            "error_reason": None,
            "error_source": None,
            "error_step": None,
            "fee": None,
            "intent": intent["id"],
            "international": False,
            "invoice_id": None,
            "method": "card",
            "notes": about.get("notes") or {},
            "order_id": order,
            "refund_status": None,
            "status": "created",
            "tax": None,
            "vpa": None,
            "wallet": None,
        },
        id=id,
    )
    return followed(db, payment), why


def followed(db: Db, payment: Json) -> Json:
    """A payment as its intent has it; captured at once where its order wants that."""
    intent = objects.get(db, "payment_intent", payment["intent"])
    owner = objects.find(db, ORDER, payment["order_id"]) if payment["order_id"] else None
    if intent["status"] == "requires_capture" and payment["status"] == "created":
        payment = objects.save(db, payment | {"status": "authorized"})
        if owner is not None and owner["payment_capture"]:
            return capture(db, payment["id"], payment["amount"], payment["currency"])
    elif intent["last_payment_error"] is not None:
        error = intent["last_payment_error"]
        told = {
            "error_code": "BAD_REQUEST_ERROR",
            "error_description": error["message"],
            "error_source": "customer",
        }
        told |= {
            "error_step": "payment_authorization",
            "error_reason": error.get("decline_code") or "payment_failed",
        }
        payment = objects.save(db, payment | told | {"status": "failed"})
    return payment


def capture(db: Db, id: str, amount: int, currency: str | None) -> Json:
    """Captures a payment that is authorised, all of it. Raises Refused."""
    payment = find(db, PAYMENT, id, lock=True)
    if payment["status"] != "authorized":
        done = payment["status"] in ("captured", "refunded")
        message = "This payment has already been captured" if done else "The payment is not authorized"
        raise Refused(message, reason="payment_already_captured" if done else "payment_not_authorized")
    if amount != payment["amount"] or currency not in (None, payment["currency"]):
        raise Refused("Capture amount must be equal to the amount authorized", field="amount")
    intent = intents.capture(db, payment["intent"], {})
    charge = objects.get(db, "charge", intent["latest_charge"])
    fee = objects.get(db, "balance_transaction", charge["balance_transaction"])["fee"]
    if payment["order_id"]:
        order = find(db, ORDER, payment["order_id"], lock=True)
        objects.save(db, order | {"status": "paid", "amount_paid": amount, "amount_due": 0})
    return objects.save(db, payment | {"status": "captured", "captured": True, "fee": fee, "tax": 0})


def refund(db: Db, id: str, amount: int | None, notes: Json, receipt: str | None) -> Json:
    """Refunds a payment, what is left of it or less. Raises Refused."""
    payment = find(db, PAYMENT, id, lock=True)
    if payment["status"] not in ("captured", "refunded"):
        raise Refused("The payment status should be captured for action to be taken")
    params: Json = {"payment_intent": payment["intent"]} | ({"amount": amount} if amount is not None else {})
    try:
        made = refunding.create(db, params)
    except ApiError as error:
        full = error.wire_code == "charge_already_refunded"
        message = (
            "The payment has been fully refunded already"
            if full
            else "The refund amount provided is greater than amount captured"
        )
        raise Refused(message, field="amount") from None
    refunded = payment["amount_refunded"] + made["amount"]
    whole = refunded >= payment["amount"]
    status = {"refund_status": "full" if whole else "partial", "status": "refunded" if whole else "captured"}
    objects.save(db, payment | {"amount_refunded": refunded} | status)
    return objects.make(
        db,
        REFUND,
        {
            "acquirer_data": {"arn": None},
            "amount": made["amount"],
            "batch_id": None,
            "currency": payment["currency"],
            "notes": notes,
            "payment_id": id,
            "receipt": receipt,
            "speed_processed": "normal",
            "speed_requested": "normal",
            "status": "processed" if made["status"] == "succeeded" else "pending",
        },
        id=objects.new_id(PREFIXES[REFUND], 14),
    )


def signature(payment: Json, secret: str) -> str:
    """What proves to the shop that a payment is of its order."""
    return hmac.new(secret.encode(), f"{payment['order_id']}|{payment['id']}".encode(), sha256).hexdigest()


def _charge(
    db: Db, amount: int, currency: str, card: Json, about: Json, back: str
) -> tuple[Json, Json | None]:
    given = {
        "amount": amount,
        "currency": currency.lower(),
        "capture_method": "manual",
        "description": about.get("description"),
        "payment_method_types": ["card"],
    }
    try:
        intent = intents.create(db, given)
        data = {
            "type": "card",
            "card": card,
            "billing_details": {"name": about.get("name"), "email": about.get("email")},
        }
        return confirming.confirm(db, intent["id"], {"payment_method_data": data, "return_url": back}), None
    except CardError as error:
        if "payment_intent" not in error.more:
            raise Refused(error.message, field="card", reason=error.wire_code or "payment_failed") from None
        return error.more["payment_intent"], error.body()["error"]
    except ApiError as error:
        raise Refused(error.message, field=error.param) from None


def _card(db: Db, intent: Json) -> Json | None:
    method = (intent.get("last_payment_error") or {}).get("payment_method")
    if method is None and intent["payment_method"]:
        method = objects.get(db, "payment_method", intent["payment_method"])
    card = (method or {}).get("card")
    if card is None:
        return None
    network = {"visa": "Visa", "mastercard": "MasterCard", "amex": "American Express"}.get(
        card["brand"], card["brand"]
    )
    billing = (method or {})["billing_details"]
    return {
        "id": "card_" + card["fingerprint"][:14],
        "entity": "card",
        "emi": False,
        "international": card["country"] != "IN",
        "issuer": None,
        "last4": card["last4"],
        "name": billing["name"] or "",
        "network": network,
        "type": card["funding"],
    }
