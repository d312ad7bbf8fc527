"""Units in threads: results, failures, one that is slow, many that come while others go."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from backendhub.kit.web.threads import Threads


@pytest.fixture(params=[0.005, 0], ids=["patient", "at once"])
def threads(request: pytest.FixtureRequest) -> Iterator[Threads]:
    made = Threads(4, patience_s=request.param)
    yield made
    made.close()


async def test_results_and_failures(threads: Threads) -> None:
    def fail() -> None:
        raise ValueError("no")

    results = await asyncio.gather(
        *(threads.run(lambda n=n: n * n) for n in range(50)), threads.run(fail), return_exceptions=True
    )
    assert results[:50] == [n * n for n in range(50)] and isinstance(results[50], ValueError)


async def test_they_come_and_go_for_long_and_none_is_forgotten(threads: Threads) -> None:
    async def client(n: int) -> int:
        total = 0
        for k in range(150):
            total += await asyncio.wait_for(threads.run(lambda k=k: k), 5)
            if (n + k) % 7 == 0:
                await asyncio.sleep(0)
        return total

    assert await asyncio.gather(*(client(n) for n in range(12))) == [sum(range(150))] * 12


async def test_a_slow_one_holds_nobody_up_for_long(threads: Threads) -> None:
    release = threading.Event()
    fast = [threads.run(lambda: 1) for _ in range(3)]
    slow = threads.run(lambda: release.wait(10))
    start = time.monotonic()
    results = await asyncio.gather(*fast, *(threads.run(lambda: 2) for _ in range(20)))
    assert results == [1] * 3 + [2] * 20 and time.monotonic() - start < 2
    assert not slow.done()
    release.set()
    assert await slow


async def test_no_more_threads_than_there_may_be(threads: Threads) -> None:
    release, inside, most = threading.Event(), [0], [0]
    lock = threading.Lock()

    def wait() -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        release.wait(10)
        with lock:
            inside[0] -= 1

    waiting = [threads.run(wait) for _ in range(10)]
    await asyncio.sleep(0.2)
    assert inside[0] == 4
    release.set()
    await asyncio.gather(*waiting)
    assert most[0] == 4


async def test_a_request_that_has_gone_away_is_passed_over(threads: Threads) -> None:
    gone = threads.run(lambda: time.sleep(0.02))
    gone.cancel()
    assert await threads.run(lambda: 3) == 3


def test_another_loop_and_the_end() -> None:
    before = set(threading.enumerate())  # others' threads of that name may be about to end
    made = Threads(2, patience_s=0.005)

    async def use() -> int:
        return int(await made.run(lambda: 4))

    assert [asyncio.run(use()), asyncio.run(use())] == [4, 4]
    running = [t for t in threading.enumerate() if t.name == "unit" and t not in before]
    made.close()
    assert running and not any(t.is_alive() for t in running)


async def test_what_is_begun_is_finished_before_the_end(threads: Threads) -> None:
    done: list[Any] = []
    future = threads.run(lambda: (time.sleep(0.05), done.append(1)))
    await asyncio.sleep(0.01)
    threads.close()
    assert done == [1]
    await future
