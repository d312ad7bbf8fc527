"""Open Banking UK: reading accounts under a consent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid
from backendhub.kit.web.fields import Cursor

from . import formats
from .aisp_shapes import (
    access_shape,
    account_shape,
    balance_shapes,
    beneficiary_shapes,
    party_shape,
    scheduled_payment_shapes,
    standing_order_shapes,
    statement_shape,
    transaction_shape,
)
from .models import Account, Consent, ConsentKind, ConsentState, Missing
from .service import accounts, consents, statements
from .shapes import AccessIn
from .wire import amount, answer, asking, indicator, reading

BOTH = ("ReadAccountsBasic", "ReadAccountsDetail")
SCHEDULED = ("ReadScheduledPaymentsBasic", "ReadScheduledPaymentsDetail")
_PAGE = 50


# -- consents ----------------------------------------------------------------------------------------------


@asking.post("", status=201, statuses=(400, 401))
def create_access_consent(
    db: Db, request: web.Request, body: AccessIn, user: web.MaybeUser
) -> dict[str, Any]:
    """Ask for access to accounts; the customer then authorises it at the bank."""
    data = body.Data
    made = consents.request_access(
        db,
        client=user.id if user else "",
        permissions=data.Permissions,
        expires_at=_when(data.ExpirationDateTime),
        from_at=_when(data.TransactionFromDateTime),
        to_at=_when(data.TransactionToDateTime),
    )
    return answer(request, access_shape(made), status=201, Risk={})


@asking.get("/{consent_id}", statuses=(400,))
def get_access_consent(db: Db, request: web.Request, consent_id: str) -> dict[str, Any]:
    """Read a consent."""
    found = consents.get(db, consent_id, ConsentKind.ACCESS)
    return answer(request, access_shape(found), Risk={})


@asking.delete("/{consent_id}", statuses=(400,))
def delete_access_consent(db: Db, request: web.Request, consent_id: str) -> None:
    """End a consent."""
    found = consents.get(db, consent_id, ConsentKind.ACCESS)
    if found.state == "AUTH":
        consents.revoke(db, consent_id)
    elif found.state == "AWAU":
        consents.reject(db, consent_id)


# -- accounts ----------------------------------------------------------------------------------------------


@reading.get("/accounts", statuses=(400, 403))
def list_accounts(db: Db, request: web.Request, user: web.CurrentUser) -> dict[str, Any]:
    """List the accounts that the consent is about."""
    consent, found = _granted(db, user.id, *BOTH)
    return answer(request, {"Account": [account_shape(db, consent, a) for a in found]})


@reading.get("/accounts/{account_id}", statuses=(400, 403))
def get_account(db: Db, request: web.Request, account_id: str, user: web.CurrentUser) -> dict[str, Any]:
    """Read an account."""
    consent, account = _one(db, user.id, account_id, *BOTH)
    return answer(request, {"Account": [account_shape(db, consent, account)]})


@reading.get("/accounts/{account_id}/balances", statuses=(400, 403))
def get_balances(db: Db, request: web.Request, account_id: str, user: web.CurrentUser) -> dict[str, Any]:
    """Read booked and available balance."""
    _, account = _one(db, user.id, account_id, "ReadBalances")
    return answer(request, {"Balance": balance_shapes(db, account)})


@reading.get("/balances", statuses=(400, 403))
def list_balances(db: Db, request: web.Request, user: web.CurrentUser) -> dict[str, Any]:
    """Read the balances of all accounts."""
    _, found = _granted(db, user.id, "ReadBalances")
    return answer(request, {"Balance": _of_each(db, found, balance_shapes)})


@reading.get("/accounts/{account_id}/transactions", statuses=(400, 403, 404))
def list_transactions(
    db: Db,
    request: web.Request,
    account_id: str,
    user: web.CurrentUser,
    since: Annotated[str | None, Query(alias="fromBookingDateTime", max_length=40)] = None,
    until: Annotated[str | None, Query(alias="toBookingDateTime", max_length=40)] = None,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """List booked transactions, the newest first, a page at a time (`Links.Next`)."""
    consent, account = _one(db, user.id, account_id, "ReadTransactionsBasic", "ReadTransactionsDetail")
    first, last = _bounds(consent, since, until)
    page = statements.lines(db, account, since=first, until=last, limit=_PAGE, cursor=cursor)
    sides = {
        "Credit": "ReadTransactionsCredits" in consent.permissions,
        "Debit": "ReadTransactionsDebits" in consent.permissions,
    }
    detail = "ReadTransactionsDetail" in consent.permissions
    shown = [transaction_shape(account, x, detail) for x in page.items if sides[indicator(x.amount)]]
    return answer(request, {"Transaction": shown}, next=page.next)


@reading.get("/accounts/{account_id}/beneficiaries", statuses=(400, 403))
def get_beneficiaries(db: Db, request: web.Request, account_id: str, user: web.CurrentUser) -> dict[str, Any]:
    """List whom an account often pays."""
    consent, account = _one(db, user.id, account_id, "ReadBeneficiariesBasic", "ReadBeneficiariesDetail")
    return answer(request, {"Beneficiary": beneficiary_shapes(db, consent, account)})


@reading.get("/beneficiaries", statuses=(400, 403))
def list_beneficiaries(db: Db, request: web.Request, user: web.CurrentUser) -> dict[str, Any]:
    """List whom any of the accounts often pays."""
    consent, found = _granted(db, user.id, "ReadBeneficiariesBasic", "ReadBeneficiariesDetail")
    rows = [row for account in found for row in beneficiary_shapes(db, consent, account)]
    return answer(request, {"Beneficiary": rows})


@reading.get("/accounts/{account_id}/standing-orders", statuses=(400, 403))
def get_standing_orders(
    db: Db, request: web.Request, account_id: str, user: web.CurrentUser
) -> dict[str, Any]:
    """List an account's standing orders."""
    consent, account = _one(db, user.id, account_id, "ReadStandingOrdersBasic", "ReadStandingOrdersDetail")
    return answer(request, {"StandingOrder": standing_order_shapes(db, consent, account)})


@reading.get("/standing-orders", statuses=(400, 403))
def list_standing_orders(db: Db, request: web.Request, user: web.CurrentUser) -> dict[str, Any]:
    """List the standing orders of all accounts."""
    consent, found = _granted(db, user.id, "ReadStandingOrdersBasic", "ReadStandingOrdersDetail")
    rows = [row for account in found for row in standing_order_shapes(db, consent, account)]
    return answer(request, {"StandingOrder": rows})


@reading.get("/accounts/{account_id}/scheduled-payments", statuses=(400, 403))
def get_scheduled_payments(
    db: Db, request: web.Request, account_id: str, user: web.CurrentUser
) -> dict[str, Any]:
    """List what an account will pay at a time."""
    consent, account = _one(db, user.id, account_id, *SCHEDULED)
    return answer(request, {"ScheduledPayment": scheduled_payment_shapes(db, consent, account)})


@reading.get("/scheduled-payments", statuses=(400, 403))
def list_scheduled_payments(db: Db, request: web.Request, user: web.CurrentUser) -> dict[str, Any]:
    """List what any of the accounts will pay at a time."""
    consent, found = _granted(db, user.id, *SCHEDULED)
    rows = [row for account in found for row in scheduled_payment_shapes(db, consent, account)]
    return answer(request, {"ScheduledPayment": rows})


@reading.get("/accounts/{account_id}/statements", statuses=(400, 403))
def list_statements(db: Db, request: web.Request, account_id: str, user: web.CurrentUser) -> dict[str, Any]:
    """List monthly statements."""
    _, account = _one(db, user.id, account_id, "ReadStatementsBasic", "ReadStatementsDetail")
    return answer(request, {"Statement": [statement_shape(account, id) for id in statements.months(account)]})


@reading.get("/accounts/{account_id}/statements/{statement_id}", statuses=(400, 403))
def get_statement(
    db: Db, request: web.Request, account_id: str, statement_id: str, user: web.CurrentUser
) -> dict[str, Any]:
    """Read a statement with its balances."""
    _, account = _one(db, user.id, account_id, "ReadStatementsBasic", "ReadStatementsDetail")
    found = statements.of_month(db, account, statement_id)
    shape = statement_shape(account, statement_id) | {
        "StatementAmount": [
            {
                "CreditDebitIndicator": indicator(minor),
                "Type": f"UK.OBIE.{name}Balance",
                "Amount": amount(minor, account.currency),
            }
            for name, minor in (("PreviousClosing", found.opening), ("Closing", found.closing))
        ]
    }
    return answer(request, {"Statement": [shape]})


@reading.get(
    "/accounts/{account_id}/statements/{statement_id}/file", statuses=(400, 403), media_type="application/xml"
)
def get_statement_file(
    db: Db, request: web.Request, account_id: str, statement_id: str, user: web.CurrentUser
) -> web.Reply:
    """Download a statement as camt.053, or as OFX where `Accept` says `application/x-ofx`."""
    _, account = _one(db, user.id, account_id, "ReadStatementsDetail")
    found = statements.of_month(db, account, statement_id)
    return statement_file(found, "ofx" if "ofx" in (request.header("accept") or "") else "xml")


@reading.get("/accounts/{account_id}/party", statuses=(400, 403))
def get_account_party(db: Db, request: web.Request, account_id: str, user: web.CurrentUser) -> dict[str, Any]:
    """Read whose account it is."""
    _, account = _one(db, user.id, account_id, "ReadParty")
    return answer(request, {"Party": party_shape(accounts.get_customer(db, account.customer_id))})


@reading.get("/party", statuses=(400, 403))
def get_party(db: Db, request: web.Request, user: web.CurrentUser) -> dict[str, Any]:
    """Read who has authorised the consent."""
    consent, _ = _granted(db, user.id, "ReadPartyPSU")
    return answer(request, {"Party": party_shape(accounts.get_customer(db, consent.customer_id or ""))})


# -- inside ------------------------------------------------------------------------------------------------


def statement_file(found: statements.Statement, format: str) -> web.Reply:
    """A statement as a file to download."""
    make, media = {
        "ofx": (formats.ofx, "application/x-ofx"),
        "xml": (formats.camt053, "application/xml"),
    }[format]
    name = f"{found.account.number}-{found.id}.{format}"
    return web.Reply(
        make(found),
        media_type=media,
        headers={"Content-Disposition": web.disposition(name)},
    )


def _granted(db: Db, consent_id: str, *permissions: str) -> tuple[Consent, list[Account]]:
    """The consent in force and its accounts. Raises ConsentState, NotPermitted (both 403)."""
    consent = consents.get(db, consent_id)
    try:
        consents.require(consent, *permissions)
    except ConsentState as error:
        error.details["reading"] = True
        raise
    return consent, consents.allowed(db, consent)


def _one(db: Db, consent_id: str, account_id: str, *permissions: str) -> tuple[Consent, Account]:
    """An account that the consent is about; any other does not exist for it. Raises Missing and what `_granted` does."""
    consent, found = _granted(db, consent_id, *permissions)
    account = next((a for a in found if a.id == account_id), None)
    if account is None:
        raise Missing(f"There is no account {account_id}.")
    return consent, account


def _of_each(db: Db, found: Sequence[Account], rows: Callable[[Db, Account], list[Any]]) -> list[Any]:
    return [row for account in found for row in rows(db, account)]


def _when(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _bounds(
    consent: Consent, since: str | None, until: str | None
) -> tuple[datetime | None, datetime | None]:
    """The period asked for, within what the consent allows. A time without an offset is UTC. Raises Invalid."""
    asked: list[datetime | None] = []
    for name, text in (("fromBookingDateTime", since), ("toBookingDateTime", until)):
        try:
            moment = None if text is None else datetime.fromisoformat(text)
        except ValueError:
            raise Invalid(f"{text!r} is no date and time.", field=name, date=True) from None
        asked.append(moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment)
    starts = [m for m in (asked[0], consent.from_at) if m is not None]
    ends = [m for m in (asked[1], consent.to_at) if m is not None]
    return max(starts, default=None), min(ends, default=None)
