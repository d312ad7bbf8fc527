"""Scheduled payments: at their time, once, whoever is killed; on both engines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest

from backendhub.kit import checks, clock, jobs, ledger
from backendhub.kit.db import Db, Store, migrate
from backendhub.kit.db.migrate import files, statements
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.kit.money import Money
from backendhub.systems.bank import store as bank_store
from backendhub.systems.bank.models import Creditor
from backendhub.systems.bank.service import accounts, consents, orders, payments, scheduled

SYSTEM = "bank"
ELSEWHERE = Creditor(accounts.IBAN, "DE89 3704 0044 0532 0130 00", "Brandt")


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@pytest.fixture
def own(db: Db, frozen: Callable[[str], None]) -> Any:
    return opened(db)


def opened(db: Db) -> Any:
    """An account with 100.00."""
    account = accounts.open_account(
        db, customer_id=accounts.add_customer(db, name="Amira").id, currency="EUR"
    )
    payments.deposit(db, account.id, eur(10_000))
    return account


def planned(db: Db, account: Any, minor: int = 4000, **values: Any) -> scheduled.ScheduledPayment:
    due = clock.precise() + timedelta(hours=1)
    return scheduled.add(
        db, account_id=account.id, creditor=ELSEWHERE, **{"amount": eur(minor), "due_at": due} | values
    )


def held(db: Db, account: Any) -> int:
    return accounts.held(db, account).posted


def sound(db: Db) -> bool:
    return checks.run(db, [*ledger.CHECKS, *bank_store.CHECKS], {"book": "bank"}).ok


@pytest.mark.parametrize(("after_ms", "paid"), [(-1, False), (0, True), (1, True)])
def test_it_is_paid_at_its_time_and_once(db: Db, own: Any, after_ms: int, paid: bool) -> None:
    payment = planned(db, own, reference="Deposit, flat 12")
    with clock.frozen(payment.due_at + timedelta(milliseconds=after_ms)):
        assert scheduled.run_one(db, payment.id) is paid
        assert scheduled.run_due(db) == 0
    assert scheduled.get(db, payment.id).state == ("paid" if paid else "waiting")
    assert held(db, own) == (6000 if paid else 10_000)
    assert [p.id for p in scheduled.of_account(db, own.id, waiting=True)] == ([] if paid else [payment.id])
    assert sound(db)


def test_without_money_it_is_refused_for_good(db: Db, own: Any) -> None:
    payment = planned(db, own, 10_001)
    with clock.frozen(payment.due_at):
        assert scheduled.run_due(db) == 1
        payments.deposit(db, own.id, eur(1))
        assert scheduled.run_due(db) == 0
    done = scheduled.get(db, payment.id)
    assert (done.state, done.reason, done.settled_at) == ("refused", "insufficient_funds", payment.due_at)
    assert held(db, own) == 10_001
    assert sound(db)


def test_one_that_is_called_off_is_not_paid(db: Db, own: Any) -> None:
    payment = planned(db, own)
    assert scheduled.cancel(db, payment.id).state == "cancelled"
    for id in (payment.id, "nothing"):
        with pytest.raises((Conflict, NotFound)):
            scheduled.cancel(db, id)
    with clock.frozen(payment.due_at):
        assert not scheduled.run_one(db, payment.id)
    assert held(db, own) == 10_000
    assert sound(db)


def test_a_closed_account_has_nothing_left_to_pay(db: Db, own: Any) -> None:
    payment = planned(db, own)
    repeats = {"amount": eur(1), "frequency": "DAIL", "first_on": payment.due_at.date()}
    order = orders.add(db, account_id=own.id, creditor=ELSEWHERE, **repeats)
    payments.withdraw(db, own.id, eur(10_000))
    accounts.close(db, own.id)
    assert (scheduled.get(db, payment.id).state, orders.get(db, order.id).state) == ("cancelled", "cancelled")
    with clock.frozen(payment.due_at):
        assert (scheduled.run_due(db), orders.run_due(db)) == (0, 0)
    with pytest.raises(ledger.AccountClosed):
        planned(db, own)
    with pytest.raises(ledger.AccountClosed):
        orders.add(db, account_id=own.id, creditor=ELSEWHERE, **repeats)
    assert sound(db)


@pytest.mark.parametrize(
    "values",
    [
        {"due_at": timedelta(0)},
        {"due_at": timedelta(days=367)},
        {"amount": Money(1, "GBP")},
        {"amount": eur(0)},
        {"reference": "x" * 141},
    ],
)
def test_what_makes_no_sense(db: Db, own: Any, values: dict[str, Any]) -> None:
    if "due_at" in values:
        values = {"due_at": clock.precise() + values["due_at"]}
    with pytest.raises(Invalid):
        planned(db, own, **values)


def test_its_job_is_due_when_it_is(db: Db, own: Any) -> None:
    payment = planned(db, own)
    found = jobs.find(db, name=scheduled.JOB)
    assert [(job.payload, job.run_at) for job in found] == [({"id": payment.id}, payment.due_at)]


def test_workers_that_come_at_once_pay_once(store: Store) -> None:
    store.use("bank")
    with clock.frozen("2026-01-05T09:00:00Z"):
        account = store.unit(opened)
        payment = store.unit(planned, account)
    with clock.frozen(payment.due_at):
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: store.unit(scheduled.run_one, payment.id), range(8)))
        assert sum(made) == 1
        assert store.read(held, account) == 6000
        assert store.read(sound)


def test_the_same_order_at_once_is_one_and_all_are_told(store: Store) -> None:
    """On PostgreSQL all of them see that nothing is ordered yet, and wait for each other at the consent."""
    store.use("bank")
    initiation = {
        "InstructedAmount": {"Amount": "1.00", "Currency": "EUR"},
        "CreditorAccount": {"SchemeName": accounts.IBAN, "Identification": ELSEWHERE[1], "Name": "B"},
    }
    with clock.frozen("2026-01-05T09:00:00Z"):
        account = store.unit(opened)
        made = store.unit(
            consents.request_payment,
            consents.ConsentKind.PAYMENT,
            client="c",
            key="k",
            initiation=initiation,
            risk={},
            more={},
        )
        consent = store.unit(consents.authorise, made.id, [account.id]).consent
        gate = Barrier(4)

        def order(db: Db) -> str:
            consents.get(db, consent.id)
            if store.dialect == "postgres":
                gate.wait(10)
            return consents.order(db, consent, key="o", initiation=initiation, risk={}).id

        with ThreadPoolExecutor(4) as pool:
            told = list(pool.map(lambda _: store.unit(order), range(4)))
        assert len(set(told)) == 1
        assert store.read(held, account) == 9900
        assert store.read(sound)


KILLED = """
import os, signal, sys
from backendhub.kit.db import connect
from backendhub.systems.bank.service import scheduled
store = connect(sys.argv[1])
store.use("bank")
with store.transaction() as db:
    assert scheduled.run_due(db) == 1
    if sys.argv[2] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_killed_worker_pays_all_or_nothing(store: Store, store_url: str) -> None:
    store.use("bank")
    with clock.frozen("2026-01-05T09:00:00Z"):
        account = store.unit(opened)
        payment = store.unit(planned, account)
    env = os.environ | {"BACKENDHUB_NOW": payment.due_at.isoformat()}
    for when, left in (("before", 10_000), ("after", 6000)):
        ended = subprocess.run([sys.executable, "-c", KILLED, store_url, when], env=env, check=False)
        assert ended.returncode == -signal.SIGKILL
        assert store.read(held, account) == left
    with clock.frozen(payment.due_at):
        assert store.unit(scheduled.run_due) == 0
        assert store.read(sound)


def test_consents_from_before_are_kept(store: Store) -> None:
    store.use("ledger", "jobs")
    first = files("bank", store.dialect)[0]
    with store.transaction() as db:
        for statement in statements(first.sql, store.dialect):
            db.run(statement)
        db.run(
            "INSERT INTO hub_migrations (system, number, name, hash, applied_at) "
            "VALUES ('bank', 1, '0001_init.sql', :hash, '2026-01-05T09:00:00.000Z')",
            hash=first.hash,
        )
        account = opened(db)
        initiation = {
            "EndToEndIdentification": "E",
            "InstructedAmount": {"Amount": "1.00", "Currency": "EUR"},
            "CreditorAccount": {"SchemeName": accounts.IBAN, "Identification": ELSEWHERE[1], "Name": "B"},
        }
        made = consents.request_payment(
            db, consents.ConsentKind.PAYMENT, client="c", key="k", initiation=initiation, risk={}, more={}
        )
        granted = consents.authorise(db, made.id, [account.id])
        paid = payments.pay(db, account.id, ELSEWHERE, eur(100))
        db.run("UPDATE bank_consent SET state = 'COND' WHERE id = :id", id=made.id)
        db.run(
            "INSERT INTO bank_order (id, consent_id, transfer_id, key, request_hash, created_at) "
            "VALUES ('o', :consent, :transfer, 'k', 'h', '2026-01-05T09:00:00.000Z')",
            consent=made.id,
            transfer=paid.id,
        )
        assert migrate(db, "bank") == [f"0002_scheduled.{store.dialect}.sql"]
    with store.transaction() as db:
        assert consents.get_order(db, "o").transfer_id == paid.id
        assert consents.of_token(db, granted.token).state == "COND"
        assert consents.allowed(db, granted.consent) == [account]
        assert sound(db)
    with pytest.raises(Conflict), store.transaction() as db:
        db.run("INSERT INTO bank_consent_account VALUES ('nothing', :id)", id=account.id)
