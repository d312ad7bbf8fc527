"""Many buyers at once, on stores whose commits are real, on both engines."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import sleep
from types import SimpleNamespace
from typing import Any

import pytest

from backendhub.kit import reservation
from backendhub.kit.db import Db, Store, connect
from backendhub.kit.states import IllegalMove
from backendhub.systems.shop.models import (
    CartChanged,
    CartOver,
    InsufficientStock,
    NotReady,
    PromotionRefused,
    TooMuch,
)
from backendhub.systems.shop.service import carts, checkout, fulfilment, orders, payments, promotions

SYSTEM = "shop"
UNITS = int(os.environ.get("BACKENDHUB_TEST_SHOP_UNITS", "60"))
"""2,000 in the long version: `BACKENDHUB_TEST_SHOP_UNITS=2000 pytest tests/systems/shop/test_races.py -k units`."""
PROCESSES = 3


def _buy(url: str, house: Any, tries: int, found: Any) -> None:
    """One process: buys one piece at a time, as often as it was told."""
    store = connect(url)
    store.use("shop")
    store.patience(60_000)
    orders, refused, other = 0, 0, ""
    for _ in range(tries):
        try:
            cart = store.unit(house.cart)
            outcome = store.unit(checkout.complete, cart.id)
            if outcome.order is not None:
                orders += 1
            elif isinstance(outcome.error, InsufficientStock):
                refused += 1
            else:
                other = repr(outcome.error)
        except InsufficientStock:  # the shelf was empty before it came to the till
            refused += 1
        except Exception as error:
            other = repr(error)
    found.put((orders, refused, other))
    store.close()


def test_processes_sell_every_unit_once(store: Store, store_url: str, tools: Any) -> None:
    store.use("shop")
    house = store.unit(tools.build, UNITS)
    store.close()
    tries = UNITS * 6 // 5 // PROCESSES + 1
    context = multiprocessing.get_context("spawn")
    found: Any = context.Queue()
    running = [context.Process(target=_buy, args=(store_url, house, tries, found)) for _ in range(PROCESSES)]
    for process in running:
        process.start()
    results = [found.get(timeout=600) for _ in running]
    for process in running:
        process.join(timeout=60)
    assert [other for _, _, other in results if other] == []
    assert sum(orders for orders, _, _ in results) == UNITS
    assert sum(refused for _, refused, _ in results) == tries * PROCESSES - UNITS
    again = connect(store_url)
    again.use("shop")
    level = again.read(reservation.stock, house.variant.id, house.place.id)
    assert (level.free, level.held, level.sold) == (0, 0, UNITS)
    assert again.read(tools.broken) == []
    assert again.read(_count, "SELECT count(*) FROM shop_order") == UNITS
    again.close()


def _count(db: Db, sql: str) -> int:
    return int(db.value(sql))


@pytest.fixture
def shop(store: Store, tools: Any) -> Any:
    store.use("shop")
    return store.unit(tools.build, 100)


def at_once(store: Store, what: Any, times: int = 8) -> list[Any]:
    """Calls a unit in as many threads at once."""
    with ThreadPoolExecutor(times) as pool:
        return [f.result() for f in [pool.submit(store.unit, what) for _ in range(times)]]


def test_completing_a_cart_in_parallel_makes_one_order(store: Store, shop: Any, tools: Any) -> None:
    cart = store.unit(shop.cart, 3)
    done = at_once(store, lambda db: checkout.complete(db, cart.id))
    assert len({o.order.id for o in done}) == 1
    assert store.read(_count, "SELECT count(*) FROM shop_order") == 1
    assert store.read(reservation.stock, shop.variant.id, shop.place.id).sold == 3
    assert store.read(tools.broken) == []


def test_the_last_use_of_a_code_is_one_buyers(store: Store, shop: Any, tools: Any) -> None:
    def made(db: Db) -> Any:
        promotions.add(db, code="FEW", kind="percentage", percent="50", usage_limit=3)

    store.unit(made)
    waiting = [store.unit(shop.cart, codes=("FEW",)) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda cart: store.unit(lambda db: checkout.complete(db, cart.id)), waiting))
    assert sum(o.order is not None and o.order.discount == 1000 for o in done) == 3
    errors = [o.error for o in done if o.error is not None]
    assert len(errors) == 5
    assert all(isinstance(e, PromotionRefused | CartChanged) and "FEW" in e.message for e in errors)
    assert store.read(_count, "SELECT used FROM shop_promotion") == 3
    assert store.read(tools.broken) == []


def test_captures_and_refunds_in_parallel_move_the_money_once(store: Store, shop: Any, tools: Any) -> None:
    order = store.unit(checkout.complete, store.unit(shop.cart).id).order
    payment = store.read(payments.of_order, order.id)[0]

    def attempt(what: Any) -> Any:
        def unit(db: Db) -> bool:
            try:
                what(db, payment.id)
            except Exception:
                return False
            return True

        return unit

    assert sum(at_once(store, attempt(payments.capture))) == 1
    assert sum(at_once(store, attempt(payments.refund))) == 1
    assert store.read(orders.full, order).refunded == order.total
    assert store.read(tools.broken) == []


def test_lines_added_in_parallel_are_all_there(store: Store, shop: Any) -> None:
    cart = store.unit(carts.add, shop.region)

    def put(db: Db) -> None:
        carts.put(db, carts.hold(db, cart.id), shop.variant, 1)

    at_once(store, put)
    assert [i.quantity for i in store.read(carts.items, cart.id)] == [8]


# -- what must not happen at once ------------------------------------------------------------------------------


def capture(db: Db, of: Any) -> None:
    payments.capture(db, of.payment)


def refund(db: Db, of: Any) -> None:
    payments.refund(db, of.payment)


def cancel(db: Db, of: Any) -> None:
    orders.cancel(db, of.order)


def complete(db: Db, of: Any) -> None:
    orders.complete(db, of.order)


def pack(db: Db, of: Any) -> None:
    fulfilment.pack(db, of.order)


def ask_back(db: Db, of: Any) -> None:
    made = fulfilment.ask_back(db, of.order, [{"item": of.line, "quantity": 1}])
    fulfilment.receive(db, made.id)


def ship(db: Db, of: Any) -> None:
    fulfilment.ship(db, of.order, fulfilment.pack(db, of.order).id)


def buy(db: Db, of: Any) -> None:
    outcome = checkout.complete(db, of.cart)
    if outcome.error is not None:
        raise outcome.error


def put(db: Db, of: Any) -> None:
    carts.put(db, carts.hold(db, of.cart), of.variant, 1)


PAIRS = [
    (cancel, capture, TooMuch),
    (capture, cancel, None),
    (cancel, refund, TooMuch),
    (refund, cancel, None),
    (cancel, pack, IllegalMove),
    (pack, cancel, TooMuch),
    (cancel, complete, IllegalMove),
    (complete, cancel, IllegalMove),
    (refund, ask_back, None),
    (ask_back, refund, TooMuch),
    (ask_back, ask_back, TooMuch),
    (buy, put, CartOver),
    (put, buy, NotReady),
]


def test_whoever_comes_second_sees_what_the_first_has_done(store: Store, shop: Any, tools: Any) -> None:
    """The second begins while the first has done its work and has not yet committed it."""
    with ThreadPoolExecutor(2) as pool:
        for first, second, error in PAIRS:
            of = store.unit(_bought, shop, shipped=ask_back in (first, second))
            raised = _one_after_the_other(pool, store, first, second, of)
            seen = (first.__name__, second.__name__, raised)
            assert raised is None if error is None else isinstance(raised, error), seen
            assert store.read(tools.broken) == [], seen


def _one_after_the_other(pool: Any, store: Store, first: Any, second: Any, of: Any) -> BaseException | None:
    done, begun = Event(), Event()

    def one(db: Db) -> None:
        first(db, of)
        done.set()
        assert begun.wait(10)
        sleep(0.03)  # the second is waiting for a lock by now

    def other() -> None:
        assert done.wait(10)
        begun.set()
        store.unit(second, of)

    running = [pool.submit(store.unit, one), pool.submit(other)]
    running[0].result()
    raised: BaseException | None = running[1].exception()
    return raised


def _bought(db: Db, house: Any, *, shipped: bool) -> Any:
    """An order of one piece that is captured in part (so that a cancel both refunds and leaves something to capture), and
    a cart that could be completed."""
    order = checkout.complete(db, house.cart(db).id).order
    payment = payments.of_order(db, order.id)[0].id
    payments.capture(db, payment, 1000)
    of = SimpleNamespace(order=order.id, payment=payment, cart=house.cart(db).id, variant=house.variant)
    of.line = orders.items(db, order.id)[0].id
    if shipped:
        ship(db, of)
    return of
