"""The bank test: processes move money at random, read the whole state, and some are killed in the middle.

After Jepsen's: every read shows all accounts, a total that never changes and no balance below zero; what was
acknowledged happened exactly once; of what was not, all or nothing.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backendhub.kit import ledger
from backendhub.kit.db import Db, Store
from backendhub.kit.ledger import Side, Transfer
from backendhub.kit.ledger import store as statements
from backendhub.kit.money import Money

ACCOUNTS, EACH = 8, 1000

MOVER = """
import json, random, sys, time
from datetime import timedelta
from backendhub.kit import ledger
from backendhub.kit.db import connect
from backendhub.kit.errors import Conflict, StoreError
from backendhub.kit.ledger import Kind, Move
from backendhub.kit.money import Money

url, seed, seconds, ids = sys.argv[1], sys.argv[2], float(sys.argv[3]), json.loads(sys.argv[4])
store = connect(url)
store.use("ledger")
dice = random.Random(seed)
pending, number, end = [], 0, time.monotonic() + seconds

def say(*what):
    sys.stdout.write(json.dumps(what) + "\\n")
    sys.stdout.flush()

def state(db):
    return db.fetch("SELECT id, debits - credits FROM ledger_account ORDER BY id", {})

while time.monotonic() < end:
    number += 1
    id, what = f"{seed}-{number}", dice.random()
    debit, credit = dice.sample(ids, 2)
    amount = Money(dice.randint(1, 400), "EUR")
    try:
        if what < 0.2:
            say("read", store.read(state))
            continue
        if what < 0.35:
            other = dice.choice([i for i in ids if i not in (debit, credit)])
            moves = [Move(Kind.TRANSFER, id, debit, credit, amount), Move(Kind.TRANSFER, id + "b", credit, other, amount)]
            say("try", id, id + "b")
            store.unit(ledger.batch, moves)
            say("done", id, debit, credit, amount.minor)
            say("done", id + "b", credit, other, amount.minor)
            continue
        say("try", id)
        if what < 0.5:
            store.unit(ledger.reserve, debit=debit, credit=credit, amount=amount, id=id,
                       timeout=timedelta(milliseconds=dice.randint(1, 2000)))
            pending.append(id)
            say("held", id)
        elif what < 0.65 and pending:
            kind = dice.choice([ledger.post, ledger.void])
            made = store.unit(kind, pending.pop(dice.randrange(len(pending))), id=id)
            say("done", id, made.debit_id, made.credit_id, made.amount)
        else:
            store.unit(ledger.transfer, debit=debit, credit=credit, amount=amount, id=id)
            say("done", id, debit, credit, amount.minor)
            if dice.random() < 0.1:  # a client that did not hear the answer asks again
                store.unit(ledger.transfer, debit=debit, credit=credit, amount=amount, id=id)
    except Conflict as error:
        say("refused", id, error.code)
    except StoreError as error:
        say("failed", id, error.message)
say("end")
"""


def open_bank(db: Db) -> list[int]:
    world = ledger.open_account(db, book="bank", name="world", currency="EUR", side=Side.DEBIT).id
    ids = [
        ledger.open_account(db, book="bank", name=f"c{n}", currency="EUR", side=Side.CREDIT, max_debit=0).id
        for n in range(ACCOUNTS)
    ]
    for id in ids:
        ledger.transfer(db, debit=world, credit=id, amount=Money(EACH, "EUR"))
    return ids


class Bank:
    """Movers, some of which die, and what they have said."""

    def __init__(self, url: str, folder: Path, ids: list[int]) -> None:
        self.url, self.folder, self.ids = url, folder, ids
        self.running: list[subprocess.Popen[bytes]] = []
        self.started = self.killed = 0

    def start(self, seconds: float) -> None:
        self.started += 1
        with (self.folder / f"said{self.started}").open("wb") as said:
            self.running.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-c",
                        MOVER,
                        self.url,
                        f"w{self.started}",
                        str(seconds),
                        json.dumps(self.ids),
                    ],
                    stdout=said,
                    stderr=subprocess.PIPE,
                )
            )

    def run(self, *, movers: int, seconds: float, kills: int) -> None:
        end = time.monotonic() + seconds
        for _ in range(movers):
            self.start(seconds)
        for left in range(kills, 0, -1):
            time.sleep(max(0.0, end - time.monotonic()) / (left + 1))
            victim = self.running.pop(random.randrange(len(self.running)))
            victim.send_signal(signal.SIGKILL)
            victim.communicate(timeout=30)
            self.killed += 1
            self.start(max(0.5, end - time.monotonic()))
        for process in self.running:
            _, errors = process.communicate(timeout=120)
            assert (process.returncode, errors) == (0, b"")

    def said(self) -> list[list[object]]:
        lines: list[list[object]] = []
        for path in sorted(self.folder.glob("said*")):
            for line in path.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n"):
                    lines.append(json.loads(line))
        return lines


def examine(store: Store, bank: Bank) -> dict[str, int]:
    """Everything that must hold at the end; gives the counts."""
    said = bank.said()
    reads = [line[1] for line in said if line[0] == "read"]
    for state in reads:
        assert isinstance(state, list)
        assert len(state) == ACCOUNTS + 1
        assert sum(net for _, net in state) == 0  # debits less credits: the total is constant
        assert all(net <= 0 for id, net in state if id in bank.ids)  # nobody owes the bank
    stored = {
        t.id: t
        for t in store.read(lambda db: db.all(Transfer, f"SELECT {statements.TRANSFER} FROM ledger_transfer"))
    }
    tried = {str(id) for line in said if line[0] == "try" for id in line[1:]}
    refused = {line[1] for line in said if line[0] in ("refused", "failed")}
    for line in said:
        if line[0] == "done":
            t = stored[str(line[1])]
            assert [t.debit_id, t.credit_id, t.amount] == line[2:]
    moved = {id for id in stored if id.startswith("w")}
    assert moved <= tried
    assert not moved & refused
    # Only what a killed worker was about to do may be unknown: one attempt each.
    known = {str(line[1]).rstrip("b") for line in said if line[0] in ("done", "held", "refused", "failed")}
    assert len({id.rstrip("b") for id in tried} - known) <= bank.killed
    for id in tried:  # linked transfers: both or none
        if id.endswith("b"):
            assert (id in stored) == (id[:-1] in stored)
    assert [line for line in said if line[0] == "failed"] == []
    report = store.read(ledger.verify, "bank")
    assert report.ok, report
    return {"reads": len(reads), "transfers": len(moved), "refused": len(refused), "killed": bank.killed}


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_the_bank_holds_while_its_workers_are_killed(store: Store, store_url: str, tmp_path: Path) -> None:
    store.use("ledger")
    ids = store.unit(open_bank)
    seconds = float(os.environ.get("BACKENDHUB_TEST_BANK_SECONDS", "2.5"))
    bank = Bank(store_url, tmp_path, ids)
    bank.run(movers=4, seconds=seconds, kills=max(3, round(seconds / 3)))
    counts = examine(store, bank)
    print(counts)
    assert counts["reads"] > 10
    assert counts["transfers"] > 50
    assert counts["killed"] >= 3
