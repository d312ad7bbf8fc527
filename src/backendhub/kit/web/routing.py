"""Routes: where endpoints are declared, and how a path finds one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .endpoint import Endpoint

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True)
class Route:
    """A declaration: `fn` answers `method path`."""

    method: str
    path: str
    fn: Callable[..., Any]
    status: int
    heavy: bool
    media_type: str
    consumes: tuple[str, ...]
    open_query: bool
    statuses: tuple[int, ...]
    in_schema: bool


class Router:
    """The endpoints of a system.

    A plain `def f(db: Db, …)` is one unit of work: it runs in the event loop on SQLite and in one executor hop on
    PostgreSQL; GET and HEAD take no write lock. `heavy=True` (images, exports) always takes the hop. An
    `async def` is awaited and reaches the store through `Request.call`.
    """

    def __init__(self, description: str = "", *, cors: bool = False, invalid: int = 422) -> None:
        """`cors=True` lets any origin in without `--cors`; `invalid` is the status of a broken rule (400 or 422)."""
        self.routes: list[Route] = []
        self.startup: list[Callable[[Any], Any]] = []
        self.description = description
        self.cors = cors
        self.invalid = invalid

    def add(
        self,
        method: str,
        path: str,
        *,
        status: int = 200,
        heavy: bool = False,
        media_type: str = "application/json",
        consumes: Sequence[str] = ("application/json",),
        open_query: bool = False,
        statuses: Sequence[int] = (),
        in_schema: bool = True,
    ) -> Callable[[F], F]:
        """Registers an endpoint. `statuses` are the failures worth documenting; `open_query` lets query
        parameters through that the function does not name."""

        def register(fn: F) -> F:
            consumed = (*consumes, "application/merge-patch+json") if method == "PATCH" else tuple(consumes)
            self.routes.append(
                Route(
                    method,
                    path,
                    fn,
                    status,
                    heavy,
                    media_type,
                    consumed,
                    open_query,
                    tuple(statuses),
                    in_schema,
                )
            )
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

    def delete(self, path: str, **options: Any) -> Callable[[F], F]:
        """DELETE; 204 unless told otherwise."""
        return self.add("DELETE", path, **({"status": 204} | options))

    def on_startup(self, fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Registers a coroutine function that is given the hub when the server starts; its task is cancelled
        when the server stops."""
        self.startup.append(fn)
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
