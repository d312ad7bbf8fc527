"""Requests against limits, on memory and on Redis, and beside a model with a virtual clock."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backendhub.kit import clock
from backendhub.kit.limits import ALGORITHMS, Limits, MemoryLimits
from backendhub.systems.rate_limiter.config import load
from backendhub.systems.rate_limiter.engine import Engine
from backendhub.systems.rate_limiter.models import Defaults, Descriptor, Verdict

LIMITS = """
domain: d
descriptors:
  - {key: user, rate_limit: {unit: minute, requests_per_unit: 3, name: user}}
  - {key: bytes, rate_limit: {unit: hour, requests_per_unit: 100, algorithm: sliding-log}}
  - {key: shadow, shadow_mode: true, rate_limit: {unit: minute, requests_per_unit: 1}}
  - {key: none, rate_limit: {unit: second, requests_per_unit: 0}}
  - {key: free, rate_limit: {unlimited: true}}
  - {key: vip, rate_limit: {unit: minute, requests_per_unit: 9, replaces: [{name: user}]}}
  - {key: q, value: one, quota_mode: true, rate_limit: {unit: minute, requests_per_unit: 1}}
  - {key: q, value: two, quota_mode: true, rate_limit: {unit: minute, requests_per_unit: 2}}
  - {key: seats, rate_limit: {unit: minute, requests_per_unit: 2, algorithm: concurrency}}
"""


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def limits(request: pytest.FixtureRequest) -> Iterator[Limits]:
    if request.param == "memory":
        yield MemoryLimits()
        return
    from backendhub.kit.limits.redis import RedisLimits
    from backendhub.kit.redis import Redis

    redis = Redis(request.getfixturevalue("redis_url"))
    yield RedisLimits(redis)
    redis.close()


@pytest.fixture
def engine(limits: Limits, frozen: Any) -> Engine:
    return Engine(limits, load([("limits", LIMITS)], Defaults()))


async def ask(engine: Engine, *descriptors: Any, hits: int = 1) -> Verdict:
    return await engine.check(
        "d", [d if isinstance(d, Descriptor) else Descriptor((d,)) for d in descriptors], hits
    )


async def test_a_limit_and_its_statistics(engine: Engine, frozen: Any) -> None:
    found = [await ask(engine, ("user", "ada")) for _ in range(5)]
    assert [v.over for v in found] == [False] * 3 + [True] * 2
    assert [v.statuses[0].remaining for v in found] == [2, 1, 0, 0, 0]
    assert not (await ask(engine, ("user", "bob"))).over
    hits = engine.hits["d.user"]
    assert (hits.total, hits.within, hits.over, hits.near) == (6, 4, 2, 1)
    frozen("2026-01-05T09:01:00Z")
    assert not (await ask(engine, ("user", "ada"))).over


async def test_all_limits_of_a_request_or_none(engine: Engine, frozen: Any) -> None:
    big = Descriptor((("bytes", "ada"),), hits=60)
    assert not (await ask(engine, ("user", "ada"), big)).over
    refused = await ask(engine, ("user", "ada"), big)
    assert [(s.over, s.remaining) for s in refused.statuses] == [(False, 2), (True, 0)]
    assert [(await ask(engine, ("user", "ada"))).over for _ in range(3)] == [False, False, True]
    hopeless = await ask(engine, ("user", "cid"), Descriptor((("bytes", "cid"),), hits=101))
    assert hopeless.over and (await ask(engine, ("user", "cid"), hits=0)).statuses[0].remaining == 3


async def test_the_same_descriptor_twice_counts_twice(engine: Engine, frozen: Any) -> None:
    found = await ask(engine, ("user", "ada"), ("user", "ada"))
    assert [s.remaining for s in found.statuses] == [1, 1]
    assert (await ask(engine, ("user", "ada"), ("user", "ada"))).over
    assert not (await ask(engine, ("user", "ada"))).over


async def test_shadows_refuse_nothing_and_are_counted(engine: Engine, frozen: Any) -> None:
    for _ in range(3):
        found = await ask(engine, ("shadow", "x"))
        assert not found.over and not found.statuses[0].over and found.decisions == []
    assert (engine.hits["d.shadow"].within, engine.hits["d.shadow"].shadow) == (1, 2)
    assert (await ask(engine, ("none", "x"), ("shadow", "y"))).over
    assert (await ask(engine, ("shadow", "y"), hits=0)).statuses[0].remaining == 1  # was not counted


async def test_nothing_unlimited_replaced_and_unknown(engine: Engine, frozen: Any) -> None:
    found = await ask(engine, ("none", "x"), ("free", "x"), ("unknown", "x"))
    assert [(s.over, bool(s.limit)) for s in found.statuses] == [(True, True), (False, True), (False, False)]
    for _ in range(9):
        assert not (await ask(engine, ("user", "vip"), ("vip", "x"))).over
    assert (await ask(engine, ("user", "vip"), ("vip", "x"))).over
    assert (await ask(engine, ("user", "vip"), hits=0)).statuses[0].remaining == 3


async def test_one_quota_that_admits_is_enough(engine: Engine, frozen: Any) -> None:
    both = (("q", "one"), ("q", "two"))
    assert [(await ask(engine, *both)).over for _ in range(3)] == [False, False, True]


async def test_seats_are_given_back(engine: Engine, frozen: Any) -> None:
    one, two = await ask(engine, ("seats", "x")), await ask(engine, ("seats", "x"))
    assert (await ask(engine, ("seats", "x"))).over
    status = one.statuses[0]
    assert status.decision and status.limit and status.limit.rule and two.statuses[0].decision
    await engine.release(status.key, status.limit.rule.id, status.decision.lease)
    await engine.release(status.key, "unknown", "1:x")
    assert not (await ask(engine, ("seats", "x"))).over and (await ask(engine, ("seats", "x"))).over


async def test_forgetting(engine: Engine, frozen: Any) -> None:
    await ask(engine, ("user", "ada"), hits=3)
    assert await engine.reset("d", [Descriptor((("user", "ada"),)), Descriptor((("free", "x"),))]) == 1
    assert not (await ask(engine, ("user", "ada"), hits=3)).over


async def test_without_the_store_a_limit_does_what_it_declares() -> None:
    from backendhub.kit.limits.redis import RedisLimits
    from backendhub.kit.redis import Redis

    text = (
        "domain: d\ndescriptors:\n"
        "  - {key: open, rate_limit: {unit: day, requests_per_unit: 1}}\n"
        "  - {key: closed, rate_limit: {unit: day, requests_per_unit: 1, fail: closed}}"
    )
    with socket.socket() as taken:  # bound and not listening: nobody answers here
        taken.bind(("127.0.0.1", 0))
        limits = RedisLimits(Redis(f"redis://127.0.0.1:{taken.getsockname()[1]}"))
        engine = Engine(limits, load([("limits", text)], Defaults()))
        for name, over in (("open", False), ("closed", True)):
            found = await ask(engine, (name, "x"))
            assert found.over is over and found.statuses[0].decision and found.statuses[0].decision.unsure


# -- a model -------------------------------------------------------------------------------------------------

MOVES = st.lists(
    st.tuples(st.sampled_from(["wait", "obey"]) | st.floats(0, 90), st.integers(1, 4)), max_size=30
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ALGORITHMS), st.integers(1, 8), st.integers(2, 20), MOVES)
def test_whoever_obeys_is_admitted_and_no_window_has_more(
    algorithm: str, amount: int, other: int, moves: list[Any]
) -> None:
    """Two limits on each request: after the wait that a refusal names both admit it."""
    text = (
        f"domain: d\ndescriptors:\n  - {{key: a, rate_limit: {{unit: minute, requests_per_unit: {amount}, "
        f"algorithm: {algorithm}}}}}\n  - {{key: b, rate_limit: {{unit: hour, requests_per_unit: {other}, "
        "algorithm: sliding-log}}"
    )
    now = [1_800_000_000.5]
    engine = Engine(MemoryLimits(clock=lambda: now[0]), load([("m", text)], Defaults()))
    admitted: list[tuple[float, int]] = []

    def ask_now(cost: int) -> Verdict:
        return asyncio.run(ask(engine, ("a", "x"), ("b", "x"), hits=cost))

    for move, cost in moves:
        cost = min(cost, amount, other)
        if isinstance(move, float):
            now[0] += move
        verdict = ask_now(cost)
        if verdict.over and move == "obey":
            refused = [s.decision for s in verdict.statuses if s.decision and s.over]
            now[0] += max(ceil(decision.retry_after_s) for decision in refused)
            verdict = ask_now(cost)
            assert not verdict.over
        if not verdict.over:
            admitted.append((now[0], cost))
    exact = {"sliding-log": amount, "concurrency": amount}.get(algorithm)
    for start, _ in admitted:
        assert sum(c for at, c in admitted if start <= at < start + 3600) <= other
        if exact is not None:
            assert sum(c for at, c in admitted if start <= at < start + 60) <= exact


def test_the_clock_is_the_kit_s(frozen: Any) -> None:
    engine = Engine(MemoryLimits(), load([("limits", LIMITS)], Defaults()))
    assert clock.steady() == clock.now().timestamp()
    assert not asyncio.run(ask(engine, ("user", "ada"), hits=3)).over
