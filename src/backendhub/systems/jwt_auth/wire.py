"""The shapes of Supabase Auth: bodies in, accounts and sessions out, and how a failure is told."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, NotRequired
from uuid import NAMESPACE_URL, uuid5

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from backendhub.kit import web
from backendhub.kit.accounts import Factor, Passkey, Taken, User, Weak
from backendhub.kit.clock import iso
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

from .models import Account, Granted, Purpose, Refusal
from .service.engine import metadata, role

METADATA = 8_192
"""Bytes of metadata: it travels in every access token."""
VERSION = "2024-01-01"
"""The version of this wire since which `code` is a name and no number."""
NO_NUL = r"^[^\x00]*$"


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value)) > METADATA:
        raise PydanticCustomError("too_long", f"metadata has at most {METADATA} bytes")
    return value


Short = Annotated[str, Field(max_length=512, pattern=NO_NUL)]
Secret = Annotated[str, Field(max_length=4096)]
Data = Annotated[dict[str, Any], AfterValidator(_small)]


class In(BaseModel):
    """A body; what it has beyond its fields is left alone, as the wire's own server does."""

    model_config = ConfigDict(extra="ignore")


class Challenged(In):
    """A body that may begin a flow with a code challenge (PKCE)."""

    code_challenge: Short | None = None
    code_challenge_method: Short | None = Field(None, description="`s256` or `plain`")


class SignUpIn(Challenged):
    """Who signs up: with an address or a number and a password, or with neither."""

    email: Short | None = Field(None, examples=["ada@example.com"])
    phone: Short | None = None
    password: Secret | None = Field(None, examples=["correct horse battery"])
    data: Data | None = Field(None, description="The account's own metadata")
    channel: Short | None = None


class TokenIn(In):
    """What a grant type needs."""

    email: Short | None = None
    phone: Short | None = None
    password: Secret | None = None
    refresh_token: Secret | None = None
    auth_code: Secret | None = None
    code_verifier: Secret | None = None
    provider: Short | None = None
    id_token: Annotated[str, Field(max_length=16_384)] | None = None
    chain: Short | None = None


class OtpIn(Challenged):
    """Where a link or code is sent, and whether it may sign up."""

    email: Short | None = None
    phone: Short | None = None
    create_user: bool = True
    data: Data | None = None
    channel: Short | None = None


class RecoverIn(Challenged):
    """Whose password is forgotten."""

    email: Short | None = None


class ResendIn(Challenged):
    """What is sent again."""

    type: Short | None = Field(None, description="`signup`, `email_change`, `sms` or `phone_change`")
    email: Short | None = None
    phone: Short | None = None


class VerifyIn(In):
    """A code with the address or number that it was sent to, or the token of a link."""

    type: Short | None = None
    token: Short | None = None
    token_hash: Short | None = None
    email: Short | None = None
    phone: Short | None = None
    redirect_to: Short | None = None


class UserIn(Challenged):
    """What is to change; what is left out stays."""

    email: Short | None = None
    phone: Short | None = None
    password: Secret | None = None
    current_password: Secret | None = None
    data: Data | None = None
    nonce: Short | None = None
    app_metadata: Data | None = None
    channel: Short | None = None


class FactorIn(In):
    """A new second factor."""

    factor_type: Short | None = Field(None, description="`totp`, `phone` or `webauthn`")
    friendly_name: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    issuer: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    phone: Short | None = None


class WebAuthnIn(In):
    """What an authenticator answered."""

    type: Short | None = Field(None, description="`create` or `request`")
    credential_response: dict[str, Any] | None = None


class AnswerIn(In):
    """An answer to a challenge."""

    challenge_id: Short | None = None
    code: Short | None = None
    webauthn: WebAuthnIn | None = None


class PasskeyIn(In):
    """What an authenticator answered to a challenge."""

    challenge_id: Short | None = None
    credential: dict[str, Any] | None = None


class PasskeyNameIn(In):
    """A passkey's new name."""

    friendly_name: Annotated[str, Field(max_length=120, pattern=NO_NUL)] | None = None


class AdminIn(In):
    """An account as an administrator wants it."""

    id: Short | None = None
    email: Short | None = None
    phone: Short | None = None
    password: Secret | None = None
    password_hash: Short | None = Field(None, description="Argon2 (PHC) or bcrypt")
    role: Short | None = None
    email_confirm: bool = False
    phone_confirm: bool = False
    user_metadata: Data | None = None
    app_metadata: Data | None = None
    ban_duration: Short | None = Field(None, description="`24h`; `none` ends a ban")


class AdminFactorIn(In):
    """A factor's new name or number."""

    friendly_name: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    phone: Short | None = None


class InviteIn(In):
    """Who is invited."""

    email: Short | None = None
    data: Data | None = None


class LinkIn(InviteIn):
    """A link to make without sending it."""

    type: Short | None = None
    password: Secret | None = None
    new_email: Short | None = None
    redirect_to: Annotated[str, Field(max_length=2048, pattern=NO_NUL)] | None = None


class UserOut(TypedDict):
    """An account."""

    id: str
    aud: str
    role: str
    email: str
    phone: str
    app_metadata: dict[str, Any]
    user_metadata: dict[str, Any]
    identities: list[dict[str, Any]]
    created_at: str
    updated_at: str
    is_anonymous: bool
    email_confirmed_at: NotRequired[str]
    phone_confirmed_at: NotRequired[str]
    confirmed_at: NotRequired[str]
    invited_at: NotRequired[str]
    confirmation_sent_at: NotRequired[str]
    recovery_sent_at: NotRequired[str]
    new_email: NotRequired[str]
    email_change_sent_at: NotRequired[str]
    new_phone: NotRequired[str]
    phone_change_sent_at: NotRequired[str]
    reauthentication_sent_at: NotRequired[str]
    last_sign_in_at: NotRequired[str]
    banned_until: NotRequired[str]
    deleted_at: NotRequired[str]
    factors: NotRequired[list[dict[str, Any]]]


class SessionOut(TypedDict):
    """A session's tokens and its account."""

    access_token: str
    token_type: str
    expires_in: int
    expires_at: int
    refresh_token: str
    user: UserOut
    weak_password: NotRequired[dict[str, Any]]


def user_out(shown: Account) -> UserOut:
    """An account as it is sent."""
    user, sent = shown.user, shown.sent
    out: dict[str, Any] = {
        "id": user.id,
        "aud": "authenticated",
        "role": role(user),
        "email": user.email or "",
        "phone": user.phone or "",
        "app_metadata": metadata(user),
        "user_metadata": user.metadata,
        "identities": identities(user),
        "created_at": iso(user.created_at),
        "updated_at": iso(user.updated_at),
        "is_anonymous": user.anonymous,
    }
    times = {
        "email_confirmed_at": user.email_confirmed_at,
        "phone_confirmed_at": user.phone_confirmed_at,
        "confirmed_at": min(filter(None, (user.email_confirmed_at, user.phone_confirmed_at)), default=None),
        "invited_at": user.invited_at,
        "last_sign_in_at": user.last_sign_in_at,
        "banned_until": user.banned_until,
        "deleted_at": user.deleted_at,
        "confirmation_sent_at": _sent(shown, Purpose.CONFIRM),
        "recovery_sent_at": _sent(shown, Purpose.RECOVER),
        "email_change_sent_at": _sent(shown, Purpose.EMAIL_NEW, Purpose.EMAIL_CURRENT),
        "phone_change_sent_at": _sent(shown, Purpose.PHONE),
        "reauthentication_sent_at": _sent(shown, Purpose.REAUTHENTICATE),
    }
    out |= {name: iso(at) for name, at in times.items() if at is not None}
    change = sent.get(Purpose.EMAIL_NEW) or sent.get(Purpose.EMAIL_CURRENT)
    if change is not None:
        out["new_email"] = change.data.get("email", change.target)
    if Purpose.PHONE in sent:
        out["new_phone"] = sent[Purpose.PHONE].target
    if shown.factors:
        out["factors"] = [factor_out(f) for f in shown.factors]
    made: UserOut = out  # type: ignore[assignment]
    return made


def _sent(shown: Account, *purposes: Purpose) -> datetime | None:
    return next((shown.sent[p].created_at for p in purposes if p in shown.sent), None)


def identities(user: User) -> list[dict[str, Any]]:
    """The ways in which an account is known: its address and its number are one each."""
    ways = [
        ("email", user.email, user.email_confirmed_at, {"email": user.email}),
        ("phone", user.phone, user.phone_confirmed_at, {"phone": user.phone}),
    ]
    return [
        {
            "identity_id": str(uuid5(NAMESPACE_URL, f"{user.id}/{name}")),
            "id": user.id,
            "user_id": user.id,
            "identity_data": own
            | {
                "sub": user.id,
                "email_verified": name == "email" and confirmed is not None,
                "phone_verified": name == "phone" and confirmed is not None,
            },
            "provider": name,
            "last_sign_in_at": iso(user.last_sign_in_at or user.created_at),
            "created_at": iso(user.created_at),
            "updated_at": iso(user.updated_at),
        }
        | ({"email": user.email} if name == "email" else {})
        for name, value, confirmed, own in ways
        if value
    ]


def session_out(granted: Granted) -> SessionOut:
    """A session as it is sent."""
    out: SessionOut = {
        "access_token": granted.access_token,
        "token_type": "bearer",
        "expires_in": granted.expires_in,
        "expires_at": expires_at(granted),
        "refresh_token": granted.refresh_token,
        "user": user_out(granted.account),
    }
    if granted.weak is not None:
        out["weak_password"] = {"message": granted.weak[0], "reasons": list(granted.weak[1])}
    return out


def expires_at(granted: Granted) -> int:
    """When the access token ends, in seconds since 1970."""
    from backendhub.kit import clock

    return int(clock.precise().timestamp()) + granted.expires_in


def factor_out(factor: Factor) -> dict[str, Any]:
    """A factor as it is sent."""
    return {
        "id": factor.id,
        "created_at": iso(factor.created_at),
        "updated_at": iso(factor.updated_at),
        "status": "verified" if factor.verified else "unverified",
        "friendly_name": factor.name or "",
        "factor_type": factor.kind,
        "phone": factor.phone or "",
        "last_challenged_at": iso(factor.challenged_at) if factor.challenged_at else None,
    }


def passkey_out(key: Passkey) -> dict[str, Any]:
    """A passkey as it is sent."""
    out: dict[str, Any] = {"id": key.id, "friendly_name": key.name, "created_at": iso(key.created_at)}
    return out | ({"last_used_at": iso(key.last_used_at)} if key.last_used_at else {})


# -- failures ---------------------------------------------------------------------------------------------


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
