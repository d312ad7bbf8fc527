"""Who asks: accounts by their tokens, and servers that share the signing key."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from backendhub.kit import accounts, clock, web
from backendhub.kit.accounts import Session, sessions, users
from backendhub.kit.db import Db
from backendhub.kit.errors import Unauthenticated
from backendhub.kit.identity import Principal
from backendhub.kit.mail import compose
from backendhub.kit.web.fields import NO_NUL

from .models import Client, Granted, Refusal
from .service.engine import Engine, redirect

SERVICES = ("service_role", "supabase_admin")
SERVICE_ID = "00000000-0000-0000-0000-000000000000"
Holder = Annotated[Principal, web.require(scope="account")]
"""An account with a credential that may manage it: an unscoped one, or one with the scope `account`."""

Redirect = Annotated[
    str | None,
    Query(
        max_length=2048, pattern=NO_NUL, description="Where a link leads, if `jwt_auth.redirects` allows it"
    ),
]
AUTH = web.Authenticator(accounts.authenticate, accounts.SCHEMES)


def administrator(db: Db | None, request: web.Request) -> Principal | None:
    """An administrator, or a server whose token the shared key has signed for `service_role`."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and token.count(".") == 2:
        found = request.hub.read(_service, request, token) if db is None else _service(db, request, token)
        if found is not None:
            return found
    return accounts.authenticate(db, request)


def _service(db: Db, request: web.Request, token: str) -> Principal | None:
    tokens = accounts.of(request.hub).tokens
    try:
        header, body = tokens.signed(db, token.strip())
    except Unauthenticated:
        return None  # the other way of asking says what is wrong
    if body.get("role") not in SERVICES or "session_id" in body or not tokens.shared(db, header):
        return None
    now = clock.precise().timestamp()
    if not _holds(body.get("exp"), now + 1) or not _holds(body.get("nbf"), now, ends=False):
        raise Unauthenticated("The token does not hold now.", token="expired")
    return Principal(SERVICE_ID, str(body["role"]), frozenset({"admin"}), via="service")


def _holds(value: Any, now: float, *, ends: bool = True) -> bool:
    if value is None:
        return True
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return value >= now if ends else value <= now


ADMINISTRATOR = web.Authenticator(administrator, accounts.SCHEMES)
ADMIN = web.require("admin", scope="account")


def followed(request: web.Request) -> None:
    """Lets a link of a mail be followed by a person or by a program. Raises Refusal where a browser says that it asks for
    itself: for the picture or frame of some page, or ahead of time, which would use the link up."""
    asked = (request.header("sec-fetch-mode"), request.header("sec-fetch-dest"))
    if asked not in ((None, None), ("navigate", "document")) or request.header("sec-purpose"):
        raise Refusal(403, "validation_failed", "A link of a mail is followed, not embedded or fetched ahead")


def scripted(request: web.Request) -> None:
    """Lets a GET that does something be sent by a program or a script. Raises Refusal where a browser says that it was a
    link, a form or a part of a page."""
    if request.header("sec-fetch-mode") not in (None, "cors", "same-origin"):
        raise Refusal(403, "validation_failed", "This is asked by a script, not by a page")


def session(db: Db, user: Principal) -> Session:
    """The session behind a request. Raises Refusal for a credential that has none, such as an API key."""
    found = sessions.find(db, user.session) if user.session else None
    if found is None:
        raise Refusal(403, "session_not_found", "Session from session_id claim in JWT does not exist")
    return found


def session_id(user: Principal) -> str:
    """The id of the session behind a request. Raises Refusal where there is none."""
    if user.session is None:
        raise Refusal(403, "session_not_found", "Session from session_id claim in JWT does not exist")
    return user.session


def settled(outcome: Granted | Refusal) -> Granted:
    """The grant; raises a refusal now that what it has noticed is committed."""
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def named(email: str | None, phone: str | None, message: str) -> tuple[str | None, str | None]:
    """The address or the number, one of them, in the form that is kept. Raises Refusal, Invalid."""
    if email and phone:
        raise Refusal(400, "validation_failed", message)
    return (mailbox(email) if email else None), (users.phone(phone) if phone else None)


def mailbox(text: str) -> str:
    """An address that mail can be sent to, in the form that is kept. Raises Invalid, before anybody looks whether there is
    such an account: else the refusal to write to it would tell."""
    kept = users.email(text)
    compose.address(kept)
    return kept


def client(request: web.Request, redirect_to: str | None = None) -> Client:
    """Where a request comes from, and where its links lead in the end."""
    config = Engine.of(request.hub).config
    wanted = redirect_to or dict(request.pairs()).get("redirect_to")
    address = request.scope.get("client") or (None,)
    return Client(address[0], request.header("user-agent"), redirect(config, wanted))
