"""The plain API: from sign-up to a parcel, and who works here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backendhub.kit import accounts
from backendhub.kit.hub import Hub
from backendhub.systems.shop import demo
from backendhub.systems.shop.service import fulfilment, prices

PASSWORD = "correct horse battery staple"
HOME = {"address1": "18 Juniper St", "city": "Portland", "countryCode": "us", "province": "OR"}


@pytest.fixture
def http(sample: Hub, client: Callable[..., Any], frozen: Callable[[str], None]) -> Any:
    return client("shop")


def signed_up(http: Any, email: str) -> dict[str, str]:
    answer = http.post("/api/sign-up", json={"email": email, "password": PASSWORD, "firstName": "Maya"})
    assert answer.status_code == 201
    return {"authorization": f"Bearer {answer.json()['token']}"}


@pytest.fixture
def maya(http: Any) -> dict[str, str]:
    return signed_up(http, "maya.new@mail.example")


@pytest.fixture
def clerk(http: Any, hub: Hub) -> dict[str, str]:
    header = signed_up(http, "clerk@mail.example")

    def promote(db: Any) -> None:
        user = accounts.by_email(db, "clerk@mail.example")
        assert user is not None
        accounts.edit(db, user.id, roles=["staff"])

    hub.unit(promote)
    return header


def variant(http: Any, handle: str) -> Any:
    return http.get(f"/api/products/{handle}").json()["variants"][0]


def test_from_sign_up_to_the_parcel(http: Any, hub: Hub, maya: dict[str, str]) -> None:
    assert http.get("/api/cart", headers=maya).status_code == 404
    found = http.get("/api/products", params={"q": "mug", "country": "us"}).json()
    line = {"variantId": found[0]["variants"][0]["id"], "quantity": 2}
    cart = http.post("/api/cart/lines", json=line, headers=maya).json()
    assert (cart["subtotal"], cart["currency"]) == ("48.00", "USD")
    said = {"address": HOME, "codes": ["WELCOME10"], "shippingOptionId": cart["offers"][0]["id"]}
    cart = http.patch("/api/cart", json=said, headers=maya).json()
    assert (cart["discount"], cart["total"]) == ("4.80", "49.20")
    key = maya | {"idempotency-key": "till-1"}
    first = http.post("/api/checkout", headers=key)
    again = http.post("/api/checkout", headers=key)
    assert (first.status_code, again.json(), again.headers["idempotent-replayed"]) == (
        201,
        first.json(),
        "true",
    )
    order = first.json()
    assert (order["total"], order["fulfillment"]) == ("49.20", "not_fulfilled")
    label = {"tracking_number": "1Z7"}
    hub.unit(lambda db: fulfilment.ship(db, order["id"], fulfilment.pack(db, order["id"]).id, [label]))
    seen = http.get("/api/orders", headers=maya).json()[0]
    assert (seen["fulfillment"], seen["parcels"][0]["tracking"]) == ("shipped", [label])
    other = signed_up(http, "eve@mail.example")
    assert http.get(f"/api/orders/{order['id']}", headers=other).status_code == 404
    assert http.post(f"/api/orders/{order['id']}/cancel", headers=maya).status_code == 409
    assert http.post("/api/checkout", headers=maya).json()["detail"] == "The cart is empty."
    assert http.get("/_check").json()["ok"] is True


def test_lines_are_changed_and_taken_out(http: Any, maya: dict[str, str]) -> None:
    line = {"variantId": variant(http, "oak-board")["id"]}
    id = http.post("/api/cart/lines", json=line, headers=maya).json()["lines"][0]["id"]
    cart = http.patch(f"/api/cart/lines/{id}", json={"quantity": 3}, headers=maya).json()
    assert cart["lines"][0]["total"] == "207.00"
    much = http.patch(f"/api/cart/lines/{id}", json={"quantity": 31}, headers=maya)
    assert (much.status_code, much.json()["detail"]) == (
        409,
        "Insufficient stock: Medium: 31 wanted, 29 left.",
    )
    assert http.patch(f"/api/cart/lines/{id}", json={"quantity": -1}, headers=maya).status_code == 422
    assert http.delete(f"/api/cart/lines/{id}", headers=maya).json()["lines"] == []
    assert http.post("/api/cart/lines", json=line).status_code == 401
    assert (
        http.post("/api/login", json={"email": "maya.new@mail.example", "password": "wrong"}).status_code
        == 401
    )


def test_a_changed_price_is_said_and_then_taken(http: Any, hub: Hub, maya: dict[str, str]) -> None:
    line = {"variantId": variant(http, "oak-board")["id"]}
    http.post("/api/cart/lines?country=us", json=line, headers=maya)
    cart = http.patch("/api/cart", json={"address": HOME}, headers=maya).json()
    http.patch("/api/cart", json={"shippingOptionId": cart["offers"][0]["id"]}, headers=maya)
    hub.unit(prices.put, line["variantId"], currency_code="USD", amount=7100)
    refused = http.post("/api/checkout", headers=maya)
    assert (refused.status_code, refused.json()["code"]) == (409, "cart_changed")
    assert http.get("/api/cart", headers=maya).json()["warnings"] == [refused.json()["detail"]]
    taken = http.post("/api/cart/accept", headers=maya).json()
    assert (taken["warnings"], taken["subtotal"]) == ([], "71.00")
    assert http.post("/api/checkout", headers=maya).json()["total"] == "77.00"


def test_who_works_here_keeps_products_prices_and_stock(
    http: Any, maya: dict[str, str], clerk: dict[str, str]
) -> None:
    new = {"title": "Brass hook", "price": "12.50", "currency": "usd", "stock": 4, "sku": "HOOK"}
    assert http.post("/api/products", json=new, headers=maya).status_code == 403
    made = http.post("/api/products", json=new, headers=clerk)
    assert made.status_code == 201
    id, piece = made.json()["id"], made.json()["variants"][0]
    assert (piece["price"], piece["left"]) == ("12.50", 4)
    path = f"/api/variants/{piece['id']}"
    changed = http.put(path + "/price", json={"price": "9.90", "currency": "USD"}, headers=clerk).json()
    assert changed["variants"][0]["price"] == "9.90"
    assert (
        http.put(path + "/price", json={"price": "9.999", "currency": "USD"}, headers=clerk).status_code
        == 422
    )
    assert http.put(path + "/stock", json={"quantity": 7}, headers=clerk).json()[0]["free"] == 7
    assert http.put(path + "/stock", json={"quantity": -7}, headers=clerk).status_code == 422
    kept = {"inventory_item_id": "seat-1-of-another-system", "location_id": "x", "quantity": 1}
    assert http.post("/admin/reservations", json=kept, headers=clerk).status_code == 404
    hidden = http.patch(f"/api/products/{id}", json={"published": False}, headers=clerk)
    assert hidden.json()["status"] == "draft"
    assert http.get("/api/products/brass-hook").status_code == 404


def test_guessing_is_counted_on_every_way_in(http: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Together: an address that guesses here and there guesses once. Nothing is hashed for a try that is refused."""
    monkeypatch.setenv("BACKENDHUB_ACCOUNTS_TRIES", "1")
    who = {"email": "maya@mail.example", "password": "wrong"}
    ways: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "in": [
            ("/api/login", {"json": who}),
            ("/auth/customer/emailpass", {"json": who}),
            ("/auth/user/emailpass", {"json": who}),
            ("/shop/sign-in", {"data": who}),
        ],
        "up": [
            ("/api/sign-up", {"json": who | {"password": PASSWORD}}),
            ("/auth/customer/emailpass/register", {"json": who | {"password": PASSWORD}}),
            ("/shop/sign-in", {"data": who | {"password": PASSWORD, "what": "up"}}),
        ],
    }
    for paths in ways.values():
        answers = [http.post(path, **body) for path, body in paths]
        assert answers[0].status_code in (201, 401)
        assert [a.status_code for a in answers[1:]] == [429] * (len(paths) - 1)
        assert all(int(a.headers["retry-after"]) > 0 for a in answers[1:])


def test_a_shop_that_takes_no_sign_ups(http: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKENDHUB_ACCOUNTS_SIGNUP", "closed")
    who = {"email": "eve@mail.example", "password": PASSWORD}
    assert http.post("/api/sign-up", json=who).status_code == 403
    assert http.post("/auth/customer/emailpass/register", json=who).status_code == 403
    assert http.post("/shop/sign-in", data=who | {"what": "up"}).status_code == 403


def test_a_cart_of_somebody_who_has_signed_out_is_nobodys(http: Any, hub: Hub, maya: dict[str, str]) -> None:
    """On a browser that others use too: its cookie alone shows neither the cart nor the address in it."""
    line = {"variantId": variant(http, "oak-board")["id"]}
    http.post("/api/cart/lines?country=us", json=line, headers=maya)
    http.patch("/api/cart", json={"address": HOME}, headers=maya)
    cart = hub.read(lambda db: db.value("SELECT max(id) FROM shop_cart WHERE state = 'open'"))
    cookie = {"cookie": f"shop_cart={cart}"}
    assert "18 Juniper St" in http.get("/shop/checkout", headers=cookie | maya).text
    for headers in (cookie, cookie | signed_up(http, "eve@mail.example")):
        assert "18 Juniper St" not in http.get("/shop/checkout", headers=headers).text
        assert "nothing in it yet" in http.get("/shop/cart", headers=headers).text
    key = {"x-publishable-api-key": demo.KEY}
    assert http.get(f"/store/carts/{cart}", headers=key).status_code == 404
    assert http.get(f"/store/carts/{cart}", headers=key | maya).status_code == 200
