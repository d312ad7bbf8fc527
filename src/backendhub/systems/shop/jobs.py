"""What the shop does by itself, once the change that asks for it is committed."""

from __future__ import annotations

import json
from typing import Any

from backendhub.kit import jobs, reservation
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, HubError, Upstream
from backendhub.kit.money import Money

from . import gateway


@jobs.job("shop.settle", attempts=12)
async def settle(run: jobs.Run, reference: str, what: str, amount: int, currency: str, key: str) -> None:
    """Captures, refunds or cancels at the Stripe wire."""
    try:
        await gateway.settle(run.hub, reference, what, Money(amount, currency), key=key)
    except Conflict as error:
        raise jobs.GiveUp(error.message) from None


async def _address(run: jobs.Run, profile: str) -> str:
    """Where an agent wants to be told of orders: its profile says so. Raises GiveUp, Upstream."""
    try:
        answer = await run.hub.fetch.asend("GET", profile, total=20.0, max_bytes=256 * 1024)
    except Upstream:
        raise
    except HubError as error:
        raise jobs.GiveUp(error.message) from None
    if not answer.ok:
        raise Upstream(f"{profile[:200]} answered {answer.status}.")
    about = answer.json()
    found = (about.get("ucp") or {}).get("capabilities") if isinstance(about, dict) else None
    for each in found if isinstance(found, list) else ():
        if isinstance(each, dict) and each.get("name") == "dev.ucp.shopping.order":
            url = (each.get("config") or {}).get("webhook_url")
            if isinstance(url, str):
                return url
    raise jobs.GiveUp("the agent's profile names no webhook for orders")


@jobs.job("shop.tell_agent", attempts=8)
async def tell_agent(run: jobs.Run, profile: str, event: dict[str, Any]) -> None:
    """Tells the agent that made an order what has become of it (UCP)."""
    url = await _address(run, profile)
    try:
        answer = await run.hub.fetch.asend(
            "POST",
            url,
            content=json.dumps(event, separators=(",", ":")).encode(),
            headers={"content-type": "application/json", "webhook-id": str(event.get("event_id", ""))},
            total=20.0,
            redirects=0,
            max_bytes=64 * 1024,
        )
    except Upstream:
        raise
    except HubError as error:  # the address is refused; asking again changes nothing
        raise jobs.GiveUp(error.message) from None
    if not answer.ok:
        raise Upstream(f"{url[:200]} answered {answer.status}.")


@jobs.job("shop.sweep", cron="*/10 * * * *")
def sweep(db: Db) -> int:
    """Tidies holds that have expired; nothing depends on it."""
    return reservation.sweep(db)
