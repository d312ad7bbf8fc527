"""The wire of UCP: version, errors, and what an agent says of itself."""

from __future__ import annotations

import re
from typing import Any

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, Malformed
from backendhub.kit.idempotency.service import KeyReused
from backendhub.kit.identity import Principal
from backendhub.kit.web.guards import Guard
from backendhub.systems.shop.models import InsufficientStock, NotReady
from backendhub.systems.shop.wire import router

VERSION = "2026-01-11"
_SCHEMA: dict[str, Any] = {
    "title": "UcpError",
    "description": "What is wrong, in words, and its code",
    "type": "object",
    "required": ["detail", "code"],
    "properties": {"detail": {"type": "string"}, "code": {"type": "string"}, "errors": {"type": "array"}},
}


class NoSuchItem(Malformed):
    """An item that the shop does not sell."""

    code = "not_found"


class Ucp(web.Dialect):
    """UCP's errors as its own sample server tells them: `{"detail": "…", "code": "…"}`."""

    name = "UcpError"
    description = "What is wrong (UCP)"
    media_type = "application/json"
    schema = _SCHEMA

    def status(self, error: HubError) -> int:
        """What a checkout is wrong about is a 400, a body that is none a 422, a key with another request a 409."""
        if isinstance(error, KeyReused):
            return 409
        if isinstance(error, InsufficientStock | NotReady):
            return 400
        return super().status(error)

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The response to a failure."""
        body: dict[str, Any] = {"detail": error.message, "code": error.code}
        if found := error.details.get("errors"):
            body["errors"] = found
        return web.Reply(body, error.status, media_type=self.media_type)


def agent(request: web.Request) -> str | None:
    """The profile of the agent that asks (`UCP-Agent: profile="…"`). Raises Malformed for a version that is not spoken."""
    text = request.header("ucp-agent") or ""
    version = re.search(r'version="([^"]*)"', text)
    if version is not None and version[1] > VERSION:
        raise Malformed(f"UCP {version[1][:20]} is not spoken here; {VERSION} is.", supported=[VERSION])
    profile = re.search(r'profile="(https?://[^"\s]{1,2000})"', text)
    return profile[1] if profile else None


def spoken(db: Db | None, request: web.Request) -> Principal | None:
    """Looks at the version before anything else, a repeated request's answer included; nobody signs in."""
    agent(request)
    return None


UCP = Ucp(invalid=422)
_AUTH = web.Authenticator(spoken, {}, stateless=True)
sessions = router.family("/checkout-sessions", dialect=UCP, auth=_AUTH, guard=Guard(optional=True))
order_routes = router.family("/orders", dialect=UCP, auth=_AUTH, guard=Guard(optional=True))
testing = router.family("/testing", dialect=UCP)
