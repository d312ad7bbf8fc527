"""Who asks: what authentication found out, and all that the rules of a system may rely on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whose credentials were verified.

    `id` is the account's id, `name` what is shown of it, `roles` what the account is (`admin`, `writer`), `scopes`
    what this credential may do (empty: everything the account may do), `via` how it was proved: `token`, `api-key`
    or `session`, `session` the id of the sign-in behind it where there is one.
    """

    id: str
    name: str
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    via: str = "token"
    session: str | None = None

    def has(self, scope: str) -> bool:
        """Whether this credential may do `scope` (`posts:write`): an unscoped one may, one with `posts:*` too."""
        if not self.scopes:
            return True
        return scope in self.scopes or scope.partition(":")[0] + ":*" in self.scopes

    def is_(self, *roles: str) -> bool:
        """Whether the account has any of these roles."""
        return not self.roles.isdisjoint(roles)
