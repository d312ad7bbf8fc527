"""`backendhub serve payment`: Stripe's wire under `/v1`, and pages for people."""

from __future__ import annotations

from . import billing, fixtures, pages, razorpay
from .operations import changes, charges, customers, events, intents, methods
from .wire.operations import router

__all__ = [
    "billing",
    "changes",
    "charges",
    "customers",
    "events",
    "fixtures",
    "intents",
    "methods",
    "pages",
    "razorpay",
    "router",
]
