"""Statements of many lines, read from any place; and stores from before lines named the one before."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from backendhub.kit import clock, ledger
from backendhub.kit.db import Db, Store, migrate
from backendhub.kit.db.migrate import statements
from backendhub.kit.errors import NotFound
from backendhub.kit.ledger import Account, Entry, Side
from backendhub.kit.money import Money

SYSTEM = "ledger"
LINES = 200
STEP = timedelta(seconds=1)
MIGRATIONS = Path(ledger.__file__).parent / "migrations"


def filled(db: Db) -> tuple[Account, list[tuple[str, int, int]]]:
    """An account with many lines, three of them in each second, and what its statement must say."""
    world = ledger.open_account(db, book="t", name="world", currency="EUR", side=Side.DEBIT).id
    own = ledger.open_account(db, book="t", name="own", currency="EUR", side=Side.CREDIT).id
    lines, balance, start = [], 0, clock.precise()
    for n in range(LINES):
        debit, credit, sign = (own, world, -1) if n % 5 == 4 else (world, own, 1)
        with clock.traveling(start + n // 3 * STEP):
            ledger.transfer(db, debit=debit, credit=credit, amount=Money(n + 1, "EUR"), id=f"t{n}")
        balance += sign * (n + 1)
        lines.append((f"t{n}", sign * (n + 1), balance))
    return ledger.get_account(db, own), lines


def pages(db: Db, account: Account, **limits: object) -> list[Entry]:
    found: list[Entry] = []
    cursor: str | None = None
    while True:
        page = ledger.entries(db, account, cursor=cursor, **limits)  # type: ignore[arg-type]
        found += page.items
        if (cursor := page.next) is None:
            return found


def said(found: list[Entry]) -> list[tuple[str, int, int]]:
    return [(entry.id, entry.amount, entry.balance) for entry in found]


def test_a_long_statement_is_the_same_from_either_end(db: Db, frozen: Callable[[str], None]) -> None:
    account, lines = filled(db)
    for limit in (17, 64, 100):
        assert said(pages(db, account, newest=False, limit=limit)) == lines
        assert said(pages(db, account, newest=True, limit=limit)) == lines[::-1]
    start = clock.precise()
    for first, last in ((0, 0), (0, 3), (20, 21), (21, 43), (42, 99), (60, 10), (66, 67)):
        since, until = start + first * STEP, start + last * STEP
        wanted = lines[3 * first : 3 * last]
        assert said(pages(db, account, since=since, until=until, newest=False, limit=7)) == wanted
        assert said(pages(db, account, since=since, until=until, newest=True, limit=7)) == wanted[::-1]
    for second in range(-1, 68):
        at = start + second * STEP
        wanted_balance = lines[min(3 * second + 2, LINES - 1)][2] if second >= 0 else 0
        assert ledger.posted_at(db, account, at) == wanted_balance
    assert ledger.verify(db).ok


def test_a_cursor_of_other_types_is_no_page(db: Db, frozen: Callable[[str], None]) -> None:
    account = ledger.open_account(db, book="t", name="own", currency="EUR", side=Side.CREDIT)
    for place in (b'["-at",5,"x"]', b'["-at","2026",1.5]', b'["-at","2026",9999999999999999999999]'):
        with pytest.raises(NotFound):
            ledger.entries(db, account, cursor=base64.urlsafe_b64encode(place).decode().rstrip("="))


OLD = (
    "INSERT INTO ledger_transfer (id, kind, debit_id, credit_id, amount, code, memo, at, debit_line, debit_balance, "
    "credit_line, credit_balance, pending_id) SELECT :id, :kind, d.id, c.id, :amount, '', '', d.moved_at, d.lines + 1, "
    "d.debits - d.credits + :amount, c.lines + 1, c.debits - c.credits - :amount, :pending FROM ledger_account d "
    "CROSS JOIN ledger_account c WHERE d.id = :debit AND c.id = :credit"
)
HELD = (
    "INSERT INTO ledger_transfer (id, kind, debit_id, credit_id, amount, code, memo, at) "
    "SELECT :id, 'pending', :debit, :credit, 7, '', '', d.moved_at FROM ledger_account d WHERE d.id = :debit"
)


def old_store(db: Db) -> None:
    """The tables as they were released first, with transfers, one post, one reservation, and an account without lines."""
    db.run(
        "CREATE TABLE IF NOT EXISTS hub_migrations (system TEXT, number BIGINT, name TEXT, hash TEXT, applied_at TEXT)"
    )
    for path in sorted(MIGRATIONS.glob("000[12]_*.sql")):
        kind = path.suffixes[0][1:]
        if kind in ("sql", db.dialect):
            for statement in statements(path.read_text(), db.dialect):
                db.run(statement)
            db.run(
                "INSERT INTO hub_migrations VALUES ('ledger', :number, :name, 'x', 'x')",
                number=int(path.name[:4]),
                name=path.name,
            )
    account = (
        "INSERT INTO ledger_account (book, name, currency, side, debits, credits, lines, moved_at, created_at) VALUES "
        "('t', :name, 'EUR', 'credit', 0, 0, 0, '2026-01-05T09:00:00.000Z', '2026-01-05T09:00:00.000Z')"
    )
    for name in "abc":
        db.run(account, name=name)
    for n in range(150):
        debit, credit = (1, 2) if n % 3 else (2, 1)
        db.run(OLD, id=f"t{n:03}", kind="transfer", debit=debit, credit=credit, amount=n + 1, pending=None)
    for id in ("h1", "h2"):
        db.run(HELD, id=id, debit=1, credit=2)
    db.run("DELETE FROM ledger_pending WHERE id = 'h1'")
    db.run(OLD, id="p1", kind="post", debit=1, credit=2, amount=7, pending="h1")


def test_an_old_store_is_chained_and_goes_on(store: Store) -> None:
    with store.transaction() as db:
        old_store(db)
        assert migrate(db, "ledger") == [f"0003_chain.{db.dialect}.sql"]
        assert ledger.verify(db).ok
        account = ledger.get_account(db, 2)
        found = pages(db, account, newest=False, limit=50)
        assert [entry.id for entry in found] == [*(f"t{n:03}" for n in range(150)), "p1"]
        assert found[-1].balance == ledger.posted_at(db, account, account.moved_at)
        ledger.transfer(db, debit=3, credit=1, amount=Money(5, "EUR"))
        ledger.post(db, "h2")
        assert ledger.verify(db).ok
        assert [entry.line for entry in pages(db, ledger.get_account(db, 1), limit=100)] == [
            *range(153, 0, -1)
        ]
