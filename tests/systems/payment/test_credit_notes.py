"""Credit notes: never more than the invoice comes to, and every unit of what was paid goes somewhere."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backendhub.kit import checks, ledger
from backendhub.kit.db import Db, Store
from backendhub.systems.payment import invariants, jobs, objects
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import customers, methods, money, refunding
from backendhub.systems.payment.service.billing import (
    coupons,
    crediting,
    finalizing,
    invoices,
    invoicing,
    items,
    paying,
    taxes,
)

assert jobs
MANY = 16


def sound(db: Db) -> None:
    report = checks.run(db, [*ledger.CHECKS, *invariants.CHECKS], {"book": money.BOOK})
    assert [c for c in report.checks if not c.ok] == []


def somebody(db: Db, **more: Any) -> Json:
    made = customers.create(db, {"name": "Ada"} | more)
    method = methods.attach(db, "pm_card_bypassPending", {"customer": made["id"]})
    return customers.edit(db, made["id"], {"invoice_settings": {"default_payment_method": method["id"]}})


def billed(db: Db, *amounts: int, pay: bool = False, who: Json | None = None, **more: Any) -> Json:
    """A finalised invoice."""
    who = who or somebody(db)
    for amount in amounts:
        items.create(db, {"customer": who["id"], "amount": amount, "currency": "usd"})
    about = {"customer": who["id"], "pending_invoice_items_behavior": "include"} | more
    made = finalizing.finalize(db, invoices.create(db, about)["id"], {})
    return paying.pay(db, made["id"], {}) if pay else made


def credit(db: Db, invoice: Json, **more: Any) -> Json:
    return crediting.create(db, {"invoice": invoice["id"]} | more)


@pytest.mark.parametrize("pay", [False, True])
def test_many_at_once_never_credit_more_than_the_invoice(store: Store, pay: bool) -> None:
    store.use("payment")
    invoice = store.unit(billed, 3000, pay=pay)
    how = {"credit_amount": 700} if pay else {}

    def one(n: int) -> str:
        try:
            store.unit(credit, invoice, amount=700, **how)
        except ApiError as error:
            return str(error.wire_code)
        return "fine"

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(one, range(MANY))) == {"fine": 4, "amount_too_large": MANY - 4}
    fresh = store.read(objects.get, "invoice", invoice["id"])
    notes = store.read(objects.where, "credit_note", invoice=invoice["id"])
    assert sum(note["amount"] for note in notes) == 2800
    assert sorted(note["number"] for note in notes) == [f"{fresh['number']}-CN-0{n}" for n in range(1, 5)]
    name = "post_payment_credit_notes_amount" if pay else "pre_payment_credit_notes_amount"
    assert fresh[name] == 2800
    assert fresh["amount_remaining"] == (0 if pay else 200)
    customer = store.read(objects.get, "customer", invoice["customer"])
    assert customer["balance"] == (-2800 if pay else 0)
    store.read(sound)


def test_paying_and_crediting_at_once(store: Store) -> None:
    """What is credited first is not paid any more; what is paid first is not credited without being given back."""
    store.use("payment")
    invoice = store.unit(billed, 3000)

    def one(n: int) -> str:
        try:
            if n % 4 == 1:
                store.unit(paying.pay, invoice["id"], {})
            else:
                store.unit(credit, invoice, amount=400)
        except ApiError:
            return "refused"
        return "fine"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(MANY)))
    fresh = store.read(objects.get, "invoice", invoice["id"])
    notes = store.read(objects.where, "credit_note", invoice=invoice["id"])
    assert fresh["status"] == "paid"
    assert fresh["amount_paid"] + sum(note["amount"] for note in notes) == 3000
    assert store.unit(money.balance_of, "network", "USD") == fresh["amount_paid"]
    store.read(sound)


def test_less_is_due_of_an_open_invoice(db: Db) -> None:
    invoice = billed(db, 3000)
    note = credit(db, invoice, amount=1200, reason="order_change", memo="Came late")
    assert (note["type"], note["pre_payment_amount"], note["post_payment_amount"]) == ("pre_payment", 1200, 0)
    assert (note["status"], note["reason"], note["memo"]) == ("issued", "order_change", "Came late")
    fresh = objects.get(db, "invoice", invoice["id"])
    assert (fresh["amount_due"], fresh["amount_remaining"], fresh["status"]) == (1800, 1800, "open")
    intent = invoicing.intent_of(db, fresh)
    assert intent is not None and intent["amount"] == 1800
    paid = paying.pay(db, invoice["id"], {})
    assert (paid["status"], paid["amount_paid"], paid["total"]) == ("paid", 1800, 3000)
    assert [e["type"] for e in objects.where(db, "event", type="credit_note.created")] == [
        "credit_note.created"
    ]
    sound(db)


def test_all_of_an_open_invoice_ends_it(db: Db) -> None:
    invoice = billed(db, 3000)
    credit(db, invoice, amount=3000)
    fresh = objects.get(db, "invoice", invoice["id"])
    assert (fresh["status"], fresh["amount_paid"], fresh["amount_due"]) == ("paid", 0, 0)
    intent = invoicing.intent_of(db, fresh)
    assert intent is not None and intent["status"] == "canceled"
    sound(db)


def test_what_was_paid_goes_back_three_ways(db: Db) -> None:
    invoice = billed(db, 3000, pay=True)
    note = credit(db, invoice, amount=3000, refund_amount=1000, credit_amount=1500, out_of_band_amount=500)
    assert (note["type"], note["post_payment_amount"], note["out_of_band_amount"]) == (
        "post_payment",
        3000,
        500,
    )
    (given,) = note["refunds"]
    refund = objects.get(db, "refund", given["refund"])
    assert (given["amount_refunded"], refund["amount"], refund["status"]) == (1000, 1000, "succeeded")
    movement = objects.get(db, "customer_balance_transaction", note["customer_balance_transaction"])
    assert (movement["amount"], movement["type"], movement["credit_note"]) == (
        -1500,
        "credit_note",
        note["id"],
    )
    assert objects.get(db, "customer", invoice["customer"])["balance"] == -1500
    assert money.balance_of(db, "network", "USD") == 2000
    sound(db)


def test_the_balance_pays_the_next_invoice(db: Db) -> None:
    who = somebody(db)
    credit(db, billed(db, 3000, pay=True, who=who), amount=1000, credit_amount=1000)
    assert billed(db, 2500, who=who)["amount_due"] == 1500
    sound(db)


@pytest.mark.parametrize(
    "given",
    [{}, {"credit_amount": 999}, {"credit_amount": 600, "refund_amount": 600}, {"refund_amount": 1001}],
)
def test_what_was_paid_is_given_back_exactly(db: Db, given: Json) -> None:
    invoice = billed(db, 3000, pay=True)
    with pytest.raises(ApiError, match="must equal the post payment amount"):
        credit(db, invoice, amount=1000, **given)
    assert objects.where(db, "credit_note") == []


def test_a_refund_that_exists_belongs_to_one_note(db: Db) -> None:
    invoice, other = billed(db, 3000, pay=True), billed(db, 3000, pay=True)
    intent = invoicing.intent_of(db, invoice)
    assert intent is not None
    refund = refunding.create(db, {"payment_intent": intent["id"], "amount": 800})["id"]
    with pytest.raises(ApiError, match="No such refund"):
        credit(db, other, amount=800, refund=refund)
    note = credit(db, invoice, amount=800, refunds=[{"refund": refund}])
    assert note["refunds"] == [{"amount_refunded": 800, "refund": refund, "type": "refund"}]
    with pytest.raises(ApiError, match="belongs to one credit note"):
        credit(db, invoice, amount=800, refund=refund)
    with pytest.raises(ApiError):
        credit(db, invoice, amount=2300, refund_amount=2300)  # more than the charge has left
    assert money.balance_of(db, "network", "USD") == 5200


def test_lines_have_their_share_of_discounts_and_taxes(db: Db) -> None:
    """In parts of any size, all of an invoice is credited to the last unit."""
    half = coupons.create(db, {"percent_off": "33", "duration": "once"})["id"]
    rate = taxes.create(db, {"display_name": "VAT", "inclusive": False, "percentage": "19"})["id"]
    invoice = billed(db, 1001, 777, discounts=[{"coupon": half}], default_tax_rates=[rate])
    first, second = invoice["lines"]["data"]
    parts = [(first, 333), (first, 333), (second, 1), (first, None), (second, 700), (second, None)]
    for line, amount in parts:
        one: Json = {"type": "invoice_line_item", "invoice_line_item": line["id"]}
        note = credit(db, invoice, lines=[one if amount is None else one | {"amount": amount}])
        (shown,) = note["lines"]["data"]
        tax = sum(each["amount"] for each in shown["taxes"])
        assert note["total"] == shown["amount"] - shown["discount_amount"] + tax
        assert sum(d["amount"] for d in shown["discount_amounts"]) == shown["discount_amount"]
    notes = objects.where(db, "credit_note", invoice=invoice["id"])
    assert sum(note["amount"] for note in notes) == invoice["total"]
    assert objects.get(db, "invoice", invoice["id"])["status"] == "paid"
    sound(db)


def test_a_line_is_credited_once(db: Db) -> None:
    invoice = billed(db, 1000, 5000)
    one = {"type": "invoice_line_item", "invoice_line_item": invoice["lines"]["data"][0]["id"]}
    for wanted in ([one | {"amount": 1001}], [one, one | {"amount": 1}], [one | {"quantity": 2}]):
        with pytest.raises(ApiError, match="greater than"):
            credit(db, invoice, lines=wanted)


def test_lines_of_its_own(db: Db) -> None:
    rate = taxes.create(db, {"display_name": "VAT", "inclusive": True, "percentage": "25"})["id"]
    own = {"type": "custom_line_item", "description": "Late", "quantity": 2, "unit_amount_decimal": "50.5"}
    note = credit(db, billed(db, 3000), lines=[own | {"tax_rates": [rate]}])
    assert (note["total"], note["subtotal_excluding_tax"]) == (101, 81)
    with pytest.raises(ApiError, match="not what the lines come to"):
        credit(db, billed(db, 3000), lines=[own], amount=100)


def test_a_void_note_is_due_again(db: Db) -> None:
    invoice = billed(db, 3000)
    note = credit(db, invoice, amount=1200)
    gone = crediting.void(db, note["id"], {})
    assert (gone["status"], gone["voided_at"] is not None) == ("void", True)
    fresh = objects.get(db, "invoice", invoice["id"])
    assert (fresh["amount_due"], fresh["pre_payment_credit_notes_amount"]) == (3000, 0)
    intent = invoicing.intent_of(db, fresh)
    assert intent is not None and intent["amount"] == 3000
    with pytest.raises(ApiError, match="already void"):
        crediting.void(db, note["id"], {})
    credit(db, invoice, amount=3000)  # all of it can be credited again
    assert objects.where(db, "event", type="credit_note.voided")
    sound(db)


def test_a_note_of_a_paid_invoice_stays(db: Db) -> None:
    invoice = billed(db, 3000, pay=True)
    note = credit(db, invoice, amount=100, out_of_band_amount=100)
    with pytest.raises(ApiError, match="open invoice"):
        crediting.void(db, note["id"], {})
    draft = invoices.create(db, {"customer": invoice["customer"]})
    with pytest.raises(ApiError, match="open or a paid invoice"):
        credit(db, draft, amount=100)


def test_over_the_wire(api: Any) -> None:
    """Made, previewed, listed and changed as Stripe's clients do it."""
    customer = api.post("/v1/customers", data={"name": "Ada"}).json()["id"]
    api.post("/v1/invoiceitems", data={"customer": customer, "amount": "3000", "currency": "usd"})
    about = {"customer": customer, "pending_invoice_items_behavior": "include"}
    invoice = api.post("/v1/invoices", data=about).json()["id"]
    api.post(f"/v1/invoices/{invoice}/finalize")
    asked = {"invoice": invoice, "amount": "1000"}
    seen = api.get("/v1/credit_notes/preview", params=asked).json()
    assert (seen["total"], api.get("/v1/credit_notes").json()["data"]) == (1000, [])
    shown = api.get("/v1/credit_notes/preview/lines", params=asked).json()["data"]
    assert [each["type"] for each in shown] == ["custom_line_item"]
    note = api.post("/v1/credit_notes", data=asked, params={"expand[]": "invoice"}).json()
    assert note["invoice"]["amount_due"] == 2000
    assert api.get("/v1/credit_notes", params={"invoice": invoice}).json()["data"][0]["id"] == note["id"]
    assert len(api.get(f"/v1/credit_notes/{note['id']}/lines").json()["data"]) == 1
    assert api.post(f"/v1/credit_notes/{note['id']}", data={"memo": "x"}).json()["memo"] == "x"
    assert api.post(f"/v1/credit_notes/{note['id']}/void").json()["status"] == "void"
    assert api.post("/v1/credit_notes", data={"invoice": invoice}).json()["error"]["param"] == "amount"
    assert api.get("/_check").json()["ok"]
