"""`backendhub serve shop`: Medusa's Store and Admin APIs, UCP checkout, the plain API, and pages for browsers."""

from __future__ import annotations

from . import plain
from .medusa import store_account, store_carts, store_catalogue
from .ucp import profile, routes
from .wire import router

__all__ = ["plain", "profile", "router", "routes", "store_account", "store_carts", "store_catalogue"]
