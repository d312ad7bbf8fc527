"""Requests that no stored response answers: unsafe methods, bodies, ranges of nothing stored, HEAD, upgrades."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from backendhub.kit import clock
from backendhub.kit.edge import Duplex, Incoming, Request, Response, Stream, Tunnel

from . import forward, rules
from .answers import arriving, length_of
from .entry import Entry, prepared
from .fields import Fields, value
from .flights import Landed, drained
from .partial import span_of
from .rules import Asked, Freshness
from .vary import key as variant_of
from .vary import nominated

if TYPE_CHECKING:
    from .proxy import Proxy

SAFE = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PROPFIND", b"REPORT", b"SEARCH"))
Reply = Response | Stream | Tunnel


class Passing:
    """Passes requests on, and keeps the cache true to what they change."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy

    async def on(self, request: Request, *, why: str = "", forwarded: str = "") -> Reply:
        """Passes a request on as it is."""
        proxy, method = self.proxy, request.method
        if request.switches:
            return await self._upgrade(request)
        headers = self._fields(request)
        body = request.stream() if request.has_body else None
        start = clock.steady()
        proxy.stats.passed += 1
        incoming = await proxy.origin.send(
            method, request.target, headers, body, interim=lambda i: request.interim(i.status, i.headers)
        )
        received = clock.steady()
        if method not in SAFE and (changed := self._changed(request, incoming)):
            await proxy.tell(request, changed)
        if not why:
            why = (
                f"{method.decode('latin-1')} is passed on"
                if method != b"GET"
                else "a GET with a body is passed on"
            )
        status = (
            f"fwd={forwarded or ('bypass' if method in SAFE else 'method')}; fwd-status={incoming.status}"
        )
        if method == b"POST" and self._answers_get(request, incoming, received):
            return await self._kept(
                request, incoming, start, received, status, "POST is passed on; stored for GET"
            )
        if method == b"GET" and b"range" in request.fields and not request.has_body:
            return await self._ranged(request, incoming, start, received, status, why)
        return self._answer(request, incoming, received, status, why)

    def _fields(self, request: Request) -> Fields:
        config = self.proxy.config
        return forward.request_fields(
            request.headers,
            client=request.client,
            scheme=request.scheme,
            cached=False,
            host=config.preserve_host,
            trusted=config.trusted,
        )

    def _answer(
        self, request: Request, incoming: Incoming, received: float, status: str, why: str
    ) -> Response | Stream:
        fields = forward.traced(
            forward.response_fields(incoming.headers, received), hit=False, status=status, why=why
        )
        parts = drained(incoming, self.proxy.stats)
        bare = Request(
            request.method, request.target, [], {}, request.version
        )  # conditions went to the origin
        answer = arriving(bare, incoming.status, fields, parts, length_of(incoming.headers))
        assert answer is not None
        if isinstance(answer, Response):
            incoming.close()
        return answer

    def _authorities(self, request: Request) -> set[bytes]:
        own = {self.proxy.origin.authority.lower()}
        return own | {request.fields[b"host"].lower()} if b"host" in request.fields else own

    def _changed(self, request: Request, incoming: Incoming) -> list[bytes]:
        """A successful unsafe request makes stale what is stored of the resource (RFC 9111 §4.4); gives the targets."""
        if not 200 <= incoming.status < 400:
            return []
        shelf = self.proxy.shelf
        prefix = self.proxy.key(request)[: -len(request.target)]
        targets = forward.invalidated(request.target, incoming.headers, self._authorities(request))
        for target in targets:
            shelf.purge(list(shelf.index.get(prefix + target, ())))
            shelf.partials.drop([prefix + target])
        return sorted(targets)

    def _answers_get(self, request: Request, incoming: Incoming, received: float) -> bool:
        """Whether the answer to a POST is what a GET would give, with explicit freshness (RFC 9110 §9.3.3)."""
        located = value(incoming.headers, b"content-location")
        if incoming.status != 200 or not forward.same(request.target, located, self._authorities(request)):
            return False
        told = rules.lifetime(200, incoming.headers, received, rules.Policy(heuristics=False))
        asked = Asked.of(b"GET", request.fields)
        return told.lifetime > 0 and self.proxy.flights.judged(asked, incoming, received).stored

    async def _kept(
        self, request: Request, incoming: Incoming, start: float, received: float, status: str, why: str
    ) -> Response | Stream:
        flights, asked = self.proxy.flights, Asked.of(b"GET", request.fields)
        landed = Landed(200, incoming.headers, received, flights.judged(asked, incoming, received))
        landed.names = nominated(incoming.headers)
        landed.variant = variant_of(landed.names, request.fields)
        landed.spool = flights.spool()
        task = asyncio.ensure_future(flights.fill(self.proxy.key(request), landed, incoming, start))
        flights.keep(task)
        fields = forward.traced(
            forward.response_fields(incoming.headers, received),
            hit=False,
            status=status + "; stored",
            why=f"{why}: {landed.verdict.why}",
        )
        shown = [pair for pair in fields if pair[0] != b"content-length"]
        return Stream(200, shown, landed.spool.read(), length_of(incoming.headers))

    async def _ranged(
        self, request: Request, incoming: Incoming, start: float, received: float, status: str, why: str
    ) -> Response | Stream:
        """The answer to a request for a part: what came is kept where it may be, the whole as well."""
        flights = self.proxy.flights
        span = span_of(incoming.headers) if incoming.status == 206 else None
        if span is None and incoming.status != 200:
            return self._answer(request, incoming, received, status, why)
        asked = Asked.of(b"GET", request.fields)
        verdict = flights.judged(asked, incoming, received, status=200)
        if span is not None and verdict.stored:
            verdict = flights.fitting(verdict, span, length_of(incoming.headers))
        if not verdict.stored:
            return self._answer(request, incoming, received, status, f"{why}; not stored: {verdict.why}")
        if span is None:
            return await self._kept(
                request, incoming, start, received, status, f"{why}; all came, and is stored"
            )
        answer = self._answer(request, incoming, received, f"{status}; stored", f"{why}; the part is stored")
        assert isinstance(answer, Stream)
        fields = [pair for pair in incoming.headers if pair[0] not in (b"content-range", b"content-length")]
        landed = Landed(200, fields, received, verdict)
        landed.names = nominated(fields)
        landed.variant = variant_of(landed.names, request.fields)
        answer.parts = self._collected(answer.parts, self.proxy.key(request), landed, span, start)
        return answer

    async def _collected(
        self,
        parts: AsyncIterator[bytes],
        key: bytes,
        landed: Landed,
        span: tuple[int, int, int],
        start: float,
    ) -> AsyncIterator[bytes]:
        """A part on its way through; it is kept when all of it has come, and only what Content-Range has promised."""
        first, end, size = span
        found, flights = bytearray(), self.proxy.flights
        try:
            async for part in parts:
                found += part
                if len(found) == end - first:
                    fresh = Freshness.of(200, landed.fields, start, landed.received, flights.policy)
                    fields = prepared(landed.fields, landed.received)
                    entry = Entry(key, 200, fields, fresh, landed.variant, size, None, landed.received)
                    whole = flights.shelf.partials.put(entry, first, bytes(found))
                    if whole is not None:
                        flights.put_whole(key, landed, whole.read(0, size) or b"", start)
                yield part
        finally:
            await parts.aclose()  # type: ignore[attr-defined]

    async def head(self, request: Request, entry: Entry | None, why: str) -> Response | Stream:
        """Passes a HEAD on, and learns from the answer (RFC 9111 §4.3.5)."""
        proxy = self.proxy
        start = clock.steady()
        proxy.stats.misses += 1
        incoming = await proxy.origin.send(b"HEAD", request.target, self._fields(request))
        received = clock.steady()
        if entry is not None and incoming.status == 200:
            if self._same(entry, incoming):
                proxy.flights.freshen(entry, incoming.headers, start, received)
            else:
                entry.mark()
        elif entry is not None and incoming.status in (404, 410):
            proxy.shelf.drop(entry)
        forwarded = "stale" if entry is not None else "uri-miss"
        return self._answer(
            request, incoming, received, f"fwd={forwarded}; fwd-status={incoming.status}", why
        )

    @staticmethod
    def _same(entry: Entry, incoming: Incoming) -> bool:
        """Whether what a HEAD tells of validators and length is what is stored."""
        for name in (b"etag", b"last-modified"):
            new, old = value(incoming.headers, name), value(entry.fields, name)
            if new is not None and new != old:
                return False
        length = length_of(incoming.headers)
        return length is None or length == entry.size

    async def _upgrade(self, request: Request) -> Reply:
        """Passes a WebSocket through."""
        self.proxy.stats.passed += 1
        headers = [*self._fields(request), (b"connection", b"upgrade"), (b"upgrade", b"websocket")]
        incoming = await self.proxy.origin.send(b"GET", request.target, headers)
        far = incoming.duplex
        if far is None:
            return self._answer(request, incoming, clock.steady(), "fwd=bypass", "no upgrade")
        kept = [p for p in incoming.headers if p[0].startswith(b"sec-websocket")]

        async def talk(near: Duplex) -> None:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(near, far))
                both.create_task(_copy(far, near))

        return Tunnel(101, [*kept, (b"connection", b"upgrade"), (b"upgrade", b"websocket")], talk)


async def _copy(source: Duplex, sink: Duplex) -> None:
    """One direction of a tunnel; its end ends both, which is how WebSockets close."""
    try:
        while data := await source.read():
            await sink.write(data)
    except ConnectionError:
        pass
    finally:
        sink.close()
