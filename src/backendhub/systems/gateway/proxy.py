"""A request on its way: route, plugins, upstream, and back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from backendhub.kit import edge
from backendhub.kit.edge import Duplex, Incoming, Origin, TooLate
from backendhub.kit.edge.hops import FORWARDED, HOP, end_to_end, forwarded, via
from backendhub.kit.edge.upstream import IDEMPOTENT
from backendhub.kit.errors import HubError, TooLarge
from backendhub.kit.errors import Upstream as UpstreamFailure
from backendhub.kit.hub import Hub

from .balancer import Balancer, Peer
from .crossing import Attempts, Crossing, Found, NoPeer, Way, hinted, onward, sent
from .models import Config, Service
from .passage import Passage, relayed
from .plan import Plan, build, plans
from .plugins import Plugin
from .plugins.base import Context, Local, Pairs, message, networks, within
from .plugins.identity import OWN
from .plugins.traffic import Flood
from .routing import Match, Router, normalised, upstream_path

DROPPED = HOP | FORWARDED | OWN | {b"host", b"via", b"x-forwarded-prefix", b"x-forwarded-path", b"forwarded"}
LOOK_S = 0.5
BODILESS = (204, 304)
OURS = ("/openapi.json", "/docs")
"""Paths that are the Admin API's where no route wants them."""
Reply = edge.Response | edge.Stream | edge.Tunnel
UPGRADE: Pairs = [(b"connection", b"upgrade"), (b"upgrade", b"websocket")]


@dataclass(frozen=True, slots=True)
class State:
    """A configuration made ready. A request sees one from end to end."""

    config: Config = field(default_factory=Config)
    router: Router = field(default_factory=lambda: Router(()))
    plugins: dict[str, Plugin] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    balancers: dict[str, Balancer] = field(default_factory=dict)


class Gateway:
    """The gateway of a process."""

    def __init__(self, hub: Hub) -> None:
        """Raises Invalid for settings that make no sense."""
        self.hub = hub
        self.state = State()
        self.trusted = networks(tuple((hub.settings.get("gateway.trusted") or "").split()), "gateway.trusted")
        rate = hub.settings.number("gateway.flood")
        self.flood = Flood(rate) if rate else None
        self._origins: dict[tuple[Any, ...], Origin] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def adopt(self, config: Config, where: str) -> None:
        """Takes a configuration over, whole or not at all. Raises Invalid."""
        self.state = self.ready(config, where)

    def ready(self, config: Config, where: str) -> State:
        """A configuration made ready. Raises Invalid."""
        before = self.state
        plugins = build(config, where, before.plugins)
        served = [
            route
            for route in config.routes.values()
            if route.service is None or config.services[route.service].enabled
        ]
        balancers = {name: Balancer(u, before.balancers.get(name)) for name, u in config.upstreams.items()}
        return State(config, Router(served), plugins, plans(config, plugins), balancers)

    # -- a request ----------------------------------------------------------------------------------------

    def handle(self, request: edge.Request) -> edge.Answer:
        """Answers a request; None leaves the document of the Admin API to the application."""
        client = self._client(request) if self.trusted else request.client
        if self.flood is not None and (refused := self.flood.refuses(client)) is not None:
            return sent(refused)
        state, memo = self.state, request.memo
        found: Found | None = memo.get("gateway") if memo else None
        if found is None or found.state is not state or found.peer != request.client:
            made = self._find(request, state, client)
            if not isinstance(made, Found):
                return made
            found = made
            if memo is not None:
                memo["gateway"] = found
        if found.outgoing is not None and found.origin is not None:
            return Crossing(self, request, found, found.origin, found.outgoing)
        way = Way(found, self.context(request, found))
        try:
            answer = way.run()
            if answer is None:
                return self._onward(way)
            if not isinstance(answer, Local):
                return self._waiting(way, answer)
        except BaseException:
            way.settle()
            raise
        way.settle()
        return sent(answer, way.context, way.plugins)

    def _find(self, request: edge.Request, state: State, client: str) -> Found | edge.Response | None:
        """Where a request goes; its answer where that is nowhere."""
        path = normalised(request.path)
        if path is None:
            return sent(message(400, "The path is not well-formed"))
        name, port = _authority(request)
        match = state.router.find(request.method.decode("latin-1"), name, port, path, request.fields)
        if match is None and path in OURS:
            return None
        if match is None:
            return sent(message(404, "no Route matched with those values"))
        route = match.route
        if request.scheme not in route.protocols:
            return sent(_elsewhere(request, route.https_redirect_status_code))
        service = state.config.services[route.service] if route.service is not None else None
        headers = end_to_end(request.headers, request.fields.get(b"connection"), DROPPED)
        found = Found(
            state, request.client, client, match, service, state.plans[route.name],
            upstream_path(service.path if service else None, path, match.prefix, route),
            headers, self._added(request, match, path),
            simple=request.method in IDEMPOTENT and not request.has_body and not request.switches,
        )  # fmt: skip
        if found.simple and found.plan.empty and service is not None and service.host not in state.balancers:
            found.origin = self._origin(service, None)
            found.outgoing = found.origin.outgoing(
                request.method, *self._said(self.context(request, found), None)
            )
        return found

    def context(self, request: edge.Request, found: Found) -> Context:
        """What plugins see of a request."""
        route = found.match.route
        return Context(
            self, found.state.config, request, route, found.service, request.method, found.target, request.query,
            found.headers, request.fields.get(b"host") if route.preserve_host else None, client=found.client,
            groups=found.match.groups, added=found.added,
        )  # fmt: skip

    async def _waiting(self, way: Way, waits: Awaitable[Local | None]) -> Reply:
        """The plugins from one on that has to wait, and what they leave to be done."""
        context = way.context
        try:
            answer = await waits
            while answer is None:
                more = way.run()
                if more is None:
                    return await self.proxied(context, Attempts(way.found, context), way.plugins)
                answer = more if isinstance(more, Local) else await more
        except TooLarge as error:
            answer = message(413, error.message)
        finally:
            way.settle()
        return sent(answer, context, way.plugins)

    def _onward(self, way: Way) -> edge.Answer:
        """What the plugins have let through goes to a server; without a task where nothing has to be waited for."""
        context, plugins = way.context, way.plugins
        attempts = Attempts(way.found, context)
        if not way.found.simple or context.method not in IDEMPOTENT or context.body is not None:
            return self.proxied(context, attempts, plugins)
        try:
            attempts.next(context)
        except NoPeer as error:
            way.settle()
            return sent(error.answer, context, plugins)
        origin = self._origin(attempts.service, attempts.peer)
        outgoing = origin.outgoing(context.method, *self._said(context, attempts.balancer))
        attempts.begin()
        return Crossing(self, context.request, way.found, origin, outgoing, context, attempts, plugins)

    def _client(self, request: edge.Request) -> str:
        """Who asks: behind proxies that are trusted, the last address that is none of theirs."""
        client = request.client
        if within(client, self.trusted):
            for part in reversed(request.fields.get(b"x-forwarded-for", b"").decode("latin-1").split(",")):
                if (address := part.strip()) and not within(address, self.trusted):
                    return address
        return client

    def _added(self, request: edge.Request, match: Match, path: str) -> Pairs:
        """The fields that a proxy adds."""
        trust = bool(self.trusted) and within(request.client, self.trusted)
        fields = [
            *forwarded(request.fields, request.client, request.scheme, trust=trust),
            via(request.fields, request.version),
            (b"x-forwarded-path", path.encode("latin-1")),
        ]
        if match.route.strip_path and len(match.prefix) > 1:
            fields.append((b"x-forwarded-prefix", match.prefix.encode("latin-1")))
        return fields

    def _said(self, context: Context, balancer: Balancer | None) -> tuple[bytes, Pairs]:
        """What a server is asked for: target and fields, without framing."""
        target = context.path.encode("latin-1") + (b"?" + context.query if context.query else b"")
        headers = [*context.headers, *context.added]
        host = context.host
        if host is None and balancer is not None and balancer.upstream.host_header:
            host = balancer.upstream.host_header.encode()
        if host is not None:
            headers.append((b"host", host))
        return target, headers

    async def proxied(self, context: Context, attempts: Attempts, plugins: list[Plugin]) -> Reply:
        """Sends it on; tries others where that is safe."""
        try:
            while True:
                try:
                    attempts.next(context)
                    return await self._once(context, attempts, plugins)
                except NoPeer as error:
                    return sent(error.answer, context, plugins)
                except UpstreamFailure as error:
                    if (answer := self.given_up(context, attempts, plugins, error)) is not None:
                        return answer
        finally:
            if context.breaker is not None:
                context.breaker.settle()

    def given_up(
        self, context: Context, attempts: Attempts, plugins: list[Plugin], error: UpstreamFailure
    ) -> edge.Response | None:
        """The answer after an attempt that failed; None where there may be another."""
        if context.oversized:
            return sent(message(413, "Request size limit exceeded"), context, plugins)
        attempts.left -= 1
        if attempts.left > 0:
            return None
        if context.breaker is not None:
            context.breaker.failed(error)
        return sent(_unanswered(error), context, plugins)

    async def _once(self, context: Context, attempts: Attempts, plugins: list[Plugin]) -> Reply:
        """One attempt. Raises TooLate, Unreachable."""
        origin = self._origin(attempts.service, attempts.peer)
        target, headers = self._said(context, attempts.balancer)
        attempts.begin()
        try:
            incoming = await origin.send(
                context.method, target,
                headers + (UPGRADE if context.request.switches else self._framing(context)), self._body(context),
                interim=lambda interim: hinted(context.request, interim),
            )  # fmt: skip
        except BaseException as error:
            attempts.failed(error if not context.oversized else None)
            raise
        attempts.served(incoming.status)
        return self.passed(context, incoming, attempts, plugins)

    def _framing(self, context: Context) -> Pairs:
        """The length of a body that goes on as it came; also where that is 0, which some servers want to be told."""
        length = context.request.fields.get(b"content-length")
        return [(b"content-length", length)] if length is not None and context.body is None else []

    def _body(self, context: Context) -> AsyncIterator[bytes] | bytes | None:
        if context.body is not None:
            return context.body
        return relayed(context) if context.request.has_body else None

    def passed(
        self, context: Context, incoming: Incoming, attempts: Attempts, plugins: list[Plugin]
    ) -> Reply:
        """A server's answer for the client."""
        passage = Passage(context, incoming, attempts)
        fields = onward(incoming)
        for plugin in plugins:
            fields = plugin.respond(context, incoming.status, fields)
        fields += context.early
        far = incoming.duplex
        if far is not None:
            passage.ended()

            async def talk(near: Duplex) -> None:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_copy(near, far))
                    both.create_task(_copy(far, near))

            return edge.Tunnel(101, [*fields, *UPGRADE], talk)
        if incoming.whole:
            passage.ended()
            if context.request.method != b"HEAD" and incoming.status not in BODILESS:  # all here: one write
                body = incoming.taken()
                if context.keep is not None:
                    context.keep(body, True)
                return edge.Response(incoming.status, fields, body)
        return edge.Stream(incoming.status, fields, passage, passage.length)

    # -- servers ------------------------------------------------------------------------------------------

    def _origin(self, service: Service, peer: Peer | None) -> Origin:
        host, port = (peer.host, peer.port) if peer is not None else (service.host, service.port)
        name = f"[{host}]" if ":" in host else host
        return self.origin_of(
            f"{service.protocol}://{name}:{port}",
            connect_s=service.connect_timeout / 1000,
            answer_s=service.read_timeout / 1000,
        )

    def origin_of(self, url: str, *, connect_s: float, answer_s: float) -> Origin:
        """The connections to a server."""
        key = url, connect_s, answer_s
        found = self._origins.get(key)
        if found is None:
            found = self._origins[key] = Origin(
                url, connect_s=connect_s, answer_s=answer_s, idle_s=max(answer_s, 60.0), limit=1024
            )
        return found

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Does something that no client waits for."""

        async def quietly() -> None:
            with contextlib.suppress(HubError, OSError, TimeoutError):
                await work

        task = asyncio.get_running_loop().create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def look_after(self) -> None:
        """Probes targets, for as long as the server runs."""
        try:
            while True:
                balancers = self.state.balancers.values()
                for (
                    balancer
                ) in balancers:  # each by itself: one that is slow does not keep the others waiting
                    for probe in balancer.due(monotonic(), self._probed(balancer)):
                        self.spawn(probe)
                await asyncio.sleep(LOOK_S)
        finally:
            for origin in self._origins.values():
                origin.close()

    def _probed(self, balancer: Balancer) -> Callable[[Peer], Origin]:
        """How the targets of an upstream are reached: as the first service does that uses it."""
        services = self.state.config.services.values()
        service = next((s for s in services if s.host == balancer.upstream.name), Service(""))
        return lambda peer: self._origin(service, peer)


def _unanswered(error: UpstreamFailure) -> Local:
    if isinstance(error, TooLate):
        return message(504, "The upstream server is timing out")
    return message(502, "An invalid response was received from the upstream server")


def _authority(request: edge.Request) -> tuple[str, str]:
    """Host and port that were asked for."""
    host = request.fields.get(b"host", b"").decode("latin-1").lower()
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        name, port = host.rstrip(":"), "443" if request.scheme == "https" else "80"
    return name, port


def _elsewhere(request: edge.Request, status: int) -> Local:
    if status == 426:
        fields: Pairs = [(b"connection", b"upgrade"), (b"upgrade", b"TLS/1.2, HTTP/1.1")]
        return message(426, "Please use HTTPS protocol", fields[1:])
    host = request.fields.get(b"host", b"").partition(b":")[0]
    return Local(status, [(b"location", b"https://" + host + request.target)])


async def _copy(source: Duplex, sink: Duplex) -> None:
    """One direction of a tunnel; its end ends both, which is how WebSockets close."""
    try:
        while data := await source.read():
            await sink.write(data)
    except ConnectionError:
        pass
    finally:
        sink.close()
