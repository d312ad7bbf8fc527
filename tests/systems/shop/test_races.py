"""Many buyers at once, on stores whose commits are real, on both engines."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backendhub.kit import reservation
from backendhub.kit.db import Db, Store, connect
from backendhub.systems.shop.models import CartChanged, InsufficientStock, PromotionRefused
from backendhub.systems.shop.service import carts, checkout, orders, payments, promotions

SYSTEM = "shop"
UNITS = int(os.environ.get("BACKENDHUB_TEST_SHOP_UNITS", "60"))
"""2,000 in the long version: `BACKENDHUB_TEST_SHOP_UNITS=2000 pytest tests/systems/shop/test_races.py -k units`."""
PROCESSES = 4


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
