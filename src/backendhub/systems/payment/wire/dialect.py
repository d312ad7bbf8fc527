"""Who asks, how failures are told, and the header fields of every answer."""

from __future__ import annotations

import re
from base64 import b64decode
from hashlib import sha256
from typing import Any

from backendhub.kit import web
from backendhub.kit.accounts import authentication
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Denied, HubError, Malformed, NotFound, TooMany, Unauthenticated
from backendhub.kit.idempotency import KeyInUse, KeyReused
from backendhub.kit.identity import Principal
from backendhub.systems.payment.errors import ApiError

KEY = r"(sk|rk|pk)_(test|live)_[A-Za-z0-9_.\-]{1,240}"
"""Any key of this form will do."""
NO_KEY = (
    "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth "
    "(e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
)
ERROR: dict[str, Any] = {
    "title": "Error",
    "description": "What is wrong, as Stripe's clients read it",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {
                "type": {
                    "enum": [
                        "api_error",
                        "card_error",
                        "idempotency_error",
                        "invalid_request_error",
                        "rate_limit_error",
                    ]
                },
                "code": {"type": "string"},
                "param": {"type": "string"},
                "message": {"type": "string"},
                "decline_code": {"type": "string"},
            },
        }
    },
}


class Stripe(web.Dialect):
    """Errors as `{"error": {"type", "code", "param", "message"}}`."""

    name = "StripeError"
    description = "An error (Stripe)"
    media_type = "application/json"
    schema = ERROR

    def __init__(self) -> None:
        super().__init__(invalid=400)

    def status(self, error: HubError) -> int:
        """A key that came with another request is a 400 there, a type of body that is not read as well."""
        if isinstance(error, KeyReused) or error.status == 415:
            return 400
        return super().status(error)

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The response to a failure."""
        return web.Reply(
            _body(error, request), error.status, headers=fields(request), media_type=self.media_type
        )


def _body(error: HubError, request: web.Request) -> dict[str, Any]:
    if isinstance(error, ApiError):
        return error.body()
    told: dict[str, Any] = {"type": "invalid_request_error", "message": error.message}
    if isinstance(error, KeyReused):
        told["type"] = "idempotency_error"
        told["message"] = (
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{request.header('idempotency-key')}' if you meant to execute a different request."
        )
    elif isinstance(error, KeyInUse):
        told |= {"type": "idempotency_error", "code": "idempotency_key_in_use"}
        told["message"] = (
            f"There is currently another in-progress request using this Idempotency Key "
            f"({request.header('idempotency-key')}). Please try again later."
        )
    elif isinstance(error, Unauthenticated):
        told["message"] = error.message if request.header("authorization") else NO_KEY
    elif isinstance(error, NotFound) or error.status in (404, 405):
        told["message"] = f"Unrecognized request URL ({request.method}: {request.full_path})."
    elif isinstance(error, TooMany):
        told |= {"type": "rate_limit_error", "code": "rate_limit"}
    elif isinstance(error, Conflict):
        told |= {"code": "lock_timeout"} if error.status == 409 and error.code == "conflict" else {}
    elif isinstance(error, Malformed) and "Idempotency-Key" in error.message:
        told["type"] = "idempotency_error"
    elif error.status >= 500:
        told["type"] = "api_error"
    return {"error": told}


def request_id(request: web.Request) -> str:
    """`req_…`, the same for the same request."""
    return "req_" + sha256(request.id.encode()).hexdigest()[:14]


def fields(request: web.Request) -> dict[str, str]:
    """What every answer says beside its body."""
    return {"Request-Id": request_id(request)}


def authenticate(db: Db | None, request: web.Request) -> Principal | None:
    """Who asks: any key will do, or with `--auth token` an API key of an account. Raises Unauthenticated."""
    given = request.header("authorization")
    if given is None:
        return None
    key = _key(given)
    if request.hub.settings.get("auth") == "token":
        parts = authentication.of(request.hub)
        if db is None:
            return request.hub.read(authentication.bearer, parts, key)
        return authentication.bearer(db, parts, key)
    if not re.fullmatch(KEY, key):
        raise Unauthenticated(f"Invalid API Key provided: {_masked(key)}")
    if key.startswith("pk_") and not _publishable(request):
        raise Denied(
            "This API call cannot be made with a publishable API key. Please use a secret API key. "
            "You can find a list of your API keys at https://dashboard.stripe.com/account/apikeys."
        )
    return Principal("acct_1", "account", via="api-key")


def _key(header: str) -> str:
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        raise Unauthenticated(NO_KEY)
    try:
        return b64decode(rest.strip(), validate=True).decode().partition(":")[0]
    except ValueError:
        raise Unauthenticated("Invalid API Key provided: the Basic credentials cannot be read") from None


def _publishable(request: web.Request) -> bool:
    """What a browser may do: make tokens and payment methods, and work on an intent whose client secret it has."""
    if request.method == "POST" and request.path in ("/v1/tokens", "/v1/payment_methods", "/v1/sources"):
        return True
    match = re.fullmatch(r"/v1/(payment|setup)_intents/[^/]+(/confirm)?", request.path)
    sent = request.query if request.method == "GET" else request.body.decode("latin-1")
    return match is not None and "client_secret=" in sent


def _masked(key: str) -> str:
    shown = re.sub(r"[^\x20-\x7e]", "?", key)[:255]
    return shown if len(shown) < 8 else shown[:4] + "*" * (len(shown) - 8) + shown[-4:]


AUTHENTICATOR = web.Authenticator(
    authenticate,
    schemes={
        "bearer": {"type": "http", "scheme": "bearer", "description": "A secret key: `sk_test_…`"},
        "basic": {"type": "http", "scheme": "basic", "description": "The key as the user's name"},
    },
    challenge='Bearer realm="Stripe"',
)
