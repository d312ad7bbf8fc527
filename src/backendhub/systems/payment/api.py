"""`backendhub serve payment`: Stripe's wire under `/v1`, and pages for people."""

from __future__ import annotations

from . import pages
from .operations import catalogue, charges, customers, events, intents, invoices, methods
from .wire.operations import router

__all__ = ["catalogue", "charges", "customers", "events", "intents", "invoices", "methods", "pages", "router"]
