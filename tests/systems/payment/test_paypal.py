"""PayPal's Orders v2: the exchange that its documentation shows."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

ORDER: Any = {
    "intent": "CAPTURE",
    "purchase_units": [
        {
            "reference_id": "r1",
            "description": "Mugs",
            "custom_id": "c1",
            "amount": {"currency_code": "USD", "value": "100.00"},
        }
    ],
    "application_context": {
        "return_url": "https://shop.example/back?x=1",
        "cancel_url": "https://shop.example/cancel",
    },
}
CARD = {"number": "4242424242424242", "expiry": "2035-12", "security_code": "123"}


@pytest.fixture
def paypal(api: Any) -> Any:
    basic = {"Authorization": "Basic " + b64encode(b"client:secret").decode()}
    token = api.post(
        "/paypal/v1/oauth2/token", data={"grant_type": "client_credentials"}, headers=basic
    ).json()
    assert "token_type" in token, token
    api.headers["Authorization"] = f"{token['token_type']} {token['access_token']}"
    return api


def issue(reply: Any) -> tuple[int, str]:
    return reply.status_code, reply.json()["details"][0]["issue"]


def approved(paypal: Any, order: Any) -> Any:
    made = paypal.post("/paypal/v2/checkout/orders", json=order).json()
    link = next(each["href"] for each in made["links"] if each["rel"] == "approve")
    assert "Pay" in paypal.get(link).text
    back = paypal.post(link, data={"result": "approve"}, follow_redirects=False)
    assert back.status_code == 303 and back.headers["location"].startswith(
        f"https://shop.example/back?x=1&token={made['id']}&PayerID="
    )
    return made


def test_an_order_is_approved_captured_and_refunded(paypal: Any) -> None:
    made = paypal.post("/paypal/v2/checkout/orders", json=ORDER)
    assert made.status_code == 201 and made.json()["status"] == "CREATED"
    path = f"/paypal/v2/checkout/orders/{made.json()['id']}"
    assert issue(paypal.post(path + "/capture")) == (422, "ORDER_NOT_APPROVED")
    assert issue(paypal.post(path + "/authorize")) == (422, "ACTION_DOES_NOT_MATCH_INTENT")
    path = f"/paypal/v2/checkout/orders/{approved(paypal, ORDER)['id']}"
    assert paypal.get(path).json()["status"] == "APPROVED"
    done = paypal.post(path + "/capture", json={})
    assert done.status_code == 201
    capture = done.json()["purchase_units"][0]["payments"]["captures"][0]
    assert (done.json()["status"], capture["status"], capture["custom_id"]) == (
        "COMPLETED",
        "COMPLETED",
        "c1",
    )
    assert capture["seller_receivable_breakdown"]["paypal_fee"] == {"currency_code": "USD", "value": "3.20"}
    assert issue(paypal.post(path + "/capture")) == (422, "ORDER_ALREADY_CAPTURED")
    here = f"/paypal/v2/payments/captures/{capture['id']}"
    refund = paypal.post(
        here + "/refund", json={"amount": {"currency_code": "USD", "value": "40.00"}, "note_to_payer": "Late"}
    )
    assert refund.status_code == 201 and refund.json()["amount"]["value"] == "40.00"
    assert paypal.get(f"/paypal/v2/payments/refunds/{refund.json()['id']}").json()["note_to_payer"] == "Late"
    assert paypal.get(here).json()["status"] == "PARTIALLY_REFUNDED"
    much = {"amount": {"currency_code": "USD", "value": "60.01"}}
    assert issue(paypal.post(here + "/refund", json=much)) == (422, "REFUND_AMOUNT_EXCEEDED")
    other = {"amount": {"currency_code": "EUR", "value": "1.00"}}
    assert issue(paypal.post(here + "/refund", json=other)) == (422, "CURRENCY_MISMATCH")
    assert paypal.post(here + "/refund", json={}).json()["amount"]["value"] == "60.00"
    assert issue(paypal.post(here + "/refund", json={})) == (422, "CAPTURE_FULLY_REFUNDED")
    assert paypal.get("/_check").json()["ok"]


def test_an_order_is_authorised_and_captured_later(paypal: Any) -> None:
    order = ORDER | {"intent": "AUTHORIZE"}
    for act in ("capture", "void"):
        done = paypal.post(f"/paypal/v2/checkout/orders/{approved(paypal, order)['id']}/authorize").json()
        held = done["purchase_units"][0]["payments"]["authorizations"][0]
        path = f"/paypal/v2/payments/authorizations/{held['id']}"
        assert held["status"] == "CREATED"
        if act == "void":
            assert paypal.post(path + "/void").status_code == 204
            assert paypal.get(path).json()["status"] == "VOIDED"
            assert issue(paypal.post(path + "/void")) == (422, "PREVIOUSLY_VOIDED")
            continue
        much = {"amount": {"currency_code": "USD", "value": "100.01"}}
        assert issue(paypal.post(path + "/capture", json=much)) == (422, "MAX_CAPTURE_AMOUNT_EXCEEDED")
        part = paypal.post(path + "/capture", json={"amount": {"currency_code": "USD", "value": "70.00"}})
        assert part.status_code == 201 and part.json()["status"] == "COMPLETED"
        assert issue(paypal.post(path + "/capture", json={})) == (422, "AUTHORIZATION_ALREADY_CAPTURED")
    assert paypal.get("/_check").json()["ok"]


def test_a_card_pays_at_once(paypal: Any) -> None:
    paid = paypal.post("/paypal/v2/checkout/orders", json=ORDER | {"payment_source": {"card": CARD}})
    assert paid.status_code == 201 and paid.json()["status"] == "COMPLETED"
    bad = ORDER | {"payment_source": {"card": CARD | {"number": "4000000000000002"}}}
    assert issue(paypal.post("/paypal/v2/checkout/orders", json=bad)) == (422, "INSTRUMENT_DECLINED")


def test_what_is_refused(paypal: Any) -> None:
    path = "/paypal/v2/checkout/orders"
    unit = ORDER["purchase_units"][0]
    missing = paypal.post(path, json={"intent": "CAPTURE"})
    assert missing.json()["name"] == "INVALID_REQUEST" and issue(missing) == (
        400,
        "MISSING_REQUIRED_PARAMETER",
    )
    for value, found in (("1.005", "DECIMAL_PRECISION"), ("0.00", "CANNOT_BE_ZERO_OR_NEGATIVE")):
        wrong = ORDER | {"purchase_units": [unit | {"amount": {"currency_code": "USD", "value": value}}]}
        assert issue(paypal.post(path, json=wrong)) == (422, found)
    unknown = paypal.get(path + "/NOBODY")
    assert unknown.json()["name"] == "RESOURCE_NOT_FOUND" and issue(unknown) == (404, "INVALID_RESOURCE_ID")
    refused = paypal.get(path + "/X", headers={"Authorization": "Bearer nobody"})
    assert refused.status_code == 401 and refused.json()["name"] == "AUTHENTICATION_FAILURE"
    assert paypal.post("/paypal/v1/oauth2/token", headers={"Authorization": "Basic x"}).status_code == 401


def test_a_token_is_refused_as_oauth_has_it(api: Any) -> None:
    api.headers.pop("Authorization")
    refused = api.post("/paypal/v1/oauth2/token", data={"grant_type": "client_credentials"})
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
