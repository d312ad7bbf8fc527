"""`backendhub serve payment`: Stripe's wire under `/v1`, and pages for people."""

from __future__ import annotations

from . import fixtures, pages
from .operations import charges, customers, events, intents, methods
from .wire.operations import router

__all__ = ["charges", "customers", "events", "fixtures", "intents", "methods", "pages", "router"]
