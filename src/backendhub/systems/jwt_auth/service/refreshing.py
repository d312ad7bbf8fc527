"""Refresh: the next tokens of a session, or what is said of a token that is not taken."""

from __future__ import annotations

from backendhub.kit.accounts import Refused
from backendhub.kit.db import Db
from backendhub.systems.jwt_auth.models import Granted, Refusal

from .engine import Engine, granted

REASONS = {
    "unknown": ("refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found"),
    "reused": ("refresh_token_already_used", "Invalid Refresh Token: Already Used"),
    "ended": ("refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found"),
    "expired": ("session_expired", "Invalid Refresh Token: Session Expired (Inactivity)"),
    "disabled": ("user_banned", "Invalid Refresh Token: User Banned"),
}


def refresh(db: Db, engine: Engine, token: str) -> Granted | Refusal:
    """New tokens; a refusal is a value, because what a reuse has ended must be committed."""
    outcome = engine.sessions.refresh(db, token)
    if isinstance(outcome, Refused):
        return Refusal(400, *REASONS[outcome.reason])
    return granted(db, engine, outcome)
