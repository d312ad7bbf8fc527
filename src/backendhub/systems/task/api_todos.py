"""The to-do list API of the developer roadmap: accounts, tokens, and `/todos` in pages by number."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from backendhub.kit import accounts, web
from backendhub.kit.accounts import users
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, HubError
from backendhub.kit.hub import Hub
from backendhub.kit.limits import Rule, TooManyHits
from backendhub.kit.web.fields import NO_NUL, Id, Text

from . import service, todos
from .models import Status, Todo
from .owners import owner

TRIES = Rule(30, 300, name="tries")
"""Sign-ins from one address or for one login, and sign-ups from one address."""


class Brief(web.Dialect):
    """Problems whose `message` is the one word that this API's clients look for."""

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The problem, with `Unauthorized` and `Forbidden` said as the brief says them."""
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


class TodoIn(In):
    """A to-do to add."""

    title: Text
    description: Annotated[str, Field(max_length=todos.LONGEST, pattern=NO_NUL)] = ""
    status: Status = Status.TODO


class TodoPut(In):
    """What is to change; what is left out stays."""

    title: Text | None = None
    description: Annotated[str, Field(max_length=todos.LONGEST, pattern=NO_NUL)] | None = None
    status: Status | None = None


def add(router: web.Router) -> None:
    """Adds these routes to the system's."""
    for path, fn, status in (
        ("/register", register, 201),
        ("/login", login, 200),
        ("/refresh", refresh, 200),
    ):
        family = router.family(path, dialect=BRIEF)
        family.post("", status=status, public=True, statuses=(401, 404, 409, 429))(fn)
    family = router.family("/todos", dialect=BRIEF)
    family.get("")(list_todos)
    family.post("", status=201)(add_todo)
    family.get("/{id}")(get_todo)
    family.put("/{id}")(edit_todo)
    family.delete("/{id}")(delete_todo)


# -- accounts ---------------------------------------------------------------------------------------------


async def register(request: web.Request, body: RegisterIn) -> dict[str, Any]:
    """Register; the answer is a token. Only with `serve --auth token`."""
    _switched_on(request.hub)
    await _limited(request, "register")
    email = users.email(body.email)
    request.hub.passwords.check(body.password, email, body.name)
    hash = await request.hub.passwords.ahash(body.password)
    return _told(await request.call(_registered, request.hub, email, body.name, hash))


def _registered(db: Db, hub: Hub, email: str, name: str | None, hash: str) -> accounts.Grant:
    user = accounts.add(db, email=email, name=name, password_hash=hash)
    return accounts.sign_in(db, hub, user)


async def login(request: web.Request, body: LoginIn) -> dict[str, Any]:
    """Sign in; the answer is a token."""
    _switched_on(request.hub)
    await _limited(request, "login", body.email)
    user = await accounts.verified(request, body.email, body.password, find=users.by_email)
    return _told(await request.call(accounts.sign_in, request.hub, user))


async def refresh(request: web.Request, body: RefreshIn) -> dict[str, Any]:
    """The next token, and the next refresh token: each is good once."""
    _switched_on(request.hub)
    return _told(accounts.taken(await request.call(accounts.refreshed, request.hub, body.refresh_token)))


def _told(grant: accounts.Grant) -> dict[str, Any]:
    return {"token": grant.access_token, "refresh_token": grant.refresh_token, "expires_in": grant.expires_in}


def _switched_on(hub: Hub) -> None:
    """Raises Conflict where this server knows no accounts: a token would mean nothing."""
    if hub.settings.get("auth") != "token":
        raise Conflict("This server asks nobody who they are.", hint="backendhub serve task --auth token")


async def _limited(request: web.Request, what: str, login: str | None = None) -> None:
    address = (request.scope.get("client") or ("-",))[0]
    pairs = [(f"task:{what}:{address}", TRIES)]
    if login is not None:
        pairs.append((f"task:{what}:{users.folded(login)}", TRIES))
    decisions = await request.hub.limits.ahit_all(pairs)
    if not all(d.allowed for d in decisions):
        raise TooManyHits(decisions)


# -- to-dos -----------------------------------------------------------------------------------------------


def list_todos(
    db: Db,
    user: web.MaybeUser,
    page: Annotated[int, Query(description="From 1")] = 1,
    limit: Annotated[int, Query(description="To-dos in a page, up to 100")] = 10,
    status: Annotated[Status | None, Query()] = None,
) -> todos.Todos:
    """List to-dos: `{data, page, limit, total}`."""
    page, limit = min(page, 10**9), min(limit, todos.MOST)
    return todos.listed(db, page=page, limit=limit, status=status, owner=owner(user))


def add_todo(db: Db, user: web.MaybeUser, body: TodoIn) -> Todo:
    """Add a to-do."""
    mine = owner(user, write=True)
    return todos.add(db, title=body.title, description=body.description, status=body.status, owner=mine)


def get_todo(db: Db, user: web.MaybeUser, id: Id) -> Todo:
    """Read a to-do."""
    return todos.get(db, id, owner=owner(user))


def edit_todo(db: Db, user: web.MaybeUser, id: Id, body: TodoPut) -> Todo:
    """Change a to-do; somebody else's is 403."""
    mine = owner(user, write=True)
    return todos.edit(db, id, title=body.title, description=body.description, status=body.status, owner=mine)


def delete_todo(db: Db, user: web.MaybeUser, id: Id) -> None:
    """Delete a to-do; somebody else's is 403."""
    service.remove(db, id, owner=owner(user, write=True))
