"""Files, tax ids, keys and tokens of front ends, and the ids of Stripe's own examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backendhub.kit import hub as hubs


def test_files(api: Any) -> None:
    png = b"\x89PNG\r\n\x1a\n" + b"x" * 100
    made = api.post("/v1/files", data={"purpose": "dispute_evidence"}, files={"file": ("a.png", png)})
    assert made.status_code == 200, made.text
    file = made.json()
    assert (file["type"], file["size"], file["filename"], file["purpose"]) == (
        "png",
        108,
        "a.png",
        "dispute_evidence",
    )
    assert api.get(f"/v1/files/{file['id']}/contents").content == png
    assert api.get("/v1/files", params={"purpose": "dispute_evidence"}).json()["data"] == [file]
    for data, files in (
        ({"purpose": "x"}, {"file": b"x"}),
        ({}, {"file": b"x"}),
        ({"purpose": "dispute_evidence"}, {"file": b""}),
    ):
        assert api.post("/v1/files", data=data, files=files).status_code == 400
    assert api.get("/v1/files/file_none").status_code == 404


def test_tax_ids_of_the_account_and_of_customers(api: Any) -> None:
    own = api.post("/v1/tax_ids", data={"type": "eu_vat", "value": "DE123456789"}).json()
    assert own["owner"]["type"] == "self" and own["country"] == "EU"
    customer = api.post("/v1/customers", data={"name": "A"}).json()["id"]
    about = {"type": "gb_vat", "value": "GB1", "owner[type]": "customer", "owner[customer]": customer}
    his = api.post("/v1/tax_ids", data=about).json()
    assert api.get(f"/v1/customers/{customer}/tax_ids").json()["data"] == [his]
    found = api.get("/v1/tax_ids", params={"owner[type]": "customer", "owner[customer]": customer}).json()
    assert [t["id"] for t in found["data"]] == [his["id"]]
    assert api.delete(f"/v1/tax_ids/{own['id']}").json()["deleted"]
    assert (
        api.post("/v1/tax_ids", data={"type": "gb_vat", "value": "1", "owner[type]": "customer"}).status_code
        == 400
    )


def test_what_front_ends_use(api: Any) -> None:
    customer = api.post("/v1/customers", data={"name": "A"}).json()["id"]
    key = api.post("/v1/ephemeral_keys", data={"customer": customer}).json()
    assert (
        key["secret"].startswith("ek_test_")
        and "secret" not in api.delete(f"/v1/ephemeral_keys/{key['id']}").json()
    )
    token = api.post("/v1/test_helpers/confirmation_tokens", data={"payment_method": "pm_card_visa"}).json()
    assert api.get(f"/v1/confirmation_tokens/{token['id']}").json() == token
    paid = {"amount": 700, "currency": "usd", "confirm": "true", "confirmation_token": token["id"]}
    assert api.post("/v1/payment_intents", data=paid).json()["status"] == "succeeded"
    assert api.get("/v1/account").json()["object"] == "account"


@pytest.fixture
def examples(api: Any, hub: hubs.Hub) -> Any:
    hub.settings.flags["payment.fixtures"] = "stripe"
    return api


def test_the_ids_of_examples_name_things_only_where_that_is_asked_for(api: Any) -> None:
    assert api.get("/v1/customers/cus_123").status_code == 404


@pytest.mark.parametrize(
    ("verb", "path", "data"),
    [
        ("get", "/v1/customers/cus_123", {}),
        ("post", "/v1/customers/cus_123", {"name": "A"}),
        ("delete", "/v1/customers/cus_xxxxxxxxxxxxx", {}),
        ("post", "/v1/payment_intents/pi_xxxxxxxxxxxxx/capture", {}),
        ("post", "/v1/payment_intents/pi_xxxxxxxxxxxxx/confirm", {"payment_method": "pm_card_visa"}),
        ("post", "/v1/payment_intents/pi_xxxxxxxxxxxxx/cancel", {}),
        ("post", "/v1/refunds", {"charge": "ch_xxxxxxxxxxxxx"}),
        ("post", "/v1/charges/ch_123/capture", {}),
        ("post", "/v1/disputes/dp_xxxxxxxxxxxxx/close", {}),
        ("post", "/v1/payment_methods/pm_123/attach", {"customer": "cus_123"}),
        ("post", "/v1/payment_methods/pm_123/detach", {}),
        ("delete", "/v1/webhook_endpoints/we_123", {}),
        ("post", "/v1/payouts/po_xxxxxxxxxxxxx/cancel", {}),
        ("get", "/v1/balance_transactions/txn_123", {}),
        ("post", "/v1/credit_notes", {"invoice": "in_xxxxxxxxxxxxx", "amount": "1000"}),
        ("post", "/v1/credit_notes/cn_123/void", {}),
        ("post", "/v1/invoices/in_123/lines/il_123", {"description": "A"}),
        ("delete", "/v1/subscriptions/sub_xyz/discount", {}),
    ],
)
def test_each_request_finds_them_as_it_needs_them(
    examples: Any, verb: str, path: str, data: dict[str, str]
) -> None:
    ask: Callable[..., Any] = getattr(examples, verb)
    for _ in range(2):  # whatever the request before did to them
        answer = ask(path, data=data) if verb == "post" else ask(path)
        assert answer.status_code == 200, answer.text
    assert examples.get("/v1/customers/cus_real").status_code == 404


def test_a_payment_link_has_something_to_sell(api: Any) -> None:
    refused = api.post("/v1/payment_links", json={"line_items": []})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "line_items")


def test_pages_may_lead_to_the_shop_that_asked_and_nowhere_else(api: Any) -> None:
    about = {
        "amount": 700, "currency": "usd", "confirm": "true", "payment_method": "pm_card_threeDSecure2Required",
        "return_url": "https://shop.example/back",
    }  # fmt: skip
    asked = api.post("/v1/payment_intents", data=about).json()["next_action"]["redirect_to_url"]["url"]
    policy = api.get(asked).headers["content-security-policy"]
    assert "form-action 'self' https://shop.example;" in policy and "script-src" not in policy


@pytest.mark.parametrize("query", ["created:null", 'created~"123"', "-created:null"])
def test_times_are_searched_as_numbers_only(api: Any, query: str) -> None:
    assert api.get("/v1/customers/search", params={"query": query}).status_code == 400


def test_a_search_may_deny_a_time(api: Any) -> None:
    made = api.post("/v1/customers", data={"name": "A"}).json()
    assert api.get("/v1/customers/search", params={"query": f"-created>{made['created']}"}).json()[
        "data"
    ] == [made]
    assert (
        api.get("/v1/customers/search", params={"query": f"-created:{made['created']}"}).json()["data"] == []
    )


def test_an_endless_index_is_no_number(api: Any) -> None:
    key = "items[" + "1" * 5000 + "]"
    assert api.post("/v1/customers", data={key: "x"}).status_code == 400
