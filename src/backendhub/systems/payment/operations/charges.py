"""Charges, refunds, disputes, the balance and payouts."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.systems.payment import objects
from backendhub.systems.payment.errors import missing
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import disputing, money, payouts, refunding, tokens
from backendhub.systems.payment.wire.operations import listing, operation, retrieving, searching
from backendhub.systems.payment.wire.parameters import parameters

from . import tables

CH = "/v1/charges"
operation(
    "POST",
    CH,
    tokens.charge,
    parameters(
        "amount int 1..\napplication_fee int\napplication_fee_amount int\ncapture bool\ncurrency currency\ncustomer str\n"
        + "description str 1000\ndestination map\nmetadata metadata\non_behalf_of str\nradar_options map\nreceipt_email str\n"
        + tables.nested("shipping", tables.SHIPPING)
        + tables.nested("source", tables.CARD, types="str | hash")
        + "statement_descriptor str 22\nstatement_descriptor_suffix str 22\n"
        + tables.nested("transfer_data", tables.TRANSFER)
        + "transfer_group str"
    ),
)
listing("charge", CH, "customer str\npayment_intent str\ntransfer_group str")
searching("charge", CH + "/search")
retrieving("charge", CH + "/{id}")
operation(
    "POST",
    CH + "/{id}",
    tokens.edit_charge,
    parameters(
        "customer str\ndescription str 1000\nfraud_details hash\n  user_report enum fraudulent safe | empty\nmetadata metadata\n"
        + "receipt_email str\n"
        + tables.nested("shipping", tables.SHIPPING)
        + "transfer_group str"
    ),
)
operation(
    "POST",
    CH + "/{id}/capture",
    tokens.capture,
    parameters(
        "amount int 1..\napplication_fee int\napplication_fee_amount int\nreceipt_email str\nstatement_descriptor str 22\n"
        "statement_descriptor_suffix str 22\ntransfer_data hash\n  amount int\ntransfer_group str"
    ),
)

# -- refunds -----------------------------------------------------------------------------------------------

WHY = "enum duplicate fraudulent requested_by_customer"
REFUND = parameters(
    f"amount int\ncurrency currency\ncustomer str\ninstructions_email str\nmetadata metadata\norigin str\nreason {WHY}\n"
    "payment_intent str\nrefund_application_fee bool\nreverse_transfer bool"
)
WHOLE = REFUND | parameters("charge str")
RE = "/v1/refunds"
operation("POST", RE, refunding.create, WHOLE)
listing("refund", RE, "charge str\npayment_intent str")
retrieving("refund", RE + "/{id}")
operation("POST", RE + "/{id}", refunding.edit, parameters("metadata metadata"))
operation("POST", RE + "/{id}/cancel", refunding.cancel)


def _refund_of(db: Db, charge: str, params: Json) -> Json:
    """Refund a charge."""
    return refunding.create(db, params | {"charge": charge})


def _read_refund(db: Db, charge: str, refund: str, params: Json) -> Json:
    """Read a refund of a charge."""
    found = objects.get(db, "refund", refund)
    if found["charge"] != charge:
        raise missing("refund", refund)
    return found


def _edit_refund(db: Db, charge: str, refund: str, params: Json) -> Json:
    """Change the metadata of a refund of a charge."""
    _read_refund(db, charge, refund, {})
    return refunding.edit(db, refund, params)


def _refunded(db: Db, charge: str, params: Json) -> Json:
    """Refund a charge, and read it."""
    refunding.create(db, params | {"charge": charge})
    return objects.get(db, "charge", charge)


operation("POST", CH + "/{id}/refund", _refunded, REFUND)
operation("POST", CH + "/{id}/refunds", _refund_of, REFUND)
listing("refund", CH + "/{id}/refunds", also=lambda db, id: {"charge": id})
operation("GET", CH + "/{id}/refunds/{refund}", _read_refund)
operation("POST", CH + "/{id}/refunds/{refund}", _edit_refund, parameters("metadata metadata"))

# -- disputes ----------------------------------------------------------------------------------------------

DP = "/v1/disputes"
listing("dispute", DP, "charge str\npayment_intent str")
retrieving("dispute", DP + "/{id}")
operation(
    "POST",
    DP + "/{id}",
    disputing.edit,
    parameters(
        tables.nested(
            "evidence",
            "\n".join(f"{name} str 20000" for name in disputing.EVIDENCE) + "\nenhanced_evidence map",
        )
        + "intended_submission_method str\nmetadata metadata\nsubmit bool"
    ),
)
operation("POST", DP + "/{id}/close", disputing.close)
listing("radar.early_fraud_warning", "/v1/radar/early_fraud_warnings", "charge str\npayment_intent str")
retrieving("radar.early_fraud_warning", "/v1/radar/early_fraud_warnings/{id}")

# -- balance and payouts -----------------------------------------------------------------------------------

LINES = "currency currency\npayout str\nsource str\ntype str"
operation("GET", "/v1/balance", money.balance)
listing("balance_transaction", "/v1/balance_transactions", LINES)
retrieving("balance_transaction", "/v1/balance_transactions/{id}")
listing("balance_transaction", "/v1/balance/history", LINES)
retrieving("balance_transaction", "/v1/balance/history/{id}")
PO = "/v1/payouts"
operation(
    "POST",
    PO,
    payouts.create,
    parameters(
        "amount! int 1..\ncurrency! currency\ndescription str\ndestination str\nmetadata metadata\n"
        "method enum instant standard\npayout_method str\nsource_type enum bank_account card fpx\nstatement_descriptor str 22"
    ),
)
listing(
    "payout", PO, "arrival_date range\ndestination str\nstatus enum canceled failed in_transit paid pending"
)
retrieving("payout", PO + "/{id}")
operation("POST", PO + "/{id}", payouts.edit, parameters("metadata metadata"))
operation("POST", PO + "/{id}/cancel", payouts.cancel)
operation("POST", PO + "/{id}/reverse", payouts.reverse, parameters("metadata metadata"))
