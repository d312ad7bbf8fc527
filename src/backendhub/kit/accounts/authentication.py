"""From a request to who asks: bearer token, API key or session cookie."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, NamedTuple

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Denied, NotFound, Unauthenticated
from backendhub.kit.identity import Principal

from . import store
from .secret import digest, is_key
from .sessions import TOUCH_S, Sessions
from .tokens import Claims, Tokens
from .touches import Touches

if TYPE_CHECKING:
    from backendhub.kit.hub import Hub
    from backendhub.kit.web import Request

COOKIES = ("__Host-session", "session")
"""The session's cookie: over TLS, and on a loopback address without it."""
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An access token or an API key"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-session"},
}
"""What OpenAPI says of `authenticate`."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
NONE: frozenset[str] = frozenset()


class Accounts(NamedTuple):
    """What a process needs to authenticate: made once from its settings."""

    tokens: Tokens
    sessions: Sessions
    touches: Touches

    def close(self) -> None:
        """Writes what is still to be noted."""
        self.touches.close()


def of(hub: Hub) -> Accounts:
    """The accounts of a hub. Raises Invalid where a setting is wrong."""

    def make() -> Accounts:
        return Accounts(Tokens.of(hub.settings), Sessions.of(hub.settings), Touches(hub.store))

    return hub.memory("accounts", make)


def authenticate(db: Db | None, request: Request) -> Principal | None:
    """Who asks, by `Authorization: Bearer` (access token or API key), `X-Api-Key` or the session cookie.

    None where the request brings none of them. Raises Unauthenticated for one that is wrong, expired or taken back, and
    Denied for a cookie that another site's page sent.
    """
    return _authenticate(db, request, ("bearer",))


def authenticate_token(db: Db | None, request: Request) -> Principal | None:
    """As `authenticate`, for a wire whose clients say `Authorization: Token …` (they may say Bearer too)."""
    return _authenticate(db, request, ("bearer", "token"))


def _authenticate(db: Db | None, request: Request, schemes: tuple[str, ...]) -> Principal | None:
    headers = request.headers
    given = headers.get(b"authorization")
    if given is not None:
        scheme, _, secret = given.decode("latin-1").strip().partition(" ")
        if scheme.lower() in schemes:
            return _within(db, request, bearer, secret.strip())
        raise Unauthenticated(
            "This kind of credential is not known here.", hint="send Authorization: Bearer TOKEN"
        )
    if (text := headers.get(b"x-api-key")) is not None:
        return _within(db, request, api_key, text.decode("latin-1"))
    if (cookies := headers.get(b"cookie")) is not None and (kept := _cookie(cookies)):
        _same_origin(request)
        return _within(db, request, cookie, kept)
    return None


def _within(
    db: Db | None, request: Request, find: Callable[[Db, Accounts, str], Principal], secret: str
) -> Principal:
    """Asks inside the request's unit of work, or in one of its own where it has none."""
    parts = of(request.hub)
    return request.hub.read(find, parts, secret) if db is None else find(db, parts, secret)


def bearer(db: Db, parts: Accounts, secret: str) -> Principal:
    """Who holds an access token or API key. Raises Unauthenticated."""
    if secret.startswith("bhk_"):
        return api_key(db, parts, secret)
    return principal(db, parts.tokens.verify(db, secret))


def principal(db: Db, claims: Claims) -> Principal:
    """Who a verified token stands for, as the account is now. Raises Unauthenticated."""
    now = clock.precise()
    if claims.key is not None:
        rows = db.fetch(store.BY_TOKEN, {"sid": claims.session, "kid": claims.key, "now": now})
    else:
        rows = db.fetch(store.BY_SHARED_TOKEN, {"sid": claims.session, "now": now})
    if not rows or rows[0][0] != claims.subject:
        raise Unauthenticated("The session has ended.", token="ended")
    id, name, roles = rows[0]
    return Principal(id, name, _set(roles), claims.scopes, "token", claims.session)


def api_key(db: Db, parts: Accounts, secret: str) -> Principal:
    """Who holds an API key. A malformed one costs no query. Raises Unauthenticated."""
    now = clock.precise()
    rows = db.fetch(store.BY_API_KEY, {"hash": digest(secret), "now": now}) if is_key(secret) else []
    if not rows:
        raise Unauthenticated("The API key is not valid.", token="invalid")
    id, name, roles, scopes, key, used = rows[0]
    if used is None or now - clock.parse(used) > timedelta(seconds=TOUCH_S):
        parts.touches.key(key)
    return Principal(id, name, _set(roles), _set(scopes), "api-key")


def cookie(db: Db, parts: Accounts, secret: str) -> Principal:
    """Who holds a session's cookie. Raises Unauthenticated."""
    now = clock.precise()
    rows = db.fetch(store.BY_COOKIE, {"hash": digest(secret), "now": now})
    if not rows:
        raise Unauthenticated("The session has ended.", token="ended")
    id, name, roles, scopes, session, seen, idle, expires = rows[0]
    if idle and now - clock.parse(seen) > timedelta(seconds=TOUCH_S):
        parts.touches.session(session, min(now + timedelta(seconds=idle), clock.parse(expires)))
    return Principal(id, name, _set(roles), _set(scopes), "session", session)


def _cookie(header: bytes) -> str | None:
    try:
        jar = SimpleCookie(header.decode("latin-1"))
    except CookieError:
        return None
    return next((jar[name].value for name in COOKIES if name in jar), None)


def _same_origin(request: Request) -> None:
    """A browser sends cookies whoever wrote the page; a change needs one of our own pages. Raises Denied."""
    if request.method in SAFE:
        return
    site, origin = request.header("sec-fetch-site"), request.header("origin")
    if site in ("same-origin", "none") or (
        site is None and origin is not None and origin.partition("://")[2] == request.header("host")
    ):
        return
    raise Denied("A page of another site sent this.", hint="send Origin, or use a token", origin=True)


@lru_cache(maxsize=1024)
def _set(text: str) -> frozenset[str]:
    return frozenset(json.loads(text)) if text != "[]" else NONE


def owned(who: Principal, owner_id: str | None, *, hide: bool = False) -> None:
    """Lets the owner (and an administrator) pass. Raises Denied, or NotFound where a system hides what others have."""
    if owner_id == who.id or who.is_("admin"):
        return
    if hide:
        raise NotFound("There is no such thing.")
    raise Denied("This belongs to somebody else.")
