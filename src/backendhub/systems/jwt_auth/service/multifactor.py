"""Second factors: enrol, challenge, verify, remove."""

from __future__ import annotations

from typing import Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.accounts import Challenge as Question
from backendhub.kit.accounts import Factor, Opened, Session, User, factors, passkeys, sessions, users
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, NotFound
from backendhub.systems.jwt_auth.models import Client, Config, Granted, Refusal

from . import keys, sending
from .engine import Engine, granted


class Answer(NamedTuple):
    """An answer to a challenge: a code, or what an authenticator says."""

    challenge_id: str
    code: str
    credential: dict[str, Any] | None = None


def enrol(
    db: Db,
    engine: Engine,
    user_id: str,
    session: Session,
    kind: str,
    *,
    name: str,
    issuer: str,
    phone: str | None,
) -> factors.Enrolled:
    """A new factor, unverified. Raises Refusal."""
    user, config = users.get(db, user_id), engine.config
    if user.anonymous:
        raise Refusal(403, "no_authorization", "Anonymous user not allowed to perform these actions")
    _room(db, config, user, session)
    if kind == "phone":
        if not config.phone:
            raise Refusal(422, "mfa_phone_enroll_not_enabled", "MFA enroll is disabled for Phone")
        if not phone:
            raise Refusal(400, "validation_failed", "Phone number required to enroll Phone factor")
    try:
        return factors.enrol(
            db, user.id, kind, name=name, phone=phone, account=user.label, issuer=issuer or config.rp_name
        )
    except Conflict:
        raise Refusal(
            422,
            "mfa_factor_name_conflict",
            f'A factor with the friendly name "{name}" for this user already exists',
        ) from None


def _room(db: Db, config: Config, user: User, session: Session) -> None:
    known = factors.of_user(db, user.id)
    if len(known) >= config.factors:
        raise Refusal(
            422,
            "too_many_enrolled_mfa_factors",
            "Maximum number of verified factors reached, unenroll to continue",
        )
    if any(f.verified for f in known) and session.aal != "aal2":
        raise Refusal(403, "insufficient_aal", "AAL2 required to enroll a new factor")


def find(db: Db, user_id: str, factor_id: str) -> Factor:
    """A factor of an account. Raises Refusal."""
    try:
        return factors.get(db, user_id, factor_id)
    except NotFound:
        raise Refusal(404, "mfa_factor_not_found", "Factor not found") from None


class Questioned(NamedTuple):
    """A factor, its challenge and, for webauthn, what the browser is given."""

    factor: Factor
    challenge: Question
    options: dict[str, Any] | None = None


def challenge(db: Db, engine: Engine, user_id: str, factor_id: str, client: Client) -> Questioned:
    """A new challenge of a factor; that of a phone is sent to it. Raises Refusal."""
    factor = find(db, user_id, factor_id)
    if factor.kind == "webauthn":
        party = keys.party(engine.config)
        if factor.verified:
            return Questioned(factor, *passkeys.ask(db, party, factor=factor, ip=client.ip))
        user = users.get(db, user_id)
        return Questioned(factor, *passkeys.ask_to_create(db, party, user, factor=factor, ip=client.ip))
    if factor.kind == "totp":
        return Questioned(factor, factors.challenge(db, "totp", factor=factor, ip=client.ip))
    at = factor.challenged_at
    since = None if at is None else (clock.precise() - at).total_seconds()
    if since is not None and since < engine.config.interval_s:
        raise Refusal(
            429, "over_sms_send_rate_limit", "For security purposes, you can only request this later."
        )
    code = factors.digits(engine.config.otp_digits)
    sending.message(db, factor.phone or "", "mfa", {"code": code})
    hashed = factors.hashed(factor.id, code)
    return Questioned(factor, factors.challenge(db, "phone", factor=factor, data=hashed, ip=client.ip))


def verify(
    db: Db, engine: Engine, user_id: str, session_id: str, factor_id: str, answer: Answer, client: Client
) -> Granted | Refusal:
    """Raises the session by a right answer; a wrong one is counted, so the unit must be committed."""
    factor = find(db, user_id, factor_id)
    asked = open_challenge(db, factor, answer.challenge_id, client)
    if isinstance(asked, Refusal):
        return asked
    if not _right(db, engine, factor, asked, answer):
        factors.wrong(db, asked)
        said = {"totp": "Invalid TOTP code entered", "phone": "Invalid MFA Phone code entered"}
        return Refusal(422, "mfa_verification_failed", said.get(factor.kind, "Invalid WebAuthn response"))
    if not factors.used(db, asked):
        return Refusal(422, "mfa_challenge_expired", "The challenge was answered already.")
    method = {"totp": "totp", "phone": "mfa/phone", "webauthn": "mfa/webauthn"}[factor.kind]
    return proved(db, engine, factor, session_id, method)


def _right(db: Db, engine: Engine, factor: Factor, asked: Question, answer: Answer) -> bool:
    if factor.kind == "totp":
        return factors.right_totp(db, factor, answer.code)
    if factor.kind == "phone":
        return factors.right_digits(asked, answer.code)
    if answer.credential is None:
        return False
    party = keys.party(engine.config)
    if factor.verified:
        return passkeys.answered(db, party, asked, answer.credential, factor=factor) is not None
    return (
        passkeys.create(db, party, asked, answer.credential, name=factor.name or "Key", factor=factor)
        is not None
    )


def open_challenge(db: Db, factor: Factor, challenge_id: str, client: Client) -> Question | Refusal:
    """The challenge of a factor that waits for an answer from this address."""
    asked = factors.asked(db, challenge_id)
    if asked is None or asked.factor_id != factor.id:
        return Refusal(422, "mfa_factor_not_found", "MFA factor with the provided challenge ID not found")
    if asked.ip != client.ip:
        return Refusal(422, "mfa_ip_address_mismatch", "Challenge and verify IP addresses mismatch.")
    if asked.expires_at <= clock.precise():
        return Refusal(
            422,
            "mfa_challenge_expired",
            f"MFA challenge {asked.id} has expired, verify against another challenge or create a new challenge.",
        )
    return asked


def proved(db: Db, engine: Engine, factor: Factor, session_id: str, method: str) -> Granted | Refusal:
    """The session raised to two factors, with new tokens; sessions of one factor end."""
    session = sessions.find(db, session_id)
    if session is None or session.ended_at is not None:
        return Refusal(403, "session_not_found", "Session from session_id claim in JWT does not exist")
    factors.verified(db, factor)
    session = sessions.raised(db, session, method, "aal2")
    secret = sessions.reissued(db, session)
    sessions.end_lesser(db, factor.user_id, keep=session.id)
    return granted(db, engine, Opened(users.get(db, factor.user_id), session, secret))


def unenrol(db: Db, user_id: str, session: Session, factor_id: str) -> Factor:
    """Removes a factor; sessions fall back to one. Raises Refusal."""
    factor = find(db, user_id, factor_id)
    if factor.verified and session.aal != "aal2":
        raise Refusal(422, "insufficient_aal", "AAL2 required to unenroll verified factor")
    remove(db, factor)
    return factor


def remove(db: Db, factor: Factor) -> None:
    """Removes a factor, whoever wants it."""
    factors.remove(db, factor)
    if not any(f.verified for f in factors.of_user(db, factor.user_id)):
        sessions.lower(db, factor.user_id)
