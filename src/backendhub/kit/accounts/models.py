"""What an account is, and what proves that somebody holds it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from backendhub.kit.errors import Conflict, Unauthenticated


class Status(StrEnum):
    """Whether an account may be used."""

    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class User:
    """An account. `metadata` is the account's own, `app_metadata` the administrators'; `phone` is E.164 without the plus."""

    id: str
    email: str | None
    username: str | None
    phone: str | None
    name: str | None
    roles: tuple[str, ...]
    status: Status
    banned_until: datetime | None
    anonymous: bool
    metadata: dict[str, Any]
    app_metadata: dict[str, Any]
    email_confirmed_at: datetime | None
    phone_confirmed_at: datetime | None
    last_sign_in_at: datetime | None
    created_at: datetime
    updated_at: datetime
    revision: int
    invited_at: datetime | None
    deleted_at: datetime | None

    @property
    def label(self) -> str:
        """What to call it: username, name, e-mail address or phone number, whichever there is first."""
        return self.username or self.name or self.email or self.phone or self.id


@dataclass(frozen=True, slots=True)
class Proven(User):
    """An account whose password was right a moment ago: `hash` is what it was compared with."""

    hash: str

    @classmethod
    def of(cls, user: User, hash: str) -> Proven:
        """That account, proved by the password with this hash."""
        values: dict[str, Any] = {field.name: getattr(user, field.name) for field in fields(User)}
        return cls(**values, hash=hash)


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in. `methods` says how it was proved and when, `aal` how well (NIST SP 800-63B)."""

    id: str
    user_id: str
    scopes: tuple[str, ...]
    aal: str
    methods: list[dict[str, Any]]
    user_agent: str | None
    ip: str | None
    created_at: datetime
    seen_at: datetime
    idle_until: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key for programs. `start` is what it begins with; the whole of it is shown once, when it is made."""

    id: str
    user_id: str
    name: str
    start: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that access tokens are signed with, without its private half."""

    id: str
    algorithm: str
    created_at: datetime
    retired_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Once:
    """A code and a link that were sent, without either: what they are for and whom they were sent to."""

    user_id: str
    purpose: str
    target: str
    data: dict[str, Any]
    attempts: int
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Factor:
    """A second factor, without its secret. `kind` is `totp`, `phone` or `webauthn`."""

    id: str
    user_id: str
    kind: str
    name: str | None
    phone: str | None
    verified: bool
    created_at: datetime
    updated_at: datetime
    challenged_at: datetime | None


@dataclass(frozen=True, slots=True)
class Challenge:
    """A question that waits for its answer."""

    id: str
    kind: str
    user_id: str | None
    factor_id: str | None
    data: str
    ip: str | None
    attempts: int
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Passkey:
    """The public key of an authenticator; `credential_id` and `public_key` are base64url."""

    id: str
    user_id: str
    credential_id: str
    public_key: str
    sign_count: int
    name: str
    aaguid: str | None
    transports: tuple[str, ...]
    backed_up: bool
    factor: bool
    created_at: datetime
    last_used_at: datetime | None


class Opened(NamedTuple):
    """A session that was just opened or went on: the account, the session and the secret that continues it."""

    user: User
    session: Session
    secret: str


class Refused(NamedTuple):
    """Why a secret was not taken: `unknown`, `reused`, `ended`, `expired` or `disabled`.

    It is a value and no exception because what was noticed (a stolen token ends its session) must be committed.
    """

    reason: str


class Taken(Conflict):
    """Another account has this e-mail address, username or phone number; `field` says which."""

    code = "taken"

    def __init__(self, field: str) -> None:
        super().__init__(f"There is already an account with this {field}.", field=field)
        self.field = field


class NotSignedIn(Unauthenticated):
    """No session for this login and password. `user` is the account where the password was right and the account is
    disabled or banned; what is sent must not tell the rest apart."""

    def __init__(self, user: User | None = None) -> None:
        said = "This account is disabled." if user else "The login or the password is wrong."
        super().__init__(said, credentials="disabled" if user else "invalid")
        self.user = user
