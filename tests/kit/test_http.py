"""The HTTP kit: retries, the cache in the store, credentials, and what each failure means."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from backendhub.kit import clock, hub
from backendhub.kit.db import Store
from backendhub.kit.errors import (
    Denied,
    HubError,
    Invalid,
    NotFound,
    TooMany,
    Unauthenticated,
    Upstream,
)
from backendhub.kit.http import Client, Credential, Http, Response, redact
from backendhub.kit.http.cache import Cache
from backendhub.kit.output import Output
from backendhub.kit.settings import Settings

BASE = "https://api.example.test"
SECRET = "s3cr3t-token-value-0123456789"
Make = Callable[..., Client]


@pytest.fixture
def err() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def hubs(tmp_path: Path, err: io.StringIO) -> Iterator[Callable[..., hub.Hub]]:
    """Makes hubs, as one run after another makes them, on one store."""
    made: list[hub.Hub] = []

    def make(**flags: str) -> hub.Hub:
        flags = {"database": str(tmp_path / "hub.db"), **flags}
        fresh = hub.Hub(Settings(flags, environ={}, path=tmp_path / "config.toml"))
        fresh.output = Output("plain", stdout=io.StringIO(), stderr=err)
        made.append(fresh)
        return fresh

    yield make
    for one in made:
        one.close()


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def client(hubs: Callable[..., hub.Hub], slept: list[float]) -> Make:
    """A client as a fresh run would have it; waits are noted, not waited."""

    def make(ttl: float = 0, secret: Credential | None = None, base: str = BASE, **flags: str) -> Client:
        current = hubs(**flags)
        http: Http = current.http
        if not http.offline:
            http.wire.sleep = slept.append
        hints = {"rate_limited": "wait", "unauthenticated": "log in"}
        return http.client(base_url=base, name="Example", ttl=ttl, secret=secret, hints=hints)

    return make


@respx.mock
def test_a_second_run_within_the_ttl_makes_no_request(client: Make) -> None:
    route = respx.get(BASE + "/a").respond(json={"n": 1})
    assert client(ttl=60).get("/a").json() == {"n": 1}
    again = client(ttl=60).get("/a")
    assert (again.json(), again.source, route.call_count) == ({"n": 1}, "cache", 1)


@respx.mock
def test_after_the_ttl_a_304_gives_the_stored_body_and_makes_it_young_again(client: Make) -> None:
    route = respx.get(BASE + "/a").mock(
        side_effect=[
            httpx.Response(200, json={"n": 1}, headers={"ETag": '"v1"', "Link": '<x>; rel="next"'}),
            httpx.Response(304, headers={"ETag": '"v1"', "X-RateLimit-Remaining": "7"}),
        ]
    )
    with clock.frozen("2026-01-05T09:00:00Z"):
        client(ttl=60).get("/a")
    with clock.frozen("2026-01-05T09:02:00Z"):
        second = client(ttl=60).get("/a")
        third = client(ttl=60).get("/a")
    assert route.calls[1].request.headers["if-none-match"] == '"v1"'
    assert (second.source, second.json(), second.remaining, second.next) == ("revalidated", {"n": 1}, 7, "x")
    assert (third.source, third.next, route.call_count) == ("cache", "x", 2)


@respx.mock
def test_last_modified_is_a_validator_too(client: Make) -> None:
    stamp = "Mon, 05 Jan 2026 09:00:00 GMT"
    route = respx.get(BASE + "/a").respond(json=[], headers={"Last-Modified": stamp})
    client().get("/a")
    client().get("/a")
    assert route.calls[1].request.headers["if-modified-since"] == stamp


@respx.mock
def test_the_server_may_ask_to_be_polled_less_often(client: Make) -> None:
    route = respx.get(BASE + "/a").respond(json=[], headers={"X-Poll-Interval": "600"})
    with clock.frozen("2026-01-05T09:00:00Z"):
        assert client(ttl=60).get("/a").poll_interval == 600
    with clock.frozen("2026-01-05T09:05:00Z"):
        client(ttl=60).get("/a")
    with clock.frozen("2026-01-05T09:10:01Z"):
        client(ttl=60).get("/a")
    assert route.call_count == 2


@respx.mock
def test_no_cache_asks_again_and_keeps_the_new_answer(client: Make) -> None:
    route = respx.get(BASE + "/a").mock(side_effect=[httpx.Response(200, json=n) for n in (1, 2)])
    assert client(ttl=60).get("/a").json() == 1
    assert client(ttl=60, cache="false").get("/a").json() == 2
    assert "if-none-match" not in route.calls[1].request.headers
    assert client(ttl=60).get("/a").json() == 2


@respx.mock
def test_credentials_do_not_share_answers_and_are_not_stored(client: Make, tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        echoed = SECRET if SECRET in f"{request.url} {request.headers}" else ""
        link = f"<{BASE}/a?p=2&k={echoed}>; rel=next"
        return httpx.Response(200, json={"who": "someone"}, headers={"Link": link, "Set-Cookie": "id=1"})

    respx.get(BASE + "/a").mock(side_effect=answer)
    token, key = Credential(SECRET), Credential(SECRET, query="api_key")
    for secret in (None, token, key, token, key):
        client(ttl=60, secret=secret).get("/a", {"x": 1})
    headers = [c.request.headers.get("authorization") for c in respx.calls]
    assert headers == [None, f"Bearer {SECRET}", None]
    assert [c.request.url.params.get("api_key") for c in respx.calls] == [None, None, SECRET]
    with sqlite3.connect(tmp_path / "hub.db") as raw:
        dump = "\n".join(raw.iterdump())
    raw.close()
    assert SECRET not in dump and dump.count('INSERT INTO "hub_http_cache"') == 3
    assert SECRET not in repr(token)


@respx.mock
def test_offline_answers_from_the_cache_and_says_how_old(client: Make, err: io.StringIO) -> None:
    route = respx.get(BASE + "/a").respond(json={"n": 1})
    with clock.frozen("2026-01-05T09:00:00Z"):
        client(ttl=60).get("/a")
    with clock.frozen("2026-01-05T12:00:00Z"):
        offline = client(ttl=60, offline="true")
        assert offline.get("/a").json() == {"n": 1}
        with pytest.raises(Upstream, match="not in the cache") as failure:
            offline.get("/b")
    assert route.call_count == 1 and failure.value.exit_code == 5
    assert err.getvalue() == "Example, offline (cached 3h ago)\n"


def test_offline_without_a_cache_is_a_contradiction(client: Make) -> None:
    with pytest.raises(Invalid, match="--offline"):
        client(offline="true", cache="false")


@respx.mock
def test_a_dead_network_gives_the_stale_answer_once_noted(
    client: Make, err: io.StringIO, slept: list[float]
) -> None:
    respx.get(BASE + "/a").respond(json=1)
    respx.get(BASE + "/b").respond(json=2)
    with clock.frozen("2026-01-05T09:00:00Z"):
        first = client()
        first.get("/a"), first.get("/b")
    respx.get(BASE + "/a").mock(side_effect=httpx.ConnectError("[Errno 111] Connection refused"))
    dead = respx.get(BASE + "/b").mock(side_effect=httpx.ConnectError("[Errno 111] Connection refused"))
    before = dead.call_count
    with clock.frozen("2026-01-05T12:30:00Z"):
        second = client()
        answers = [second.get("/a"), second.get("/b")]
        with pytest.raises(Upstream, match=r"Example cannot be reached: connection refused\."):
            second.get("/never-seen")
    assert [(a.json(), a.source) for a in answers] == [(1, "stale"), (2, "stale")]
    assert err.getvalue() == "Example cannot be reached: connection refused (cached 3h ago)\n"
    assert len(slept) == 2 and dead.call_count == before  # /b did not wait for what /a had found out


@respx.mock
def test_a_failing_server_is_retried_then_the_stale_answer_serves(client: Make, err: io.StringIO) -> None:
    route = respx.get(BASE + "/a").respond(json=1)
    client().get("/a")
    route.respond(503)
    assert client().get("/a").source == "stale"
    assert route.call_count == 1 + 3
    assert "Example answered 503 (cached just now)" in err.getvalue()


@respx.mock
@pytest.mark.parametrize(
    "trouble", [502, 503, 504, httpx.ConnectTimeout("t"), httpx.RemoteProtocolError("gone")]
)
def test_idempotent_requests_are_retried_with_jitter(client: Make, slept: list[float], trouble: Any) -> None:
    bad = httpx.Response(trouble) if isinstance(trouble, int) else trouble
    route = respx.get(BASE + "/a").mock(side_effect=[bad, bad, httpx.Response(200, json="ok")])
    assert client().get("/a").json() == "ok"
    assert route.call_count == 3 and len(slept) == 2
    assert 0 <= slept[0] <= 0.8 and 0 <= slept[1] <= 1.6


@respx.mock
def test_a_short_retry_after_is_waited_for_and_a_long_one_is_the_users_decision(
    client: Make, slept: list[float]
) -> None:
    respx.get(BASE + "/short").mock(
        side_effect=[httpx.Response(429, headers={"Retry-After": "2"}), httpx.Response(200, json=1)]
    )
    long = respx.get(BASE + "/long").respond(429, headers={"Retry-After": "90"})
    assert client().get("/short").json() == 1
    assert len(slept) == 1 and 2 <= slept[0] <= 2.25
    with clock.frozen("2026-01-05T09:00:00Z"), pytest.raises(TooMany, match=r"\(in 90s\)"):
        client().get("/long")
    assert long.call_count == 1


@respx.mock
def test_a_reset_time_is_told_in_local_time(client: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        with clock.frozen("2026-01-05T09:00:00Z"):
            reset = int(clock.parse("2026-01-05T09:23:10Z").timestamp())
            limits = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset)}
            respx.get(BASE + "/a").respond(403, json={"message": "API rate limit exceeded"}, headers=limits)
            with pytest.raises(TooMany) as failure:
                client().get("/a")
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert failure.value.message == "Example's rate limit is used up until 18:24 (in 24m)."
    assert (failure.value.exit_code, failure.value.hint) == (6, "wait")


@respx.mock
@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, Unauthenticated, 4),
        (403, Denied, 4),
        (404, NotFound, 3),
        (410, NotFound, 3),
        (422, Invalid, 2),
        (429, TooMany, 6),
        (500, Upstream, 5),
        (418, Upstream, 5),
    ],
)
def test_each_status_is_one_error(client: Make, status: int, kind: type[HubError], code: int) -> None:
    said = {"message": f"no, key={SECRET}\x1b[2J"}
    respx.get(BASE + "/a").respond(status, json=said)
    with pytest.raises(kind) as failure:
        client(secret=Credential(SECRET)).get("/a")
    assert type(failure.value) is kind and failure.value.exit_code == code
    assert SECRET not in failure.value.message


@respx.mock
def test_an_expected_status_is_an_answer(client: Make) -> None:
    respx.get(BASE + "/a").respond(404)
    assert client().get("/a", expect=(404,)).status == 404


@respx.mock
@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_an_upstream_failure(client: Make, body: bytes) -> None:
    respx.get(BASE + "/a").respond(200, content=body)
    with pytest.raises(Upstream, match="not JSON"):
        client().get("/a").json()


@respx.mock
def test_a_json_of_another_shape_is_an_upstream_failure(client: Make) -> None:
    respx.get(BASE + "/a").respond(json=["x"])
    answer = client().get("/a")
    for read in (answer.record, answer.records):
        with pytest.raises(Upstream, match="unexpected shape"):
            read()


@respx.mock
def test_an_answer_has_a_largest_size(client: Make) -> None:
    respx.get(BASE + "/a").respond(200, content=b"x" * 2_000_000)
    fat = client()
    fat._http.wire.max_body = 1_000_000
    with pytest.raises(Upstream, match="sent more than"):
        fat.get("/a")


@respx.mock
def test_pages_on_another_server_are_not_followed(client: Make) -> None:
    with pytest.raises(Upstream, match="another server"):
        client(secret=Credential(SECRET)).get("https://evil.example.test/page")
    respx.get(BASE + "/page?n=2").respond(json=2)
    assert client().get(BASE + "/page?n=2").json() == 2


@respx.mock
def test_a_redirect_elsewhere_loses_the_credential(client: Make) -> None:
    respx.get(BASE + "/a").respond(301, headers={"Location": "https://other.example.test/a"})
    other = respx.get("https://other.example.test/a").respond(json=1)
    client(secret=Credential(SECRET)).get("/a")
    assert "authorization" not in other.calls[0].request.headers


@respx.mock
def test_a_question_by_post_is_cached_by_its_body(client: Make) -> None:
    route = respx.post(BASE + "/graphql").mock(side_effect=lambda r: httpx.Response(200, content=r.content))
    for body in ({"q": 1}, {"q": 2}, {"q": 1}):
        assert client(ttl=60).query("/graphql", body).json() == body
    assert route.call_count == 2


@respx.mock
def test_debug_traces_without_the_credential(client: Make, err: io.StringIO) -> None:
    respx.get(BASE + "/a").respond(json=1)
    client(secret=Credential(SECRET, query="api_key"), debug="true").get("/a", {"page": 2})
    assert f"GET {BASE}/a?page=2 200 (" in err.getvalue() and SECRET not in err.getvalue()


@respx.mock
def test_a_read_only_store_only_costs_the_cache(client: Make, tmp_path: Path) -> None:
    route = respx.get(BASE + "/a").respond(json=1)
    (tmp_path / "hub.db").mkdir()  # neither readable nor writable, whoever runs this
    broken = client(ttl=60)
    assert [broken.get("/a").json() for _ in range(2)] == [1, 1]
    assert route.call_count == 2


@respx.mock
def test_the_cache_is_no_business_of_undo(client: Make, hubs: Callable[..., hub.Hub]) -> None:
    respx.get(BASE + "/a").respond(json=1)
    one = client(ttl=60)
    one._http._hub.begin("some command")  # type: ignore[attr-defined]
    one.get("/a")
    store = hubs().store
    assert store.read(lambda db: db.value("SELECT count(*) FROM hub_unit")) == 0
    assert store.read(lambda db: db.value("SELECT count(*) FROM hub_http_cache")) == 1


def test_the_cache_forgets_what_was_not_used_for_the_longest_time(hubs: Callable[..., hub.Hub]) -> None:
    store = hubs().store
    cache = Cache(store, max_rows=10, max_bytes=1000)

    def put(name: str, minute: int, size: int = 1) -> None:
        with clock.frozen(f"2026-01-05T09:{minute:02}:00Z"):
            cache.put(name, Response("Example", BASE, 200, {}, b"x" * size, clock.now()))

    def names() -> set[str]:
        return set(store.read(lambda db: [r[0] for r in db.fetch("SELECT key FROM hub_http_cache", {})]))

    for minute in range(11):
        put(f"k{minute}", minute)
    assert names() == {f"k{n}" for n in range(2, 11)}
    put("big", 20, 895)
    assert "big" in names() and len(names()) == 10
    put("bigger", 21, 890)
    assert names() == {"bigger"}
    put("too big", 22, 1001)
    assert "too big" not in names()


def test_the_cache_on_both_engines(store: Store) -> None:
    cache = Cache(store, max_rows=2)
    with clock.frozen("2026-01-05T09:00:00Z"):
        answer = Response("Example", BASE, 200, {"etag": '"1"', "x-other": "no"}, b"\x00\xff", clock.now())
        cache.put("a", answer), cache.put("a", answer)
    with clock.frozen("2026-01-05T12:00:00Z"):
        found = cache.get("a", "Example")
        assert found is not None and found.body == b"\x00\xff" and found.headers == {"etag": '"1"'}
        assert (found.age, found.source) == ("3h ago", "cache") and cache.get("b", "Example") is None
        cache.renew("a", found.because("revalidated", {"etag": '"2"'}).because("x"))
        renewed = cache.get("a", "Example")
        assert renewed is not None and renewed.headers == {"etag": '"2"'}
    with clock.frozen("2026-01-05T12:01:00Z"):
        for name in ("b", "c"):
            cache.put(name, answer)
        assert cache.broken is None and cache.get("a", "Example") is None


def test_a_store_that_takes_no_writes_still_answers(hubs: Callable[..., hub.Hub]) -> None:
    opened = hubs().store
    answer = Response("Example", BASE, 200, {}, b"1", clock.now())
    Cache(opened).put("a", answer)
    opened._db().connection.execute("PRAGMA query_only = ON")  # type: ignore[attr-defined]
    cache = Cache(opened)
    cache.put("b", answer)
    assert cache.broken is not None and cache.broken.exit_code == 7
    found = cache.get("a", "Example")
    assert found is not None and found.body == b"1" and cache.get("b", "Example") is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h/p?api_key=abc&x=1", "https://h/p?api_key=***&x=1"),
        ("https://u:p@h/p", "https://***@h/p"),
        ("see ?access_token=abc and " + SECRET, "see ?access_token=*** and ***"),
    ],
)
def test_redaction(text: str, shown: str) -> None:
    assert redact(text, SECRET) == shown


@pytest.mark.parametrize("base", ["", "ftp://h", "api.example.test", "https://"])
def test_a_base_that_is_no_address(client: Make, base: str) -> None:
    with pytest.raises(Invalid, match="not an address"):
        client(base=base)


def test_a_credential_with_a_line_break_is_refused() -> None:
    with pytest.raises(Invalid, match="credential"):
        Credential("abc\r\nX-Evil: 1")


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "1e9"])
def test_a_timeout_that_is_none(client: Make, timeout: str) -> None:
    with pytest.raises(Invalid, match="timeout"):
        client(timeout=timeout)


def test_a_fresh_cache_answers_without_httpx(client: Make, tmp_path: Path) -> None:
    with respx.mock:
        respx.get(BASE + "/a").respond(json={"n": 1})
        with clock.frozen("2026-01-05T09:00:00Z"):
            client(ttl=60).get("/a")
    code = (
        "import sys; from backendhub.kit import hub\n"
        f"answer = hub.current().http.client(base_url={BASE!r}, name='Example', ttl=60).get('/a')\n"
        "assert answer.json() == {'n': 1} and 'httpx' not in sys.modules, sorted(sys.modules)"
    )
    env = os.environ | {
        "BACKENDHUB_NOW": "2026-01-05T09:00:30Z",
        "BACKENDHUB_DATABASE": str(tmp_path / "hub.db"),
    }
    env["BACKENDHUB_CONFIG"] = str(tmp_path / "config.toml")
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_trace_of_the_request_being_served_goes_on(hub: Any) -> None:
    import httpx
    import respx

    from backendhub.kit import telemetry

    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    mark = telemetry.traceparent.set(trace)
    try:
        with respx.mock() as router:
            route = router.get("https://api.example/x").mock(return_value=httpx.Response(200, json={}))
            hub.http.client(base_url="https://api.example", name="Example").get("/x")
            assert route.calls.last.request.headers["traceparent"] == trace
    finally:
        telemetry.traceparent.reset(mark)
