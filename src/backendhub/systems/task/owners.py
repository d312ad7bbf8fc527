"""Whose tasks a request is about."""

from __future__ import annotations

from backendhub.kit.errors import Denied
from backendhub.kit.identity import Principal


def owner(user: Principal | None, *, write: bool = False) -> str | None:
    """Whose tasks a request is about. Raises Denied for credentials that do not cover them."""
    if user is None:
        return None
    scope = "tasks:write" if write else "tasks:read"
    if not user.has(scope):
        raise Denied(f"These credentials do not cover {scope}.")
    return user.id
