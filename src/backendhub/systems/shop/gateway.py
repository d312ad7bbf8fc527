"""The way to a Stripe wire: Stripe itself, or whatever speaks like it (`backendhub serve payment`).

Authorize first, capture when there is an order: no money has moved when a cart turns out to be stale. Each request that
changes something has a key, so that asking twice is asking once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from backendhub.kit import money
from backendhub.kit.errors import Conflict, Upstream
from backendhub.kit.hub import Hub
from backendhub.kit.money import Money

from .models import PaymentFailed

AUTHORIZED = {"requires_capture": "authorized", "succeeded": "captured", "canceled": "canceled"}


class Intent(NamedTuple):
    """A PaymentIntent as far as a shop needs it."""

    id: str
    status: str
    amount: Money
    data: dict[str, Any]


def configured(hub: Hub) -> bool:
    """Whether there is a Stripe wire to pay through."""
    return bool(hub.settings.get("shop.stripe_url") and hub.settings.get("shop.stripe_key"))


async def ask(
    hub: Hub, method: str, path: str, form: Mapping[str, Any] | None = None, *, key: str | None = None
) -> dict[str, Any]:
    """One request. Raises PaymentFailed for a card that is refused, Conflict for a request that is, Upstream."""
    url, secret = hub.settings.get("shop.stripe_url"), hub.settings.get("shop.stripe_key")
    if not url or not secret:
        raise Conflict("The shop has no payment gateway.", hint="set shop.stripe_url and shop.stripe_key")
    headers = {"authorization": f"Bearer {secret}"}
    if key is not None:
        headers["idempotency-key"] = f"shop-{key}"
    content = None
    if form is not None:
        headers["content-type"] = "application/x-www-form-urlencoded"
        content = urlencode({k: v for k, v in form.items() if v is not None}).encode()
    answer = await hub.fetch.asend(
        method, url.rstrip("/") + path, headers=headers, content=content, trusted=True, redirects=0
    )
    body = answer.json() if answer.body else {}
    if answer.ok and isinstance(body, dict):
        return body
    error = body.get("error", {}) if isinstance(body, dict) else {}
    said = str(error.get("message") or f"HTTP {answer.status}")[:500]
    if answer.status == 402:
        raise PaymentFailed(said, decline=error.get("decline_code") or error.get("code"))
    if answer.status in (401, 403):
        raise Upstream(f"The payment gateway does not take the shop's key: {said}")
    if 400 <= answer.status < 500 and answer.status != 429:
        raise Conflict(f"The payment gateway refused: {said}", gateway=error.get("code"))
    raise Upstream(f"The payment gateway answered {answer.status}: {said}")


async def create(
    hub: Hub, amount: Money, *, key: str, about: Mapping[str, str], more: Mapping[str, Any] | None = None
) -> Intent:
    """A PaymentIntent whose money is authorized now and captured later."""
    form: dict[str, Any] = {
        "amount": money.to_stripe(amount),
        "currency": amount.currency.lower(),
        "capture_method": "manual",
        **{f"metadata[{name}]": value for name, value in about.items()},
        **(more or {}),
    }
    return _intent(await ask(hub, "POST", "/v1/payment_intents", form, key=key))


async def retrieve(hub: Hub, id: str) -> Intent:
    """A PaymentIntent as it stands."""
    return _intent(await ask(hub, "GET", f"/v1/payment_intents/{quote(id, safe='')}"))


async def confirm(hub: Hub, id: str, payment_method: str, *, key: str) -> Intent:
    """Authorizes with a payment method. Raises PaymentFailed."""
    form = {"payment_method": payment_method}
    return _intent(await ask(hub, "POST", f"/v1/payment_intents/{quote(id, safe='')}/confirm", form, key=key))


async def settle(hub: Hub, reference: str, what: str, amount: Money, *, key: str) -> None:
    """Captures, refunds or cancels. What was done before is no failure."""
    path = f"/v1/payment_intents/{quote(reference, safe='')}"
    if what == "capture":
        intent = await retrieve(hub, reference)
        if intent.status != "captured":
            form: dict[str, Any] = {"amount_to_capture": money.to_stripe(amount)}
            await ask(hub, "POST", f"{path}/capture", form, key=key)
    elif what == "cancel":
        if (await retrieve(hub, reference)).status != "canceled":
            await ask(hub, "POST", f"{path}/cancel", {}, key=key)
    else:
        if (await retrieve(hub, reference)).status == "authorized":
            # The job that captures is still to run, or to run again: so is this one.
            raise Upstream("What is to go back has not been captured yet.")
        form = {"payment_intent": reference, "amount": money.to_stripe(amount)}
        await ask(hub, "POST", "/v1/refunds", form, key=key)


def _intent(body: dict[str, Any]) -> Intent:
    try:
        amount = money.from_stripe(int(body["amount"]), str(body["currency"]))
        status = AUTHORIZED.get(str(body["status"]), "pending")
        id = str(body["id"])
    except (KeyError, TypeError, ValueError):
        raise Upstream("The payment gateway's answer is no PaymentIntent.") from None
    kept = ("id", "client_secret", "status", "amount", "currency", "next_action", "payment_method")
    return Intent(id, status, amount, {k: body[k] for k in kept if k in body})
