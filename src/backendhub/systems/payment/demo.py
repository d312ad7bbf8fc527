"""A shop's first weeks: customers, payments that went through and some that did not, refunds, a dispute; via the service."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db

from . import billing_demo, objects
from .errors import CardError
from .service import confirming, customers, intents, methods, money, refunding

PEOPLE = (
    ("Amira Haddad", "amira@mail.example", "visa"),
    ("Jonas Lindqvist", "jonas@mail.example", "mastercard"),
    ("Mei Tanaka", "mei@mail.example", "jcb"),
)
ORDERS = (
    # days ago, who, amount, currency, payment method, description
    (20, 0, 4900, "eur", "", "Order 1001: espresso cups"),
    (18, 1, 12900, "eur", "", "Order 1002: grinder"),
    (15, 2, 3500, "jpy", "", "Order 1003: filter papers"),
    (12, 0, 2450, "eur", "pm_card_visa_chargeDeclinedInsufficientFunds", "Order 1004: beans"),
    (12, 0, 2450, "eur", "", "Order 1004: beans"),
    (9, 1, 7900, "eur", "pm_card_createDisputeProductNotReceived", "Order 1005: kettle"),
    (6, 2, 15900, "usd", "", "Order 1006: scale"),
    (2, 1, 3900, "eur", "", "Order 1007: mugs"),
)


def load(db: Db) -> int:
    """Adds the sample and says how many payments that were: 0 where there are customers already."""
    if objects.select(db, "customer", [], limit=1):
        return 0
    start = clock.now()
    with clock.traveling(start - timedelta(days=21)):
        people = [_customer(db, *person) for person in PEOPLE]
    paid: list[dict[str, Any]] = []
    for days, who, amount, currency, card, description in ORDERS:
        with clock.traveling(start - timedelta(days=days)):
            paid.append(_pay(db, people[who], amount, currency, card, description))
    refunding.create(db, {"payment_intent": paid[1]["id"], "amount": 2900, "reason": "requested_by_customer"})
    held = {"amount": 25000, "currency": "eur", "capture_method": "manual", "customer": people[0]["id"]}
    intents.create(
        db, held | {"payment_method": people[0]["card"], "confirm": True, "description": "Deposit"}
    )
    billing_demo.load(db, people[0], people[1])
    money.settle(db)
    return len(ORDERS)


def _customer(db: Db, name: str, email: str, brand: str) -> dict[str, Any]:
    made = customers.create(db, {"name": name, "email": email})
    card = methods.attach(db, f"pm_card_{brand}", {"customer": made["id"]})
    return customers.edit(db, made["id"], {"invoice_settings": {"default_payment_method": card["id"]}}) | {
        "card": card["id"]
    }


def _pay(
    db: Db, who: dict[str, Any], amount: int, currency: str, card: str, description: str
) -> dict[str, Any]:
    about = {"amount": amount, "currency": currency, "customer": who["id"], "description": description}
    intent = intents.create(db, about)
    try:
        return confirming.confirm(db, intent["id"], {"payment_method": card or who["card"]})
    except CardError:
        return intent
