"""Breakers around calls, bulkheads, retry budgets."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backendhub.kit.breaker import (
    Backoff,
    Breaker,
    Bulkhead,
    BulkheadFull,
    NotPermitted,
    Policy,
    RetryBudget,
    State,
)
from backendhub.kit.errors import Invalid

QUICK = Policy(size=2, minimum=2, half_open=1, wait_s=30, ignored=(KeyError,), recorded=(OSError,))


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def broken() -> None:
    raise OSError("down")


def test_calls_and_what_their_errors_mean() -> None:
    clock = Clock()
    breaker = Breaker("shop", QUICK, clock=clock)
    with pytest.raises(KeyError):
        breaker.call(lambda: {}["x"])
    with pytest.raises(ValueError):
        breaker.call(lambda: int("x"))  # not recorded: the other side has answered
    assert breaker.snapshot().sums == (1, 0, 0, 0)
    with pytest.raises(OSError):
        breaker.call(broken)
    assert breaker.snapshot().state is State.OPEN
    with pytest.raises(NotPermitted) as caught:
        breaker.call(broken)
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "30"})
    assert breaker.call(broken, fallback=lambda error: None) is None
    clock.now += 30
    assert breaker.call(lambda: 7) == 7 and breaker.snapshot().state is State.CLOSED
    types = [event.type for event in breaker.events]
    assert types == [
        "IGNORED_ERROR", "SUCCESS", "ERROR", "FAILURE_RATE_EXCEEDED", "STATE_TRANSITION", "NOT_PERMITTED",
        "NOT_PERMITTED", "STATE_TRANSITION", "SUCCESS", "STATE_TRANSITION",
    ]  # fmt: skip
    assert [e.text for e in breaker.events if e.type == "STATE_TRANSITION"] == [
        "CLOSED_TO_OPEN", "OPEN_TO_HALF_OPEN", "HALF_OPEN_TO_CLOSED",
    ]  # fmt: skip


async def test_blocks_in_event_loops() -> None:
    breaker = Breaker("shop", QUICK)
    async with breaker.aguard() as call:
        call.failed("503")
    async with breaker.aguard() as call:
        call.ignored("the client left")

    async def slow() -> None:
        await asyncio.sleep(30)

    for policy, counted in ((QUICK, 1), (Policy(size=5, minimum=5, cancelled="failure"), 1)):
        breaker = Breaker("c", policy) if policy is not QUICK else breaker
        task = asyncio.create_task(breaker.acall(slow))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert breaker.snapshot().sums.failed == counted

    async def fallback(error: Exception) -> str:
        return type(error).__name__

    async def fails() -> str:
        raise OSError

    assert await breaker.acall(fails, fallback=fallback) == "OSError"


async def test_a_cancelled_trial_gives_its_place_back() -> None:
    clock = Clock()
    breaker = Breaker("shop", QUICK, clock=clock)
    breaker.force(State.HALF_OPEN)
    with pytest.raises(asyncio.CancelledError):
        async with breaker.aguard():
            raise asyncio.CancelledError
    assert breaker.call(lambda: 1) == 1 and breaker.snapshot().state is State.CLOSED


def test_threads_in_half_open_are_exactly_so_many() -> None:
    breaker = Breaker("shop", Policy(half_open=7, minimum=100))
    breaker.force(State.HALF_OPEN)

    def ask(_: int) -> bool:
        try:
            breaker.acquire()
        except NotPermitted:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(200))) == 7


def test_steering_by_hand() -> None:
    breaker = Breaker("shop", QUICK)
    breaker.force(State.FORCED_OPEN)
    with pytest.raises(NotPermitted) as caught:
        breaker.acquire()
    assert caught.value.headers == {}
    breaker.reset()
    assert breaker.snapshot().state is State.CLOSED and breaker.events[-1].type == "RESET"


async def test_a_bulkhead_serves_in_order() -> None:
    bulkhead, order = Bulkhead("db", calls=2, waiting=2, wait_s=5), list[int]()

    async def work(n: int) -> None:
        async with bulkhead.place():
            assert bulkhead.inside <= 2
            await asyncio.sleep(0.01)
            order.append(n)

    tasks = [asyncio.create_task(work(n)) for n in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(BulkheadFull):
        await work(9)
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [0, 1, 3] and bulkhead.inside == 0
    async with bulkhead.place(), bulkhead.place():
        short = Bulkhead("x", calls=1, waiting=1, wait_s=0.01)
        async with short.place():
            with pytest.raises(BulkheadFull, match="within"):
                async with short.place():
                    raise AssertionError
        assert short.inside == 0
    with pytest.raises(Invalid):
        Bulkhead("x", calls=0)


def test_retries_are_a_part_of_the_calls() -> None:
    clock = Clock()
    budget = RetryBudget(ratio=0.1, floor=1, window_s=10, clock=clock)
    assert sum(budget.retry() for _ in range(50)) == 10  # one a second in any case
    for _ in range(100):
        budget.call()
    assert sum(budget.retry() for _ in range(50)) == 10
    clock.now += 10
    assert sum(budget.retry() for _ in range(50)) == 10


def test_pauses_spread_below_a_bound_that_doubles() -> None:
    backoff: Any = Backoff(first_s=0.1, most_s=1)
    for retry, most in ((1, 0.1), (2, 0.2), (4, 0.8), (5, 1), (100, 1)):
        found = [backoff.pause(retry) for _ in range(50)]
        assert max(found) <= most and len(set(found)) > 40
