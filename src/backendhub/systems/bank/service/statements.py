"""What an account's statement says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from backendhub.kit import clock, ledger
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid
from backendhub.kit.paging import Page
from backendhub.systems.bank import store
from backendhub.systems.bank.models import Account, Kind, Line, Missing

MAX_LINES = 5000


class Statement(NamedTuple):
    """The lines of a period, oldest first, with the balances before and after, in minor units."""

    account: Account
    since: datetime
    until: datetime
    opening: int
    closing: int
    lines: list[Line]

    @property
    def id(self) -> str:
        """Its name: the month, or the days."""
        return self.since.strftime("%Y-%m")


def lines(
    db: Db,
    account: Account,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    newest: bool = True,
    limit: int = 20,
    cursor: str | None = None,
) -> Page[Line]:
    """A page of an account's lines. Raises NotFound for a foreign cursor."""
    book = ledger.get_account(db, account.ledger_id)
    page = ledger.entries(db, book, since=since, until=until, newest=newest, limit=limit, cursor=cursor)
    about = {
        row[0]: row[1:]
        for row in db.fetch(
            store.ABOUT[db.dialect], {"ids": [e.id for e in page.items], "account_id": account.id}
        )
    }
    items = [
        Line(e.line, e.id, e.at, e.amount, e.balance, Kind(about[e.id][0]), *about[e.id][1:])
        for e in page.items
    ]
    return Page(items, page.next)


def statement(db: Db, account: Account, since: datetime, until: datetime) -> Statement:
    """The statement of a period (`until` exclusive). Raises Invalid where it would be too long."""
    if since >= until:
        raise Invalid("A statement begins before it ends.")
    book = ledger.get_account(db, account.ledger_id)
    page = lines(db, account, since=since, until=until, newest=False, limit=MAX_LINES)
    if page.next is not None:
        raise Invalid(f"There are more than {MAX_LINES} lines in that period.", hint="ask for a shorter one")
    ms = timedelta(milliseconds=1)
    opening = ledger.posted_at(db, book, since - ms)
    closing = page.items[-1].balance if page.items else opening
    return Statement(account, since, until, opening, closing, page.items)


def months(account: Account) -> list[str]:
    """The months for which there are statements, the latest first: complete ones and the present."""
    today, first = clock.now().date(), account.created_at.date()
    found: list[str] = []
    year, month = today.year, today.month
    while (year, month) >= (first.year, first.month) and len(found) < 24:
        found.append(f"{year}-{month:02d}")
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return found


def of_month(db: Db, account: Account, id: str) -> Statement:
    """The statement `2026-01`. Raises NotFound."""
    if id not in months(account):
        raise Missing(f"There is no statement {id} of this account.")
    return statement(db, account, *period(id))


def period(id: str) -> tuple[datetime, datetime]:
    """The first moment of a month and the first after it."""
    first = date.fromisoformat(id + "-01")
    after = (first + timedelta(days=32)).replace(day=1)
    return (
        datetime(first.year, first.month, 1, tzinfo=UTC),
        datetime(after.year, after.month, 1, tzinfo=UTC),
    )
