"""What promotion codes are good for: a least amount, a first payment, one customer; checked wherever they are redeemed."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backendhub.kit.db import Db, Store
from backendhub.kit.jobs.declared import unit
from backendhub.systems.payment import jobs, objects
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import customers, intents, methods
from backendhub.systems.payment.service.billing import (
    catalog,
    changing,
    codes,
    completing,
    coupons,
    finalizing,
    invoices,
    items,
    paying,
    sessions,
    subscriptions,
)

CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
TOO_LITTLE = r"minimum amount of \$20.00 usd has not been reached"


def somebody(db: Db) -> Json:
    made = customers.create(db, {"name": "Ada"})
    method = methods.attach(db, "pm_card_visa", {"customer": made["id"]})
    return customers.edit(db, made["id"], {"invoice_settings": {"default_payment_method": method["id"]}})


def price(db: Db, amount: int, interval: str | None = None, **more: Any) -> str:
    about: Json = {"currency": "usd", "product_data": {"name": "Gold"}, "unit_amount": amount}
    return str(
        catalog.create_price(db, about | ({"recurring": {"interval": interval}} if interval else {}) | more)[
            "id"
        ]
    )


def code(db: Db, **restrictions: Any) -> str:
    coupon = coupons.create(db, {"percent_off": "50", "duration": "forever"})["id"]
    about = {"promotion": {"coupon": coupon, "type": "coupon"}, "code": "NOW", "restrictions": restrictions}
    return str(codes.create(db, about)["id"])


def least(db: Db) -> str:
    return code(
        db,
        minimum_amount=2000,
        minimum_amount_currency="usd",
        currency_options={"eur": {"minimum_amount": 1800}},
    )


def session(db: Db, amount: int, currency: str = "usd", **more: Any) -> Json:
    about: Json = {"currency": currency, "unit_amount": amount, "product_data": {"name": "Tea"}}
    lines = [{"price_data": about, "quantity": 1}]
    return sessions.create(
        db, {"mode": "payment", "line_items": lines, "success_url": "https://shop.example/"} | more
    )


def test_checkout_wants_the_least_amount(db: Db) -> None:
    wanted = [{"promotion_code": least(db)}]
    with pytest.raises(ApiError, match=TOO_LITTLE):
        session(db, 1999, discounts=wanted)
    assert session(db, 2000, discounts=wanted)["amount_total"] == 1000
    with pytest.raises(ApiError, match=r"18\.00 eur"):
        session(db, 1799, "eur", discounts=wanted)
    assert session(db, 1800, "eur", discounts=wanted)["amount_total"] == 900
    with pytest.raises(ApiError, match="cannot be redeemed in gbp"):
        session(db, 9000, "gbp", discounts=wanted)


def test_a_buyer_who_types_it_is_told(db: Db) -> None:
    least(db)
    small = session(db, 1999, allow_promotion_codes=True)
    with pytest.raises(ApiError, match=TOO_LITTLE):
        completing.code_typed(db, small["id"], "NOW")
    large = session(db, 2000, allow_promotion_codes=True)
    assert completing.code_typed(db, large["id"], "NOW")["amount_total"] == 1000


def test_subscriptions_want_it_of_a_period_and_what_is_charged_along(db: Db) -> None:
    who, wanted = somebody(db), [{"promotion_code": least(db)}]
    monthly, once = price(db, 1500, "month"), price(db, 500)
    about: Json = {"customer": who["id"], "items": [{"price": monthly}]}
    with pytest.raises(ApiError, match=TOO_LITTLE):
        subscriptions.create(db, about | {"discounts": wanted})
    with pytest.raises(ApiError, match=TOO_LITTLE):
        subscriptions.create(db, about | {"items": [{"price": monthly, "discounts": wanted}]})
    subscriptions.create(db, about | {"discounts": wanted, "add_invoice_items": [{"price": once}]})
    made = subscriptions.create(db, about)
    with pytest.raises(ApiError, match=TOO_LITTLE):
        changing.edit(db, made["id"], {"discounts": wanted})
    item = subscriptions.items_of(made)[0]["id"]
    fresh = changing.edit(db, made["id"], {"items": [{"id": item, "quantity": 2}], "discounts": wanted})
    assert len(fresh["discounts"]) == 1
    waiting = items.waiting(db, who["id"], "usd", subscription=made["id"])
    assert sorted(each["amount"] for each in waiting) == [
        -1500,
        1500,
    ]  # paid in full before, half of twice as much now


def test_an_invoice_shows_when_it_is_finalised_whether_it_is_enough(db: Db) -> None:
    who, wanted = somebody(db), [{"promotion_code": least(db)}]
    made = invoices.create(db, {"customer": who["id"], "discounts": wanted, "auto_advance": True})
    with pytest.raises(ApiError, match=TOO_LITTLE):
        finalizing.finalize(db, made["id"], {})
    with pytest.raises(ApiError, match=TOO_LITTLE):
        items.create(db, {"customer": who["id"], "amount": 1999, "currency": "usd", "discounts": wanted})
    objects.save(db, objects.get(db, "invoice", made["id"]) | {"automatically_finalizes_at": 1})
    paying.finalizes(db, made["id"])
    stuck = objects.get(db, "invoice", made["id"])
    assert (stuck["status"], stuck["auto_advance"]) == ("draft", False)
    assert stuck["last_finalization_error"]["type"] == "invalid_request_error"
    assert objects.where(db, "event", type="invoice.finalization_failed")
    items.create(db, {"customer": who["id"], "amount": 2000, "currency": "usd", "invoice": made["id"]})
    assert finalizing.finalize(db, made["id"], {})["total"] == 1000


def test_a_first_payment_is_one_before_which_nothing_was_paid(db: Db) -> None:
    wanted = [{"promotion_code": code(db, first_time_transaction=True)}]
    new, old = somebody(db), somebody(db)
    card = methods.attach(db, "pm_card_visa", {"customer": old["id"]})["id"]
    intents.create(
        db, {"amount": 900, "currency": "usd", "customer": old["id"], "payment_method": card, "confirm": True}
    )
    with pytest.raises(ApiError, match="prior transactions"):
        session(db, 1000, customer=old["id"], discounts=wanted)
    assert session(db, 1000, customer=new["id"], discounts=wanted)["amount_total"] == 500
    about: Json = {"items": [{"price": price(db, 1000, "month")}], "discounts": wanted}
    subscriptions.create(db, about | {"customer": new["id"]})
    with pytest.raises(ApiError, match="prior transactions"):
        subscriptions.create(db, about | {"customer": new["id"]})


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"minimum_amount": 5}, "restrictions[minimum_amount_currency]"),
        ({"minimum_amount_currency": "usd"}, "restrictions[minimum_amount]"),
        ({"currency_options": {"eur": {"minimum_amount": 5}}}, "restrictions[currency_options]"),
    ],
)
def test_a_least_amount_has_a_currency(db: Db, given: Json, param: str) -> None:
    with pytest.raises(ApiError) as refused:
        code(db, **given)
    assert refused.value.param == param


def test_only_one_of_many_first_payments_at_once_is_the_first(store: Store) -> None:
    store.use("payment")

    def start(db: Db) -> list[str]:
        who, wanted = somebody(db), [{"promotion_code": code(db, first_time_transaction=True)}]
        return [session(db, 1000, customer=who["id"], discounts=wanted)["id"] for _ in range(6)]

    def pay(id: str) -> str:
        try:
            store.unit(completing.submitted, id, {"card": CARD, "email": "a@b.example", "name": "A"})
        except ApiError as error:
            return error.message
        return "paid"

    with ThreadPoolExecutor(6) as pool:
        ends = Counter(pool.map(pay, store.unit(start)))
    assert ends["paid"] == 1 and len(ends) == 2


def test_of_one_code_there_is_one_that_works(store: Store) -> None:
    store.use("payment")
    coupon = store.unit(coupons.create, {"percent_off": "5", "duration": "once"})["id"]

    def make(_: int) -> str:
        try:
            store.unit(codes.create, {"promotion": {"coupon": coupon, "type": "coupon"}, "code": "ONCE"})
        except ApiError as error:
            return str(error.param)
        return "made"

    with ThreadPoolExecutor(6) as pool:
        assert Counter(pool.map(make, range(6))) == {"made": 1, "code": 5}


def test_jobs_that_stores_hold_are_still_known() -> None:
    """Names that were ever given out: a store has them for months."""
    known = [
        "intent_settles",
        "refund_settles",
        "refund_fails",
        "day",
        "coupon_ends",
        "invoice_finalizes",
        "invoice_collects",
        "invoice_retries",
        "invoice_overdue",
        "subscription_renews",
        "subscription_expires",
        "subscription_ends",
        "subscription_resumes",
        "trial_ends_soon",
        "clock_advances",
        "session_expires",
    ]
    for name in {*known} - {"clock_advances"}:
        assert callable(unit(f"payment.{name}"))
    assert callable(jobs.clock_advances)
