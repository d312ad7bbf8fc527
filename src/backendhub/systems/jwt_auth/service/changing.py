"""An account changes itself: metadata, password, address and number."""

from __future__ import annotations

from typing import Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.accounts import Session, Taken, User, factors, one_time, sessions, users
from backendhub.kit.db import Db
from backendhub.systems.jwt_auth.models import Account, Challenge, Client, Purpose, Refusal

from . import sending
from .engine import Engine, account

RECENT_S = 86_400
"""How long after a sign-in a password may be changed without proving it again."""


class Changes(NamedTuple):
    """What is to change; None stays."""

    email: str | None
    phone: str | None
    hash: str | None
    data: dict[str, Any] | None
    nonce: str | None


def ready(db: Db, engine: Engine, user: User, session: Session, changes: Changes) -> Refusal | None:
    """Why these changes are refused. A wrong nonce is counted, so the unit must be committed."""
    moves = (changes.email and changes.email != user.email) or (changes.phone and changes.phone != user.phone)
    if (
        (changes.hash or moves)
        and session.aal != "aal2"
        and any(f.verified for f in factors.of_user(db, user.id))
    ):
        return Refusal(
            401,
            "insufficient_aal",
            "AAL2 session is required to update email or password when MFA is enabled.",
        )
    if user.anonymous and changes.hash and not changes.email and not changes.phone:
        return Refusal(
            422,
            "validation_failed",
            "Updating password of an anonymous user without an email or phone is not allowed",
        )
    if changes.hash and engine.config.reauthenticate and not _recent(session):
        if not changes.nonce:
            return Refusal(400, "reauthentication_needed", "Password update requires reauthentication")
        if one_time.use_code(db, user.id, changes.nonce, Purpose.REAUTHENTICATE) is None:
            return Refusal(422, "reauthentication_not_valid", "Nonce has expired or is invalid")
    return None


def _recent(session: Session) -> bool:
    return (clock.precise() - session.created_at).total_seconds() < RECENT_S


def change(
    db: Db,
    engine: Engine,
    user_id: str,
    session: Session,
    changes: Changes,
    client: Client,
    flow: Challenge | None,
) -> Account | Refusal:
    """Changes the account: at once what it may change at once, and by confirmation its address and number."""
    user, config = users.get(db, user_id), engine.config
    if (why := ready(db, engine, user, session, changes)) is not None:
        return why
    if changes.hash is not None:
        users.set_hash(db, user.id, changes.hash)
        sessions.end_all(db, user.id, but=session.id, by="password")
    if changes.data is not None:
        user = users.edit(db, user.id, metadata=merged(user.metadata, changes.data))
    if changes.email and changes.email != user.email:
        if (other := users.by_email(db, changes.email)) is not None and other.id != user.id:
            raise Refusal(422, "email_exists", "A user with this email address has already been registered")
        if user.anonymous and config.autoconfirm:
            user = email_changed(db, user, changes.email)
        else:
            send_email_change(db, engine, user, changes.email, client, flow)
    if changes.phone and changes.phone != user.phone:
        user = _phone(db, engine, user, changes.phone)
    return account(db, users.get(db, user.id))


def _phone(db: Db, engine: Engine, user: User, phone: str) -> User:
    if (other := users.by_phone(db, phone)) is not None and other.id != user.id:
        raise Refusal(422, "phone_exists", "A user with this phone number has already been registered")
    if not engine.config.phone:
        raise Refusal(400, "phone_provider_disabled", "Phone logins are disabled")
    if engine.config.phone_autoconfirm:
        return users.edit(db, user.id, phone=phone, phone_confirmed_at=clock.precise(), anonymous=False)
    if not sending.text(db, engine.config, user, Purpose.PHONE, phone):
        raise too_soon("over_sms_send_rate_limit")
    return user


def send_email_change(
    db: Db, engine: Engine, user: User, email: str, client: Client, flow: Challenge | None
) -> None:
    """Asks the new address, and the present one too where both must agree."""
    config, data = engine.config, {"email": email}
    if not sending.mail(db, config, user, "email_change_new", client, to=email, flow=flow, data=data):
        raise too_soon("over_email_send_rate_limit")
    if config.confirm_both and user.email:
        sending.mail(db, config, user, "email_change_current", client, flow=flow, data=data)
    else:
        one_time.drop(db, user.id, Purpose.EMAIL_CURRENT)


def too_soon(code: str) -> Refusal:
    """The refusal to send twice within the interval, told only to somebody who is signed in."""
    return Refusal(
        429, code, "For security purposes, you can only request this once in a while.", retryAfter=60
    )


def email_changed(db: Db, user: User, email: str) -> User:
    """Gives an account the address that has agreed. Raises Refusal where somebody else has it by now."""
    try:
        return users.edit(db, user.id, email=email, email_confirmed_at=clock.precise(), anonymous=False)
    except Taken:
        raise Refusal(
            422, "email_exists", "A user with this email address has already been registered"
        ) from None


def merged(before: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Metadata with changes: names that are null go."""
    return {name: value for name, value in (before | changes).items() if value is not None}


def reauthenticate(db: Db, engine: Engine, user_id: str, client: Client) -> None:
    """Sends a code that proves once more who is there. Raises Refusal."""
    user = users.get(db, user_id)
    if not user.email and not user.phone:
        raise Refusal(
            400, "validation_failed", "Reauthentication requires the user to have an email or a phone number"
        )
    if user.email:
        if user.email_confirmed_at is None:
            raise Refusal(422, "email_not_confirmed", "Please verify your email first.")
        sent = sending.mail(db, engine.config, user, "reauthentication", client)
    else:
        sent = sending.text(db, engine.config, user, Purpose.REAUTHENTICATE, user.phone or "")
    if not sent:
        raise too_soon("over_email_send_rate_limit" if user.email else "over_sms_send_rate_limit")
