"""`--fixtures stripe`: what the ids of Stripe's own examples (`cus_123`, `pi_xxxxxxxxxxxxx`) name.

Each request that writes finds them anew, in the state that it needs: an intent that is to be captured is one that can be.
"""

from __future__ import annotations

from typing import Any

from backendhub.kit.db import Db

from . import objects, store
from .models import Charged, Json, call
from .service import cards, charging, customers, disputing, intents, methods, money, setups

CARD = cards.of_token("visa")
METHOD: Json = {
    "allow_redisplay": "unspecified",
    "billing_details": methods.BILLING | {"address": dict(methods.ADDRESS)},
    "card": CARD,
    "customer": None,
    "type": "card",
}
OLD_CARD = {
    "object": "card",
    "brand": "Visa",
    "address_zip_check": None,
    "address_line1_check": None,
    "cvc_check": "pass",
} | {k: CARD[k] for k in ("country", "exp_month", "exp_year", "fingerprint", "funding", "last4")}


def _owner() -> str:
    """The customer that a path names, or the usual one."""
    first = call().owners[:1]
    return first[0] if first and first[0].startswith("cus_") else "cus_123"


def _method(db: Db, id: str) -> Json:
    owned = call().verb in ("detach", "method")
    return METHOD | {"customer": _owner() if owned else None}


def _intent(db: Db, id: str) -> Json:
    status = {
        "capture": "requires_capture",
        "increment_authorization": "requires_capture",
        "confirm": "requires_confirmation",
    }
    charge = None
    now = status.get(call().verb, "requires_payment_method")
    if now == "requires_capture" and call().writes:
        about = {"amount": 1099, "currency": "usd", "payment_intent": id}
        charge = charging.succeed(db, about, METHOD | {"id": "pm_123"}, capture=False)["id"]
    return intents.DEFAULTS | {
        "amount": 1099,
        "amount_capturable": 1099 if charge else 0,
        "client_secret": f"{id}_secret_xxx",
        "currency": "usd",
        "latest_charge": charge,
        "payment_method": "pm_123" if now != "requires_payment_method" else None,
        "payment_method_types": ["card"],
        "status": now,
    }


def _setup(db: Db, id: str) -> Json:
    confirmed = call().verb == "confirm"
    return setups.DEFAULTS | {
        "client_secret": f"{id}_secret_xxx",
        "payment_method": "pm_123" if confirmed else None,
        "payment_method_types": ["card"],
        "status": "requires_confirmation" if confirmed else "requires_payment_method",
    }


def _charge(db: Db, id: str) -> Json:
    about: Json = {"amount": 100, "currency": "usd"}
    held = call().verb == "capture"
    if call().writes:
        for refund in objects.where(db, "refund", charge=id):
            objects.erase(db, "refund", refund["id"])
        db.run(store.RESET_CHARGED, charge=id)
        db.one(Charged, store.INSERT_CHARGED, charge=id, currency="usd", authorized=100)
        if not held:  # what is refunded of it is there
            db.run(store.CAPTURE, charge=id, amount=100)
            whole = money.exact(100, "usd")
            money.move(db, f"{id}:capture", "network", "pending", whole, code="charge")
    return (
        charging.DEFAULTS
        | about
        | {
            "amount_captured": 0 if held else 100,
            "billing_details": METHOD["billing_details"],
            "captured": not held,
            "outcome": charging.outcome(METHOD, None),
            "paid": True,
            "payment_method": "pm_123",
            "payment_method_details": {"card": charging.details(METHOD, about, False, held), "type": "card"},
            "receipt_url": None,
            "status": "succeeded",
        }
    )


def _line(db: Db, id: str) -> Json:
    amounts: Json = {"amount": 100, "fee": 33, "net": 67, "currency": "usd", "fee_details": []}
    rest: Json = {
        "available_on": objects.now(),
        "balance_type": "payments",
        "description": None,
        "exchange_rate": None,
    }
    return (
        amounts
        | rest
        | {"reporting_category": "charge", "source": "ch_123", "status": "available", "type": "charge"}
    )


def _refund(db: Db, id: str) -> Json:
    cancel = call().verb == "cancel"
    owner = call().owners[0] if call().owners[0].startswith("ch_") else "ch_123"
    if call().writes and cancel:
        objects.get(db, "charge", owner)
        money.move(db, id, "available", "network", money.exact(100, "usd"), code="refund")
        db.run(store.REFUND, charge=owner, amount=100)
    told: Json = {"amount": 100, "charge": owner, "currency": "usd", "payment_intent": None, "reason": None}
    return told | {"balance_transaction": "txn_123", "status": "pending" if cancel else "succeeded"}


def _dispute(db: Db, id: str) -> Json:
    return {
        "amount": 100,
        "balance_transactions": [],
        "charge": "ch_123",
        "currency": "usd",
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(disputing.EVIDENCE),
        "evidence_details": {
            "due_by": objects.now() + 86400,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "payment_intent": None,
        "reason": "general",
        "status": "warning_needs_response",
    }


def _payout(db: Db, id: str) -> Json:
    told: Json = {
        "amount": 1100,
        "currency": "usd",
        "arrival_date": objects.now(),
        "automatic": False,
        "type": "bank_account",
    }
    if call().writes:
        money.move(db, id, "available", "paid_out", money.exact(1100, "usd"), code="payout")
    status = "paid" if call().verb == "reverse" else "pending"
    return told | {
        "balance_transaction": "txn_123",
        "destination": None,
        "method": "standard",
        "status": status,
    }


def _event(db: Db, id: str) -> Json:
    about = {"object": {"id": "cus_123", "object": "customer"}}
    request = {"id": None, "idempotency_key": None}
    return {
        "api_version": None,
        "data": about,
        "pending_webhooks": 0,
        "request": request,
        "type": "customer.created",
    }


def _webhook(db: Db, id: str) -> Json:
    if call().writes:
        from backendhub.kit.outbox import endpoints

        if db.value(store.SELECT_PLACE, endpoint=id) is None:
            place = endpoints.add(
                db, url="https://example.com/webhook", topics=["payment.*"], note=id, signer="stripe"
            )
            db.run(store.INSERT_PLACE, endpoint=id, place=place.id)
            endpoints.disable(db, place.id, "a sample")
    told: Json = {"url": "https://example.com/webhook", "enabled_events": ["*"], "status": "enabled"}
    return told | {"api_version": None, "application": None, "description": None}


def _customer(db: Db, id: str) -> Json:
    settings = customers.DEFAULTS["invoice_settings"] | {"default_payment_method": "pm_123"}
    return customers.DEFAULTS | {"invoice_prefix": "SAMPLE", "currency": "usd", "invoice_settings": settings}


def _old_card(db: Db, id: str) -> Json:
    return OLD_CARD | {"customer": _owner(), "name": None}


def _token(db: Db, id: str) -> Json:
    return {"card": OLD_CARD | {"id": "card_123"}, "client_ip": None, "type": "card", "used": False}


def _source(db: Db, id: str) -> Json:
    told: Json = {
        "amount": None,
        "currency": None,
        "customer": _owner(),
        "flow": "none",
        "type": "card",
        "usage": "reusable",
    }
    owner = {"address": None, "email": None, "name": None, "phone": None}
    return told | {
        "card": CARD,
        "owner": owner,
        "redirect": None,
        "status": "chargeable",
        "client_secret": "src_secret",
    }


def _tax_id(db: Db, id: str) -> Json:
    told: Json = {"country": "DE", "customer": _owner(), "type": "eu_vat", "value": "DE123456789"}
    return told | {"verification": {"status": "pending", "verified_address": None, "verified_name": None}}


def _movement(db: Db, id: str) -> Json:
    told: Json = {
        "amount": -500,
        "currency": "usd",
        "customer": _owner(),
        "ending_balance": 0,
        "type": "adjustment",
    }
    return told | {"description": None, "invoice": None, "credit_note": None}


def _file(db: Db, id: str) -> Json:
    told: Json = {
        "expires_at": None,
        "filename": "sample.png",
        "purpose": "dispute_evidence",
        "size": 0,
        "title": None,
    }
    return told | {"type": "png", "url": None}


def _key(db: Db, id: str) -> Json:
    return {"associated_objects": [{"id": "cus_123", "type": "customer"}], "expires": objects.now() + 3600}


SAMPLES: dict[str, Any] = {
    "balance_transaction": _line,
    "card": _old_card,
    "charge": _charge,
    "customer": _customer,
    "customer_balance_transaction": _movement,
    "dispute": _dispute,
    "ephemeral_key": _key,
    "event": _event,
    "file": _file,
    "payment_intent": _intent,
    "payment_method": _method,
    "payout": _payout,
    "refund": _refund,
    "setup_intent": _setup,
    "source": _source,
    "tax_id": _tax_id,
    "token": _token,
    "webhook_endpoint": _webhook,
}
for _kind, _make in SAMPLES.items():
    objects.fixture(_kind, _make)
