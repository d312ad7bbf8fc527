"""What accounts hold, now and at any time, and their statements."""

from __future__ import annotations

from datetime import datetime

from backendhub.kit import clock, paging
from backendhub.kit.db import Db
from backendhub.kit.db.records import encode

from . import store
from .accounts import get_account
from .models import Account, Balance, Entry, Side, Transfer


def balance(db: Db, account: int) -> Balance:
    """What an account holds now. Raises NotFound."""
    return balance_of(db, get_account(db, account))


def balance_of(db: Db, account: Account) -> Balance:
    """The balance of an account that was just read."""
    out_debit, out_credit = map(
        int, db.fetch(store.PENDING_SUMS, {"id": account.id, "now": clock.precise()})[0]
    )
    net = account.debits - account.credits
    if account.side is Side.DEBIT:
        limit, posted, reserved, incoming = account.max_credit, net, out_credit, out_debit
    else:
        limit, posted, reserved, incoming = account.max_debit, -net, out_debit, out_credit
    available = None if limit is None else limit + posted - reserved
    return Balance(account, posted, reserved, incoming, available)


def posted_at(db: Db, account: Account, as_of: datetime) -> int:
    """The posted balance of an account at a moment (inclusive), positive on its own side, by two index look-ups."""
    net = int(db.value(store.AS_OF, id=account.id, as_of=as_of) or 0)
    return net if account.side is Side.DEBIT else -net


def pending_of(db: Db, account: int) -> list[Transfer]:
    """Transfers of an account that wait to be posted or voided, oldest first."""
    return db.all(Transfer, store.PENDING_OF, id=account, now=clock.precise())


def entries(
    db: Db,
    account: Account,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    newest: bool = True,
    limit: int = 20,
    cursor: str | None = None,
) -> paging.Page[Entry]:
    """A page of an account's lines from `since` (inclusive) to `until` (exclusive), each with the balance after it.

    Raises NotFound for a foreign cursor.
    """
    order = _NEWEST if newest else _OLDEST
    edge = (store.FOREVER, 2**62) if newest else ("", 0)
    at, line = edge if cursor is None else paging.decode(cursor, order)
    rows = db.all(
        Entry,
        store.NEWEST if newest else store.OLDEST,
        id=account.id,
        sign=1 if account.side is Side.DEBIT else -1,
        since=since or "",
        until=until or store.FOREVER,
        key0=at,
        key1=line,
        limit=limit + 1,
    )
    return paging.page(rows, limit, order)


_AT = paging.Sort("at", lambda entry: encode(entry.at))
_LINE = paging.Sort("line", lambda entry: entry.line)
_NEWEST = paging.Order("-at", ((_AT, True), (_LINE, True)))
_OLDEST = paging.Order("at", ((_AT, False), (_LINE, False)))
