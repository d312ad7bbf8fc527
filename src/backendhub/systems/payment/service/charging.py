"""Charges: what was authorised on a payment method, captured and refunded, with its lines of the balance."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, resources, store
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Charged, Json, call

from . import cards, disputing, money

CHARGE = resources.declare(
    resources.Resource(
        "charge",
        "ch",
        "/v1/charges",
        index=("customer", "payment_intent", "transfer_group", "captured", "payment_method_details.card.capture_before"),
        search=(
            "amount", "currency", "customer", "disputed", "payment_method_details.card.brand",
            "payment_method_details.card.exp_month", "payment_method_details.card.exp_year",
            "payment_method_details.card.fingerprint", "payment_method_details.card.last4", "refunded", "status",
        ),
        expand={
            "customer": "customer", "payment_intent": "payment_intent", "balance_transaction": "balance_transaction",
            "payment_method": "payment_method", "dispute": "dispute", "failure_balance_transaction": "balance_transaction",
            "invoice": "invoice",
        },
        include={"refunds": lambda db, charge: refunds_of(db, charge)},
    )
)  # fmt: skip
DEFAULTS: Json = {
    "amount_captured": 0,
    "amount_refunded": 0,
    "application": None,
    "application_fee": None,
    "application_fee_amount": None,
    "balance_transaction": None,
    "calculated_statement_descriptor": "BACKENDHUB",
    "captured": False,
    "description": None,
    "dispute": None,
    "disputed": False,
    "failure_balance_transaction": None,
    "failure_code": None,
    "failure_message": None,
    "fraud_details": {},
    "on_behalf_of": None,
    "payment_intent": None,
    "radar_options": {},
    "receipt_email": None,
    "receipt_number": None,
    "refunded": False,
    "review": None,
    "shipping": None,
    "source": None,
    "source_transfer": None,
    "statement_descriptor": None,
    "statement_descriptor_suffix": None,
    "transfer_data": None,
    "transfer_group": None,
}
OF_INTENT = (
    "amount", "currency", "customer", "description", "metadata", "on_behalf_of", "receipt_email", "shipping",
    "statement_descriptor", "statement_descriptor_suffix", "transfer_data", "transfer_group", "application_fee_amount",
)  # fmt: skip
HELD_FOR = timedelta(days=7)
"""How long an authorisation may wait for its capture."""
SCORES = {"normal": 24, "elevated": 65, "highest": 90}


def build(
    db: Db,
    about: Json,
    method: Json,
    *,
    status: str,
    failure: Json | None = None,
    secured: bool = False,
    held: bool = False,
) -> Json:
    """A charge of what `about` says (amount, currency, customer, …) on a payment method. One that succeeds is not told of
    yet."""
    id = objects.new_id("ch")
    wide: Json = DEFAULTS | {
        "billing_details": method["billing_details"],
        "outcome": outcome(method, failure) if method["type"] == "card" else None,
        "paid": status == "succeeded",
        "payment_method": method["id"],
        "payment_method_details": {
            "type": method["type"],
            method["type"]: details(method, about, secured, held),
        },
        "receipt_url": f"{call().base_url}/receipts/{id}" if status == "succeeded" else None,
        "status": status,
    }
    if failure is not None:
        wide |= {"failure_code": failure["code"], "failure_message": failure["message"]}
    made = objects.make(db, "charge", wide | about, id=id)
    if status != "succeeded":
        events.emit(db, f"charge.{status}", made)
    return made


def succeed(db: Db, about: Json, method: Json, *, capture: bool, secured: bool = False) -> Json:
    """A charge that went through, captured at once or later. What its test card wants happens in the same commit."""
    charge = build(db, about, method, status="succeeded", secured=secured, held=not capture)
    authorise(db, charge)
    if capture:
        charge = captured(db, charge, charge["amount"])
    events.emit(db, "charge.succeeded", charge)
    return disputed(db, charge)


def finish(db: Db, charge: Json, *, failure: Json | None = None) -> Json:
    """The end of a charge that was pending: the money has come, or it has not."""
    if failure is not None:
        fresh = charge | {"status": "failed", "paid": False, "failure_code": failure["code"]}
        fresh = objects.save(db, fresh | {"failure_message": failure["message"]})
        events.emit(db, "charge.failed", fresh)
        return fresh
    authorise(db, charge)
    fresh = captured(db, charge | {"status": "succeeded", "paid": True}, charge["amount"])
    events.emit(db, "charge.succeeded", fresh)
    return fresh


def authorise(db: Db, charge: Json) -> None:
    """Notes how much may be captured of a charge: from here on the database guards it."""
    db.one(
        Charged,
        store.INSERT_CHARGED,
        charge=charge["id"],
        currency=charge["currency"],
        authorized=charge["amount"],
    )


def extend(db: Db, charge: Json, amount: int) -> Json:
    """Raises what is authorised. Raises ApiError where it would be lowered."""
    if not db.run(store.EXTEND, charge=charge["id"], authorized=amount):
        raise ApiError("The new amount must be higher than the one before.", param="amount")
    return objects.save(db, charge | {"amount": amount})


def captured(db: Db, charge: Json, amount: int, *, about: Json | None = None) -> Json:
    """Captures an amount, once; the rest is released. Raises ApiError beyond what is authorised."""
    whole = money.exact(amount, charge["currency"])
    if charge["captured"] or not db.run(store.CAPTURE, charge=charge["id"], amount=amount):
        raise ApiError(
            f"Charge {charge['id']} has already been captured."
            if charge["captured"]
            else "The amount to capture is greater than the amount that is authorized.",
            code="charge_already_captured" if charge["captured"] else "amount_too_large",
            param=None if charge["captured"] else "amount_to_capture",
        )
    behaviour = cards.behaviour(_print(charge))
    fee = money.fee_of(whole)
    money.move(db, f"{charge['id']}:capture", "network", behaviour.settles, whole, code="charge")
    money.move(db, f"{charge['id']}:fee", behaviour.settles, "fees", fee, code="fee")
    line = money.movement(
        db,
        type="charge" if charge["payment_method_details"]["type"] == "card" else "payment",
        source=charge["id"],
        amount=whole,
        fee=fee,
        description=charge["description"],
        settles=behaviour.settles,
        category="charge",
    )
    fresh = (
        charge
        | {"captured": True, "amount_captured": amount, "balance_transaction": line["id"]}
        | (about or {})
    )
    return objects.save(db, fresh)


def captured_later(db: Db, charge: Json, amount: int, *, about: Json | None = None) -> Json:
    """Captures what was only authorised."""
    fresh = captured(db, charge, amount, about=about)
    events.emit(db, "charge.captured", fresh)
    return disputed(db, fresh)


def disputed(db: Db, charge: Json) -> Json:
    """Lets happen what the test card of a captured charge wants."""
    wanted = cards.behaviour(_print(charge)).dispute
    return disputing.raised(db, charge, wanted) if wanted and charge["captured"] else charge


def released(db: Db, charge: Json) -> Json:
    """Gives back what was authorised and never captured."""
    fresh = objects.save(db, charge | {"refunded": True, "amount_refunded": charge["amount"]})
    events.emit(db, "charge.refunded", fresh)
    return fresh


def totals(db: Db, charge: str) -> Charged:
    """What was authorised, captured and refunded. Raises ApiError where nothing was authorised."""
    found = db.one(Charged, store.SELECT_CHARGED, charge=charge)
    if found is None:
        raise ApiError(
            f"Charge {charge} was not successful, there is nothing to refund.", code="charge_not_refundable"
        )
    return found


def refunds_of(db: Db, charge: Json) -> Json:
    """The list of refunds inside a charge."""
    data = objects.where(db, "refund", limit=10, charge=charge["id"])
    return {"object": "list", "data": data, "has_more": False, "url": f"/v1/charges/{charge['id']}/refunds"}


def outcome(method: Json, failure: Json | None) -> Json:
    """What the network and the risk rules said."""
    behaviour = cards.behaviour(method["card"]["fingerprint"])
    told: Json = {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": behaviour.risk,
        "risk_score": SCORES[behaviour.risk],
        "seller_message": "Payment complete.",
        "type": "authorized",
    }
    if failure is None:
        return told
    if behaviour.risk == "highest":
        return told | {
            "network_status": "not_sent_to_network",
            "reason": "highest_risk_level",
            "seller_message": "Stripe blocked this payment as too risky.",
            "type": "blocked",
        }
    return told | {
        "advice_code": failure.get("advice_code"),
        "network_status": "declined_by_network",
        "reason": failure.get("decline_code"),
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }


def details(method: Json, about: Json, secured: bool, held: bool) -> Any:
    """What is kept of the payment method in a charge."""
    given = method.get(method["type"]) or {}
    if method["type"] != "card":
        return given
    kept = {
        k: given[k]
        for k in ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    }
    three_d: Json | None = None
    if secured:
        three_d = {
            "authentication_flow": "challenge",
            "electronic_commerce_indicator": "05",
            "exemption_indicator": None,
            "result": "authenticated",
            "result_reason": None,
            "transaction_id": objects.new_id("dst", 16)[4:],
            "version": "2.2.0",
        }
    if held:
        kept["capture_before"] = objects.now() + int(HELD_FOR.total_seconds())
    return kept | {
        "amount_authorized": about["amount"],
        "authorization_code": None,
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "available"},
        "installments": None,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": given["brand"],
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": about["amount"], "status": "unavailable"},
        "regulated_status": given["regulated_status"],
        "three_d_secure": three_d,
        "wallet": None,
    }


def _print(charge: Json) -> str | None:
    return (charge["payment_method_details"].get("card") or {}).get("fingerprint")
