"""Payment intents, setup intents, charges, refunds, disputes and the balance: the rules, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from backendhub.kit import checks, clock, ledger
from backendhub.kit.db import Db
from backendhub.kit.states import IllegalMove, Machine
from backendhub.systems.payment import demo, events, invariants, objects
from backendhub.systems.payment.errors import ApiError, CardError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service import (
    cards,
    charging,
    confirming,
    customers,
    disputing,
    intents,
    methods,
    money,
    payouts,
    refunding,
    setups,
    tokens,
)

MACHINES = [
    intents.INTENTS,
    setups.SETUPS,
    refunding.REFUNDS,
    disputing.DISPUTES,
    payouts.PAYOUTS,
    money.SETTLING,
]
Move = Callable[[str], None]


def pay(db: Db, card: str = "visa", amount: int = 2000, currency: str = "usd", **more: Any) -> Json:
    about = {"amount": amount, "currency": currency, "payment_method": f"pm_card_{card}", "confirm": True}
    return intents.create(db, about | more)


def sound(db: Db) -> bool:
    report = checks.run(db, [*ledger.CHECKS, *invariants.CHECKS], {"book": money.BOOK})
    assert [c for c in report.checks if not c.ok] == []
    return report.ok


def told(db: Db) -> list[str]:
    return [e["type"] for e in reversed(objects.select(db, "event", [], limit=100))]


def charge_of(db: Db, intent: Json) -> Json:
    return objects.get(db, "charge", intent["latest_charge"])


# -- paying ------------------------------------------------------------------------------------------------


def test_a_payment_is_made_charged_and_told(db: Db) -> None:
    intent = pay(db)
    charge = charge_of(db, intent)
    line = objects.get(db, "balance_transaction", charge["balance_transaction"])
    assert (intent["status"], intent["amount_received"], charge["captured"], charge["paid"]) == (
        "succeeded",
        2000,
        True,
        True,
    )
    assert (line["amount"], line["fee"], line["net"], line["status"]) == (2000, 88, 1912, "pending")
    assert told(db) == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]
    assert intent["client_secret"].startswith(intent["id"] + "_secret_")
    assert sound(db)


def test_the_way_of_an_intent(db: Db) -> None:
    intent = intents.create(db, {"amount": 500, "currency": "eur"})
    assert intent["status"] == "requires_payment_method"
    with pytest.raises(ApiError, match="missing a payment method"):
        confirming.confirm(db, intent["id"], {})
    intent = intents.edit(db, intent["id"], {"payment_method": "pm_card_visa", "amount": 700})
    assert (intent["status"], intent["amount"]) == ("requires_confirmation", 700)
    intent = intents.edit(db, intent["id"], {"payment_method": None})
    assert intent["status"] == "requires_payment_method"
    done = confirming.confirm(db, intent["id"], {"payment_method": "pm_card_mastercard"})
    assert (done["status"], done["amount_received"]) == ("succeeded", 700)
    for act, params in (
        (confirming.confirm, {}),
        (intents.capture, {}),
        (intents.cancel, {}),
        (intents.edit, {"amount": 800}),
    ):
        with pytest.raises(ApiError) as caught:
            act(db, intent["id"], params)
        assert caught.value.wire_code == "payment_intent_unexpected_state"
        assert caught.value.more["payment_intent"]["id"] == intent["id"]
    assert intents.edit(db, intent["id"], {"metadata": {"a": "1"}})["metadata"] == {"a": "1"}


@pytest.mark.parametrize(
    ("card", "code", "decline"),
    [
        ("chargeDeclined", "card_declined", "generic_decline"),
        ("visa_chargeDeclined", "card_declined", "generic_decline"),
        ("visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("chargeDeclinedProcessingError", "processing_error", "processing_error"),
        ("visa_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded"),
        ("chargeCustomerFail", "card_declined", "generic_decline"),
        ("radarBlock", "card_declined", "fraudulent"),
    ],
)
def test_cards_that_are_refused(db: Db, card: str, code: str, decline: str) -> None:
    with pytest.raises(CardError) as caught:
        pay(db, card)
    error = caught.value.body()["error"]
    assert (error["type"], error["code"], error["decline_code"]) == ("card_error", code, decline)
    intent = objects.get(db, "payment_intent", error["payment_intent"]["id"])
    assert intent["status"] == "requires_payment_method" and intent["payment_method"] is None
    assert intent["last_payment_error"]["code"] == code
    charge = charge_of(db, intent)
    assert (charge["status"], charge["paid"], charge["failure_code"]) == ("failed", False, code)
    assert charge["outcome"]["type"] == ("blocked" if card == "radarBlock" else "issuer_declined")
    assert told(db)[-2:] == ["charge.failed", "payment_intent.payment_failed"]
    again = confirming.confirm(db, intent["id"], {"payment_method": "pm_card_visa"})
    assert again["status"] == "succeeded" and again["last_payment_error"] is None
    assert sound(db)


@pytest.mark.parametrize(
    ("number", "brand"),
    [("4242424242424242", "visa"), ("5555555555554444", "mastercard"), ("378282246310005", "amex"), ("6011111111111117", "discover"),
     ("3056930009020004", "diners"), ("3566002020360505", "jcb"), ("6200000000000005", "unionpay"), ("2223003122003222", "mastercard")],
)  # fmt: skip
def test_brands(number: str, brand: str) -> None:
    card = cards.checked({"number": number, "exp_month": 12, "exp_year": 2035, "cvc": "123"})
    assert (card["brand"], card["last4"]) == (brand, number[-4:])
    assert number not in str(card)


def test_every_test_card_has_a_sound_number() -> None:
    for word, number in cards.NUMBERS.items():
        card = cards.checked({"number": number, "exp_month": 12, "exp_year": 2035})
        assert card["brand"] != "unknown", word


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ({"number": "4242424242424241"}, "incorrect_number"),
        ({"number": "12"}, "incorrect_number"),
        ({"exp_month": 13}, "invalid_expiry_month"),
        ({"exp_year": 2020}, "invalid_expiry_year"),
        ({"exp_year": 2999}, "invalid_expiry_year"),
        ({"cvc": "12"}, "invalid_cvc"),
    ],
)
def test_cards_that_are_not_even_tried(card: Json, code: str) -> None:
    with pytest.raises(CardError) as caught:
        cards.checked({"number": "4242424242424242", "exp_month": 1, "exp_year": 2035} | card)
    assert caught.value.wire_code == code


def test_a_cvc_that_nobody_gave_is_not_wrong(db: Db) -> None:
    card = {"number": "4000000000000127", "exp_month": 1, "exp_year": 2035}
    about = {"amount": 500, "currency": "usd", "confirm": True}
    done = intents.create(db, about | {"payment_method_data": {"type": "card", "card": card}})
    assert done["status"] == "succeeded"
    with pytest.raises(CardError) as caught:
        intents.create(db, about | {"payment_method_data": {"type": "card", "card": card | {"cvc": "314"}}})
    assert caught.value.wire_code == "incorrect_cvc" and caught.value.param == "cvc"


def test_amounts(db: Db) -> None:
    for amount, currency, code in (
        (49, "usd", "amount_too_small"),
        (29, "gbp", "amount_too_small"),
        (49, "jpy", "amount_too_small"),
        (100_000_000, "usd", "amount_too_large"),
        (1005, "kwd", "amount_invalid"),
        (150, "isk", "amount_invalid"),
    ):
        with pytest.raises(ApiError) as caught:
            intents.create(db, {"amount": amount, "currency": currency})
        assert (caught.value.wire_code, caught.value.param) == (code, "amount")
    yen = pay(db, amount=50, currency="jpy")
    line = objects.get(db, "balance_transaction", charge_of(db, yen)["balance_transaction"])
    assert (line["amount"], line["fee"], line["currency"]) == (50, 1, "jpy")
    crown = pay(db, amount=100_000, currency="isk")  # 1,000 krónur, which the ledger counts as 1,000
    line = objects.get(db, "balance_transaction", charge_of(db, crown)["balance_transaction"])
    assert (line["amount"], line["fee"], line["net"]) == (100_000, 2_900, 97_100)
    assert sound(db)


# -- capture -----------------------------------------------------------------------------------------------


def test_what_is_held_is_captured_once(db: Db) -> None:
    held = pay(db, capture_method="manual")
    assert (held["status"], held["amount_capturable"], held["amount_received"]) == (
        "requires_capture",
        2000,
        0,
    )
    assert not charge_of(db, held)["captured"]
    with pytest.raises(ApiError) as caught:
        intents.capture(db, held["id"], {"amount_to_capture": 2001})
    assert caught.value.param == "amount_to_capture"
    done = intents.capture(db, held["id"], {"amount_to_capture": 1500, "metadata": {"x": "y"}})
    assert (done["status"], done["amount_received"], done["amount_capturable"]) == ("succeeded", 1500, 0)
    assert charge_of(db, done)["amount_captured"] == 1500 and done["metadata"] == {"x": "y"}
    with pytest.raises(ApiError):
        intents.capture(db, held["id"], {})
    with pytest.raises(ApiError, match="greater than unrefunded"):
        refunding.create(db, {"payment_intent": held["id"], "amount": 1501})
    assert sound(db)


def test_more_can_be_held(db: Db) -> None:
    held = pay(db, capture_method="manual")
    more = intents.increment(db, held["id"], {"amount": 2600})
    assert (more["amount"], more["amount_capturable"], charge_of(db, more)["amount"]) == (2600, 2600, 2600)
    with pytest.raises(ApiError, match="higher"):
        intents.increment(db, held["id"], {"amount": 2600})
    assert intents.capture(db, held["id"], {})["amount_received"] == 2600
    with pytest.raises(ApiError):
        intents.increment(db, held["id"], {"amount": 2700})
    assert sound(db)


def test_what_is_held_is_released(db: Db) -> None:
    held = pay(db, capture_method="manual")
    gone = intents.cancel(db, held["id"], {"cancellation_reason": "duplicate"})
    assert (gone["status"], gone["cancellation_reason"], gone["amount_capturable"]) == (
        "canceled",
        "duplicate",
        0,
    )
    assert charge_of(db, gone)["refunded"] and not charge_of(db, gone)["captured"]
    with pytest.raises(ApiError):
        refunding.create(db, {"payment_intent": held["id"]})
    assert sound(db)


def test_what_is_held_too_long_expires(db: Db, frozen: Move) -> None:
    frozen("2026-01-05T09:00:00Z")
    held, kept = pay(db, capture_method="manual"), pay(db)
    frozen("2026-01-12T08:59:59Z")
    assert intents.expire(db) == 0
    frozen("2026-01-12T09:00:00Z")
    assert intents.expire(db) == 1
    gone = objects.get(db, "payment_intent", held["id"])
    assert (gone["status"], gone["cancellation_reason"]) == ("canceled", "automatic")
    assert objects.get(db, "payment_intent", kept["id"])["status"] == "succeeded"
    assert "charge.expired" in told(db)
    assert intents.expire(db) == 0 and sound(db)


# -- authentication ----------------------------------------------------------------------------------------


def test_three_d_secure(db: Db) -> None:
    intent = pay(db, "threeDSecure2Required", return_url="https://shop.example/back")
    assert intent["status"] == "requires_action"
    todo = intent["next_action"]["redirect_to_url"]
    assert todo["return_url"] == "https://shop.example/back" and intent["client_secret"] in todo["url"]
    done = confirming.answered(db, intent["id"], success=True)
    assert (done["status"], done["next_action"]) == ("succeeded", None)
    assert (
        charge_of(db, done)["payment_method_details"]["card"]["three_d_secure"]["result"] == "authenticated"
    )
    with pytest.raises(ApiError):
        confirming.answered(db, intent["id"], success=True)
    failed = confirming.answered(db, pay(db, "authenticationRequired")["id"], success=False)
    assert failed["status"] == "requires_payment_method"
    assert failed["last_payment_error"]["code"] == "payment_intent_authentication_failure"
    poor = pay(db, "authenticationRequiredChargeDeclinedInsufficientFunds")
    poor = confirming.answered(db, poor["id"], success=True)
    assert poor["last_payment_error"]["decline_code"] == "insufficient_funds"
    optional = {"payment_method_options": {"card": {"request_three_d_secure": "any"}}}
    assert pay(db, "threeDSecureOptional")["status"] == "succeeded"
    assert pay(db, "threeDSecureOptional", **optional)["status"] == "requires_action"
    assert pay(db, "visa", **optional)["status"] == "succeeded"
    assert sound(db)


def test_manual_confirmation_after_authentication(db: Db) -> None:
    intent = pay(db, "authenticationRequired", confirmation_method="manual")
    back = confirming.answered(db, intent["id"], success=True)
    assert back["status"] == "requires_confirmation"
    assert told(db)[-1] == "payment_intent.requires_action"


def test_nobody_is_there_to_authenticate(db: Db) -> None:
    customer = customers.create(db, {})["id"]
    for more in ({"off_session": True}, {"error_on_requires_action": True}):
        with pytest.raises(CardError) as caught:
            pay(db, "authenticationRequired", customer=customer, **more)
        assert caught.value.wire_code == "authentication_required"
    assert pay(db, "authenticationRequiredSetupForOffSession", off_session=True)["status"] == "succeeded"
    assert pay(db, "authenticationRequiredSetupForOffSession")["status"] == "requires_action"


def test_a_card_that_was_set_up_needs_no_authentication(db: Db) -> None:
    customer = customers.create(db, {})["id"]
    card = "pm_card_authenticationRequiredOnSetup"
    setup = setups.create(db, {"customer": customer, "payment_method": card, "confirm": True})
    assert setup["status"] == "requires_action"
    done = setups.answered(db, setup["id"], success=True)
    assert done["status"] == "succeeded"
    method = objects.get(db, "payment_method", done["payment_method"])
    assert method["customer"] == customer
    about = {
        "amount": 900,
        "currency": "eur",
        "customer": customer,
        "payment_method": method["id"],
        "confirm": True,
    }
    assert intents.create(db, about | {"off_session": True})["status"] == "succeeded"
    assert pay(db, "authenticationRequiredOnSetup")["status"] == "requires_action"


def test_setup_intents(db: Db) -> None:
    setup = setups.create(db, {"payment_method": "pm_card_visa"})
    assert setup["status"] == "requires_confirmation"
    assert setups.confirm(db, setup["id"], {})["status"] == "succeeded"
    for act in (setups.confirm, setups.cancel, setups.edit):
        with pytest.raises(ApiError) as caught:
            act(db, setup["id"], {})
        assert caught.value.wire_code == "setup_intent_unexpected_state"
    with pytest.raises(CardError) as refused:
        setups.create(db, {"payment_method": "pm_card_chargeDeclined", "confirm": True})
    failed = refused.value.more["setup_intent"]
    assert (
        failed["status"] == "requires_payment_method"
        and failed["last_setup_error"]["code"] == "card_declined"
    )
    fails = setups.create(db, {"payment_method": "pm_card_authenticationRequired", "confirm": True})
    assert (
        setups.answered(db, fails["id"], success=False)["last_setup_error"]["code"]
        == "setup_intent_authentication_failure"
    )
    assert setups.cancel(db, fails["id"], {})["status"] == "canceled"


# -- other ways to pay -------------------------------------------------------------------------------------


def test_debits_take_their_time(db: Db) -> None:
    def debit(number: str) -> Json:
        data = {
            "type": "us_bank_account",
            "us_bank_account": {"account_number": number, "routing_number": "110000000"},
        }
        about = {
            "amount": 2000,
            "currency": "usd",
            "payment_method_types": ["us_bank_account"],
            "confirm": True,
        }
        return intents.create(db, about | {"payment_method_data": data})

    good, bad = debit("000123456789"), debit("000222222227")
    assert methods.named(db, "pm_usBankAccount_noAccount")["us_bank_account"]["last4"] == "1116"
    assert good["status"] == bad["status"] == "processing"
    with pytest.raises(ApiError):
        intents.cancel(db, good["id"], {})
    for intent in (good, bad, good):  # a job that comes twice changes nothing
        confirming.settled(db, intent["id"])
    assert objects.get(db, "payment_intent", good["id"])["status"] == "succeeded"
    failed = objects.get(db, "payment_intent", bad["id"])
    assert (failed["status"], failed["last_payment_error"]["code"]) == (
        "requires_payment_method",
        "insufficient_funds",
    )
    assert "000123456789" not in str(objects.get(db, "payment_method", good["payment_method"]))
    assert sound(db)


def test_other_pages(db: Db) -> None:
    about = {"amount": 2000, "currency": "eur", "payment_method_types": ["ideal"], "confirm": True}
    about["payment_method_data"] = {"type": "ideal"}
    with pytest.raises(ApiError, match="return_url"):
        intents.create(db, about)
    intent = intents.create(db, about | {"return_url": "https://shop.example/"})
    assert confirming.answered(db, intent["id"], success=True)["status"] == "succeeded"
    failed = intents.create(db, about | {"return_url": "https://shop.example/"})
    assert (
        confirming.answered(db, failed["id"], success=False)["last_payment_error"]["code"]
        == "payment_intent_payment_attempt_failed"
    )
    with pytest.raises(ApiError, match="not allowed for this PaymentIntent"):
        intents.create(db, about | {"payment_method_types": ["card"]})


def test_payment_methods_belong_to_one_customer(db: Db) -> None:
    one, two = (customers.create(db, {})["id"] for _ in range(2))
    method = methods.attach(db, "pm_card_visa", {"customer": one})
    assert method["customer"] == one
    with pytest.raises(ApiError, match="already been attached"):
        methods.attach(db, method["id"], {"customer": two})
    for customer in (two, None):
        about = {"amount": 500, "currency": "eur", "payment_method": method["id"], "confirm": True}
        with pytest.raises(ApiError) as caught:
            intents.create(db, about | {"customer": customer})
        assert caught.value.param == "payment_method"
    with pytest.raises(CardError):
        methods.attach(db, "pm_card_chargeDeclined", {"customer": one})
    assert methods.attach(db, "pm_card_chargeCustomerFail", {"customer": one})["customer"] == one
    assert methods.detach(db, method["id"], {})["customer"] is None
    with pytest.raises(ApiError):
        methods.detach(db, method["id"], {})
    saved = pay(db, customer=one, setup_future_usage="off_session")
    assert objects.get(db, "payment_method", saved["payment_method"])["customer"] == one


def test_the_older_way(db: Db) -> None:
    token = tokens.create_token(
        db, {"card": {"number": "4242424242424242", "exp_month": 5, "exp_year": 2035, "cvc": "314"}}
    )
    customer = customers.create(db, {})["id"]
    card = tokens.add_card(db, customer, {"source": token["id"]})
    assert (card["brand"], card["customer"]) == ("Visa", customer)
    with pytest.raises(ApiError, match="more than once"):
        tokens.add_card(db, customer, {"source": token["id"]})
    charge = tokens.charge(db, {"amount": 800, "currency": "usd", "customer": customer, "capture": False})
    assert not charge["captured"] and charge["source"]["id"] == card["id"]
    assert tokens.capture(db, charge["id"], {"amount": 700})["amount_captured"] == 700
    with pytest.raises(CardError):
        tokens.charge(db, {"amount": 800, "currency": "usd", "source": "tok_chargeDeclined"})
    assert tokens.delete_card(db, customer, card["id"], {})["deleted"]
    assert objects.get(db, "customer", customer)["default_source"] is None
    assert sound(db)


# -- refunds and disputes ----------------------------------------------------------------------------------


def test_refunds(db: Db) -> None:
    intent = pay(db)
    first = refunding.create(db, {"payment_intent": intent["id"], "amount": 500, "reason": "duplicate"})
    assert (first["status"], first["reason"]) == ("succeeded", "duplicate")
    assert charge_of(db, intent)["amount_refunded"] == 500 and not charge_of(db, intent)["refunded"]
    with pytest.raises(ApiError, match="greater than unrefunded"):
        refunding.create(db, {"payment_intent": intent["id"], "amount": 1501})
    refunding.create(db, {"charge": intent["latest_charge"]})
    assert charge_of(db, intent)["refunded"]
    with pytest.raises(ApiError) as caught:
        refunding.create(db, {"payment_intent": intent["id"]})
    assert caught.value.wire_code == "charge_already_refunded"
    assert charging.refunds_of(db, charge_of(db, intent))["data"][0]["amount"] == 1500
    assert money.balance_of(db, "network", "USD") == 0
    for params in (
        {},
        {"charge": "ch_none"},
        {"payment_intent": intents.create(db, {"amount": 500, "currency": "usd"})["id"]},
    ):
        with pytest.raises(ApiError):
            refunding.create(db, params)
    assert sound(db)


def test_refunds_that_wait_and_fail(db: Db) -> None:
    slow, bad = pay(db, "pendingRefund"), pay(db, "refundFail")
    waiting = refunding.create(db, {"payment_intent": slow["id"]})
    assert waiting["status"] == "pending"
    refunding.settled(db, waiting["id"])
    assert objects.get(db, "refund", waiting["id"])["status"] == "succeeded"
    refund = refunding.create(db, {"payment_intent": bad["id"], "amount": 600})
    assert refund["status"] == "succeeded"
    for _ in range(2):
        failed = refunding.fail(db, refund["id"], reason="expired_or_canceled_card")
    assert (failed["status"], failed["failure_reason"]) == ("failed", "expired_or_canceled_card")
    assert charge_of(db, bad)["amount_refunded"] == 0 and "refund.failed" in told(db)
    assert sound(db)
    another = refunding.create(db, {"payment_intent": pay(db, "pendingRefund")["id"], "amount": 300})
    assert refunding.cancel(db, another["id"], {})["status"] == "canceled"
    with pytest.raises(ApiError):
        refunding.cancel(db, another["id"], {})
    assert sound(db)


def test_a_dispute_that_is_won(db: Db) -> None:
    intent = pay(db, "createDispute")
    dispute = objects.where(db, "dispute", charge=intent["latest_charge"])[0]
    assert (dispute["status"], dispute["reason"], dispute["amount"]) == ("needs_response", "fraudulent", 2000)
    assert money.balance_of(db, "available", "USD") == -3500
    with pytest.raises(ApiError) as caught:
        refunding.create(db, {"payment_intent": intent["id"]})
    assert caught.value.wire_code == "charge_disputed"
    draft = disputing.edit(db, dispute["id"], {"evidence": {"product_description": "Mugs"}, "submit": False})
    assert (draft["status"], draft["evidence_details"]["has_evidence"]) == ("needs_response", True)
    won = disputing.edit(db, dispute["id"], {"evidence": {"uncategorized_text": "winning_evidence"}})
    assert won["status"] == "won" and [t["amount"] for t in won["balance_transactions"]] == [-2000, 2000]
    assert money.balance_of(db, "available", "USD") == 0  # the fee came back too
    with pytest.raises(ApiError):
        disputing.close(db, dispute["id"], {})
    with pytest.raises(ApiError):
        disputing.edit(db, dispute["id"], {"evidence": {"product_description": "x"}})
    assert refunding.create(db, {"payment_intent": intent["id"]})["status"] == "succeeded"
    assert sound(db)


def test_disputes_that_are_lost(db: Db, frozen: Move) -> None:
    frozen("2026-01-05T09:00:00Z")
    ids = {}
    for card in (
        "createDispute",
        "createDisputeProductNotReceived",
        "createDisputeInquiry",
        "createMultipleDisputes",
    ):
        ids[card] = [d["id"] for d in objects.where(db, "dispute", charge=pay(db, card)["latest_charge"])]
    assert len(ids["createMultipleDisputes"]) == 2
    assert disputing.close(db, ids["createDispute"][0], {})["status"] == "lost"
    lost = disputing.edit(
        db, ids["createMultipleDisputes"][0], {"evidence": {"uncategorized_text": "losing_evidence"}}
    )
    assert lost["status"] == "lost"
    review = disputing.edit(db, ids["createDisputeInquiry"][0], {"evidence": {"receipt": "x"}})
    assert review["status"] == "warning_under_review"
    asked = objects.where(db, "dispute", charge=pay(db, "createDisputeInquiry")["latest_charge"])[0]
    assert asked["balance_transactions"] == []
    more = disputing.edit(db, asked["id"], {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}})
    assert (more["status"], more["balance_transactions"][0]["net"]) == ("needs_response", -3500)
    disputing.close(db, asked["id"], {})
    frozen((clock.now() + timedelta(days=10)).isoformat())
    assert disputing.overdue(db) == 2
    assert objects.get(db, "dispute", ids["createDisputeProductNotReceived"][0])["status"] == "lost"
    warned = pay(db, "createIssuerFraudRecord")
    assert objects.where(db, "radar.early_fraud_warning", charge=warned["latest_charge"])[0]["actionable"]
    assert sound(db)


# -- the balance -------------------------------------------------------------------------------------------


def test_money_becomes_available_and_is_paid_out(db: Db, frozen: Move) -> None:
    frozen("2026-01-05T09:00:00Z")
    pay(db)
    with pytest.raises(ApiError) as caught, db.savepoint():
        payouts.create(db, {"amount": 100, "currency": "usd"})
    assert caught.value.wire_code == "balance_insufficient"
    frozen("2026-01-07T08:59:59Z")
    assert money.settle(db) == 0
    frozen("2026-01-07T09:00:00Z")
    assert money.settle(db) == 1
    held = money.balance(db, {})
    assert [held[k][0]["amount"] for k in ("available", "pending")] == [1912, 0]
    payout = payouts.create(db, {"amount": 1000, "currency": "usd"})
    assert money.balance(db, {})["available"][0]["amount"] == 912
    assert payouts.arrive(db) == 0
    frozen("2026-01-09T09:00:00Z")
    assert payouts.arrive(db) == 1
    assert objects.get(db, "payout", payout["id"])["status"] == "paid"
    with pytest.raises(ApiError):
        payouts.cancel(db, payout["id"], {})
    assert payouts.reverse(db, payout["id"], {})["status"] == "reversed"
    again = payouts.create(db, {"amount": 1912, "currency": "usd"})
    assert payouts.cancel(db, again["id"], {})["status"] == "canceled"
    assert money.balance(db, {})["available"][0]["amount"] == 1912
    assert sound(db)


def test_every_event_has_its_message(db: Db) -> None:
    from backendhub.kit import outbox

    customer = customers.create(db, {"name": "A"})
    customers.edit(db, customer["id"], {"name": "B"})
    newest = objects.select(db, "event", [], limit=1)[0]
    assert newest["type"] == "customer.updated" and newest["data"]["previous_attributes"] == {"name": "A"}
    message = outbox.get(db, newest["id"])
    assert message.topic == "payment.customer.updated" and message.value == newest
    events.updated(db, "customer.updated", customer, customer)  # nothing changed: nothing is told
    assert objects.select(db, "event", [], limit=1)[0]["id"] == newest["id"]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: m.name)
def test_the_states(machine: Machine) -> None:
    for state, verb, target in machine.pairs():
        if target is None:
            with pytest.raises(IllegalMove):
                machine.target(state, verb)
        else:
            assert machine.target(state, verb) == target


def test_the_sample_is_sound(db: Db) -> None:
    assert demo.load(db) == len(demo.ORDERS)
    assert demo.load(db) == 0
    assert sound(db)
    assert len(objects.select(db, "charge", [("status", ":", "failed")])) == 1
    assert len(objects.select(db, "dispute", [])) == 1
