"""`backendhub serve payment`: Stripe's wire under `/v1`, and pages for people."""

from __future__ import annotations

from . import fixtures, pages
from .operations import catalogue, charges, customers, events, intents, invoices, methods, subscriptions
from .wire.operations import router

__all__ = [
    "catalogue",
    "charges",
    "customers",
    "events",
    "fixtures",
    "intents",
    "invoices",
    "methods",
    "pages",
    "router",
    "subscriptions",
]
