"""Standing orders: a payment that repeats, made once for each occurrence."""

from __future__ import annotations

from datetime import date
from typing import Any

from backendhub.kit import clock, when
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, HubError, Invalid, NotFound
from backendhub.kit.ids import uuid7
from backendhub.kit.money import Money
from backendhub.systems.bank import store
from backendhub.systems.bank.models import Creditor, Frequency, Kind, Missing, StandingOrder

from .accounts import payer, resolve
from .payments import MAX_REFERENCE, pay


def add(
    db: Db,
    *,
    account_id: str,
    creditor: Creditor,
    amount: Money,
    frequency: str,
    first_on: date,
    recurring: Money | None = None,
    final: Money | None = None,
    payments: int | None = None,
    last_on: date | None = None,
    reference: str = "",
) -> StandingOrder:
    """Orders a payment on `first_on` and every period after it, until `payments` are made, `last_on` has passed, or it is
    cancelled. Raises NotFound, AccountClosed, Invalid, BadIdentification."""
    account = payer(db, account_id)
    resolve(db, creditor)
    amounts = [m for m in (amount, recurring, final) if m is not None]
    if any(m.currency != account.currency for m in amounts):
        raise Invalid(f"The account is kept in {account.currency}.", field="currency")
    if any(m.minor <= 0 for m in amounts) or (payments is not None and payments < 1):
        raise Invalid("Amounts and the number of payments are at least one.")
    if first_on < clock.now().date():
        raise Invalid("The first payment lies in the past.", field="first_on")
    if last_on is not None and last_on < first_on:
        raise Invalid("The last payment is not before the first.", field="last_on")
    if len(reference) > MAX_REFERENCE:
        raise Invalid(f"A reference has at most {MAX_REFERENCE} characters.")
    return db.insert(
        StandingOrder,
        "bank_standing_order",
        id=uuid7(),
        account_id=account.id,
        creditor_scheme=creditor.scheme,
        creditor_identification=creditor.identification,
        creditor_name=creditor.name,
        reference=reference,
        currency=account.currency,
        first_amount=amount.minor,
        recurring_amount=(recurring or amount).minor,
        final_amount=final.minor if final else None,
        frequency=Frequency(frequency),
        first_on=first_on,
        payments=payments,
        last_on=last_on,
        made=0,
        refused=0,
        next_on=first_on,
        state="active",
        created_at=clock.now(),
    )


def get(db: Db, id: str) -> StandingOrder:
    """One standing order. Raises NotFound."""
    found = db.one(StandingOrder, store.STANDING_ORDER, id=id)
    if found is None:
        raise Missing(f"There is no standing order {id}.")
    return found


def of_account(db: Db, account_id: str) -> list[StandingOrder]:
    """The standing orders of an account, oldest first."""
    return db.all(StandingOrder, store.ORDERS_OF, account_id=account_id)


def cancel(db: Db, id: str) -> StandingOrder:
    """Ends one. Raises NotFound, and Conflict where it has ended."""
    if not db.run(store.CANCEL, id=id):
        raise Conflict(f"The standing order is {get(db, id).state}.")
    return get(db, id)


def due(db: Db, limit: int = 100) -> list[StandingOrder]:
    """Those that have to pay by today (UTC)."""
    return db.all(StandingOrder, store.DUE, today=clock.now().date(), limit=limit)


def run_due(db: Db) -> int:
    """Makes every payment that is due, also those of days on which nobody ran this; gives their number.

    An occurrence for which there is no money is refused and not tried again.
    """
    count = 0
    while orders := due(db):
        for order in orders:
            count += run_one(db, order)
    return count


def run_one(db: Db, order: StandingOrder) -> bool:
    """The next occurrence of an order; False where somebody else has made it. Whether it was paid is in the order."""
    last = _is_last(order)
    amount = Money(_amount(order, last), order.currency)
    creditor = Creditor(order.creditor_scheme, order.creditor_identification, order.creditor_name)
    next_on = None if last else occurrence(order, order.made + 1)
    values: dict[str, Any] = {"id": order.id, "made": order.made, "next_on": next_on, "at": clock.now()}
    values |= {"state": "completed" if last else "active", "amount": amount.minor}
    if not db.run(store.ADVANCE, **values):
        return False
    try:
        with db.savepoint():
            pay(
                db,
                order.account_id,
                creditor,
                amount,
                reference=order.reference,
                id=f"{order.id}:{order.made:06d}",
                kind=Kind.STANDING_ORDER,
            )
    except HubError as error:
        if not isinstance(error, (Conflict, Invalid, NotFound)):
            raise
        db.run(store.REFUSED, id=order.id, paid_at=order.paid_at, paid_amount=order.paid_amount)
    return True


def occurrence(order: StandingOrder, n: int) -> date:
    """The day of the n-th payment (0 is the first): periods are counted from the first day, so that the 31st stays the
    31st where a month has one."""
    number, unit = order.frequency.span
    return when.add(order.first_on, number * n, unit)


def _is_last(order: StandingOrder) -> bool:
    if order.payments is not None and order.made + 1 >= order.payments:
        return True
    return order.last_on is not None and occurrence(order, order.made + 1) > order.last_on


def _amount(order: StandingOrder, last: bool) -> int:
    if last and order.final_amount is not None and order.made:
        return order.final_amount
    return order.first_amount if order.made == 0 else order.recurring_amount
