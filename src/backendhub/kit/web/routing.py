"""Routes: where endpoints are declared, and how a path finds one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from .cors import ANY, Cors
from .dialect import PROBLEMS, Dialect
from .guards import Authenticate, Authenticator, Guard, authenticator

if TYPE_CHECKING:
    from backendhub.kit.edge import Edge
    from backendhub.kit.hub import Hub

    from .endpoint import Endpoint
    from .request import Request

F = TypeVar("F", bound=Callable[..., Any])
Describe = Callable[["Hub", dict[str, Any]], dict[str, Any]]
JSON = ("application/json",)
WEBSOCKET = "(websocket)"
"""Stands where a method would, for a handshake; no method is spelt like that."""


@dataclass(slots=True)
class Route:
    """A declaration: `fn` answers `method path`."""

    method: str
    path: str
    fn: Callable[..., Any]
    family: Family
    status: int
    heavy: bool
    media_type: str
    consumes: tuple[str, ...]
    declares_media: bool
    open_query: bool
    statuses: tuple[int, ...]
    in_schema: bool
    max_body: int | None
    stream: bool
    public: bool
    idempotent: bool
    prefer: bool


class Family:
    """Routes under one prefix that fail in one dialect, know users by one authenticator, and demand the same of them.

    Made by `Router(…)` for all of a system and by `family(…)` for a part of it; what a part leaves out it has from
    the whole.
    """

    def __init__(
        self,
        prefix: str,
        routes: list[Route],
        families: list[Family],
        *,
        dialect: Dialect,
        auth: Authenticator | None,
        guards: tuple[Guard, ...],
    ) -> None:
        self.prefix = prefix
        self.routes = routes
        self.families = families
        self.dialect = dialect
        self.auth = auth
        self.guards = guards
        families.append(self)
        families.sort(key=lambda f: -len(f.prefix))

    def family(
        self,
        prefix: str,
        *,
        dialect: Dialect | None = None,
        auth: Authenticate | Authenticator | None = None,
        guard: Guard | None = None,
    ) -> Family:
        """Routes under a further prefix (`/api`), with an error dialect and an authenticator of their own, and with a
        demand on every user of them (`web.require("admin")`)."""
        return Family(
            self.prefix + prefix.rstrip("/"),
            self.routes,
            self.families,
            dialect=dialect or self.dialect,
            auth=authenticator(auth) or self.auth,
            guards=(*self.guards, *([guard] if guard is not None else [])),
        )

    def holds(self, path: str) -> bool:
        """Whether a path of the system lies in this family."""
        return path.startswith(self.prefix) and path[len(self.prefix) : len(self.prefix) + 1] in ("", "/")

    def add(
        self,
        method: str,
        path: str,
        *,
        status: int = 200,
        heavy: bool = False,
        media_type: str = "application/json",
        consumes: Sequence[str] | None = None,
        open_query: bool = False,
        statuses: Sequence[int] = (),
        in_schema: bool = True,
        max_body: int | None = None,
        stream: bool = False,
        public: bool = False,
        idempotent: bool = False,
        prefer: bool = False,
    ) -> Callable[[F], F]:
        """Registers an endpoint.

        `consumes` are the media types of the body (`*/*`, `text/*` and forms too); without it JSON. `statuses` are the
        failures worth documenting. `open_query` lets query parameters through that the function does not name.
        `max_body` is the largest body in bytes, where it is not the server's. `stream` leaves the body to
        `request.stream()`. `public` routes are open even where the server or the family asks for users.
        `idempotent` honours `Idempotency-Key`: a repeated request gets the answer of the first. `prefer` honours
        `Prefer: return=minimal` (RFC 7240).
        """
        consumed = tuple(consumes) if consumes is not None else JSON
        if method == "PATCH" and "application/json" in consumed:
            consumed = (*consumed, "application/merge-patch+json")

        def register(fn: F) -> F:
            route = Route(
                method,
                (self.prefix + path) if path != "/" or not self.prefix else self.prefix,
                fn,
                self,
                status,
                heavy,
                media_type,
                consumed,
                consumes is not None,
                open_query,
                tuple(statuses),
                in_schema,
                max_body,
                stream,
                public,
                idempotent,
                prefer,
            )
            self.routes.append(route)
            return fn

        return register

    def get(self, path: str, **options: Any) -> Callable[[F], F]:
        """GET (and HEAD)."""
        return self.add("GET", path, **options)

    def post(self, path: str, **options: Any) -> Callable[[F], F]:
        """POST."""
        return self.add("POST", path, **options)

    def put(self, path: str, **options: Any) -> Callable[[F], F]:
        """PUT."""
        return self.add("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Callable[[F], F]:
        """PATCH with a JSON Merge Patch (RFC 7396)."""
        return self.add("PATCH", path, **options)

    def websocket(
        self, path: str, *, max_message: int | None = None, public: bool = False, open_query: bool = False
    ) -> Callable[[F], F]:
        """A WebSocket (RFC 6455): `async def f(socket: web.Socket, …)`. `max_message` in bytes; `open_query` lets
        parameters through that the function does not name."""
        return self.add(
            WEBSOCKET, path, in_schema=False, max_body=max_message, public=public, open_query=open_query
        )

    def delete(self, path: str, **options: Any) -> Callable[[F], F]:
        """DELETE; 204 unless told otherwise."""
        return self.add("DELETE", path, **({"status": 204} | options))


class Router(Family):
    """The endpoints of a system.

    A plain `def f(db: Db, …)` is one unit of work: it runs in the event loop on SQLite and in one executor hop on
    PostgreSQL; GET and HEAD take no write lock. `heavy=True` (images, exports) always takes the hop. An
    `async def` is awaited and reaches the store through `Request.call`.
    """

    def __init__(
        self,
        description: str = "",
        *,
        cors: bool | Cors = False,
        dialect: Dialect = PROBLEMS,
        auth: Authenticate | Authenticator | None = None,
        guard: Guard | None = None,
        edge: Edge | None = None,
    ) -> None:
        """`cors=True` lets any origin in without `--cors`; `dialect` is how failures are told, `auth` who finds out
        who asks, `guard` what is demanded of everybody, `edge` the routes that are asked before these."""
        guards = () if guard is None else (guard,)
        super().__init__("", [], [], dialect=dialect, auth=authenticator(auth), guards=guards)
        self.edge = edge
        self.documents = ""
        """Below what `/docs` and `/openapi.json` are, where the system gives all its paths away (a proxy)."""
        self.startup: list[Callable[[Any], Any]] = []
        self.aliases: list[str] = []
        self.before: Callable[[Request], Awaitable[None]] | None = None
        self.described: Describe | None = None
        self.description = description
        self.cors = ANY if cors is True else cors or None

    def at(self, path: str) -> Family:
        """The innermost family that a path lies in."""
        return next(family for family in self.families if family.holds(path))

    def alias(self, prefix: str) -> None:
        """Lets every route be reached below a further prefix too, which the OpenAPI document does not mention."""
        self.aliases.append(prefix.rstrip("/"))

    def on_startup(self, fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Registers a coroutine function that is given the hub when the server starts; its task is cancelled
        when the server stops."""
        self.startup.append(fn)
        return fn

    def on_request(self, fn: Callable[[Request], Awaitable[None]]) -> Callable[[Request], Awaitable[None]]:
        """Registers what is awaited with every request before its route is looked for. It may change `request.path` and
        `request.query`, wait, or raise HubError."""
        self.before = fn
        return fn

    def describes(self, fn: Describe) -> Describe:
        """Registers what makes the OpenAPI document of a system whose routes depend on its data: it is given the hub
        and the document of the declared routes, in a thread, each time somebody asks. Where the whole server demands
        a user it is not called, because documents are open."""
        self.described = fn
        return fn


@dataclass(slots=True)
class Node:
    """One path segment of the route tree: fixed names before a parameter."""

    fixed: dict[str, Node] = field(default_factory=dict)
    parameter: Node | None = None
    rest: Node | None = None
    endpoints: dict[str, Endpoint] = field(default_factory=dict)


class Tree:
    """Finds the endpoints of a path in time that does not grow with the number of routes."""

    def __init__(self) -> None:
        self.root = Node()
        self.literal: set[str] = set()
        """Paths without parameters."""

    def add(self, method: str, path: str, endpoint: Endpoint) -> None:
        """Adds an endpoint under a path such as `/tasks/{id}` or `/files/{name:path}`."""
        node = self.root
        for part in path.strip("/").split("/") if path.strip("/") else ():
            if part.startswith("{") and part.endswith(":path}"):
                node.rest = node.rest or Node()
                node = node.rest
            elif part.startswith("{"):
                node.parameter = node.parameter or Node()
                node = node.parameter
            else:
                node = node.fixed.setdefault(part, Node())
        node.endpoints[method] = endpoint
        if "{" not in path:
            self.literal.add(path)

    def find(self, path: str) -> tuple[dict[str, Endpoint] | None, list[str]]:
        """The endpoints of a path by method and the values of its parameters."""
        parts = path[1:].split("/") if len(path) > 1 else []
        values: list[str] = []
        return self._walk(self.root, parts, 0, values), values

    def _walk(self, node: Node, parts: list[str], at: int, values: list[str]) -> dict[str, Endpoint] | None:
        if at == len(parts):
            return node.endpoints or None
        part = parts[at]
        if (child := node.fixed.get(part)) and (found := self._walk(child, parts, at + 1, values)):
            return found
        if node.parameter is not None and part:
            values.append(part)
            if found := self._walk(node.parameter, parts, at + 1, values):
                return found
            values.pop()
        if node.rest is not None:
            values.append("/".join(parts[at:]))
            return node.rest.endpoints or None
        return None
