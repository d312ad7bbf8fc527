"""Payouts: what is available goes to the bank."""

from __future__ import annotations

from datetime import timedelta

from backendhub.kit.db import Db
from backendhub.kit.money import Money
from backendhub.kit.states import Machine, Move
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json

from . import money

PAYOUT = resources.declare(
    resources.Resource(
        "payout",
        "po",
        "/v1/payouts",
        index=("status", "arrival_date", "destination"),
        expand={
            "balance_transaction": "balance_transaction",
            "failure_balance_transaction": "balance_transaction",
        },
    )
)
PAYOUTS = Machine(
    "payout",
    table="payment_object",
    column="status",
    initial="pending",
    moves=(
        Move("pay", "pending", "paid", "Its day has come"),
        Move("cancel", "pending", "canceled", "Taken back before it left"),
        Move("reverse", "paid", "reversed", "Brought back"),
    ),
)
ARRIVES_AFTER = timedelta(days=2)


def create(db: Db, params: Json) -> Json:
    """Pay out an amount of what is available."""
    currency = params["currency"]
    amount = money.exact(params["amount"], currency)
    id = objects.new_id("po")
    money.move(db, id, "available", "paid_out", amount, code="payout")
    if (
        money.balance_of(db, "available", amount.currency) < 0
    ):  # the move holds both accounts: nobody else gets there
        raise ApiError(
            "You have insufficient funds in your Stripe account for this transfer.",
            code="balance_insufficient",
        )
    instant = params.get("method") == "instant"
    line = money.movement(
        db,
        type="payout",
        source=id,
        amount=Money(-amount.minor, amount.currency),
        description="STRIPE PAYOUT",
        settles="available",
    )
    made = objects.make(
        db,
        "payout",
        {
            "amount": params["amount"],
            "application_fee": None,
            "application_fee_amount": None,
            "arrival_date": objects.now() + (0 if instant else int(ARRIVES_AFTER.total_seconds())),
            "automatic": False,
            "balance_transaction": line["id"],
            "currency": currency,
            "description": params.get("description"),
            "destination": params.get("destination"),
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "metadata": params.get("metadata") or {},
            "method": params.get("method", "standard"),
            "original_payout": None,
            "reconciliation_status": "not_applicable",
            "reversed_by": None,
            "source_type": params.get("source_type", "card"),
            "statement_descriptor": params.get("statement_descriptor"),
            "type": "bank_account",
        },
        id=id,
        status="pending",
    )
    events.emit(db, "payout.created", made)
    return made


def edit(db: Db, id: str, params: Json) -> Json:
    """Change the metadata of a payout."""
    old = objects.get(db, "payout", id, lock=True)
    fresh = objects.save(db, objects.changed(old, params))
    events.updated(db, "payout.updated", old, fresh)
    return fresh


def cancel(db: Db, id: str, params: Json) -> Json:
    """Cancel a payout that has not left yet."""
    payout = objects.get(db, "payout", id, lock=True)
    if payout["status"] != "pending":
        raise ApiError(
            f"Payouts can only be canceled while they are pending; this one is {payout['status']}."
        )
    return _back(db, payout, "cancel", "payout_cancel", "payout.canceled")


def reverse(db: Db, id: str, params: Json) -> Json:
    """Bring back a payout that has arrived."""
    payout = objects.get(db, "payout", id, lock=True)
    if payout["status"] != "paid":
        raise ApiError(f"Payouts can only be reversed once they are paid; this one is {payout['status']}.")
    return _back(db, payout, "reverse", "payout", "payout.updated")


def arrive(db: Db) -> int:
    """Pays the payouts whose day has come; gives their number."""
    asked = [("status", ":", "pending"), ("arrival_date", "<=", objects.now())]
    ids = [each["id"] for each in objects.select(db, "payout", asked, limit=100)]
    due = [
        each for each in objects.many(db, "payout", ids, lock=True).values() if each["status"] == "pending"
    ]
    for payout in due:
        events.emit(db, "payout.paid", _moved(db, payout, "pay"))
    return len(due)


def _back(db: Db, payout: Json, verb: str, type: str, event: str) -> Json:
    amount = money.exact(payout["amount"], payout["currency"])
    money.move(db, f"{payout['id']}:back", "paid_out", "available", amount, code="payout")
    money.movement(
        db,
        type=type,
        source=payout["id"],
        amount=amount,
        settles="available",
        description="STRIPE PAYOUT CANCEL",
    )
    fresh = _moved(db, payout, verb)
    events.emit(db, event, fresh, previous={"status": payout["status"]})
    return fresh


def _moved(db: Db, payout: Json, verb: str) -> Json:
    status = PAYOUTS.move(db, objects.key_of(db, "payout", payout["id"]), verb)
    return objects.save(db, payout | {"status": status})
