"""Invoices as they are kept: their states, what pays them, and where people look at them."""

from __future__ import annotations

from typing import Any

from backendhub.kit.db import Db
from backendhub.kit.states import Machine, Move
from backendhub.systems.payment import objects, resources
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json, call

INVOICE = resources.declare(
    resources.Resource(
        "invoice",
        "in",
        "/v1/invoices",
        index=(
            "customer", "status", "collection_method", "due_date", "parent.subscription_details.subscription",
            "total", "amount_due", "amount_paid", "starting_balance", "ending_balance", "paid_out_of_band",
            "pre_payment_credit_notes_amount",
        ),
        search=("currency", "customer", "last_finalization_error_code", "number", "receipt_number", "status", "total"),
        expand={
            "customer": "customer", "default_payment_method": "payment_method", "discounts": "discount",
            "default_tax_rates": "tax_rate", "test_clock": "test_helpers.test_clock", "subscription": "subscription",
            "payment_intent": "payment_intent", "charge": "charge",
        },
        include={
            "payments": lambda db, invoice: payments(db, invoice),
            "confirmation_secret": lambda db, invoice: _secret(db, invoice),
            # What invoices told themselves before 2025-03-31, for clients that still expand it.
            "payment_intent": lambda db, invoice: intent_of(db, invoice),
            "subscription": lambda db, invoice: objects.find(db, "subscription", subscription_of(invoice) or ""),
        },
    )
)  # fmt: skip
INVOICES = Machine(
    "invoice",
    table="payment_object",
    column="status",
    initial="draft",
    moves=(
        Move("finalize", "draft", "open", "It has a number, and does not change any more"),
        Move("pay", "open", "paid", "All of it is paid"),
        Move("pay", "uncollectible", "paid", "Paid after all"),
        Move("void", "open", "void", "It was a mistake"),
        Move("void", "uncollectible", "void", "It was a mistake"),
        Move("write_off", "open", "uncollectible", "Nobody expects to be paid"),
    ),
)


def locked(db: Db, id: str, *, param: str = "id") -> Json:
    """An invoice that nobody else changes until this transaction ends."""
    return objects.get(db, "invoice", id, param=param, lock=True)


def draft(db: Db, id: str, *, word: str = "invoice") -> Json:
    """A draft, locked. Raises ApiError for one that is finalised."""
    found = locked(db, id, param="invoice")
    if found["status"] != "draft":
        raise ApiError(
            f"The {word} cannot be changed: the invoice {id} is no longer editable.",
            code="invoice_not_editable",
            param="invoice",
        )
    return found


def moved(db: Db, invoice: Json, verb: str, **stamps: int) -> Json:
    """An invoice in its next state, stored."""
    status = INVOICES.move(db, objects.key_of(db, "invoice", invoice["id"]), verb)
    passed = invoice["status_transitions"] | stamps
    return objects.save(db, invoice | {"status": status, "status_transitions": passed})


def subscription_of(invoice: Json) -> str | None:
    """The subscription that an invoice bills."""
    found: str | None = ((invoice["parent"] or {}).get("subscription_details") or {}).get("subscription")
    return found


def payments(db: Db, invoice: Json) -> Json:
    """The list of payments inside an invoice."""
    data = objects.where(db, "invoice_payment", invoice=invoice["id"], limit=20)
    return {"object": "list", "data": data, "has_more": False, "url": "/v1/invoice_payments"}


def intent_of(db: Db, invoice: Json) -> Json | None:
    """The payment intent that pays an invoice."""
    for payment in objects.where(db, "invoice_payment", invoice=invoice["id"], limit=20):
        if payment["is_default"]:
            found: Any = payment["payment"]["payment_intent"]
            return objects.get(db, "payment_intent", found)
    return None


def _secret(db: Db, invoice: Json) -> Json | None:
    intent = intent_of(db, invoice) if invoice["status"] == "open" else None
    return None if intent is None else {"client_secret": intent["client_secret"], "type": "payment_intent"}


def address(db: Db, invoice: Json) -> str:
    """Where people look at an invoice; nobody can guess it. A job knows the server's name from an invoice before."""
    base = call().base_url
    if call().request_id is None:
        for other in objects.where(db, "invoice", customer=invoice["customer"], limit=10):
            if other["hosted_invoice_url"]:
                base = other["hosted_invoice_url"].partition("/invoices/")[0]
                break
    return f"{base}/invoices/{invoice['id']}/{objects.new_id('', 32)[1:]}"
