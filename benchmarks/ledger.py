"""Transfers a second in process, beside bare SQLite, and what one costs as the ledger grows.

python benchmarks/ledger.py [--postings 1000000] [--accounts 10000] [--rounds 5] [--postgres URL]

The peer inserts two rows (account, amount, an index by account) and updates two balances in one transaction, with the
same pragmas, on the same disk, in the same run; rounds alternate and medians are printed. Ratios count, not figures.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from backendhub.kit import ledger
from backendhub.kit.db import Db, Store, connect
from backendhub.kit.db.sqlite import PRAGMAS
from backendhub.kit.ids import uuid7
from backendhub.kit.money import Money

BARE = """
CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
CREATE TABLE posting (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, amount INTEGER NOT NULL, at TEXT NOT NULL);
CREATE INDEX posting_account ON posting (account);
"""


class Bare:
    """Two inserts and two updates a transaction, without a rule."""

    def __init__(self, path: str, accounts: int) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        for pragma in PRAGMAS:
            self.db.execute(pragma)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.executescript(BARE)
        self.db.executemany("INSERT INTO account VALUES (?, 1000000000)", [(n + 1,) for n in range(accounts)])
        self.ids = range(1, accounts + 1)

    def transfer(self, debit: int, credit: int) -> None:
        run = self.db.execute
        run("BEGIN IMMEDIATE")
        for account, amount in ((debit, 5), (credit, -5)):
            run(
                "INSERT INTO posting (account, amount, at) VALUES (?, ?, '2026-01-05T09:00:00.000Z')",
                (account, amount),
            )
            run("UPDATE account SET balance = balance + ? WHERE id = ?", (amount, account))
        run("COMMIT")


class Ours:
    """A ledger of customers without overdraft, filled from one account without limit."""

    def __init__(self, url: str, accounts: int) -> None:
        self.store: Store = connect(url)
        self.store.use("ledger")
        self.ids = self.store.unit(self._open, accounts)

    def _open(self, db: Db, accounts: int) -> list[int]:
        side = ledger.Side.CREDIT
        world = ledger.open_account(db, book="b", name="world", currency="EUR", side=ledger.Side.DEBIT).id
        ids = [
            ledger.open_account(db, book="b", name=f"c{n}", currency="EUR", side=side, max_debit=0).id
            for n in range(accounts)
        ]
        for id in ids:
            ledger.transfer(db, debit=world, credit=id, amount=Money(10**9, "EUR"))
        return ids

    def transfer(self, debit: int, credit: int) -> None:
        self.store.unit(
            ledger.transfer, debit=debit, credit=credit, amount=Money(5, "EUR"), id=uuid7(), code="benchmark"
        )

    def transfer_many(self, pairs: list[list[int]], size: int = 16) -> None:
        """As a server commits them: the units of requests that are ready at once share a commit, each with its result."""
        for at in range(0, len(pairs), size):
            self.store.group(
                [
                    partial(
                        ledger.transfer,
                        debit=d,
                        credit=c,
                        amount=Money(5, "EUR"),
                        id=uuid7(),
                        code="benchmark",
                    )
                    for d, c in pairs[at : at + size]
                ]
            )

    def grow(self, postings: int) -> None:
        """Fills the ledger up, many transfers a transaction."""
        have = self.store.read(lambda db: db.value("SELECT count(*) FROM ledger_transfer")) * 2
        while have < postings:
            count = min(5000, (postings - have + 1) // 2)
            self.store.unit(self._many, count)
            have += 2 * count

    def _many(self, db: Db, count: int) -> None:
        for _ in range(count):
            debit, credit = random.sample(self.ids, 2)
            ledger.transfer(db, debit=debit, credit=credit, amount=Money(5, "EUR"))


def rate(transfer: Callable[[int, int], None], ids: list[int] | range, count: int) -> float:
    """Transfers a second, one transaction each."""
    pairs = [random.sample(ids, 2) for _ in range(count)]
    start = time.perf_counter()
    for debit, credit in pairs:
        transfer(debit, credit)
    return count / (time.perf_counter() - start)


def beside_bare(folder: Path, accounts: int, rounds: int, count: int) -> None:
    bare, ours = Bare(str(folder / "bare.db"), accounts), Ours(str(folder / "ours.db"), accounts)
    figures: dict[str, list[float]] = {"bare": [], "ours": [], "grouped": []}
    for _ in range(rounds):
        figures["bare"].append(rate(bare.transfer, bare.ids, count))
        figures["ours"].append(rate(ours.transfer, ours.ids, count))
        pairs = [random.sample(ours.ids, 2) for _ in range(count)]
        start = time.perf_counter()
        ours.transfer_many(pairs)
        figures["grouped"].append(count / (time.perf_counter() - start))
    bare_rate = statistics.median(figures["bare"])
    print(f"bare SQLite, a commit each {bare_rate:10.0f}/s")
    for name, what in (("ours", "a commit each"), ("grouped", "16 units a commit")):
        value = statistics.median(figures[name])
        print(f"ledger, {what:18} {value:10.0f}/s   {value / bare_rate:.2f} × bare")


def as_it_grows(folder: Path, accounts: int, rounds: int, count: int, sizes: list[int]) -> None:
    """All sizes are filled first and measured in turns, so that a slow minute of the machine hits each of them."""
    ledgers = {}
    for size in sizes:
        ledgers[size] = Ours(str(folder / f"of{size}.db"), accounts)
        ledgers[size].grow(size)
    costs: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size, ours in ledgers.items():
            costs[size].append(1e6 / rate(ours.transfer, ours.ids, count))
    first = statistics.median(costs[sizes[0]])
    for size in sizes:
        cost = statistics.median(costs[size])
        print(f"{size:>9} postings: {cost:6.1f} µs a transfer, {cost / first:.2f} × the smallest")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postings", type=int, default=1_000_000)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--postgres", help="also measure this PostgreSQL (an empty schema)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        beside_bare(folder, args.accounts, args.rounds, args.count)
        sizes = [s for s in (1000, 10_000, 100_000, 1_000_000) if s <= args.postings]
        as_it_grows(folder, args.accounts, args.rounds, args.count, sizes)
    if args.postgres:
        ours = Ours(args.postgres, args.accounts)
        print(f"PostgreSQL, one client: {rate(ours.transfer, ours.ids, args.count):.0f} transfers/s")
        ours.store.close()


if __name__ == "__main__":
    main()
