"""Whose books a request is about."""

from __future__ import annotations

from backendhub.kit.errors import Denied
from backendhub.kit.identity import Principal


def owner(user: Principal | None, *, write: bool = False) -> str:
    """The account's id; '' where nobody is asked who they are. Raises Denied for credentials that do not cover it."""
    if user is None:
        return ""
    scope = "expenses:write" if write else "expenses:read"
    if not user.has(scope):
        raise Denied(f"These credentials do not cover {scope}.")
    return user.id


def shared(user: Principal | None) -> None:
    """Refuses a change of what all books of a store share to all but administrators. Raises Denied."""
    owner(user, write=True)
    if user is not None and not user.is_("admin"):
        raise Denied("Rates are shared by all accounts: this needs the role admin.")
