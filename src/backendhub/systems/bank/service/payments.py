"""Money in, out and across. Each movement is one transfer of the ledger and one row that says why."""

from __future__ import annotations

from backendhub.kit import ledger
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid
from backendhub.kit.ids import uuid7
from backendhub.kit.ledger import Side
from backendhub.kit.money import Money
from backendhub.systems.bank import store
from backendhub.systems.bank.models import Account, Creditor, Kind, Missing, Transfer

from .accounts import BOOK, get, resolve

MAX_REFERENCE = 140


def deposit(
    db: Db, account_id: str, amount: Money, *, reference: str = "", id: str | None = None
) -> Transfer:
    """Cash comes in. Raises NotFound, Invalid, CurrencyMismatch, AccountClosed, IdUsed."""
    account = get(db, account_id)
    cash = _own(db, "cash", amount.currency, Side.DEBIT)
    return _move(
        db, id, Kind.DEPOSIT, cash, account.ledger_id, amount, reference, None, creditor_id=account.id
    )


def withdraw(
    db: Db, account_id: str, amount: Money, *, reference: str = "", id: str | None = None
) -> Transfer:
    """Cash goes out. Raises InsufficientFunds and what `deposit` raises."""
    account = get(db, account_id)
    cash = _own(db, "cash", amount.currency, Side.DEBIT)
    return _move(
        db, id, Kind.WITHDRAWAL, account.ledger_id, cash, amount, reference, None, debtor_id=account.id
    )


def transfer(
    db: Db, debtor_id: str, creditor_id: str, amount: Money, *, reference: str = "", id: str | None = None
) -> Transfer:
    """From one account of this bank to another. Raises SameAccount, InsufficientFunds and what `deposit` raises."""
    debtor, creditor = get(db, debtor_id), get(db, creditor_id)
    return _across(db, id, Kind.TRANSFER, debtor, creditor, amount, reference, None)


def pay(
    db: Db,
    debtor_id: str,
    creditor: Creditor,
    amount: Money,
    *,
    reference: str = "",
    id: str | None = None,
    kind: Kind = Kind.PAYMENT,
) -> Transfer:
    """To an account named as on an invoice, here or at another bank (through clearing).

    Raises BadIdentification and what `transfer` raises.
    """
    debtor = get(db, debtor_id)
    found = resolve(db, creditor)
    if found is not None:
        return _across(db, id, kind, debtor, found, amount, reference, creditor)
    clearing = _own(db, "clearing", amount.currency, Side.CREDIT)
    return _move(db, id, kind, debtor.ledger_id, clearing, amount, reference, creditor, debtor_id=debtor.id)


def get_transfer(db: Db, id: str) -> Transfer:
    """One movement. Raises NotFound."""
    found = db.one(Transfer, store.ONE_TRANSFER, id=id)
    if found is None:
        raise Missing(f"There is no transfer {id}.")
    return found


def funds(db: Db, account: Account, amount: Money) -> bool:
    """Whether an account could pay an amount now."""
    balance = ledger.balance(db, account.ledger_id)
    return (
        account.closed_at is None
        and account.currency == amount.currency
        and (balance.available or 0) >= amount.minor
    )


def _across(
    db: Db,
    id: str | None,
    kind: Kind,
    debtor: Account,
    creditor: Account,
    amount: Money,
    reference: str,
    named: Creditor | None,
) -> Transfer:
    parties = {"debtor_id": debtor.id, "creditor_id": creditor.id}
    return _move(db, id, kind, debtor.ledger_id, creditor.ledger_id, amount, reference, named, **parties)


def _move(
    db: Db,
    id: str | None,
    kind: Kind,
    debit: int,
    credit: int,
    amount: Money,
    reference: str,
    named: Creditor | None,
    *,
    debtor_id: str | None = None,
    creditor_id: str | None = None,
) -> Transfer:
    if len(reference) > MAX_REFERENCE:
        raise Invalid(f"A reference has at most {MAX_REFERENCE} characters.")
    moved = ledger.transfer(
        db, debit=debit, credit=credit, amount=amount, id=id or uuid7(), code=kind, memo=reference
    )
    db.run(
        store.INSERT_TRANSFER,
        id=moved.id,
        kind=kind,
        debtor_id=debtor_id,
        creditor_id=creditor_id,
        creditor_scheme=named.scheme if named else None,
        creditor_identification=named.identification if named else None,
        creditor_name=named.name if named else None,
        amount=amount.minor,
        currency=amount.currency,
        reference=reference,
        created_at=moved.at,
    )
    return get_transfer(db, moved.id)


def _own(db: Db, name: str, currency: str, side: Side) -> int:
    """An account of the bank itself."""
    return ledger.open_account(db, book=BOOK, name=name, currency=currency, side=side).id
