"""Customers and their accounts."""

from __future__ import annotations

from typing import Any, NamedTuple

from backendhub.kit import clock, ledger
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid
from backendhub.kit.ids import uuid7
from backendhub.kit.ledger import Side
from backendhub.kit.money import LIMIT
from backendhub.kit.money import currency as known_currency
from backendhub.systems.bank import iban, store
from backendhub.systems.bank.models import (
    Account,
    AccountKind,
    BadIdentification,
    Beneficiary,
    Creditor,
    Customer,
    Missing,
)

BOOK = "bank"
BANK_CODE, SORT_CODE = "BHUB", "990001"
BIC = "BHUBGB2L"
FIRST_NUMBER = 10_000_000
IBAN, UK_NUMBER = "UK.OBIE.IBAN", "UK.OBIE.SortCodeAccountNumber"
PAGE = 100


class Held(NamedTuple):
    """An account with what is in it, in minor units."""

    account: Account
    posted: int
    available: int


def add_customer(db: Db, *, name: str, email: str | None = None, kind: str = "personal") -> Customer:
    """A new customer. Raises Invalid."""
    if not name.strip() or len(name) > 140:
        raise Invalid("A customer has a name of at most 140 characters.")
    return db.insert(
        Customer,
        "bank_customer",
        id=uuid7(),
        name=name.strip(),
        email=email,
        kind=kind,
        created_at=clock.now(),
    )


def get_customer(db: Db, id: str) -> Customer:
    """One customer. Raises NotFound."""
    found = db.one(Customer, store.CUSTOMER, id=id)
    if found is None:
        raise Missing(f"There is no customer {id}.")
    return found


def find_customers(db: Db, *, after: str = "", limit: int = PAGE) -> list[Customer]:
    """Customers in the order in which they came."""
    return db.all(Customer, store.CUSTOMERS, after=after, limit=limit)


def open_account(
    db: Db,
    *,
    customer_id: str,
    currency: str = "GBP",
    kind: str = AccountKind.CURRENT,
    nickname: str | None = None,
    overdraft: int = 0,
) -> Account:
    """Opens an account with number and IBAN. `overdraft` in minor units. Raises NotFound, Invalid."""
    get_customer(db, customer_id)
    _check_overdraft(overdraft)
    code, id = known_currency(currency), uuid7()
    book = ledger.open_account(
        db, book=BOOK, name=f"customer:{id}", currency=code, side=Side.CREDIT, max_debit=overdraft
    )
    made = db.insert(
        Account,
        "bank_account",
        id=id,
        customer_id=customer_id,
        ledger_id=book.id,
        kind=AccountKind(kind),
        currency=code,
        nickname=nickname,
        overdraft=overdraft,
        created_at=clock.now(),
    )
    number = f"{FIRST_NUMBER + made.no:08d}"
    account = db.one(
        Account,
        store.NUMBER,
        no=made.no,
        sort_code=SORT_CODE,
        number=number,
        iban=iban.british(BANK_CODE, SORT_CODE, number),
    )
    assert account is not None
    return account


def get(db: Db, id: str) -> Account:
    """One account. Raises NotFound."""
    found = db.one(Account, store.ONE_ACCOUNT, id=id)
    if found is None:
        raise Missing(f"There is no account {id}.")
    return found


def payer(db: Db, id: str) -> Account:
    """An account that something is to be paid from later. Raises NotFound, AccountClosed."""
    account = get(db, id)
    if account.closed_at is not None:
        raise ledger.AccountClosed(f"The account {account.number} is closed.")
    return account


def held(db: Db, account: Account) -> Held:
    """An account with its balance."""
    balance = ledger.balance(db, account.ledger_id)
    return Held(account, balance.posted, balance.available or 0)


def find(db: Db, *, customer_id: str | None = None, after: int = 0, limit: int = PAGE) -> list[Account]:
    """Accounts in the order of their numbers: of one customer, or of all."""
    if customer_id is not None:
        return db.all(Account, store.ACCOUNTS_OF, customer_id=customer_id, after=after, limit=limit)
    return db.all(Account, store.ACCOUNTS, after=after, limit=limit)


def edit(db: Db, id: str, changes: dict[str, Any]) -> Account:
    """Changes nickname or overdraft. Raises NotFound, Invalid, and Conflict where it is overdrawn further already."""
    account = get(db, id)
    values = {"nickname": account.nickname, "overdraft": account.overdraft} | changes
    if values["overdraft"] != account.overdraft:
        _check_overdraft(values["overdraft"])
        ledger.limit_account(db, account.ledger_id, max_debit=values["overdraft"], max_credit=None)
    changed = db.one(Account, store.SET_ACCOUNT, id=id, **values)
    assert changed is not None
    return changed


def close(db: Db, id: str) -> Account:
    """Closes an empty account, and calls off what was still to be paid from it. Raises NotFound, and Conflict where money is in it, owed, or pending."""
    account = get(db, id)
    if account.closed_at is not None:
        return account
    ledger.close_account(db, account.ledger_id)
    if ledger.balance(db, account.ledger_id).posted:
        raise Conflict("There is money in the account, or it is overdrawn.", hint="bring it to zero first")
    db.run(store.END_ORDERS, id=id)
    db.run(store.END_SCHEDULED, id=id, at=clock.now())
    closed = db.one(Account, store.CLOSE_ACCOUNT, id=id, at=clock.now())
    assert closed is not None
    return closed


def resolve(db: Db, creditor: Creditor) -> Account | None:
    """The account of this bank that a creditor names; None for one elsewhere.

    Raises BadIdentification for what can be no account, and for a number of this bank that nobody has.
    """
    if creditor.scheme == IBAN:
        text = iban.checked(creditor.identification)
        found = db.one(Account, store.BY_IBAN, iban=text)
        ours = text.startswith("GB") and text[4:14] == BANK_CODE + SORT_CODE
    elif creditor.scheme == UK_NUMBER:
        sort_code, number = iban.sort_code_and_number(creditor.identification)
        found = db.one(Account, store.BY_NUMBER, sort_code=sort_code, number=number)
        ours = sort_code == SORT_CODE
    else:
        raise BadIdentification(f"Accounts are named by {IBAN} or {UK_NUMBER} here.", scheme=creditor.scheme)
    if ours and found is None:
        raise BadIdentification(f"Nobody at this bank has the account {creditor.identification}.")
    return found


def add_beneficiary(db: Db, account_id: str, creditor: Creditor, *, reference: str | None) -> Beneficiary:
    """Notes somebody who is often paid; naming them again changes name and reference. Raises NotFound, Invalid."""
    get(db, account_id)
    resolve(db, creditor)
    made = db.one(
        Beneficiary,
        store.BENEFICIARY,
        id=uuid7(),
        account_id=account_id,
        reference=reference,
        created_at=clock.now(),
        **creditor._asdict(),
    )
    assert made is not None
    return made


def beneficiaries(db: Db, account_id: str) -> list[Beneficiary]:
    """Whom an account often pays."""
    return db.all(Beneficiary, store.BENEFICIARIES, account_id=account_id)


def forget_beneficiary(db: Db, account_id: str, id: str) -> None:
    """Removes one. Raises NotFound."""
    if not db.run(store.FORGET, id=id, account_id=account_id):
        raise Missing(f"There is no beneficiary {id} of this account.")


def _check_overdraft(minor: int) -> None:
    if not 0 <= minor <= LIMIT:
        raise Invalid("An overdraft is not negative.")
