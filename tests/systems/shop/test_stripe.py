"""Paying through a Stripe wire: a small one of the tests' own, or the one that BACKENDHUB_TEST_STRIPE_URL names."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import httpx
import pytest

from backendhub.kit.errors import Upstream
from backendhub.kit.hub import Hub
from backendhub.kit.jobs.declared import Modules
from backendhub.kit.jobs.worker import Worker
from backendhub.kit.money import Money
from backendhub.systems.shop import demo, gateway
from backendhub.systems.shop.models import TooMuch
from backendhub.systems.shop.service import catalogue, orders, payments, prices, stock

KEY = {"x-publishable-api-key": demo.KEY}
REAL = os.environ.get("BACKENDHUB_TEST_STRIPE_URL", "")


class Wire(BaseHTTPRequestHandler):
    """As much of Stripe as the shop asks for: intents, captures, refunds. Keys are remembered."""

    intents: dict[str, dict[str, Any]]
    kept: dict[str, tuple[int, dict[str, Any]]]

    def log_message(self, *args: Any) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        if "/checkout/sessions/" in self.path:
            return self.answer(200, self.kept["hosted"][1])
        intent = self.intents.get(self.path.rpartition("/")[2])
        self.answer(*((200, intent) if intent else (404, {"error": {"message": "No such payment_intent"}})))

    def do_POST(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers.get("content-length") or 0)).decode()))
        key = self.headers.get("idempotency-key") or str(uuid4())
        if key not in self.kept:
            self.kept[key] = self.act(self.path.strip("/").split("/")[1:], form)
        self.answer(*self.kept[key])

    def act(self, path: list[str], form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if path == ["refunds"]:
            intent = self.intents[form["payment_intent"]]
            if intent["status"] != "succeeded":
                return 400, {"error": {"message": "This PaymentIntent does not have a successful charge."}}
            intent["refunded"] += int(form["amount"])
            return 200, {"id": "re_1", "object": "refund", "amount": int(form["amount"])}
        if path == ["checkout", "sessions"]:  # somebody pays there at once
            _, made = self.act(["payment_intents"], self.hosted(form))
            self.intents[made["id"]]["status"] = "requires_capture"
            about = {"id": "cs_1", "url": "https://pay.example/cs_1", "payment_intent": made["id"]}
            self.kept["hosted"] = 200, about | {"client_reference_id": form["client_reference_id"]}
            return self.kept["hosted"]
        if len(path) == 1:
            id = f"pi_{uuid4().hex}"
            self.intents[id] = {
                "id": id,
                "object": "payment_intent",
                "status": "requires_payment_method",
                "amount": int(form["amount"]),
                "currency": form["currency"],
                "client_secret": f"{id}_secret",
                "capture_method": form["capture_method"],
                "amount_received": 0,
                "refunded": 0,
            }
            return 200, dict(self.intents[id])
        intent = self.intents[path[1]]
        if path[2] == "confirm":
            if form["payment_method"] == "pm_card_chargeDeclined":
                error = {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}
                return 402, {"error": error}
            intent["status"] = "requires_capture"
        elif path[2] == "capture":
            intent |= {"status": "succeeded", "amount_received": int(form["amount_to_capture"])}
        elif path[2] == "cancel":
            intent["status"] = "canceled"
        return 200, dict(intent)

    def hosted(self, form: dict[str, str]) -> dict[str, str]:
        return {
            "amount": form["line_items[0][price_data][unit_amount]"],
            "currency": form["line_items[0][price_data][currency]"],
            "capture_method": form["payment_intent_data[capture_method]"],
        }

    def answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """The gateway, asked as a browser with its secret would."""
    server = None
    url = REAL
    if not url:
        handler = type("Handler", (Wire,), {"intents": {}, "kept": {}})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("BACKENDHUB_SHOP_STRIPE_URL", url)
    monkeypatch.setenv("BACKENDHUB_SHOP_STRIPE_KEY", "sk_test_shop")
    with httpx.Client(base_url=url, headers={"authorization": "Bearer sk_test_shop"}) as client:
        yield client
    if server is not None:
        server.shutdown()
        server.server_close()


@pytest.fixture
def http(wire: Any, sample: Hub, client: Callable[..., Any]) -> Any:
    made = client("shop")
    made.headers.update(KEY)
    return made


def work(hub: Hub) -> None:
    """Runs what waits to be asked of the gateway."""
    asyncio.run(Worker(hub, Modules({"shop": "backendhub.systems.shop.jobs"}), once=True).run())


@pytest.fixture
def started(http: Any) -> Callable[[], tuple[Any, Any]]:
    """A cart whose payment was started: the cart and the session."""

    def make() -> tuple[Any, Any]:
        regions = http.get("/store/regions").json()["regions"]
        region = next(r["id"] for r in regions if r["currency_code"] == "usd")
        rows = http.get("/store/products", params={"handle": "oak-board", "region_id": region}).json()
        body = {
            "region_id": region,
            "email": "guest@mail.example",
            "items": [{"variant_id": rows["products"][0]["variants"][0]["id"], "quantity": 1}],
            "shipping_address": {"address_1": "2 Side St", "city": "Salem", "country_code": "us"},
        }
        cart = http.post("/store/carts", json=body).json()["cart"]
        options = http.get("/store/shipping-options", params={"cart_id": cart["id"]}).json()
        option = {"option_id": options["shipping_options"][0]["id"]}
        http.post(f"/store/carts/{cart['id']}/shipping-methods", json=option)
        begun = http.post("/store/payment-collections", json={"cart_id": cart["id"]}).json()
        path = f"/store/payment-collections/{begun['payment_collection']['id']}/payment-sessions"
        answer = http.post(path, json={"provider_id": "pp_stripe_stripe"})
        assert answer.status_code == 200, answer.text
        session = answer.json()["payment_collection"]["payment_sessions"][0]
        return http.get(f"/store/carts/{cart['id']}").json()["cart"], session

    return make


def pay(wire: httpx.Client, session: Any, method: str = "pm_card_visa") -> httpx.Response:
    """What Stripe.js does in the browser."""
    return wire.post(f"/v1/payment_intents/{session['data']['id']}/confirm", data={"payment_method": method})


def intent(wire: httpx.Client, session: Any) -> Any:
    return wire.get(f"/v1/payment_intents/{session['data']['id']}").json()


def test_authorized_ordered_captured_refunded(
    http: Any, hub: Hub, wire: httpx.Client, started: Callable[[], tuple[Any, Any]]
) -> None:
    providers = http.get("/store/payment-providers").json()["payment_providers"]
    assert [p["id"] for p in providers] == ["pp_system_default", "pp_stripe_stripe"]
    cart, session = started()
    assert session["data"]["client_secret"] and session["amount"] == cart["total"] == 75
    early = http.post(f"/store/carts/{cart['id']}/complete").json()
    assert (early["type"], early["error"]["code"]) == ("cart", "payment_failed")
    assert pay(wire, session).status_code == 200
    done = http.post(f"/store/carts/{cart['id']}/complete").json()
    assert (done["type"], done["order"]["payment_status"]) == ("order", "authorized")
    assert intent(wire, session)["status"] == "requires_capture"  # no money moves before there is an order
    order = hub.read(orders.get, done["order"]["id"])
    payment = hub.read(orders.full, order).payments[0]
    hub.unit(payments.capture, payment.id, 7000)
    work(hub)
    assert intent(wire, session)["status"] == "succeeded"
    with pytest.raises(TooMuch):  # the rest of it was let go with that
        hub.unit(payments.capture, payment.id)
    hub.unit(payments.refund, payment.id, 2500)
    hub.unit(payments.refund, payment.id, 500)
    work(hub)
    if not REAL:
        assert intent(wire, session)["refunded"] == 3000
    assert http.get("/_check").json()["ok"] is True


def test_a_cart_that_has_changed_gives_the_money_back(
    http: Any, hub: Hub, wire: httpx.Client, started: Callable[[], tuple[Any, Any]]
) -> None:
    cart, session = started()
    pay(wire, session)
    hub.unit(prices.put, cart["items"][0]["variant_id"], currency_code="USD", amount=7100)
    refused = http.post(f"/store/carts/{cart['id']}/complete").json()
    assert (refused["type"], refused["error"]["code"]) == ("cart", "cart_changed")
    work(hub)
    assert intent(wire, session)["status"] == "canceled"
    assert refused["cart"]["payment_collection"]["payment_sessions"] == []


def test_a_payment_of_another_amount_is_not_taken(
    http: Any, hub: Hub, wire: httpx.Client, started: Callable[[], tuple[Any, Any]]
) -> None:
    cart, session = started()
    pay(wire, session)
    line = {"quantity": 2}
    http.post(f"/store/carts/{cart['id']}/line-items/{cart['items'][0]['id']}", json=line)
    answer = http.post(f"/store/carts/{cart['id']}/complete").json()
    assert answer["type"] == "cart" and "total has changed to $144" in answer["error"]["message"]
    begun = answer["cart"]["payment_collection"]["id"]
    again = http.post(
        f"/store/payment-collections/{begun}/payment-sessions", json={"provider_id": "pp_stripe_stripe"}
    )
    assert again.json()["payment_collection"]["payment_sessions"][0]["amount"] == 144
    work(hub)
    assert intent(wire, session)["status"] == "canceled"  # what was authorized before is let go


def test_a_refused_card_and_the_plain_way(http: Any, wire: httpx.Client) -> None:
    up = {"email": "maya.new@mail.example", "password": "correct horse battery staple"}
    token = http.post("/api/sign-up", json=up).json()["token"]
    me = {"authorization": f"Bearer {token}"}
    variant = http.get("/api/products/oak-board?country=us").json()["variants"][0]["id"]
    http.post("/api/cart/lines?country=us", json={"variantId": variant}, headers=me)
    home = {"address1": "18 Juniper St", "city": "Portland", "countryCode": "us"}
    cart = http.patch("/api/cart", json={"address": home}, headers=me).json()
    http.patch("/api/cart", json={"shippingOptionId": cart["offers"][0]["id"]}, headers=me)
    bad = http.post("/api/payment", json={"paymentMethod": "pm_card_chargeDeclined"}, headers=me)
    assert (bad.status_code, "declined" in bad.json()["detail"]) == (402, True)
    good = http.post("/api/payment", json={"paymentMethod": "pm_card_visa"}, headers=me)
    assert good.status_code == 200, good.text
    order = http.post("/api/checkout", headers=me)
    assert (order.status_code, order.json()["payment"]) == (201, "authorized")


def test_a_gateway_that_is_not_there(http: Any, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    cart = http.post("/store/carts", json={"currency_code": "usd"}).json()["cart"]
    begun = http.post("/store/payment-collections", json={"cart_id": cart["id"]}).json()
    monkeypatch.setenv("BACKENDHUB_SHOP_STRIPE_URL", "http://127.0.0.1:9")
    path = f"/store/payment-collections/{begun['payment_collection']['id']}/payment-sessions"
    answer = http.post(path, json={"provider_id": "pp_stripe_stripe"})
    assert answer.status_code == 502


def test_a_refund_waits_for_its_capture(
    http: Any, hub: Hub, wire: httpx.Client, started: Callable[[], tuple[Any, Any]]
) -> None:
    """Both are asked for in one moment, and the gateway is asked for the refund first."""
    cart, session = started()
    pay(wire, session)
    order = hub.read(orders.get, http.post(f"/store/carts/{cart['id']}/complete").json()["order"]["id"])
    payment = hub.read(payments.of_order, order.id)[0]
    about = Money(payment.amount, payment.currency)

    async def refund() -> None:
        await gateway.settle(hub, session["data"]["id"], "refund", about, key="early")

    hub.unit(payments.capture, payment.id)
    with pytest.raises(Upstream, match="has not been captured yet"):  # the job of it will try again
        asyncio.run(refund())
    work(hub)
    asyncio.run(refund())


@pytest.mark.skipif(bool(REAL), reason="nobody pays on the page of a real gateway here")
def test_the_storefront_sends_buyers_to_the_providers_page(http: Any, hub: Hub, wire: httpx.Client) -> None:
    variant = http.get("/api/products/oak-board?country=us").json()["variants"][0]["id"]

    def post(path: str, cookie: str = "", **form: str) -> httpx.Response:
        headers = {"cookie": cookie} if cookie else {}
        answer: httpx.Response = http.post(path, data=form, headers=headers, follow_redirects=False)
        return answer

    added = post("/shop/cart/lines", variant_id=variant, quantity="1")
    cookie = added.headers["set-cookie"].partition(";")[0]
    who = {"email": "ada@mail.example", "first_name": "Ada", "last_name": "L", "address_1": "1 Engine Way"}
    assert post("/shop/checkout/address", cookie, **who, city="Salem", country_code="us").status_code == 303
    page = http.get("/shop/checkout", headers={"cookie": cookie}).text
    option = page.partition('name="option_id" value="')[2].partition('"')[0]
    wrong = post("/shop/checkout", cookie, option_id=option, pay="card", total="1 USD")
    assert "Please look at it" in wrong.text or "Please look at the new total" in wrong.text
    sent = post("/shop/checkout", cookie, option_id=option, pay="card", total="7500 EUR")
    assert "look at the new total" in sent.text or "Please look at it" in sent.text
    sent = post("/shop/checkout", cookie, option_id=option, pay="card", total="7500 USD")
    assert 'href="https://pay.example/cs_1"' in sent.text
    alien = http.get("/shop/checkout/paid?session=cs_1", follow_redirects=False)
    assert alien.status_code == 409  # another browser has not this cart
    there = wire.get("/v1/checkout/sessions/cs_1").json()["payment_intent"]
    http.post("/shop/cart/lines", data={"variant_id": variant, "quantity": "1"}, headers={"cookie": cookie})
    changed = http.get("/shop/checkout/paid?session=cs_1", headers={"cookie": cookie}, follow_redirects=False)
    assert (changed.status_code, "total has changed to $144" in changed.text) == (200, True)
    line = hub.read(lambda db: db.value("SELECT max(id) FROM shop_cart_item"))
    post("/shop/cart", cookie, what="line", line=line, quantity="1")
    again = http.get("/shop/checkout/paid?session=cs_1", headers={"cookie": cookie}, follow_redirects=False)
    assert (again.status_code, "was given back" in again.text) == (402, True)  # though the total fits again
    work(hub)
    assert wire.get(f"/v1/payment_intents/{there}").json()["status"] == "canceled"
    post("/shop/cart", cookie, what="line", line=line, quantity="2")
    post("/shop/checkout", cookie, option_id=option, pay="card", total="14400 USD")
    back = http.get("/shop/checkout/paid?session=cs_1", headers={"cookie": cookie}, follow_redirects=False)
    assert back.status_code == 303 and back.headers["location"].startswith("/shop/orders/")
    assert "payment authorized" in http.get(back.headers["location"]).text


def test_an_agents_payment_for_a_shelf_that_is_empty_by_now(http: Any, hub: Hub, wire: httpx.Client) -> None:
    """What was authorized goes back, and the next try is another payment, whatever the agent's key."""
    home = {"id": "home", "street_address": "18 Juniper St", "address_country": "US"}
    line = {"item": {"id": "HARBOUR-MUG-SEA"}, "quantity": 1}
    method = {"destinations": [home], "selected_destination_id": "home"}
    body = {"currency": "USD", "line_items": [line], "fulfillment": {"methods": [method]}}
    made = http.post("/checkout-sessions", json=body).json()
    path = f"/checkout-sessions/{made['id']}"
    option = made["fulfillment"]["methods"][0]["groups"][0]["options"][0]["id"]
    group = {"methods": [{"groups": [{"selected_option_id": option}]}]}
    http.put(path, json={"line_items": [line], "fulfillment": group})
    card = {"type": "token", "token": "pm_card_visa"}
    paid = {"payment_data": {"id": "i1", "handler_id": "stripe", "type": "card", "credential": card}}
    key = {"idempotency-key": "one"}
    variant = hub.read(catalogue.item, "HARBOUR-MUG-SEA")
    assert variant is not None
    for level in hub.read(stock.levels, [variant.id])[variant.id]:
        hub.unit(stock.adjust, variant, level.location, -level.free)
    refused = http.post(f"{path}/complete", json=paid, headers=key)
    assert (refused.status_code, "Insufficient stock" in refused.text) == (400, True)
    work(hub)
    hub.unit(stock.adjust, variant, level.location, 1)
    done = http.post(f"{path}/complete", json=paid, headers=key)
    assert done.status_code == 200, done.text
    reference = hub.read(payments.of_order, done.json()["order"]["id"])[0].reference
    assert wire.get(f"/v1/payment_intents/{reference}").json()["status"] == "requires_capture"
