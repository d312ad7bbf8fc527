"""UCP checkout: the parts of its conformance suite that matter most, and what it does not look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from backendhub.kit.hub import Hub
from backendhub.systems.shop import demo
from backendhub.systems.shop.service import customers, prices

HOME = {
    "id": "home",
    "street_address": "18 Juniper St",
    "address_locality": "Portland",
    "address_country": "US",
}
PAID = {
    "payment_data": {
        "id": "i1",
        "handler_id": "mock_payment_handler",
        "type": "card",
        "credential": {"type": "token", "token": "success_token"},
    }
}


@pytest.fixture
def http(
    sample: Hub,
    client: Callable[..., Any],
    frozen: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    monkeypatch.setenv("BACKENDHUB_SHOP_SIMULATION_SECRET", "sesame")
    return client("shop")


def session(http: Any, item: str = "HARBOUR-MUG-SEA", quantity: int = 1, **more: Any) -> Any:
    body = {
        "currency": "USD",
        "line_items": [{"item": {"id": item}, "quantity": quantity}],
        "fulfillment": {"methods": [{"destinations": [HOME], "selected_destination_id": "home"}]},
        **more,
    }
    return http.post("/checkout-sessions", json=body, headers={"idempotency-key": str(uuid4())})


def chosen(http: Any, made: Any, option: int = 0) -> Any:
    """The checkout with a way to be shipped."""
    group = made["fulfillment"]["methods"][0]["groups"][0]
    lines = [{"id": i["id"], "item": i["item"], "quantity": i["quantity"]} for i in made["line_items"]]
    pick = {"methods": [{"groups": [{"selected_option_id": group["options"][option]["id"]}]}]}
    path = f"/checkout-sessions/{made['id']}"
    return http.put(path, json={"line_items": lines, "fulfillment": pick}).json()


def total(made: Any, type: str = "total") -> int:
    return next((t["amount"] for t in made["totals"] if t["type"] == type), 0)


def test_what_an_agent_finds_out(http: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = http.get("/.well-known/ucp").json()
    assert profile["ucp"]["version"] == "2026-01-11"
    assert {h["id"] for h in profile["payment"]["handlers"]} >= {"mock_payment_handler"}
    monkeypatch.delenv("BACKENDHUB_SHOP_SIMULATION_SECRET")
    assert http.get("/.well-known/ucp").json()["payment"]["handlers"] == []


def test_from_session_to_shipped(http: Any) -> None:
    made = session(http, quantity=2).json()
    assert (made["status"], total(made)) == ("incomplete", 4800)
    made = chosen(http, made)
    assert (made["status"], total(made, "fulfillment"), total(made)) == ("ready_for_complete", 600, 5400)
    key = {"idempotency-key": "once"}
    path = f"/checkout-sessions/{made['id']}/complete"
    done = http.post(path, json=PAID, headers=key)
    again = http.post(path, json=PAID, headers=key)
    assert (done.status_code, again.json()) == (200, done.json())
    assert http.post(path, json=PAID, headers={"idempotency-key": "twice"}).status_code == 409
    other = {"payment_data": {**PAID["payment_data"], "id": "i2"}}
    assert http.post(path, json=other, headers=key).status_code == 409
    order = done.json()["order"]["id"]
    assert http.post(f"/testing/simulate-shipping/{order}").status_code == 403
    shipped = http.post(f"/testing/simulate-shipping/{order}", headers={"simulation-secret": "sesame"})
    assert shipped.status_code == 200
    seen = http.get(f"/orders/{order}").json()
    assert seen["line_items"][0]["status"] == "fulfilled"
    assert seen["fulfillment"]["events"][0]["type"] == "shipped"
    assert http.get("/_check").json()["ok"] is True


def test_no_credential_is_kept(http: Any) -> None:
    instrument = {"id": "i1", "handler_id": "x", "type": "card", "credential": {"token": "tok_secret"}}
    made = session(http, payment={"instruments": [instrument], "selected_instrument_id": "i1"})
    assert made.json()["payment"]["instruments"][0]["id"] == "i1"
    assert "tok_secret" not in made.text


def test_codes_that_do_not_count_are_said(http: Any) -> None:
    made = session(http, discounts={"codes": ["WELCOME10", "NOSUCH"]}).json()
    assert [a["code"] for a in made["discounts"]["applied"]] == ["WELCOME10"]
    assert [m["content"] for m in made["messages"]] == ["The code NOSUCH cannot be used."]
    assert total(made, "discount") == 240


def test_what_cannot_be_bought(http: Any) -> None:
    for item, quantity, status, words in (
        ("pink-wumpus", 1, 400, "not found"),
        ("LINEN-THROW-SLATE", 1, 400, "Insufficient stock"),
        ("HARBOUR-MUG-SEA", 10_000, 400, "Insufficient stock"),
        ("HARBOUR-MUG-SEA", -1, 422, ""),
    ):
        answer = session(http, item, quantity)
        assert answer.status_code == status and words in answer.json()["detail"], item


def test_a_changed_price_is_a_warning_and_then_a_refusal(http: Any, hub: Hub) -> None:
    made = chosen(http, session(http).json())
    store_variant = hub.read(lambda db: db.value("SELECT id FROM shop_variant WHERE sku = 'HARBOUR-MUG-SEA'"))
    hub.unit(prices.put, store_variant, currency_code="USD", amount=2600)
    path = f"/checkout-sessions/{made['id']}"
    assert "from $24 to $26" in http.get(path).json()["messages"][0]["content"]
    refused = http.post(path + "/complete", json=PAID)
    assert refused.status_code == 409 and "from $24 to $26" in refused.json()["detail"]


def test_an_agent_sees_no_address_book_unless_it_may(
    http: Any, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def known(db: Any) -> None:
        maya = customers.guest(db, "maya@mail.example")
        customers.add_address(db, maya.id, {"address_1": "18 Juniper St", "country_code": "us"})

    hub.unit(known)
    buyer = {"email": "maya@mail.example"}
    asked = {"buyer": buyer, "fulfillment": {"methods": [{"type": "shipping"}]}}
    assert "destinations" not in session(http, **asked).json()["fulfillment"]["methods"][0]
    monkeypatch.setenv("BACKENDHUB_SHOP_UCP_ADDRESS_BOOK", "true")
    method = session(http, **asked).json()["fulfillment"]["methods"][0]
    assert method["destinations"][0]["street_address"] == "18 Juniper St"


def test_what_an_agent_writes_moves_nothing(http: Any) -> None:
    made = chosen(http, session(http).json())
    order = http.post(f"/checkout-sessions/{made['id']}/complete", json=PAID).json()["order"]["id"]
    seen = http.get(f"/orders/{order}").json()
    adjustment = {"id": "a1", "type": "refund", "occurred_at": "2026-01-05T09:00:00Z", "amount": 500}
    seen["adjustments"] = [adjustment | {"status": "completed"}]
    assert http.put(f"/orders/{order}", json=seen).json()["adjustments"][0]["amount"] == 500
    seen["adjustments"] = [adjustment | {"status": "sometime"}]
    assert http.put(f"/orders/{order}", json=seen).status_code == 422
    assert http.get("/_check").json()["ok"] is True


def test_sessions_and_carts_are_apart(http: Any) -> None:
    made = session(http).json()
    key = {"x-publishable-api-key": demo.KEY}
    assert http.get(f"/store/carts/{made['id']}", headers=key).status_code == 404
    cart = http.post("/store/carts", json={}, headers=key).json()["cart"]
    assert http.get(f"/checkout-sessions/{cart['id']}").status_code == 404
    old = {"ucp-agent": 'profile="https://a.example/p.json"; version="2099-01-01"'}
    assert http.get(f"/checkout-sessions/{made['id']}", headers=old).status_code == 400
    assert http.post(f"/checkout-sessions/{made['id']}/cancel").json()["status"] == "canceled"
    assert http.post(f"/checkout-sessions/{made['id']}/cancel").status_code == 409
