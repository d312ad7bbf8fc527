"""Accounts of a ledger: open, limit, close."""

from __future__ import annotations

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.kit.money import exponent

from . import store
from .models import Account, Side

MAX_NAME = 200
MAX_LIMIT = 10**15


def open_account(
    db: Db,
    *,
    book: str,
    name: str,
    currency: str,
    side: Side,
    max_debit: int | None = None,
    max_credit: int | None = None,
) -> Account:
    """Opens an account, or gives the one of that name if it is the same.

    `max_debit=0` means that debits never exceed credits (no overdraft on a credit account), `max_debit=50_000` that
    they may by 500.00; `max_credit` is the mirror. Raises Invalid, and Conflict where the name has another side.
    """
    if not all(0 < len(text) <= MAX_NAME and "\x00" not in text for text in (book, name)):
        raise Invalid(f"An account has a book and a name of 1 to {MAX_NAME} characters, none of them NUL.")
    exponent(currency)
    _check_limits(max_debit, max_credit)
    key = {"book": book, "name": name, "currency": currency}
    known = db.one(Account, store.NAMED_ACCOUNT, **key)
    if known is None:
        known = db.one(
            Account,
            store.INSERT_ACCOUNT,
            **key,
            side=side,
            max_debit=max_debit,
            max_credit=max_credit,
            at=clock.precise(),
        ) or db.one(Account, store.NAMED_ACCOUNT, **key)
    assert known is not None  # accounts are never deleted
    if known.side is not side:
        raise Conflict(f"The account {name!r} exists on the {known.side} side.")
    return known


def get_account(db: Db, id: int) -> Account:
    """One account. Raises NotFound."""
    account = db.one(Account, store.ONE_ACCOUNT, id=id)
    if account is None:
        raise NotFound(f"There is no account {id} in the ledger.")
    return account


def accounts_of(db: Db, book: str) -> list[Account]:
    """Every account of a book, oldest first."""
    return db.all(Account, store.ACCOUNTS_OF, book=book)


def limit_account(db: Db, id: int, *, max_debit: int | None, max_credit: int | None) -> Account:
    """Sets both limits. Raises NotFound, Invalid, and Conflict where balance and reservations exceed them already."""
    _check_limits(max_debit, max_credit)
    lock(db, id)
    changed = db.run(
        store.LIMITS,
        id=id,
        max_debit=max_debit,
        max_credit=max_credit,
        free_debit=max_debit is None,
        free_credit=max_credit is None,
        now=clock.precise(),
    )
    account = get_account(db, id)
    if not changed:
        raise Conflict("The balance of the account, with what is reserved, exceeds that limit already.")
    return account


def close_account(db: Db, id: int) -> Account:
    """Closes an account, whatever its balance: nothing moves in or out any more. Closing twice is closing once.

    Raises NotFound, and Conflict while a transfer of it is pending.
    """
    lock(db, id)
    changed = db.run(store.CLOSE, id=id, now=clock.precise())
    account = get_account(db, id)
    if not changed and account.closed_at is None:
        raise Conflict("A transfer of this account is pending.", hint="post or void it first")
    return account


def reopen_account(db: Db, id: int) -> Account:
    """Opens a closed account again. Raises NotFound."""
    db.run(store.REOPEN, id=id)
    return get_account(db, id)


def lock(db: Db, *ids: int) -> None:
    """Takes the rows of accounts in the order of their ids: one statement on PostgreSQL, nothing on SQLite."""
    if db.dialect == "postgres":
        db.fetch(store.LOCK_ON_POSTGRES, {"ids": list(ids)})


def _check_limits(*limits: int | None) -> None:
    if any(limit is not None and not 0 <= limit <= MAX_LIMIT for limit in limits):
        raise Invalid(f"A limit is between 0 and {MAX_LIMIT} minor units, or there is none.")
