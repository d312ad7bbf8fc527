"""The configuration of proxy-cache, and how fresh is fresh enough."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from backendhub.kit.edge.fields import directives
from backendhub.kit.errors import Invalid
from backendhub.systems.gateway.plugins.caching import Kept, ProxyCache


def made(**config: Any) -> ProxyCache:
    return ProxyCache({"strategy": "memory", **config}, "kong.yml: proxy-cache", "p1")


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"strategy": "redis"}, "strategy"),
        ({"response_code": [206]}, "206"),
        ({"response_code": "200"}, "list of statuses"),
        ({"request_method": ["POST"]}, "GET and HEAD"),
        ({"cache_ttl": 0}, "cache_ttl"),
        ({"memory": {"size": 1}}, "'size'"),
        ({"bypass_on_err": True}, "bypass_on_err"),
    ],
)
def test_mistakes_are_named(config: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid) as caught:
        made(**config)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("told", "age", "fresh"),
    [
        ("", 50, True), ("", 61, False), ("max-age=40", 50, False), ("max-stale=5", 64, True), ("max-stale=5", 66, False),
        ("max-stale", 10**6, True), ("min-fresh=20", 41, False), ("min-fresh=20", 40, True), ("max-age=70", 65, False),
    ],
)  # fmt: skip
def test_how_fresh_is_fresh_enough(told: str, age: float, fresh: bool) -> None:
    kept = Kept(200, [], b"", 0, 60)
    assert made(cache_control=True)._acceptable(kept, age, directives(told.encode())) is fresh


@pytest.mark.parametrize(
    ("fields", "ttl"),
    [
        ({}, None),
        ({"cache-control": "max-age=60"}, 60),
        ({"cache-control": "max-age=60", "age": "20"}, 40),
        ({"cache-control": "max-age=60, s-maxage=5"}, 5),
        ({"cache-control": "max-age=0"}, None),
        ({"cache-control": "max-age=60, no-cache"}, None),
        ({"expires": "Mon, 05 Jan 2026 10:00:00 GMT", "date": "Mon, 05 Jan 2026 09:59:00 GMT"}, 60),
        ({"cache-control": "max-age=60", "content-type": "text/html"}, None),
        ({"cache-control": "max-age=60", "content-type": "application/json; charset=utf-8"}, 60),
    ],
)
def test_how_long_the_upstream_lets_it_be_kept(fields: dict[str, str], ttl: float | None) -> None:
    pairs = [(n.encode(), v.encode()) for n, v in {"content-type": "application/json", **fields}.items()]
    assert made()._ttl(200, pairs, True) == ttl


def test_what_is_kept_comes_back_as_it_was() -> None:
    kept = Kept(404, [(b"x", b"\xe9\n"[:1]), (b"x", b"2")], b"\n\0body\n", 1.5, 60.0)
    assert Kept.decode(kept.encode()) == kept


def test_an_answer_that_would_fill_the_cache_is_not_kept() -> None:
    plugin = made(memory={"size_mb": 1})
    headers = [(b"content-type", b"text/plain")]
    context: Any = SimpleNamespace(
        incoming=SimpleNamespace(status=200, headers=headers, version="1.1", framed=True), method=b"GET", keep=None,
        request=SimpleNamespace(fields={}), consumer=None,
    )  # fmt: skip
    for size, count in ((plugin.most, 2), (plugin.most + 1, 0)):
        plugin.cache.clear()
        assert plugin._keeps(context, ("base", "key"))
        context.keep(b"x" * (size - 1), False)
        context.keep(b"x", True)
        assert len(plugin.cache._entries) == count
    context.incoming.framed = False  # whatever came before its connection ended may be a part only
    assert not plugin._keeps(context, ("base", "key"))
