"""`/register`, `/login` and `/refresh` for any system: an address and a password in, tokens out.

    router = web.Router("Notes")
    account_routes.add(router, "notes")

Tries are counted as at every other door (`accounts.tried`).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from backendhub.kit import accounts, web
from backendhub.kit.accounts import users
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, HubError
from backendhub.kit.hub import Hub
from backendhub.kit.web.fields import NO_NUL


class Brief(web.Dialect):
    """Problems whose `message` is the one word that clients of these routes look for."""

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The problem, with `Unauthorized` and `Forbidden` said as the developer roadmap says them."""
        reply = super().problem(error, request)
        word = {401: "Unauthorized", 403: "Forbidden"}.get(error.status)
        if word is not None:
            reply.value["message"] = word
        return reply


BRIEF = Brief(invalid=400)


class In(BaseModel):
    """A body; what it does not know it leaves alone."""

    model_config = ConfigDict(extra="ignore")


class RegisterIn(In):
    """Who registers."""

    name: Annotated[str, Field(max_length=200, pattern=NO_NUL)] | None = None
    email: Annotated[str, Field(max_length=254, examples=["ada@example.com"])]
    password: Annotated[str, Field(max_length=1024, examples=["correct horse battery"])]


class LoginIn(In):
    """Who signs in."""

    email: Annotated[str, Field(max_length=254)]
    password: Annotated[str, Field(max_length=1024)]


class RefreshIn(In):
    """The token that gets the next one."""

    refresh_token: Annotated[str, Field(max_length=500)]


class TokenOut(BaseModel):
    """What a client is given."""

    token: str
    refresh_token: str
    expires_in: int


def add(router: web.Router, system: str, *, dialect: web.Dialect = BRIEF) -> None:
    """Adds the routes to a system's. They are open to everybody, and 409 where the server has no `--auth token`."""

    async def register(request: web.Request, body: RegisterIn) -> TokenOut:
        """Register; the answer is a token. Only with `serve --auth token`."""
        _switched_on(request.hub, system)
        await accounts.registering(request)
        email = users.email(body.email)
        request.hub.passwords.check(body.password, email, body.name)
        hash = await request.hub.passwords.ahash(body.password)
        return _told(await request.call(_registered, request.hub, email, body.name, hash))

    async def login(request: web.Request, body: LoginIn) -> TokenOut:
        """Sign in; the answer is a token."""
        _switched_on(request.hub, system)
        user = await accounts.verified(request, body.email, body.password, find=users.by_email)
        return _told(await request.call(accounts.sign_in, request.hub, user))

    async def refresh(request: web.Request, body: RefreshIn) -> TokenOut:
        """The next token, and the next refresh token: each is good once."""
        _switched_on(request.hub, system)
        await accounts.tried(request, "refresh")
        outcome = await request.call(accounts.refreshed, request.hub, body.refresh_token)
        return _told(accounts.taken(outcome))

    for fn, status, refused in ((register, 201, 403), (login, 200, 401), (refresh, 200, 401)):
        family = router.family(f"/{fn.__name__}", dialect=dialect)
        family.post("", status=status, public=True, statuses=(refused, 404, 409, 429))(fn)


def _registered(db: Db, hub: Hub, email: str, name: str | None, hash: str) -> accounts.Grant:
    user = accounts.add(db, email=email, name=name, password_hash=hash)
    return accounts.sign_in(db, hub, user)


def _told(grant: accounts.Grant) -> TokenOut:
    return TokenOut(token=grant.access_token, refresh_token=grant.refresh_token, expires_in=grant.expires_in)


def _switched_on(hub: Hub, system: str) -> None:
    """Raises Conflict where this server knows no accounts: a token would mean nothing."""
    if hub.settings.get("auth") != "token":
        raise Conflict(
            "This server asks nobody who they are.", hint=f"backendhub serve {system} --auth token"
        )
