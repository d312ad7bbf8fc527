"""The cache between real sockets: what the origin is asked, and what clients get."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from backendhub.kit import clock

from .conftest import response


def constant(*args: Any, **fields: Any) -> Any:
    data = response(*args, **fields)
    return lambda origin, method, target, headers, body: data


def counting(**fields: Any) -> Any:
    """The body says how often the origin was asked."""
    return lambda origin, method, target, headers, body: response(f"{origin.count}", **fields)


def rest(link: socket.socket) -> bytes:
    data = b""
    try:
        while part := link.recv(65536):
            data += part
    except ConnectionResetError:
        pass
    return data


def test_a_miss_and_a_hit(start: Any) -> None:
    cache = start(constant("hello", Cache_Control="max-age=60", Surrogate_Key="a b", Server="x"))
    first, second = cache.get("/a?x=1"), cache.get("/a?x=1")
    assert first.headers["x-cache"] == "MISS" and second.headers["x-cache"] == "HIT"
    assert first.headers["cache-status"] == "backendhub; fwd=uri-miss; fwd-status=200; stored"
    assert second.headers["cache-status"] in ("backendhub; hit; ttl=59", "backendhub; hit; ttl=60")
    assert second.headers["x-hub-why"].startswith("fresh: max-age=60, age ")
    assert first.text == second.text == "hello" and second.headers["age"] in "01"
    assert first.headers["date"] == second.headers["date"] and second.headers["server"] == "x"
    assert "surrogate-key" not in first.headers and "surrogate-key" not in second.headers
    assert cache.get("/a?x=2").headers["x-cache"] == "MISS"
    head = cache.http.head("/a?x=1")
    assert head.headers["x-cache"] == "HIT" and head.headers["content-length"] == "5"
    assert cache.origin.count == 2
    method, target, sent = cache.origin.seen[0]
    assert (method, target) == ("GET", "/a?x=1")
    assert sent["host"] == f"127.0.0.1:{cache.origin.port}" and sent["via"] == "1.1 backendhub"


@pytest.mark.parametrize(
    "told", ["no-store", "private", "private, max-age=60", "max-age=0", "no-store, s-maxage=60"]
)
def test_what_is_for_one_client_is_not_kept(start: Any, told: str) -> None:
    cache = start(counting(Cache_Control=told))
    assert [cache.get().text for _ in range(3)] == ["1", "2", "3"]
    assert len(cache.proxy.shelf) == 0


def test_credentials_do_not_leak(start: Any) -> None:
    cache = start(counting(Cache_Control="max-age=60"))
    assert cache.get(Authorization="Bearer a").text == "1"
    assert cache.get(Authorization="Bearer b").text == "2"
    assert cache.get().text == "3"  # and what comes without credentials is for all
    assert cache.get(Authorization="Bearer c").text == "3"


def test_variants(start: Any) -> None:
    def answer(origin: Any, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        return response(headers.get("foo", "none"), Vary="Foo", Cache_Control="max-age=60")

    cache = start(answer)
    for _ in range(2):
        assert [cache.get(Foo="1").text, cache.get(Foo="2").text, cache.get().text] == ["1", "2", "none"]
    assert cache.origin.count == 3
    assert cache.get(Foo="3").headers["cache-status"].startswith("backendhub; fwd=vary-miss")
    assert len(cache.proxy.shelf) == 4


def test_a_thousand_misses_are_one_fetch(start: Any) -> None:
    """Every client gets the whole body, though the origin is asked once."""

    def answer(*_: Any) -> list[Any]:
        whole = response("x" * 50_000, Cache_Control="max-age=60")
        return [whole[:100], 0.3, whole[100:30_000], 0.3, whole[30_000:]]

    cache = start(answer)
    links = [cache.connect() for _ in range(1000)]
    for link in links:
        link.sendall(b"GET /same HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answers = [rest(link) for link in links]
    for link in links:
        link.close()
    assert cache.origin.count == 1
    assert all(answer.endswith(b"x" * 50_000) and b"200 OK" in answer for answer in answers)
    assert cache.proxy.stats.collapsed + cache.proxy.stats.hits == 999
    assert sum(b"collapsed" in answer for answer in answers) == cache.proxy.stats.collapsed > 50


def test_what_turns_out_private_is_shared_with_nobody(start: Any) -> None:
    """Those who waited are asked for one by one, and for a while nobody waits any more."""

    def answer(origin: Any, method: str, target: str, headers: dict[str, str], body: bytes) -> list[Any]:
        number = origin.count
        return [0.1, response(f"for {headers['x-who']} {number}", Cache_Control="private", Set_Cookie="s=1")]

    cache = start(answer)
    with ThreadPoolExecutor(20) as pool:
        texts = list(pool.map(lambda n: cache.get("/me", X_Who=f"{n}").text, range(20)))
    assert [text.split()[1] for text in texts] == [str(n) for n in range(20)]
    assert cache.origin.count == 20
    begun = time.monotonic()
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda n: cache.get("/me", X_Who=f"{n}"), range(10)))
    assert time.monotonic() - begun < 1  # side by side, not one after the other


def test_who_waited_for_another_variant_gets_his_own(start: Any) -> None:
    def answer(origin: Any, method: str, target: str, headers: dict[str, str], body: bytes) -> list[Any]:
        return [0.1, response(headers["foo"], Vary="Foo", Cache_Control="max-age=60")]

    cache = start(answer)
    with ThreadPoolExecutor(12) as pool:
        texts = list(pool.map(lambda n: cache.get(Foo=f"{n % 3}").text, range(12)))
    assert texts == [f"{n % 3}" for n in range(12)]


@pytest.mark.parametrize("length", [True, False])
def test_what_is_cut_short_is_never_stored(start: Any, length: bool) -> None:
    def answer(*_: Any) -> list[Any]:
        if length:
            return [response("x" * 1000, Cache_Control="max-age=60")[:-1], None]
        return [
            b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            None,
        ]

    cache = start(answer)
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            cache.get("/cut")
    cache.settle()
    assert len(cache.proxy.shelf) == 0 and cache.origin.count == 2 and cache.proxy.stats.truncated == 2


def test_what_has_no_end_of_its_own_is_passed_on_but_not_stored(start: Any) -> None:
    cache = start(lambda *_: [b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n\r\nhello", None])
    assert [cache.get().text, cache.get().text] == ["hello", "hello"]
    assert "nothing says where" in cache.get().headers["x-hub-why"] and len(cache.proxy.shelf) == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
)
def test_answers_with_two_readings_are_502(start: Any, raw: bytes) -> None:
    cache = start(lambda *_: [raw, None])
    answer = cache.get()
    assert answer.status_code == 502 and answer.json()["code"] == "bad_gateway"
    assert len(cache.proxy.shelf) == 0


def test_what_follows_an_answer_is_no_answer(start: Any) -> None:
    """An origin that sends two answers for one request: the second must not meet the next client."""
    cache = start(
        lambda *_: response("one", Cache_Control="no-store") + response("evil", Cache_Control="max-age=60")
    )
    assert [cache.get(f"/{n}").text for n in range(5)] == ["one"] * 5


def test_an_origin_that_is_away(start: Any) -> None:
    cache = start(counting(Cache_Control="max-age=60"))
    cache.origin.close()
    away = cache.get("/new")
    assert away.status_code == 502 and away.headers["content-type"] == "application/problem+json"
    assert cache.get("/new", Cache_Control="only-if-cached").status_code == 504


def test_an_origin_that_takes_too_long_is_504(start: Any) -> None:
    cache = start(lambda *_: [1.5, response()], timeout="0.3")
    assert cache.get().status_code == 504


def test_stale_answers_while_the_origin_is_away(start: Any) -> None:
    cache = start(counting(Cache_Control="max-age=60", ETag='"a"'))
    strict = start(counting(Cache_Control="max-age=60, must-revalidate"))
    for each in (cache, strict):
        assert each.get().text == "1"
        [entry] = each.proxy.shelf
        entry.fresh.born -= 100
        entry.until = entry.fresh.until
        each.origin.close()
        each.proxy.origin.close()
    stale = cache.get()
    assert stale.text == "1" and stale.headers["x-cache"] == "HIT" and int(stale.headers["age"]) >= 100
    assert "out of reach" in stale.headers["x-hub-why"] and "fwd=stale" in stale.headers["cache-status"]
    assert strict.get().status_code == 502


def age(cache: Any, seconds: float) -> None:
    """Lets time pass for everything that is stored."""
    for entry in cache.proxy.shelf:
        entry.fresh.born -= seconds
        entry.until = entry.fresh.until


def test_stale_if_error(start: Any) -> None:
    def answer(origin: Any, *_: Any) -> bytes:
        if origin.count == 1:
            return response("good", Cache_Control="max-age=1, stale-if-error=60")
        return response("broken", "503 Service Unavailable")

    cache = start(answer)
    cache.get()
    age(cache, 10)
    kept = cache.get()
    assert (kept.status_code, kept.text) == (200, "good") and "fwd-status=503" in kept.headers["cache-status"]
    age(cache, 100)
    assert cache.get().status_code == 503


def test_stale_while_revalidate(start: Any) -> None:
    """The stale answer comes at once; one fetch, however many ask meanwhile."""

    def answer(origin: Any, *_: Any) -> list[Any]:
        return [
            0.2 * (origin.count > 1),
            response(f"{origin.count}", Cache_Control="max-age=5, stale-while-revalidate=60"),
        ]

    cache = start(answer)
    cache.get()
    age(cache, 10)
    begun = time.monotonic()
    stale = [cache.get() for _ in range(5)]
    assert time.monotonic() - begun < 0.2
    assert [s.text for s in stale] == ["1"] * 5 and "stale-while-revalidate=60" in stale[0].headers[
        "x-hub-why"
    ]
    cache.settle()
    assert cache.origin.count == 2
    assert cache.get().text == "2"


def validating(origin: Any, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
    """An origin with one version; `X-Count` says how often it was asked."""
    if headers.get("if-none-match") == '"v1"':
        return f'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\nCache-Control: max-age=30\r\nX-Count: {origin.count}\r\n\r\n'.encode()
    return response("body", ETag='"v1"', Cache_Control="max-age=10", X_Count=str(origin.count), X_Kept="yes")


def test_validation(start: Any) -> None:
    cache = start(validating)
    cache.get()
    age(cache, 20)
    validated = cache.get()
    assert (
        validated.text == "body"
        and validated.headers["x-count"] == "2"
        and validated.headers["x-kept"] == "yes"
    )
    assert "fwd-status=304" in validated.headers["cache-status"] and validated.headers["x-cache"] == "HIT"
    assert cache.origin.seen[1][2]["if-none-match"] == '"v1"'
    assert cache.get().headers["cache-status"].startswith("backendhub; hit; ttl=")  # fresh for another 30 s
    assert cache.get(Cache_Control="no-cache").headers["x-count"] == "3"
    age(cache, 100)
    with ThreadPoolExecutor(20) as pool:
        assert {r.text for r in pool.map(lambda _: cache.get(), range(20))} == {"body"}
    assert cache.origin.count in (4, 5)  # together


def test_a_304_about_something_else_is_not_believed(start: Any) -> None:
    def answer(origin: Any, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        if "if-none-match" in headers:
            return b'HTTP/1.1 304 Not Modified\r\nETag: "other"\r\n\r\n'
        return response(f"{origin.count}", ETag='"mine"', Cache_Control="max-age=10")

    cache = start(answer)
    cache.get()
    age(cache, 20)
    assert cache.get().text == "3"  # asked again, without a condition


def test_conditions_of_clients(start: Any) -> None:
    cache = start(validating)
    first = cache.get(If_None_Match='"v1"')  # the whole is fetched for everybody, and this client has it
    assert (first.status_code, first.text, first.headers["etag"]) == (304, "", '"v1"')
    assert "if-none-match" not in cache.origin.seen[0][2]
    cache.settle()
    assert cache.get(If_None_Match='W/"v1", "x"').status_code == 304
    assert cache.get(If_None_Match='"x"').text == "body"
    assert cache.origin.count == 1


def test_ranges(start: Any) -> None:
    cache = start(constant("0123456789", Cache_Control="max-age=60", ETag='"a"'))
    passed = cache.get(Range="bytes=0-1")  # nothing is stored: the origin may do as it likes
    assert passed.text == "0123456789" and cache.origin.seen[0][2]["range"] == "bytes=0-1"
    cache.settle()
    part = cache.get(Range="bytes=2-4")
    assert (part.status_code, part.text, part.headers["content-range"]) == (206, "234", "bytes 2-4/10")
    assert part.headers["x-cache"] == "HIT" and part.headers["content-length"] == "3"
    assert cache.get(Range="bytes=-2").text == "89" and cache.get(Range="bytes=5-").text == "56789"
    beyond = cache.get(Range="bytes=20-")
    assert beyond.status_code == 416 and beyond.headers["content-range"] == "bytes */10"
    assert cache.get(Range="bytes=0-1", If_Range='"b"').text == "0123456789"
    assert cache.get(Range="bytes=0-1,3-4").text == "0123456789"
    assert cache.origin.count == 1  # it gave the whole, which was stored


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PURGE-NOT", "M-SEARCH"])
def test_unsafe_methods_make_stale_what_they_change(start: Any, method: str) -> None:
    method = "MKCOL" if method == "PURGE-NOT" else method

    def answer(origin: Any, asked: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        if asked == method:
            status = "500 Internal Server Error" if b"fail" in body else "201 Created"
            return response("done", status, Location="/other", Content_Location="http://elsewhere/third")
        return response(f"{origin.count}", Cache_Control="max-age=60")

    cache = start(answer)
    before = [cache.get(path).text for path in ("/a", "/other", "/third")]
    assert cache.http.request(method, "/a", content=b"fail").status_code == 500
    assert [cache.get(path).text for path in ("/a", "/other", "/third")] == before
    changed = cache.http.request(method, "/a", content=iter([b"ab", b"c"]))
    assert changed.status_code == 201 and changed.headers["x-cache"] == "MISS"
    assert cache.origin.seen[-1][2]["transfer-encoding"] == "chunked"
    after = [cache.get(path).text for path in ("/a", "/other", "/third")]
    assert after[0] != before[0] and after[1] != before[1] and after[2] == before[2]


def test_the_answer_to_a_post_may_be_that_of_a_get(start: Any) -> None:
    def answer(origin: Any, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        return response(method, Cache_Control="max-age=60", Content_Location="/form")

    cache = start(answer)
    assert cache.http.post("/form", content=b"x").text == "POST"
    cache.settle()
    assert cache.get("/form").text == "POST" and cache.origin.count == 1
    assert cache.http.post("/elsewhere", content=b"x").text == "POST"
    assert cache.get("/elsewhere").text == "GET"


def test_head_learns(start: Any) -> None:
    def answer(origin: Any, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        whole = response("hello", ETag='"b"' if origin.count > 4 else '"a"', Cache_Control="max-age=10")
        return whole.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == "HEAD" else whole

    cache = start(answer)
    assert cache.http.head("/x").headers["content-length"] == "5"  # a miss: nothing is learnt from it
    cache.get("/x")
    age(cache, 20)
    assert cache.http.head("/x").headers["x-cache"] == "MISS"
    assert cache.get("/x").headers["x-cache"] == "HIT"  # freshened by the HEAD
    age(cache, 20)
    cache.http.head("/x")
    age(cache, 20)
    cache.http.head("/x")  # tells of another version
    assert cache.get("/x").headers["x-cache"] == "MISS"


def test_hints_come_early_and_are_not_stored(start: Any) -> None:
    def answer(*_: Any) -> bytes:
        return b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + response(
            "x", Cache_Control="max-age=60"
        )

    cache = start(answer)
    raw = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    for number in range(2):
        with cache.connect() as link:
            link.sendall(raw)
            got = rest(link)
        assert got.startswith(b"HTTP/1.1 103" if number == 0 else b"HTTP/1.1 200")
        assert got.count(b"link: </a.css>") == (number == 0)


def test_loops_end(start: Any) -> None:
    cache = start(constant("x", Cache_Control="max-age=60"))
    loop = cache.get(CDN_Loop="other, backendhub")
    assert loop.status_code == 508 and loop.json()["code"] == "loop_detected"
    assert cache.get(CDN_Loop="other").status_code == 200
    assert cache.origin.seen[0][2]["cdn-loop"] == "other, backendhub"


def test_one_client_does_not_choose_what_another_gets(start: Any) -> None:
    """Fields that no key knows go no further: else one request could poison what all are served."""

    def answer(origin: Any, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        known = ("x-forwarded-host", "x-original-url", "x-http-method-override", "forwarded", "x-host")
        seen = [headers[name] for name in known if name in headers]
        return response(f"{seen} {headers['host']}", Cache_Control="max-age=60")

    cache = start(answer)
    evil = dict(
        X_Forwarded_Host="evil",
        X_Original_URL="/admin",
        X_HTTP_Method_Override="DELETE",
        Forwarded="host=evil",
    )
    first = cache.get("/p", **evil, X_Host="evil", Host="evil")
    assert first.text == f"[] 127.0.0.1:{cache.origin.port}" == cache.get("/p").text
    with (
        cache.connect() as link
    ):  # nor does the authority of an absolute target, or a body that nobody expects
        link.sendall(b"GET http://evil/q HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        assert b"MISS" in link.recv(65536)
    assert len(cache.proxy.shelf) == 1  # a GET with a body is passed on, not stored


def test_hosts_are_kept_apart_where_they_reach_the_origin(start: Any) -> None:
    def answer(origin: Any, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        return response(headers["host"], Cache_Control="max-age=60")

    cache = start(answer, preserve_host="true")
    for _ in range(2):
        assert [cache.get(Host=host).text for host in ("a.example", "b.example")] == [
            "a.example",
            "b.example",
        ]
    assert cache.origin.count == 2


def test_bodies_arrive_while_they_come(start: Any) -> None:
    """Large ones in both directions, hits from memory, nothing held back until the end."""
    whole = "0123456789" * 300_000

    def answer(origin: Any, method: str, target: str, headers: dict[str, str], body: bytes) -> list[Any]:
        if method == "POST":
            return [response(f"{len(body)}")]
        data = response(whole, Cache_Control="max-age=60")
        return [data[:1000], 0.5, data[1000:]]

    cache = start(answer)
    assert cache.http.post("/up", content=iter([b"x" * 100_000] * 40)).text == "4000000"
    begun = time.monotonic()
    with cache.http.stream("GET", "/down") as stream:
        parts = stream.iter_raw()
        first = next(parts)
        assert time.monotonic() - begun < 0.4
        assert len(first) + sum(len(part) for part in parts) == len(whole)
    cache.settle()
    assert cache.get("/down").text == whole and cache.get("/down").headers["x-cache"] == "HIT"


def test_a_client_that_leaves_does_not_end_the_fetch_of_all(start: Any) -> None:
    def answer(*_: Any) -> list[Any]:
        data = response("x" * 10_000, Cache_Control="max-age=60")
        return [data[:500], 0.3, data[500:]]

    cache = start(answer)
    with cache.connect() as link:
        link.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        link.recv(100)
    cache.settle()
    assert cache.get("/a").headers["x-cache"] == "HIT" and cache.origin.count == 1


def test_a_slow_client_does_not_hold_up_the_others(start: Any) -> None:
    cache = start(constant("x" * 3_000_000, Cache_Control="max-age=60"))
    with cache.connect() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert len(cache.get("/a").content) == 3_000_000 and cache.origin.count == 1


def test_too_large_to_be_stored_is_passed_on(start: Any) -> None:
    def answer(origin: Any, method: str, target: str, headers: dict[str, str], body: bytes) -> Any:
        if target == "/known":
            return response("x" * 50_000, Cache_Control="max-age=60")
        head = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n"
        return head + b"2710\r\n" + b"x" * 10_000 + b"\r\n2710\r\n" + b"x" * 10_000 + b"\r\n0\r\n\r\n"

    cache = start(answer, max_object="10KB")
    for path, size in (("/known", 50_000), ("/chunked", 20_000)):
        for _ in range(2):
            assert len(cache.get(path).content) == size
    cache.settle()
    assert len(cache.proxy.shelf) == 0


def test_memory_is_bounded(start: Any) -> None:
    cache = start(constant("x" * 10_000, Cache_Control="max-age=60"), memory="100KB")
    for number in range(50):
        cache.get(f"/{number}")
        cache.get("/0")  # in use all the time
    shelf = cache.proxy.shelf
    assert shelf.memory <= 100 * 1024 and len(shelf) <= 10 and shelf.evicted >= 40
    assert b"/0" in shelf.index
    assert shelf.problems() == []


def test_websockets_pass_through(start: Any) -> None:
    """The far end is a real server of WebSockets."""
    from websockets.sync.client import connect
    from websockets.sync.server import serve

    def echo(socket_: Any) -> None:
        for message in socket_:
            socket_.send(message[::-1])

    with serve(echo, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cache = (
            start(constant(), origin_port=str(server.socket.getsockname()[1])) if False else start(constant())
        )
        far = server.socket.getsockname()[1]
        cache.proxy.origin.port, cache.proxy.origin.authority = far, f"127.0.0.1:{far}".encode()
        with connect(f"ws://127.0.0.1:{cache.live.port}/ws") as client:
            for text in ("abc", "x" * 100_000):
                client.send(text)
                assert client.recv() == text[::-1]
        server.shutdown()


def test_hits_are_made_once_a_second(start: Any) -> None:
    cache = start(constant("x", Cache_Control="max-age=60"))
    cache.get()
    [entry] = cache.proxy.shelf
    now = clock.steady()
    assert entry.answer(now) is entry.answer(now)
    assert entry.answer(now + 5) is not entry.answer(now)
    assert b"age: 5\r\n" in entry.answer(entry.fresh.born + 5).head
