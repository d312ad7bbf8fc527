"""Several servers under one name: who gets the next request, and who is ill."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from hashlib import blake2b
from time import monotonic
from typing import TYPE_CHECKING, Any

from backendhub.kit.edge import Origin, TooLate
from backendhub.kit.errors import Upstream as UpstreamFailure

from .models import Upstream

if TYPE_CHECKING:
    from .plugins import Context


TRY_AGAIN_S = 10.0
"""After so long an ill target that nothing probes gets one request, to see whether it is well again."""


@dataclass(slots=True)
class State:
    """How a target is: shared by all configurations that know it, for requests outlive theirs."""

    well: bool = True
    open: int = 0
    failures: int = 0
    timeouts: int = 0
    successes: int = 0
    due: float = 0
    """When it is probed, or tried, again."""


@dataclass(slots=True)
class Peer:
    """A target of a configuration."""

    host: str
    port: int
    weight: int
    health: State = field(default_factory=State)
    turn: float = 0

    @property
    def name(self) -> str:
        """Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Balancer:
    """The peers of an upstream."""

    def __init__(self, upstream: Upstream, before: Balancer | None = None) -> None:
        """`before` is that of the configuration before: what is known of a peer stays known."""
        self.upstream = upstream
        known = {peer.name: peer for peer in before.peers} if before is not None else {}
        self.peers: list[Peer] = []
        for target in upstream.targets:
            host, _, port = target.target.rpartition(":")
            peer = Peer(host.strip("[]"), int(port), target.weight)
            if (old := known.get(peer.name)) is not None:
                peer.health = old.health
            self.peers.append(peer)

    def pick(self, context: Context, tried: set[str]) -> Peer | None:
        """The peer for a request, none of those tried before while there is another; None where all are ill."""
        able = [peer for peer in self.peers if peer.weight and (peer.health.well or self._worth_a_try(peer))]
        able = [peer for peer in able if peer.name not in tried] or able
        if not able:
            return None
        best = self._best(able, context)
        if not best.health.well:
            best.health.due = monotonic() + TRY_AGAIN_S
        return best

    def _best(self, able: list[Peer], context: Context) -> Peer:
        algorithm = self.upstream.algorithm
        if algorithm == "least-connections":
            return min(able, key=lambda peer: (peer.health.open + 1) / peer.weight)
        if algorithm == "consistent-hashing" and (value := self._hashed(context)) is not None:
            return max(able, key=lambda peer: _score(value, peer))
        total = sum(peer.weight for peer in able)
        for peer in able:
            peer.turn += peer.weight
        best = max(able, key=lambda peer: peer.turn)
        best.turn -= total
        return best

    def _worth_a_try(self, peer: Peer) -> bool:
        """Whether a request may find out how an ill target is, since nothing else does."""
        return not self.upstream.health.interval_down and monotonic() >= peer.health.due

    def _hashed(self, context: Context) -> str | None:
        upstream = self.upstream
        if upstream.hash_on == "consumer":
            return context.consumer.username if context.consumer else context.client
        if upstream.hash_on == "header":
            return context.header((upstream.hash_on_header or "").lower())
        if upstream.hash_on == "cookie":
            jar = dict(p.strip().partition("=")[::2] for p in (context.header("cookie") or "").split(";"))
            return jar.get(upstream.hash_on_cookie or "")
        return context.path if upstream.hash_on == "path" else context.client

    # -- health -------------------------------------------------------------------------------------------

    def served(self, peer: Peer, status: int) -> None:
        """An answer has come."""
        health = self.upstream.health
        if status in health.passive_bad and health.passive_http_failures:
            self._ill(peer, "failures", health.passive_http_failures)
        elif status not in health.passive_bad:
            self._well(peer, health.passive_successes or (0 if health.interval_down else 1))

    def failed(self, peer: Peer, error: UpstreamFailure) -> None:
        """No answer has come."""
        health = self.upstream.health
        if isinstance(error, TooLate):
            self._ill(peer, "timeouts", health.passive_timeouts)
        else:
            self._ill(peer, "failures", health.passive_tcp_failures)

    def _ill(self, peer: Peer, kind: str, most: int) -> None:
        health = peer.health
        health.successes = 0
        setattr(health, kind, getattr(health, kind) + 1)
        if most and getattr(health, kind) >= most:
            if health.well:
                health.due = monotonic() + (self.upstream.health.interval_down or TRY_AGAIN_S)
            health.well = False
            health.failures = health.timeouts = 0

    def _well(self, peer: Peer, needed: int) -> None:
        health = peer.health
        health.failures = health.timeouts = 0
        if not health.well and needed:
            health.successes += 1
            if health.successes >= needed:
                health.well, health.successes = True, 0

    def due(self, now: float, origin: Callable[[Peer], Origin]) -> list[Coroutine[Any, Any, None]]:
        """Probes of the peers whose time has come."""
        health = self.upstream.health
        found = []
        for peer in self.peers:
            interval = health.interval_up if peer.health.well else health.interval_down
            if interval and now >= peer.health.due:
                peer.health.due = now + max(interval, health.timeout)  # one at a time
                found.append(self._probe(peer, origin(peer)))
        return found

    async def _probe(self, peer: Peer, origin: Origin) -> None:
        health = self.upstream.health
        try:
            async with asyncio.timeout(health.timeout):
                incoming = await origin.send(b"GET", health.path.encode("latin-1"), [])
                await incoming.read()
        except (UpstreamFailure, OSError, TimeoutError) as error:
            late = isinstance(error, TooLate | TimeoutError)
            self._ill(peer, "timeouts" if late else "failures", health.timeouts if late else health.failures)
            return
        if incoming.status in health.bad:
            self._ill(peer, "failures", health.failures)
        elif incoming.status in health.good:
            self._well(peer, health.successes)


def _score(value: str, peer: Peer) -> float:
    """Rendezvous hashing by weight: a peer that goes moves its own keys and no others."""
    digest = blake2b(f"{value}|{peer.name}".encode(), digest_size=8).digest()
    return -peer.weight / math.log((int.from_bytes(digest, "big") + 1) / (2**64 + 2))
