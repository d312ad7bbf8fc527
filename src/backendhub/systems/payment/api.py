"""`backendhub serve payment`: Stripe's wire under `/v1`, and pages for people."""

from __future__ import annotations

from . import fixtures, pages, razorpay
from .operations import changes, charges, customers, events, intents, methods
from .wire.operations import router

__all__ = [
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
