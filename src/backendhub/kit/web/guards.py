"""Who asks, and whether they may: authenticators, and what endpoints demand of users.

@router.get("/me")
def me(user: web.CurrentUser) -> Me: …                        # 401 without credentials
def feed(db: Db, user: web.MaybeUser) -> …                    # None without; wrong ones are still a 401
def purge(db: Db, user: Annotated[Principal, web.require("admin")]) -> …              # 403 without the role
def write(db: Db, user: Annotated[Principal, web.require(scope="posts:write")]) -> …  # 403 without the scope
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from backendhub.kit.db import Db
from backendhub.kit.errors import Denied, Unauthenticated
from backendhub.kit.identity import Principal

if TYPE_CHECKING:
    from .request import Request

Authenticate = Callable[[Db | None, "Request"], Principal | None]
"""Finds out who asks: None without credentials; raises Unauthenticated for wrong ones."""

BEARER = 'Bearer realm="backendhub"'


@dataclass(frozen=True, slots=True)
class Authenticator:
    """An `Authenticate` function with what HTTP and OpenAPI have to say of it.

    `schemes` are OpenAPI security schemes, of which any will do. `challenge` is what `WWW-Authenticate` asks for
    (RFC 9110 §11.6.1). A `stateless` one needs no store: it gets None where the endpoint has no transaction itself.
    """

    fn: Authenticate
    schemes: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: {"bearer": {"type": "http", "scheme": "bearer"}}
    )
    challenge: str = BEARER
    stateless: bool = False

    def __call__(self, db: Db | None, request: Request) -> Principal | None:
        """Who asks."""
        return self.fn(db, request)


def authenticator(auth: Authenticate | Authenticator | None) -> Authenticator | None:
    """An authenticator of a plain function, which is taken to read bearer tokens."""
    return auth if auth is None or isinstance(auth, Authenticator) else Authenticator(auth)


@dataclass(frozen=True, slots=True)
class Guard:
    """A demand on the user of an endpoint; stands in the annotation of a parameter, or on a family of routes."""

    roles: tuple[str, ...] = ()
    scope: str | None = None
    optional: bool = False

    def check(self, user: Principal) -> None:
        """Raises Denied where the user lacks the role or their credential the scope."""
        if self.roles and not user.is_(*self.roles):
            raise Denied(f"This needs the role {' or '.join(self.roles)}.")
        if self.scope is not None and not user.has(self.scope):
            error = Denied(f"These credentials do not cover {self.scope}.")
            error.headers["WWW-Authenticate"] = f'{BEARER}, error="insufficient_scope", scope="{self.scope}"'
            raise error


def require(*roles: str, scope: str | None = None) -> Guard:
    """Demands any of the roles, or the scope, or both; without either just a user."""
    return Guard(roles, scope)


CurrentUser = Annotated[Principal, Guard()]
MaybeUser = Annotated[Principal | None, Guard(optional=True)]


class Gate:
    """What stands before one endpoint: its authenticator and every guard on the way to it."""

    def __init__(self, auth: Authenticator | None, guards: tuple[Guard, ...], *, closed: bool) -> None:
        """`closed`: somebody must be known even where no guard asks for it."""
        self.auth = auth
        self.guards = tuple(g for g in guards if not g.optional)
        self.required = closed or bool(self.guards)
        self.stateless = auth is None or auth.stateless

    def admit(self, db: Db | None, request: Request) -> Principal | None:
        """The user. Raises Unauthenticated and Denied."""
        try:
            user = self.auth.fn(db, request) if self.auth is not None else None
        except Unauthenticated as error:
            error.headers.setdefault("WWW-Authenticate", self._challenge("invalid_token"))
            raise
        request.user = user
        if user is None:
            if self.required:
                raise self._unknown()
            return None
        for guard in self.guards:
            guard.check(user)
        return user

    def _unknown(self) -> Unauthenticated:
        error = Unauthenticated("This needs credentials.", hint="send Authorization: Bearer …")
        if self.auth is None:
            error.hint = "no authentication is configured here"
        elif not self.auth.challenge.startswith("Bearer"):
            error.hint = f"send credentials for {self.auth.challenge.partition(' ')[0]}"
        error.headers["WWW-Authenticate"] = self._challenge()
        return error

    def _challenge(self, failure: str | None = None) -> str:
        """RFC 6750 §3: a request without credentials is told no more than how to send them."""
        challenge = self.auth.challenge if self.auth is not None else BEARER
        return f'{challenge}, error="{failure}"' if failure and challenge.startswith("Bearer") else challenge
