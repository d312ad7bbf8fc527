"""Several servers under one name: who gets the next request, and who is ill."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from backendhub.kit.edge import Origin, TooLate
from backendhub.kit.errors import Upstream as UpstreamFailure

from .models import Upstream

if TYPE_CHECKING:
    from .plugins import Context


@dataclass(slots=True)
class Peer:
    """A target, and how it is."""

    host: str
    port: int
    weight: int
    healthy: bool = True
    open: int = 0
    turn: float = 0
    failures: int = 0
    timeouts: int = 0
    successes: int = 0
    due: float = 0

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
                peer.healthy, peer.open = old.healthy, old.open
            self.peers.append(peer)

    def pick(self, context: Context, tried: set[str]) -> Peer | None:
        """The peer for a request, none of those tried before while there is another; None where all are ill."""
        able = [peer for peer in self.peers if peer.healthy and peer.weight]
        able = [peer for peer in able if peer.name not in tried] or able
        if not able:
            return None
        algorithm = self.upstream.algorithm
        if algorithm == "least-connections":
            return min(able, key=lambda peer: (peer.open + 1) / peer.weight)
        if algorithm == "consistent-hashing" and (value := self._hashed(context)) is not None:
            return max(able, key=lambda peer: _score(value, peer))
        total = sum(peer.weight for peer in able)
        for peer in able:
            peer.turn += peer.weight
        best = max(able, key=lambda peer: peer.turn)
        best.turn -= total
        return best

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
            self._well(peer, health.passive_successes)

    def failed(self, peer: Peer, error: UpstreamFailure) -> None:
        """No answer has come."""
        health = self.upstream.health
        if isinstance(error, TooLate):
            self._ill(peer, "timeouts", health.passive_timeouts)
        else:
            self._ill(peer, "failures", health.passive_tcp_failures)

    def _ill(self, peer: Peer, kind: str, most: int) -> None:
        peer.successes = 0
        setattr(peer, kind, getattr(peer, kind) + 1)
        if most and getattr(peer, kind) >= most:
            peer.healthy = False
            peer.failures = peer.timeouts = 0

    def _well(self, peer: Peer, needed: int) -> None:
        peer.failures = peer.timeouts = 0
        if not peer.healthy and needed:
            peer.successes += 1
            if peer.successes >= needed:
                peer.healthy, peer.successes = True, 0

    async def probe(self, now: float, origin: Callable[[Peer], Origin]) -> None:
        """Probes the peers whose time has come."""
        health = self.upstream.health
        due = []
        for peer in self.peers:
            interval = health.interval_up if peer.healthy else health.interval_down
            if interval and now >= peer.due:
                peer.due = now + interval
                due.append(self._probe(peer, origin(peer)))
        await asyncio.gather(*due)

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
