"""Double-entry accounts on plain SQL, after the rules of TigerBeetle: a ledger that always sums to zero.

Amounts move between two accounts of one book and currency, at once (`transfer`) or reserved first (`reserve`) and then
posted or voided. Rows are immutable, balances are guarded by the database, and an id given by the caller makes every
step safe to repeat. A migration says `-- needs: ledger`.
"""

from __future__ import annotations

from .accounts import accounts_of, close_account, get_account, limit_account, open_account, reopen_account
from .models import (
    Account,
    AccountClosed,
    Balance,
    CurrencyMismatch,
    Entry,
    IdUsed,
    InsufficientFunds,
    Kind,
    Move,
    NotPending,
    SameAccount,
    Side,
    Transfer,
)
from .reading import balance, balance_of, entries, pending_of, posted_at
from .transfers import apply, batch, get_transfer, post, reserve, resolution, sweep, transfer, void
from .verify import CHECKS, verify

__all__ = [
    "CHECKS",
    "Account",
    "AccountClosed",
    "Balance",
    "CurrencyMismatch",
    "Entry",
    "IdUsed",
    "InsufficientFunds",
    "Kind",
    "Move",
    "NotPending",
    "SameAccount",
    "Side",
    "Transfer",
    "accounts_of",
    "apply",
    "balance",
    "balance_of",
    "batch",
    "close_account",
    "entries",
    "get_account",
    "get_transfer",
    "limit_account",
    "open_account",
    "pending_of",
    "post",
    "posted_at",
    "reopen_account",
    "reserve",
    "resolution",
    "sweep",
    "transfer",
    "verify",
    "void",
]
