"""Sign-in with a password, and with the code that ends a flow of links."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256

from backendhub.kit import clock
from backendhub.kit.accounts import NotSignedIn, User, sessions, users
from backendhub.kit.accounts.secret import digest
from backendhub.kit.accounts.sessions import banned
from backendhub.kit.db import Db
from backendhub.systems.jwt_auth import store
from backendhub.systems.jwt_auth.models import Client, Config, Flow, Granted, Refusal

from .engine import Engine, granted


def provider(config: Config, email: str | None, phone: str | None) -> None:
    """Raises Refusal unless exactly one way to sign in is named, and it is switched on."""
    if email and phone:
        raise Refusal(
            400, "validation_failed", "Only an email address or phone number should be provided on login."
        )
    if not email and not phone:
        raise Refusal(400, "validation_failed", "missing email or phone")
    if email and not config.email:
        raise Refusal(422, "email_provider_disabled", "Email logins are disabled")
    if phone and not config.phone:
        raise Refusal(422, "phone_provider_disabled", "Phone logins are disabled")


def wrong() -> Refusal:
    """The one refusal for a wrong password, an unknown account and one without a password."""
    return Refusal(400, "invalid_credentials", "Invalid login credentials")


def usable(user: User, config: Config, *, by_email: bool) -> None:
    """Raises Refusal for a right password of an account that is banned or not confirmed."""
    if banned(user, clock.precise()):
        raise Refusal(400, "user_banned", "User is banned")
    if by_email and user.email_confirmed_at is None and not config.autoconfirm:
        raise Refusal(400, "email_not_confirmed", "Email not confirmed")
    if not by_email and user.phone_confirmed_at is None and not config.phone_autoconfirm:
        raise Refusal(400, "phone_not_confirmed", "Phone not confirmed")


def sign_in(db: Db, engine: Engine, user: User, client: Client, *, method: str = "password") -> Granted:
    """A new session of an account whose password was right. Raises Refusal where the account is gone meanwhile, or has
    another password."""
    again = users.find(db, user.id)
    if again is None or banned(again, clock.precise()):
        raise wrong()
    try:
        opened = engine.sessions.open(db, user, method=method, user_agent=client.user_agent, ip=client.ip)
    except NotSignedIn:
        raise wrong() from None
    return granted(db, engine, opened)


def trade(db: Db, engine: Engine, code: str, verifier: str, client: Client) -> Granted | Refusal:
    """The session that a flow's code and verifier are worth, once."""
    if not code or not verifier:
        return Refusal(
            400, "validation_failed", "invalid request: both auth code and code verifier should be non-empty"
        )
    flow = db.one(Flow, store.FLOW_BY_CODE, hash=digest(code))
    if flow is None:
        return Refusal(404, "flow_state_not_found", "invalid flow state, no valid flow state found")
    if flow.expires_at <= clock.precise():
        return Refusal(422, "flow_state_expired", "invalid flow state, flow state has expired")
    if not hmac.compare_digest(_challenge(flow.challenge_method, verifier), flow.challenge):
        return Refusal(
            400, "bad_code_verifier", "code challenge does not match previously saved code verifier"
        )
    if not db.run(store.USE_FLOW, id=flow.id):
        return Refusal(404, "flow_state_not_found", "invalid flow state, no valid flow state found")
    user = users.find(db, flow.user_id)
    if user is None or banned(user, clock.precise()):
        return Refusal(403, "user_banned", "User is banned")
    return sign_in(db, engine, user, client, method="otp")


def _challenge(method: str, verifier: str) -> str:
    if method == "plain":
        return verifier if verifier.isascii() else ""
    return urlsafe_b64encode(sha256(verifier.encode("utf-8", "replace")).digest()).rstrip(b"=").decode()


def sign_out(db: Db, user_id: str, session_id: str, scope: str) -> None:
    """Ends this session (`local`), every other one (`others`) or all (`global`) of an account."""
    if scope == "local":
        sessions.end(db, session_id)
    elif scope == "others":
        sessions.end_all(db, user_id, but=session_id)
    else:
        sessions.end_all(db, user_id)
