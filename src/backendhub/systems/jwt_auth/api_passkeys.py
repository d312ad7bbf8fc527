"""Routes of passkeys."""

from __future__ import annotations

from typing import Any

from backendhub.kit import web
from backendhub.kit.accounts import passkeys
from backendhub.kit.db import Db

from .bodies import PasskeyIn, PasskeyNameIn
from .gates import Holder, client, session, session_id
from .limiting import limited
from .models import Refusal
from .service import Engine, keys
from .wire import SessionOut, passkey_out, session_out


def add(router: web.Router) -> None:
    """Adds them to the system's routes."""
    router.post("/passkeys/registration/options", open_query=True, statuses=(403, 404, 422))(begin)
    router.post("/passkeys/registration/verify", open_query=True, statuses=(404,))(register)
    router.post("/passkeys/authentication/options", open_query=True, statuses=(404, 429))(ask)
    router.post("/passkeys/authentication/verify", open_query=True, statuses=(403, 404, 429))(answer)
    router.get("/passkeys", open_query=True)(list_)
    router.patch("/passkeys/{passkey_id}", open_query=True)(rename)
    router.delete("/passkeys/{passkey_id}", open_query=True, statuses=(403,))(remove)


def _asked(asked: passkeys.Asked) -> dict[str, Any]:
    until = int(asked.challenge.expires_at.timestamp())
    return {"challenge_id": asked.challenge.id, "options": asked.options, "expires_at": until}


def begin(db: Db, request: web.Request, user: Holder) -> dict[str, Any]:
    """Begin to register a passkey: the options for `navigator.credentials.create`."""
    engine = Engine.of(request.hub)
    keys.enabled(engine.config)
    return _asked(keys.begin(db, engine, user.id, session(db, user), client(request)))


async def register(request: web.Request, body: PasskeyIn, user: Holder) -> dict[str, Any]:
    """Register a passkey with what the authenticator answered."""
    engine = Engine.of(request.hub)
    keys.enabled(engine.config)
    session_id(user)
    challenge_id, credential = _answer(body)
    outcome = await request.call(keys.register, engine, user.id, challenge_id, credential)
    if isinstance(outcome, Refusal):
        raise outcome
    return passkey_out(outcome)


def _answer(body: PasskeyIn) -> tuple[str, dict[str, Any]]:
    if not body.challenge_id:
        raise Refusal(400, "validation_failed", "challenge_id is required")
    if not body.credential:
        raise Refusal(400, "validation_failed", "credential is required")
    return body.challenge_id, body.credential


def ask(db: Db, request: web.Request) -> dict[str, Any]:
    """Begin to sign in with a passkey: the options for `navigator.credentials.get`."""
    engine = Engine.of(request.hub)
    keys.enabled(engine.config)
    return _asked(passkeys.ask(db, keys.party(engine.config), ip=client(request).ip))


async def answer(request: web.Request, body: PasskeyIn) -> SessionOut:
    """Sign in with what the authenticator answered."""
    engine = Engine.of(request.hub)
    keys.enabled(engine.config)
    await limited(request, "sign-ins")
    challenge_id, credential = _answer(body)
    outcome = await request.call(keys.sign_in, engine, challenge_id, credential, client(request))
    if isinstance(outcome, Refusal):
        raise outcome
    return session_out(outcome)


def list_(db: Db, user: Holder) -> list[dict[str, Any]]:
    """The passkeys of the account."""
    return [passkey_out(key) for key in passkeys.of_user(db, user.id)]


def rename(db: Db, passkey_id: str, body: PasskeyNameIn, user: Holder) -> dict[str, Any]:
    """Rename a passkey."""
    if not body.friendly_name:
        raise Refusal(400, "validation_failed", "friendly_name is required")
    key = passkeys.rename(db, user.id, passkey_id, body.friendly_name)
    if key is None:
        raise Refusal(404, "validation_failed", "Passkey not found")
    return passkey_out(key)


def remove(db: Db, passkey_id: str, user: Holder) -> None:
    """Remove a passkey; nobody signs in with it any more."""
    keys.manages(db, user.id, session(db, user))
    if not passkeys.remove(db, user.id, passkey_id):
        raise Refusal(404, "validation_failed", "Passkey not found")
