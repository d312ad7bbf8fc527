"""A request on its way: route, plugins, upstream, and back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from inspect import isawaitable
from time import monotonic
from typing import Any

from backendhub.kit import edge
from backendhub.kit.edge import Duplex, Incoming, Origin, TooLate
from backendhub.kit.edge.hops import FORWARDED, end_to_end, forwarded, via
from backendhub.kit.edge.upstream import IDEMPOTENT
from backendhub.kit.errors import HubError, TooLarge
from backendhub.kit.errors import Upstream as UpstreamFailure
from backendhub.kit.hub import Hub

from .balancer import Balancer, Peer
from .models import Config, Service
from .passage import Passage, relayed
from .plan import Plan, build, plans
from .plugins import Plugin
from .plugins.base import Context, Local, Pairs, message, networks, within
from .plugins.identity import OWN
from .plugins.traffic import Flood
from .routing import Router, normalised, upstream_path

DROPPED = FORWARDED | OWN | {b"host", b"via", b"x-forwarded-prefix", b"x-forwarded-path", b"forwarded"}
LOOK_S = 0.5
BODILESS = (204, 304)
OURS = ("/openapi.json", "/docs")
"""Paths that are the Admin API's where no route wants them."""
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

    async def handle(self, request: edge.Request) -> edge.Response | edge.Stream | edge.Tunnel | None:
        """Answers a request; None leaves the document of the Admin API to the application."""
        state = self.state
        client = self._client(request)
        if self.flood is not None and (refused := self.flood.refuses(client)) is not None:
            return _sent(refused)
        path = normalised(request.path)
        if path is None:
            return _sent(message(400, "The path is not well-formed"))
        name, port = _authority(request)
        method = request.method.decode("latin-1")
        match = state.router.find(method, name, port, path, request.fields)
        if match is None and path in OURS:
            return None
        if match is None:
            return _sent(message(404, "no Route matched with those values"))
        route = match.route
        if request.scheme not in route.protocols:
            return _sent(_elsewhere(request, route.https_redirect_status_code))
        service = state.config.services[route.service] if route.service is not None else None
        target = upstream_path(service.path if service else None, path, match.prefix, route)
        headers = [
            pair
            for pair in end_to_end(request.headers, request.fields.get(b"connection"))
            if pair[0] not in DROPPED
        ]
        context = Context(
            self, state.config, request, route, service, request.method, target, request.query, headers,
            request.fields.get(b"host") if route.preserve_host else None, client=client, groups=match.groups,
        )  # fmt: skip
        return await self._through(context, state, path, match.prefix)

    async def _through(
        self, context: Context, state: State, path: str, prefix: str
    ) -> edge.Response | edge.Stream | edge.Tunnel:
        """Runs the plugins, and what they leave to be done."""
        plan = state.plans[context.route.name]
        try:
            answer = await _access(plan.first, context)
            later = plan.after(context.consumer.username if context.consumer is not None else None)
            if answer is None:
                answer = await _access(later, context)
            if answer is None:
                self._forward(context, path, prefix)
                return await self._proxied(context, state, [*plan.first, *later])
        except TooLarge as error:
            answer, later = message(413, error.message), plan.after(None)
        finally:
            if context.breaker is not None:
                context.breaker.settle()
        return _sent(answer, context, [*plan.first, *later])

    def _client(self, request: edge.Request) -> str:
        """Who asks: behind proxies that are trusted, the last address that is none of theirs."""
        client = request.client
        if self.trusted and within(client, self.trusted):
            for part in reversed(request.fields.get(b"x-forwarded-for", b"").decode("latin-1").split(",")):
                if (address := part.strip()) and not within(address, self.trusted):
                    return address
        return client

    def _forward(self, context: Context, path: str, prefix: str) -> None:
        """The fields that a proxy adds."""
        request = context.request
        trust = bool(self.trusted) and within(request.client, self.trusted)
        more = forwarded(request.fields, request.client, request.scheme, trust=trust)
        context.headers += [
            *more,
            via(request.fields, request.version),
            (b"x-forwarded-path", path.encode("latin-1")),
        ]
        if context.route.strip_path and len(prefix) > 1:
            context.headers.append((b"x-forwarded-prefix", prefix.encode("latin-1")))

    async def _proxied(
        self, context: Context, state: State, plugins: list[Plugin]
    ) -> edge.Response | edge.Stream | edge.Tunnel:
        """Sends it on; tries others where that is safe."""
        request, service = context.request, context.elsewhere or context.service
        if service is None:
            return _sent(message(503, "no Service found with those values"), context, plugins)
        has_body = request.has_body
        tries = 1 + service.retries if context.method in IDEMPOTENT and not has_body else 1
        tried: set[str] = set()
        for attempt in range(tries):
            try:
                return await self._once(context, state, service, plugins, tried)
            except NoPeer:
                return _sent(message(503, "failure to get a peer from the ring-balancer"), context, plugins)
            except UpstreamFailure as error:
                if context.oversized:
                    return _sent(message(413, "Request size limit exceeded"), context, plugins)
                if attempt == tries - 1:
                    if context.breaker is not None:
                        context.breaker.failed(error)
                    return _sent(_unanswered(error), context, plugins)
        raise AssertionError("no attempt")

    async def _once(
        self, context: Context, state: State, service: Service, plugins: list[Plugin], tried: set[str]
    ) -> edge.Response | edge.Stream | edge.Tunnel:
        """One attempt. Raises NoPeer, TooLate, Unreachable."""
        balancer = state.balancers.get(service.host)
        peer = balancer.pick(context, tried) if balancer is not None else None
        if balancer is not None:
            if peer is None:
                raise NoPeer("All targets are ill.")
            tried.add(peer.name)
        origin = self._origin(service, peer)
        headers = [*context.headers]
        host = context.host or (balancer.upstream.host_header.encode() if balancer and balancer.upstream.host_header else None)  # fmt: skip
        if host is not None:
            headers.append((b"host", host))
        socket = context.request.fields.get(b"upgrade", b"").lower() == b"websocket"
        target = context.path.encode("latin-1") + (b"?" + context.query if context.query else b"")
        if peer is not None:
            peer.open += 1
        try:
            incoming = await origin.send(
                context.method, target, headers + (UPGRADE if socket else self._framing(context)), self._body(context),
                interim=lambda i: context.request.interim(i.status, i.headers),
            )  # fmt: skip
        except BaseException as error:
            if peer is not None and balancer is not None:
                peer.open -= 1
                if isinstance(error, UpstreamFailure) and not context.oversized:
                    balancer.failed(peer, error)
            raise
        if peer is not None and balancer is not None:
            balancer.served(peer, incoming.status)
        return await self._answer(context, incoming, peer, plugins)

    def _framing(self, context: Context) -> Pairs:
        """The length of a body that goes on as it came; also where that is 0, which some servers want to be told."""
        length = context.request.fields.get(b"content-length")
        return [(b"content-length", length)] if length is not None and context.body is None else []

    def _body(self, context: Context) -> AsyncIterator[bytes] | bytes | None:
        if context.body is not None:
            return context.body
        return relayed(context) if context.request.has_body else None

    async def _answer(
        self, context: Context, incoming: Incoming, peer: Peer | None, plugins: list[Plugin]
    ) -> edge.Response | edge.Stream | edge.Tunnel:
        passage = Passage(context, incoming, peer)
        fields = end_to_end(incoming.headers, dict(incoming.headers).get(b"connection"))
        fields = [pair for pair in fields if pair[0] != b"via"] + [via(dict(fields), incoming.version)]
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
                body = await incoming.read()
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
                await asyncio.gather(*(b.probe(monotonic(), self._probed(b)) for b in balancers))
                await asyncio.sleep(LOOK_S)
        finally:
            for origin in self._origins.values():
                origin.close()

    def _probed(self, balancer: Balancer) -> Callable[[Peer], Origin]:
        """How the targets of an upstream are reached: as the first service does that uses it."""
        services = self.state.config.services.values()
        service = next((s for s in services if s.host == balancer.upstream.name), Service(""))
        return lambda peer: self._origin(service, peer)


class NoPeer(HubError):
    """No target of an upstream is well."""


def _unanswered(error: UpstreamFailure) -> Local:
    if isinstance(error, TooLate):
        return message(504, "The upstream server is timing out")
    return message(502, "An invalid response was received from the upstream server")


async def _access(plugins: list[Plugin], context: Context) -> Local | None:
    for plugin in plugins:
        answer = plugin.access(context)
        if isawaitable(answer):
            answer = await answer
        if answer is not None:
            return answer
    return None


def _sent(
    answer: Local, context: Context | None = None, plugins: list[Plugin] | None = None
) -> edge.Response:
    """An answer of the gateway's own, with what plugins add to every answer."""
    headers = answer.headers
    if context is not None:
        for plugin in plugins or ():
            headers = plugin.respond(context, answer.status, headers) if plugin.name != "cors" else headers
        headers = [*headers, *context.early]
    return edge.Response(answer.status, headers, answer.body)


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
