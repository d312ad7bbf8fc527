"""The ASGI application: one short path from the request to the unit of work and back."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from typing import Any

from backendhub.kit import telemetry
from backendhub.kit.errors import HubError, NotFound
from backendhub.kit.hub import Hub
from backendhub.kit.output import dumps
from backendhub.kit.problems import HttpError

from . import bodies
from .bodies import MAX_BODY
from .cors import Cors
from .dialect import PROBLEMS, Dialect
from .endpoint import Endpoint
from .guards import BEARER, Authenticate, Authenticator, authenticator
from .mounts import Mounted, Row
from .readiness import Readiness
from .replies import Fields, Reply, Sent, encoded
from .request import Request, combined
from .routing import Tree
from .units import Units

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LOOP_PATIENCE_MS = 20
"""How long the event loop itself may wait for SQLite's write lock before the unit moves to a thread."""
PROBE = {b"content-type": b"text/plain; charset=utf-8"}
DOCUMENTS = frozenset({"/openapi.json", "/docs"})
PROBES = ("/livez", "/readyz", "/startupz")
OWN = {*PROBES, "/metrics", "/_hub", "/"}
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
        index: Callable[[Application], str] | None = None,
        background: Iterable[Callable[[Hub], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        self.background = tuple(background)
        self.hub = hub
        hub.metrics = self.metrics = telemetry.Metrics()
        self.mounts = {m.prefix: m for m in mounts}
        self.root = self.mounts.get("")
        self.log = log
        self.cors = cors
        self.bodies = bodies.Reader(max_body)
        self.index = index
        self._tasks: set[asyncio.Task[Any]] = set()
        self.units = Units(hub)
        self.readiness = Readiness(hub)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

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
            self._load(self.root)
        if (
            self.hub.store.blocking
        ):  # a database that does not answer is found out now, not by the first client
            await asyncio.to_thread(self.hub.store.read, lambda db: db.value("SELECT 1"))
        else:
            self.hub.store.patience(LOOP_PATIENCE_MS)
        self._tasks |= {asyncio.create_task(fn(self.hub)) for fn in self.background}
        self.ready = True

    def _load(self, mounted: Mounted) -> Tree:
        """The routes of a system; at its first request its code is imported and its background work starts."""
        if mounted.tree is None:
            mounted.load()
            assert mounted.router is not None
            self._tasks |= {asyncio.create_task(fn(self.hub)) for fn in mounted.router.startup}
        return mounted.load()

    async def shutdown(self) -> None:
        """Stops background tasks, writes the rest of the log, closes the store."""
        self.ready = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.units.close()
        self.log.flush()
        self.hub.close()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.startup()
                except HubError as error:
                    self.hub.output.fail(error)
                    await send({"type": "lifespan.startup.failed", "message": error.message})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.shutdown()
                await send({"type": "lifespan.shutdown.complete"})
                return

    # -- a request ----------------------------------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.perf_counter()
        self.metrics.in_flight += 1
        method: str = scope["method"]
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if len(headers) != len(scope["headers"]):
            headers = combined(scope["headers"])
        id = telemetry.request_id(headers.get(b"x-request-id"))
        trace = None
        if (given := headers.get(b"traceparent")) is not None:
            trace = telemetry.trace(given)
            telemetry.traceparent.set(trace)
        request = Request(scope, headers, self.hub, id)
        route = "-"
        try:
            try:
                route, sent = await self._answer(request, receive)
            except HubError as error:
                sent = self._failure(request, error)
            except Exception as error:
                sent = self._crash(request, error)
            sent.headers.append((b"x-request-id", id.encode()))
            if (origin := headers.get(b"origin")) is not None:
                self._allow_origin(sent.headers, origin, request)
            empty = sent.status in (204, 304)
            if not empty:
                sent.headers.append((b"content-length", str(len(sent.body)).encode()))
            await send({"type": "http.response.start", "status": sent.status, "headers": sent.headers})
            body = b"" if method == "HEAD" or empty else sent.body
            await send({"type": "http.response.body", "body": body})
            seconds = time.perf_counter() - start
            self.metrics.observe(method if method in METHODS else "OTHER", route, sent.status, seconds)
            client = (scope.get("client") or ("-",))[0]
            self.log.add(method, _target(scope), sent.status, seconds, len(body), id, client, trace)
        finally:
            self.metrics.in_flight -= 1
            if request.form is not None:
                request.form.close()

    async def _answer(self, request: Request, receive: Receive) -> tuple[str, Sent]:
        """The route's name and the response. Raises HubError."""
        path, method = request.path, request.method
        if path in OWN and (own := await self._own(path)) is not None:
            if method not in ("GET", "HEAD"):
                raise HttpError(405, f"{method} is not allowed here.", allow="GET, HEAD")
            return path, own
        mounted = self.root or self._enter(request)
        tree = mounted.tree or self._load(mounted)
        assert mounted.router is not None
        if mounted.router.before is not None:
            await mounted.router.before(request)
        path = request.path
        if path in DOCUMENTS and path not in tree.literal and method in ("GET", "HEAD"):
            return path, await asyncio.to_thread(mounted.document, path)
        found, values = tree.find(path)
        if method == "OPTIONS" and (answer := self._preflight(request, mounted, found or {})) is not None:
            return "preflight", answer
        if found is None:
            raise NotFound(f"There is nothing at {path[:200]}.", hint=f"see {mounted.prefix}/docs")
        endpoint = found.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            allow = ", ".join(_methods(found))
            if method == "OPTIONS":
                return "options", Sent(204, [(b"allow", allow.encode())], b"")
            raise HttpError(405, f"{method} is not allowed here.", allow=allow)
        return mounted.prefix + endpoint.route.path, await self._run(endpoint, request, values, receive)

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

    def _enter(self, request: Request) -> Mounted:
        """The one of several systems that answers a request, whose path is the one within that system from here on."""
        path = request.path
        cut = path.find("/", 1)
        prefix = path if cut < 0 else path[:cut]
        mounted = self.mounts.get(prefix)
        if mounted is None:
            raise NotFound(f"There is no system at {prefix[:80]!r}.", hint="see /_hub")
        request.prefix, request.path = prefix, path[len(prefix) :] or "/"
        return mounted

    async def _own(self, path: str) -> Sent | None:
        """The process's own routes: probes, metrics, the index. A system at the root may have its own probes."""
        if path in PROBES and self.root is not None and path in self._load(self.root).literal:
            return None
        if path == "/livez":
            return Sent(200, list(PROBE.items()), b"ok\n")
        if path == "/readyz":
            status, text = await self.readiness()
            return Sent(status, list(PROBE.items()), text.encode())
        if path == "/metrics":
            media = b"application/openmetrics-text; version=1.0.0; charset=utf-8"
            return Sent(200, [(b"content-type", media)], self.metrics.render().encode())
        if self.index is not None and (path == "/_hub" or (path == "/" and self.root is None)):
            return Sent(200, [(b"content-type", b"text/html; charset=utf-8")], self.index(self).encode())
        return None

    # -- failures -----------------------------------------------------------------------------------------

    def _failure(self, request: Request, error: HubError) -> Sent:
        """An error in the dialect of the place where it happened."""
        mounted = self.mounts.get(request.prefix)
        dialect = mounted.dialect(request.path) if mounted is not None else PROBLEMS
        error.status = dialect.status(error)
        if error.status == 401:  # a 401 says how to do better, wherever it was found out (RFC 9110 §15.5.2)
            error.headers.setdefault(
                "WWW-Authenticate", mounted.challenge(request.path) if mounted else BEARER
            )
        try:
            return _told(dialect, dialect.problem(error, request), error)
        except Exception as failure:  # a dialect that fails must not hide what it was to tell
            traceback.print_exception(failure, file=sys.stderr)
            return _told(PROBLEMS, PROBLEMS.problem(error, request), error)

    def _crash(self, request: Request, error: Exception) -> Sent:
        """What nobody expected: told without a detail, written to stderr with all of them."""
        traceback.print_exception(error, file=sys.stderr)
        hidden = HubError("An unexpected failure; it was logged.", hint=f"quote {request.id}")
        return self._failure(request, hidden)

    # -- other origins ------------------------------------------------------------------------------------

    def _cors(self, mounted: Mounted | None) -> Cors | None:
        """Who may call a system from a browser: what the server was started with, else what the system says."""
        router = mounted.router if mounted is not None else None
        return self.cors or (router.cors if router is not None else None)

    def _preflight(self, request: Request, mounted: Mounted, found: dict[str, Endpoint]) -> Sent | None:
        """The answer to a browser that asks what pages of other origins may do here; None for any other OPTIONS."""
        cors = self._cors(mounted)
        if cors is None or b"access-control-request-method" not in request.headers:
            return None
        asked = request.headers.get(b"access-control-request-headers", b"")
        return Sent(204, cors.preflight(_methods(found), asked), b"")

    def _allow_origin(self, headers: Fields, origin: bytes, request: Request) -> None:
        if (cors := self._cors(self.mounts.get(request.prefix))) is not None:
            headers += cors.fields(origin)


def build_app(
    rows: Iterable[Any],
    hub: Hub,
    *,
    single: bool = False,
    log_format: str = "text",
    cors: Iterable[str] = (),
    max_body: int = MAX_BODY,
    index: Callable[[Application], str] | None = None,
    background: Iterable[Callable[[Hub], Coroutine[Any, Any, None]]] = (),
    auth: Authenticate | Authenticator | None = None,
) -> Application:
    """An ASGI application of some systems: a `single` one at `/`, several under `/<name>`.

    `auth` is the authenticator of the whole process: with it, every route that has none of its own and is not declared
    public demands a user. `background` runs from start to end beside the requests, each a coroutine function that is
    given the hub.
    """
    default = authenticator(auth)
    mounts = [
        Mounted(Row(r.name, r.package, r.summary), "" if single else f"/{r.name}", hub, default) for r in rows
    ]
    origins = tuple(cors)
    return Application(
        mounts,
        hub,
        log=telemetry.AccessLog(log_format),
        cors=Cors(origins) if origins else None,
        max_body=max_body,
        index=index,
        background=background,
    )


def _told(dialect: Dialect, reply: Reply, error: HubError) -> Sent:
    """A failure as bytes, with the fields that HTTP wants whatever the dialect."""
    value = reply.value
    body = (
        value
        if isinstance(value, bytes)
        else value.encode("utf-8", "replace")
        if isinstance(value, str)
        else dumps(value, compact=True).encode("utf-8", "replace")
    )
    media = reply.media_type or dialect.media_type
    fields = {b"content-type": media.encode(), b"cache-control": b"no-store"}
    if retry := error.details.get("retryAfter"):
        fields[b"retry-after"] = str(retry).encode()
    if error.status == 503:
        fields.setdefault(b"retry-after", b"1")
    fields |= dict(encoded(error.headers))
    own = encoded(reply.headers)
    kept = [(name, value) for name, value in fields.items() if name not in dict(own)]
    return Sent(reply.status or error.status, kept + own, body)


def _methods(found: dict[str, Endpoint]) -> list[str]:
    """What may be asked of a resource."""
    return sorted({*found, *(["HEAD"] if "GET" in found else []), "OPTIONS"})


def _target(scope: Scope) -> str:
    raw = scope.get("raw_path") or scope["path"].encode()
    query = scope["query_string"]
    whole: bytes = raw + b"?" + query if query else raw
    return whole.decode("latin-1")
