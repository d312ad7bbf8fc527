"""What a deployment allows, what is refused, and the flows that links take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from backendhub.kit.accounts import Factor, Once, Session, User
from backendhub.kit.errors import HubError


class Refusal(HubError):
    """A request that is refused with one of the wire's error codes."""

    exit_code = 1

    def __init__(self, status: int, code: str, message: str, **details: Any) -> None:
        super().__init__(message, **details)
        self.status, self.code, self.title = status, code, message


class Purpose(StrEnum):
    """What something that was sent is for."""

    CONFIRM = "confirmation"
    RECOVER = "recovery"
    EMAIL_CURRENT = "email_change_current"
    EMAIL_NEW = "email_change_new"
    PHONE = "phone_change"
    REAUTHENTICATE = "reauthentication"


class Config(NamedTuple):
    """The settings of a deployment; times in seconds."""

    site_url: str
    external_url: str
    redirects: tuple[str, ...]
    signup: bool
    autoconfirm: bool
    email: bool
    phone: bool
    phone_autoconfirm: bool
    anonymous: bool
    otp_s: int
    otp_digits: int
    interval_s: float
    confirm_both: bool
    reauthenticate: bool
    current_password: bool
    factors: int
    passkeys: bool
    rp_id: str
    rp_name: str
    rp_origins: tuple[str, ...]


class Client(NamedTuple):
    """Where a request comes from."""

    ip: str | None
    user_agent: str | None
    redirect_to: str


@dataclass(frozen=True, slots=True)
class Flow:
    """A PKCE flow. `challenge_method` is `s256` or `plain`."""

    id: str
    user_id: str
    purpose: str
    challenge: str
    challenge_method: str
    code_hash: str | None
    created_at: datetime
    expires_at: datetime


class Account(NamedTuple):
    """An account with what the wire shows beside it."""

    user: User
    sent: dict[str, Once]
    factors: list[Factor]


class Granted(NamedTuple):
    """A session and its tokens, ready to be sent."""

    account: Account
    session: Session
    access_token: str
    refresh_token: str
    expires_in: int
    weak: tuple[str, tuple[str, ...]] | None = None


class Challenge(NamedTuple):
    """A PKCE challenge that came with a request."""

    value: str
    method: str
