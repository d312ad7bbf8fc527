"""The wires of the shop: how each says what went wrong, and by what it knows people."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from backendhub.kit import accounts, web
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, HubError, Malformed, Unauthenticated
from backendhub.kit.idempotency.service import KeyInUse, KeyReused
from backendhub.kit.identity import Principal
from backendhub.kit.web.guards import Guard

from .models import (
    CartChanged,
    CartOver,
    InsufficientStock,
    NotReady,
    PaymentFailed,
    PromotionRefused,
    TooMuch,
)
from .service import regions

STAFF = ("admin", "staff")
KEY = "x-publishable-api-key"
_TYPES = {
    400: "invalid_data",
    401: "unauthorized",
    402: "payment_authorization_error",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    422: "invalid_data",
}
_CODES = (
    (InsufficientStock, "insufficient_inventory"),
    (CartChanged, "cart_changed"),
    (CartOver, "cart_completed"),
    (NotReady, "cart_not_ready"),
    (PromotionRefused, "promotion_refused"),
    (TooMuch, "too_much"),
    (PaymentFailed, "payment_failed"),
)
_SCHEMA: dict[str, Any] = {
    "title": "MedusaError",
    "description": "What is wrong: its type, and words for people",
    "type": "object",
    "required": ["type", "message"],
    "properties": {"type": {"type": "string"}, "message": {"type": "string"}, "code": {"type": "string"}},
}


class Medusa(web.Dialect):
    """Medusa's errors: `{"type": "invalid_data", "message": "…"}`."""

    name = "MedusaError"
    description = "What is wrong (Medusa)"
    media_type = "application/json"
    schema = _SCHEMA

    def status(self, error: HubError) -> int:
        """What a request is wrong about is a 400; another's doing (a race, a taken name) stays a 409."""
        if isinstance(error, InsufficientStock | PromotionRefused | NotReady | TooMuch):
            return 400
        return super().status(error)

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The response to a failure."""
        body = told(error)
        return web.Reply(body, error.status, media_type=self.media_type)


def told(error: HubError) -> dict[str, Any]:
    """An error as Medusa tells it."""
    message = error.message
    if found := error.details.get("errors"):
        parts = [f"{_where(each)}: {each.get('detail', '')}" for each in found[:5]]
        message = "Invalid request: " + "; ".join(parts)
    body = {"type": kind(error), "message": message}
    code = next((code for known, code in _CODES if isinstance(error, known)), None)
    if code is not None:
        body["code"] = code
    for name in ("changes", "items"):
        if isinstance(error, CartChanged | InsufficientStock) and name in error.details:
            body[name] = error.details[name]
    return body


def kind(error: HubError) -> str:
    """The type of an error in Medusa's words."""
    if isinstance(error, accounts.Taken) or (isinstance(error, Conflict) and "field" in error.details):
        return "duplicate_error"
    if isinstance(error, InsufficientStock | NotReady | TooMuch | CartOver):
        return "not_allowed"
    if isinstance(error, KeyReused | KeyInUse):
        return "idempotency_error"
    return _TYPES.get(error.status, "unexpected_state" if error.status < 500 else "unknown_error")


def _where(each: dict[str, str]) -> str:
    return each.get("name") or each.get("pointer", "").strip("/").replace("/", ".") or "body"


# -- who asks ----------------------------------------------------------------------------------------------


class NoKey(Malformed):
    """The publishable key is missing or not one of the shop's."""

    code = "publishable_key"


def shopper(db: Db | None, request: web.Request) -> Principal | None:
    """A storefront by its publishable key, and the customer behind it where there is one. Raises NoKey."""
    token = request.header(KEY)
    if not token:
        raise NoKey(
            f"Publishable API key required in the request header: {KEY}. "
            "You can manage your keys in settings in the dashboard."
        )
    known = request.hub.read(regions.key, token) if db is None else regions.key(db, token)
    if known is None and token != request.hub.settings.get("shop.publishable_key"):
        raise NoKey("A valid publishable key is required to proceed with the request")
    return accounts.authenticate(db, request)


def staff(db: Db | None, request: web.Request) -> Principal | None:
    """Who works here: a token, a session, or an API key, which may come as HTTP Basic's user name."""
    scheme, _, secret = (request.header("authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return accounts.authenticate(db, request)
    try:
        name = base64.b64decode(secret.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        raise Unauthenticated("This is no HTTP Basic credential.") from None
    parts = accounts.of(request.hub)
    if db is None:
        return request.hub.read(accounts.bearer, parts, name)
    return accounts.bearer(db, parts, name)


def browsing(db: Db | None, request: web.Request) -> Principal | None:
    """Who is signed in in a browser; a session that has ended is nobody."""
    try:
        return accounts.authenticate(db, request)
    except Unauthenticated:
        return None


router = web.Router(
    "A shop that cannot sell what it does not have. `/store` is the Store API of Medusa v2 (send a publishable key as "
    "`x-publishable-api-key`), `/admin` a part of its Admin "
    "API, `/auth` how both sign in; `/checkout-sessions` and `/orders` are UCP checkout, found by `/.well-known/ucp`. `/api` "
    "is the same shop in a plainer form. `/shop` is a storefront and `/shop/admin` the back office, for browsers. "
    "`/_check` looks at every invariant.",
    cors=True,
)
MEDUSA = Medusa(invalid=400)
store = router.family(
    "/store",
    dialect=MEDUSA,
    auth=web.Authenticator(shopper, accounts.SCHEMES),
    guard=Guard(optional=True),
)
auth = router.family("/auth", dialect=MEDUSA, auth=web.Authenticator(accounts.authenticate, accounts.SCHEMES))
admin = router.family(
    "/admin",
    dialect=MEDUSA,
    auth=web.Authenticator(
        staff, {**accounts.SCHEMES, "basic": {"type": "http", "scheme": "basic"}}, stateless=False
    ),
    guard=web.require(*STAFF),
)
plain = router.family("/api", auth=web.Authenticator(accounts.authenticate, accounts.SCHEMES))

__all__ = ["MEDUSA", "STAFF", "admin", "auth", "browsing", "plain", "router", "store", "told"]
