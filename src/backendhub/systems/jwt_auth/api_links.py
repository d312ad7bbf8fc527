"""Routes of links and codes: asking for them, and answering."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode, urlsplit, urlunsplit

from fastapi import Query

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.web.fields import NO_NUL

from .bodies import OtpIn, RecoverIn, ResendIn, VerifyIn
from .gates import Redirect, client, followed, mailbox, named, settled
from .limiting import limited, slow
from .models import Refusal
from .service import Engine, links, sending
from .service.links import Followed, Half
from .wire import SessionOut, session_out

Text = Annotated[str | None, Query(max_length=512, pattern=NO_NUL)]


def add(router: web.Router) -> None:
    """Adds them to the system's routes."""
    router.post("/otp", open_query=True, statuses=(422, 429))(otp)
    router.post("/magiclink", open_query=True, statuses=(422, 429))(magiclink)
    router.post("/recover", open_query=True, statuses=(429,))(recover)
    router.post("/resend", open_query=True, statuses=(429,))(resend)
    router.post("/verify", open_query=True, statuses=(403, 422, 429))(verify)
    router.get("/verify", status=303, statuses=(403,), open_query=True, media_type="text/plain")(follow)


def otp(db: Db, request: web.Request, body: OtpIn, redirect_to: Redirect = None) -> dict[str, str]:
    """Send a link and a code that sign in. The answer is the same whether or not there is an account."""
    slow(request, "mails")
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


def magiclink(db: Db, request: web.Request, body: OtpIn, redirect_to: Redirect = None) -> dict[str, str]:
    """Send a link that signs in: `/otp` with an address."""
    slow(request, "mails")
    if not body.email:
        raise Refusal(422, "validation_failed", "Password recovery requires an email")
    flow = sending.challenge(body.code_challenge, body.code_challenge_method)
    here = client(request, redirect_to)
    links.magic(
        db, Engine.of(request.hub), mailbox(body.email), body.create_user, body.data or {}, here, flow
    )
    return {}


def recover(db: Db, request: web.Request, body: RecoverIn, redirect_to: Redirect = None) -> dict[str, str]:
    """Send a link with which a forgotten password can be set anew. Unknown addresses get the same answer."""
    slow(request, "mails")
    if not body.email:
        raise Refusal(400, "validation_failed", "Password recovery requires an email")
    flow = sending.challenge(body.code_challenge, body.code_challenge_method)
    links.recover(db, Engine.of(request.hub), mailbox(body.email), client(request, redirect_to), flow)
    return {}


def resend(db: Db, request: web.Request, body: ResendIn, redirect_to: Redirect = None) -> dict[str, str]:
    """Send again what waits for an answer."""
    slow(request, "mails")
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


async def verify(request: web.Request, body: VerifyIn) -> SessionOut | dict[str, str]:
    """Answer with a code, or with the token of a link."""
    await limited(request, "answers")
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


async def follow(
    request: web.Request, token: Text = None, type: Text = None, redirect_to: Redirect = None
) -> web.Reply:
    """Follow a link: back to where it leads, with a session in the fragment or a code in the query."""
    followed(request)
    await limited(request, "answers")
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
