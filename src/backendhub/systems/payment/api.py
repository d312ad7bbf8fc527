"""`backendhub serve payment`: Stripe's wire under `/v1`, Razorpay's and PayPal's beside it, and pages for people."""

from __future__ import annotations

from . import billing, fixtures, forward, pages, paypal, paypal_page, razorpay
from .operations import changes, charges, customers, events, intents, methods, others
from .wire.operations import router

__all__ = [
    "billing",
    "changes",
    "charges",
    "customers",
    "events",
    "fixtures",
    "forward",
    "intents",
    "methods",
    "others",
    "pages",
    "paypal",
    "paypal_page",
    "razorpay",
    "router",
]
