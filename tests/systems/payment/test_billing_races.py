"""Many at once, and many changes: periods are billed once, invoices paid once, prorations come out even."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backendhub.kit import checks, ledger
from backendhub.kit.db import Db, Store, connect
from backendhub.systems.payment import invariants, jobs, objects
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import customers, intents, methods, money
from backendhub.systems.payment.service.billing import (
    catalog,
    changing,
    completing,
    coupons,
    finalizing,
    invoices,
    invoicing,
    items,
    paying,
    periods,
    renewing,
    sessions,
    subscriptions,
    test_clocks,
)

assert jobs  # declares what is due on clocks
MANY = 16
DAY = 86_400
START = 1_769_860_800  # 31 January 2026, noon


def all_at_once(store: Store, fn: Callable[[Db, int], Any]) -> Counter[str]:
    """What came of many calls: `fine`, or what the error says."""

    def one(n: int) -> str:
        try:
            store.unit(fn, n)
        except ApiError as error:
            return error.wire_code or error.message
        return "fine"

    with ThreadPoolExecutor(8) as pool:
        return Counter(pool.map(one, range(MANY)))


@pytest.fixture
def shop(store: Store) -> Store:
    store.use("payment")
    return store


def somebody(db: Db, **more: Any) -> Json:
    made = customers.create(db, {"name": "Ada"} | more)
    method = methods.attach(db, "pm_card_visa", {"customer": made["id"]})
    return customers.edit(db, made["id"], {"invoice_settings": {"default_payment_method": method["id"]}})


def price(db: Db, amount: int = 1000, **more: Any) -> str:
    about = {"currency": "usd", "product_data": {"name": "Gold"}, "unit_amount": amount}
    return str(catalog.create_price(db, about | {"recurring": {"interval": "month"}} | more)["id"])


def opened(db: Db) -> str:
    who = somebody(db)
    items.create(db, {"customer": who["id"], "amount": 3000, "currency": "usd"})
    made = invoices.create(db, {"customer": who["id"], "pending_invoice_items_behavior": "include"})
    return str(made["id"])


def sound(store: Store) -> None:
    report = store.read(checks.run, [*ledger.CHECKS, *invariants.CHECKS], {"book": money.BOOK})
    assert [c for c in report.checks if not c.ok] == []


def test_finalised_once_and_paid_once(shop: Store) -> None:
    id = shop.unit(opened)
    ends = all_at_once(shop, lambda db, n: finalizing.finalize(db, id, {}))
    assert ends == {"fine": 1, "invoice_not_editable": MANY - 1}
    ends = all_at_once(shop, lambda db, n: paying.pay(db, id, {}))
    assert ends == {"fine": 1, "Invoice is already paid": MANY - 1}
    assert shop.unit(money.balance_of, "network", "USD") == 3000
    assert len(shop.read(objects.where, "charge")) == 1
    sound(shop)


def test_paid_or_void_but_not_both(shop: Store) -> None:
    id = shop.unit(opened)
    shop.unit(finalizing.finalize, id, {})
    intent = shop.read(invoicing.intent_of, shop.read(objects.get, "invoice", id))
    assert intent is not None

    def either(db: Db, n: int) -> Any:
        if n % 3 == 0:
            return finalizing.void(db, id, {})
        if n % 3 == 1:
            return paying.pay(db, id, {})
        return intents.cancel(db, intent["id"], {})

    all_at_once(shop, either)
    found = shop.read(objects.get, "invoice", id)
    charged = shop.unit(money.balance_of, "network", "USD")
    assert charged == (3000 if found["status"] == "paid" else 0)
    sound(shop)


def test_numbers_are_given_once(shop: Store) -> None:
    who = shop.unit(somebody)

    def whole(db: Db, n: int) -> None:
        items.create(db, {"customer": who["id"], "amount": 1000 + n, "currency": "usd"})
        about = {"customer": who["id"], "pending_invoice_items_behavior": "include"}
        finalizing.finalize(db, invoices.create(db, about)["id"], {})

    assert all_at_once(shop, whole) == {"fine": MANY}
    found = shop.read(objects.where, "invoice", limit=50)
    assert sorted(i["number"][-4:] for i in found) == [f"{n:04d}" for n in range(1, MANY + 1)]
    assert sum(i["total"] for i in found) == sum(1000 + n for n in range(MANY))
    sound(shop)


def test_each_period_is_billed_once_however_often_its_job_comes(shop: Store) -> None:
    def start(db: Db) -> tuple[Json, Json]:
        clock = test_clocks.create(db, {"frozen_time": START})
        who = somebody(db, test_clock=clock["id"])
        made = subscriptions.create(db, {"customer": who["id"], "items": [{"price": price(db)}]})
        test_clocks.advance(db, clock["id"], {"frozen_time": START + 100 * DAY})
        return clock, made

    clock, made = shop.unit(start)

    def walk(n: int) -> None:  # two walkers of one clock, and a job that comes again and again
        if n < 2:
            test_clocks.walk(shop.unit, clock["id"])
        else:
            for k in range(1, 5):
                shop.unit(renewing.renews, made["id"], periods.boundary(START, "month", 1, k))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(walk, range(4)))
    test_clocks.walk(shop.unit, clock["id"])
    rows = shop.read(lambda db: db.fetch("SELECT starts, ends FROM payment_period ORDER BY starts", {}))
    bounds = [periods.boundary(START, "month", 1, n) for n in range(5)]
    assert [tuple(row) for row in rows] == list(pairwise(bounds))
    found = shop.read(objects.where, "invoice")
    assert [(i["status"], i["total"]) for i in found] == [("paid", 1000)] * 4
    assert shop.unit(money.balance_of, "network", "USD") == 4000
    sound(shop)


def test_a_coupon_for_three_is_redeemed_by_three(shop: Store) -> None:
    def start(db: Db) -> tuple[list[str], str]:
        coupons.create(db, {"percent_off": "10", "duration": "forever", "max_redemptions": 3, "id": "THREE"})
        return [somebody(db)["id"] for _ in range(MANY)], price(db)

    who, wanted = shop.unit(start)

    def one(db: Db, n: int) -> Any:
        about = {"customer": who[n], "items": [{"price": wanted}], "discounts": [{"coupon": "THREE"}]}
        return subscriptions.create(db, about)

    assert all_at_once(shop, one) == {"fine": 3, "coupon_expired": MANY - 3}
    sound(shop)


def test_a_session_is_paid_once(shop: Store) -> None:
    def start(db: Db) -> str:
        lines = [{"price": price(db, recurring=None), "quantity": 1}]
        about = {"mode": "payment", "line_items": lines, "success_url": "https://shop.example/"}
        return str(sessions.create(db, about)["id"])

    id = shop.unit(start)
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    form = {"card": card, "email": "a@b.example", "name": "A"}
    ends = all_at_once(shop, lambda db, n: completing.submitted(db, id, form))
    assert ends == {"fine": 1, "checkout_session_over": MANY - 1}
    assert shop.unit(money.balance_of, "network", "USD") == 1000
    sound(shop)


# -- prorations --------------------------------------------------------------------------------------------

CHANGES = st.lists(
    st.tuples(st.integers(0, 28 * DAY - 1), st.integers(0, 2), st.integers(0, 40)), min_size=1, max_size=6
)
AMOUNTS = (999, 2800, 12345)


class _Over(Exception):
    """Takes back what an example has done."""


@pytest.fixture(scope="module")
def fast() -> Any:
    store = connect(":memory:")
    store.use("payment")
    yield store
    store.close()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=CHANGES, first=st.integers(0, 40))
def test_prorations_bill_what_was_had(fast: Store, changes: list[tuple[int, int, int]], first: int) -> None:
    """Any sequence of prices and quantities in a period bills the sum of amount × time, each line rounded once: it is off by
    half a smallest unit for each line at most, and exactly what rounding each line gives."""
    try:
        with fast.transaction() as db:
            _prorate(db, sorted(changes), first)
            raise _Over
    except _Over:
        pass


def _prorate(db: Db, changes: list[tuple[int, int, int]], first: int) -> None:
    clock = test_clocks.create(db, {"frozen_time": START})
    who = somebody(db, test_clock=clock["id"])
    prices = [price(db, amount) for amount in AMOUNTS]
    begun = {"customer": who["id"], "items": [{"price": prices[0], "quantity": first}]}
    made = subscriptions.create(db, begun)
    item = subscriptions.items_of(made)[0]["id"]
    whole, had, lines = 28 * DAY, Fraction(0), 0
    state, since, expected = (0, first), 0, AMOUNTS[0] * first
    for at, which, quantity in changes:
        had += Fraction(AMOUNTS[state[0]] * state[1] * (at - since), whole)
        since = at
        wanted = {"id": item, "price": prices[which], "quantity": quantity}
        changing.edit(db, made["id"], {"items": [wanted], "proration_date": START + at})
        if (which, quantity) != state:
            lines += 2
            expected -= half_up(AMOUNTS[state[0]] * state[1] * (whole - at), whole)
            expected += half_up(AMOUNTS[which] * quantity * (whole - at), whole)
            state = (which, quantity)
    had += Fraction(AMOUNTS[state[0]] * state[1] * (whole - since), whole)
    waiting = items.waiting(db, who["id"], "usd", subscription=made["id"])
    billed = AMOUNTS[0] * first + sum(each["amount"] for each in waiting)
    assert len(waiting) == lines
    assert billed == expected
    assert abs(billed - had) <= Fraction(lines, 2)


def half_up(num: int, den: int) -> int:
    return (2 * num + den) // (2 * den)
