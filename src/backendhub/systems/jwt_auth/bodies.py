"""Bodies of requests: every field may be left out, and the rules say what is missed, in the words of this wire."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from backendhub.kit.web.fields import NO_NUL

METADATA = 8_192
"""Bytes of metadata: it travels in every access token."""


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
