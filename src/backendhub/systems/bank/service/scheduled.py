"""Scheduled payments: made at their time, once, or refused."""

from __future__ import annotations

from datetime import datetime, timedelta

from backendhub.kit import clock, jobs
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, HubError, Invalid, NotFound
from backendhub.kit.ids import uuid7
from backendhub.kit.money import Money
from backendhub.systems.bank import store
from backendhub.systems.bank.models import Creditor, Missing, ScheduledPayment

from .accounts import payer, resolve
from .payments import MAX_REFERENCE, pay

JOB = "bank.scheduled_payment"
AHEAD = timedelta(days=366)


def add(
    db: Db,
    *,
    account_id: str,
    creditor: Creditor,
    amount: Money,
    due_at: datetime,
    reference: str = "",
) -> ScheduledPayment:
    """Orders a payment at a time, for which a job is put down. Raises NotFound, AccountClosed, Invalid, BadIdentification."""
    account = payer(db, account_id)
    resolve(db, creditor)
    check_time(due_at)
    if amount.currency != account.currency:
        raise Invalid(f"The account is kept in {account.currency}.", field="currency")
    if amount.minor <= 0:
        raise Invalid("An amount is at least one.")
    if len(reference) > MAX_REFERENCE:
        raise Invalid(f"A reference has at most {MAX_REFERENCE} characters.")
    made = db.insert(
        ScheduledPayment,
        "bank_scheduled_payment",
        id=uuid7(),
        account_id=account.id,
        creditor_scheme=creditor.scheme,
        creditor_identification=creditor.identification,
        creditor_name=creditor.name,
        reference=reference,
        amount=amount.minor,
        currency=amount.currency,
        due_at=due_at,
        state="waiting",
        created_at=clock.now(),
    )
    jobs.enqueue(db, JOB, at=due_at, id=made.id)
    return made


def check_time(due_at: datetime, field: str = "due_at") -> None:
    """Raises Invalid for a time that has passed, or is more than a year ahead."""
    now = clock.precise()
    if due_at <= now:
        raise Invalid("A scheduled payment lies in the future.", field=field, date=True)
    if due_at - now > AHEAD:
        raise Invalid("A scheduled payment is at most a year ahead.", field=field, date=True)


def get(db: Db, id: str) -> ScheduledPayment:
    """One scheduled payment. Raises NotFound."""
    found = db.one(ScheduledPayment, store.SCHEDULED, id=id)
    if found is None:
        raise Missing(f"There is no scheduled payment {id}.")
    return found


def of_account(db: Db, account_id: str, *, waiting: bool = False) -> list[ScheduledPayment]:
    """The scheduled payments of an account, oldest first: all, or those to come."""
    sql = store.WAITING_OF if waiting else store.SCHEDULED_OF
    return db.all(ScheduledPayment, sql, account_id=account_id)


def cancel(db: Db, id: str) -> ScheduledPayment:
    """Calls one off. Raises NotFound, and Conflict where it no longer waits."""
    if not db.run(store.CALL_OFF, id=id, at=clock.now()):
        raise Conflict(f"The scheduled payment is {get(db, id).state}.")
    return get(db, id)


def run_due(db: Db) -> int:
    """Makes or refuses every payment whose time has come, and gives their number. Each has a job of its own; this is for
    those whose job was called off or lost."""
    count = 0
    while found := db.all(ScheduledPayment, store.SCHEDULED_DUE, now=clock.precise(), limit=100):
        for payment in found:
            count += run_one(db, payment.id)
    return count


def run_one(db: Db, id: str) -> bool:
    """Makes a payment whose time has come, or refuses it for good; False where nothing was to be done (any more).

    Whoever ends its waiting has the right to pay, and its transfer has its id: once, whoever comes how often.
    """
    payment = get(db, id)
    if not db.run(store.SETTLE, id=id, now=clock.precise(), at=clock.now()):
        return False
    creditor = Creditor(payment.creditor_scheme, payment.creditor_identification, payment.creditor_name)
    amount = Money(payment.amount, payment.currency)
    try:
        with db.savepoint():
            pay(db, payment.account_id, creditor, amount, reference=payment.reference, id=id)
    except HubError as error:
        if not isinstance(error, (Conflict, Invalid, NotFound)):
            raise
        db.run(store.REFUSE, id=id, reason=error.code)
    return True
