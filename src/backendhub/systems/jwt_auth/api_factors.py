"""Routes of second factors."""

from __future__ import annotations

from typing import Any

from backendhub.kit import web
from backendhub.kit.accounts import users
from backendhub.kit.db import Db

from .bodies import AnswerIn, FactorIn
from .gates import Holder, client, session, session_id
from .limiting import limited
from .models import Refusal
from .service import Engine, multifactor
from .wire import SessionOut, session_out


def add(router: web.Router) -> None:
    """Adds them to the system's routes."""
    router.post("/factors", open_query=True, statuses=(403, 422))(enrol)
    router.post("/factors/{factor_id}/challenge", open_query=True, statuses=(422, 429))(challenge)
    router.post("/factors/{factor_id}/verify", open_query=True, statuses=(422, 429))(verify)
    router.delete("/factors/{factor_id}", status=200, open_query=True, statuses=(422,))(unenrol)


def enrol(db: Db, request: web.Request, body: FactorIn, user: Holder) -> dict[str, Any]:
    """Enrol a second factor; it counts once its first challenge was answered."""
    kind = body.factor_type
    if kind not in ("totp", "phone", "webauthn"):
        raise Refusal(400, "validation_failed", "factor_type needs to be totp, phone, or webauthn")
    phone = users.phone(body.phone) if body.phone else None
    made = multifactor.enrol(
        db,
        Engine.of(request.hub),
        user.id,
        session(db, user),
        kind,
        name=body.friendly_name or "",
        issuer=body.issuer or "",
        phone=phone,
    )
    out: dict[str, Any] = {"id": made.factor.id, "type": kind, "friendly_name": made.factor.name or ""}
    if made.uri is not None:
        out["totp"] = {"qr_code": qr_code(made.uri), "secret": made.secret, "uri": made.uri}
    if made.factor.phone:
        out["phone"] = made.factor.phone
    return out


def qr_code(text: str) -> str:
    """A QR code as SVG."""
    from io import BytesIO

    import segno

    image = BytesIO()
    segno.make(text, error="m").save(image, kind="svg", scale=4, xmldecl=False, nl=False)
    return image.getvalue().decode()


def challenge(db: Db, request: web.Request, factor_id: str, user: Holder) -> dict[str, Any]:
    """Ask a factor: the answer is the code that it shows, or that is sent to it."""
    session_id(user)
    found = multifactor.challenge(db, Engine.of(request.hub), user.id, factor_id, client(request))
    until = int(found.challenge.expires_at.timestamp())
    out: dict[str, Any] = {"id": found.challenge.id, "type": found.factor.kind, "expires_at": until}
    if found.options is not None:
        kind = "request" if found.factor.verified else "create"
        out["webauthn"] = {"type": kind, "credential_options": {"publicKey": found.options}}
    return out


async def verify(request: web.Request, factor_id: str, body: AnswerIn, user: Holder) -> SessionOut:
    """Answer a challenge: the session rises to two factors (`aal2`), and those with one end."""
    await limited(request, "answers", user.id)
    credential = body.webauthn.credential_response if body.webauthn else None
    answer = multifactor.Answer(body.challenge_id or "", body.code or "", credential)
    outcome = await request.call(
        multifactor.verify,
        Engine.of(request.hub),
        user.id,
        session_id(user),
        factor_id,
        answer,
        client(request),
    )
    if isinstance(outcome, Refusal):
        raise outcome
    return session_out(outcome)


def unenrol(db: Db, factor_id: str, user: Holder) -> dict[str, str]:
    """Remove a factor; one that counts needs a session that it has raised."""
    return {"id": multifactor.unenrol(db, user.id, session(db, user), factor_id).id}
