"""Stripe's own client against `payment`: payments, 3-D Secure, paging, search, errors, webhooks that it verifies."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import stripe


class Receiver:
    """An endpoint that keeps what it is sent."""

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append((self.headers["stripe-signature"], body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def wait(self, count: int) -> list[tuple[str, bytes]]:
        until = time.monotonic() + 30
        while len(self.got) < count and time.monotonic() < until:
            time.sleep(0.05)
        assert len(self.got) >= count
        return self.got


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
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


def test_payments(client: stripe.StripeClient, server: Any) -> None:
    customer = client.v1.customers.create({"email": "amira@mail.example", "metadata": {"plan": "gold"}})
    about: Any = {
        "amount": 2000,
        "currency": "eur",
        "customer": customer.id,
        "payment_method": "pm_card_visa",
        "confirm": True,
    }
    key: Any = {"idempotency_key": "order-1001"}
    paid = client.v1.payment_intents.create(about | {"expand": ["latest_charge.balance_transaction"]}, key)
    again = client.v1.payment_intents.create(about | {"expand": ["latest_charge.balance_transaction"]}, key)
    assert again.id == paid.id and again.last_response is not None
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert paid.status == "succeeded" and paid.latest_charge.balance_transaction.net == 1912  # type: ignore[union-attr]
    with pytest.raises(stripe.IdempotencyError):
        client.v1.payment_intents.create(about | {"amount": 3000}, key)
    refund = client.v1.refunds.create({"payment_intent": paid.id, "amount": 500})
    assert refund.status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        client.v1.refunds.create({"payment_intent": paid.id, "amount": 1501})
    with pytest.raises(stripe.CardError) as refused:
        client.v1.payment_intents.create(
            about | {"payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"}
        )
    assert refused.value.code == "card_declined" and refused.value.http_status == 402
    assert refused.value.error is not None and refused.value.error.decline_code == "insufficient_funds"
    assert [c.amount for c in client.v1.charges.list({"customer": customer.id}).auto_paging_iter()] == [
        2000,
        2000,
    ]
    found = client.v1.payment_intents.search({"query": f"customer:'{customer.id}' AND status:'succeeded'"})
    assert [p.id for p in found.auto_paging_iter()] == [paid.id]
    assert client.v1.balance.retrieve().pending[0].amount == 1912
    report = httpx.get(f"{server.url}/_check").json()
    assert report["ok"], report


def test_pages_of_a_list(client: stripe.StripeClient) -> None:
    made = [client.v1.customers.create({"name": str(n)}).id for n in range(7)]
    assert [c.id for c in client.v1.customers.list({"limit": 2}).auto_paging_iter()] == made[::-1]
    back = client.v1.customers.list({"limit": 2, "ending_before": made[0]})
    assert [c.id for c in back.auto_paging_iter()] == made[1:]


def test_three_d_secure_in_the_browser(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create(
        {
            "amount": 1500,
            "currency": "usd",
            "payment_method": "pm_card_threeDSecure2Required",
            "confirm": True,
            "return_url": "https://shop.example/back?order=7",
        }
    )
    assert intent.status == "requires_action" and intent.next_action is not None
    url = intent.next_action.redirect_to_url.url  # type: ignore[union-attr]
    page = httpx.get(url)
    assert page.status_code == 200 and "$15.00 usd" in page.text
    assert re.findall(r'name="result" value="(\w+)"', page.text) == ["complete", "fail"]
    assert httpx.get(url.partition("?")[0]).status_code == 404  # nobody without the secret
    back = httpx.post(url, data={"result": "complete"})
    assert back.status_code == 303
    assert back.headers["location"].startswith(
        "https://shop.example/back?order=7&payment_intent=" + intent.id
    )
    assert "redirect_status=succeeded" in back.headers["location"]
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"
    assert httpx.post(url, data={"result": "complete"}).status_code == 409
    receipt = client.v1.charges.list({"payment_intent": intent.id}).data[0].receipt_url
    assert receipt is not None and "visa – 3220" in httpx.get(receipt).text


def test_webhooks_that_the_client_verifies(client: stripe.StripeClient, receiver: Receiver) -> None:
    endpoint = client.v1.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": ["payment_intent.succeeded", "charge.refunded"]}
    )
    assert endpoint.secret is not None and endpoint.secret.startswith("whsec_")
    assert "secret" not in client.v1.webhook_endpoints.retrieve(endpoint.id)
    paid = client.v1.payment_intents.create(
        {"amount": 900, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    )
    client.v1.refunds.create({"payment_intent": paid.id})
    got = receiver.wait(2)
    events = [stripe.Webhook.construct_event(body, header, endpoint.secret) for header, body in got]  # type: ignore[no-untyped-call]
    assert {e.type for e in events} == {"payment_intent.succeeded", "charge.refunded"}
    event = next(e for e in events if e.type == "payment_intent.succeeded")
    assert event.data.object["id"] == paid.id and event.data.object["status"] == "succeeded"
    assert json.loads(got[0][1])["object"] == "event"
    assert client.v1.events.retrieve(event.id).data.object["id"] == paid.id
    header, body = got[0]
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body + b" ", header, endpoint.secret)  # type: ignore[no-untyped-call]
    client.raw_request("post", f"/v1/events/{event.id}/retry", webhook_endpoint=endpoint.id)
    again = receiver.wait(3)[-1]
    assert json.loads(again[1])["id"] == event.id
    assert stripe.Webhook.construct_event(again[1], again[0], endpoint.secret).id == event.id  # type: ignore[no-untyped-call]


def test_requests_can_go_to_a_gateway(
    serve: Callable[..., Any], client: stripe.StripeClient, server: Any
) -> None:
    front = serve("payment", "--forward", server.url + "/", "--log-format", "none")
    through = stripe.StripeClient("sk_test_123", base_addresses={"api": front.url}, max_network_retries=0)
    made = through.v1.customers.create({"name": "Zoë"}, {"idempotency_key": "k-1"})
    again = through.v1.customers.create({"name": "Zoë"}, {"idempotency_key": "k-1"})
    assert again.id == made.id and again.last_response is not None
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert client.v1.customers.retrieve(made.id).name == "Zoë"  # it is there, at the gateway
    assert through.v1.customers.list({"limit": 1}).data[0].id == made.id
    with pytest.raises(stripe.InvalidRequestError, match="No such customer") as caught:
        through.v1.customers.retrieve("cus_none")
    assert caught.value.request_id is not None and caught.value.http_status == 404
    assert through.v1.customers.delete(made.id).deleted
    assert httpx.get(f"{front.url}/-gateway/v1/customers").status_code == 404  # the way there is no address
    nowhere = serve("payment", "--forward", "http://127.0.0.1:9", "--log-format", "none")
    alone = stripe.StripeClient("sk_test_123", base_addresses={"api": nowhere.url}, max_network_retries=0)
    with pytest.raises(stripe.APIError):
        alone.v1.customers.list()
