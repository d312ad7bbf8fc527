"""The proxy itself: what becomes of a request, from the fastest case to the last resort."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable

from backendhub.kit import clock
from backendhub.kit.edge import Interim, Origin, Request, Response, Stream, Tunnel
from backendhub.kit.errors import HubError, Upstream

from . import forward, rules
from .answers import Answers, arriving, length_of
from .config import Config
from .disk import Damaged
from .entry import Entry
from .fields import Fields, value
from .flights import Flight, Flights, Landed, drained
from .passing import Passing
from .purging import Purging
from .rules import Asked, Kind
from .shelf import Shelf
from .stats import Stats
from .vary import key as variant_of
from .vary import matches

PLAIN = (b"GET", b"HEAD")
TOPIC = "cache-proxy.purged"
SPECIAL = frozenset(
    b"cache-control pragma range if-range if-none-match if-modified-since if-match if-unmodified-since "
    b"content-length transfer-encoding cdn-loop expect".split()
)
"""Fields that make more of a request than "give me what you have"."""
Reply = Response | Stream | Tunnel


class LoopDetected(HubError):
    """A request that has been here before."""

    status, code, title = 508, "loop_detected", "Loop Detected"


class NoOrigin(HubError):
    """Nobody has said what is to be cached."""

    status, code, title = 503, "no_origin", "Service Unavailable"


class NotStored(Upstream):
    """Nothing is stored, and the client wants nothing else."""

    status, code, title = 504, "not_stored", "Gateway Timeout"


class Proxy:
    """A shared cache in front of one origin."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.stats = Stats()
        self.disk = config.open_disk()
        self.shelf = Shelf(memory=config.memory, objects=config.objects, disk=self.disk)
        self.origin = config.origin() if config.url else Origin("http://origin.invalid")
        self.flights = Flights(self.origin, self.shelf, config.policy, self.stats, config.max_object)
        self.answers = Answers(self.shelf, self._damaged)
        self.purging = Purging(self.shelf, self.stats)
        self.passing = Passing(self)
        if self.disk is not None:
            for entry in self.disk.scan():
                self.shelf.put(entry)

    def key(self, request: Request) -> bytes:
        """What a response is stored under: path and query, and the host where it reaches the origin."""
        if not self.config.preserve_host:
            return request.target
        return request.fields.get(b"host", b"").lower() + b" " + request.target

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        """The answer to a request: at once where a fresh response lies in memory."""
        if request.method in PLAIN and SPECIAL.isdisjoint(request.fields):
            key = request.target if not self.config.preserve_host else self.key(request)
            entries = self.shelf.index.get(key)
            if entries is not None:
                entry = entries[-1] if not entries[-1].names else self.shelf.find(key, request.fields)
                now = clock.steady()
                if entry is not None and entry.until > now and entry.body is not None:
                    entry.hits += 1
                    entry.touched = True
                    self.stats.hits += 1
                    self.stats.bytes_out += entry.size
                    return entry.answer(now)
        return self._serve(request)

    async def _serve(self, request: Request) -> Reply:
        if not self.config.url:
            raise NoOrigin(
                "There is no origin to cache.", hint="--origin URL, or the setting cache_proxy.origin"
            )
        if forward.looped(request.headers):
            raise LoopDetected(
                "This request has been here before.", hint="the origin leads back to this cache"
            )
        if request.method == b"PURGE":
            purged = self.purging.answer(request, self.key(request), self.config)
            tags = (request.header("surrogate-key") or "").split()
            soft = self.purging.soft(request)
            await self.tell(request, [] if tags else [request.target], tags=tags, soft=soft)
            return purged
        if request.method not in PLAIN or request.has_body or b"upgrade" in request.fields:
            return await self.passing.on(request)
        asked, key = Asked.of(request.method, request.fields), self.key(request)
        for _ in range(3):  # a damaged file, or a variant of somebody else, sends us round again
            try:
                answer = await self._look(request, asked, key)
            except Damaged:
                continue
            if answer is not None:
                return answer
        return await self._alone(request, asked, key, "the answers to others do not fit")

    async def _look(self, request: Request, asked: Asked, key: bytes) -> Reply | None:
        """Serves what is stored, or fetches it. None where somebody else's fetch was for nothing."""
        entry = self.shelf.find(key, request.fields)
        if entry is None:
            if "only-if-cached" in asked.told:
                raise NotStored("Nothing is stored, and the request says only-if-cached.")
            return await self._miss(request, asked, key, None, *self._reason(key))
        now = clock.steady()
        decision = rules.decide(asked, entry.fresh, now)
        if decision.kind == Kind.VALIDATE:
            if "only-if-cached" in asked.told:
                raise NotStored(f"What is stored may not be used: {decision.why}.")
            if request.method == b"HEAD":
                return await self.passing.head(request, entry, decision.why)
            return await self._miss(request, asked, key, entry, decision.forward, decision.why)
        if decision.kind == Kind.REFRESH:
            self._refresh(request, asked, key, entry)
        left = entry.fresh.until - now
        if decision.kind != Kind.HIT:
            self.stats.stale += 1
            left = entry.fresh.born + entry.fresh.lifetime - now
        answer = await self.answers.of(request, entry, now, status=f"hit; ttl={left:.0f}", why=decision.why)
        return self._hit(answer)

    def _hit(self, answer: Response | Stream) -> Response | Stream:
        self.stats.hits += 1
        self.stats.bytes_out += len(answer.body) if isinstance(answer, Response) else answer.length or 0
        return answer

    def _reason(self, key: bytes) -> tuple[str, str]:
        if key in self.shelf.index:
            return "vary-miss", "what is stored is for requests with other fields"
        return "uri-miss", "nothing is stored"

    # -- the origin ---------------------------------------------------------------------------------------

    def _ticket(self, request: Request, key: bytes) -> object:
        """What two requests have in common that one fetch will do for."""
        return key, variant_of(self.shelf.names(key), request.fields)

    def _fields(self, request: Request, *, cached: bool) -> Fields:
        return forward.request_fields(
            request.headers,
            client=request.client,
            scheme=request.scheme,
            cached=cached,
            host=self.config.preserve_host,
            trusted=self.config.trusted,
        )

    def _refresh(self, request: Request, asked: Asked, key: bytes, entry: Entry) -> None:
        """Validates an entry while its old answer is served."""
        ticket = self._ticket(request, key)
        if ticket not in self.flights.running:
            flight = self.flights.start(
                ticket, key, request.target, self._fields(request, cached=True), asked, entry=entry
            )
            flight.landed.add_done_callback(lambda done: _let_go(done.result()))

    async def _miss(
        self, request: Request, asked: Asked, key: bytes, entry: Entry | None, forwarded: str, why: str
    ) -> Reply | None:
        """Fetches, together with everybody who wants the same, or joins those who do."""
        if request.method == b"HEAD":
            return await self.passing.head(request, None, why)
        if b"range" in request.fields and entry is None:
            part = self.shelf.partials.answer(request, asked, key, clock.steady())
            if part is not None:
                return self._hit(part)
            return await self.passing.on(request, why=f"{why}, and a range is asked for", forwarded=forwarded)
        alone = (
            "no-store" in asked.told or b"authorization" in request.fields or not self.flights.shareable(key)
        )
        if alone and entry is None:
            return await self._alone(request, asked, key, why, forwarded)
        ticket = None if alone else self._ticket(request, key)
        flight = self.flights.join(ticket) if ticket is not None else None
        joined = flight is not None
        if flight is None:
            flight = self.flights.start(
                ticket,
                key,
                request.target,
                self._fields(request, cached=True),
                asked,
                entry=entry,
                interim=lambda interim: _pass(request, interim),
            )
        landed = await _wait(flight)
        if joined and (landed.incoming is not None or not _fits(landed, request)):
            return None
        return await self._landed(request, landed, f"fwd={forwarded}", why, joined=joined)

    async def _alone(
        self, request: Request, asked: Asked, key: bytes, why: str, forwarded: str = "miss"
    ) -> Reply:
        """Fetches for this request only; what comes may be stored all the same, and conditions go along."""
        headers = self._fields(request, cached=False)
        flight = self.flights.start(
            None, key, request.target, headers, asked, interim=lambda interim: _pass(request, interim)
        )
        landed = await _wait(flight)
        return await self._landed(request, landed, f"fwd={forwarded}", why, joined=False)

    async def _landed(
        self, request: Request, landed: Landed, status: str, why: str, *, joined: bool
    ) -> Response | Stream:
        """The answer to a request that had to wait for the origin."""
        if landed.error is not None:
            raise landed.error
        more = "; collapsed" if joined else ""
        if landed.entry is not None:
            return await self._from_entry(request, landed, status, why, more)
        self.stats.misses += 1
        stored = landed.verdict.stored
        because = f"{'stored' if stored else 'not stored'}: {landed.verdict.why}"
        fields = forward.traced(
            forward.response_fields(landed.fields, landed.received),
            hit=False,
            status=f"{status}; fwd-status={landed.status}{'; stored' if stored else ''}{more}",
            why=f"{why}; {because}",
        )
        if landed.spool is not None:
            parts = landed.spool.read()
        else:
            assert landed.incoming is not None
            parts = drained(landed.incoming, self.stats)
        answer = arriving(request, landed.status, fields, self._counted(parts), length_of(landed.fields))
        if answer is None:
            _let_go(landed)
            shown = [
                p for p in fields if p[0] not in (b"content-length", b"content-type", b"content-encoding")
            ]
            return Response(304, shown)
        if isinstance(answer, Response):
            _let_go(landed)
        return answer

    async def _from_entry(
        self, request: Request, landed: Landed, status: str, why: str, more: str
    ) -> Response | Stream:
        entry = landed.entry
        assert entry is not None
        if landed.stale_why:
            self.stats.stale += 1
            text = f"{status}{f'; fwd-status={landed.status}' if landed.status else ''}; detail=stale{more}"
            shown = f"{why}; stale answer: {landed.stale_why}"
        else:
            text, shown = (
                f"{status}; fwd-status=304; stored{more}",
                f"{why}; the origin says it is still good",
            )
        return self._hit(await self.answers.of(request, entry, clock.steady(), status=text, why=shown))

    async def _counted(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for part in parts:
                self.stats.bytes_out += len(part)
                yield part
        finally:
            await parts.aclose()  # type: ignore[attr-defined]

    async def tell(
        self, request: Request, targets: list[bytes], *, tags: list[str] | None = None, soft: bool = False
    ) -> None:
        """Lets the other processes purge the same, where there are any."""
        if request.hub.workers > 1:
            host = request.header("host") or ""
            named = [target.decode("latin-1") for target in targets]
            data = {"targets": named, "tags": tags or [], "soft": soft, "host": host}
            await request.hub.events.publish(TOPIC, data)

    def _damaged(self, entry: Entry) -> None:
        self.stats.damaged += 1
        self.shelf.drop(entry)

    def tick(self, second: int) -> None:
        """What happens once a second."""
        if self.disk is not None and self.disk.was_cleared():
            self.purging.everything()
        self.stats.tick(second)

    def close(self) -> None:
        """Ends what is under way."""
        self.flights.close()
        if self.disk is not None:
            self.disk.close()


async def _wait(flight: Flight) -> Landed:
    """Waits for an answer's head; who gives up gives up for himself."""
    from asyncio import shield

    return await shield(flight.landed)


def _fits(landed: Landed, request: Request) -> bool:
    """Whether somebody else's answer is one for this request, too."""
    if landed.entry is not None or landed.error is not None:
        return True
    language = value(landed.fields, b"content-language")
    text = language.decode("latin-1").strip().lower() if language else None
    return matches(landed.names, landed.variant, request.fields, text)


def _let_go(landed: Landed) -> None:
    """Nobody reads an answer that was for one client."""
    if landed.incoming is not None:
        landed.incoming.close()


def _pass(request: Request, interim: Interim) -> None:
    request.interim(interim.status, [p for p in interim.headers if p[0] not in rules.HOP])
