"""Refunds: of a charge, all of it or parts, never more than was captured."""

from __future__ import annotations

from datetime import timedelta

from backendhub.kit import jobs
from backendhub.kit.db import Db
from backendhub.kit.money import Money
from backendhub.kit.states import Machine, Move
from backendhub.systems.payment import events, objects, resources, store
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json

from . import cards, charging, money

REFUND = resources.declare(
    resources.Resource(
        "refund",
        "re",
        "/v1/refunds",
        index=("charge", "payment_intent", "amount"),
        expand={
            "charge": "charge",
            "payment_intent": "payment_intent",
            "balance_transaction": "balance_transaction",
            "failure_balance_transaction": "balance_transaction",
        },
        tells=False,
    )
)
SETTLES_AFTER = timedelta(seconds=2)
"""How long banks take here."""
REFUNDS = Machine(
    "refund",
    table="payment_object",
    column="status",
    initial="pending",
    moves=(
        Move("succeed", "pending", "succeeded", "The money is on its way"),
        Move("fail", "pending", "failed", "The bank cannot give it back"),
        Move("fail", "succeeded", "failed", "The bank sends it back"),
        Move("cancel", "pending", "canceled", "Taken back before it left"),
    ),
)


def create(db: Db, params: Json) -> Json:
    """Refund a payment, all that is left of it or less."""
    charge = _charge(db, params)
    behaviour = cards.behaviour((charge["payment_method_details"].get("card") or {}).get("fingerprint"))
    refund = refunded(db, charge, params, pending=behaviour.refund == "pending")
    if behaviour.refund:
        what = "payment.refund_settles" if behaviour.refund == "pending" else "payment.refund_fails"
        jobs.enqueue(db, what, at=SETTLES_AFTER, id=refund["id"])
    return refund


def refunded(db: Db, charge: Json, params: Json, *, pending: bool = False) -> Json:
    """A refund of a charge that is locked. Raises ApiError beyond what was captured."""
    totals = charging.totals(db, charge["id"])
    left = totals.captured - totals.refunded
    amount = params.get("amount", left)
    if not left:
        raise ApiError(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if amount < 1:
        raise ApiError("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    money.exact(amount, charge["currency"])
    if not db.run(store.REFUND, charge=charge["id"], amount=amount):
        asked, rest = money.said(amount, charge["currency"]), money.said(left, charge["currency"])
        raise ApiError(
            f"Refund amount ({asked}) is greater than unrefunded amount on charge ({rest})", param="amount"
        )
    refund = _made(db, charge, amount, params)
    _noted(db, charge, totals.refunded + amount)
    if not pending:
        refund = _moved(db, refund, "succeed")
    events.emit(db, "refund.created", refund)
    events.emit(db, "charge.refunded", objects.get(db, "charge", charge["id"]))
    return refund


def _charge(db: Db, params: Json) -> Json:
    """The charge to refund, locked. Raises ApiError."""
    if params.get("charge") and not params.get("payment_intent"):
        charge = objects.get(db, "charge", params["charge"], param="charge", lock=True)
    elif params.get("payment_intent"):
        intent = objects.get(db, "payment_intent", params["payment_intent"], param="payment_intent")
        if intent["latest_charge"] is None or intent["status"] not in ("succeeded", "requires_capture"):
            raise ApiError(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
                code="payment_intent_unexpected_state",
            )
        charge = objects.get(db, "charge", intent["latest_charge"], lock=True)
    else:
        raise ApiError(
            "One of the following params should be provided for this request: payment_intent or charge."
        )
    if charge["disputed"] and not _refundable(db, charge):
        raise ApiError(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
            param="charge",
        )
    if not charge["captured"]:
        raise ApiError(
            f"Charge {charge['id']} has not been captured: cancel the payment instead.",
            code="charge_not_captured",
        )
    return charge


def _refundable(db: Db, charge: Json) -> bool:
    """A charge in dispute can be refunded while the bank only asks, and again when the dispute is won."""
    found = objects.where(db, "dispute", charge=charge["id"])
    return all(d["is_charge_refundable"] or d["status"] == "won" for d in found)


def _made(db: Db, charge: Json, amount: int, params: Json) -> Json:
    id = objects.new_id("re")
    whole = money.exact(amount, charge["currency"])
    money.move(db, id, "available", "network", whole, code="refund")
    line = money.movement(
        db,
        type="refund" if charge["payment_method_details"]["type"] == "card" else "payment_refund",
        source=id,
        amount=Money(-whole.minor, whole.currency),
        description="REFUND FOR CHARGE" + (f" ({charge['description']})" if charge["description"] else ""),
        settles="available",
        category="refund",
    )
    kind = charge["payment_method_details"]["type"]
    card = {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}
    return objects.make(
        db,
        "refund",
        {
            "amount": amount,
            "balance_transaction": line["id"],
            "charge": charge["id"],
            "currency": charge["currency"],
            "destination_details": {"type": kind, kind: card if kind == "card" else {}},
            "metadata": params.get("metadata") or {},
            "payment_intent": charge["payment_intent"],
            "reason": params.get("reason"),
            "receipt_number": None,
            "source_transfer_reversal": None,
            "transfer_reversal": None,
        },
        id=id,
        status="pending",
    )


def _noted(db: Db, charge: Json, refunded: int) -> None:
    """A charge that knows what was refunded of it."""
    objects.save(
        db, charge | {"amount_refunded": refunded, "refunded": 0 < refunded >= charge["amount_captured"]}
    )


def edit(db: Db, id: str, params: Json) -> Json:
    """Change the metadata of a refund."""
    old = objects.get(db, "refund", id, lock=True)
    fresh = objects.save(db, objects.changed(old, params))
    events.updated(db, "refund.updated", old, fresh)
    return fresh


def cancel(db: Db, id: str, params: Json) -> Json:
    """Cancel a refund that is pending."""
    refund = objects.get(db, "refund", id, lock=True)
    if refund["status"] != "pending":
        raise ApiError(f"Refund {id} is {refund['status']}; only a refund that is pending can be canceled.")
    return _back(db, refund, "cancel", "refund.updated", {})


def settled(db: Db, id: str) -> None:
    """Ends a refund that a test card has made wait."""
    refund = objects.get(db, "refund", id, lock=True)
    if refund["status"] == "pending":
        fresh = _moved(db, refund, "succeed")
        events.emit(db, "refund.updated", fresh, previous={"status": "pending"})


def fails(db: Db, id: str) -> None:
    """Lets a refund fail whose card wants that."""
    fail(db, id)


def fail(db: Db, id: str, *, reason: str = "unknown") -> Json:
    """A refund that the bank sends back: the money is ours again."""
    refund = objects.get(db, "refund", id, lock=True)
    if refund["status"] == "failed":
        return refund
    return _back(db, refund, "fail", "refund.failed", {"failure_reason": reason})


def _back(db: Db, refund: Json, verb: str, event: str, about: Json) -> Json:
    charge = objects.get(db, "charge", refund["charge"], lock=True)
    db.run(store.UNREFUND, charge=charge["id"], amount=refund["amount"])
    _noted(db, charge, charging.totals(db, charge["id"]).refunded)
    whole = money.exact(refund["amount"], refund["currency"])
    money.move(db, f"{refund['id']}:back", "network", "available", whole, code="refund")
    line = money.movement(
        db,
        type="refund_failure",
        source=refund["id"],
        amount=whole,
        settles="available",
        category="refund_failure",
    )
    fresh = _moved(db, refund | about | {"failure_balance_transaction": line["id"]}, verb)
    events.emit(db, event, fresh)
    return fresh


def _moved(db: Db, refund: Json, verb: str) -> Json:
    status = REFUNDS.move(db, objects.key_of(db, "refund", refund["id"]), verb)
    return objects.save(db, refund | {"status": status})
