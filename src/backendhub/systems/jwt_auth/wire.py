"""The shapes of Supabase Auth: accounts, sessions, factors and passkeys as they are sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NotRequired
from uuid import NAMESPACE_URL, uuid5

from typing_extensions import TypedDict

from backendhub.kit import clock
from backendhub.kit.accounts import Factor, Passkey, User
from backendhub.kit.clock import iso

from .models import Account, Granted, Purpose
from .service.engine import metadata, role


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
