"""Disputes: raised by test cards, answered with evidence, closed."""

from __future__ import annotations

from datetime import timedelta

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.money import Money, exponent
from backendhub.kit.states import Machine, Move
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json

from . import money

DISPUTE = resources.declare(
    resources.Resource(
        "dispute",
        "du",
        "/v1/disputes",
        index=("charge", "payment_intent", "status", "evidence_details.due_by"),
        expand={"charge": "charge", "payment_intent": "payment_intent"},
    )
)
WARNING = resources.declare(
    resources.Resource(
        "radar.early_fraud_warning",
        "issfr",
        "/v1/radar/early_fraud_warnings",
        index=("charge", "payment_intent"),
        expand={"charge": "charge", "payment_intent": "payment_intent"},
        metadata=False,
    )
)
DISPUTES = Machine(
    "dispute",
    table="payment_object",
    column="status",
    initial="needs_response",
    moves=(
        Move(
            "inquire", "needs_response", "warning_needs_response", "The bank only asks: no money is taken yet"
        ),
        Move("escalate", "warning_needs_response", "needs_response", "The inquiry becomes a dispute"),
        Move("submit", "needs_response", "under_review", "The evidence is sent to the bank"),
        Move("submit", "warning_needs_response", "warning_under_review", "The answer is sent to the bank"),
        Move("win", "under_review", "won", "The bank sides with the merchant"),
        Move("win", "warning_under_review", "warning_closed", "The bank is satisfied"),
        Move("lose", "needs_response", "lost", "Closed, or its time is over"),
        Move("lose", "under_review", "lost", "The bank sides with the customer"),
        Move("lose", "warning_needs_response", "warning_closed", "Closed, or its time is over"),
        Move("lose", "warning_under_review", "warning_closed", "The bank lets it rest"),
    ),
)
FEE = 1500
RESPOND_WITHIN = timedelta(days=9)
EVIDENCE = (
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name", "customer_purchase_ip",
    "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation", "duplicate_charge_id",
    "product_description", "receipt", "refund_policy", "refund_policy_disclosure", "refund_refusal_explanation",
    "service_date", "service_documentation", "shipping_address", "shipping_carrier", "shipping_date",
    "shipping_documentation", "shipping_tracking_number", "uncategorized_file", "uncategorized_text",
)  # fmt: skip


def raised(db: Db, charge: Json, how: str) -> Json:
    """Does what a test card wants of its charge, and gives the charge."""
    if how == "warning":
        made = objects.make(
            db,
            "radar.early_fraud_warning",
            {
                "actionable": True,
                "charge": charge["id"],
                "fraud_type": "made_with_stolen_card",
                "payment_intent": charge["payment_intent"],
            },
        )
        events.emit(db, "radar.early_fraud_warning.created", made)
        return charge
    if how == "several":
        half = charge["amount_captured"] // 2
        for part in (half, charge["amount_captured"] - half):
            charge = _raise(db, charge, "fraudulent", part, inquiry=False)
        return charge
    inquiry = how == "inquiry"
    return _raise(db, charge, "fraudulent" if inquiry else how, charge["amount_captured"], inquiry=inquiry)


def _raise(db: Db, charge: Json, reason: str, amount: int, *, inquiry: bool) -> Json:
    dispute = objects.make(
        db,
        "dispute",
        {
            "amount": amount,
            "balance_transactions": [],
            "charge": charge["id"],
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": dict.fromkeys(EVIDENCE) | {"enhanced_evidence": {}},
            "evidence_details": {
                "due_by": int((clock.now() + RESPOND_WITHIN).timestamp()),
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": inquiry,
            "payment_intent": charge["payment_intent"],
            "payment_method_details": {
                "card": {
                    "brand": _brand(charge),
                    "case_type": "inquiry" if inquiry else "chargeback",
                    "network_reason_code": "10.4",
                },
                "type": "card",
            },
            "reason": reason,
        },
        status="needs_response",
    )
    if inquiry:
        dispute = _moved(db, dispute, "inquire")
    else:
        dispute = _withdraw(db, dispute)
    fresh = objects.save(db, charge | {"disputed": True, "dispute": dispute["id"]})
    events.emit(db, "charge.dispute.created", dispute)
    if not inquiry:
        events.emit(db, "charge.dispute.funds_withdrawn", dispute)
    return fresh


def edit(db: Db, id: str, params: Json) -> Json:
    """Add evidence to a dispute; `submit` sends it to the bank. The text `winning_evidence` wins, `losing_evidence` loses."""
    old = objects.get(db, "dispute", id, lock=True)
    given = dict(params)
    submit = given.pop("submit", "evidence" in given)
    evidence = old["evidence"] | (given.pop("evidence", None) or {})
    fresh = objects.changed(old, given) | {"evidence": evidence}
    if "evidence" in params or submit:
        if old["status"] not in ("needs_response", "warning_needs_response"):
            raise ApiError(
                "This dispute is already closed or under review; evidence cannot be changed.",
                param="evidence",
            )
        given_any = any(v for v in evidence.values())
        fresh["evidence_details"] = old["evidence_details"] | {"has_evidence": given_any}
    if submit:
        details = fresh["evidence_details"]
        fresh["evidence_details"] = details | {"submission_count": details["submission_count"] + 1}
    fresh = objects.save(db, fresh)
    escalated = submit and evidence.get("uncategorized_text") == "escalate_inquiry_evidence"
    if escalated and old["status"] == "warning_needs_response":
        fresh = _withdraw(db, _moved(db, fresh | {"is_charge_refundable": False}, "escalate"))
        events.emit(db, "charge.dispute.funds_withdrawn", fresh)
    elif submit:
        fresh = _moved(db, fresh, "submit")
    events.updated(db, "charge.dispute.updated", old, fresh)
    text = str(evidence.get("uncategorized_text") or "")
    if submit and text in ("winning_evidence", "losing_evidence"):
        return _end(db, fresh, "win" if text == "winning_evidence" else "lose")
    return fresh


def close(db: Db, id: str, params: Json) -> Json:
    """Give a dispute up: it is lost."""
    dispute = objects.get(db, "dispute", id, lock=True)
    if "lose" not in DISPUTES.allowed(dispute["status"]):
        raise ApiError("This dispute is already closed.", code="resource_already_exists")
    return _end(db, dispute, "lose")


def overdue(db: Db) -> int:
    """Closes disputes that nobody answered in time; gives their number."""
    now = objects.now()
    waiting = ["needs_response", "warning_needs_response"]
    asked = [("status", "in", waiting), ("evidence_details.due_by", "<", now)]
    ids = [each["id"] for each in objects.select(db, "dispute", asked, limit=100)]
    late = [
        each for each in objects.many(db, "dispute", ids, lock=True).values() if each["status"] in waiting
    ]
    for dispute in late:
        details = dispute["evidence_details"] | {"past_due": True}
        _end(db, objects.save(db, dispute | {"evidence_details": details}), "lose")
    return len(late)


def _end(db: Db, dispute: Json, verb: str) -> Json:
    taken = not dispute["status"].startswith("warning")
    fresh = _moved(db, dispute, verb)
    amount = money.exact(dispute["amount"], dispute["currency"])
    if taken and verb == "win":
        fee = _fee(amount.currency)
        money.move(db, f"{dispute['id']}:won", "disputed", "available", amount, code="dispute")
        money.move(db, f"{dispute['id']}:fee:won", "fees", "available", fee, code="dispute_fee")
        line = money.movement(
            db,
            type="adjustment",
            source=dispute["id"],
            amount=amount,
            fee=Money(-fee.minor, fee.currency),
            description=f"Chargeback reversal for {dispute['charge']}",
            settles="available",
            category="dispute_reversal",
        )
        fresh = objects.save(db, fresh | {"balance_transactions": [*fresh["balance_transactions"], line]})
        events.emit(db, "charge.dispute.funds_reinstated", fresh)
    elif taken:
        money.move(db, f"{dispute['id']}:lost", "disputed", "network", amount, code="dispute")
    events.emit(db, "charge.dispute.closed", fresh)
    return fresh


def _withdraw(db: Db, dispute: Json) -> Json:
    amount = money.exact(dispute["amount"], dispute["currency"])
    fee = _fee(amount.currency)
    money.move(db, f"{dispute['id']}:withdrawn", "available", "disputed", amount, code="dispute")
    money.move(db, f"{dispute['id']}:fee", "available", "fees", fee, code="dispute_fee")
    line = money.movement(
        db,
        type="adjustment",
        source=dispute["id"],
        amount=Money(-amount.minor, amount.currency),
        fee=fee,
        description=f"Chargeback withdrawal for {dispute['charge']}",
        settles="available",
        category="dispute",
    )
    return objects.save(db, dispute | {"balance_transactions": [line]})


def _fee(currency: str) -> Money:
    """What a dispute costs, until it is won."""
    return Money(FEE * 10 ** exponent(currency) // 100, currency)


def _moved(db: Db, dispute: Json, verb: str) -> Json:
    status = DISPUTES.move(db, objects.key_of(db, "dispute", dispute["id"]), verb)
    return objects.save(db, dispute | {"status": status})


def _brand(charge: Json) -> str | None:
    return (charge["payment_method_details"].get("card") or {}).get("brand")
