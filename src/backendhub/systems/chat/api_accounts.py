"""Accounts: register, sign in, go on with a refresh token."""

from __future__ import annotations

from typing import Any

from backendhub.kit import accounts, web
from backendhub.kit.accounts import sessions, users
from backendhub.kit.db import Db
from backendhub.kit.hub import Hub

from .live import Live
from .shapes import LoginIn, RefreshIn, RegisterIn


def add(router: web.Router) -> None:
    """Adds these routes."""
    router.post("/register", status=201, public=True, statuses=(403, 409, 429))(register)
    router.post("/login", public=True, statuses=(401, 429))(login)
    router.post("/refresh", public=True, statuses=(401, 429))(refresh)
    router.post("/logout", status=204)(logout)
    router.get("/me")(me)


async def register(request: web.Request, body: RegisterIn) -> dict[str, Any]:
    """Register; the answer is a token."""
    await accounts.registering(request)
    name = users.username(body.username)
    request.hub.passwords.check(body.password, name)
    hash = await request.hub.passwords.ahash(body.password)
    return _told(await request.call(_registered, request.hub, name, hash))


def _registered(db: Db, hub: Hub, name: str, hash: str) -> accounts.Grant:
    return accounts.sign_in(db, hub, accounts.add(db, username=name, password_hash=hash))


async def login(request: web.Request, body: LoginIn) -> dict[str, Any]:
    """Sign in; the answer is a token."""
    user = await accounts.verified(request, body.login, body.password)
    return _told(await request.call(accounts.sign_in, request.hub, user))


async def refresh(request: web.Request, body: RefreshIn) -> dict[str, Any]:
    """The next token, and the next refresh token: each is good once."""
    await accounts.tried(request, "refresh")
    return _told(accounts.taken(await request.call(accounts.refreshed, request.hub, body.refresh_token)))


async def logout(request: web.Request, user: web.CurrentUser) -> None:
    """Sign out: the session has ended, and with it its connections."""
    if user.session is not None:
        await request.call(sessions.end, user.session)
        Live.of(request.hub).signed_out(user.id)


def me(user: web.CurrentUser) -> dict[str, str]:
    """Who asks."""
    return {"id": user.id, "name": user.name}


def _told(grant: accounts.Grant) -> dict[str, Any]:
    user = {"id": grant.user.id, "name": grant.user.label}
    return {
        "token": grant.access_token,
        "refreshToken": grant.refresh_token,
        "expiresIn": grant.expires_in,
        "user": user,
    }
