"""Catalogue, coupons, invoices, subscriptions, test clocks: the rules, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest

from backendhub.kit import checks, ledger
from backendhub.kit import jobs as background
from backendhub.kit.db import Db
from backendhub.kit.states import IllegalMove, Machine
from backendhub.systems.payment import invariants, jobs, objects
from backendhub.systems.payment.errors import ApiError, CardError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import confirming, customers, methods, money
from backendhub.systems.payment.service.billing import (
    catalog,
    changing,
    codes,
    coupons,
    discounting,
    ending,
    finalizing,
    invoices,
    invoicing,
    items,
    paying,
    periods,
    previews,
    pricing,
    renewing,
    sessions,
    subscriptions,
    taxes,
    test_clocks,
    totals,
    usage,
)

DAY = 86_400
START = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp())
assert jobs  # declares what is due on clocks
MACHINES = [invoicing.INVOICES, subscriptions.SUBSCRIPTIONS, sessions.SESSIONS, usage.METERS]


def sound(db: Db) -> None:
    report = checks.run(db, [*ledger.CHECKS, *invariants.CHECKS], {"book": money.BOOK})
    assert [c for c in report.checks if not c.ok] == []


def told(db: Db, *about: str) -> list[str]:
    found = reversed(objects.select(db, "event", [], limit=500))
    return [e["type"] for e in found if not about or e["type"].startswith(about)]


def price(
    db: Db, amount: int = 1000, *, interval: str | None = "month", name: str = "Gold", **more: Any
) -> str:
    about: Json = {"currency": "usd", "product_data": {"name": name}}
    if "tiers" not in more and "unit_amount_decimal" not in more:
        about["unit_amount"] = amount
    if interval:
        about["recurring"] = {"interval": interval} | more.pop("recurring", {})
    return str(catalog.create_price(db, about | more)["id"])


def somebody(db: Db, card: str | None = "visa", **more: Any) -> Json:
    made = customers.create(db, {"name": "Ada", "email": "ada@mail.example"} | more)
    if card is None:
        return made
    method = methods.attach(db, f"pm_card_{card}", {"customer": made["id"]})
    return customers.edit(db, made["id"], {"invoice_settings": {"default_payment_method": method["id"]}})


def recard(db: Db, customer: Json, card: str) -> None:
    method = methods.attach(db, f"pm_card_{card}", {"customer": customer["id"]})
    customers.edit(db, customer["id"], {"invoice_settings": {"default_payment_method": method["id"]}})


def on_clock(db: Db, card: str | None = "visa") -> tuple[str, Json]:
    made = test_clocks.create(db, {"frozen_time": START})
    return made["id"], somebody(db, card, test_clock=made["id"])


def go(db: Db, id: str, to: int) -> None:
    test_clocks.advance(db, id, {"frozen_time": to})
    test_clocks.walk(lambda fn, *args: fn(db, *args), id)


def subscribe(db: Db, customer: Json, *prices: str, quantity: int = 1, **more: Any) -> Json:
    return subscriptions.create(
        db, {"customer": customer["id"], "items": [{"price": p, "quantity": quantity} for p in prices]} | more
    )


def bills(db: Db, customer: Json) -> list[Json]:
    return list(reversed(objects.where(db, "invoice", customer=customer["id"])))


# -- arithmetic --------------------------------------------------------------------------------------------


TIERS = [
    {"up_to": 10, "unit_amount_decimal": "100", "flat_amount_decimal": None},
    {"up_to": 20, "unit_amount_decimal": "50", "flat_amount_decimal": "500"},
    {"up_to": None, "unit_amount_decimal": "10.5", "flat_amount_decimal": None},
]


@pytest.mark.parametrize(
    ("mode", "quantity", "amount"),
    [
        ("graduated", 0, "0"), ("graduated", 10, "1000"), ("graduated", 11, "1550"), ("graduated", 20, "2000"),
        ("graduated", 23, "2031.5"), ("volume", 10, "1000"), ("volume", 11, "1050"), ("volume", 23, "241.5"),
    ],
)  # fmt: skip
def test_tiers(mode: str, quantity: int, amount: str) -> None:
    about = {"billing_scheme": "tiered", "tiers": TIERS, "tiers_mode": mode}
    assert pricing.exact(about, quantity) == Fraction(amount)


def test_packages_are_counted_whole() -> None:
    about = {
        "billing_scheme": "per_unit",
        "unit_amount_decimal": "500",
        "transform_quantity": {"divide_by": 12, "round": "up"},
    }
    assert [pricing.exact(about, n) for n in (0, 1, 12, 13)] == [0, 500, 500, 1000]


def test_months_end_where_they_end_and_remember_their_day() -> None:
    ends = [datetime.fromtimestamp(periods.boundary(START, "month", 1, n), UTC) for n in range(1, 5)]
    assert [(e.month, e.day, e.hour) for e in ends] == [(2, 28, 12), (3, 31, 12), (4, 30, 12), (5, 31, 12)]
    leap = int(datetime(2024, 2, 29, tzinfo=UTC).timestamp())
    assert datetime.fromtimestamp(periods.boundary(leap, "year", 1, 1), UTC).day == 28
    assert periods.after(START, "month", 1, START) == periods.boundary(START, "month", 1, 1)
    assert periods.after(START, "week", 2, START - 1) == START
    assert periods.before(START, "day", 1, START) == START - DAY


def test_discounts_add_up_over_the_lines() -> None:
    third = totals.Off("a", percent=Fraction("33.3"))
    found = totals.price([totals.Line(100), totals.Line(100), totals.Line(101)], [third])
    assert sum(each.net for each in found) == 301 - 100  # 33.3 % of 301 is 100.233
    assert [each.net for each in found] == [67, 67, 67]
    fixed = totals.Off("b", amount=50)
    found = totals.price([totals.Line(30), totals.Line(-10), totals.Line(10, discountable=False)], [fixed])
    assert [each.net for each in found] == [0, -10, 10]
    only = totals.Off("c", percent=Fraction(50), products=("p",))
    assert [e.net for e in totals.price([totals.Line(10, "p"), totals.Line(10, "q")], [only])] == [5, 10]


def test_taxes_on_top_and_within() -> None:
    on_top = {"id": "a", "percentage": 8.25, "inclusive": False}
    within = {"id": "b", "percentage": 19, "inclusive": True}
    (found,) = totals.price([totals.Line(999, rates=(on_top,))])
    assert (found.net, found.added, found.total) == (999, 82, 1081)  # 82.4175
    (found,) = totals.price([totals.Line(1190, rates=(within,))])
    assert (found.included, found.total) == (190, 1190)
    (found,) = totals.price([totals.Line(1190, rates=(within, on_top))])
    assert found.taxes == [(within, 1000, 190), (on_top, 1000, 83)]
    (found,) = totals.price([totals.Line(1190, rates=(within, on_top))], exempt=True)
    assert (found.included, found.added) == (0, 0)


# -- catalogue ---------------------------------------------------------------------------------------------


def test_prices(db: Db) -> None:
    made = catalog.create_product(
        db, {"name": "Mug", "default_price_data": {"currency": "eur", "unit_amount": 900}}
    )
    assert objects.get(db, "price", made["default_price"])["product"] == made["id"]
    with pytest.raises(ApiError, match="cannot be deleted"):
        catalog.delete_product(db, made["id"], {})
    first = catalog.create_price(
        db, {"product": made["id"], "currency": "usd", "unit_amount_decimal": "12.5", "lookup_key": "k"}
    )
    assert (first["unit_amount"], first["unit_amount_decimal"]) == (None, "12.5")
    with pytest.raises(ApiError, match="already uses that lookup key"):
        catalog.create_price(
            db, {"product": made["id"], "currency": "usd", "unit_amount": 1, "lookup_key": "k"}
        )
    about = {
        "product": made["id"],
        "currency": "usd",
        "unit_amount": 1,
        "lookup_key": "k",
        "transfer_lookup_key": True,
    }
    second = catalog.create_price(db, about | {"currency_options": {"eur": {"unit_amount": 3}}})
    assert objects.get(db, "price", first["id"])["lookup_key"] is None
    assert catalog.priced(db, second, "eur")["unit_amount"] == 3
    with pytest.raises(ApiError, match="only supports `usd`"):
        catalog.priced(db, second, "gbp")
    for wrong in (
        {}, {"unit_amount": 1, "unit_amount_decimal": "1"}, {"unit_amount_decimal": "-1"},
        {"tiers": [{"up_to": 5, "unit_amount": 1}], "tiers_mode": "volume"},
        {"tiers": [{"up_to": "inf", "unit_amount": 1}]},
        {"unit_amount": 1, "recurring": {"interval": "month", "interval_count": 37}},
        {"unit_amount": 1, "recurring": {"interval": "month", "usage_type": "metered"}},
    ):  # fmt: skip
        with pytest.raises(ApiError):
            catalog.create_price(db, {"product": made["id"], "currency": "usd"} | wrong)


def test_coupons_are_redeemed_so_many_times(db: Db) -> None:
    coupon = coupons.create(db, {"percent_off": "50", "duration": "once", "max_redemptions": 1, "id": "HALF"})
    code = codes.create(db, {"promotion": {"type": "coupon", "coupon": "HALF"}, "code": "NOW"})
    who = somebody(db)
    items.create(db, {"customer": who["id"], "amount": 1000, "currency": "usd"})
    about = {"customer": who["id"], "pending_invoice_items_behavior": "include"}
    made = invoices.create(db, about | {"discounts": [{"promotion_code": code["id"]}]})
    assert (made["subtotal"], made["total"]) == (1000, 500)
    assert objects.get(db, "coupon", coupon["id"])["valid"] is False
    with pytest.raises(ApiError, match="Coupon expired") as caught:
        invoices.create(db, about | {"discounts": [{"coupon": "HALF"}]})
    assert caught.value.wire_code == "coupon_expired"
    discounting.give_back(db, made["discounts"])
    assert objects.get(db, "coupon", coupon["id"])["valid"] is True
    sound(db)


@pytest.mark.parametrize(
    "about",
    [
        {"duration": "once"}, {"percent_off": "10", "amount_off": 5}, {"percent_off": "101"}, {"amount_off": 5},
        {"percent_off": "10", "duration": "repeating"}, {"percent_off": "10", "redeem_by": 1},
    ],
)  # fmt: skip
def test_coupons_that_make_no_sense(db: Db, about: Json) -> None:
    with pytest.raises(ApiError):
        coupons.create(db, about)


# -- invoices ----------------------------------------------------------------------------------------------


def draft(db: Db, who: Json, amount: int = 3000, **more: Any) -> Json:
    items.create(db, {"customer": who["id"], "amount": amount, "currency": "usd", "description": "Work"})
    return invoices.create(db, {"customer": who["id"], "pending_invoice_items_behavior": "include"} | more)


def test_an_invoice_from_draft_to_paid(db: Db) -> None:
    who = somebody(db)
    rate = taxes.create(db, {"display_name": "VAT", "inclusive": False, "percentage": "19"})
    made = draft(db, who, default_tax_rates=[rate["id"]])
    assert (made["status"], made["total"], made["total_taxes"][0]["amount"]) == ("draft", 3570, 570)
    more = items.create(db, {"invoice": made["id"], "unit_amount_decimal": "12.5", "quantity": 3})
    assert (more["amount"], objects.get(db, "invoice", made["id"])["subtotal"]) == (38, 3038)
    items.delete(db, more["id"], {})
    opened = finalizing.finalize(db, made["id"], {})
    assert (opened["status"], opened["number"], opened["amount_due"]) == (
        "open",
        f"{who['invoice_prefix']}-0001",
        3570,
    )
    with pytest.raises(ApiError, match="already finalized"):
        finalizing.finalize(db, made["id"], {})
    with pytest.raises(ApiError, match="no longer editable"):
        items.create(db, {"invoice": made["id"], "amount": 5})
    paid = paying.pay(db, made["id"], {})
    assert (paid["status"], paid["amount_paid"], paid["amount_remaining"]) == ("paid", 3570, 0)
    (payment,) = invoicing.payments(db, paid)["data"]
    intent = objects.get(db, "payment_intent", payment["payment"]["payment_intent"])
    assert (payment["status"], intent["status"], intent["amount_received"]) == ("paid", "succeeded", 3570)
    with pytest.raises(ApiError, match="already paid"):
        paying.pay(db, made["id"], {})
    assert told(db, "invoice.", "invoice_payment.") == [
        "invoice.created", "invoice.updated", "invoice.updated", "invoice.finalized", "invoice_payment.paid", "invoice.paid",
        "invoice.payment_succeeded",
    ]  # fmt: skip
    assert finalizing.finalize(db, draft(db, who)["id"], {})["number"].endswith("-0002")
    sound(db)


def test_a_refused_card_is_told_and_can_be_tried_again(db: Db) -> None:
    who = somebody(db, "chargeCustomerFail")
    made = draft(db, who)
    with pytest.raises(CardError):
        paying.pay(db, made["id"], {})
    found = objects.get(db, "invoice", made["id"])
    assert (found["status"], found["attempted"], found["attempt_count"]) == ("open", True, 1)
    assert (
        paying.pay(
            db,
            made["id"],
            {"payment_method": methods.attach(db, "pm_card_visa", {"customer": who["id"]})["id"]},
        )["status"]
        == "paid"
    )
    sound(db)


def test_a_client_pays_an_invoice_by_its_intent(db: Db) -> None:
    made = finalizing.finalize(db, draft(db, somebody(db, None))["id"], {})
    with pytest.raises(ApiError, match="default_payment_method"):
        paying.pay(db, made["id"], {})
    intent = invoicing.intent_of(db, made)
    assert intent is not None
    confirming.confirm(db, intent["id"], {"payment_method": "pm_card_authenticationRequired"})
    assert "invoice.payment_action_required" in told(db)
    confirming.answered(db, intent["id"], success=True)
    assert objects.get(db, "invoice", made["id"])["status"] == "paid"
    sound(db)


def test_void_and_uncollectible(db: Db) -> None:
    who = somebody(db)
    made = finalizing.finalize(db, draft(db, who)["id"], {})
    intent = invoicing.intent_of(db, made)
    assert finalizing.void(db, made["id"], {})["status"] == "void"
    assert intent is not None and objects.get(db, "payment_intent", intent["id"])["status"] == "canceled"
    with pytest.raises(ApiError, match="voided"):
        paying.pay(db, made["id"], {})
    other = finalizing.finalize(db, draft(db, who)["id"], {})
    assert finalizing.write_off(db, other["id"], {})["status"] == "uncollectible"
    assert paying.pay(db, other["id"], {"paid_out_of_band": True})["status"] == "paid"
    with pytest.raises(ApiError, match="isn't open"):
        finalizing.void(db, other["id"], {})
    last = draft(db, who)
    assert invoices.delete(db, last["id"], {})["deleted"]
    assert [i["invoice"] for i in objects.where(db, "invoiceitem", limit=1)] == [None]
    sound(db)


def test_the_balance_of_a_customer_is_applied_once(db: Db) -> None:
    who = somebody(db)
    customers.add_movement(db, who["id"], {"amount": -1000, "currency": "usd"})
    made = finalizing.finalize(db, draft(db, who, 3000)["id"], {})
    assert (made["starting_balance"], made["ending_balance"], made["amount_due"]) == (-1000, 0, 2000)
    finalizing.void(db, made["id"], {})
    assert objects.get(db, "customer", who["id"])["balance"] == -1000
    small = finalizing.finalize(db, draft(db, who, 400)["id"], {})
    assert (small["status"], small["amount_due"], small["ending_balance"]) == ("paid", 0, -600)
    credit = finalizing.finalize(db, draft(db, who, -300)["id"], {})
    assert (credit["status"], credit["total"], credit["ending_balance"]) == ("paid", -300, -900)
    sound(db)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: m.name)
def test_every_pair_of_state_and_verb(db: Db, machine: Machine) -> None:
    for state, verb, target in machine.pairs():
        made = objects.make(db, "widget", {}, status=state)
        key = objects.key_of(db, "widget", made["id"])
        if target is None:
            with pytest.raises(IllegalMove):
                machine.move(db, key, verb)
        else:
            assert machine.move(db, key, verb) == target


# -- subscriptions -----------------------------------------------------------------------------------------


def test_a_year_on_a_test_clock(db: Db) -> None:
    clock, who = on_clock(db)
    made = subscribe(db, who, price(db))
    assert made["status"] == "active" and made["created"] == START
    go(db, clock, periods.boundary(START, "month", 1, 11) + DAY)
    found = bills(db, who)
    assert [(i["billing_reason"], i["status"], i["total"]) for i in found] == [
        ("subscription_create", "paid", 1000),
        *[("subscription_cycle", "paid", 1000)] * 11,
    ]
    assert [i["created"] for i in found] == [periods.boundary(START, "month", 1, n) for n in range(12)]
    ended = ending.cancel(db, made["id"], {})
    assert ended["status"] == "canceled"
    go(db, clock, periods.boundary(START, "month", 1, 14))
    assert len(bills(db, who)) == 12
    assert objects.get(db, test_clocks.KIND, clock)["status"] == "ready"
    sound(db)


def test_a_change_of_quantity_is_prorated_to_the_second(db: Db) -> None:
    clock, who = on_clock(db)
    made = subscribe(db, who, price(db, 2800))  # a period of 28 days
    go(db, clock, START + 7 * DAY)
    item = subscriptions.items_of(made)[0]["id"]
    changing.edit(db, made["id"], {"items": [{"id": item, "quantity": 3}]})
    found = items.waiting(db, who["id"], "usd", subscription=made["id"])
    assert [(i["amount"], i["description"]) for i in found] == [
        (-2100, "Unused time on Gold after 07 Feb 2026"),
        (6300, "Remaining time on 3 × Gold after 07 Feb 2026"),
    ]
    seen = previews.preview(db, {"subscription": made["id"]})
    assert (seen["total"], seen["status"], seen["number"]) == (-2100 + 6300 + 3 * 2800, "draft", None)
    assert len(bills(db, who)) == 1  # nothing of the preview stays
    go(db, clock, START + 28 * DAY + 2 * 3600)
    assert [i["total"] for i in bills(db, who)] == [2800, 12600]
    now = changing.edit(
        db, made["id"], {"items": [{"id": item, "quantity": 1}], "proration_behavior": "always_invoice"}
    )
    last = objects.get(db, "invoice", now["latest_invoice"])
    assert last["billing_reason"] == "subscription_update" and last["total"] < 0 and last["status"] == "paid"
    assert objects.get(db, "customer", who["id"])["balance"] == last["total"]
    sound(db)


def test_another_interval_begins_a_new_cycle(db: Db) -> None:
    clock, who = on_clock(db)
    made = subscribe(db, who, price(db, 2800))
    go(db, clock, START + 14 * DAY)
    item = subscriptions.items_of(made)[0]["id"]
    fresh = changing.edit(
        db, made["id"], {"items": [{"id": item, "price": price(db, 30000, interval="year")}]}
    )
    assert subscriptions.period(fresh) == (START + 14 * DAY, periods.boundary(START + 14 * DAY, "year", 1, 1))
    assert [i["total"] for i in bills(db, who)] == [2800, 30000 - 1400]
    sound(db)


def test_an_anchor_in_the_future_makes_a_short_first_period(db: Db) -> None:
    clock, who = on_clock(db)
    anchor = START + 14 * DAY  # the whole period before it: 14 January to 14 February, 31 days
    subscribe(db, who, price(db, 3100), billing_cycle_anchor=anchor)
    go(db, clock, anchor + DAY)
    assert [i["total"] for i in bills(db, who)] == [1400, 3100]
    sound(db)


def test_without_a_test_clock_renewals_are_jobs(db: Db, frozen: Callable[[str], None]) -> None:
    who = somebody(db)
    made = subscribe(db, who, price(db))
    (job,) = background.find(db, name="payment.subscription_renews")
    assert job.payload == {"id": made["id"], "due": subscriptions.period(made)[1]}
    assert job.run_at == datetime(2026, 2, 5, 9, tzinfo=UTC)
    renewing.renews(db, **job.payload)  # before its time: nothing
    frozen("2026-02-05T09:00:00Z")
    for _ in range(2):  # a job that comes twice
        renewing.renews(db, **job.payload)
    assert [i["status"] for i in bills(db, who)] == ["paid", "draft"]
    frozen("2026-02-05T10:00:01Z")
    for _ in range(2):
        paying.finalizes(db, bills(db, who)[1]["id"])
    assert [i["status"] for i in bills(db, who)] == ["paid", "paid"]
    sound(db)


def test_a_trial(db: Db) -> None:
    clock, who = on_clock(db)
    made = subscribe(db, who, price(db), trial_period_days=14)
    assert (made["status"], made["trial_end"]) == ("trialing", START + 14 * DAY)
    go(db, clock, START + 14 * DAY + 3601)
    assert [(i["total"], i["status"]) for i in bills(db, who)] == [(0, "paid"), (1000, "paid")]
    assert objects.get(db, "subscription", made["id"])["status"] == "active"
    assert "customer.subscription.trial_will_end" in told(db)
    sound(db)


@pytest.mark.parametrize(("behaviour", "state"), [("pause", "paused"), ("cancel", "canceled")])
def test_a_trial_without_a_card(db: Db, behaviour: str, state: str) -> None:
    clock, who = on_clock(db, None)
    about: Json = {"end_behavior": {"missing_payment_method": behaviour}}
    made = subscribe(db, who, price(db), trial_period_days=7, trial_settings=about)
    go(db, clock, START + 8 * DAY)
    assert objects.get(db, "subscription", made["id"])["status"] == state
    if state == "paused":
        recard(db, who, "visa")
        go(db, clock, START + 10 * DAY)
        assert changing.resume(db, made["id"], {})["status"] == "active"
        assert [i["total"] for i in bills(db, who)] == [0, 1000]
    sound(db)


def test_dunning_ends_a_subscription(db: Db) -> None:
    clock, who = on_clock(db)
    made = subscribe(db, who, price(db))
    recard(db, who, "chargeCustomerFail")
    end = subscriptions.period(made)[1]
    go(db, clock, end + 3601)
    found = objects.get(db, "subscription", made["id"])
    last = objects.get(db, "invoice", found["latest_invoice"])
    assert (found["status"], last["attempt_count"]) == ("past_due", 1)
    assert last["next_payment_attempt"] == end + 3600 + paying.RETRIES[0] * DAY
    go(db, clock, end + 16 * DAY)
    found = objects.get(db, "subscription", made["id"])
    assert found["status"] == "canceled" and found["cancellation_details"]["reason"] == "payment_failed"
    assert objects.get(db, "invoice", last["id"])["attempt_count"] == 1 + len(paying.RETRIES)
    sound(db)


def test_a_retry_that_is_paid_brings_a_subscription_back(db: Db) -> None:
    clock, who = on_clock(db)
    made = subscribe(db, who, price(db))
    recard(db, who, "chargeCustomerFail")
    end = subscriptions.period(made)[1]
    go(db, clock, end + 3601)
    recard(db, who, "mastercard")
    go(db, clock, end + 4 * DAY)
    assert objects.get(db, "subscription", made["id"])["status"] == "active"
    assert [i["status"] for i in bills(db, who)] == ["paid", "paid"]
    sound(db)


def test_how_a_first_payment_can_end(db: Db) -> None:
    wanted = price(db)
    assert subscribe(db, somebody(db, "chargeCustomerFail"), wanted)["status"] == "incomplete"
    with pytest.raises(CardError):
        subscribe(db, somebody(db, "chargeCustomerFail"), wanted, payment_behavior="error_if_incomplete")
    with pytest.raises(ApiError, match="no attached payment source"), db.savepoint():
        subscribe(db, somebody(db, None), wanted)
    late = subscribe(db, somebody(db, None), wanted, payment_behavior="default_incomplete")
    invoice = objects.get(db, "invoice", late["latest_invoice"])
    secret = invoicing.INVOICE.include["confirmation_secret"](db, invoice)
    intent = invoicing.intent_of(db, invoice)
    assert intent is not None and secret["client_secret"] == intent["client_secret"]
    confirming.confirm(db, intent["id"], {"payment_method": "pm_card_visa"})
    assert objects.get(db, "subscription", late["id"])["status"] == "active"
    assert len(objects.where(db, "subscription", limit=20)) == 2  # of the refused one nothing is left
    sound(db)


def test_what_is_never_paid_expires(db: Db) -> None:
    clock, who = on_clock(db, None)
    made = subscribe(db, who, price(db), payment_behavior="default_incomplete")
    go(db, clock, START + DAY)
    assert objects.get(db, "subscription", made["id"])["status"] == "incomplete_expired"
    assert [i["status"] for i in bills(db, who)] == ["void"]
    sound(db)


def test_cancelling_at_the_end_and_giving_back_what_is_left(db: Db) -> None:
    clock, who = on_clock(db)
    made = subscribe(db, who, price(db, 2800))
    changing.edit(db, made["id"], {"cancel_at_period_end": True})
    go(db, clock, START + 29 * DAY)
    assert objects.get(db, "subscription", made["id"])["status"] == "canceled"
    assert len(bills(db, who)) == 1
    other = subscribe(db, who, price(db, 2800))
    go(db, clock, START + 36 * DAY)
    ending.cancel(db, other["id"], {"prorate": True, "invoice_now": True})
    last = bills(db, who)[-1]
    start, end = subscriptions.period(other)
    assert last["total"] == -round(2800 * (end - (START + 36 * DAY)) / (end - start))
    sound(db)


def test_collection_is_paused(db: Db) -> None:
    clock, who = on_clock(db)
    made = subscribe(db, who, price(db))
    changing.edit(db, made["id"], {"pause_collection": {"behavior": "void", "resumes_at": START + 40 * DAY}})
    go(db, clock, START + 61 * DAY)
    assert [i["status"] for i in bills(db, who)] == ["paid", "void", "paid"]
    sound(db)


def test_an_invoice_that_is_sent_can_be_late(db: Db) -> None:
    clock, who = on_clock(db, None)
    made = subscribe(db, who, price(db), collection_method="send_invoice", days_until_due=10)
    assert made["status"] == "active" and "invoice.sent" in told(db)
    go(db, clock, START + 11 * DAY)
    assert objects.get(db, "subscription", made["id"])["status"] == "past_due"
    paying.pay(db, made["latest_invoice"], {"paid_out_of_band": True})
    assert objects.get(db, "subscription", made["id"])["status"] == "active"
    with pytest.raises(ApiError, match="days_until_due"):
        subscribe(db, who, price(db), collection_method="send_invoice")
    sound(db)


def test_discounts_for_once_some_months_and_ever(db: Db) -> None:
    clock, who = on_clock(db)
    once = coupons.create(db, {"percent_off": "50", "duration": "once"})
    months = coupons.create(
        db, {"amount_off": 100, "currency": "usd", "duration": "repeating", "duration_in_months": 2}
    )
    subscribe(db, who, price(db), discounts=[{"coupon": once["id"]}, {"coupon": months["id"]}])
    go(db, clock, START + 95 * DAY)
    assert [i["total"] for i in bills(db, who)] == [400, 900, 1000, 1000]
    sound(db)


def test_usage_is_billed_at_the_end_of_the_period(db: Db) -> None:
    clock, who = on_clock(db)
    about = {"display_name": "Calls", "event_name": "call", "default_aggregation": {"formula": "sum"}}
    meter = usage.create(db, about)
    metered = price(db, 5, recurring={"usage_type": "metered", "meter": meter["id"]})
    subscriptions.create(db, {"customer": who["id"], "items": [{"price": metered}]})
    for n in (3, 4):
        event = {
            "event_name": "call",
            "identifier": f"e{n}",
            "payload": {"stripe_customer_id": who["id"], "value": str(n * 10)},
        }
        usage.record(db, event)
        with pytest.raises(ApiError, match="already exists"):
            usage.record(db, event)
    go(db, clock, START + 29 * DAY)
    assert [i["total"] for i in bills(db, who)] == [0, 350]
    sound(db)


def test_what_subscriptions_refuse(db: Db) -> None:
    who = somebody(db)
    monthly, yearly, once = price(db), price(db, interval="year"), price(db, interval=None)
    for wrong in ([monthly, yearly], [monthly, monthly], [once], []):
        with pytest.raises(ApiError):
            subscribe(db, who, *wrong)
    made = subscribe(db, who, monthly)
    for params in (
        {"items": [{"id": "si_nobody"}]}, {"trial_end": 5}, {"proration_date": 5, "items": []},
        {"items": [{"id": subscriptions.items_of(made)[0]["id"], "deleted": True}]}, {"cancel_at": 5},
        {"default_payment_method": "pm_card_visa"}, {"automatic_tax": {"enabled": True}},
    ):  # fmt: skip
        with pytest.raises(ApiError):
            changing.edit(db, made["id"], params)
    ending.cancel(db, made["id"], {})
    with pytest.raises(ApiError, match="canceled subscription"):
        changing.edit(db, made["id"], {"items": []})
    with pytest.raises(ApiError):
        ending.cancel(db, made["id"], {})
