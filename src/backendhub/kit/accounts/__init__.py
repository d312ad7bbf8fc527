"""Accounts of all systems of a store: who they are, what proves it, and what a request's credentials say.

A system's routes know users by `web.Router(…, auth=web.Authenticator(accounts.authenticate, accounts.SCHEMES))`; sign-up and sign-in look like this:

    async def register(request: Request, body: Registration) -> Out:
        await accounts.registering(request)                                                     # 403 where closed, 429
        request.hub.passwords.check(body.password, body.email, body.username)                   # Weak → 422
        hash = await request.hub.passwords.ahash(body.password)
        return await request.call(_register, request.hub, body, hash)

    def _register(db, hub, body, hash):
        user = accounts.add(db, email=body.email, username=body.username, password_hash=hash)   # Taken → 409
        return Out(user, accounts.sign_in(db, hub, user).access_token)

    async def login(request: Request, body: Login) -> Out:
        user = await accounts.verified(request, body.email, body.password)                      # 401, 429
        grant = await request.call(accounts.sign_in, request.hub, user)

Hashing is never inside a unit of work. Nothing here needs a web framework; JOSE and Argon2 are imported when used.
"""

from __future__ import annotations

from . import api_keys, factors, one_time, passkeys, sessions, tokens, users
from .authentication import SCHEMES, Accounts, authenticate, authenticate_token, bearer, of, owned
from .models import (
    ApiKey,
    Challenge,
    Factor,
    NotSignedIn,
    Once,
    Opened,
    Passkey,
    Refused,
    Session,
    SigningKey,
    Status,
    Taken,
    User,
)
from .policy import Weak
from .signing_in import (
    Grant,
    granted,
    present,
    refreshed,
    registering,
    sign_in,
    signup_open,
    strict,
    taken,
    tried,
    verified,
)
from .tokens import Claims, Tokens
from .users import add, by_email, by_login, by_username, edit, find, get, remove

__all__ = [
    "SCHEMES",
    "Accounts",
    "ApiKey",
    "Challenge",
    "Claims",
    "Factor",
    "Grant",
    "NotSignedIn",
    "Once",
    "Opened",
    "Passkey",
    "Refused",
    "Session",
    "SigningKey",
    "Status",
    "Taken",
    "Tokens",
    "User",
    "Weak",
    "add",
    "api_keys",
    "authenticate",
    "authenticate_token",
    "bearer",
    "by_email",
    "by_login",
    "by_username",
    "edit",
    "factors",
    "find",
    "get",
    "granted",
    "of",
    "one_time",
    "owned",
    "passkeys",
    "present",
    "refreshed",
    "registering",
    "remove",
    "sessions",
    "sign_in",
    "signup_open",
    "strict",
    "taken",
    "tokens",
    "tried",
    "users",
    "verified",
]
