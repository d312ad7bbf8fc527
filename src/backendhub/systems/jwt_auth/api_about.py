"""Routes about this server, and what it says of what it does not do."""

from __future__ import annotations

from typing import Any

from backendhub import __version__
from backendhub.kit import web
from backendhub.kit.accounts import tokens
from backendhub.kit.db import Db

from .gates import Holder
from .models import Refusal
from .service import Engine


def add(router: web.Router) -> None:
    """Adds them to the system's routes."""
    router.get("/settings", open_query=True, public=True)(settings)
    router.get("/health", open_query=True, public=True)(health)
    router.get("/.well-known/jwks.json", open_query=True, public=True)(jwks)
    router.get("/authorize", open_query=True, public=True, statuses=(400,))(authorize)
    router.post("/sso", open_query=True, public=True, statuses=(404,))(sso)
    router.get("/user/identities/authorize", open_query=True, statuses=(404,))(link_identity)
    router.delete("/user/identities/{identity_id}", open_query=True)(unlink_identity)


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


def health() -> dict[str, str]:
    """That it is there, and which version."""
    return {"name": "backendhub jwt-auth", "version": __version__, "description": "Accounts and tokens"}


def jwks(db: Db) -> dict[str, Any]:
    """The public keys that verify access tokens (RFC 7517)."""
    return web.reply(tokens.jwks(db), headers={"Cache-Control": "public, max-age=600"})


def authorize() -> dict[str, str]:
    """Sign in through another provider: none is set up here."""
    raise Refusal(400, "validation_failed", "Unsupported provider: provider is not enabled")


async def sso(request: web.Request) -> dict[str, str]:
    """Sign in by SAML: not here."""
    raise Refusal(404, "saml_provider_disabled", "SAML 2.0 is disabled")


def link_identity(user: Holder) -> dict[str, str]:
    """Link another provider's account by hand: not here."""
    raise Refusal(404, "manual_linking_disabled", "Manual linking is disabled")


def unlink_identity(identity_id: str, user: Holder) -> None:
    """Unlink another provider's account by hand: not here."""
    raise Refusal(404, "manual_linking_disabled", "Manual linking is disabled")
