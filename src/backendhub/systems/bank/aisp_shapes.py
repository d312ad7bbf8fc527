"""What third parties read (Open Banking UK 4.0)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db

from . import formats
from .models import Account, Consent, Customer, Line, ScheduledPayment, StandingOrder
from .service import accounts, orders, scheduled, statements
from .wire import amount, indicator, stamp


def access_shape(consent: Consent) -> dict[str, Any]:
    """A consent to read."""
    moments = {
        "ExpirationDateTime": consent.expires_at,
        "TransactionFromDateTime": consent.from_at,
        "TransactionToDateTime": consent.to_at,
    }
    return {
        "ConsentId": consent.id,
        "CreationDateTime": stamp(consent.created_at),
        "Status": consent.state,
        "StatusUpdateDateTime": stamp(consent.updated_at),
        "Permissions": consent.permissions,
    } | {name: stamp(at) for name, at in moments.items() if at is not None}


def account_shape(db: Db, consent: Consent, account: Account) -> dict[str, Any]:
    """An account; its identification only where the consent has ReadAccountsDetail."""
    customer = accounts.get_customer(db, account.customer_id)
    shape: dict[str, Any] = {
        "AccountId": account.id,
        "Status": "Disabled" if account.closed_at else "Enabled",
        "StatusUpdateDateTime": stamp(account.closed_at or account.created_at),
        "Currency": account.currency,
        "AccountCategory": "Business" if customer.kind == "business" else "Personal",
        "AccountTypeCode": account.kind.value,
        "OpeningDate": stamp(account.created_at),
    }
    if account.nickname:
        shape["Nickname"] = account.nickname[:70]
    if "ReadAccountsDetail" in consent.permissions:
        shape["Account"] = [
            {
                "SchemeName": accounts.UK_NUMBER,
                "Identification": f"{account.sort_code}{account.number}",
                "Name": customer.name,
            },
            {"SchemeName": accounts.IBAN, "Identification": account.iban, "Name": customer.name},
        ]
        shape["Servicer"] = {"SchemeName": "UK.OBIE.BICFI", "Identification": accounts.BIC}
    return shape


def balance_shapes(db: Db, account: Account) -> list[dict[str, Any]]:
    """Booked and available balance."""
    held = accounts.held(db, account)
    rows = []
    for code, minor in (("ITBD", held.posted), ("ITAV", held.available)):
        row: dict[str, Any] = {
            "AccountId": account.id,
            "CreditDebitIndicator": indicator(minor),
            "Type": code,
            "DateTime": stamp(clock.now()),
            "Amount": amount(minor, account.currency),
        }
        if account.overdraft:
            line = {"Type": "Pre-Agreed", "Amount": amount(account.overdraft, account.currency)}
            row["CreditLine"] = [{"Included": code == "ITAV"} | line]
        rows.append(row)
    return rows


def transaction_shape(account: Account, line: Line, detail: bool) -> dict[str, Any]:
    """A booked transaction; who and what only in detail."""
    _, family, sub = formats.transaction_code(line)
    shape: dict[str, Any] = {
        "AccountId": account.id,
        "TransactionId": line.id,
        "TransactionReference": line.reference or "-",
        "CreditDebitIndicator": indicator(line.amount),
        "Status": "BOOK",
        "TransactionMutability": "Immutable",
        "BookingDateTime": stamp(line.at),
        "ValueDateTime": stamp(line.at),
        "Amount": amount(line.amount, account.currency),
        "BankTransactionCode": {"Code": family, "SubCode": sub},
        "ProprietaryBankTransactionCode": {"Code": line.kind.value, "Issuer": accounts.BIC},
    }
    if not detail:
        return shape
    shape["TransactionInformation"] = line.counterparty or line.kind.value
    shape["Balance"] = {
        "CreditDebitIndicator": indicator(line.balance),
        "Type": "ITBD",
        "Amount": amount(line.balance, account.currency),
    }
    if line.counterparty_identification:
        side = "DebtorAccount" if line.amount > 0 else "CreditorAccount"
        shape[side] = {
            "SchemeName": line.counterparty_scheme,
            "Identification": line.counterparty_identification,
            "Name": line.counterparty,
        }
    return shape


def beneficiary_shapes(db: Db, consent: Consent, account: Account) -> list[dict[str, Any]]:
    """Whom an account often pays."""
    rows = []
    for each in accounts.beneficiaries(db, account.id):
        row: dict[str, Any] = {
            "AccountId": account.id,
            "BeneficiaryId": each.id,
            "BeneficiaryType": "Ordinary",
        }
        if each.reference:
            row["Reference"] = each.reference[:35]
        if "ReadBeneficiariesDetail" in consent.permissions:
            row["CreditorAccount"] = {
                "SchemeName": each.scheme,
                "Identification": each.identification,
                "Name": each.name,
            }
        rows.append(row)
    return rows


STATES = {"active": "ACTV", "cancelled": "CANC", "completed": "EXPI"}


def standing_order_shapes(db: Db, consent: Consent, account: Account) -> list[dict[str, Any]]:
    """The standing orders of an account."""
    detail = "ReadStandingOrdersDetail" in consent.permissions
    return [_standing_order(each, detail) for each in orders.of_account(db, account.id)]


def _standing_order(each: StandingOrder, detail: bool) -> dict[str, Any]:
    first = datetime(each.first_on.year, each.first_on.month, each.first_on.day, tzinfo=UTC)
    row: dict[str, Any] = {
        "AccountId": each.account_id,
        "StandingOrderId": each.id,
        "StandingOrderStatusCode": STATES[each.state],
        "FirstPaymentAmount": amount(each.first_amount, each.currency),
        "MandateRelatedInformation": {
            "FirstPaymentDateTime": stamp(first),
            "Frequency": {"Type": each.frequency.value},
        },
    }
    if each.next_on is not None:
        row["NextPaymentDateTime"] = f"{each.next_on}T00:00:00+00:00"
        row["NextPaymentAmount"] = amount(
            each.recurring_amount if each.made else each.first_amount, each.currency
        )
    if each.paid_at is not None:
        row["LastPaymentDateTime"] = stamp(each.paid_at)
        row["LastPaymentAmount"] = amount(each.paid_amount or 0, each.currency)
    if each.payments is not None:
        row["NumberOfPayments"] = str(each.payments)
    if each.final_amount is not None:
        row["FinalPaymentAmount"] = amount(each.final_amount, each.currency)
    if each.reference:
        row["RemittanceInformation"] = {"Unstructured": [each.reference]}
    if detail:
        row["CreditorAccount"] = {
            "SchemeName": each.creditor_scheme,
            "Identification": each.creditor_identification,
            "Name": each.creditor_name,
        }
    return row


def scheduled_payment_shapes(db: Db, consent: Consent, account: Account) -> list[dict[str, Any]]:
    """What an account will pay at a time."""
    detail = "ReadScheduledPaymentsDetail" in consent.permissions
    return [_scheduled_payment(each, detail) for each in scheduled.of_account(db, account.id, waiting=True)]


def _scheduled_payment(each: ScheduledPayment, detail: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "AccountId": each.account_id,
        "ScheduledPaymentId": each.id,
        "ScheduledPaymentDateTime": stamp(each.due_at),
        "ScheduledType": "Execution",
        "InstructedAmount": amount(each.amount, each.currency),
    }
    if each.reference:
        row["Reference"] = each.reference[:35]
    if detail:
        row["CreditorAccount"] = {
            "SchemeName": each.creditor_scheme,
            "Identification": each.creditor_identification,
            "Name": each.creditor_name,
        }
    return row


def statement_shape(account: Account, id: str) -> dict[str, Any]:
    """A monthly statement, without its amounts."""
    since, until = statements.period(id)
    present = until > clock.now()
    return {
        "AccountId": account.id,
        "StatementId": id,
        "Type": "Interim" if present else "RegularPeriodic",
        "StartDateTime": stamp(since),
        "EndDateTime": stamp(until),
        "CreationDateTime": stamp(clock.now() if present else until),
    }


def party_shape(customer: Customer) -> dict[str, Any]:
    """A customer."""
    shape = {
        "PartyId": customer.id,
        "PartyType": "Sole",
        "Name": customer.name,
        "FullLegalName": customer.name,
    }
    return shape | ({"EmailAddress": customer.email} if customer.email else {})
