"""What only the cache in memory promises: its bound, its clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backendhub.kit import clock
from backendhub.kit.cache import MemoryCache
from backendhub.kit.cache.memory import OVERHEAD


def test_the_least_recently_used_goes_first() -> None:
    cache = MemoryCache(3 * (OVERHEAD + 1 + 10))
    for key in "abc":
        cache.set(key, b"123456789")
    assert cache.get("a")
    cache.set("d", b"123456789")
    assert [key for key in "abcd" if cache.get(key)] == ["a", "c", "d"]


def test_what_is_larger_than_the_cache_is_not_kept_and_drives_nothing_out() -> None:
    cache = MemoryCache(1000)
    cache.set("a", 1)
    assert not cache.set("b", b"x" * 1000)
    cache.set("c", 1)
    assert not cache.set("c", b"x" * 1000)
    assert cache.get("a") == 1 and cache.get("b") is None and cache.get("c") is None


def test_it_goes_by_the_clock_of_the_kit() -> None:
    cache = MemoryCache()
    with clock.frozen("2026-01-05T09:00:00Z"):
        cache.set("k", 1, ttl=10)
    with clock.frozen("2026-01-05T09:00:09.999Z"):
        assert cache.get("k") == 1
    with clock.frozen("2026-01-05T09:00:10Z"):
        assert cache.get("k") is None and cache.delete("k") == 0


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 300), st.none() | st.integers(1, 5)), max_size=60)
)
def test_it_never_holds_more_than_its_bound(steps: list[tuple[int, int, int | None]]) -> None:
    now = [0.0]
    cache = MemoryCache(1500, clock=lambda: now[0])
    for key, size, ttl in steps:
        now[0] += 1
        if size % 7 == 0:
            cache.delete(str(key))
        else:
            cache.set(str(key), b"x" * size, ttl)
        assert cache.bytes <= 1500
        assert cache.bytes == sum(e.size for e in cache._entries.values())
