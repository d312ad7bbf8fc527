"""Limits in memory and in Redis: the same suite on both, and each hit of one beside the other."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backendhub.kit import clock
from backendhub.kit.errors import Invalid
from backendhub.kit.limits import ALGORITHMS, Limits, MemoryLimits, Rule, TooManyHits
from backendhub.kit.limits.rules import BURSTING

NOW = "2026-01-05T09:00:00Z"


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
def at() -> Iterator[Callable[[float], None]]:
    """Holds the clock so many seconds after nine o'clock."""
    from contextlib import ExitStack
    from datetime import timedelta

    with ExitStack() as stack:

        def move(seconds: float) -> None:
            stack.enter_context(clock.frozen(clock.parse(NOW) + timedelta(seconds=seconds)))

        move(0)
        yield move


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_as_much_as_the_limit_and_again_when_it_said(limits: Limits, at: Any, algorithm: Any) -> None:
    rule = Rule(3, 60, algorithm)
    most = rule.most
    decisions = [limits.hit("ada", rule) for _ in range(most)]
    assert [d.allowed for d in decisions] == [True] * most
    assert [d.remaining for d in decisions] == [*range(most - 1, -1, -1)]
    refused = limits.hit("ada", rule)
    assert not refused.allowed and refused.limit == 3 and refused.remaining == 0 and not refused.unsure
    assert 0 < refused.reset_s <= refused.retry_after_s <= 120
    assert limits.hit("bob", rule).allowed
    assert limits.hit("ada", Rule(3, 60, algorithm, name="other")).allowed
    at(refused.retry_after_s)
    assert limits.hit("ada", rule).allowed


def test_costs_and_looks(limits: Limits, at: Any) -> None:
    rule = Rule(10, 60)
    assert limits.hit("k", rule, 7).remaining == 3
    assert not limits.hit("k", rule, 4).allowed
    assert limits.hit("k", rule, 3).remaining == 0
    looked = limits.hit("k", rule, 0)
    assert not looked.allowed and looked.remaining == 0
    assert limits.hit("new", rule, 0).remaining == 10 and limits.hit("new", rule, 10).allowed
    for cost in (11, -1):
        with pytest.raises(Invalid):
            limits.hit("k", rule, cost)


def test_several_rules_count_all_or_nothing(limits: Limits, at: Any) -> None:
    second, minute = Rule(2, 1, name="second"), Rule(3, 60, "token-bucket", name="minute")
    both = [("ada", second), ("ada", minute)]
    assert [d.remaining for d in limits.hit_all(both)] == [1, 2]
    limits.hit_all(both)
    first, other = limits.hit_all(both)
    assert (first.allowed, first.remaining, first.retry_after_s) == (False, 0, 1.0)
    assert (other.allowed, other.remaining) == (True, 1)
    at(1)
    assert [d.remaining for d in limits.hit_all(both)] == [1, 0]
    first, other = limits.hit_all(both)
    assert (first.allowed, first.remaining, other.allowed) == (True, 1, False) and other.retry_after_s == 19
    with pytest.raises(Invalid):
        limits.hit_all([("ada", second), ("ada", second)])
    with pytest.raises(Invalid):
        limits.hit_all([])


def test_each_rule_may_take_its_own_part(limits: Limits, at: Any) -> None:
    requests, octets, places = Rule(2, 60, name="r"), Rule(100, 60, name="b"), Rule(3, 60, "concurrency")
    pairs = [("k", requests), ("k", octets), ("k", places)]
    found = limits.hit_all(pairs, [1, 70, 2])
    assert [(d.allowed, d.remaining) for d in found] == [(True, 1), (True, 30), (True, 1)]
    assert [bool(d.lease) for d in found] == [False, False, True]
    assert [d.allowed for d in limits.hit_all(pairs, [1, 31, 1])] == [True, False, True]
    assert [d.remaining for d in limits.hit_all(pairs, [0, 30, 0])] == [1, 0, 1]  # two only look
    limits.release("k", found[2])
    assert limits.hit("k", places, 3).allowed
    for costs in ([1, 1], [1, 101, 1]):
        with pytest.raises(Invalid):
            limits.hit_all(pairs, costs)


async def test_keys_that_have_counts(limits: Limits, at: Any) -> None:
    short, long = Rule(5, 1, "gcra", name="a:b"), Rule(5, 3600, "fixed-window")
    for key, rule in (("x*:1", short), ("x*:1", long), ("x*:2", long), ("xy:3", long)):
        limits.hit(key, rule)
    assert {*limits.counted("x*:")} == {("x*:1", short.id), ("x*:1", long.id), ("x*:2", long.id)}
    assert {key for key, _ in await limits.acounted()} == {"x*:1", "x*:2", "xy:3"}
    assert len(limits.counted(limit=2)) == 2
    limits.reset("xy:3", long)
    assert limits.counted("xy") == []


def test_a_leaky_bucket_says_how_long_to_wait(limits: Limits, at: Any) -> None:
    rule = Rule(4, 1, "leaky-bucket", burst=2)
    assert [limits.hit("k", rule).delay_s for _ in range(3)] == [0, 0.25, 0.5]
    refused = limits.hit("k", rule)
    assert not refused.allowed and refused.retry_after_s == 0.25
    at(10)
    assert limits.hit("k", rule).delay_s == 0


def test_places_are_given_back(limits: Limits, at: Any) -> None:
    rule = Rule(2, 30, "concurrency")
    one, two = limits.hit("k", rule), limits.hit("k", rule)
    assert one.lease and one.lease != two.lease and not limits.hit("k", rule).allowed
    limits.release("k", one)
    limits.release("k", one)
    three = limits.hit("k", rule)
    assert three.allowed and not limits.hit("k", rule).allowed
    at(30)  # nobody gave them back: the leases have ended
    assert limits.hit("k", rule, 2).allowed
    with pytest.raises(TooManyHits), limits.holding("k", rule):
        raise AssertionError
    with limits.holding("other", rule, 2):
        assert not limits.hit("other", rule).allowed
    assert limits.hit("other", rule, 0).remaining == 2


def test_forgetting(limits: Limits, at: Any) -> None:
    rule = Rule(1, 60)
    limits.hit("k", rule)
    assert not limits.hit("k", rule).allowed
    limits.reset("k", rule)
    assert limits.hit("k", rule).allowed


async def test_the_calls_for_event_loops(limits: Limits) -> None:
    rule, places = Rule(5, 3600, "fixed-window"), Rule(3, 60, "concurrency")
    decisions = await asyncio.gather(*(limits.ahit("k", rule) for _ in range(20)))
    assert sum(d.allowed for d in decisions) in (5, 10)  # ten where the hour has struck meanwhile
    assert [d.allowed for d in await limits.ahit_all([("a", rule), ("b", rule)])] == [True, True]
    async with limits.aholding("k", places, 3) as held:
        assert not (await limits.ahit("k", places)).allowed and held.remaining == 0
        with pytest.raises(TooManyHits):
            async with limits.aholding("k", places):
                raise AssertionError
    assert (await limits.ahit("k", places, 0)).remaining == 3
    await limits.areset("k", rule)
    assert (await limits.ahit("k", rule)).remaining == 4


def test_threads_together_get_the_limit(limits: Limits) -> None:
    rule = Rule(50, 3600, "gcra")
    with ThreadPoolExecutor(8) as pool:
        allowed = list(pool.map(lambda _: limits.hit("k", rule).allowed, range(200)))
    assert sum(allowed) == 50


# -- one beside the other ------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(st.sampled_from(["move", "back", "stay"]), st.floats(0, 1), st.integers(0, 5)), max_size=25
)


@pytest.mark.redis
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limit=st.integers(1, 9) | st.just(1_000_000),
    period=st.sampled_from([60, 90.5, 3600, 86_400]),
    burst=st.none() | st.integers(1, 12),
    steps=STEPS,
)
def test_redis_decides_what_memory_decides(
    redis_url: str, algorithm: Any, limit: int, period: float, burst: int | None, steps: Any
) -> None:
    from uuid import uuid4

    from backendhub.kit.limits.redis import RedisLimits
    from backendhub.kit.redis import Redis

    now, key = [1_800_000_000.25], uuid4().hex
    redis = Redis(redis_url)
    memory, shared = MemoryLimits(clock=lambda: now[0]), RedisLimits(redis, clock=lambda: now[0])
    rule = Rule(limit, period, algorithm, burst if algorithm in BURSTING else None)
    for kind, part, cost in steps:
        now[0] += {"move": part * period, "back": -part * period / 10, "stay": 0}[kind]
        cost = min(cost, rule.most) if limit < 10 else min(cost * 300_000, rule.most)
        one, other = memory.hit(key, rule, cost), shared.hit(key, rule, cost)
        assert one._replace(lease="") == other._replace(lease="")
    redis.close()


# -- three processes -----------------------------------------------------------------------------------------

HITTER = """
import json, sys, threading, time
from backendhub.kit.limits import Rule
from backendhub.kit.limits.redis import RedisLimits
from backendhub.kit.redis import Redis
url, rules, seconds = sys.argv[1], json.loads(sys.argv[2]), float(sys.argv[3])
limits, found = RedisLimits(Redis(url)), []
rules = [Rule(*rule) for rule in rules]
sys.stdin.readline()
until = time.monotonic() + seconds
while time.monotonic() < until:
    for n, rule in enumerate(rules):
        before = time.monotonic()
        if limits.hit("shared", rule).allowed:
            found.append((n, before, time.monotonic()))
print(json.dumps(found))
"""


@pytest.mark.redis
def test_three_processes_together_never_admit_more(redis_url: str) -> None:
    rules: list[Any] = [[40, 3600, name] for name in ("fixed-window", "sliding-log", "gcra", "concurrency")]
    rules += [[15, 0.2, "sliding-log"], [15, 0.2, "token-bucket"]]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", HITTER, redis_url, json.dumps(rules), "1.0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    admitted = [hit for process in running for hit in json.loads(process.communicate(timeout=60)[0])]
    assert all(process.returncode == 0 for process in running)
    counts = [sum(n == wanted for n, _, _ in admitted) for wanted in range(len(rules))]
    assert counts[0] in (40, 80) and counts[1] == counts[3] == 40 and counts[2] in (40, 41)
    # Redis decided somewhere between `before` and `after`: so many hits so surely within one period would be wrong.
    for wanted, most in ((4, 15), (5, 15 + 15)):
        times = sorted((before, after) for n, before, after in admitted if n == wanted)
        assert len(times) > most
        for at in range(len(times) - most):
            span = times[at : at + most + 1]
            assert max(after for _, after in span) - span[0][0] > 0.2, (wanted, span)
