"""Passkeys: signing in with what an authenticator holds."""

from __future__ import annotations

from typing import Any

from backendhub.kit import clock
from backendhub.kit.accounts import Challenge as Question
from backendhub.kit.accounts import Passkey, Session, factors, passkeys, users
from backendhub.kit.db import Db
from backendhub.systems.jwt_auth.models import Client, Config, Granted, Refusal

from . import signing
from .engine import Engine

MOST = 20
"""Passkeys of an account."""
FAILED = ("webauthn_verification_failed", "Credential verification failed")


def party(config: Config) -> passkeys.Party:
    """Who asks for keys."""
    return passkeys.Party(config.rp_id, config.rp_name, config.rp_origins)


def enabled(config: Config) -> None:
    """Raises Refusal where passkeys are switched off."""
    if not config.passkeys:
        raise Refusal(404, "passkey_disabled", "Passkeys are disabled")


def manages(db: Db, user_id: str, session: Session) -> None:
    """Raises Refusal where a session of one factor may not change the keys of an account that has two."""
    if session.aal != "aal2" and any(f.verified for f in factors.of_user(db, user_id)):
        raise Refusal(
            403, "insufficient_aal", "AAL2 session is required to manage passkeys when MFA is enabled."
        )


def begin(db: Db, engine: Engine, user_id: str, session: Session, client: Client) -> passkeys.Asked:
    """Asks for a new key of an account. Raises Refusal."""
    user = users.get(db, user_id)
    if user.anonymous:
        raise Refusal(403, "no_authorization", "Anonymous user not allowed to perform these actions")
    manages(db, user_id, session)
    if len(passkeys.of_user(db, user_id)) >= MOST:
        raise Refusal(422, "too_many_passkeys", "Maximum number of passkeys reached")
    return passkeys.ask_to_create(db, party(engine.config), user, ip=client.ip)


def register(
    db: Db, engine: Engine, user_id: str, challenge_id: str, credential: dict[str, Any]
) -> Passkey | Refusal:
    """Keeps the key that was asked for. The challenge is used up either way, so the unit must be committed."""
    asked = _taken(db, challenge_id, passkeys.CREATE)
    if isinstance(asked, Refusal):
        return asked
    if asked.user_id != user_id:
        return Refusal(400, "webauthn_challenge_not_found", "Challenge not found or already used")
    made = passkeys.create(db, party(engine.config), asked, credential)
    return made if made is not None else Refusal(400, *FAILED)


def sign_in(
    db: Db, engine: Engine, challenge_id: str, credential: dict[str, Any], client: Client
) -> Granted | Refusal:
    """A session for an authenticator's answer. The challenge is used up either way, so the unit must be committed."""
    asked = _taken(db, challenge_id, passkeys.GET)
    if isinstance(asked, Refusal):
        return asked
    key = passkeys.answered(db, party(engine.config), asked, credential)
    if key is None:
        return Refusal(400, *FAILED)
    user = users.get(db, key.user_id)
    try:
        signing.usable(user, engine.config, by_email=user.email is not None)
    except Refusal as error:
        return error
    return signing.sign_in(db, engine, user, client, method="passkey")


def _taken(db: Db, challenge_id: str, kind: str) -> Question | Refusal:
    asked = factors.asked(db, challenge_id)
    if asked is None or asked.kind != kind or not factors.used(db, asked):
        return Refusal(400, "webauthn_challenge_not_found", "Challenge not found or already used")
    if asked.expires_at <= clock.precise():
        return Refusal(400, "webauthn_challenge_expired", "Challenge has expired")
    return asked
