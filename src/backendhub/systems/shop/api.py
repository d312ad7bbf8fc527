"""`backendhub serve shop`: Medusa's Store and Admin APIs, UCP checkout, the plain API, and pages for browsers."""

from __future__ import annotations

from . import plain
from .front import account, cart, office, shop, till
from .medusa import admin_catalogue, admin_sales, admin_setup, store_account, store_carts, store_catalogue
from .ucp import profile, routes
from .wire import router

__all__ = [
    "account",
    "admin_catalogue",
    "admin_sales",
    "admin_setup",
    "cart",
    "office",
    "plain",
    "profile",
    "router",
    "routes",
    "shop",
    "store_account",
    "store_carts",
    "store_catalogue",
    "till",
]
