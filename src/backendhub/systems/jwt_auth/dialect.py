"""How Supabase Auth tells a failure."""

from __future__ import annotations

from typing import Any

from backendhub.kit import web
from backendhub.kit.accounts import Taken, Weak
from backendhub.kit.errors import (
    Conflict,
    Denied,
    HubError,
    Invalid,
    Malformed,
    NotFound,
    TooLarge,
    TooMany,
    Unauthenticated,
)

from .models import Refusal

VERSION = "2024-01-01"
"""The version of this wire since which `code` is a name and no number."""


class GoTrue(web.Dialect):
    """Errors as this wire's clients read them: a name in `error_code`, or in `code` since version 2024-01-01."""

    name = "AuthError"
    description = "An error"
    media_type = "application/json"
    schema = {
        "title": "AuthError",
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": {
                "type": ["integer", "string"],
                "description": "The status, or since 2024-01-01 the name",
            },
            "error_code": {"type": "string"},
            "msg": {"type": "string"},
            "message": {"type": "string"},
        },
    }

    def status(self, error: HubError) -> int:
        """The status of an error on this wire."""
        if isinstance(error, Refusal):
            return error.status
        if isinstance(error, (Weak, Taken)):
            return 422
        if isinstance(error, Unauthenticated) and error.details.get("token") == "ended":
            return 403
        return super().status(error)

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The body, in the form that the client's version asks for."""
        code, message = said(error)
        given = request.header("x-supabase-api-version") or ""
        headers = {"X-Sb-Error-Code": code}
        body: dict[str, Any]
        if given >= VERSION:
            body = {"code": code, "message": message}
            headers["X-Supabase-Api-Version"] = VERSION
        else:
            body = {"code": error.status, "error_code": code, "msg": message, "message": message}
        if isinstance(error, Weak):
            body["weak_password"] = {"reasons": list(error.reasons)}
        if error.status >= 500:
            body["error_id"] = request.id
        return web.Reply(body, error.status, headers)


GOTRUE = GoTrue(invalid=400)
CODES: tuple[tuple[type[HubError], str], ...] = (
    (Weak, "weak_password"),
    (Malformed, "bad_json"),
    (Invalid, "validation_failed"),
    (TooMany, "over_request_rate_limit"),
    (TooLarge, "request_entity_too_large"),
    (Conflict, "conflict"),
    (NotFound, "not_found"),
)


def said(error: HubError) -> tuple[str, str]:
    """The name and the sentence of an error."""
    if isinstance(error, Refusal):
        return error.code, error.message
    if isinstance(error, Unauthenticated):
        return _unauthenticated(error)
    if isinstance(error, Denied):
        return "not_admin" if "admin" in error.message else "no_authorization", "User not allowed"
    if isinstance(error, Taken):
        return f"{error.field}_exists", f"A user with this {error.field} has already been registered"
    if isinstance(error, Invalid) and error.details.get("field") == "email":
        return "validation_failed", "Unable to validate email address: invalid format"
    if isinstance(error, Invalid) and error.details.get("field") == "phone":
        return "validation_failed", "Invalid phone number format (E.164 required)"
    known = next((code for kind, code in CODES if isinstance(error, kind)), None)
    if known is not None:
        return known, error.message
    return "unexpected_failure" if error.status >= 500 else "unknown", error.message


def _unauthenticated(error: Unauthenticated) -> tuple[str, str]:
    why = error.details.get("token")
    if why is None:
        return "no_authorization", "This endpoint requires a valid Bearer token"
    if why == "ended":
        return "session_not_found", "Session from session_id claim in JWT does not exist"
    return "bad_jwt", f"invalid JWT: unable to parse or verify signature, {error.message}"
