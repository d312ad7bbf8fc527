"""Sample data of billing: a plan with a subscriber on trial, an invoice that waits to be paid, a payment link."""

from __future__ import annotations

from backendhub.kit.db import Db

from .models import Json
from .service.billing import catalog, codes, coupons, finalizing, invoices, items, links, subscriptions


def load(db: Db, subscriber: Json, buyer: Json) -> None:
    """Adds the sample, for two customers who have cards."""
    monthly: Json = {"currency": "eur", "unit_amount": 1900, "recurring": {"interval": "month"}}
    club = catalog.create_product(db, {"name": "Coffee club", "default_price_data": monthly})
    yearly: Json = {"currency": "eur", "unit_amount": 19000, "recurring": {"interval": "year"}}
    catalog.create_price(db, yearly | {"product": club["id"], "lookup_key": "club-yearly"})
    coupon = coupons.create(db, {"id": "WELCOME", "percent_off": "20", "duration": "once", "name": "Welcome"})
    codes.create(db, {"code": "WELCOME", "promotion": {"type": "coupon", "coupon": coupon["id"]}})
    about: Json = {"customer": subscriber["id"], "items": [{"price": club["default_price"]}]}
    subscriptions.create(db, about | {"trial_period_days": 14})
    items.create(
        db, {"customer": buyer["id"], "amount": 24000, "currency": "eur", "description": "Barista course"}
    )
    bill: Json = {"customer": buyer["id"], "collection_method": "send_invoice", "days_until_due": 30}
    made = invoices.create(db, bill | {"pending_invoice_items_behavior": "include", "currency": "eur"})
    finalizing.send(db, made["id"], {})
    links.create(
        db, {"line_items": [{"price": club["default_price"], "quantity": 1}], "allow_promotion_codes": True}
    )
