"""What a ledger holds, and the ways in which it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from backendhub.kit.errors import Conflict, Invalid
from backendhub.kit.money import Money


class Side(StrEnum):
    """The normal side of an account: `debit` for what one owns or spends, `credit` for what one owes or earns."""

    DEBIT = "debit"
    CREDIT = "credit"


class Kind(StrEnum):
    """What a row of the table of transfers is."""

    TRANSFER = "transfer"
    PENDING = "pending"
    POST = "post"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Account:
    """An account: amounts in minor units of its currency, `max_debit` and `max_credit` None where without limit."""

    id: int
    book: str
    name: str
    currency: str
    side: Side
    debits: int
    credits: int
    lines: int
    max_debit: int | None
    max_credit: int | None
    moved_at: datetime
    closed_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Transfer:
    """One immutable row: an amount that debits one account and credits another.

    `pending_id` is what a post or void resolves. A line is its number in the account's statement, a balance the one
    after it (`debits - credits`); both are None where no money has moved.
    """

    id: str
    kind: Kind
    debit_id: int
    credit_id: int
    amount: int
    code: str
    memo: str
    at: datetime
    pending_id: str | None = None
    timeout_ms: int | None = None
    expires_at: datetime | None = None
    debit_line: int | None = None
    debit_balance: int | None = None
    credit_line: int | None = None
    credit_balance: int | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account holds, in minor units, positive on its own side.

    `available` is what may still leave it: the balance less what is reserved on the other side, plus what the limit
    allows beyond zero; None where nothing limits it. `incoming` and `reserved` are pending and not expired.
    """

    account: Account
    posted: int
    reserved: int
    incoming: int
    available: int | None

    @property
    def money(self) -> Money:
        """The posted balance with its currency."""
        return Money(self.posted, self.account.currency)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of an account's statement: `amount` and `balance` (after it) are positive on the account's own side."""

    line: int
    id: str
    kind: Kind
    at: datetime
    amount: int
    balance: int
    other_id: int
    code: str
    memo: str


@dataclass(frozen=True, slots=True)
class Move:
    """One thing to do to a ledger, alone or in a batch; make it with `transfer`, `pending`, `post` or `void` below.

    `id` makes it safe to repeat. `amount` None posts all that is pending; `timeout` counts from the moment it is made.
    """

    kind: Kind
    id: str
    debit: int = 0
    credit: int = 0
    amount: Money | None = None
    pending: str = ""
    timeout: timedelta | None = None
    code: str = ""
    memo: str = ""


class InsufficientFunds(Conflict):
    """The transfer would take an account beyond its limit."""

    code = "insufficient_funds"


class AccountClosed(Conflict):
    """A closed account moves no money."""

    code = "account_closed"


class SameAccount(Invalid):
    """From an account to itself."""

    code = "same_account"


class CurrencyMismatch(Invalid):
    """Accounts, or an amount, of another currency or book."""

    code = "currency_mismatch"


class NotPending(Conflict):
    """A pending transfer that is posted, voided or expired (`why`)."""

    code = "not_pending"


class IdUsed(Conflict):
    """The id belongs to a transfer with other content."""

    code = "id_used"
