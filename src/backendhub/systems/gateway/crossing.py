"""What was worked out for a request: where it goes, by which plugins, and to which server of several."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backendhub.kit import edge
from backendhub.kit.edge import Incoming, Interim, Origin
from backendhub.kit.edge.exchange import Outgoing
from backendhub.kit.edge.hops import HOP, end_to_end, via
from backendhub.kit.edge.upstream import IDEMPOTENT
from backendhub.kit.errors import HubError
from backendhub.kit.errors import Upstream as UpstreamFailure

from .balancer import Balancer, Peer
from .models import Service
from .plan import Plan
from .plugins import Plugin
from .plugins.base import Context, Local, Pairs, message
from .routing import Match

if TYPE_CHECKING:
    from .proxy import Gateway, State


VIA = HOP | {b"via"}


class NoPeer(HubError):
    """No target of an upstream is well."""

    answer = message(503, "failure to get a peer from the ring-balancer")


class NoService(NoPeer):
    """A route leads nowhere."""

    answer = message(503, "no Service found with those values")


@dataclass(slots=True)
class Found:
    """Where a request goes. It is kept with the bytes of the request: nothing here is changed afterwards."""

    state: State
    peer: str
    """The address that is connected."""
    client: str
    """The address of whoever asks, behind proxies that are trusted."""
    match: Match
    service: Service | None
    plan: Plan
    target: str
    headers: Pairs
    added: Pairs
    simple: bool
    """Whether it has no body, is no handshake, and may be sent twice."""
    origin: Origin | None = None
    outgoing: Outgoing | None = None
    """The request as it goes on, where no plugin and no balancer has a word in it."""


class Way:
    """A request on its way through the plugins of its route."""

    __slots__ = ("_later", "_steps", "context", "found")

    def __init__(self, found: Found, context: Context) -> None:
        self.found = found
        self.context = context
        self._steps: Iterator[Plugin] = iter(found.plan.first)
        self._later: list[Plugin] | None = None

    def run(self) -> Local | Awaitable[Local | None] | None:
        """Runs plugins until one answers, or has to wait; None once all have let it through."""
        while True:
            for plugin in self._steps:
                if (answer := plugin.access(self.context)) is not None:
                    return answer
            if self._later is not None:
                return None
            self._later = self._those()
            self._steps = iter(self._later)

    def _those(self) -> list[Plugin]:
        consumer = self.context.consumer
        return self.found.plan.after(consumer.username if consumer is not None else None)

    @property
    def plugins(self) -> list[Plugin]:
        """All that are for this request, as far as it is known who asks."""
        return [*self.found.plan.first, *(self._those() if self._later is None else self._later)]

    def settle(self) -> None:
        """It is over; a breaker that has heard nothing of it hears that."""
        if self.context.breaker is not None:
            self.context.breaker.settle()


class Attempts:
    """Who is asked for a request: one server after another, until one answers or enough have failed."""

    __slots__ = ("_tried", "balancer", "left", "peer", "picked", "service")

    def __init__(self, found: Found, context: Context) -> None:
        service = context.elsewhere or context.service
        self.service = service or Service("")
        self.balancer: Balancer | None = found.state.balancers.get(self.service.host)
        again = context.method in IDEMPOTENT and not context.request.has_body
        self.left = 0 if service is None else 1 + self.service.retries if again else 1
        self.peer: Peer | None = None
        self.picked = False
        """Whether the next attempt is at whoever was picked."""
        self._tried: set[str] = set()

    def next(self, context: Context) -> None:
        """Picks a server. Raises NoPeer where none is well."""
        if not self.left:
            raise NoService("The route has no service.")
        if self.picked or self.balancer is None:
            self.picked = False
            return
        self.peer = self.balancer.pick(context, self._tried)
        if self.peer is None:
            raise NoPeer("All targets are ill.")
        self._tried.add(self.peer.name)

    def begin(self) -> None:
        """A request goes to it."""
        if self.peer is not None:
            self.peer.health.open += 1

    def served(self, status: int) -> None:
        """Its answer has come."""
        if self.peer is not None and self.balancer is not None:
            self.balancer.served(self.peer, status)

    def failed(self, error: BaseException | None) -> None:
        """No answer has come."""
        self.ended()
        if self.peer is not None and self.balancer is not None and isinstance(error, UpstreamFailure):
            self.balancer.failed(self.peer, error)

    def ended(self) -> None:
        """A request to it is over."""
        if self.peer is not None:
            self.peer.health.open -= 1


class Crossing(edge.Relay):
    """A request on its way to a server without a task. Without plugins nobody asks for its context: it has none."""

    __slots__ = ("_attempts", "_context", "_found", "_gateway", "_plugins", "_request")

    def __init__(
        self,
        gateway: Gateway,
        request: edge.Request,
        found: Found,
        origin: Origin,
        outgoing: Outgoing,
        context: Context | None = None,
        attempts: Attempts | None = None,
        plugins: list[Plugin] | None = None,
    ) -> None:
        super().__init__(origin, outgoing)
        self._gateway = gateway
        self._request = request
        self._found = found
        self._context = context
        self._attempts = attempts
        self._plugins = plugins or []

    def answered(self, incoming: Incoming) -> Any:
        """What the server has said, with what plugins add."""
        if self._context is None and (head := incoming.head) is not None:
            if head.memo is None:
                passed = self._passed(incoming)
                head.memo = passed.head, passed.dated
                return passed
            made, dated = head.memo
            return edge.Response.prepared(head.status, made, incoming.taken(), dated=dated)
        return self._passed(incoming)

    def _passed(self, incoming: Incoming) -> Any:
        if self._context is None and incoming.whole and self._request.method != b"HEAD":
            return edge.Response(incoming.status, onward(incoming), incoming.taken())
        context, attempts = self._known()
        attempts.served(incoming.status)
        return self._gateway.passed(context, incoming, attempts, self._plugins)

    def _known(self) -> tuple[Context, Attempts]:
        if self._context is None or self._attempts is None:
            self._context = self._gateway.context(self._request, self._found)
            self._attempts = Attempts(self._found, self._context)
            self._attempts.picked = True
        return self._context, self._attempts

    def failed(self, error: Exception) -> Any:
        """Another attempt, or what the client is told."""
        assert isinstance(error, UpstreamFailure)
        context, attempts = self._known()
        attempts.failed(error)
        answer = self._gateway.given_up(context, attempts, self._plugins, error)
        if answer is None:
            attempts.picked = False
            return self._gateway.proxied(context, attempts, self._plugins)
        if context.breaker is not None:
            context.breaker.settle()
        return answer

    def slowly(self) -> Awaitable[Any]:
        """The same attempt over a new connection."""
        context, attempts = self._known()
        attempts.ended()
        attempts.picked = True
        return self._gateway.proxied(context, attempts, self._plugins)

    def left(self) -> None:
        """Nobody waits for it any more: that says nothing about the server."""
        if self._attempts is not None:
            self._attempts.ended()
        if self._context is not None and self._context.breaker is not None:
            self._context.breaker.settle()

    def told(self, interim: Interim) -> None:
        """Hints are for the client."""
        hinted(self._request, interim)


def onward(incoming: Incoming) -> Pairs:
    """The fields of a server's answer that are for the client, and that it came this way."""
    fields = end_to_end(incoming.headers, dict(incoming.headers).get(b"connection"), VIA)
    fields.append(via(dict(incoming.headers), incoming.version))
    return fields


def hinted(request: edge.Request, interim: Interim) -> None:
    """An interim answer goes on to the client, without what is for one connection only."""
    request.interim(interim.status, end_to_end(interim.headers, dict(interim.headers).get(b"connection")))


def sent(answer: Local, context: Context | None = None, plugins: list[Plugin] | None = None) -> edge.Response:
    """An answer of the gateway's own, with what plugins add to every answer."""
    headers = answer.headers
    if context is not None:
        for plugin in plugins or ():
            headers = plugin.respond(context, answer.status, headers) if plugin.name != "cors" else headers
        headers = [*headers, *context.early]
    return edge.Response(answer.status, headers, answer.body)
