"""`backendhub serve rate-limiter limits.yaml`: checks, and a look at what was counted."""

from __future__ import annotations

import base64
import json
from collections.abc import Coroutine
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, Field
from pydantic_core import to_json

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, Malformed, TooMany
from backendhub.kit.hub import Hub
from backendhub.kit.limits import enforce, fields
from backendhub.kit.web.fields import NO_NUL, Integer

from . import board as boards
from . import rls, service
from .hot import hot
from .models import Descriptor, Hits, Limit, Status, Stored, Verdict

router = web.Router(
    "Rate limits: Envoy's rate limit service (`POST /json`, gRPC beside it) and `POST /check`, which answers with "
    "RateLimit fields and problems. Limits are Envoy's YAML, over seven algorithms.",
    edge=hot,
)
Name = Annotated[str, Field(min_length=1, max_length=500)]
Value = Annotated[str, Field(max_length=2000)]
Entries = Annotated[dict[Name, Value], Field(min_length=1, max_length=100)]
Domain = Annotated[str, Path(pattern=NO_NUL, max_length=500, description="A domain")]
YAML = ("application/yaml", "application/x-yaml", "text/yaml", "text/plain", "application/json")


class CheckIn(BaseModel):
    """Something that wants to happen: its descriptors, each in the order in which limits are nested."""

    domain: Name
    descriptors: list[Entries] = Field(min_length=1, max_length=100, examples=[[{"user": "ada"}]])
    cost: Integer = Field(default=1, ge=0, le=2**32 - 1, description="what it takes; 0 only looks")


class ResetIn(BaseModel):
    """Counts that are to be forgotten."""

    domain: Name
    descriptors: list[Entries] = Field(min_length=1, max_length=100)


class ReleaseIn(BaseModel):
    """A place that is not needed any more."""

    lease: str = Field(min_length=1, max_length=4000, pattern=r"^[A-Za-z0-9_-]+={0,2}$")


@router.on_startup
def watch(hub: Hub) -> Coroutine[Any, Any, None]:
    """Keeps the configuration current."""
    return boards.watch(hub)


@router.on_startup
def serve_grpc(hub: Hub) -> Coroutine[Any, Any, None]:
    """Serves gRPC where that was asked for."""
    return _grpc(hub)


async def _grpc(hub: Hub) -> None:
    if address := hub.settings.get("rate_limiter.grpc"):
        from . import grpc

        await grpc.serve(hub, address)


# -- checks ------------------------------------------------------------------------------------------------


@router.post("/json", consumes=("*/*",), statuses=(400, 429))
async def should_rate_limit(request: web.Request) -> web.Reply:
    """Envoy's `ShouldRateLimit` as JSON, of whatever media type: 200 or 429 with a `RateLimitResponse`."""
    verdict = await boards.of(request.hub).engine.check(*rls.request(request.body))
    return web.Reply(
        to_json(rls.response(verdict)), 429 if verdict.over else 200, media_type="application/json"
    )


@router.post("/check", statuses=(422, 429, 503))
async def check(request: web.Request, body: CheckIn) -> dict[str, Any]:
    """Counts a request under every limit that applies, or under none if one refuses.

    200 with RateLimit fields; 429 with `Retry-After` and a problem that names the policies; 503 where a limit that
    fails closed cannot be counted.
    """
    engine = boards.of(request.hub).engine
    descriptors = [Descriptor((*entries.items(),)) for entries in body.descriptors]
    for match in (engine.config.find(body.domain, d) for d in descriptors):
        if match and match.limit.rule and not match.limit.shadow and body.cost > match.limit.rule.most:
            raise Invalid(
                f"{match.limit.path} never admits more than {match.limit.rule.most} at once.",
                errors=[{"detail": "This is more than is ever admitted.", "pointer": "/cost"}],
            )
    verdict = await engine.check(body.domain, descriptors, body.cost)
    if verdict.over:
        refuse(verdict)
    return web.reply(_told(verdict), headers=fields(verdict.decisions))


def refuse(verdict: Verdict) -> None:
    """Raises TooMany, or StoreError where only what cannot be counted refuses."""
    banned = [s.limit.path for s in verdict.statuses if s.over and s.limit and s.limit.rule is None]
    if banned:  # no time to wait would help
        error = TooMany(f"{banned[0]} admits nothing.")
        error.details = {"violated-policies": banned}
        raise error
    enforce(*verdict.decisions)


def _told(verdict: Verdict) -> dict[str, Any]:
    return {"allowed": not verdict.over, "limits": [_limit(status) for status in verdict.statuses]}


def _limit(status: Status) -> dict[str, Any]:
    found: dict[str, Any] = {"limit": status.limit.path if status.limit else None}
    if status.limit is None or status.decision is None:
        return found | {"unlimited": True}
    decision = status.decision
    found |= {"remaining": decision.remaining, "reset": decision.reset_s}
    if decision.delay_s:
        found["delay"] = decision.delay_s
    if decision.lease:
        held = json.dumps([status.key, decision.rule.id, decision.lease])
        found["lease"] = base64.urlsafe_b64encode(held.encode()).decode()
    if status.limit.shadow:
        found["shadow"] = "would be refused" if not decision.allowed else "would be admitted"
    if decision.unsure:
        found["unsure"] = True
    return found


@router.post("/release", status=204)
async def release(request: web.Request, body: ReleaseIn) -> None:
    """Gives back a place of a `concurrency` limit; one that has ended already is no mistake."""
    try:
        key, rule, lease = json.loads(base64.urlsafe_b64decode(body.lease))
    except ValueError:
        raise Malformed("This is no lease.") from None
    if not all(isinstance(part, str) for part in (key, rule, lease)):
        raise Malformed("This is no lease.")
    await boards.of(request.hub).engine.release(key, rule, lease)


# -- what was counted --------------------------------------------------------------------------------------


@router.get("/counters", statuses=(503,))
async def counters(
    request: web.Request,
    start: Annotated[str, Query(max_length=600, pattern=NO_NUL, description="what keys begin with")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[dict[str, Any]]:
    """Keys that have counts at the moment, in no order."""
    engine = boards.of(request.hub).engine
    known = {found.rule.id: found for found in engine.config.limits() if found.rule is not None}
    found = []
    for key, rule in await engine.limits.acounted(start, limit=limit):
        if (owner := known.get(rule)) is None or owner.rule is None:
            continue  # another system's, or of a limit that has changed
        look = await engine.limits.ahit(key, owner.rule, 0)
        found.append({"key": key, "limit": owner.path, "remaining": look.remaining, "reset": look.reset_s})
    return found


@router.post("/reset", statuses=(503,))
async def reset(request: web.Request, body: ResetIn) -> dict[str, int]:
    """Forgets what was counted on these descriptors; tells how many of them have a limit."""
    descriptors = [Descriptor((*entries.items(),)) for entries in body.descriptors]
    return {"reset": await boards.of(request.hub).engine.reset(body.domain, descriptors)}


@router.get("/stats")
def stats(request: web.Request) -> dict[str, Hits]:
    """Hits at each limit since this process began."""
    return boards.of(request.hub).engine.hits


# -- configuration -----------------------------------------------------------------------------------------


@router.get("/rlconfig", media_type="text/plain; charset=utf-8")
def rlconfig(request: web.Request) -> str:
    """Every limit on a line, as Envoy's service shows them."""
    return "".join(_line(limit) for limit in boards.of(request.hub).config.limits())


def _line(limit: Limit) -> str:
    text = f"{limit.path}: unit={limit.unit.upper() or 'UNKNOWN'} requests_per_unit={limit.amount}"
    text += f", shadow_mode: {str(limit.shadow).lower()}, quota_mode: {str(limit.quota).lower()}"
    return text + (f", algorithm: {limit.rule.algorithm}\n" if limit.rule is not None else "\n")


@router.get("/healthcheck", media_type="text/plain", statuses=(503,), public=True)
def healthcheck(request: web.Request) -> web.Reply:
    """OK while the newest configuration is served, as Envoy's service has it."""
    trouble = boards.of(request.hub).trouble
    return web.Reply("OK" if trouble is None else trouble, 200 if trouble is None else 503)


@router.get("/domains")
def list_domains(request: web.Request) -> list[dict[str, Any]]:
    """Every domain that is served, with the number of its limits."""
    found = boards.of(request.hub).config.domains
    return [{"domain": name, "limits": len(root.leaves())} for name, root in found.items()]


@router.get("/domains/{domain}", statuses=(404,))
def get_domain(db: Db, domain: Domain) -> Stored:
    """A domain that was configured through this API."""
    found = service.get(db, domain)
    return web.reply(found, etag=web.etag(found.revision))


@router.put("/domains/{domain}", consumes=YAML, statuses=(409, 412, 422), max_body=4 * 2**20)
async def put_domain(request: web.Request, domain: Domain) -> Stored:
    """Sets a domain's configuration, YAML or JSON in Envoy's form. Every process serves it within a second."""
    board = boards.of(request.hub)
    editable(board)
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        raise Malformed("The configuration is no UTF-8.") from None
    board.preview(domain, text)

    def change(db: Db) -> Stored:
        before = service.find(db, domain)
        web.precondition(request, web.etag(before.revision) if before else None)
        return service.put(db, domain=domain, config=text)

    stored = await request.call(change)
    await boards.refresh(request.hub)
    return web.reply(stored, etag=web.etag(stored.revision))


@router.delete("/domains/{domain}", statuses=(404, 409))
async def delete_domain(request: web.Request, domain: Domain) -> None:
    """Forgets a domain; its requests have no limit then."""
    board = boards.of(request.hub)
    editable(board)
    await request.call(service.remove, domain)
    await boards.refresh(request.hub)


def editable(board: boards.Board) -> None:
    """Raises Conflict where the configuration is that of files."""
    if board.paths:
        raise Conflict(
            "The configuration is that of files.", hint="edit them: they are read again when they change"
        )
