"""Who gets a request, who is ill, and how that outlives a change of the configuration."""

from __future__ import annotations

from typing import Any

import pytest

from backendhub.kit.edge import Origin, TooLate, Unreachable
from backendhub.systems.gateway import balancer as balancers
from backendhub.systems.gateway.balancer import Balancer, Peer
from backendhub.systems.gateway.models import Health, Target, Upstream


class Asked:
    """The little of a context that a balancer looks at."""

    consumer = None
    client = "192.0.2.1"
    path = "/x"


def make(*weights: int, before: Balancer | None = None, **options: Any) -> Balancer:
    targets = tuple(Target(f"h{n}:80", weight) for n, weight in enumerate(weights))
    return Balancer(Upstream("pool", targets=targets, **options), before)


def picked(balancer: Balancer, times: int = 1, tried: set[str] | None = None) -> list[str | None]:
    context: Any = Asked()
    found = [balancer.pick(context, tried or set()) for _ in range(times)]
    return [peer and peer.name for peer in found]


@pytest.mark.parametrize("algorithm", ["round-robin", "least-connections", "consistent-hashing"])
def test_a_weight_of_zero_gets_nothing(algorithm: str) -> None:
    pool = make(0, 5, algorithm=algorithm, hash_on="ip")
    assert set(picked(pool, 20)) == {"h1:80"}
    assert picked(pool, tried={"h1:80"}) == ["h1:80"]  # rather the same again than one that must not be asked
    assert picked(make(0, 0, algorithm=algorithm)) == [None] and picked(make(algorithm=algorithm)) == [None]


def test_what_is_under_way_outlives_a_change() -> None:
    """Requests that began before it end after it: a server must not seem busy for ever."""
    before = make(1, 1, algorithm="least-connections")
    before.peers[0].health.open += 1
    after = make(1, 1, algorithm="least-connections", before=before)
    assert picked(after) == ["h1:80"]
    before.peers[0].health.open -= 1
    assert after.peers[0].health.open == 0 and picked(after) == ["h0:80"]


def fail(balancer: Balancer, peer: Peer, times: int = 1) -> None:
    for _ in range(times):
        balancer.failed(peer, Unreachable("gone"))


def test_an_ill_server_that_nothing_probes_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(balancers, "monotonic", lambda: now)
    pool = make(1, 1, health=Health(passive_tcp_failures=2))
    first, second = pool.peers
    fail(pool, first)
    assert set(picked(pool, 4)) == {"h0:80", "h1:80"}
    fail(pool, first)
    assert set(picked(pool, 4)) == {"h1:80"}
    now += balancers.TRY_AGAIN_S
    assert picked(pool, 6).count("h0:80") == 1  # one request finds out, not all of them
    assert set(picked(pool, 4)) == {"h1:80"}
    now += balancers.TRY_AGAIN_S
    pool.served(first, 200)
    assert set(picked(pool, 4)) == {"h0:80", "h1:80"}
    fail(pool, first, 2)
    fail(pool, second, 2)
    assert picked(pool) == [None]


def test_who_is_probed_is_left_to_the_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(balancers, "monotonic", lambda: now)
    health = Health(interval_up=5, interval_down=2, successes=1, failures=1, passive_timeouts=1, timeout=1)
    pool = make(1, health=health)
    (peer,) = pool.peers
    origin = Origin("http://h0")

    def due() -> int:
        probes = pool.due(now, lambda _: origin)
        for probe in probes:
            probe.close()
        return len(probes)

    assert [due(), due()] == [1, 0]
    pool.failed(peer, TooLate("late"))
    now += 100
    assert picked(pool) == [None]
    assert [due(), due()] == [1, 0]
    pool.served(peer, 200)  # an old request's answer: the probes decide
    assert picked(pool) == [None]
