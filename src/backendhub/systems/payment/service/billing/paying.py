"""Paying invoices: attempts through payment intents, what follows when one is paid or refused, and trying again."""

from __future__ import annotations

from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError, CardError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import confirming, methods

from . import finalizing, invoicing, periods
from .times import later, living

PAYMENT = resources.declare(
    resources.Resource(
        "invoice_payment",
        "inpay",
        "/v1/invoice_payments",
        index=("invoice", "status", "payment.type", "payment.payment_intent", "amount_paid"),
        expand={"invoice": "invoice"},
        metadata=False,
    )
)
RETRIES = (3, 5, 7)
"""Days after which a renewal that was refused is tried again, each counted from the refusal before."""
NO_METHOD = (
    "There is no `default_payment_method` set on this Customer or Invoice. Please set the appropriate PaymentMethod on "
    "the Customer or Invoice `default_payment_method` field and retry."
)


def pay(db: Db, id: str, params: Json) -> Json:
    """Pay an invoice now; a draft is finalised before."""
    invoice = invoicing.locked(db, id)
    with living(db, invoice):
        if invoice["status"] == "draft":
            invoice = finalizing.finalized(db, invoice)
            if invoice["status"] == "paid":
                return invoice
        if invoice["status"] == "paid":
            raise ApiError("Invoice is already paid")
        if invoice["status"] == "void":
            raise ApiError("You cannot pay a voided invoice.")
        if params.get("paid_out_of_band"):
            finalizing.given_up(db, invoice)
            return finalizing.settled(db, invoice | {"paid_out_of_band": True}, invoice["amount_due"])
        if (owner := invoicing.subscription_of(invoice)) is not None:
            objects.get(db, "subscription", owner, lock=True)
        failed = attempt(
            db,
            invoice,
            method=params.get("payment_method"),
            off_session=params.get("off_session", True),
            must=True,
        )
        if failed is not None:
            raise failed
    return objects.get(db, "invoice", id)


def attempt(
    db: Db,
    invoice: Json,
    *,
    method: str | None = None,
    off_session: bool = True,
    url: str | None = None,
    must: bool = False,
) -> CardError | None:
    """Tries to pay an open invoice once. What comes of it is written down; a refusal is given back.

    Raises ApiError where there is no payment method, and one is a `must`.
    """
    intent = invoicing.intent_of(db, invoice)
    if intent is None or intent["status"] in ("processing", "succeeded", "canceled", "requires_capture"):
        return None
    given = method or method_of(db, invoice)
    if given is None:
        if must:
            raise ApiError(NO_METHOD)
        missed(db, invoice)
        return None
    whole = methods.named(db, given)
    if whole["customer"] is None and not off_session:
        whole = methods.attached(db, whole, invoice["customer"])
    if whole["type"] not in intent["payment_method_types"]:
        objects.save(db, intent | {"payment_method_types": [*intent["payment_method_types"], whole["type"]]})
    try:
        about: Json = {"payment_method": whole["id"], "off_session": off_session, "return_url": url}
        confirming.confirm(db, intent["id"], about)
    except CardError as error:
        return error
    return None


def method_of(db: Db, invoice: Json) -> str | None:
    """What an invoice is paid with: its own method, its subscription's, its customer's."""
    if invoice["default_payment_method"]:
        return str(invoice["default_payment_method"])
    if (owner := invoicing.subscription_of(invoice)) is not None:
        subscription = objects.get(db, "subscription", owner)
        if subscription["default_payment_method"]:
            return str(subscription["default_payment_method"])
    customer = objects.find(db, "customer", invoice["customer"])
    return None if customer is None or customer.get("deleted") else methods.default_of(customer)


# -- what intents tell -------------------------------------------------------------------------------------


def _payment_of(db: Db, intent: Json) -> Json | None:
    found = objects.where(db, "invoice_payment", **{"payment.payment_intent": intent["id"]}, limit=1)
    return found[0] if found else None


def _succeeded(db: Db, intent: Json) -> None:
    """An invoice whose intent was paid."""
    payment = _payment_of(db, intent)
    if payment is None or payment["status"] != "open":
        return
    invoice = invoicing.locked(db, payment["invoice"])
    with living(db, invoice):
        passed = payment["status_transitions"] | {"paid_at": objects.now()}
        fresh = payment | {
            "status": "paid",
            "amount_paid": intent["amount_received"],
            "status_transitions": passed,
        }
        events.emit(db, "invoice_payment.paid", objects.save(db, fresh))
        finalizing.settled(db, invoice, intent["amount_received"], attempted=True)


def _failed(db: Db, intent: Json) -> None:
    """An invoice whose intent was refused."""
    payment = _payment_of(db, intent)
    if payment is None or payment["status"] != "open":
        return
    invoice = invoicing.locked(db, payment["invoice"])
    with living(db, invoice):
        error: Any = intent["last_payment_error"] or {}
        if error.get("code") == "authentication_required":
            events.emit(db, "invoice.payment_action_required", invoice)
        missed(db, invoice)


def _acts(db: Db, intent: Json) -> None:
    """An invoice whose buyer has to authenticate."""
    payment = _payment_of(db, intent)
    if payment is not None and payment["status"] == "open":
        events.emit(db, "invoice.payment_action_required", objects.get(db, "invoice", payment["invoice"]))


def missed(db: Db, invoice: Json) -> Json:
    """An invoice that could not be paid: it is tried again some days later, until that is given up."""
    count = invoice["attempt_count"] + 1
    fresh = invoice | {"attempted": True, "attempt_count": count, "next_payment_attempt": None}
    if (
        invoice["auto_advance"]
        and count <= len(RETRIES)
        and invoice["billing_reason"] != "subscription_create"
    ):
        at = periods.days(objects.now(), RETRIES[count - 1])
        fresh["next_payment_attempt"] = at
        later(db, invoice, "payment.invoice_retries", at, id=invoice["id"], count=count)
    fresh = objects.save(db, fresh)
    events.emit(db, "invoice.payment_failed", fresh)
    return fresh


events.listen("payment_intent.succeeded", _succeeded)
events.listen("payment_intent.payment_failed", _failed)
events.listen("payment_intent.requires_action", _acts)


# -- by themselves -----------------------------------------------------------------------------------------


def finalizes(db: Db, id: str) -> None:
    """Finalises a draft whose hour is over, and collects it."""
    invoice = objects.find(db, "invoice", id, lock=True)
    if (
        invoice is None
        or invoice.get("deleted")
        or invoice["status"] != "draft"
        or not invoice["auto_advance"]
    ):
        return
    with living(db, invoice):
        if (
            invoice["automatically_finalizes_at"] is not None
            and invoice["automatically_finalizes_at"] > objects.now()
        ):
            return
        try:
            with db.savepoint():
                invoice = finalizing.finalized(db, invoice)
        except ApiError as error:
            finalizing.refused(db, invoice, error)
        else:
            collect(db, invoice)


def collects(db: Db, id: str) -> None:
    """Collects an open invoice that nobody has tried to pay yet."""
    invoice = objects.find(db, "invoice", id, lock=True)
    if (
        invoice is not None
        and invoice["status"] == "open"
        and invoice["auto_advance"]
        and not invoice["attempted"]
    ):
        with living(db, invoice):
            collect(db, invoice)


def collect(db: Db, invoice: Json) -> None:
    """Charges a finalised invoice, or sends it."""
    if invoice["status"] != "open":
        return
    if invoice["collection_method"] == "send_invoice":
        events.emit(db, "invoice.sent", invoice)
    else:
        attempt(db, invoice)


def retries(db: Db, id: str, count: int) -> None:
    """Tries again to pay an invoice, unless something has happened since."""
    invoice = objects.find(db, "invoice", id, lock=True)
    if invoice is None or invoice["status"] != "open" or invoice["attempt_count"] != count:
        return
    with living(db, invoice):
        if invoice["auto_advance"]:
            attempt(db, invoice)


def overdue(db: Db, id: str) -> None:
    """Tells of an invoice that was not paid in time."""
    invoice = objects.find(db, "invoice", id, lock=True)
    if invoice is not None and invoice["status"] == "open":
        with living(db, invoice):
            events.emit(db, "invoice.overdue", invoice)
