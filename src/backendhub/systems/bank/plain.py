"""The bank's own routes: customers, accounts, cash, transfers, statements, and what customers say of consents."""

from __future__ import annotations

from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Query

from backendhub.kit import checks, ledger, web
from backendhub.kit.db import Db
from backendhub.kit.money import minor
from backendhub.kit.paging import Page
from backendhub.kit.web.fields import Cursor, Limit

from . import store
from .aisp import statement_file
from .models import Beneficiary, Customer, ScheduledPayment, StandingOrder
from .plain_shapes import (
    AccountIn,
    AccountOut,
    AccountPatch,
    AuthoriseIn,
    BeneficiaryIn,
    CashIn,
    ConsentOut,
    CustomerIn,
    Day,
    Key,
    LineOut,
    PaymentIn,
    ScheduledPaymentIn,
    StandingOrderIn,
    TransferIn,
    TransferOut,
    account_out,
    consent_out,
    line_out,
    money_of,
    transfer_out,
)
from .service import accounts, consents, orders, payments, scheduled, statements
from .wire import router


def _id(request: web.Request, key: str | None) -> str | None:
    """The transfer's id, from the key that makes a request safe to repeat: the ledger compares the rest."""
    if key is None:
        return None
    who = request.user.id if request.user else ""
    return "key:" + sha256(f"{who}\0{request.path}\0{key}".encode()).hexdigest()[:40]


# -- customers and accounts --------------------------------------------------------------------------------


@router.post("/customers", status=201)
def add_customer(db: Db, request: web.Request, body: CustomerIn) -> Customer:
    """Add a customer."""
    made = accounts.add_customer(db, name=body.name, email=body.email, kind=body.kind)
    return web.reply(made, headers={"Location": f"{request.prefix}/customers/{made.id}"})


@router.get("/customers")
def list_customers(
    db: Db, limit: Limit = 20, after: Annotated[str, Query(max_length=40)] = ""
) -> list[Customer]:
    """List customers; `after` is the last id of the page before."""
    return accounts.find_customers(db, after=after, limit=limit)


@router.get("/customers/{id}")
def get_customer(db: Db, id: str) -> Customer:
    """Read a customer."""
    return accounts.get_customer(db, id)


@router.post("/accounts", status=201, statuses=(404,))
def open_account(db: Db, request: web.Request, body: AccountIn) -> AccountOut:
    """Open an account; it gets its number and IBAN."""
    made = accounts.open_account(
        db,
        customer_id=body.customerId,
        currency=body.currency,
        kind=body.kind,
        nickname=body.nickname,
        overdraft=minor(body.overdraft, body.currency),
    )
    return web.reply(account_out(db, made), headers={"Location": f"{request.prefix}/accounts/{made.id}"})


@router.get("/accounts")
def list_accounts(
    db: Db,
    customer: Annotated[str | None, Query(max_length=40)] = None,
    limit: Limit = 20,
    after: Annotated[int, Query(ge=0, le=2**53 - 1, description="Last account number index")] = 0,
) -> list[AccountOut]:
    """List accounts, of one customer or all."""
    return [account_out(db, a) for a in accounts.find(db, customer_id=customer, after=after, limit=limit)]


@router.get("/accounts/{id}")
def get_account(db: Db, id: str) -> AccountOut:
    """Read an account with its balances."""
    return account_out(db, accounts.get(db, id))


@router.patch("/accounts/{id}", statuses=(409,))
def edit_account(db: Db, id: str, body: AccountPatch) -> AccountOut:
    """Change nickname or overdraft."""
    changes: dict[str, Any] = body.model_dump(exclude_unset=True)
    if "overdraft" in changes:
        changes["overdraft"] = minor(body.overdraft, accounts.get(db, id).currency)
    return account_out(db, accounts.edit(db, id, changes))


@router.post("/accounts/{id}/close", statuses=(409,))
def close_account(db: Db, id: str) -> AccountOut:
    """Close an empty account."""
    return account_out(db, accounts.close(db, id))


# -- money -------------------------------------------------------------------------------------------------


@router.post("/accounts/{id}/deposits", status=201, statuses=(409,))
def deposit(db: Db, request: web.Request, id: str, body: CashIn, idempotency_key: Key = None) -> TransferOut:
    """Pay cash in. `Idempotency-Key` makes it safe to repeat."""
    key = _id(request, idempotency_key)
    return transfer_out(payments.deposit(db, id, money_of(body), reference=body.reference, id=key))


@router.post("/accounts/{id}/withdrawals", status=201, statuses=(409,))
def withdraw(db: Db, request: web.Request, id: str, body: CashIn, idempotency_key: Key = None) -> TransferOut:
    """Take cash out."""
    key = _id(request, idempotency_key)
    return transfer_out(payments.withdraw(db, id, money_of(body), reference=body.reference, id=key))


@router.post("/transfers", status=201, statuses=(404, 409))
def transfer(db: Db, request: web.Request, body: TransferIn, idempotency_key: Key = None) -> TransferOut:
    """Move money between two accounts of the bank."""
    key = _id(request, idempotency_key)
    moved = payments.transfer(
        db, body.debtorId, body.creditorId, money_of(body), reference=body.reference, id=key
    )
    return transfer_out(moved)


@router.get("/transfers/{id}")
def get_transfer(db: Db, id: str) -> TransferOut:
    """Read one movement of money."""
    return transfer_out(payments.get_transfer(db, id))


@router.post("/accounts/{id}/payments", status=201, statuses=(409,))
def pay(db: Db, request: web.Request, id: str, body: PaymentIn, idempotency_key: Key = None) -> TransferOut:
    """Pay an account by IBAN or sort code and number, here or at another bank."""
    key = _id(request, idempotency_key)
    moved = payments.pay(db, id, body.creditor.record(), money_of(body), reference=body.reference, id=key)
    return transfer_out(moved)


@router.get("/accounts/{id}/lines", statuses=(404,))
def list_lines(db: Db, id: str, limit: Limit = 20, cursor: Cursor = None) -> Page[LineOut]:
    """List what has moved, the newest first, each with the balance after it."""
    account = accounts.get(db, id)
    page = statements.lines(db, account, limit=limit, cursor=cursor)
    return Page([line_out(account, line) for line in page.items], page.next)


@router.get("/accounts/{id}/statement.ofx", media_type="application/x-ofx", statuses=(404,))
def get_ofx(db: Db, id: str, since: Day, until: Day) -> web.Reply:
    """Download a statement as OFX, from `since` to the day before `until`."""
    return statement_file(_period(db, id, since, until), "ofx")


@router.get("/accounts/{id}/statement.xml", media_type="application/xml", statuses=(404,))
def get_camt(db: Db, id: str, since: Day, until: Day) -> web.Reply:
    """Download a statement as camt.053, from `since` to the day before `until`."""
    return statement_file(_period(db, id, since, until), "xml")


def _period(db: Db, id: str, since: date, until: date) -> statements.Statement:
    first, last = (datetime(d.year, d.month, d.day, tzinfo=UTC) for d in (since, until))
    return statements.statement(db, accounts.get(db, id), first, last)


# -- beneficiaries, standing orders and scheduled payments ---------------------------------------------------------------------


@router.post("/accounts/{id}/beneficiaries", status=201)
def add_beneficiary(db: Db, id: str, body: BeneficiaryIn) -> Beneficiary:
    """Note somebody who is often paid."""
    return accounts.add_beneficiary(db, id, body.record(), reference=body.reference)


@router.get("/accounts/{id}/beneficiaries")
def list_beneficiaries(db: Db, id: str) -> list[Beneficiary]:
    """List them."""
    return accounts.beneficiaries(db, accounts.get(db, id).id)


@router.delete("/accounts/{id}/beneficiaries/{beneficiary_id}")
def forget_beneficiary(db: Db, id: str, beneficiary_id: str) -> None:
    """Forget one."""
    accounts.forget_beneficiary(db, id, beneficiary_id)


@router.post("/accounts/{id}/standing-orders", status=201, statuses=(409,))
def add_standing_order(db: Db, id: str, body: StandingOrderIn) -> StandingOrder:
    """Order a payment that repeats."""
    return orders.add(
        db,
        account_id=id,
        creditor=body.creditor.record(),
        amount=money_of(body),
        frequency=body.frequency,
        first_on=body.firstOn,
        last_on=body.lastOn,
        payments=body.payments,
        reference=body.reference,
    )


@router.get("/accounts/{id}/standing-orders")
def list_standing_orders(db: Db, id: str) -> list[StandingOrder]:
    """List an account's standing orders (amounts in minor units)."""
    return orders.of_account(db, accounts.get(db, id).id)


@router.delete("/standing-orders/{id}", status=200, statuses=(409,))
def cancel_standing_order(db: Db, id: str) -> StandingOrder:
    """End a standing order."""
    return orders.cancel(db, id)


@router.post("/accounts/{id}/scheduled-payments", status=201, statuses=(409,))
def add_scheduled_payment(db: Db, id: str, body: ScheduledPaymentIn) -> ScheduledPayment:
    """Order a payment at a time, at most a year ahead."""
    return scheduled.add(
        db,
        account_id=id,
        creditor=body.creditor.record(),
        amount=money_of(body),
        due_at=body.dueAt,
        reference=body.reference,
    )


@router.get("/accounts/{id}/scheduled-payments")
def list_scheduled_payments(db: Db, id: str) -> list[ScheduledPayment]:
    """List an account's scheduled payments (amounts in minor units): those that wait, and what became of the others."""
    return scheduled.of_account(db, accounts.get(db, id).id)


@router.delete("/scheduled-payments/{id}", status=200, statuses=(409,))
def cancel_scheduled_payment(db: Db, id: str) -> ScheduledPayment:
    """Call off a scheduled payment."""
    return scheduled.cancel(db, id)


# -- consents and invariants -------------------------------------------------------------------------------


@router.get("/consents/{id}")
def get_consent(db: Db, id: str) -> ConsentOut:
    """Read what a third party asks for."""
    return consent_out(consents.get(db, id))


@router.post("/consents/{id}/authorise", statuses=(409,))
def authorise_consent(db: Db, id: str, body: AuthoriseIn) -> ConsentOut:
    """The customer agrees. The answer holds the token that the third party acts with, once."""
    granted = consents.authorise(db, id, body.accounts)
    return consent_out(granted.consent, granted.token)


@router.post("/consents/{id}/reject", statuses=(409,))
def reject_consent(db: Db, id: str) -> ConsentOut:
    """The customer refuses."""
    return consent_out(consents.reject(db, id))


@router.post("/consents/{id}/revoke", statuses=(409,))
def revoke_consent(db: Db, id: str) -> ConsentOut:
    """The customer ends it."""
    return consent_out(consents.revoke(db, id))


@router.get("/_check")
def check(db: Db) -> checks.Report:
    """Look at every invariant of the bank and its ledger, live."""
    return checks.run(db, [*ledger.CHECKS, *store.CHECKS], {"book": accounts.BOOK})
