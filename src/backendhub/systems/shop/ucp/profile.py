"""`/.well-known/ucp`: what an agent finds out about the shop before it buys."""

from __future__ import annotations

from typing import Any

from backendhub.kit import web
from backendhub.kit.hub import Hub
from backendhub.systems.shop import gateway
from backendhub.systems.shop.wire import router

from .wire import VERSION

SITE = "https://ucp.dev"
CAPABILITIES = ("checkout", "order", "discount", "fulfillment", "buyer_consent")
STRIPE = "stripe"
MOCK = "mock_payment_handler"


def handlers(hub: Hub) -> list[dict[str, Any]]:
    """How agents may pay: by payment methods of the Stripe wire where there is one; where `shop.simulation_secret` is
    set by test handlers too, of which only the mock one takes anything."""
    found = []
    if gateway.configured(hub):
        found.append(
            _handler(STRIPE, "com.stripe.payment_method", "https://docs.stripe.com/api/payment_methods")
        )
    if hub.settings.get("shop.simulation_secret"):
        found += [
            _handler(MOCK, "dev.ucp.mock_payment", f"{SITE}/specification/payment-handler-guide"),
            _handler("google_pay", "com.google.pay", f"https://pay.google.com/gp/p/ucp/{VERSION}/"),
            _handler(
                "shop_pay",
                "com.shopify.shop_pay",
                "https://shopify.dev/docs/agents/checkout/shop-pay-handler",
                shop_id=hub.settings.get("shop.ucp_shop_id") or "shop",
            ),
        ]
    return found


def _handler(id: str, name: str, spec: str, **config: Any) -> dict[str, Any]:
    schemas = f"{SITE}/schemas/shopping/types"
    return {
        "id": id,
        "name": name,
        "version": VERSION,
        "spec": spec,
        "config_schema": f"{SITE}/schemas/shopping/types/payment_handler_resp.json",
        "instrument_schemas": [f"{schemas}/card_payment_instrument.json"],
        "config": config,
    }


def _capability(name: str) -> dict[str, Any]:
    about = {
        "name": f"dev.ucp.shopping.{name}",
        "version": VERSION,
        "spec": f"{SITE}/specification/{name.replace('_', '-')}",
        "schema": f"{SITE}/schemas/shopping/{name}.json",
    }
    return about if name in ("checkout", "order") else about | {"extends": "dev.ucp.shopping.checkout"}


@router.get("/.well-known/ucp")
def discover(request: web.Request) -> dict[str, Any]:
    """What the shop can do for agents, where, and how it is paid."""
    service = {
        "version": VERSION,
        "spec": f"{SITE}/specification/reference",
        "rest": {
            "schema": f"{SITE}/services/shopping/rest.openapi.json",
            "endpoint": request.base_url + "/",
        },
    }
    return {
        "ucp": {
            "version": VERSION,
            "services": {"dev.ucp.shopping": service},
            "capabilities": [_capability(name) for name in CAPABILITIES],
        },
        "payment": {"handlers": handlers(request.hub)},
    }


def envelope(*names: str) -> dict[str, Any]:
    """What stands as `ucp` in every answer."""
    return {
        "version": VERSION,
        "capabilities": [{"name": f"dev.ucp.shopping.{n}", "version": VERSION} for n in names],
    }
