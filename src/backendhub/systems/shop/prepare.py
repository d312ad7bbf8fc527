"""Before the first request: a shop has a publishable key, or storefronts could not speak to it."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.kit.hub import Hub

from .service import regions


def prepare(hub: Hub) -> None:
    """Makes the first publishable key and says it; `shop.publishable_key` is one more that counts."""
    if hub.settings.get("shop.publishable_key"):
        return
    token = hub.unit(first_key)
    hub.output.note(f"Publishable key: {token}")


def first_key(db: Db) -> str:
    """The token of the oldest key in use, made where there is none."""
    known = next((k for k in regions.keys(db) if k.revoked_at is None), None)
    return (known or regions.add_key(db, title="Storefront")).token
