"""The cache, in memory and in Redis: the same suite on both."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from backendhub.kit.cache import Cache, MemoryCache
from backendhub.kit.errors import Invalid, StoreError


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[], Cache]]:
    """Makes caches over one store: the memory of this process, or a Redis that several processes see."""
    if request.param == "memory":
        cache = MemoryCache()
        yield lambda: cache
        return
    from backendhub.kit.cache.redis import RedisCache
    from backendhub.kit.redis import Redis

    made = []

    def one() -> Cache:
        made.append(Redis(request.getfixturevalue("redis_url")))
        return RedisCache(made[-1])

    request.getfixturevalue("redis_url")
    yield one
    for redis in made:
        redis.close()


@pytest.fixture
def cache(make: Callable[[], Cache]) -> Cache:
    return make()


@dataclass(frozen=True)
class Point:
    x_axis: int
    at: datetime


VALUES = [
    None, True, False, 0, -5, 2**60, 1.5, "", "caf\u00e9 \u2603", [], [1, [2, None]], {}, {"a": {"b": [1.5, "x"]}},
    b"", b"\x00\xff", b'{"a":1}', "\x00",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_is_kept_comes_back(cache: Cache, value: Any) -> None:
    assert cache.set("k", value)
    found = cache.get("k", "default")
    assert found == value and type(found) is type(value)


def test_records_come_back_as_json_has_them(cache: Cache) -> None:
    cache.set("k", [Point(1, datetime(2026, 1, 5, tzinfo=UTC))])
    assert cache.get("k") == [{"xAxis": 1, "at": "2026-01-05T00:00:00Z"}]


def test_what_is_no_json_is_refused(cache: Cache) -> None:
    for value in (object(), [object()], {"a": b"x"}, float("nan")):
        with pytest.raises(Invalid):
            cache.set("k", value)
    assert cache.get("k", "nothing") == "nothing"


def test_a_miss_is_the_default_and_a_none_is_none(cache: Cache) -> None:
    assert cache.get("k") is None and cache.get("k", 7) == 7
    cache.set("k", None)
    assert cache.get("k", 7) is None


def test_values_do_not_share_anything_with_who_gave_them(cache: Cache) -> None:
    given = {"a": [1]}
    cache.set("k", given)
    given["a"].append(2)
    found = cache.get("k")
    found["a"].append(3)
    assert cache.get("k") == {"a": [1]}


def test_lifetimes_end(cache: Cache) -> None:
    cache.set("short", 1, ttl=0.03)
    cache.set("long", 1, ttl=60)
    cache.set("ever", 1)
    assert cache.get("short") == 1
    time.sleep(0.05)
    assert [cache.get(k) for k in ("short", "long", "ever")] == [None, 1, 1]
    for ttl in (0, -1):
        with pytest.raises(Invalid):
            cache.set("k", 1, ttl=ttl)


def test_setting_again_replaces_value_and_lifetime(cache: Cache) -> None:
    cache.set("k", 1, ttl=0.03)
    cache.set("k", 2)
    time.sleep(0.05)
    assert cache.get("k") == 2


def test_deleting(cache: Cache) -> None:
    cache.set("a", 1)
    cache.set("b", 1)
    assert cache.delete("a", "b", "c") == 2 and cache.delete("a") == 0 and cache.delete() == 0
    assert cache.get("a") is None


def test_counting(cache: Cache) -> None:
    assert [cache.incr("n"), cache.incr("n", 5), cache.incr("n", -7), cache.get("n")] == [1, 6, -1, -1]
    cache.set("n", 10)
    assert cache.incr("n") == 11
    for value in ("x", 1.5, [1], b"5", 2**63 - 1):
        cache.set("n", value)
        with pytest.raises(Invalid):
            cache.incr("n")
        assert cache.get("n") == value


def test_a_count_lives_from_its_first_increment(cache: Cache) -> None:
    started = time.monotonic()
    cache.incr("n", ttl=0.6)
    time.sleep(0.3)
    second = cache.incr("n", ttl=0.6)
    assert second == 2 or time.monotonic() - started > 0.6  # the machine may be slow
    time.sleep(0.4)
    assert cache.incr("n", ttl=0.6) == 1 or second == 1
    cache.incr("ever")
    assert cache.incr("ever", ttl=0.01) == 2
    time.sleep(0.03)
    assert cache.get("ever") == 2


def test_parallel_counts_lose_nothing(make: Callable[[], Cache]) -> None:
    caches = [make() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda c: [c.incr("n", ttl=60) for _ in range(50)], caches))
    assert caches[0].get("n") == 200


def test_spaces_meet_nobody_else(cache: Cache) -> None:
    one, two = cache.space("one"), cache.space("two")
    one.set("k", 1)
    two.set("k", 2)
    one.incr("n")
    assert (one.get("k"), two.get("k"), two.get("n"), cache.get("k")) == (1, 2, None, None)
    two.clear()
    assert (one.get("k"), two.get("k")) == (1, None)
    assert one.delete("k") == 1 and cache.space("one") is one


def test_clearing_takes_prefixes_literally(cache: Cache) -> None:
    for key in ("a*b:1", "axb:1", "a*b:2", "[a]", "a"):
        cache.set(key, 1)
    cache.clear("a*b:")
    assert [k for k in ("a*b:1", "axb:1", "a*b:2", "[a]", "a") if cache.get(k)] == ["axb:1", "[a]", "a"]
    cache.clear()
    assert cache.get("a") is None


# -- one computation -----------------------------------------------------------------------------------------


def test_threads_that_miss_compute_once(make: Callable[[], Cache]) -> None:
    """24 threads, 8 of them over a connection of their own: another process, for Redis."""
    made, caches = [], [make() for _ in range(3)]
    start = threading.Barrier(24)

    def compute() -> int:
        time.sleep(0.05)
        made.append(1)
        return 42

    def ask(n: int) -> int:
        start.wait()
        return caches[n % 3].get_or_set("k", compute, ttl=60)

    with ThreadPoolExecutor(24) as pool:
        assert set(pool.map(ask, range(24))) == {42}
    assert made == [1]


async def test_tasks_that_miss_compute_once(make: Callable[[], Cache]) -> None:
    made, caches = [], [make() for _ in range(3)]

    async def compute() -> list[int]:
        await asyncio.sleep(0.03)
        made.append(1)
        return [42]

    results = await asyncio.gather(*(caches[n % 3].aget_or_set("k", compute, ttl=60) for n in range(60)))
    assert results == [[42]] * 60 and made == [1]
    assert await caches[0].aget("k") == [42]


def test_a_none_is_computed_once_too(cache: Cache) -> None:
    made = []
    for _ in range(3):
        assert cache.get_or_set("k", lambda: made.append(1)) is None
    assert made == [1]


async def test_a_failure_is_told_to_all_who_wait_and_kept_for_nobody(cache: Cache) -> None:
    made = []

    async def fail() -> int:
        made.append(1)
        await asyncio.sleep(0.01)
        raise StoreError("no")

    results = await asyncio.gather(*(cache.aget_or_set("k", fail) for _ in range(5)), return_exceptions=True)
    assert [str(r) for r in results] == ["no"] * 5 and made == [1]
    assert cache.get_or_set("k", lambda: 7) == 7


def test_a_failing_thread_tells_those_who_wait(cache: Cache) -> None:
    start = threading.Barrier(4)

    def fail() -> int:
        time.sleep(0.03)
        raise StoreError("no")

    def ask() -> str:
        start.wait()
        with pytest.raises(StoreError) as caught:
            cache.get_or_set("k", fail)
        return caught.value.message

    with ThreadPoolExecutor(4) as pool:
        assert {f.result() for f in [pool.submit(ask) for _ in range(4)]} == {"no"}


async def test_one_that_goes_away_takes_the_computation_from_nobody(cache: Cache) -> None:
    made = []

    async def compute() -> int:
        await asyncio.sleep(0.03)
        made.append(1)
        return 1

    first = asyncio.create_task(cache.aget_or_set("k", compute))
    await asyncio.sleep(0.005)
    second = asyncio.create_task(cache.aget_or_set("k", compute))
    await asyncio.sleep(0.005)
    first.cancel()
    assert await second == 1 and made == [1]
    assert first.cancelled()


def test_asking_for_itself_is_an_error_and_no_standstill(cache: Cache) -> None:
    with pytest.raises(RuntimeError):
        cache.get_or_set("k", lambda: cache.get_or_set("k", lambda: 1))
    assert cache.get_or_set("k", lambda: cache.get_or_set("other", lambda: 2)) == 2


async def test_the_calls_for_event_loops(cache: Cache) -> None:
    assert await cache.aset("k", {"a": 1}, ttl=60) and await cache.aget("k") == {"a": 1}
    assert await cache.aincr("n", 2, ttl=60) == 2 and cache.get("n") == 2
    assert await cache.adelete("k", "n", "x") == 2 and await cache.adelete() == 0
    assert await cache.aget("k", 9) == 9
    with pytest.raises(Invalid):
        await cache.aset("s", "text")
        await cache.aincr("s")
    space = cache.space("one")
    await space.aset("k", 1)
    assert await space.aget("k") == 1 and await space.aincr("n") == 1 and cache.get("k") is None
    assert await space.aget_or_set("k", lambda: asyncio.sleep(0, 5)) == 1 and await space.adelete("k") == 1
