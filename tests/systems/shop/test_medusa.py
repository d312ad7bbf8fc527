"""Medusa's Store API: a purchase, and what is said when something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backendhub.kit.hub import Hub
from backendhub.systems.shop import demo
from backendhub.systems.shop.service import catalogue, prices

KEY = {"x-publishable-api-key": demo.KEY}
PASSWORD = "correct horse battery staple"


@pytest.fixture
def http(sample: Hub, client: Callable[..., Any], frozen: Callable[[str], None]) -> Any:
    made = client("shop")
    made.headers.update(KEY)
    return made


@pytest.fixture
def region(http: Any) -> str:
    return next(r["id"] for r in http.get("/store/regions").json()["regions"] if r["currency_code"] == "usd")


def variants(http: Any, handle: str, region: str) -> Any:
    rows = http.get("/store/products", params={"handle": handle, "region_id": region}).json()["products"]
    return rows[0]["variants"]


@pytest.fixture
def ready(http: Any, region: str) -> Callable[..., Any]:
    """Makes carts that could be completed."""

    def make(quantity: int = 1, handle: str = "harbour-mug") -> Any:
        body = {
            "region_id": region,
            "email": "guest@mail.example",
            "items": [{"variant_id": variants(http, handle, region)[0]["id"], "quantity": quantity}],
            "shipping_address": {"address_1": "2 Side St", "city": "Salem", "country_code": "us"},
        }
        cart = http.post("/store/carts", json=body).json()["cart"]
        options = http.get("/store/shipping-options", params={"cart_id": cart["id"]}).json()
        option = options["shipping_options"][0]["id"]
        http.post(f"/store/carts/{cart['id']}/shipping-methods", json={"option_id": option})
        pay(http, cart["id"])
        return http.get(f"/store/carts/{cart['id']}").json()["cart"]

    return make


def pay(http: Any, cart_id: str) -> None:
    made = http.post("/store/payment-collections", json={"cart_id": cart_id}).json()["payment_collection"]
    path = f"/store/payment-collections/{made['id']}/payment-sessions"
    assert http.post(path, json={"provider_id": "pp_system_default"}).status_code == 200


def test_a_publishable_key_is_asked_for(client: Callable[..., Any], http: Any) -> None:
    bare = client("shop").get("/store/products")
    assert bare.status_code == 400
    assert "Publishable API key required" in bare.json()["message"]
    wrong = http.get("/store/products", headers={"x-publishable-api-key": "pk_wrong"})
    assert wrong.json() == {
        "type": "invalid_data",
        "message": "A valid publishable key is required to proceed with the request",
    }


def test_lists_are_read_as_qs_writes_them(http: Any) -> None:
    ids = [p["id"] for p in http.get("/store/products?limit=2").json()["products"]]
    for query in (
        f"id={ids[0]}&id={ids[1]}",
        f"id[]={ids[0]}&id[]={ids[1]}",
        f"id[0]={ids[0]}&id[1]={ids[1]}",
    ):
        assert {p["id"] for p in http.get(f"/store/products?{query}").json()["products"]} == set(ids)
    row = http.get("/store/products?fields=id,title&limit=1").json()["products"][0]
    assert set(row) == {"id", "title"}
    page = http.get("/store/products?limit=4&offset=8").json()
    assert (page["count"], len(page["products"]), page["offset"]) == (10, 2, 8)


def test_a_purchase_with_everything_said_in_the_totals(http: Any, ready: Callable[..., Any]) -> None:
    cart = ready(2)
    assert (cart["item_subtotal"], cart["shipping_total"], cart["total"]) == (48, 6, 54)
    done = http.post(f"/store/carts/{cart['id']}/complete").json()
    assert done["type"] == "order"
    order = done["order"]
    assert (order["status"], order["payment_status"], order["total"]) == ("pending", "authorized", 54)
    assert http.get(f"/store/orders/{order['id']}").json()["order"]["items"][0]["quantity"] == 2
    assert http.get("/_check").json()["ok"] is True


def test_a_changed_price_is_an_error_with_the_cart(http: Any, hub: Hub, ready: Callable[..., Any]) -> None:
    cart = ready()
    variant = cart["items"][0]["variant_id"]
    hub.unit(prices.put, variant, currency_code="USD", amount=2600)
    warned = http.get(f"/store/carts/{cart['id']}").json()["cart"]
    assert warned["warnings"][0]["message"] == "The price of Harbour mug (Sea) has changed from $24 to $26."
    assert warned["total"] == cart["total"]  # nothing is changed in silence
    answer = http.post(f"/store/carts/{cart['id']}/complete")
    assert (answer.status_code, answer.json()["type"]) == (200, "cart")
    assert answer.json()["error"]["code"] == "cart_changed"
    assert "from $24 to $26" in answer.json()["error"]["message"]
    assert answer.json()["cart"]["items"][0]["unit_price"] == 26
    pay(http, cart["id"])
    assert http.post(f"/store/carts/{cart['id']}/complete").json()["order"]["total"] == 32


def test_stock_that_is_gone_is_an_error_with_the_cart(http: Any, ready: Callable[..., Any]) -> None:
    first, second = ready(30), ready(30)
    assert http.post(f"/store/carts/{first['id']}/complete").json()["type"] == "order"
    answer = http.post(f"/store/carts/{second['id']}/complete").json()
    assert answer["type"] == "cart"
    assert answer["error"]["type"] == "not_allowed"
    assert answer["error"]["message"] == "Insufficient stock: Sea: 30 wanted, 16 left."
    assert answer["cart"]["completed_at"] is None


def test_parallel_completions_are_one_order(http: Any, ready: Callable[..., Any]) -> None:
    cart = ready()
    with ThreadPoolExecutor(6) as pool:
        path = f"/store/carts/{cart['id']}/complete"
        done = list(pool.map(lambda _: http.post(path).json(), range(6)))
    assert len({d["order"]["id"] for d in done}) == 1


WRONG: list[tuple[str, str, Any, int, str]] = [
    ("GET", "/store/carts/cart_foreign", None, 404, "not_found"),
    ("POST", "/store/carts/cart_foreign/complete", None, 404, "not_found"),
    ("POST", "/store/carts", {"region_id": "reg_unknown"}, 404, "not_found"),
    ("POST", "/store/carts", {"currency_code": "jpy"}, 400, "invalid_data"),
    ("POST", "/store/carts", {"items": [{"variant_id": "x", "quantity": 0}]}, 400, "invalid_data"),
    ("POST", "/store/carts", {"items": [{"variant_id": "x", "quantity": 1}]}, 404, "not_found"),
    ("POST", "/store/carts", {"email": "no address"}, 400, "invalid_data"),
    ("GET", "/store/products/prod_unknown", None, 404, "not_found"),
    ("GET", "/store/customers/me", None, 401, "unauthorized"),
    ("GET", "/store/nothing", None, 404, "not_found"),
    ("DELETE", "/store/regions", None, 405, "unexpected_state"),
    ("GET", "/store/products?limit=x", None, 400, "invalid_data"),
]  # fmt: skip


def test_what_is_wrong_is_told_in_medusas_words(http: Any) -> None:
    for method, path, body, status, kind in WRONG:
        answer = http.request(method, path, json=body)
        assert (answer.status_code, answer.json()["type"]) == (status, kind), (method, path, body)
        assert answer.json()["message"]


def test_carts_and_orders_of_an_account_are_nobody_elses(http: Any, region: str) -> None:
    def token(email: str) -> dict[str, str]:
        body = {"email": email, "password": PASSWORD}
        made = http.post("/auth/customer/emailpass/register", json=body).json()["token"]
        header = {"authorization": f"Bearer {made}"}
        assert http.post("/store/customers", json={"email": email}, headers=header).status_code == 200
        return header

    ada, eve = token("ada@mail.example"), token("eve@mail.example")
    cart = http.post("/store/carts", json={"region_id": region}, headers=ada).json()["cart"]
    path = f"/store/carts/{cart['id']}"
    assert http.get(path, headers=ada).status_code == 200
    for headers in (eve, {}):
        assert http.get(path, headers=headers).status_code == 404
        assert http.post(path, json={"email": "x@y.example"}, headers=headers).status_code == 404
        assert http.post(path + "/complete", headers=headers).status_code == 404
    body = {"email": "mallory@mail.example"}
    assert http.post("/store/customers", json=body, headers=eve).status_code == 400
    assert (
        http.post(
            "/auth/user/emailpass", json={"email": "ada@mail.example", "password": PASSWORD}
        ).status_code
        == 401
    )


def test_drafts_are_not_shown(http: Any, hub: Hub) -> None:
    draft = hub.unit(catalogue.add, title="Secret lamp")
    assert http.get(f"/store/products/{draft.id}").status_code == 404
    assert http.get("/store/products?q=secret").json()["count"] == 0
