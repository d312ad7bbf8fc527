"""The routes of Supabase Auth (also below `/auth/v1`, where its clients look for them), and the brief's four."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from fastapi import Query

from backendhub import __version__
from backendhub.kit import accounts, web
from backendhub.kit.accounts import Weak, tokens, users
from backendhub.kit.db import Db
from backendhub.kit.hub import Hub

from . import api_admin, api_factors, api_passkeys
from .gates import AUTH, Holder, client, session, session_id
from .models import Account, Granted, Refusal
from .service import Engine, changing, links, refreshing, registering, sending, signing
from .service.engine import account
from .service.links import Followed, Half
from .wire import (
    GOTRUE,
    NO_NUL,
    OtpIn,
    RecoverIn,
    ResendIn,
    SessionOut,
    SignUpIn,
    TokenIn,
    UserIn,
    UserOut,
    VerifyIn,
    session_out,
    user_out,
)

router = web.Router(
    "Accounts on the wire of Supabase Auth: `@supabase/auth-js`, `supabase-auth` and their kin work unchanged, with this "
    "address or with `/auth/v1` behind it. `/register`, `/login`, `/refresh` and `/me` are the short way.",
    cors=True,
    dialect=GOTRUE,
    auth=AUTH,
)
Redirect = Annotated[
    str | None,
    Query(
        max_length=2048, pattern=NO_NUL, description="Where a link leads, if `jwt_auth.redirects` allows it"
    ),
]
Scope = Annotated[
    str | None, Query(max_length=20, pattern=NO_NUL, description="`global`, `local` or `others`")
]
Text = Annotated[str | None, Query(max_length=512, pattern=NO_NUL)]


@router.on_startup
def first_key(hub: Hub) -> Coroutine[Any, Any, None]:
    """Makes a signing key before the first client asks for the public ones."""
    return _first_key(hub)


async def _first_key(hub: Hub) -> None:
    import asyncio

    algorithm = accounts.of(hub).tokens.algorithm
    if algorithm != "HS256":
        await asyncio.to_thread(hub.store.unit, tokens.current_key, algorithm)


def settled(outcome: Granted | Refusal) -> Granted:
    """The grant; raises a refusal now that what it has noticed is committed."""
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def named(email: str | None, phone: str | None, message: str) -> tuple[str | None, str | None]:
    """The address or the number, one of them, in the form that is kept. Raises Refusal, Invalid."""
    if email and phone:
        raise Refusal(400, "validation_failed", message)
    return (users.email(email) if email else None), (users.phone(phone) if phone else None)


# -- signing up and in ------------------------------------------------------------------------------------


@router.post("/signup", open_query=True, statuses=(422, 429))
async def signup(request: web.Request, body: SignUpIn, redirect_to: Redirect = None) -> SessionOut | UserOut:
    """Sign up. The answer is a session, or an account that waits for the link in its mail."""
    outcome = await sign_up(request, body, redirect_to)
    return session_out(outcome) if isinstance(outcome, Granted) else user_out(outcome)


async def sign_up(request: web.Request, body: SignUpIn, redirect_to: str | None = None) -> Granted | Account:
    """A new account. Raises Refusal, Weak, Invalid."""
    engine, here = Engine.of(request.hub), client(request, redirect_to)
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
    find = users.by_email if email else users.by_phone
    try:
        user = await accounts.verified(request, email or phone or "", password, find=find)
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
    return settled(await request.call(refreshing.refresh, Engine.of(request.hub), given))


@router.post("/logout", status=204, open_query=True)
def logout(db: Db, request: web.Request, user: Holder, scope: Scope = None) -> None:
    """Sign out: everywhere, here, or everywhere else."""
    if scope not in (None, "", "global", "local", "others"):
        raise Refusal(400, "validation_failed", f'Unsupported logout scope "{scope}"')
    signing.sign_out(db, user.id, session_id(user), scope or "global")


# -- links and codes --------------------------------------------------------------------------------------


@router.post("/otp", open_query=True, statuses=(422, 429))
def otp(db: Db, request: web.Request, body: OtpIn, redirect_to: Redirect = None) -> dict[str, str]:
    """Send a link and a code that sign in. The answer is the same whether or not there is an account."""
    email, phone = named(body.email, body.phone, "Only an email address or phone number should be provided")
    if email and body.channel:
        raise Refusal(400, "validation_failed", "Channel should only be specified with Phone OTP")
    flow = sending.challenge(body.code_challenge, body.code_challenge_method)
    engine, here, data = Engine.of(request.hub), client(request, redirect_to), body.data or {}
    if email:
        links.magic(db, engine, email, body.create_user, data, here, flow)
    elif phone:
        if body.channel not in (None, "", "sms"):
            raise Refusal(400, "validation_failed", "Invalid channel, supported values are 'sms'.")
        links.text(db, engine, phone, body.create_user, data, here)
    else:
        raise Refusal(400, "validation_failed", "One of email or phone must be set")
    return {}


@router.post("/magiclink", open_query=True, statuses=(422, 429))
def magiclink(db: Db, request: web.Request, body: OtpIn, redirect_to: Redirect = None) -> dict[str, str]:
    """Send a link that signs in: `/otp` with an address."""
    if not body.email:
        raise Refusal(422, "validation_failed", "Password recovery requires an email")
    flow = sending.challenge(body.code_challenge, body.code_challenge_method)
    here = client(request, redirect_to)
    links.magic(
        db, Engine.of(request.hub), users.email(body.email), body.create_user, body.data or {}, here, flow
    )
    return {}


@router.post("/recover", open_query=True, statuses=(429,))
def recover(db: Db, request: web.Request, body: RecoverIn, redirect_to: Redirect = None) -> dict[str, str]:
    """Send a link with which a forgotten password can be set anew. Unknown addresses get the same answer."""
    if not body.email:
        raise Refusal(400, "validation_failed", "Password recovery requires an email")
    flow = sending.challenge(body.code_challenge, body.code_challenge_method)
    links.recover(db, Engine.of(request.hub), users.email(body.email), client(request, redirect_to), flow)
    return {}


@router.post("/resend", open_query=True, statuses=(429,))
def resend(db: Db, request: web.Request, body: ResendIn, redirect_to: Redirect = None) -> dict[str, str]:
    """Send again what waits for an answer."""
    kinds = "signup, email_change, sms, phone_change"
    if body.type not in kinds.split(", "):
        raise Refusal(400, "validation_failed", f"Missing one of these types: {kinds}")
    email, phone = named(body.email, body.phone, "Only an email address or phone number should be provided.")
    if not email and not phone:
        raise Refusal(400, "validation_failed", "Missing email address or phone number")
    if body.type == "signup" and not email:
        raise Refusal(400, "validation_failed", "Type provided requires an email address")
    if body.type == "sms" and not phone:
        raise Refusal(400, "validation_failed", "Type provided requires a phone number")
    flow = sending.challenge(body.code_challenge, body.code_challenge_method)
    links.resend(
        db, Engine.of(request.hub), body.type or "", email, phone, client(request, redirect_to), flow
    )
    return {}


@router.post("/verify", open_query=True, statuses=(403, 422, 429))
async def verify(request: web.Request, body: VerifyIn) -> SessionOut | dict[str, str]:
    """Answer with a code, or with the token of a link."""
    if not body.type:
        raise Refusal(400, "validation_failed", "Verify requires a verification type")
    if bool(body.token) == bool(body.token_hash):
        raise Refusal(400, "validation_failed", "Verify requires either a token or a token hash")
    if body.type not in links.OF_CODE:
        raise Refusal(400, "validation_failed", "Unsupported verification type")
    engine, here = Engine.of(request.hub), client(request)
    if body.token_hash:
        if body.email or body.phone or body.redirect_to:
            raise Refusal(400, "validation_failed", "Only the token_hash and type should be provided")
        outcome = await request.call(links.by_token, engine, body.type, body.token_hash, here)
    else:
        message = "Only an email address or phone number should be provided on verify"
        email, phone = named(body.email, body.phone, message)
        if not email and not phone:
            raise Refusal(400, "validation_failed", message)
        outcome = await request.call(links.by_code, engine, body.type, email, phone, body.token or "", here)
    if isinstance(outcome, Half):
        return {"msg": links.HALF, "code": "200"}
    return session_out(settled(outcome))


@router.get("/verify", status=303, open_query=True, media_type="text/plain")
async def follow(
    request: web.Request, token: Text = None, type: Text = None, redirect_to: Redirect = None
) -> web.Reply:
    """Follow a link: back to where it leads, with a session in the fragment or a code in the query."""
    if not type:
        raise Refusal(400, "validation_failed", "Verify requires a verification type")
    if not token:
        raise Refusal(400, "validation_failed", "Verify requires a token or a token hash")
    here = client(request, redirect_to)
    try:
        outcome = await request.call(links.by_link, Engine.of(request.hub), type, token, here)
    except Refusal as error:
        outcome = error
    return web.Reply("", 303, {"Location": destination(here.redirect_to, type, outcome, token)})


def destination(to: str, kind: str, outcome: Followed | Half | Refusal, token: str) -> str:
    """Where a browser goes after a link."""
    parts = urlsplit(to)
    in_query: dict[str, str] = {}
    if isinstance(outcome, Refusal):
        error = {401: "unauthorized_client", 403: "access_denied"}.get(outcome.status, "invalid_request")
        shown = {"error": error, "error_code": outcome.code, "error_description": outcome.message}
        in_query = shown if token.startswith(sending.PKCE) else {}
        fragment = urlencode(shown | {"sb": ""})
    elif isinstance(outcome, Half):
        fragment = urlencode({"message": links.HALF, "sb": ""})
    elif outcome.granted is None:
        in_query, fragment = {"code": outcome.code or ""}, parts.fragment
    else:
        session = session_out(outcome.granted)
        shown = {n: str(session[n]) for n in ("access_token", "expires_at", "expires_in", "refresh_token")}
        fragment = urlencode(shown | {"token_type": "bearer", "type": kind, "sb": ""})
    query = "&".join(filter(None, (parts.query, urlencode(in_query))))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, fragment))


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
    email = users.email(body.email) if body.email else None
    phone = users.phone(body.phone) if body.phone else None
    if body.app_metadata is not None:
        raise Refusal(403, "not_admin", "Updating app_metadata requires admin privileges")
    flow = sending.challenge(body.code_challenge, body.code_challenge_method)
    hash = await new_hash(request, user.id, body.password, email) if body.password else None
    changes = changing.Changes(email, phone, hash, body.data, body.nonce)
    outcome = await request.call(changing.change, engine, user.id, held, changes, here, flow)
    if isinstance(outcome, Refusal):
        raise outcome
    return user_out(outcome)


async def new_hash(request: web.Request, user_id: str, password: str, email: str | None) -> str:
    """The hash of a new password, which must not be the present one. Raises Refusal, Weak."""
    passwords = request.hub.passwords
    user = await request.read(users.get, user_id)
    passwords.check(password, email, user.email, user.username, user.name)
    stored = await request.read(users.password_hash, user_id)
    if stored is not None and (await passwords.averify(password, stored)).right:
        raise Refusal(422, "same_password", "New password should be different from the old password.")
    return await passwords.ahash(password)


@router.get("/reauthenticate", statuses=(422, 429), open_query=True)
async def reauthenticate(request: web.Request, user: Holder) -> dict[str, str]:
    """Send a code that proves once more who is there, for `nonce` of `PUT /user`."""
    await request.call(changing.reauthenticate, Engine.of(request.hub), user.id, client(request))
    return {}


# -- about this server ------------------------------------------------------------------------------------


@router.get("/settings", open_query=True, public=True)
def settings(request: web.Request) -> dict[str, Any]:
    """What is switched on."""
    config = Engine.of(request.hub).config
    return {
        "external": {"anonymous_users": config.anonymous, "email": config.email, "phone": config.phone},
        "disable_signup": not config.signup,
        "mailer_autoconfirm": config.autoconfirm,
        "phone_autoconfirm": config.phone_autoconfirm,
        "sms_provider": "outbox" if config.phone else "",
        "saml_enabled": False,
        "passkeys_enabled": config.passkeys,
    }


@router.get("/health", open_query=True, public=True)
def health() -> dict[str, str]:
    """That it is there, and which version."""
    return {"name": "backendhub jwt-auth", "version": __version__, "description": "Accounts and tokens"}


@router.get("/.well-known/jwks.json", open_query=True, public=True)
def jwks(db: Db) -> dict[str, Any]:
    """The public keys that verify access tokens (RFC 7517)."""
    return web.reply(tokens.jwks(db), headers={"Cache-Control": "public, max-age=600"})


@router.get("/authorize", open_query=True, public=True, statuses=(400,))
def authorize() -> dict[str, str]:
    """Sign in through another provider: none is set up here."""
    raise Refusal(400, "validation_failed", "Unsupported provider: provider is not enabled")


@router.post("/sso", open_query=True, public=True, statuses=(404,))
async def sso(request: web.Request) -> dict[str, str]:
    """Sign in by SAML: not here."""
    raise Refusal(404, "saml_provider_disabled", "SAML 2.0 is disabled")


@router.get("/user/identities/authorize", open_query=True, statuses=(404,))
def link_identity(user: Holder) -> dict[str, str]:
    """Link another provider's account by hand: not here."""
    raise Refusal(404, "manual_linking_disabled", "Manual linking is disabled")


@router.delete("/user/identities/{identity_id}", open_query=True)
def unlink_identity(identity_id: str, user: Holder) -> None:
    """Unlink another provider's account by hand: not here."""
    raise Refusal(404, "manual_linking_disabled", "Manual linking is disabled")


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
router.routes.extend([replace(r, path="/auth/v1" + r.path, in_schema=False) for r in router.routes])
