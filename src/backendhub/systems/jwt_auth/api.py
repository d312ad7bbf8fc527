"""The routes of Supabase Auth (also below `/auth/v1`, where its clients look for them), and the brief's four."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any

from fastapi import Query

from backendhub.kit import accounts, web
from backendhub.kit.accounts import Session, Weak, tokens, users
from backendhub.kit.db import Db
from backendhub.kit.hub import Hub
from backendhub.kit.web.fields import NO_NUL

from . import api_about, api_admin, api_factors, api_links, api_passkeys
from .bodies import SignUpIn, TokenIn, UserIn
from .dialect import GOTRUE
from .gates import AUTH, Holder, Redirect, client, mailbox, named, scripted, session, session_id, settled
from .limiting import limited
from .models import Account, Granted, Refusal
from .service import Engine, changing, refreshing, registering, sending, signing
from .service.engine import account
from .wire import SessionOut, UserOut, session_out, user_out

router = web.Router(
    "Accounts on the wire of Supabase Auth: `@supabase/auth-js`, `supabase-auth` and their kin work unchanged, with this "
    "address or with `/auth/v1` behind it. `/register`, `/login`, `/refresh` and `/me` are the short way.",
    cors=True,
    dialect=GOTRUE,
    auth=AUTH,
)
Scope = Annotated[
    str | None, Query(max_length=20, pattern=NO_NUL, description="`global`, `local` or `others`")
]


@router.on_startup
def first_key(hub: Hub) -> Coroutine[Any, Any, None]:
    """Makes a signing key before the first client asks for the public ones."""
    return _first_key(hub)


async def _first_key(hub: Hub) -> None:
    algorithm = accounts.of(hub).tokens.algorithm
    if algorithm == "HS256":
        return
    if hub.store.blocking:
        await asyncio.to_thread(hub.store.unit, tokens.current_key, algorithm)
    else:
        hub.store.unit(tokens.current_key, algorithm)


# -- signing up and in ------------------------------------------------------------------------------------


@router.post("/signup", open_query=True, statuses=(422, 429))
async def signup(request: web.Request, body: SignUpIn, redirect_to: Redirect = None) -> SessionOut | UserOut:
    """Sign up. The answer is a session, or an account that waits for the link in its mail."""
    outcome = await sign_up(request, body, redirect_to)
    return session_out(outcome) if isinstance(outcome, Granted) else user_out(outcome)


async def sign_up(request: web.Request, body: SignUpIn, redirect_to: str | None = None) -> Granted | Account:
    """A new account. Raises Refusal, Weak, Invalid."""
    engine, here = Engine.of(request.hub), client(request, redirect_to)
    await limited(request, "sign-ups")
    if not body.email and not body.phone:
        return await request.call(registering.anonymous, engine, body.data or {}, here)
    email, phone = named(
        body.email, body.phone, "Only an email address or phone number should be provided on signup."
    )
    if not body.password:
        raise Refusal(400, "validation_failed", "Signup requires a valid password")
    if body.channel not in (None, "", "sms"):
        raise Refusal(400, "validation_failed", "Invalid channel, supported values are 'sms'.")
    registering.allowed(engine.config, registering.NewUser(email, phone, None, {}))
    flow = sending.challenge(body.code_challenge, body.code_challenge_method)
    request.hub.passwords.check(body.password, email, phone)
    hash = await request.hub.passwords.ahash(body.password)
    new = registering.NewUser(email, phone, hash, body.data or {})
    return await request.call(registering.sign_up, engine, new, here, flow)


@router.post("/token", open_query=True, statuses=(404, 422, 429))
async def token(
    request: web.Request,
    body: TokenIn,
    grant_type: Annotated[
        str, Query(max_length=40, description="`password`, `refresh_token` or `pkce`")
    ] = "",
) -> SessionOut:
    """Sign in with a password, go on with a refresh token, or trade the code of a flow in."""
    engine = Engine.of(request.hub)
    if grant_type == "password":
        return session_out(await with_password(request, body.email, body.phone, body.password or ""))
    if grant_type == "refresh_token":
        return session_out(await refreshed(request, body.refresh_token))
    if grant_type == "pkce":
        code, verifier = body.auth_code or "", body.code_verifier or ""
        return session_out(
            settled(await request.call(signing.trade, engine, code, verifier, client(request)))
        )
    if grant_type == "id_token":
        raise Refusal(400, "provider_disabled", f"Provider {body.provider or ''!r} is not enabled")
    if grant_type == "web3":
        raise Refusal(422, "web3_provider_disabled", "Web3 provider is disabled")
    raise Refusal(400, "invalid_credentials", "unsupported_grant_type")


async def with_password(request: web.Request, email: str | None, phone: str | None, password: str) -> Granted:
    """A session for a password. An unknown account takes as long, and is told the same. Raises Refusal."""
    engine = Engine.of(request.hub)
    signing.provider(engine.config, email, phone)
    await limited(request, "sign-ins", email or phone)
    find = users.by_email if email else users.by_phone
    try:
        user = await accounts.verified(request, email or phone or "", password, find=find, counted=True)
    except accounts.NotSignedIn as error:
        if error.user is None:
            raise signing.wrong() from None
        user = error.user  # banned: told below, in the words of this wire
    signing.usable(user, engine.config, by_email=bool(email))
    granted = await request.call(signing.sign_in, engine, user, client(request))
    try:
        request.hub.passwords.check(password, user.email, user.username, user.name)
    except Weak as weak:
        return granted._replace(weak=(weak.message, weak.reasons))
    return granted


async def refreshed(request: web.Request, given: str | None) -> Granted:
    """The next tokens of a session. Raises Refusal."""
    if not given:
        raise Refusal(400, "validation_failed", "refresh_token required")
    await limited(request, "refreshes")
    return settled(await request.call(refreshing.refresh, Engine.of(request.hub), given))


@router.post("/logout", status=204, open_query=True)
def logout(db: Db, request: web.Request, user: Holder, scope: Scope = None) -> None:
    """Sign out: everywhere, here, or everywhere else."""
    if scope not in (None, "", "global", "local", "others"):
        raise Refusal(400, "validation_failed", f'Unsupported logout scope "{scope}"')
    signing.sign_out(db, user.id, session_id(user), scope or "global")


# -- the account ------------------------------------------------------------------------------------------


@router.get("/user", open_query=True)
def show_user(db: Db, user: Holder) -> UserOut:
    """The account of the session."""
    return user_out(account(db, users.get(db, user.id)))


@router.put("/user", open_query=True, statuses=(422, 429))
async def update_user(
    request: web.Request, body: UserIn, user: Holder, redirect_to: Redirect = None
) -> UserOut:
    """Change metadata and password at once, address and number once they have agreed."""
    engine, here = Engine.of(request.hub), client(request, redirect_to)
    held = await request.read(session, user)
    email = mailbox(body.email) if body.email else None
    phone = users.phone(body.phone) if body.phone else None
    if body.app_metadata is not None:
        raise Refusal(403, "not_admin", "Updating app_metadata requires admin privileges")
    flow = sending.challenge(body.code_challenge, body.code_challenge_method)
    hash = None
    if body.password:
        await _present(request, held, body.current_password)
        hash = await new_hash(request, user.id, body.password, email)
    changes = changing.Changes(email, phone, hash, body.data, body.nonce)
    outcome = await request.call(changing.change, engine, user.id, held, changes, here, flow)
    if isinstance(outcome, Refusal):
        raise outcome
    return user_out(outcome)


async def _present(request: web.Request, held: Session, given: str | None) -> None:
    """Raises Refusal unless the present password is right, where it is sent or asked for. Who came in by a link has no
    need of it: the link is for those who forgot it."""
    config = Engine.of(request.hub).config
    if given is None:
        if config.current_password and any(m["method"] == "password" for m in held.methods):
            raise Refusal(400, "current_password_required", "Current password is required to set a new one.")
        return
    await limited(request, "passwords", held.user_id)
    stored = await request.read(users.password_hash, held.user_id)
    if not (await request.hub.passwords.averify(given, stored)).right:
        raise Refusal(400, "current_password_mismatch", "Current password does not match.")


async def new_hash(request: web.Request, user_id: str, password: str, email: str | None) -> str:
    """The hash of a new password, which must not be the present one. Raises Refusal, Weak."""
    passwords = request.hub.passwords
    user = await request.read(users.get, user_id)
    passwords.check(password, email, user.email, user.username, user.name)
    stored = await request.read(users.password_hash, user_id)
    if stored is not None and (await passwords.averify(password, stored)).right:
        raise Refusal(422, "same_password", "New password should be different from the old password.")
    return await passwords.ahash(password)


@router.get("/reauthenticate", statuses=(403, 422, 429), open_query=True)
async def reauthenticate(request: web.Request, user: Holder) -> dict[str, str]:
    """Send a code that proves once more who is there, for `nonce` of `PUT /user`."""
    scripted(request)
    await request.call(changing.reauthenticate, Engine.of(request.hub), user.id, client(request))
    return {}


api_links.add(router)
api_about.add(router)
api_factors.add(router)
api_passkeys.add(router)
api_admin.add(router)


# -- the brief's four -------------------------------------------------------------------------------------


@router.post("/register", status=201, open_query=True, statuses=(422, 429))
async def register(request: web.Request, body: SignUpIn) -> dict[str, Any]:
    """Sign up: `{"email", "password"}` in, a token out."""
    outcome = await sign_up(request, body)
    if isinstance(outcome, Granted):
        return told("Registered.", outcome)
    return {"message": "Registered; confirm the address by the link in the mail.", "user": user_out(outcome)}


@router.post("/login", open_query=True, statuses=(422, 429))
async def login(request: web.Request, body: TokenIn) -> dict[str, Any]:
    """Sign in: `{"email", "password"}` in, a token out."""
    return told("Signed in.", await with_password(request, body.email, body.phone, body.password or ""))


@router.post("/refresh", open_query=True, statuses=(422, 429))
async def refresh(request: web.Request, body: TokenIn) -> dict[str, Any]:
    """Go on: `{"refresh_token"}` in, the next tokens out."""
    return told("Refreshed.", await refreshed(request, body.refresh_token))


def told(message: str, granted: Granted) -> dict[str, Any]:
    """A session with a sentence, and its token under the name that the brief gives it."""
    return {"message": message, "token": granted.access_token, **session_out(granted)}


@router.get("/me", open_query=True)
def me(db: Db, user: Holder) -> UserOut:
    """The account of the token."""
    return user_out(account(db, users.get(db, user.id)))


# Where a Supabase client looks: `createClient("http://127.0.0.1:8000", …)` asks below /auth/v1.
router.alias("/auth/v1")
