"""Razorpay's own client against `payment`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import razorpay
from razorpay.errors import BadRequestError, SignatureVerificationError

CARD = {"number": "4242424242424242", "expiry_month": 12, "expiry_year": 35, "cvv": "123", "name": "Amira"}


def test_orders_payments_and_refunds(serve: Callable[..., Any]) -> None:
    server = serve("payment", "--log-format", "none")
    client = razorpay.Client(auth=("rzp_test_abc", "secret"), base_url=server.url + "/razorpay")
    order = client.order.create({"amount": 50_000, "currency": "INR", "receipt": "r-1", "notes": {"a": "b"}})
    assert (order["entity"], order["status"], order["amount_due"]) == ("order", "created", 50_000)
    about = {
        "amount": 50_000,
        "currency": "INR",
        "order_id": order["id"],
        "email": "a@b.c",
        "contact": "+919000090000",
        "method": "card",
    }
    with pytest.raises(BadRequestError, match="Your card was declined"):
        client.payment.createPaymentJson(about | {"card": CARD | {"number": "4000000000000002"}})
    with pytest.raises(BadRequestError, match="different from your order amount"):
        client.payment.createPaymentJson(about | {"amount": 10_000, "card": CARD})
    proof = client.payment.createPaymentJson(about | {"card": CARD})
    assert client.utility.verify_payment_signature(proof)
    with pytest.raises(SignatureVerificationError):
        client.utility.verify_payment_signature(proof | {"razorpay_order_id": "order_other"})
    id = proof["razorpay_payment_id"]
    paid = client.payment.fetch(id)
    assert (paid["status"], paid["captured"], paid["card"]["network"], paid["card"]["last4"]) == (
        "authorized",
        False,
        "Visa",
        "4242",
    )
    with pytest.raises(BadRequestError, match="equal to the amount authorized"):
        client.payment.capture(id, 40_000, {"currency": "INR"})
    captured = client.payment.capture(id, 50_000, {"currency": "INR"})
    assert (captured["status"], captured["fee"]) == ("captured", 1480)
    with pytest.raises(BadRequestError, match="already been captured"):
        client.payment.capture(id, 50_000, {"currency": "INR"})
    assert client.order.fetch(order["id"])["status"] == "paid"
    with pytest.raises(BadRequestError, match="already done"):
        client.payment.createPaymentJson(about | {"card": CARD})
    assert [p["status"] for p in client.order.payments(order["id"])["items"]] == ["captured", "failed"]
    refund = client.payment.refund(id, {"amount": 20_000, "notes": {"why": "late"}})
    assert (refund["entity"], refund["status"], refund["amount"]) == ("refund", "processed", 20_000)
    with pytest.raises(BadRequestError, match="greater than amount captured"):
        client.payment.refund(id, {"amount": 40_000})
    client.payment.refund(id, {})
    assert (client.payment.fetch(id)["status"], client.payment.fetch(id)["refund_status"]) == (
        "refunded",
        "full",
    )
    assert client.refund.fetch(refund["id"])["notes"] == {"why": "late"}
    assert client.payment.fetch_multiple_refund(id)["count"] == 2
    assert client.order.all({"receipt": "r-1"})["count"] == 1
    with pytest.raises(BadRequestError, match="does not exist"):
        client.order.fetch("order_none")
    with pytest.raises(BadRequestError, match="Authentication failed"):
        razorpay.Client(auth=("nobody", "x"), base_url=server.url + "/razorpay").order.all()
    assert httpx.get(server.url + "/_check").json()["ok"]


def test_the_bank_asks_first(serve: Callable[..., Any]) -> None:
    server = serve("payment", "--log-format", "none")
    client = razorpay.Client(auth=("rzp_test_abc", "secret"), base_url=server.url + "/razorpay")
    order = client.order.create({"amount": 50_000, "currency": "INR", "payment_capture": 1})
    about = {
        "amount": 50_000,
        "currency": "INR",
        "order_id": order["id"],
        "card": CARD | {"number": "4000002760003184"},
    }
    asked = client.payment.createPaymentJson(about)
    page = httpx.get(asked["next"][0]["url"]).headers["location"]
    back = httpx.post(page, data={"result": "complete"})
    assert back.status_code == 303
    done = httpx.get(back.headers["location"]).json()
    assert (done["status"], done["razorpay_order_id"]) == ("captured", order["id"])
    assert client.order.fetch(order["id"])["amount_due"] == 0
