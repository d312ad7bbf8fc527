"""Streams and server-sent events, over real connections: order, back-pressure, clients that leave, a server that stops."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from backendhub.kit import web
from backendhub.kit.web import streams
from backendhub.kit.web.streams import Event


class Log:
    """What happened to the iterators."""

    def __init__(self) -> None:
        self.count = 0
        self.closed = threading.Event()
        self.seen: list[str | None] = []


def make_router(log: Log) -> web.Router:
    router = web.Router("Things")

    async def numbers(limit: int) -> AsyncIterator[str]:
        for n in range(limit):
            yield f"{n}\n"

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                log.count += 1
                yield b"x" * 65536
        finally:
            log.closed.set()

    async def ticks() -> AsyncIterator[Any]:
        try:
            yield {"n": 1}
            yield Event("two\nlines", event="note", id="2")
            await asyncio.sleep(60)
        finally:
            log.closed.set()

    async def broken() -> AsyncIterator[str]:
        yield "some"
        raise RuntimeError("in the middle")

    @router.get("/numbers")
    def get_numbers(limit: int) -> web.Stream:
        return web.Stream(numbers(limit), "text/plain")

    @router.get("/known")
    def known() -> Any:
        return web.reply(web.Stream(numbers(3), "text/plain", length=6), headers={"X-A": "b"}, etag='"1"')

    @router.get("/endless")
    async def get_endless() -> web.Stream:
        return web.Stream(endless())

    @router.get("/events")
    async def get_events(request: web.Request) -> web.Stream:
        log.seen.append(request.header("last-event-id"))
        return web.events(ticks(), retry=2000)

    @router.get("/broken")
    def get_broken() -> web.Stream:
        return web.Stream(broken(), "text/plain")

    @router.post("/upper", consumes=("*/*",), stream=True, max_body=10_000_000)
    async def upper(request: web.Request) -> web.Stream:
        async def parts() -> AsyncIterator[bytes]:
            async for chunk in request.stream():
                yield chunk.upper()

        return web.Stream(parts(), "text/plain")

    return router


def until(link: Any, text: bytes) -> bytes:
    data = b""
    while text not in data:
        part = link.recv(65536)
        assert part, data
        data += part
    return data


def test_a_stream_arrives_whole(mount: Callable[..., Any]) -> None:
    http = mount(make_router(Log()))
    response = http.get("/numbers?limit=5")
    assert response.text == "0\n1\n2\n3\n4\n" and "content-length" not in response.headers
    known = http.get("/known")
    assert (known.text, known.headers["content-length"], known.headers["x-a"]) == ("0\n1\n2\n", "6", "b")
    assert http.get("/known", headers={"if-none-match": '"1"'}).status_code == 304
    head = http.head("/known")
    assert head.headers["content-length"] == "6" and head.content == b""
    assert http.post("/upper", content=b"abc" * 1000).text == "ABC" * 1000


def test_chunks_are_framed_and_the_connection_lives_on(live: Callable[..., Any]) -> None:
    with live(make_router(Log())).ask("/numbers?limit=3") as link:
        data = until(link, b"0\r\n\r\n")
        assert b"transfer-encoding: chunked" in data and b"2\r\n0\n\r\n" in data
        link.sendall(b"HEAD /numbers?limit=3 HTTP/1.1\r\nHost: x\r\n\r\n")
        head = until(link, b"\r\n\r\n")
        assert b"200 OK" in head and head.endswith(b"\r\n\r\n")


def test_nothing_is_made_that_the_client_has_no_room_for(live: Callable[..., Any]) -> None:
    """The client reads nothing: the iterator stops after what the sockets' buffers hold."""
    log = Log()
    with live(make_router(log)).ask("/endless") as link:
        until(link, b"200 OK")
        before = -1
        while before != log.count:
            before = log.count
            time.sleep(0.15)
        assert before < 200  # 12 MB; loopback buffers hold a few
        for _ in range(200):
            link.recv(65536)
        time.sleep(0.1)
        assert log.count > before
    assert log.closed.wait(5)


def test_a_client_that_leaves_cancels_the_iterator(live: Callable[..., Any]) -> None:
    log = Log()
    server = live(make_router(log))
    with server.ask("/events") as link:
        data = until(link, b"data: lines\n\n")
        assert not log.closed.is_set() and server.app.metrics.gauges["http_streams_open"]
    assert b"content-type: text/event-stream" in data and b"cache-control: no-store" in data
    assert b"retry: 2000\n\n" in data and b'data: {"n":1}\n\n' in data
    assert b"event: note\nid: 2\ndata: two\ndata: lines\n\n" in data
    assert log.closed.wait(5)


def test_a_server_that_stops_ends_its_streams_cleanly(live: Callable[..., Any]) -> None:
    log = Log()
    server = live(make_router(log))
    with server.ask("/events", "Last-Event-ID: 7") as link:
        until(link, b"data: lines\n\n")
        start = time.monotonic()
        server.stop()
        assert until(link, b"0\r\n\r\n") and log.closed.is_set()
        assert time.monotonic() - start < 3
    assert log.seen == ["7"]


def test_silence_is_broken_by_comments(live: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.1)
    with live(make_router(Log())).ask("/events") as link:
        until(link, b"data: lines\n\n")
        assert until(link, b"\r\n:\n\n\r\n")
        assert until(link, b"\r\n:\n\n\r\n")


def test_a_failure_in_the_middle_cuts_the_connection(
    live: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    with live(make_router(Log())).ask("/broken") as link:
        data = b""
        while part := link.recv(1000):
            data += part
    assert b"some" in data and not data.endswith(b"0\r\n\r\n")
    assert "in the middle" in capfd.readouterr().err


def test_events_as_they_are_sent() -> None:
    assert Event().encode() == b"\n\n"
    assert Event("a\r\nb\rc").encode() == b"data: a\ndata: b\ndata: c\n\n"
    assert Event(comment="x\ny").encode() == b": x\n: y\n\n"
    assert Event(["é"]).encode() == 'data: ["é"]\n\n'.encode()
    for bad in (Event("x", event="a\nb"), Event("x", id="a\0")):
        with pytest.raises(ValueError):
            bad.encode()


def test_streams_are_counted_and_logged(live: Callable[..., Any]) -> None:
    import io

    server = live(make_router(Log()), log_format="text")
    server.app.log.stream = lines = io.StringIO()
    with server.ask("/numbers?limit=3", "Connection: close") as link:
        until(link, b"0\r\n\r\n")
    time.sleep(0.2)
    assert "GET /numbers?limit=3 200 6B" in lines.getvalue()
    assert server.app.metrics.gauges["http_streams_open"] == {'route="/numbers"': 0}
