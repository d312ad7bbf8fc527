"""`backendhub serve payment`: Stripe's wire under `/v1`, and pages for people."""

from __future__ import annotations

from . import checkout_pages, fixtures, pages
from .operations import (
    catalogue,
    changes,
    charges,
    checkout,
    customers,
    events,
    intents,
    invoices,
    methods,
    subscriptions,
)
from .wire.operations import router

__all__ = [
    "catalogue",
    "changes",
    "charges",
    "checkout",
    "checkout_pages",
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
