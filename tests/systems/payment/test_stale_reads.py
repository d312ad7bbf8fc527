"""What happens between reading a list and acting on it: nobody's work is undone, and what may be there once is there once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backendhub.kit.db import Db, Store
from backendhub.systems.payment import jobs, objects
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import customers, disputing, intents, methods, money, payouts
from backendhub.systems.payment.service.billing import (
    catalog,
    ending,
    invoices,
    items,
    paying,
    subscriptions,
    test_clocks,
    usage,
)

assert jobs


@pytest.fixture
def stale(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Json], None]:
    """Has lists of a kind show an object as it was, whatever has become of it."""

    def show(name: str, old: Json) -> None:
        real: Any = getattr(objects, name)

        def fake(db: Db, kind: str, *args: Any, **more: Any) -> list[Json]:
            return [old] if kind == old["object"] else list(real(db, kind, *args, **more))

        monkeypatch.setattr(objects, name, fake)

    return show


def paid(db: Db, card: str = "bypassPending", **more: Any) -> Json:
    about: Json = {"amount": 5000, "currency": "usd", "payment_method": f"pm_card_{card}", "confirm": True}
    return intents.create(db, about | more)


def test_what_was_captured_meanwhile_is_not_released(db: Db, stale: Callable[[str, Json], None]) -> None:
    made = paid(db, capture_method="manual")
    held = objects.get(db, "charge", made["latest_charge"])
    intents.capture(db, made["id"], {})
    stale("select", held)
    assert intents.expire(db) == 0
    fresh = objects.get(db, "charge", held["id"])
    assert (fresh["captured"], fresh["refunded"], fresh["amount_captured"]) == (True, False, 5000)


def test_what_was_cancelled_meanwhile_does_not_arrive(db: Db, stale: Callable[[str, Json], None]) -> None:
    paid(db)
    made = payouts.create(db, {"amount": 1000, "currency": "usd"})
    payouts.cancel(db, made["id"], {})
    stale("select", made)
    assert payouts.arrive(db) == 0
    assert objects.get(db, "payout", made["id"])["status"] == "canceled"


def test_evidence_that_came_meanwhile_is_not_lost(db: Db, stale: Callable[[str, Json], None]) -> None:
    made = paid(db, "createDispute")
    (dispute,) = objects.where(db, "dispute", payment_intent=made["id"])
    disputing.edit(
        db, dispute["id"], {"evidence": {"uncategorized_text": "winning_evidence"}, "submit": True}
    )
    stale("select", dispute)
    assert disputing.overdue(db) == 0
    assert objects.get(db, "dispute", dispute["id"])["status"] == "won"
    assert money.balance_of(db, "disputed", "USD") == 0


def test_an_invoice_that_is_paid_meanwhile_stays_as_it_is(db: Db, stale: Callable[[str, Json], None]) -> None:
    who = customers.create(db, {"name": "Ada"})
    price = catalog.create_price(
        db,
        {
            "currency": "usd",
            "unit_amount": 900,
            "recurring": {"interval": "month"},
            "product_data": {"name": "A"},
        },
    )["id"]
    about: Json = {"customer": who["id"], "items": [{"price": price}]}
    made = subscriptions.create(db, about | {"collection_method": "send_invoice", "days_until_due": 3})
    old = objects.get(db, "invoice", made["latest_invoice"])
    card = methods.attach(db, "pm_card_visa", {"customer": who["id"]})["id"]
    paying.pay(db, old["id"], {"payment_method": card})
    stale("where", old | {"auto_advance": True})
    ending._quiet(db, made["id"])
    assert objects.get(db, "invoice", old["id"])["amount_paid"] == 900


def test_items_that_changed_meanwhile_are_billed_as_they_are(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    who = customers.create(db, {"name": "Ada"})["id"]
    old = [items.create(db, {"customer": who, "amount": 500 + n, "currency": "usd"}) for n in range(2)]
    items.edit(db, old[0]["id"], {"amount": 900})
    items.delete(db, old[1]["id"], {})
    monkeypatch.setattr(items, "waiting", lambda *_args, **_more: old)
    made = invoices.create(db, {"customer": who, "pending_invoice_items_behavior": "include"})
    assert [line["amount"] for line in made["lines"]["data"]] == [900]


def test_names_are_taken_once(store: Store) -> None:
    """Of a lookup key, of the meter of an event, and three customers on a clock."""
    store.use("payment")
    made: Json = {"currency": "usd", "unit_amount": 5, "product_data": {"name": "A"}, "lookup_key": "gold"}
    meter: Json = {"display_name": "A", "event_name": "a", "default_aggregation": {"formula": "sum"}}
    clock = store.unit(test_clocks.create, {"frozen_time": 1_769_860_800})["id"]
    calls: list[tuple[Callable[..., Any], Json, int]] = [
        (catalog.create_price, made, 1),
        (usage.create, meter, 1),
        (customers.create, {"name": "A", "test_clock": clock}, 3),
    ]

    def one(fn: Callable[..., Any], about: Json) -> bool:
        try:
            store.unit(fn, about)
        except ApiError:
            return False
        return True

    for fn, about, most in calls:
        with ThreadPoolExecutor(6) as pool:
            ends = Counter(pool.map(lambda _, fn=fn, about=about: one(fn, about), range(8)))  # type: ignore[misc]
        assert ends == {True: most, False: 8 - most}
