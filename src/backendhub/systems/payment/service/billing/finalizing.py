"""What becomes of a draft: finalised, voided, written off."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import customers, intents, money

from . import discounting, invoices, invoicing
from .codes import Worth
from .times import later, living


def finalize(db: Db, id: str, params: Json) -> Json:
    """Finalise a draft: it gets its number, and its payment can begin."""
    invoice = invoicing.locked(db, id)
    if invoice["status"] != "draft":
        raise ApiError(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
            code="invoice_not_editable",
        )
    with living(db, invoice):
        fresh = finalized(db, invoice)
        advance = params.get("auto_advance", fresh["auto_advance"])
        if fresh["status"] == "open" and advance != fresh["auto_advance"]:
            fresh = objects.save(db, fresh | {"auto_advance": advance})
        if fresh["status"] == "open" and advance and fresh["collection_method"] == "charge_automatically":
            later(db, fresh, "payment.invoice_collects", objects.now() + invoices.FINALIZES_AFTER, id=id)
    return fresh


def finalized(db: Db, invoice: Json) -> Json:
    """A draft that becomes open, or paid at once where nothing is due."""
    now = objects.now()
    if invoice["billing_reason"] == "manual" and invoice["discounts"]:
        discounting.reached(db, invoice["discounts"], Worth(invoice["subtotal"], invoice["currency"]))
    customer = objects.get(db, "customer", invoice["customer"], lock=True)
    due, ending = _balanced(invoice, customer)
    number = invoice["number"] or f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
    if not invoice["number"]:
        customer = objects.save(
            db, customer | {"next_invoice_sequence": customer["next_invoice_sequence"] + 1}
        )
    starting = customer["balance"]
    if ending != starting:
        about = {"invoice": invoice["id"]}
        customers.shifted(db, customer, ending - starting, invoice["currency"], "applied_to_invoice", about)
    elif customer["currency"] is None:
        objects.save(db, customer | {"currency": invoice["currency"]})
    fresh = invoice | {
        "amount_due": due,
        "amount_remaining": due,
        "automatically_finalizes_at": None,
        "effective_at": invoice["effective_at"] or now,
        "ending_balance": ending,
        "hosted_invoice_url": invoicing.address(db, invoice),
        "number": number,
        "starting_balance": starting,
    }
    fresh = invoicing.moved(db, fresh, "finalize", finalized_at=now)
    if due:
        _wanted(db, fresh)
        if fresh["due_date"]:
            later(db, fresh, "payment.invoice_overdue", fresh["due_date"], id=fresh["id"])
    events.emit(db, "invoice.finalized", fresh)
    if not due:
        fresh = settled(db, fresh, 0)
    return fresh


def refused(db: Db, invoice: Json, error: ApiError) -> None:
    """A draft that could not be finalised by itself: it stays one, says why, and is not tried again."""
    told = error.body()["error"]
    fresh = objects.save(db, invoice | {"auto_advance": False, "last_finalization_error": told})
    events.emit(db, "invoice.finalization_failed", fresh)


def _balanced(invoice: Json, customer: Json) -> tuple[int, int]:
    """What is due after the customer's balance, and what the balance is then. What is too little to be charged waits."""
    whole = invoice["total"] + customer["balance"]
    if whole <= 0:
        return 0, whole
    if invoice["collection_method"] == "charge_automatically" and whole < money.SMALLEST.get(
        invoice["currency"], 1
    ):
        return 0, whole
    return whole, 0


def _wanted(db: Db, invoice: Json) -> Json:
    """The payment intent of an open invoice."""
    of_subscription = invoicing.subscription_of(invoice) is not None
    reason = {"subscription_create": "Subscription creation", "manual": "Payment for Invoice"}
    intent = intents.create(
        db,
        {
            "amount": invoice["amount_due"],
            "currency": invoice["currency"],
            "customer": invoice["customer"],
            "description": reason.get(invoice["billing_reason"], "Subscription update"),
            "payment_method_types": invoice["payment_settings"]["payment_method_types"] or ["card"],
        }
        | ({"setup_future_usage": "off_session"} if of_subscription else {}),
    )
    return objects.make(
        db,
        "invoice_payment",
        {
            "amount_paid": None,
            "amount_requested": invoice["amount_due"],
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "payment": {"type": "payment_intent", "payment_intent": intent["id"]},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        },
    )


def settled(db: Db, invoice: Json, amount: int, *, attempted: bool = False) -> Json:
    """An invoice of which all is paid: so much by its payment intent, or elsewhere."""
    fresh = invoice | {
        "amount_paid": amount if invoice["amount_due"] else 0,
        "amount_remaining": 0,
        "attempted": True,
        "attempt_count": invoice["attempt_count"] + attempted,
        "auto_advance": False,
        "next_payment_attempt": None,
    }
    fresh = invoicing.moved(db, fresh, "pay", paid_at=objects.now())
    events.emit(db, "invoice.paid", fresh)
    events.emit(db, "invoice.payment_succeeded", fresh)
    return objects.get(db, "invoice", invoice["id"])


def void(db: Db, id: str, params: Json) -> Json:
    """Void a finalised invoice: nobody will pay it, but it stays in the books."""
    invoice = _open(db, id)
    with living(db, invoice):
        return voided(db, invoice)


def voided(db: Db, invoice: Json) -> Json:
    """An invoice that was a mistake; what it took of the customer's balance goes back."""
    _given_up(db, invoice)
    if (taken := invoice["starting_balance"] - invoice["ending_balance"]) != 0:
        customer = objects.get(db, "customer", invoice["customer"], lock=True)
        about = {"invoice": invoice["id"]}
        customers.shifted(db, customer, taken, invoice["currency"], "unapplied_from_invoice", about)
    fresh = invoicing.moved(
        db, invoice | {"auto_advance": False, "next_payment_attempt": None}, "void", voided_at=objects.now()
    )
    events.emit(db, "invoice.voided", fresh)
    return fresh


def write_off(db: Db, id: str, params: Json) -> Json:
    """Mark an invoice as uncollectible: it can still be paid, but nobody expects that."""
    invoice = _open(db, id)
    with living(db, invoice):
        return written_off(db, invoice)


def written_off(db: Db, invoice: Json) -> Json:
    """An invoice that nobody expects to be paid."""
    quiet = invoice | {"auto_advance": False, "next_payment_attempt": None}
    fresh = invoicing.moved(db, quiet, "write_off", marked_uncollectible_at=objects.now())
    events.emit(db, "invoice.marked_uncollectible", fresh)
    return fresh


def _open(db: Db, id: str) -> Json:
    invoice = invoicing.locked(db, id)
    if invoice["status"] not in ("open", "uncollectible"):
        raise ApiError("You can only pass in open invoices. This invoice isn't open.")
    return invoice


def _given_up(db: Db, invoice: Json) -> None:
    """Cancels what was going to pay an invoice. Raises ApiError while a bank works on it."""
    for payment in objects.where(db, "invoice_payment", invoice=invoice["id"], status="open", limit=20):
        intent = intents.locked(db, payment["payment"]["payment_intent"])
        if intent["status"] == "processing":
            raise ApiError(
                "This invoice has a payment that is being processed, and cannot be changed until it is done."
            )
        passed = payment["status_transitions"] | {"canceled_at": objects.now()}
        objects.save(db, payment | {"status": "canceled", "status_transitions": passed})
        if intent["status"] not in ("succeeded", "canceled"):
            intents.cancelled(db, intent, "void_invoice")


def given_up(db: Db, invoice: Json) -> None:
    """Cancels what was going to pay an invoice."""
    _given_up(db, invoice)


def send(db: Db, id: str, params: Json) -> Json:
    """Send an invoice to its customer; a draft is finalised before."""
    invoice = invoicing.locked(db, id)
    with living(db, invoice):
        if invoice["collection_method"] != "send_invoice":
            raise ApiError(
                "You can only manually send an invoice if its collection method is `send_invoice`."
            )
        if invoice["status"] == "draft":
            invoice = finalized(db, invoice)
        if invoice["status"] not in ("open", "paid"):
            raise ApiError("You can only send invoices that are open or paid.")
        events.emit(db, "invoice.sent", invoice)
    return invoice
