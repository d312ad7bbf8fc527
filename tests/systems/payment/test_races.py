"""Many at once: nobody captures or refunds more than there is, and a key has one effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backendhub.kit import checks, ledger
from backendhub.kit.db import Db, Store
from backendhub.systems.payment import invariants, objects
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.service import charging, confirming, intents, money, payouts, refunding

MANY = 16


def all_at_once(store: Store, fn: Callable[[Db, int], Any]) -> Counter[str]:
    """What came of many calls: `fine`, or the code of the error."""

    def one(n: int) -> str:
        try:
            store.unit(fn, n)
        except ApiError as error:
            return error.wire_code or error.param or "error"
        return "fine"

    with ThreadPoolExecutor(8) as pool:
        return Counter(pool.map(one, range(MANY)))


@pytest.fixture
def payments(store: Store) -> Store:
    store.use("payment")
    return store


def made(store: Store, **more: Any) -> str:
    return str(
        store.unit(
            intents.create, {"amount": 1000, "currency": "usd", "payment_method": "pm_card_visa"} | more
        )["id"]
    )


def sound(store: Store) -> None:
    report = store.read(checks.run, [*ledger.CHECKS, *invariants.CHECKS], {"book": money.BOOK})
    assert [c for c in report.checks if not c.ok] == []


def test_confirmed_once(payments: Store) -> None:
    id = made(payments)
    ends = all_at_once(payments, lambda db, n: confirming.confirm(db, id, {}))
    assert ends == {"fine": 1, "payment_intent_unexpected_state": MANY - 1}
    assert len(payments.read(objects.where, "charge", payment_intent=id)) == 1
    assert payments.unit(money.balance_of, "network", "USD") == 1000
    sound(payments)


def test_captured_once(payments: Store) -> None:
    id = made(payments, capture_method="manual", confirm=True)
    ends = all_at_once(payments, lambda db, n: intents.capture(db, id, {"amount_to_capture": 100 + n}))
    assert ends == {"fine": 1, "payment_intent_unexpected_state": MANY - 1}
    found = payments.read(objects.get, "payment_intent", id)
    assert payments.unit(money.balance_of, "network", "USD") == found["amount_received"] < 1000
    sound(payments)


def test_captured_or_cancelled_but_not_both(payments: Store) -> None:
    id = made(payments, capture_method="manual", confirm=True)
    ends = all_at_once(payments, lambda db, n: (intents.capture if n % 2 else intents.cancel)(db, id, {}))
    assert ends["fine"] == 1
    found = payments.read(objects.get, "payment_intent", id)
    assert payments.unit(money.balance_of, "network", "USD") == (
        1000 if found["status"] == "succeeded" else 0
    )
    sound(payments)


def test_never_refunded_beyond_what_was_captured(payments: Store) -> None:
    id = made(payments, confirm=True)
    ends = all_at_once(payments, lambda db, n: refunding.create(db, {"payment_intent": id, "amount": 150}))
    assert ends == {"fine": 6, "amount": MANY - 6}  # 6 × 150 of 1000
    charge = payments.read(objects.get, "payment_intent", id)["latest_charge"]
    assert payments.read(charging.totals, charge).refunded == 900
    assert payments.read(objects.get, "charge", charge)["amount_refunded"] == 900
    sound(payments)


def test_never_paid_out_beyond_what_is_available(payments: Store) -> None:
    made(payments, payment_method="pm_card_bypassPending", confirm=True)  # 1000 - 59
    ends = all_at_once(payments, lambda db, n: payouts.create(db, {"amount": 200, "currency": "usd"}))
    assert ends == {"fine": 4, "balance_insufficient": MANY - 4}
    assert payments.unit(money.balance_of, "available", "USD") == 141
    sound(payments)
