"""Stripe's own client against billing: catalogue, Checkout in a real browser, subscriptions on a test clock, webhooks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe


class Shop:
    """The shop's server: buyers come back to it, and webhooks are sent to it."""

    def __init__(self) -> None:
        self.hooks: list[tuple[str, bytes]] = []
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                shop.hooks.append((self.headers["stripe-signature"], body))
                self.send_response(200)
                self.end_headers()

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(b"<title>The shop</title>")

            def log_message(self, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def server(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("BACKENDHUB_FETCH_ALLOW", "127.0.0.1")
    return serve("payment", "--log-format", "none")


@pytest.fixture
def client(server: Any) -> stripe.StripeClient:
    return stripe.StripeClient("sk_test_123", base_addresses={"api": server.url}, max_network_retries=0)


def sold(client: stripe.StripeClient, **more: Any) -> Any:
    product = client.v1.products.create({"name": "Gold plan"})
    about: Any = {"product": product.id, "currency": "usd", "unit_amount": 1500}
    return client.v1.prices.create(about | more)


def test_from_a_product_to_a_renewal(
    client: stripe.StripeClient, server: Any, shop: Shop, chromium: Any
) -> None:
    endpoint = client.v1.webhook_endpoints.create(
        {"url": f"{shop.url}/hook", "enabled_events": ["invoice.paid"]}
    )
    price = sold(client, recurring={"interval": "month"}, lookup_key="gold")
    assert client.v1.prices.list({"lookup_keys": ["gold"]}).data[0].id == price.id
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": 1769860800})
    customer = client.v1.customers.create({"email": "ada@mail.example", "test_clock": clock.id})
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer.id,
            "line_items": [{"price": price.id, "quantity": 2}],
            "success_url": f"{shop.url}/ok?session={{CHECKOUT_SESSION_ID}}",
        }
    )
    assert session.url is not None
    card = {"number": "4242 4242 4242 4242", "expiry": "12/34", "cvc": "123", "name": "Ada"}
    back = httpx.post(session.url, data=card, follow_redirects=True)
    assert f"{shop.url}/ok?session={session.id}" in back.text
    done = client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["subscription.latest_invoice.payments", "line_items"]}
    )
    assert (done.status, done.payment_status, done.amount_total) == ("complete", "paid", 3000)
    owner: Any = done.subscription
    assert owner.status == "active" and owner.latest_invoice.payments.data[0].status == "paid"
    item = owner["items"].data[0]
    client.v1.subscriptions.update(owner.id, {"items": [{"id": item.id, "quantity": 1}]})
    seen = client.v1.invoices.create_preview({"subscription": owner.id})
    assert seen.total == 1500 - 1500  # a whole period of one is given back
    client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": 1769860800 + 60 * 86400})
    chromium.Browser.wait(lambda: client.v1.test_helpers.test_clocks.retrieve(clock.id).status == "ready", 30)
    found = client.v1.invoices.list({"subscription": owner.id}).data
    assert [(i.status, i.total, i.billing_reason) for i in found] == [
        ("paid", 1500, "subscription_cycle"),
        ("paid", 0, "subscription_cycle"),
        ("paid", 3000, "subscription_create"),
    ]
    assert len(client.v1.invoices.line_items.list(found[1].id).data) == 3
    chromium.Browser.wait(lambda: len(shop.hooks) >= 3, 30)
    events = [stripe.Webhook.construct_event(body, header, endpoint.secret) for header, body in shop.hooks]  # type: ignore[no-untyped-call]
    assert {e.data.object["id"] for e in events} == {i.id for i in found}
    assert client.v1.subscriptions.cancel(owner.id).status == "canceled"
    report = httpx.get(f"{server.url}/_check").json()
    assert report["ok"], report


def test_older_clients_see_what_they_know(client: stripe.StripeClient) -> None:
    price = sold(client, recurring={"interval": "month"})
    customer = client.v1.customers.create({})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    about: Any = {
        "customer": customer.id,
        "items": [{"price": price.id}],
        "default_payment_method": method.id,
    }
    made = client.v1.subscriptions.create(about)
    older: Any = {"stripe_version": "2024-06-20"}
    owner: Any = client.v1.subscriptions.retrieve(
        made.id, {"expand": ["latest_invoice.payment_intent"]}, older
    )
    assert owner.current_period_end > owner.current_period_start
    invoice = owner.latest_invoice
    assert invoice.paid and invoice.subscription == made.id and invoice.payment_intent.status == "succeeded"
    assert invoice.lines.data[0].price.id == price.id and invoice.lines.data[0].type == "subscription"


def test_an_invoice_is_paid_on_its_page(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"name": "Ada"})
    about: Any = {"customer": customer.id, "collection_method": "send_invoice", "days_until_due": 30}
    made = client.v1.invoices.create(about)
    client.v1.invoice_items.create(
        {
            "customer": customer.id,
            "invoice": made.id,
            "amount": 5000,
            "currency": "usd",
            "description": "Work & more",
        }
    )
    made = client.v1.invoices.send_invoice(made.id)
    assert made.hosted_invoice_url is not None
    page = httpx.get(made.hosted_invoice_url)
    assert "Work &amp; more" in page.text and "$50.00" in page.text
    assert httpx.get(made.hosted_invoice_url[:-1] + "!").status_code == 404
    card = {"number": "4000000000000002", "expiry": "12/34", "cvc": "123", "name": "Ada"}
    refused = httpx.post(made.hosted_invoice_url, data=card)
    assert refused.status_code == 402 and "Your card was declined." in refused.text
    paid = httpx.post(
        made.hosted_invoice_url, data=card | {"number": "4242424242424242"}, follow_redirects=True
    )
    assert "This invoice is paid" in paid.text
    assert client.v1.invoices.retrieve(made.id).status == "paid"


def test_a_payment_link_and_a_promotion_code(client: stripe.StripeClient) -> None:
    price = sold(client)
    coupon = client.v1.coupons.create({"percent_off": 20, "duration": "once"})
    client.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "SPRING"})
    link = client.v1.payment_links.create(
        {"line_items": [{"price": price.id, "quantity": 1}], "allow_promotion_codes": True}
    )
    page = httpx.get(link.url, follow_redirects=True)
    url = str(page.url)
    assert page.status_code == 200 and "Pay $15.00" in page.text
    assert httpx.post(url, data={"code": "NOTHING"}).status_code == 402
    assert "Pay $12.00" in httpx.post(url, data={"code": "SPRING"}).text
    card = {
        "email": "a@b.example",
        "number": "4242424242424242",
        "expiry": "12/34",
        "cvc": "123",
        "name": "A",
    }
    httpx.post(url, data=card)
    done = client.v1.checkout.sessions.list({"payment_link": link.id}).data[0]
    assert (done.status, done.amount_total) == ("complete", 1200)
    assert client.v1.coupons.retrieve(coupon.id).times_redeemed == 1
    assert "Thank you" in httpx.get(f"{url}/thanks").text
    client.v1.payment_links.update(link.id, {"active": False})
    assert httpx.get(link.url).status_code == 410


# -- in a browser ------------------------------------------------------------------------------------------


@pytest.fixture
def chrome(browser: Any) -> Any:
    browser.look(width=1200, height=900)
    return browser


def fill(chrome: Any, number: str) -> None:
    """Types a card, as a person does who has typed everything else before, and sends it."""
    for name, value in {
        "email": "ada@mail.example",
        "number": number,
        "expiry": "12 / 34",
        "cvc": "123",
        "name": "Ada",
    }.items():
        chrome.js(f"(e => {{ if (e) e.value = {value!r} }})(document.getElementById({name!r}))")
    before = chrome.js("window.marked = 1")
    assert before == 1
    chrome.js("document.querySelector('button.go').click()")
    chrome.wait(lambda: chrome.js("document.readyState == 'complete' && !window.marked"), 20)


@pytest.mark.browser
def test_checkout_in_a_browser(client: stripe.StripeClient, chrome: Any, shop: Shop, tmp_path: Path) -> None:
    """A refused card, a bank that says no, a bank that says yes; then the buyer is at the shop."""
    session = client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [{"price": sold(client).id, "quantity": 2}],
            "success_url": f"{shop.url}/ok?session={{CHECKOUT_SESSION_ID}}",
            "cancel_url": f"{shop.url}/basket",
        }
    )
    chrome.open(session.url)
    text = chrome.js("document.body.innerText")
    assert "Gold plan × 2" in text and "$30.00" in text and "Back to the shop" in text
    folder = Path(os.environ.get("BACKENDHUB_TEST_SCREENSHOTS", tmp_path))
    chrome.screenshot(folder / "checkout.png")
    fill(chrome, "4000000000000002")
    assert "Your card was declined." in chrome.js("document.querySelector('[role=alert]').innerText")
    assert chrome.js("document.getElementById('email').value") == "ada@mail.example"
    assert chrome.js("document.getElementById('number').value") == ""
    chrome.screenshot(folder / "declined.png")
    for answer in ("fail", "complete"):
        fill(chrome, "4000002760003184")
        assert "3-D Secure" in chrome.js("document.body.innerText")
        chrome.js(f"window.marked = 1; document.querySelector('[value={answer}]').click()")
        chrome.wait(lambda: chrome.js("document.readyState == 'complete' && !window.marked"), 20)
        if answer == "fail":
            assert "unable to authenticate" in chrome.js("document.body.innerText")
    chrome.wait(lambda: chrome.js("document.title") == "The shop", 20)
    assert chrome.js("location.href") == f"{shop.url}/ok?session={session.id}"
    done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    assert (done.status, done.payment_status) == ("complete", "paid")
    intent: Any = done.payment_intent
    assert intent.latest_charge.payment_method_details.card.three_d_secure.result == "authenticated"
    chrome.open(f"{done.success_url}")
    assert [t for t in chrome.troubles() if "Refused" in t or "Policy" in t] == []
