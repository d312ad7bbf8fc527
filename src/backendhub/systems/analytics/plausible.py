"""Plausible's wire: `POST /api/event`, the stats API v2, and its errors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, Malformed

from . import segment
from .service import agents, ingest

MAX_EVENT = 64 * 1024
MAX_DOMAINS = 10


class Refusal(web.Dialect):
    """What Plausible says when it does not: `error`, a sentence."""

    name = "PlausibleError"
    description = "A request that makes no sense"
    media_type = "application/json"
    schema = {
        "title": "PlausibleError",
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}},
    }

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The response to a failure."""
        told = error.message
        if found := error.details.get("errors"):
            told = "; ".join(
                f"{e.get('pointer') or e.get('name') or 'body'}: {e.get('detail')}" for e in found
            )
        return web.Reply({"error": told}, error.status, media_type=self.media_type)


class Query(BaseModel):
    """A question to the stats API v2 (https://plausible.io/docs/stats-api)."""

    model_config = ConfigDict(extra="forbid")

    site_id: str = Field(min_length=1, max_length=300, description="A domain, a write key or a source's id")
    metrics: list[str] = Field(min_length=1, max_length=20)
    date_range: str | list[str]
    date: str | None = Field(
        default=None, description="The day that `date_range` is counted from; today if left out"
    )
    dimensions: list[str] = Field(default=[], max_length=5)
    filters: list[list[Any]] = Field(default=[], max_length=50)
    order_by: list[list[str]] | None = None
    include: dict[str, Any] = {}
    pagination: dict[str, int] = {}


class Result(BaseModel):
    """A row: the metrics in the order in which they were asked for, and the dimensions."""

    metrics: list[Any]
    dimensions: list[str]


class Results(BaseModel):
    """The answer to a question."""

    results: list[Result]
    meta: dict[str, Any]
    query: dict[str, Any]


def accept(db: Db, request: web.Request) -> web.Reply:
    """Keeps an event. Programs that say they are none are left out, as is what nobody's site sends.

    Raises Malformed.
    """
    event = segment.read(request)
    named = event.get("d", event.get("domain"))
    if not isinstance(named, str) or not named.strip():
        raise Malformed("domain: can't be blank")
    if not isinstance(event.get("n", event.get("name")), str):
        raise Malformed("event_name: can't be blank")
    domains = [d.strip().removeprefix("www.") for d in named.split(",")][:MAX_DOMAINS]
    agent = request.header("user-agent") or ""
    kept = 0
    if not agents.is_bot(agent):
        anyone = not request.hub.settings.flag("analytics.known_only")
        kept = ingest.accept_visit(db, domains, event, address=_address(request), agent=agent, anyone=anyone)
    headers = {} if kept == len(domains) else {"X-Plausible-Dropped": str(len(domains) - kept)}
    reply: web.Reply = web.Reply("ok", 202, headers, media_type="text/plain; charset=utf-8")
    return reply


def _address(request: web.Request) -> str:
    """Whose event it is: who sends it for somebody else names them, as Plausible's API asks."""
    forwarded = (request.header("x-forwarded-for") or "").partition(",")[0].strip()
    return forwarded or str((request.scope.get("client") or ("",))[0])
