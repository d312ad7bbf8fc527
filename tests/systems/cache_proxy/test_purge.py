"""Purges and what is told of the cache: by PURGE, over the interface, by whom."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backendhub.kit.errors import Denied
from backendhub.systems.cache_proxy import running
from backendhub.systems.cache_proxy.config import Config, size
from backendhub.systems.cache_proxy.purging import allow

from .conftest import response


def tagged(origin: Any, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
    tag = target.strip("/").partition("/")[0]
    return response(
        f"{origin.count}",
        Cache_Control="max-age=60",
        Surrogate_Key=f"all {tag}",
        Cache_Tag="t1, t 2",
        ETag='"e"',
    )


PATHS = ("/shop/1", "/shop/2", "/blog/1")


@pytest.fixture
def cache(start: Any) -> Any:
    made = start(tagged)
    for path in PATHS:
        made.get(path)
    made.settle()
    return made


def stored(cache: Any) -> list[str]:
    return sorted(o["target"] for o in cache.get("/_cache/objects").json())


def test_by_address(cache: Any) -> None:
    gone = cache.http.request("PURGE", "/shop/1")
    assert (gone.status_code, gone.json()) == (200, {"status": "ok", "purged": 1})
    assert cache.http.request("PURGE", "/shop/1").status_code == 404
    assert stored(cache) == ["/blog/1", "/shop/2"]


def test_by_tag(cache: Any) -> None:
    assert cache.http.request("PURGE", "/", headers={"surrogate-key": "shop other"}).json()["purged"] == 2
    assert stored(cache) == ["/blog/1"]
    assert cache.http.post("/_cache/purge", json={"tags": ["t 2"]}).status_code == 422
    assert cache.http.post("/_cache/purge", json={"tags": ["t1"]}).json() == {"purged": 1}


def test_over_the_interface(cache: Any) -> None:
    def purge(**body: Any) -> Any:
        return cache.http.post("/_cache/purge", json=body)

    assert purge(pattern="/shop/*").json() == {"purged": 2}
    assert purge(targets=["/blog/1", "/none"]).json() == {"purged": 1}
    assert purge().json() == {"purged": 0} and purge(pattern="shop").status_code == 422
    assert purge(tag=["shop"]).status_code == 422  # a slip is told, and purges nothing
    cache.get("/a")
    assert purge(everything=True).json() == {"purged": 1} and stored(cache) == []
    assert cache.get("/_check").json() == {"ok": True, "problems": [], "objects": 0}
    assert cache.get("/_cache/stats").json()["purged"] == 4


def test_soft(cache: Any) -> None:
    """What is marked stays, and is validated before it is used."""
    assert cache.http.request("PURGE", "/shop/1", headers={"fastly-soft-purge": "1"}).json()["purged"] == 1
    assert cache.http.post("/_cache/purge", json={"tags": ["blog"], "soft": True}).json() == {"purged": 1}
    assert len(stored(cache)) == 3
    before = cache.origin.count
    assert cache.get("/shop/1").headers["x-cache"] == "MISS" and cache.origin.count == before + 1
    assert cache.origin.seen[-1][2]["if-none-match"] == '"e"'
    assert cache.get("/shop/2").headers["x-cache"] == "HIT"


def test_variants_go_together(start: Any) -> None:
    cache = start(
        lambda o, m, t, headers, b: response(headers["foo"], Vary="Foo", Cache_Control="max-age=60")
    )
    for n in range(3):
        cache.get("/v", Foo=str(n))
    assert cache.http.request("PURGE", "/v").json()["purged"] == 3


def test_what_is_told(cache: Any) -> None:
    cache.get("/shop/1")
    [first, *_] = cache.get("/_cache/objects?prefix=/shop").json()
    assert (first["target"], first["hits"], first["where"], first["status"]) == ("/shop/1", 1, "memory", 200)
    assert first["freshness"] == "max-age=60" and 58 <= first["ttl"] <= 60 and "shop" in first["tags"]
    assert [o["target"] for o in cache.get("/_cache/objects?tag=blog").json()] == ["/blog/1"]
    counts = cache.get("/_cache/stats").json()
    assert (counts["hits"], counts["misses"], counts["objects"], counts["ratio"]) == (1, 3, 3, 0.25)
    told = cache.get("/_cache/explain?target=/shop/1").json()
    assert told["decision"] == "hit" and told["why"].startswith("fresh: max-age=60")
    told = cache.get("/_cache/explain?target=/shop/1&header=Cache-Control: no-cache").json()
    assert told["decision"] == "validate" and "no-cache" in told["why"]
    assert cache.get("/_cache/explain?target=/none").json()["decision"] == "miss"
    assert cache.get("/_cache/explain?target=none").status_code == 422
    page = cache.get("/_cache")
    assert (
        "33.3 %" not in page.text
        and "25.0 %" in page.text
        and "sha256-" in page.headers["content-security-policy"]
    )


def test_events(cache: Any) -> None:
    with cache.http.stream("GET", "/_cache/events") as stream:
        lines = stream.iter_lines()
        found = {}
        for line in lines:
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                found[name] = json.loads(line[6:])
                if len(found) == 2:
                    break
    assert found["counts"]["misses"] == 3 and "history" in found["history"]


def test_who_may() -> None:
    open_, secret = Config("http://x"), Config("http://x", token="s3cret")
    for client in ("127.0.0.1", "::1", "127.8.9.1"):
        allow(client, None, open_)
    for client, given, config in (
        ("10.0.0.1", None, open_),
        ("127.0.0.1", None, secret),
        ("::1", "Bearer x", secret),
    ):
        with pytest.raises(Denied):
            allow(client, given, config)
    allow("10.0.0.1", "Bearer s3cret", secret)


def test_a_token_is_asked_of_everybody(start: Any) -> None:
    cache = start(tagged, token="s3cret")
    for path in ("/_cache/stats", "/_cache/objects", "/_check", "/_cache"):
        assert cache.get(path).status_code == 403
        assert cache.get(path, Authorization="Bearer s3cret").status_code == 200
    assert cache.http.request("PURGE", "/a").status_code == 403
    assert cache.http.request("PURGE", "/a", headers={"authorization": "Bearer s3cret"}).status_code == 404
    assert cache.get("/a").status_code == 200


def test_what_is_ours_is_not_the_origins(cache: Any) -> None:
    assert cache.get("/livez").text == "ok\n" and "http_requests" in cache.get("/metrics").text
    assert cache.get("/docs").headers["x-cache"] == "MISS"  # but its documents are


def test_purges_of_other_processes(cache: Any) -> None:
    running.apply(cache.proxy, {"tags": ["shop"], "targets": [], "pattern": None, "everything": False})
    assert stored(cache) == ["/blog/1"]
    running.apply(cache.proxy, None)  # a gap: nobody knows what was missed
    assert stored(cache) == []


def test_without_an_origin(start: Any) -> None:
    cache = start(tagged, origin_="")
    cache.stop()
    from backendhub.systems.cache_proxy.proxy import Proxy

    assert Config("").disk is None and Proxy(Config("")).config.url == ""


@pytest.mark.parametrize(
    ("text", "bytes_"), [("10", 10), ("1kb", 1024), ("128MB", 128 * 1024**2), ("2 g", 2 * 1024**3)]
)
def test_sizes(text: str, bytes_: int) -> None:
    assert size(text) == bytes_


async def test_other_processes_are_told(redis_url: str) -> None:
    """PURGE, the interface and unsafe methods: what one process forgets, all forget."""
    import asyncio

    from backendhub import registry
    from backendhub.kit import edge, hub
    from backendhub.kit.settings import Settings
    from backendhub.systems.cache_proxy.proxy import Proxy

    declared = [o for s in registry.SYSTEMS for o in s.settings]
    flags = {"database": ":memory:", "redis": redis_url, "cache_proxy.origin": "http://x"}
    far = hub.Hub(Settings(flags, declared=declared))
    near = hub.Hub(Settings(flags, declared=declared))
    far.workers = near.workers = 2
    heard: list[object] = []
    listening = asyncio.create_task(running.listen(far))
    try:
        await asyncio.sleep(0.3)
        running.proxy(far).purging.keys = lambda keys, soft=False: heard.append((keys, soft)) or 0  # type: ignore[method-assign]
        request = edge.Request(b"PURGE", b"/a?x", [], {b"host": b"h"}, "1.1")
        request.hub = near
        await Proxy(Config("http://x")).tell(request, [b"/a?x"], soft=True)
        for _ in range(100):
            if heard:
                break
            await asyncio.sleep(0.02)
        assert heard == [([b"/a?x"], True)]
    finally:
        listening.cancel()
        far.close()
        near.close()
