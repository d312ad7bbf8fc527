"""The ASGI application: one short path from the request to the unit of work and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from typing import Any

from backendhub.kit import telemetry
from backendhub.kit.errors import HubError, NotFound
from backendhub.kit.hub import Hub
from backendhub.kit.problems import HttpError

from . import handshake, hot
from .bodies import MAX_BODY, Reader
from .cors import Cors
from .endpoint import Endpoint
from .failures import crash, failure
from .mounts import Mounted, Row
from .readiness import Readiness
from .replays import forget
from .replies import Sent
from .request import Request, combined
from .routing import WEBSOCKET, Router, Tree
from .security import HSTS, NOSNIFF, SECURE, protect_page
from .sockets import Sockets
from .streams import Stream, Streams
from .units import Units

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

Observer = Callable[[str, str, int, float, int, str], None]

LOOP_PATIENCE_MS = 20
"""How long the event loop itself may wait for SQLite's write lock before the unit moves to a thread."""
MAX_FIELDS = 100
"""Header fields of a request."""
PLAIN = b"text/plain; charset=utf-8"
PROBES = ("/livez", "/readyz", "/startupz")
OWN = {*PROBES, "/metrics"}
CONSOLE = "/_hub"
PARTS = {"/_files": Row("files", "backendhub.kit.web.files", "Files behind signed addresses")}
"""What the kit itself answers, whichever systems are served: their paths begin with `/_`."""
DOCUMENTS = {"/openapi.json", "/docs"}
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Application:
    """Systems behind one ASGI callable. Make it with `build_app`."""

    def __init__(
        self,
        mounts: list[Mounted],
        hub: Hub,
        *,
        log: telemetry.AccessLog,
        cors: Cors | None = None,
        max_body: int = MAX_BODY,
        background: Iterable[Callable[[Hub], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        self.background = tuple(background)
        self.hub = hub
        hub.metrics = self.metrics = telemetry.Metrics()
        self.mounts = {m.prefix: m for m in mounts}
        self.root = self.mounts.get("")
        self.parts = {prefix: Mounted(row, prefix, hub) for prefix, row in PARTS.items()}
        self.log = log
        self.cors = cors
        self.bodies = Reader(max_body)
        self.units = Units(hub)
        self.readiness = Readiness(hub)
        self.streams = Streams()
        self.sockets = Sockets()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.observer: Observer | None = None
        """Sees every request that was answered: method, target, status, seconds, bytes, client."""
        self.watched: Callable[[], bool] = lambda: True
        """Whether anybody looks at what the observer sees: hot routes tell it nothing else."""
        self._forgets: asyncio.Task[None] | None = None
        self.draining = False
        self.known_methods = METHODS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await handshake.serve(self, scope, receive, send)
        else:
            await self._lifespan(scope, receive, send)

    def attach(
        self, prefix: str, router: Router | None = None, summary: str = "", *, package: str = ""
    ) -> None:
        """Puts routes that are no system's under a prefix that begins with `/_`: a router (the console), or that of a
        part of the kit (`package`), which is imported at its first request."""
        name = prefix[2:] if package else prefix[1:]
        self.parts[prefix] = Mounted(Row(name, package, summary), prefix, self.hub, router=router)

    @property
    def ready(self) -> bool:
        """Whether new work is welcome; false before start and while draining."""
        return self.hub.ready

    @ready.setter
    def ready(self, value: bool) -> None:
        self.hub.ready = value

    # -- life ---------------------------------------------------------------------------------------------

    async def startup(self) -> None:
        """Opens the store, and for a system at the root loads its code."""
        if self.root is not None:
            self.load(self.root)
        if (
            self.hub.store.blocking
        ):  # a database that does not answer is found out now, not by the first client
            await asyncio.to_thread(self.hub.store.read, lambda db: db.value("SELECT 1"))
        else:
            self.hub.store.patience(LOOP_PATIENCE_MS)
        self._tasks |= {asyncio.create_task(fn(self.hub)) for fn in self.background}
        self.ready = True

    def load(self, mounted: Mounted) -> Tree:
        """The routes of a system; at its first request its code is imported and its background work starts."""
        if mounted.tree is None:
            mounted.load()
            assert mounted.router is not None
            self._tasks |= {asyncio.create_task(fn(self.hub)) for fn in mounted.router.startup}
            if self._forgets is None and any(route.idempotent for route in mounted.router.routes):
                self._forgets = asyncio.create_task(forget(self.hub))
                self._tasks.add(self._forgets)
        return mounted.load()

    def drain(self) -> None:
        """The server stops: what never ends by itself (streams, WebSockets) is ended, what runs may finish."""
        self.ready = False
        if not self.draining:
            self.draining = True
            self.streams.drain()
            self.sockets.drain()

    async def shutdown(self) -> None:
        """Stops background tasks, writes the rest of the log, closes the store."""
        self.drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.streams.close()
        self.units.close()
        self.log.flush()
        self.hub.close()

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.startup()
                except HubError as error:
                    self.hub.output.fail(error)
                    await send({"type": "lifespan.startup.failed", "message": error.message})
                    return
                scope.get("state", {}).update(
                    drain=self.drain, edge=hot.table(self)
                )  # where our protocols look
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.shutdown()
                await send({"type": "lifespan.shutdown.complete"})
                return

    # -- a request ----------------------------------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.perf_counter()
        self.metrics.in_flight += 1
        request, trace = self.begin(scope)
        method, status = request.method, 0
        try:
            try:
                sent = await self._answer(request, receive)
            except HubError as error:
                sent = failure(request, self.mounts.get(request.prefix), error)
            except Exception as error:
                sent = crash(request, self.mounts.get(request.prefix), error)
            self.complete(request, sent)
            await send({"type": "http.response.start", "status": sent.status, "headers": sent.headers})
            seconds = time.perf_counter() - start
            if sent.stream is not None and method != "HEAD":
                size = await self._stream(sent.stream, request, receive, send)
            else:
                body = b"" if method == "HEAD" or sent.status in (204, 304) else sent.body
                size = len(body)
                await send({"type": "http.response.body", "body": body})
                seconds = time.perf_counter() - start
            status = sent.status
            known = method if method in METHODS else "OTHER"
            self.metrics.observe(known, request.route, sent.status, seconds)
            self.note(method, scope, sent.status, seconds, size, request.id, trace)
        finally:
            self.metrics.in_flight -= 1
            if request.traced is not None and self.hub.tracing is not None:
                self.hub.tracing.end(request.traced, request.route, status, time.perf_counter() - start)
            if request.form is not None:
                request.form.close()

    def begin(self, scope: Scope) -> tuple[Request, str | None]:
        """The request, and the trace that it belongs to."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if len(headers) != len(scope["headers"]):
            headers = combined(scope["headers"])
        trace = None
        if (given := headers.get(b"traceparent")) is not None:
            trace = telemetry.trace(given)
            telemetry.traceparent.set(trace)
        id = telemetry.request_id(headers.get(b"x-request-id"))
        request = Request(scope, headers, self.hub, id)
        if self.hub.tracing is not None and scope["type"] == "http":
            from . import traces

            request.traced = traces.begin(self.hub.tracing, request)
            trace = request.traced.traceparent or trace
            telemetry.traceparent.set(trace)
        return request, trace

    def note(
        self, method: str, scope: Scope, status: int, seconds: float, size: int, id: str, trace: str | None
    ) -> None:
        """A line in the access log."""
        raw = scope.get("raw_path") or scope["path"].encode()
        query = telemetry.masked(scope["query_string"])
        target: bytes = raw + b"?" + query if query else raw
        client = (scope.get("client") or ("-",))[0]
        text = target.decode("latin-1")
        if self.observer is not None:
            self.observer(method, text, status, seconds, size, client)
        self.log.add(method, text, status, seconds, size, id, client, trace)

    def complete(self, request: Request, sent: Sent) -> None:
        """Completes the header fields of a response."""
        headers, media = sent.headers, sent.media
        if media is not None:
            headers.append((b"content-type", media))
            if media.startswith(b"text/html"):
                protect_page(headers)
        if sent.stream is not None:
            if sent.stream.length is not None:
                headers.append((b"content-length", str(sent.stream.length).encode()))
        elif sent.status != 204 and sent.status != 304:
            headers.append((b"content-length", str(len(sent.body)).encode()))
        headers.append((b"x-request-id", request.id.encode()))
        headers.append(NOSNIFF)
        if request.scope.get("scheme") in SECURE:
            headers.append(HSTS)
        if (origin := request.headers.get(b"origin")) is not None:
            cors = self.allowed(self.mounts.get(request.prefix))
            if cors is not None:
                headers += cors.fields(origin)

    async def _stream(self, stream: Stream, request: Request, receive: Receive, send: Send) -> int:
        """Sends a stream; gives the number of bytes."""
        self.metrics.move("http_streams_open", request.route, 1)
        try:
            return await self.streams.send(stream, send, receive if request.chunks is None else None)
        finally:
            self.metrics.move("http_streams_open", request.route, -1)

    async def _answer(self, request: Request, receive: Receive) -> Sent:
        """The response. Raises HubError."""
        path, method = request.path, request.method
        if path in OWN and (own := await self._own(path)) is not None:
            if method not in ("GET", "HEAD"):
                raise HttpError(405, f"{method} is not allowed here.", allow="GET, HEAD")
            request.route = path
            return own
        if len(request.headers) > MAX_FIELDS:
            raise HttpError(431, f"The request has more than {MAX_FIELDS} header fields.")
        mounted = self.root if self.root is not None and path[:2] != "/_" else self._enter(request)
        tree = mounted.tree or self.load(mounted)
        assert mounted.router is not None
        if mounted.router.before is not None:
            await mounted.router.before(request)
        path = request.path
        document = path.removeprefix(mounted.router.documents)
        if document in DOCUMENTS and path not in tree.literal and method in ("GET", "HEAD"):
            request.route = mounted.prefix + path
            return await asyncio.to_thread(mounted.document, document)
        found, values = tree.find(path)
        if method == "OPTIONS" and (answer := self._preflight(request, mounted, found or {})) is not None:
            request.route = "preflight"
            return answer
        if found is None:
            if path == "/" and mounted is self.root and CONSOLE in self.parts:
                return Sent(303, [(b"location", CONSOLE.encode())], b"")
            raise NotFound(f"There is nothing at {path[:200]}.", hint=f"see {mounted.prefix}/docs")
        endpoint = found.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            return _otherwise(method, found)
        request.route = mounted.prefix + endpoint.route.path
        return await self._run(endpoint, request, values, receive)

    async def find(self, request: Request) -> tuple[Mounted, dict[str, Endpoint] | None, list[str]]:
        """The system that a request is for, the endpoints at its path, and the values in that path."""
        mounted = self._enter(request)
        tree = mounted.tree or self.load(mounted)
        if mounted.router is not None and mounted.router.before is not None:
            await mounted.router.before(request)
        return mounted, *tree.find(request.path)

    def _enter(self, request: Request) -> Mounted:
        """The system that answers a request, whose path is the one within that system from here on."""
        path = request.path
        cut = path.find("/", 1)
        prefix = path if cut < 0 else path[:cut]
        mounted = self.mounts.get(prefix) or self.parts.get(prefix)
        if mounted is None:
            if self.root is not None:
                return self.root
            if path != "/" or CONSOLE not in self.parts:
                raise NotFound(f"There is no system at {prefix[:80]!r}.", hint="see /_hub")
            prefix, mounted = CONSOLE, self.parts[CONSOLE]
        request.prefix, request.path = prefix, path[len(prefix) :] or "/"
        return mounted

    async def _run(self, endpoint: Endpoint, request: Request, values: list[str], receive: Receive) -> Sent:
        admitted = False
        if endpoint.gate is not None and (endpoint.is_async or endpoint.is_large):
            await self.units.admit(endpoint, request)
            admitted = True
        try:
            if endpoint.reads_body:
                await self.bodies.read(request, endpoint, receive)
            args = endpoint.arguments(request, values)
        except HubError:
            if endpoint.gate is not None and not admitted:  # who may not ask is not told what is wrong
                await self.units.admit(endpoint, request)
            raise
        if endpoint.is_async:
            return endpoint.respond(request, await endpoint.await_(request, args))
        return endpoint.respond(request, await self.units.run(endpoint, request, args))

    async def _own(self, path: str) -> Sent | None:
        """The process's own routes: probes and metrics. A system at the root may have its own probes."""
        if path in PROBES and self.root is not None and path in self.load(self.root).literal:
            return None
        if path == "/livez":
            return Sent(200, [], b"ok\n", PLAIN)
        if path == "/readyz":
            status, text = await self.readiness()
            return Sent(status, [], text.encode(), PLAIN)
        if path == "/metrics":
            media = b"application/openmetrics-text; version=1.0.0; charset=utf-8"
            from backendhub.kit import figures  # brings the jobs along, which not every server has

            found = await asyncio.to_thread(figures.gathered, self.hub.store)
            return Sent(200, [], self.metrics.render(found).encode(), media)
        return None

    # -- other origins ------------------------------------------------------------------------------------

    def allowed(self, mounted: Mounted | None) -> Cors | None:
        """Who may call a system from a browser: what the server was started with, else what the system says."""
        router = mounted.router if mounted is not None else None
        return self.cors or (router.cors if router is not None else None)

    def _preflight(self, request: Request, mounted: Mounted, found: dict[str, Endpoint]) -> Sent | None:
        """The answer to a browser that asks what pages of other origins may do here; None for any other OPTIONS."""
        cors = self.allowed(mounted)
        if cors is None or b"access-control-request-method" not in request.headers:
            return None
        asked = request.headers.get(b"access-control-request-headers", b"")
        return Sent(204, cors.preflight(_methods(found), asked), b"")


def _methods(found: dict[str, Endpoint]) -> list[str]:
    """What may be asked of a resource."""
    return sorted({*found, *(["HEAD"] if "GET" in found else []), "OPTIONS"} - {WEBSOCKET})


def _otherwise(method: str, found: dict[str, Endpoint]) -> Sent:
    """The answer to OPTIONS. Raises HttpError for a method that a resource does not have."""
    allow = ", ".join(_methods(found))
    if method == "OPTIONS":
        return Sent(204, [(b"allow", allow.encode())], b"")
    if method == "GET" and WEBSOCKET in found:
        raise HttpError(426, "This is a WebSocket.", upgrade="websocket", connection="Upgrade")
    raise HttpError(405, f"{method} is not allowed here.", allow=allow)
