"""Hot routes: how they are declared, and which one a request meets."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .messages import Request, decoded

if TYPE_CHECKING:
    from backendhub.kit.hub import Hub

Handler = Callable[[Request], Any]
F = TypeVar("F", bound=Handler)
MAX_BODY = 1024 * 1024
OURS = ("/livez", "/readyz", "/startupz", "/metrics")
"""What every process answers itself, as everything below `/_`: no pattern takes it."""
DOCUMENTS = ("/docs", "/openapi.json")
"""What is a system's own below its prefix; at the root a proxy may give them away."""


@dataclass(slots=True)
class Route:
    """A declaration: `handler` is asked first for these requests."""

    methods: frozenset[bytes] | None
    path: str
    handler: Handler
    max_body: int
    stream: bool
    public: bool
    cors: bool
    upgrades: bool
    pattern: re.Pattern[str] | None


class Edge:
    """The hot routes of a system."""

    def __init__(self) -> None:
        self.routes: list[Route] = []
        self._exact: dict[tuple[bytes, str], Route] = {}
        self._patterns: list[Route] = []

    def route(
        self,
        methods: str,
        path: str,
        *,
        max_body: int = MAX_BODY,
        stream: bool = False,
        public: bool = False,
        cors: bool = True,
        upgrades: bool = False,
    ) -> Callable[[F], F]:
        """Registers `handler(request)` for methods (`"GET HEAD"`, `"*"` for all) and a path (`/json`, `/apps/{id}/events`,
        `/*` for everything below).

        It gets the request once its body is whole (`max_body` in bytes, beyond it 413), or with `stream` once its head
        is. A compressed body has been unfolded within `max_body`, unless the route streams it. It returns a `Response`, `Stream` or `Tunnel`, something awaitable that gives one, or None for "ask the
        application". Where the server was started with `--auth token` only `public` routes are asked: they look after
        their users themselves. `cors=False`: the handler answers for other origins itself. `upgrades`: it takes
        requests that would become a WebSocket, too.
        """
        known = None if methods == "*" else frozenset(m.encode() for m in methods.upper().split())
        pattern = _pattern(path)

        def register(handler: F) -> F:
            route = Route(known, path, handler, max_body, stream, public, cors, upgrades, pattern)
            self.routes.append(route)
            if pattern is None and known is not None:
                self._exact |= {(method, path): route for method in known}
            else:
                self._patterns.append(route)
            return handler

        return register

    def find(self, method: bytes, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route of a request, and the parameters of its path."""
        if (route := self._exact.get((method, path))) is not None:
            return route, {}
        for route in self._patterns:
            if route.methods is not None and method not in route.methods:
                continue
            if route.pattern is None:
                if route.path == path:
                    return route, {}
            elif path[:2] != "/_" and path not in OURS and (match := route.pattern.fullmatch(path)):
                return route, {name: decoded(value) for name, value in match.groupdict().items()}
        return None


def _pattern(path: str) -> re.Pattern[str] | None:
    """What a path with parameters matches; None for one without."""
    if "{" not in path and not path.endswith("/*"):
        return None
    parts = re.split(r"\{(\w+)\}", path.removesuffix("*"))
    text = "".join(f"(?P<{part}>[^/]+)" if at % 2 else re.escape(part) for at, part in enumerate(parts))
    return re.compile(text + (".*" if path.endswith("/*") else ""), re.DOTALL)


@dataclass(slots=True)
class Mount:
    """A system below a prefix: `edge()` gives its hot routes, importing its code where that is still to be done."""

    prefix: str
    edge: Callable[[], Edge | None]
    closed: bool
    """Whether only public routes are asked."""
    cors: Callable[[bytes], list[tuple[bytes, bytes]]]
    """The fields that an answer to a request from an origin has."""


class Seen(NamedTuple):
    """A request that came as exactly these bytes before: what they mean does not change."""

    request: Request
    url: bytes
    route: Route
    mount: Mount


MAX_SEEN = 1024
MAX_MET = 4096


class Met:
    """Whether bytes have come before, in few of them: what comes once only is not worth being kept."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    def before(self, data: bytes) -> bool:
        """Whether they did; now they have. It may forget, and two that are not the same may pass for it."""
        known, mark = self._known, hash(data)
        if mark in known:
            return True
        if len(known) >= MAX_MET:
            known.clear()
        known.add(mark)
        return False


class Table:
    """The hot routes of a process. The application makes it; the protocol asks it for every request."""

    def __init__(
        self, mounts: list[Mount], hub: Hub, done: Callable[[Request, Route, int, float, int], None]
    ) -> None:
        """`done` is told of each answer: request, route, status, seconds, bytes."""
        self.hub = hub
        self.done = done
        self.seen: dict[bytes, Seen] = {}
        self.met = Met()
        self._root = next((m for m in mounts if not m.prefix), None)
        self._mounts = {m.prefix.encode(): m for m in mounts if m.prefix}

    def remember(self, data: bytes, seen: Seen) -> None:
        """Keeps what a request's bytes mean."""
        if len(self.seen) >= MAX_SEEN:
            self.seen.clear()
        self.seen[data] = seen

    def find(self, request: Request) -> tuple[Route, Mount] | None:
        """Who is asked first for a request; completes it where there is somebody."""
        mount, target = self._root, request.target
        if mount is None:
            cut = target.find(b"/", 1)
            prefix = request.path.encode("latin-1") if cut < 0 else target[:cut]
            mount = self._mounts.get(prefix)
            if mount is None:
                return None
            request.target = target[len(prefix) :] or b"/"
            if request.target[:1] != b"/":
                request.target = b"/" + request.target
            request.path = request.path[len(prefix) :] or "/"
            if request.path in DOCUMENTS:
                return None
        edge = mount.edge()
        if edge is None:
            return None
        found = edge.find(request.method, request.path)
        if found is None or (mount.closed and not found[0].public):
            return None
        request.hub = self.hub
        if found[1]:
            request.params = found[1]
        return found[0], mount
