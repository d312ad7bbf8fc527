"""What is served of billing: catalogue, invoices, subscriptions, Checkout and its pages. Importing it is enough."""

from __future__ import annotations

from . import billing_fixtures, checkout_pages, invoice_pages
from .operations import catalogue, checkout, credit_notes, invoices, older, subscriptions

__all__ = [
    "billing_fixtures",
    "catalogue",
    "checkout",
    "checkout_pages",
    "credit_notes",
    "invoice_pages",
    "invoices",
    "older",
    "subscriptions",
]
