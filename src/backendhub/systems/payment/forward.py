"""`--forward URL`: requests under `/v1` go to a real gateway as they came, and its answers come back."""

from __future__ import annotations

from urllib.parse import quote

from backendhub.kit import web
from backendhub.kit.errors import Invalid
from backendhub.kit.hub import Hub

from .wire.dialect import Stripe, fields
from .wire.operations import router

PLACE = "/-gateway"
SENT = ("authorization", "content-type", "idempotency-key", "stripe-account", "stripe-version", "user-agent")
BACK = (
    "idempotency-key", "idempotent-replayed", "original-request", "request-id", "retry-after", "stripe-should-retry",
    "stripe-version",
)  # fmt: skip
MOST = 20 * 1024 * 1024
PATIENCE_S = 80.0


def gateway(hub: Hub) -> str | None:
    """Where requests go, without a slash at the end; None where they are answered here. Raises Invalid."""
    url = (hub.settings.get("payment.forward") or "").rstrip("/")
    if url and not url.startswith(("https://", "http://")):
        raise Invalid(f"payment.forward is {url!r}.", hint="write https://api.stripe.com")
    return url or None


@router.on_request
async def before(request: web.Request) -> None:
    """Sends requests of the wire to the gateway, where there is one."""
    if request.path.startswith("/v1/") and gateway(request.hub) is not None:
        request.path = PLACE + request.path
    elif request.path.startswith(PLACE):
        request.path = "/v1" + request.path  # it is no address for clients


async def forwarded(request: web.Request, rest: str) -> web.Reply:
    """Sends a request on. Raises Upstream where the gateway does not answer."""
    base = gateway(request.hub)
    query = f"?{request.query}" if request.query else ""
    headers = {name: value for name in SENT if (value := request.header(name)) is not None}
    answer = await request.hub.fetch.asend(
        request.method,
        f"{base}/{quote(rest)}{query}",
        headers=headers,
        content=request.body or None,
        redirects=0,
        max_bytes=MOST,
        total=PATIENCE_S,
        trusted=True,
    )
    kept = fields(request) | {name: answer.headers[name] for name in BACK if name in answer.headers}
    if "request-id" in kept:
        kept.pop("Request-Id")
    return web.Reply(
        answer.body, answer.status, kept, media_type=answer.headers.get("content-type", "application/json")
    )


_family = router.family(PLACE, dialect=Stripe())
_family.get("/{rest:path}", in_schema=False, public=True, open_query=True)(forwarded)
_family.post("/{rest:path}", in_schema=False, public=True, open_query=True, consumes=("*/*",))(forwarded)
_family.delete("/{rest:path}", in_schema=False, public=True, open_query=True, consumes=("*/*",))(forwarded)
