"""What accounts hold, now and at any time, and their statements."""

from __future__ import annotations

from datetime import datetime

from backendhub.kit import clock, paging
from backendhub.kit.db import Db
from backendhub.kit.db.records import encode
from backendhub.kit.errors import NotFound

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
    """The posted balance of an account at a moment (inclusive), positive on its own side: a look at no more than 64 lines,
    however long its statement is."""
    _, net = _place(db, account, (encode(as_of), _LAST))
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
    first, end = (
        (encode(since), 0) if since else ("", 0),
        (encode(until), 0) if until else (store.FOREVER, _LAST),
    )
    if cursor is not None:
        at, line = _cursor(cursor, order)
        first, end = (first, min(end, (at, line))) if newest else (max(first, (at, line)), end)
    if newest:
        high, _ = _place(db, account, (end[0], end[1] - 1))
        low = max(high - limit - 1, 0)
    else:
        low, _ = _place(db, account, first)
        high = low + limit + 1
    sign = 1 if account.side is Side.DEBIT else -1
    until_ = store.FOREVER if newest else end[0]
    rows = (
        db.all(Entry, store.LINES, id=account.id, sign=sign, low=low, high=high, since=first[0], until=until_)
        if high > low
        else []
    )
    return paging.page(rows[::-1] if newest else rows, limit, order)


def _place(db: Db, account: Account, place: tuple[str, int]) -> tuple[int, int]:
    """The number of an account's last line at or before a place in its statement, and `debits - credits` after it."""
    rows = db.fetch(store.PLACE, {"id": account.id, "at": place[0], "line": place[1]})
    return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)


def _cursor(cursor: str, order: paging.Order) -> tuple[str, int]:
    at, line = paging.decode(cursor, order)
    if not isinstance(at, str) or not isinstance(line, int) or abs(line) > _LAST:
        raise NotFound("There is no such page: the cursor was not made by this listing.")
    return at, line


_LAST = 2**62
_AT = paging.Sort("at", lambda entry: encode(entry.at))
_LINE = paging.Sort("line", lambda entry: entry.line)
_NEWEST = paging.Order("-at", ((_AT, True), (_LINE, True)))
_OLDEST = paging.Order("at", ((_AT, False), (_LINE, False)))
