"""`backendhub serve payment`: Stripe's wire under `/v1`."""

from __future__ import annotations

from .operations import customers, events
from .wire.operations import router

__all__ = ["customers", "events", "router"]
