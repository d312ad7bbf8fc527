"""The two faces of the cinema: its own routes, and the wire of seats.io's clients."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from fastapi import Path, Query

from backendhub.kit import accounts, web
from backendhub.kit.db import Db
from backendhub.kit.errors import Denied, HubError, Unauthenticated
from backendhub.kit.identity import Principal
from backendhub.kit.web.fields import NO_NUL

from .models import Workspace
from .service import workspaces

_SCHEMA: dict[str, Any] = {
    "title": "Errors",
    "type": "object",
    "required": ["errors", "requestId"],
    "properties": {
        "status": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "messages": {"type": "array", "items": {"type": "string"}},
        "requestId": {"type": "string"},
    },
}
After = Annotated[int | None, Query(ge=0, le=2**53 - 1)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Text = Annotated[str | None, Query(max_length=200, pattern=NO_NUL)]
Word = Annotated[str, Path(max_length=200, pattern=NO_NUL)]
Rest = Annotated[str, Path(max_length=300, pattern=NO_NUL)]
"""A label, and what is to be done with it."""
_STATUS = {400: "BAD_REQUEST", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND", 409: "CONFLICT"}


INSIDE, COMPANY = "workspace", "company"
"""What a secret key may do: the first workspace's is not limited, any other opens its own workspace."""


class SeatsIo(web.Dialect):
    """Errors as seats.io's clients read them: `errors: [{code, message}]` and a request id."""

    name = "SeatsErrors"
    description = "What is wrong, each with a code"
    media_type = "application/json"
    schema = _SCHEMA

    def status(self, error: HubError) -> int:
        """What a request is wrong about is a 400 here, a conflict too."""
        return 400 if error.status == 409 else super().status(error)

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The response to a failure."""
        told = [
            {"code": "GENERAL_ERROR", "message": f"#{e.get('pointer', '')}: {e.get('detail', '')}"}
            for e in error.details.get("errors", ())
        ] or [{"code": error.code.upper(), "message": error.message}]
        body = {
            "status": _STATUS.get(error.status, "ERROR"),
            "errors": told,
            "messages": [e["message"] for e in told],
            "requestId": request.id,
        }
        return web.Reply(body, error.status, media_type=self.media_type)


def basic_user(request: web.Request) -> str:
    """The user name of basic authentication, which is where a secret key is. Empty where there is none."""
    scheme, _, text = (request.header("authorization") or "").partition(" ")
    try:
        name = base64.b64decode(text, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return name if scheme.lower() == "basic" and name.isascii() else ""


def by_secret(db: Db | None, request: web.Request) -> Principal | None:
    """The workspace whose secret key came as the user name of basic authentication."""
    if request.header("authorization") is None:
        return None
    secret = basic_user(request)
    if not secret or db is None:
        raise Unauthenticated("Send the secret key as the user name of basic authentication.")
    opened = workspaces.of_secret(db, secret)
    scopes = frozenset() if opened.is_first else frozenset({INSIDE})
    key = request.header("x-workspace-key") or opened.key
    if key != opened.key and scopes:
        raise Denied("This secret key opens its own workspace only.")
    found = opened if key == opened.key else workspaces.get(db, key, opened.company)
    return Principal(found.key, found.name, frozenset({found.company}), scopes, via="secret-key")


def workspace(db: Db, user: Principal) -> Workspace:
    """The workspace that a request is about."""
    (company,) = user.roles
    return workspaces.get(db, user.id, company)


def company(db: Db, user: Principal) -> str:
    """The company of a request: the key of its first workspace speaks for all of it. Raises Denied for another's."""
    if not user.has(COMPANY):
        raise Denied("This takes the secret key of the company's first workspace.")
    return workspace(db, user).company


def span(after: int | None, before: int | None, limit: int) -> workspaces.Span:
    """The part of a listing that was asked for."""
    return workspaces.Span(after, before, limit)


SEATS = SeatsIo(invalid=400)
_AUTH = web.Authenticator(
    by_secret, {"secretKey": {"type": "http", "scheme": "basic"}}, challenge='Basic realm="workspace"'
)
router = web.Router(
    "A cinema: films, shows, seats that are sold once, tickets that are scanned once. Under `/charts`, `/events`, "
    "`/seasons`, `/hold-tokens`, `/reports` and `/workspaces` it speaks the wire of seats.io's clients over the same seats. "
    "`/_check` looks at every invariant.",
    cors=True,
    auth=web.Authenticator(accounts.authenticate, accounts.SCHEMES),
)


ADMIN, STAFF = "admin", "staff"
Admin = Annotated[Principal, web.require(ADMIN)]
Staff = Annotated[Principal, web.require(ADMIN, STAFF)]
admin_routes = router.family("/admin", guard=web.require(ADMIN))


def _seats(prefix: str) -> web.Family:
    return router.family(prefix, dialect=SEATS, auth=_AUTH, guard=web.require())


chart_routes = _seats("/charts")
event_routes = _seats("/events")
season_routes = _seats("/seasons")
buyer_routes = _seats("/ticket-buyers")
log_routes = _seats("/event-log")
token_routes = _seats("/hold-tokens")
report_routes = _seats("/reports")
workspace_routes = _seats("/workspaces")
public_routes = _seats("/system/public")
system_routes = router.family("/system/private", dialect=SEATS)
