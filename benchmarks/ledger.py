"""Transfers a second in process, beside bare SQLite, and what one costs as the ledger grows.

python benchmarks/ledger.py [--postings 1000000] [--accounts 10000] [--rounds 5] [--postgres URL]

The peers insert two rows and update two balances in one transaction without looking at anything, with the same pragmas, on
the same disk, in the same run: one with the fewest columns (account, amount, an index by account), one with those that
the ledger has. Rounds alternate and medians are printed. Ratios count, not figures.
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

LEAN = """
CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
CREATE TABLE posting (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, amount INTEGER NOT NULL, at TEXT NOT NULL);
CREATE INDEX posting_account ON posting (account);
"""
# What the ledger keeps, as two rows: an id that is unique, texts, a statement by time with running balances.
SAME = """
CREATE TABLE account (id INTEGER PRIMARY KEY, book TEXT, name TEXT, currency TEXT, side TEXT, balance INTEGER, lines INTEGER,
  max_debit INTEGER, max_credit INTEGER, moved_at TEXT, closed_at TEXT, created_at TEXT);
CREATE TABLE posting (transfer TEXT, account INTEGER, other INTEGER, kind TEXT, amount INTEGER, line INTEGER,
  balance INTEGER, code TEXT, memo TEXT, at TEXT, PRIMARY KEY (transfer, account)) WITHOUT ROWID;
CREATE INDEX posting_account ON posting (account, at, line);
"""
AT = "2026-01-05T09:00:00.000Z"


class Bare:
    """Two inserts and two updates a transaction, without a rule: an account and an amount a row."""

    tables = LEAN

    def __init__(self, path: str, accounts: int) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        for pragma in PRAGMAS:
            self.db.execute(pragma)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.executescript(self.tables)
        self.ids = range(1, accounts + 1)
        self.fill()

    def fill(self) -> None:
        self.db.executemany("INSERT INTO account VALUES (?, 1000000000)", [(id,) for id in self.ids])

    def transfer(self, debit: int, credit: int) -> None:
        run = self.db.execute
        run("BEGIN IMMEDIATE")
        for account, amount in ((debit, 5), (credit, -5)):
            run("INSERT INTO posting (account, amount, at) VALUES (?, ?, ?)", (account, amount, AT))
            run("UPDATE account SET balance = balance + ? WHERE id = ?", (amount, account))
        run("COMMIT")


class Same(Bare):
    """The same with the columns and indexes of the ledger: what it keeps, and nothing that it looks at."""

    tables = SAME

    def fill(self) -> None:
        self.db.executemany(
            f"INSERT INTO account VALUES (?, 'b', 'c' || ?, 'EUR', 'credit', 0, 0, 0, NULL, '{AT}', NULL, '{AT}')",
            [(id, id) for id in self.ids],
        )

    def transfer(self, debit: int, credit: int) -> None:
        run, id = self.db.execute, uuid7()
        run("BEGIN IMMEDIATE")
        for account, other, amount in ((debit, credit, 5), (credit, debit, -5)):
            run(
                "INSERT INTO posting VALUES (?, ?, ?, 'transfer', ?, 1, ?, 'benchmark', '', ?)",
                (id, account, other, amount, amount, AT),
            )
            run(
                "UPDATE account SET balance = balance + ?, lines = lines + 1, moved_at = ? WHERE id = ?",
                (amount, AT, account),
            )
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


def cost(transfer: Callable[[int, int], None], ids: list[int] | range, count: int) -> tuple[float, float]:
    """Seconds and seconds of CPU of a transfer, one transaction each."""
    pairs = [random.sample(ids, 2) for _ in range(count)]
    cpu, start = time.process_time(), time.perf_counter()
    for debit, credit in pairs:
        transfer(debit, credit)
    return (time.perf_counter() - start) / count, (time.process_time() - cpu) / count


def beside_bare(folder: Path, accounts: int, rounds: int, count: int) -> None:
    bare, same = Bare(str(folder / "bare.db"), accounts), Same(str(folder / "same.db"), accounts)
    ours = Ours(str(folder / "ours.db"), accounts)
    spent: dict[str, list[tuple[float, float]]] = {"bare": [], "same": [], "ours": [], "grouped": []}
    for _ in range(rounds):
        for name, side in (("bare", bare), ("same", same), ("ours", ours)):
            spent[name].append(cost(side.transfer, side.ids, count))
        pairs = [random.sample(ours.ids, 2) for _ in range(count)]
        cpu, start = time.process_time(), time.perf_counter()
        ours.transfer_many(pairs)
        spent["grouped"].append(((time.perf_counter() - start) / count, (time.process_time() - cpu) / count))
    base, base_cpu = (statistics.median(n) for n in zip(*spent["bare"], strict=True))
    most, most_cpu = (statistics.median(n) for n in zip(*spent["same"], strict=True))
    for name, what in (
        ("bare", "bare SQLite, lean rows"),
        ("same", "bare SQLite, the ledger's columns"),
        ("ours", "ledger, a commit each"),
        ("grouped", "ledger, 16 units a commit"),
    ):
        wall, used = (statistics.median(n) for n in zip(*spent[name], strict=True))
        print(
            f"{what:34} {1 / wall:7.0f}/s {base / wall:5.2f} × lean {most / wall:5.2f} × same columns;"
            f" CPU {used * 1e6:5.0f} µs {base_cpu / used:5.2f} {most_cpu / used:5.2f}"
        )


def as_it_grows(folder: Path, rounds: int, sizes: list[int], accounts: int = 200, count: int = 500) -> None:
    """All sizes are measured in turns, so that a slow minute of the machine hits each of them. Small ledgers are made anew
    for each round, for they would grow by what is measured."""

    def filled(size: int, name: str) -> Ours:
        made = Ours(str(folder / name), accounts)
        made.grow(size)
        return made

    lasting = {size: filled(size, f"of{size}.db") for size in sizes if size > 50 * count}
    costs: dict[int, list[float]] = {size: [] for size in sizes}
    for turn in range(rounds):
        for size in sizes:
            ours = lasting.get(size) or filled(size, f"of{size}-{turn}.db")
            cost(ours.transfer, ours.ids, count // 2)  # a small one was just made, so all of them begin warm
            costs[size].append(1e6 * cost(ours.transfer, ours.ids, count)[1])
    first = statistics.median(costs[sizes[0]])
    for size in sizes:
        used = statistics.median(costs[size])
        print(
            f"{size:>9} postings: {used:6.1f} µs of CPU a transfer (least {min(costs[size]):.1f}), "
            f"{used / first:.2f} × the smallest"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postings", type=int, default=1_000_000)
    parser.add_argument("--accounts", type=int, default=10_000, help="beside bare SQLite; 200 as it grows")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--postgres", help="also measure this PostgreSQL (an empty schema)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        beside_bare(folder, args.accounts, args.rounds, args.count)
        sizes = [s for s in (1000, 10_000, 100_000, 1_000_000) if s <= args.postings]
        if sizes:
            as_it_grows(folder, 3 * args.rounds, sizes)
    if args.postgres:
        ours = Ours(args.postgres, args.accounts)
        print(f"PostgreSQL, one client: {1 / cost(ours.transfer, ours.ids, args.count)[0]:.0f} transfers/s")
        ours.store.close()


if __name__ == "__main__":
    main()
