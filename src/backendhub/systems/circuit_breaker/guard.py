"""`/guard/{name}/…`: requests to an upstream that a breaker protects, with its bulkhead, retries and fallback."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from backendhub.kit import edge
from backendhub.kit.breaker import BulkheadFull, NotPermitted, Outcome, Permit
from backendhub.kit.edge.exchange import Incoming
from backendhub.kit.edge.hops import FORWARDED, end_to_end, forwarded, via
from backendhub.kit.edge.upstream import IDEMPOTENT, Origin
from backendhub.kit.errors import HubError, NotFound, Upstream

from . import board as boards
from .board import Guarded

hot = edge.Edge()
MAX_BODY = 8 * 2**20
PREFIX = b"/guard/"
Pairs = list[tuple[bytes, bytes]]


@hot.route("*", "/guard/{name}/*", max_body=MAX_BODY)
async def guard(request: edge.Request) -> edge.Response | edge.Stream:
    """Sends a request on, unless the breaker is open. What the upstream says is answered, a failure too."""
    guarded = boards.of(request.hub).find(request.params["name"])
    if guarded.instance.upstream is None:
        raise NotFound(f"{guarded.instance.name} protects no upstream.", hint="give it an `upstream`")
    try:
        return await _attempts(guarded, request)
    except (NotPermitted, BulkheadFull, Upstream) as error:
        if guarded.instance.fallback is None:
            raise
        return _fallback(guarded, error)


def _fallback(guarded: Guarded, error: HubError) -> edge.Response:
    body = (guarded.instance.fallback or "").encode()
    media = b"application/json" if body[:1] in (b"{", b"[") else b"text/plain; charset=utf-8"
    fields = [(b"content-type", media), (b"x-fallback", error.code.encode()), (b"cache-control", b"no-store")]
    return edge.Response(200, fields, body)


async def _attempts(guarded: Guarded, request: edge.Request) -> edge.Stream:
    """Tries as often as the policy and the budget let, requests that may be repeated only. Raises HubError."""
    guarded.budget.call()
    tries = guarded.instance.tries if request.method in IDEMPOTENT else 1
    for attempt in range(1, tries + 1):
        last = attempt == tries
        try:
            answer = await _attempt(guarded, request)
        except Upstream as error:
            if last or isinstance(error, NotPermitted) or not guarded.budget.retry():
                raise
        else:
            if last or answer.status not in guarded.instance.statuses or not guarded.budget.retry():
                return answer
            assert isinstance(answer.parts, Body)
            await answer.parts.aclose()
        await asyncio.sleep(guarded.backoff.pause(attempt))
    raise AssertionError("no attempt")


async def _attempt(guarded: Guarded, request: edge.Request) -> edge.Stream:
    """One call. It lasts until the answer is whole: a body that breaks off is a failure."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(guarded.bulkhead.place())
        breaker = guarded.breaker
        permit = breaker.acquire()
        try:
            incoming = await origin(guarded).send(
                request.method, _target(request), _forwarded(request), _content(request)
            )
        except BaseException as error:
            breaker.record(permit, breaker.judge(error), type(error).__name__)
            raise
        body = Body(
            guarded, incoming, permit, stack.pop_all()
        )  # the place is taken until all has gone through
    if incoming.status in guarded.instance.statuses:
        body.record(Outcome.FAILURE, f"status {incoming.status}")
    elif incoming.status in guarded.instance.ignored:
        body.record(Outcome.IGNORED, f"status {incoming.status}")
    if incoming.whole:
        await body.done()
    fields = end_to_end(incoming.headers, dict(incoming.headers).get(b"connection"))
    return edge.Stream(incoming.status, [*fields, (b"via", b"1.1 backendhub")], body, _length(incoming))


class Body:
    """The body of an answer on its way to the client, and what becomes of the call with it."""

    def __init__(self, guarded: Guarded, incoming: Incoming, permit: Permit, rest: AsyncExitStack) -> None:
        self.guarded = guarded
        self.incoming = incoming
        self.permit: Permit | None = permit
        self.took = guarded.breaker.since(permit)
        """What the upstream took to answer: a client that reads slowly is not its fault."""
        self.rest = rest
        self.parts = incoming.parts()

    def record(self, outcome: Outcome, why: str = "") -> None:
        """Says what the call was; the first word counts."""
        if self.permit is not None:
            permit, self.permit = self.permit, None
            self.guarded.breaker.record(permit, outcome, why, took=self.took)

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self.parts)
        except StopAsyncIteration:
            await self.done()
            raise
        except (OSError, TimeoutError) as error:
            self.record(Outcome.FAILURE, f"the body broke off: {error}")
            raise

    async def done(self) -> None:
        """It has gone through."""
        self.record(Outcome.SUCCESS)
        await self.aclose()

    async def aclose(self) -> None:
        """Nobody wants the rest."""
        self.record(Outcome.IGNORED, "the client left")
        self.incoming.close()
        await self.rest.aclose()


def _length(incoming: Incoming) -> int | None:
    found = dict(incoming.headers).get(b"content-length")
    return int(found) if found is not None and found.isdigit() else None


def _content(request: edge.Request) -> bytes | None:
    """The body; an empty one where the method has one."""
    return request.body if request.body or request.method in (b"POST", b"PUT", b"PATCH") else None


def _target(request: edge.Request) -> bytes:
    """What is asked of the upstream: the part behind `/guard/name`."""
    return b"/" + request.target[len(PREFIX) :].partition(b"/")[2]


def _forwarded(request: edge.Request) -> Pairs:
    fields = end_to_end(request.headers, request.fields.get(b"connection"))
    # The body was unfolded on its way in, and goes on as it is now.
    gone = FORWARDED | {b"host", b"via", b"content-encoding"}
    kept = [(name, value) for name, value in fields if name not in gone]
    more = forwarded(request.fields, request.client, request.scheme)
    return [*kept, *more, via(request.fields, request.version)]


def origin(guarded: Guarded) -> Origin:
    """The connections to an upstream, made in the loop that uses them."""
    if guarded.origin is None:
        assert guarded.instance.upstream is not None
        guarded.origin = Origin(guarded.instance.upstream, answer_s=guarded.instance.timeout_s)
    return guarded.origin
