"""The ASGI application: one short path from the request to the unit of work and back."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from importlib import import_module
from typing import Any, NamedTuple

from backendhub.kit import problems, telemetry
from backendhub.kit.errors import HubError, NotFound, TooLarge
from backendhub.kit.hub import Hub
from backendhub.kit.output import dumps
from backendhub.kit.problems import HttpError

from .endpoint import Endpoint, Headers, Request, Sent
from .routing import Router, Tree
from .units import Units

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY = 1024 * 1024
LOOP_PATIENCE_MS = 20
"""How long the event loop itself may wait for SQLite's write lock before the unit moves to a thread."""
PROBE = {b"content-type": b"text/plain; charset=utf-8"}


class Row(NamedTuple):
    """What the application has to know of a system: a registry row, or anything shaped like one."""

    name: str
    package: str
    summary: str


class Mounted:
    """A system under a prefix; its code is imported at its first request."""

    def __init__(self, row: Row, prefix: str, hub: Hub) -> None:
        self.row = row
        self.prefix = prefix
        self.hub = hub
        self.tree: Tree | None = None
        self.router: Router | None = None
        self.endpoints: list[Endpoint] = []
        self._openapi: bytes | None = None

    def load(self) -> Tree:
        """Imports the system's routes and compiles them."""
        if self.tree is None:
            self.hub.use(self.row.name)
            self.router = import_module(f"{self.row.package}.api").router
            assert self.router is not None
            tree = Tree()
            for route in self.router.routes:
                endpoint = Endpoint(route, self.row.name)
                self.endpoints.append(endpoint)
                tree.add(route.method, route.path, endpoint)
            self.tree = tree
        return self.tree

    def openapi(self) -> bytes:
        """The OpenAPI 3.1 document, made once."""
        if self._openapi is None:
            from .openapi import document

            self.load()
            self._openapi = dumps(document(self)).encode()
        return self._openapi


class Application:
    """Systems behind one ASGI callable. Make it with `build_app`."""

    def __init__(
        self,
        mounts: list[Mounted],
        hub: Hub,
        *,
        log: telemetry.AccessLog,
        cors: tuple[str, ...] = (),
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
        self.max_body = max_body
        self.index = index
        self._tasks: set[asyncio.Task[Any]] = set()
        self.units = Units(hub)

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
        id = telemetry.request_id(headers.get(b"x-request-id"))
        trace = telemetry.trace(headers.get(b"traceparent"))
        if trace is not None:
            telemetry.traceparent.set(trace)
        route = "-"
        try:
            path = _path(scope)
            try:
                route, sent = await self._answer(scope, headers, receive, path, id)
            except HubError as error:
                sent = self._problem(self._dialect(error, path), path, id)
            except Exception as error:
                traceback.print_exception(error, file=sys.stderr)
                sent = self._problem(
                    HubError("An unexpected failure; it was logged.", hint=f"quote {id}"), path, id
                )
            sent.headers.append((b"x-request-id", id.encode()))
            if (origin := headers.get(b"origin")) is not None:
                self._allow_origin(sent.headers, origin, path)
            empty = sent.status in (204, 304)
            if not empty:
                sent.headers.append((b"content-length", str(len(sent.body)).encode()))
            await send({"type": "http.response.start", "status": sent.status, "headers": sent.headers})
            body = b"" if method == "HEAD" or empty else sent.body
            await send({"type": "http.response.body", "body": body})
            seconds = time.perf_counter() - start
            self.metrics.observe(method if method in METHODS else "OTHER", route, sent.status, seconds)
            client = (scope.get("client") or ("-",))[0]
            target = _target(scope)
            self.log.add(method, target, sent.status, seconds, len(body), id, client, trace)
        finally:
            self.metrics.in_flight -= 1

    async def _answer(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, path: str, id: str
    ) -> tuple[str, Sent]:
        """The route's name and the response. Raises HubError."""
        if (own := self._own(path)) is not None:
            if scope["method"] not in ("GET", "HEAD"):
                raise HttpError(405, f"{scope['method']} is not allowed here.", allow="GET, HEAD")
            return path, own
        mounted, inner = self._mounted(path)
        tree = self._load(mounted)
        if (
            scope["method"] == "OPTIONS"
            and self._origins(mounted)
            and b"access-control-request-method" in headers
        ):
            return "preflight", Sent(204, _preflight(scope), b"")
        if inner in ("/openapi.json", "/docs") and scope["method"] in ("GET", "HEAD"):
            return inner, _document(mounted, inner)
        found, values = tree.find(inner)
        if found is None:
            raise NotFound(f"There is nothing at {path[:200]}.", hint=f"see {mounted.prefix}/docs")
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        endpoint = found.get(method)
        if endpoint is None:
            allow = ", ".join(sorted({*found, *(["HEAD"] if "GET" in found else []), "OPTIONS"}))
            if method == "OPTIONS":
                return "options", Sent(204, [(b"allow", allow.encode())], b"")
            raise HttpError(405, f"{scope['method']} is not allowed here.", allow=allow)
        request = Request(scope, headers, self.hub, id, mounted.prefix)
        request.path = inner
        if endpoint.body_adapter is not None or endpoint.is_async:
            request.body = await self._body(request, receive)
        return mounted.prefix + endpoint.route.path, await self._run(endpoint, request, values)

    async def _run(self, endpoint: Endpoint, request: Request, values: list[str]) -> Sent:
        args = endpoint.arguments(request, values)
        if endpoint.is_async:
            return endpoint.respond(request, await endpoint.await_(args))
        return endpoint.respond(request, await self.units.run(endpoint, args))

    async def _body(self, request: Request, receive: Receive) -> bytes:
        declared = request.headers.get(b"content-length")
        if declared is not None and (not declared.isdigit() or int(declared) > self.max_body):
            raise TooLarge(f"The body is larger than {self.max_body} bytes.")
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise HttpError(400, "The client went away.")
            size += len(message.get("body", b""))
            if size > self.max_body:
                raise TooLarge(f"The body is larger than {self.max_body} bytes.")
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(parts)

    def _mounted(self, path: str) -> tuple[Mounted, str]:
        """The system that answers a path, and the path within it."""
        if self.root is not None:
            return self.root, path
        cut = path.find("/", 1)
        prefix = path if cut < 0 else path[:cut]
        mounted = self.mounts.get(prefix)
        if mounted is None:
            raise NotFound(f"There is no system at {prefix[:80]!r}.", hint="see /_hub")
        return mounted, path[len(prefix) :] or "/"

    def _dialect(self, error: HubError, path: str) -> HubError:
        """The error with the status that the system's wire has for a broken rule."""
        if error.status == 422:
            with contextlib.suppress(HubError):
                router = self._mounted(path)[0].router
                error.status = router.invalid if router is not None else 422
        return error

    def _own(self, path: str) -> Sent | None:
        """The process's own routes: probes, metrics, the index. A system at the root may have its own probes."""
        if path in PROBES and self.root is not None and path in self._load(self.root).literal:
            return None
        if path == "/livez":
            return Sent(200, list(PROBE.items()), b"ok\n")
        if path == "/readyz":
            return (
                Sent(200, list(PROBE.items()), b"ok\n")
                if self.ready
                else Sent(503, list(PROBE.items()), b"draining\n")
            )
        if path == "/metrics":
            media = b"application/openmetrics-text; version=1.0.0; charset=utf-8"
            return Sent(200, [(b"content-type", media)], self.metrics.render().encode())
        if self.index is not None and (path == "/_hub" or (path == "/" and self.root is None)):
            return Sent(200, [(b"content-type", b"text/html; charset=utf-8")], self.index(self).encode())
        return None

    def _problem(self, error: HubError, path: str, id: str) -> Sent:
        headers: Headers = [(b"content-type", problems.MEDIA_TYPE.encode()), (b"cache-control", b"no-store")]
        if allow := error.details.pop("allow", None):
            headers.append((b"allow", allow.encode()))
        if retry := error.details.get("retryAfter"):
            headers.append((b"retry-after", str(retry).encode()))
        if error.status == 503:
            headers.append((b"retry-after", b"1"))
        body = problems.body(error, instance=path, request_id=id)
        return Sent(error.status, headers, dumps(body, compact=True).encode("utf-8", "replace"))

    def _origins(self, mounted: Mounted | None) -> tuple[str, ...]:
        """Who may call a system from a browser."""
        mounted_router = mounted.router if mounted is not None else None
        return self.cors or (("*",) if mounted_router is not None and mounted_router.cors else ())

    def _allow_origin(self, headers: Headers, origin: bytes, path: str) -> None:
        try:
            mounted: Mounted | None = self._mounted(path)[0]
        except HubError:
            mounted = None
        origins = self._origins(mounted)
        if "*" in origins:
            headers.append((b"access-control-allow-origin", b"*"))
        elif origin.decode("latin-1") in origins:
            headers += [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
        else:
            return
        headers.append(
            (b"access-control-expose-headers", b"*, ETag, Link, Location, X-Request-Id, X-Total-Count")
        )


PROBES = ("/livez", "/readyz", "/startupz")
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


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
) -> Application:
    """An ASGI application of some systems: a `single` one at `/`, several under `/<name>`.

    `background` runs from start to end beside the requests, each a coroutine function that is given the hub.
    """
    mounts = [Mounted(Row(r.name, r.package, r.summary), "" if single else f"/{r.name}", hub) for r in rows]
    log = telemetry.AccessLog(log_format)
    return Application(
        mounts, hub, log=log, cors=tuple(cors), max_body=max_body, index=index, background=background
    )


def _path(scope: Scope) -> str:
    """The path, taken out of an absolute-form target (RFC 9112 §3.2.2) where a client sent one."""
    path: str = scope["path"]
    if path.startswith(("http://", "https://")):
        path = "/" + path.split("://", 1)[1].partition("/")[2]
        scope["path"] = path
    return path


def _target(scope: Scope) -> str:
    raw = scope.get("raw_path") or scope["path"].encode()
    query = scope["query_string"]
    whole: bytes = raw + b"?" + query if query else raw
    return whole.decode("latin-1")


def _preflight(scope: Scope) -> Headers:
    asked = dict(scope["headers"]).get(b"access-control-request-headers", b"")
    return [
        (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        (b"access-control-allow-headers", asked or b"*"),
        (b"access-control-max-age", b"600"),
    ]


def _document(mounted: Mounted, path: str) -> Sent:
    if path == "/openapi.json":
        return Sent(200, [(b"content-type", b"application/json")], mounted.openapi())
    from .page import docs_page

    return Sent(200, [(b"content-type", b"text/html; charset=utf-8")], docs_page(mounted).encode())
