"""`backendhub serve blog`: Conduit under `/api`, `/posts` and feeds."""

from __future__ import annotations

from . import conduit, posts
from .wire import router

__all__ = ["conduit", "posts", "router"]
