"""The ledger against a model of a few lines of Python: whatever Hypothesis does to both, they agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from backendhub.kit import clock, ledger
from backendhub.kit.db import Store, connect
from backendhub.kit.errors import Conflict, HubError, Invalid
from backendhub.kit.ledger import Kind, Move, Side
from backendhub.kit.money import Money

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
books = count(1)
EXPECTED = (
    Invalid,
    Conflict,
)


@dataclass
class Account:
    side: Side
    limit: int | None
    debits: int = 0
    credits: int = 0
    moved_at: datetime = START
    closed: bool = False
    lines: list[tuple[datetime, int]] = field(default_factory=list)

    @property
    def net(self) -> int:
        return self.debits - self.credits


@dataclass
class Pending:
    debit: int
    credit: int
    amount: int
    expires: datetime | None
    done: str = ""


class Model:
    """What a ledger is, said as plainly as possible."""

    def __init__(self) -> None:
        self.accounts: dict[int, Account] = {}
        self.pending: dict[str, Pending] = {}
        self.known: dict[str, Any] = {}
        self.now = START

    def live(self, pending: Pending) -> bool:
        return not pending.done and (pending.expires is None or pending.expires > self.now)

    def reserved(self, id: int) -> int:
        return sum(p.amount for p in self.pending.values() if p.debit == id and self.live(p))

    def incoming(self, id: int) -> int:
        return sum(p.amount for p in self.pending.values() if p.credit == id and self.live(p))

    def refusal(self, debit: int, credit: int, amount: int) -> type[HubError] | None:
        if debit == credit:
            return ledger.SameAccount
        d, c = self.accounts[debit], self.accounts[credit]
        if d.closed or c.closed:
            return ledger.AccountClosed
        if d.side is Side.CREDIT and d.limit is not None and d.net + amount + self.reserved(debit) > d.limit:
            return ledger.InsufficientFunds
        if c.side is Side.DEBIT and c.limit is not None and amount - c.net + self.incoming(credit) > c.limit:
            return ledger.InsufficientFunds
        return None

    def move(self, debit: int, credit: int, amount: int) -> None:
        d, c = self.accounts[debit], self.accounts[credit]
        d.debits += amount
        c.credits += amount
        at = max(self.now, d.moved_at, c.moved_at)
        for account in (d, c):
            account.moved_at = at
            account.lines.append((at, account.net))

    def apply(self, move: Move) -> type[HubError] | None:
        """What a move does, or the error that it must be refused with."""
        if move.id in self.known:
            return None if self.known[move.id] == move else ledger.IdUsed
        if move.kind in (Kind.TRANSFER, Kind.PENDING):
            assert move.amount is not None
            amount = move.amount.minor
            if (error := self.refusal(move.debit, move.credit, amount)) is not None:
                return error
            if move.kind is Kind.TRANSFER:
                self.move(move.debit, move.credit, amount)
            else:
                expires = None if move.timeout is None else self.now + move.timeout
                self.pending[move.id] = Pending(move.debit, move.credit, amount, expires)
        else:
            pending = self.pending[move.pending]
            amount = pending.amount if move.amount is None else move.amount.minor
            if amount > pending.amount:
                return Invalid
            if not self.live(pending):
                return ledger.NotPending
            pending.done = move.kind
            if move.kind is Kind.POST:
                self.move(pending.debit, pending.credit, amount)
        self.known[move.id] = move
        return None


amounts = st.integers(1, 400)
timeouts = st.one_of(st.none(), st.integers(1, 60).map(lambda s: timedelta(seconds=s)))


class LedgerMachine(RuleBasedStateMachine):
    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.book = f"book{next(books)}"
        self.model = Model()
        self.ids = count(1)
        with self.at_now():
            for side, limit in (
                (Side.DEBIT, None),
                (Side.CREDIT, 0),
                (Side.CREDIT, 0),
                (Side.CREDIT, 150),
                (Side.DEBIT, 0),
            ):
                self.open(side, limit)

    def open(self, side: Side, limit: int | None) -> None:
        account = self.store.unit(
            ledger.open_account,
            book=self.book,
            name=f"a{len(self.model.accounts)}",
            currency="EUR",
            side=side,
            max_debit=limit if side is Side.CREDIT else None,
            max_credit=limit if side is Side.DEBIT else None,
        )
        self.model.accounts[account.id] = Account(side, limit)

    @contextmanager
    def at_now(self) -> Iterator[None]:
        with clock.traveling(self.model.now):
            yield

    def pick(self, index: int) -> int:
        ids = list(self.model.accounts)
        return ids[index % len(ids)]

    def new_id(self) -> str:
        return f"{self.book}-{next(self.ids)}"

    def do(self, move: Move) -> None:
        """Does a move to both and compares what they say."""
        expected = self.model.apply(move)
        with self.at_now():
            if expected is None:
                made = self.store.unit(ledger.apply, move)
                assert made.id == move.id
                assert made.kind is move.kind
            else:
                with pytest.raises(expected) as caught:
                    self.store.unit(ledger.apply, move)
                assert type(caught.value) is expected

    @rule(debit=st.integers(0, 4), credit=st.integers(0, 4), amount=amounts)
    def transfer(self, debit: int, credit: int, amount: int) -> None:
        self.do(Move(Kind.TRANSFER, self.new_id(), self.pick(debit), self.pick(credit), Money(amount, "EUR")))

    @rule(credit=st.integers(1, 3), amount=amounts)
    def deposit(self, credit: int, amount: int) -> None:
        self.do(Move(Kind.TRANSFER, self.new_id(), self.pick(0), self.pick(credit), Money(amount, "EUR")))

    @rule(debit=st.integers(0, 4), credit=st.integers(0, 4), amount=amounts, timeout=timeouts)
    def reserve(self, debit: int, credit: int, amount: int, timeout: timedelta | None) -> None:
        pair = self.pick(debit), self.pick(credit)
        self.do(Move(Kind.PENDING, self.new_id(), *pair, Money(amount, "EUR"), timeout=timeout))

    @precondition(lambda self: self.model.pending)
    @rule(
        data=st.data(),
        kind=st.sampled_from([Kind.POST, Kind.VOID]),
        share=st.sampled_from([None, 1, 50, 401]),
    )
    def resolve(self, data: st.DataObject, kind: Kind, share: int | None) -> None:
        pending = data.draw(st.sampled_from(sorted(self.model.pending)))
        amount = Money(share, "EUR") if share and kind is Kind.POST else None
        self.do(Move(kind, self.new_id(), amount=amount, pending=pending))

    @precondition(lambda self: self.model.known)
    @rule(data=st.data(), change=st.booleans())
    def repeat(self, data: st.DataObject, change: bool) -> None:
        move = self.model.known[data.draw(st.sampled_from(sorted(self.model.known)))]
        if not change:
            self.do(move)
            return
        with self.at_now(), pytest.raises(ledger.IdUsed):
            self.store.unit(
                ledger.apply,
                Move(
                    move.kind, move.id, move.debit, move.credit, move.amount, move.pending, move.timeout, "x"
                ),
            )

    @rule(parts=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), amounts), min_size=1, max_size=4))
    def batch(self, parts: list[tuple[int, int, int]]) -> None:
        moves = [
            Move(Kind.TRANSFER, self.new_id(), self.pick(d), self.pick(c), Money(n, "EUR"))
            for d, c, n in parts
        ]
        trial = self._copy()
        for index, move in enumerate(moves):
            if (expected := trial.apply(move)) is not None:
                with self.at_now(), pytest.raises(expected) as caught:
                    self.store.unit(ledger.batch, moves)
                assert caught.value.details["index"] == index
                return
        self.model = trial
        with self.at_now():
            assert [t.id for t in self.store.unit(ledger.batch, moves)] == [m.id for m in moves]

    def _copy(self) -> Model:
        from copy import deepcopy

        return deepcopy(self.model)

    @rule(seconds=st.sampled_from([1, 5, 30, 61]))
    def wait(self, seconds: int) -> None:
        self.model.now += timedelta(seconds=seconds)

    @rule(which=st.integers(1, 4))
    def close(self, which: int) -> None:
        id = self.pick(which)
        account = self.model.accounts[id]
        busy = not account.closed and (self.model.reserved(id) or self.model.incoming(id))
        with self.at_now():
            if busy:
                with pytest.raises(Conflict):
                    self.store.unit(ledger.close_account, id)
            else:
                self.store.unit(ledger.close_account, id)
                account.closed = True

    @rule(which=st.integers(1, 4))
    def reopen(self, which: int) -> None:
        self.store.unit(ledger.reopen_account, self.pick(which))
        self.model.accounts[self.pick(which)].closed = False

    @rule(which=st.integers(1, 3), limit=st.sampled_from([None, 0, 100]))
    def limit(self, which: int, limit: int | None) -> None:
        id = self.pick(which)
        account = self.model.accounts[id]
        with self.at_now():
            if limit is not None and account.net + self.model.reserved(id) > limit:
                with pytest.raises(Conflict):
                    self.store.unit(ledger.limit_account, id, max_debit=limit, max_credit=None)
            else:
                self.store.unit(ledger.limit_account, id, max_debit=limit, max_credit=None)
                account.limit = limit

    @rule()
    def sweep(self) -> None:
        with self.at_now():
            self.store.unit(ledger.sweep, self.book)

    @invariant()
    def balances_agree(self) -> None:
        with self.at_now():
            for id, account in self.model.accounts.items():
                found = self.store.read(ledger.balance, id)
                sign = 1 if account.side is Side.DEBIT else -1
                assert (found.account.debits, found.account.credits) == (account.debits, account.credits)
                assert found.posted == sign * account.net
                outgoing = self.model.incoming(id) if sign == 1 else self.model.reserved(id)
                assert found.reserved == outgoing
        assert sum(a.net for a in self.model.accounts.values()) == 0

    def teardown(self) -> None:
        with self.at_now():
            report = self.store.read(ledger.verify, self.book)
            assert report.ok, report
            for id, account in self.model.accounts.items():
                self.history_agrees(id, account)

    def history_agrees(self, id: int, account: Account) -> None:
        sign = 1 if account.side is Side.DEBIT else -1
        stored = self.store.read(ledger.get_account, id)
        page = self.store.read(ledger.entries, stored, newest=False, limit=1000)
        assert [(e.at, sign * e.balance) for e in page.items] == account.lines
        for at, _ in account.lines:
            last = [net for when, net in account.lines if when <= at][-1]
            assert self.store.read(ledger.posted_at, stored, at) == sign * last


def test_the_ledger_is_its_model_on_sqlite() -> None:
    LedgerMachine.store = connect(":memory:")
    LedgerMachine.store.use("ledger")
    run(examples=60, steps=30)
    LedgerMachine.store.close()


@pytest.mark.postgres
def test_the_ledger_is_its_model_on_postgres(postgres_url: str) -> None:
    LedgerMachine.store = connect(postgres_url)
    LedgerMachine.store.use("ledger")
    run(examples=8, steps=20)
    LedgerMachine.store.close()


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
