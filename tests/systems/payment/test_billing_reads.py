"""Billing reads everything at once: however many lines and coupons there are, it asks as often."""

from __future__ import annotations

from typing import Any

import pytest

from backendhub.kit.db import Db
from backendhub.systems.payment import jobs, objects
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import customers, methods
from backendhub.systems.payment.service.billing import (
    catalog,
    changing,
    coupons,
    cycles,
    discounting,
    finalizing,
    invoices,
    items,
    subscriptions,
)

assert jobs


def reads(db: Db, fn: Any) -> int:
    """How many questions are asked of SQLite meanwhile."""
    connection: Any = vars(db).get("connection")
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    try:
        fn()
    finally:
        connection.set_trace_callback(None)
    count = sum(sql.lstrip().startswith("SELECT") for sql in asked)
    assert count
    return count


def price(db: Db, amount: int = 1000, **more: Any) -> str:
    about: Json = {"currency": "usd", "product_data": {"name": "Gold"}, "recurring": {"interval": "month"}}
    return str(catalog.create_price(db, about | {"unit_amount": amount} | more)["id"])


def somebody(db: Db) -> Json:
    made = customers.create(db, {"name": "Ada"})
    method = methods.attach(db, "pm_card_visa", {"customer": made["id"]})
    return customers.edit(db, made["id"], {"invoice_settings": {"default_payment_method": method["id"]}})


def coupon(db: Db) -> str:
    return str(coupons.create(db, {"percent_off": "1", "duration": "forever"})["id"])


def subscribed(db: Db, count: int) -> tuple[Json, Json]:
    """A subscription with items and discounts."""
    who = somebody(db)
    wanted = [{"price": price(db, 1000 + n), "discounts": [{"coupon": coupon(db)}]} for n in range(count)]
    about = {
        "customer": who["id"],
        "items": wanted,
        "discounts": [{"coupon": coupon(db)} for _ in range(count)],
    }
    return who, subscriptions.create(db, about)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
class TestHoweverManyThereAre:
    def test_an_invoice_is_worked_out(self, db: Db) -> None:
        def draft(count: int) -> str:
            who = somebody(db)
            for _ in range(count):
                about: Json = {"customer": who["id"], "amount": 1000, "currency": "usd"}
                items.create(db, about | {"discounts": [{"coupon": coupon(db)}]})
            made: Json = {"customer": who["id"], "pending_invoice_items_behavior": "include"}
            made["discounts"] = [{"coupon": coupon(db)} for _ in range(count)]
            return str(invoices.create(db, made)["id"])

        few, many = draft(2), draft(9)
        assert len(objects.get(db, "invoice", many)["lines"]["data"]) == 9
        assert reads(db, lambda: invoices.recalculated(db, few)) == reads(
            db, lambda: invoices.recalculated(db, many)
        )
        assert reads(db, lambda: invoices.delete(db, few, {})) == reads(
            db, lambda: invoices.delete(db, many, {})
        )

    def test_a_period_is_billed(self, db: Db) -> None:
        counts = []
        for count in (2, 9):
            who, owner = subscribed(db, count)
            end = subscriptions.period(owner)[1]

            def bill(who: Json = who, owner: Json = owner, end: int = end) -> None:
                made = cycles.bill(db, who, owner, end, end + 100, reason="subscription_cycle")
                assert made is not None and len(made["lines"]["data"]) == len(subscriptions.items_of(owner))

            counts.append(reads(db, bill))
        assert counts[0] == counts[1]

    def test_discounts_end(self, db: Db) -> None:
        counts = []
        for count in (2, 9):
            _, owner = subscribed(db, count)
            start, end = subscriptions.period(owner)
            counts.append(reads(db, lambda o=owner, s=start, e=end: cycles.renewed(db, o, s, e)))  # type: ignore[misc]
        assert counts[0] == counts[1]


def test_tiers_are_those_of_the_currency(db: Db) -> None:
    who = somebody(db)
    tiers: Json = {"tiers_mode": "graduated", "tiers": [{"up_to": "inf", "unit_amount": 100}]}
    euros = {"eur": {"tiers": [{"up_to": "inf", "unit_amount": 77}]}}
    sold = price(db, unit_amount=None, currency_options=euros, **tiers)
    about = {"customer": who["id"], "items": [{"price": sold, "quantity": 2}], "currency": "eur"}
    made = subscriptions.create(db, about)
    first = objects.get(db, "invoice", made["latest_invoice"])
    assert (first["currency"], first["total"]) == ("eur", 154)
    changing.edit(db, made["id"], {"items": [{"id": subscriptions.items_of(made)[0]["id"], "quantity": 3}]})
    found = items.waiting(db, who["id"], "eur", subscription=made["id"])
    assert sum(each["amount"] for each in found) == 77


# -- whose discount it is ----------------------------------------------------------------------------------


def test_a_discount_that_is_kept_belongs_to_that_customer(db: Db) -> None:
    _, owner = subscribed(db, 1)
    other = somebody(db)
    mine = owner["discounts"][0]
    with pytest.raises(ApiError, match="belongs to another customer") as refused:
        about = {"customer": other["id"], "items": [{"price": price(db)}]}
        subscriptions.create(db, about | {"discounts": [{"coupon": coupon(db)}, {"discount": mine}]})
    assert refused.value.param == "discounts[1][discount]"
    with pytest.raises(ApiError, match="belongs to another customer"):
        invoices.create(db, {"customer": other["id"], "discounts": [{"discount": mine}]})
    kept = changing.edit(db, owner["id"], {"discounts": [{"discount": mine}]})
    assert kept["discounts"] == [mine]


def test_discounts_stand_in_the_order_in_which_they_were_given(db: Db) -> None:
    """A percentage before an amount takes off less than after it."""
    who = somebody(db)
    half = coupons.create(db, {"percent_off": "50", "duration": "forever"})["id"]
    off = coupons.create(db, {"amount_off": 400, "currency": "usd", "duration": "forever"})["id"]
    about = {"customer": who["id"], "items": [{"price": price(db)}], "discounts": [{"coupon": off}]}
    made = subscriptions.create(db, about)
    kept = {"discount": made["discounts"][0]}
    made = changing.edit(db, made["id"], {"discounts": [{"coupon": half}, kept]})
    found = discounting.offs(db, made["discounts"], "usd")
    assert [found[id].percent for id in made["discounts"]] == [50, None]


def test_discounts_are_taken_off_a_subscription(db: Db) -> None:
    who, owner = subscribed(db, 1)
    gone = discounting.delete(db, owner["id"], {})
    assert (gone["object"], gone["deleted"], gone["id"]) == ("discount", True, owner["discounts"][0])
    fresh = objects.get(db, "subscription", owner["id"])
    assert fresh["discounts"] == [] and objects.where(db, "event", type="customer.discount.deleted")
    start, end = subscriptions.period(fresh)
    made = cycles.bill(db, who, fresh, end, 2 * end - start, reason="subscription_cycle")
    assert (
        made is not None and made["total_discount_amounts"][0]["amount"] == 10
    )  # of the item, which keeps its own
    with pytest.raises(ApiError, match="No active discount"):
        discounting.delete(db, owner["id"], {})


def test_a_line_of_a_draft_is_changed_with_its_item(db: Db) -> None:
    who, owner = subscribed(db, 1)
    waits = items.create(db, {"customer": who["id"], "amount": 500, "currency": "usd"})
    _, end = subscriptions.period(owner)
    made = cycles.bill(db, who, owner, end, end + 100, reason="subscription_cycle")
    assert made is not None
    of_item, own = made["lines"]["data"]
    assert invoices.edit_line(db, made["id"], of_item["id"], {"amount": 700})["amount"] == 700
    assert objects.get(db, "invoiceitem", waits["id"])["amount"] == 700
    told = invoices.edit_line(
        db, made["id"], own["id"], {"amount": 200, "discounts": None, "metadata": {"a": "b"}}
    )
    assert (told["amount"], told["discounts"], told["metadata"]) == (200, [], {"a": "b"})
    assert objects.get(db, "invoice", made["id"])["subtotal"] == 900
    with pytest.raises(ApiError, match="give an `amount`"):
        invoices.edit_line(db, made["id"], own["id"], {"quantity": 3})
    with pytest.raises(ApiError, match="No such line item"):
        invoices.edit_line(db, made["id"], "il_none", {})
    finalizing.finalize(db, made["id"], {})
    with pytest.raises(ApiError, match="no longer editable"):
        invoices.edit_line(db, made["id"], own["id"], {"amount": 1})
