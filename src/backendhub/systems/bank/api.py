"""`backendhub serve bank`: the bank's own routes, and Open Banking UK under `/open-banking/v4.0`."""

from __future__ import annotations

from . import aisp, pisp, plain
from .wire import router

__all__ = ["aisp", "pisp", "plain", "router"]
