"""The rules of the bank, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest

from backendhub.kit import checks, clock, ledger
from backendhub.kit.db import Db, Store
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.kit.money import Money
from backendhub.systems.bank import demo, iban
from backendhub.systems.bank import store as statements_of
from backendhub.systems.bank.models import CONSENT, BadIdentification, Creditor, Kind
from backendhub.systems.bank.service import accounts, orders, payments, statements

SYSTEM = "bank"
ELSEWHERE = Creditor(accounts.IBAN, "DE89 3704 0044 0532 0130 00", "Brandt")


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@pytest.fixture
def two(db: Db, frozen: Callable[[str], None]) -> tuple[Any, Any]:
    """Two accounts; the first has 100.00 and may overdraw 50.00."""
    amira = accounts.add_customer(db, name="Amira Haddad")
    jonas = accounts.add_customer(db, name="Jonas Lindqvist")
    a = accounts.open_account(db, customer_id=amira.id, currency="EUR", overdraft=5000)
    b = accounts.open_account(db, customer_id=jonas.id, currency="EUR")
    payments.deposit(db, a.id, eur(10_000))
    return a, b


def balance(db: Db, account: Any) -> tuple[int, int]:
    held = accounts.held(db, account)
    return held.posted, held.available


def sound(db: Db) -> bool:
    return checks.run(db, [*ledger.CHECKS, *statements_of.CHECKS], {"book": "bank"}).ok


@pytest.mark.parametrize(
    "text", ["GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "fr1420041010050500013m02606"]
)
def test_good_ibans(text: str) -> None:
    assert iban.checked(text) == text.replace(" ", "").upper()


@pytest.mark.parametrize(
    "text",
    [
        "GB82WEST12345698765433",
        "GB28WEST12345698765432",
        "DE8937040044053201300",
        "XX",
        "",
        "DE8937040044053201300O",
    ],
)
def test_bad_ibans(text: str) -> None:
    with pytest.raises(BadIdentification):
        iban.checked(text)


def test_every_account_has_a_number_and_an_iban_that_checks(db: Db, two: tuple[Any, Any]) -> None:
    a, b = two
    assert (a.number, b.number) == ("10000001", "10000002")
    assert iban.checked(a.iban) == a.iban
    assert accounts.resolve(db, Creditor(accounts.IBAN, a.iban, "")) == a
    assert accounts.resolve(db, Creditor(accounts.UK_NUMBER, f"99-00-01 {b.number}", "")) == b


def test_paying_here_and_elsewhere(db: Db, two: tuple[Any, Any]) -> None:
    a, b = two
    here = payments.pay(db, a.id, Creditor(accounts.IBAN, b.iban, "Jonas"), eur(2500), reference="Tickets")
    assert (here.kind, here.creditor_id) == (Kind.PAYMENT, b.id)
    there = payments.pay(db, a.id, ELSEWHERE, eur(9000))
    assert (there.creditor_id, there.creditor_name) == (None, "Brandt")
    assert (balance(db, a), balance(db, b)) == ((-1500, 3500), (2500, 2500))
    with pytest.raises(ledger.InsufficientFunds):
        payments.pay(db, a.id, ELSEWHERE, eur(3501))
    assert sound(db)


def test_what_is_refused(db: Db, two: tuple[Any, Any]) -> None:
    a, b = two
    with pytest.raises(ledger.SameAccount):
        payments.transfer(db, a.id, a.id, eur(1))
    with pytest.raises(ledger.CurrencyMismatch):
        payments.transfer(db, a.id, b.id, Money(1, "GBP"))
    with pytest.raises(NotFound):
        payments.transfer(db, a.id, "nobody", eur(1))
    for bad in (
        Creditor(accounts.IBAN, "DE89370400440532013001", "x"),
        Creditor(accounts.UK_NUMBER, "123", "x"),
        Creditor("UK.OBIE.PAN", "4111111111111111", "x"),
        Creditor(accounts.UK_NUMBER, accounts.SORT_CODE + "99999999", "x"),
    ):
        with pytest.raises(BadIdentification):
            payments.pay(db, a.id, bad, eur(1))
    with pytest.raises(Invalid):
        payments.pay(db, a.id, ELSEWHERE, eur(1), reference="x" * 141)
    assert balance(db, a) == (10_000, 15_000)


def test_a_transfer_with_a_key_happens_once(db: Db, two: tuple[Any, Any]) -> None:
    a, b = two
    first = payments.transfer(db, a.id, b.id, eur(700), id="key:1")
    assert payments.transfer(db, a.id, b.id, eur(700), id="key:1") == first
    with pytest.raises(ledger.IdUsed):
        payments.transfer(db, a.id, b.id, eur(701), id="key:1")
    assert balance(db, b) == (700, 700)
    assert sound(db)


def test_an_account_is_closed_when_it_is_empty(db: Db, two: tuple[Any, Any]) -> None:
    a, _ = two
    with pytest.raises(Conflict), db.savepoint():
        accounts.close(db, a.id)
    payments.withdraw(db, a.id, eur(10_000))
    assert accounts.close(db, a.id).closed_at is not None
    with pytest.raises(ledger.AccountClosed):
        payments.deposit(db, a.id, eur(1))
    assert sound(db)


def test_an_overdraft_is_not_lowered_below_what_is_used(db: Db, two: tuple[Any, Any]) -> None:
    a, _ = two
    payments.withdraw(db, a.id, eur(14_000))
    with pytest.raises(Conflict):
        accounts.edit(db, a.id, {"overdraft": 3999})
    assert accounts.edit(db, a.id, {"overdraft": 4000}).overdraft == 4000
    assert sound(db)


def test_a_statement_adds_up(db: Db, two: tuple[Any, Any]) -> None:
    a, b = two
    with clock.frozen("2026-02-10T10:00:00Z"):
        payments.transfer(db, a.id, b.id, eur(2500), reference="Tickets")
        payments.pay(db, a.id, ELSEWHERE, eur(900))
        assert statements.months(a) == ["2026-02", "2026-01"]
        january, february = (statements.of_month(db, a, m) for m in ("2026-01", "2026-02"))
    assert (january.opening, january.closing) == (0, 10_000) == (0, february.opening)
    assert february.closing == february.opening + sum(line.amount for line in february.lines) == 6600
    assert [(x.amount, x.counterparty, x.reference) for x in february.lines] == [
        (-2500, "Jonas Lindqvist", "Tickets"),
        (-900, "Brandt", ""),
    ]
    assert february.lines[0].counterparty_identification == b.iban
    with pytest.raises(NotFound):
        statements.of_month(db, a, "2025-12")


# -- standing orders ---------------------------------------------------------------------------------------


def standing(db: Db, account: Any, **values: Any) -> Any:
    return orders.add(
        db,
        account_id=account.id,
        creditor=ELSEWHERE,
        **{"amount": eur(1000), "frequency": "MNTH", "first_on": date(2026, 1, 31)} | values,
    )


def test_the_31st_stays_the_31st_where_a_month_has_one(db: Db, two: tuple[Any, Any]) -> None:
    order = standing(db, two[0], payments=4, final=eur(50))
    paid = []
    for day in (
        "2026-01-30",
        "2026-01-31",
        "2026-02-27",
        "2026-02-28",
        "2026-03-31",
        "2026-04-29",
        "2026-04-30",
        "2026-06-30",
    ):
        with clock.frozen(day + "T08:00:00Z"):
            if orders.run_due(db):
                paid.append(day)
    assert paid == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]
    done = orders.get(db, order.id)
    assert (done.state, done.made, done.next_on, done.paid_amount) == ("completed", 4, None, 50)
    assert balance(db, two[0])[0] == 10_000 - 3050
    assert sound(db)


def test_days_on_which_nobody_ran_it_are_caught_up(db: Db, two: tuple[Any, Any]) -> None:
    order = standing(db, two[0], frequency="WEEK", first_on=date(2026, 1, 6), last_on=date(2026, 1, 28))
    with clock.frozen("2026-03-01T08:00:00Z"):
        assert orders.run_due(db) == 4
        assert orders.run_due(db) == 0
    assert orders.get(db, order.id).state == "completed"


def test_an_occurrence_without_money_is_refused_and_the_next_is_tried(db: Db, two: tuple[Any, Any]) -> None:
    order = standing(db, two[0], amount=eur(12_000), first_on=date(2026, 1, 6), frequency="DAIL")
    with clock.frozen("2026-01-07T08:00:00Z"):
        orders.run_due(db)
        payments.deposit(db, two[0].id, eur(12_000))
    with clock.frozen("2026-01-08T08:00:00Z"):
        orders.run_due(db)
    done = orders.get(db, order.id)
    assert (done.made, done.refused, done.state, done.paid_amount) == (3, 1, "active", 12_000)
    orders.cancel(db, order.id)
    with pytest.raises(Conflict):
        orders.cancel(db, order.id)
    assert sound(db)


@pytest.mark.parametrize(
    "values",
    [
        {"first_on": date(2026, 1, 4)},
        {"last_on": date(2026, 1, 30)},
        {"amount": Money(1, "GBP")},
        {"payments": 0},
        {"final": eur(0)},
    ],
)
def test_standing_orders_that_make_no_sense(db: Db, two: tuple[Any, Any], values: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        standing(db, two[0], **values)


def test_workers_that_come_at_once_pay_once(store: Store) -> None:
    store.use("bank")
    with clock.frozen("2026-01-05T09:00:00Z"):

        def prepare(db: Db) -> Any:
            amira = accounts.add_customer(db, name="Amira")
            account = accounts.open_account(db, customer_id=amira.id, currency="EUR")
            payments.deposit(db, account.id, eur(10_000))
            standing(db, account, first_on=date(2026, 1, 5))
            return account

        account = store.unit(prepare)
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: store.unit(orders.run_due), range(8)))
        assert sum(made) == 1
        assert store.read(balance, account) == (9000, 9000)
        assert store.read(sound)


def test_the_sample_is_sound(db: Db) -> None:
    assert demo.load(db) > 10
    assert sound(db)
    oldest = accounts.find(db)[0]
    lines = statements.lines(db, oldest, newest=False, limit=50).items
    assert clock.precise() - lines[0].at > timedelta(days=40)


@pytest.mark.parametrize(("state", "verb", "target"), list(CONSENT.pairs()))
def test_the_states_of_a_consent(state: str, verb: str, target: str | None) -> None:
    if target is None:
        with pytest.raises(Conflict):
            CONSENT.target(state, verb)
    else:
        assert CONSENT.target(state, verb) == target
