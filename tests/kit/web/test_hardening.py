"""What hostile clients try: compressed bombs, endless and slow heads, nesting; and what browsers are told."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable
from typing import Annotated, Any

import brotli
import pytest
import zstandard
from fastapi import Body

from backendhub.kit import web
from backendhub.kit.edge import clocks, protocol

JSON = {"content-type": "application/json"}


def make_router(**options: Any) -> web.Router:
    router = web.Router("Things", **options)

    @router.post("/any")
    def any_(body: Annotated[Any, Body()]) -> Any:
        return body

    @router.post("/raw", consumes=("*/*",))
    def raw(request: web.Request) -> int:
        return len(request.body)

    @router.post("/form", consumes=("multipart/form-data",))
    def form(request: web.Request) -> int:
        assert request.form is not None
        return len(request.form.items)

    @router.post("/stream", consumes=("*/*",), stream=True)
    async def stream(request: web.Request) -> int:
        return sum([len(part) async for part in request.stream()])

    @router.get("/page", media_type="text/html; charset=utf-8")
    def page() -> str:
        return "<p>x"

    @router.get("/script", media_type="text/html; charset=utf-8")
    def script() -> web.Reply:
        return web.Reply("<script>", headers={"Content-Security-Policy": "script-src 'self'"})

    return router


@pytest.fixture
def http(mount: Callable[..., Any]) -> Any:
    return mount(make_router(), max_body=100_000)


def raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(data) + engine.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
    "br": lambda data: brotli.compress(data, quality=3),
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data), quality=3),
    "identity": bytes,
}


@pytest.mark.parametrize("coding", CODINGS)
def test_compressed_bodies(http: Any, coding: str) -> None:
    value = {"text": "é" * 10_000}
    body = CODINGS[coding](json.dumps(value).encode())
    assert http.post("/any", content=body, headers=JSON | {"content-encoding": coding}).json() == value
    assert http.post("/stream", content=body, headers={"content-encoding": coding}).json() == 60_012


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("path", ["/raw", "/stream"])
def test_a_bomb_is_413(http: Any, coding: str, path: str) -> None:
    """Ten megabytes of nothing: 10 KB and less of compressed bytes."""
    bomb = CODINGS[coding](b"\0" * 10_000_000)
    response = http.post(path, content=bomb, headers={"content-encoding": coding})
    assert response.status_code == 413


@pytest.mark.parametrize("coding", [c for c in CODINGS if c != "identity"])
def test_damaged_and_cut_short(http: Any, coding: str) -> None:
    whole = CODINGS[coding](b"hello world, hello world" * 10)
    for body in (whole[:-3], b"nonsense", whole[: len(whole) // 2]):
        response = http.post("/raw", content=body, headers={"content-encoding": coding})
        assert response.status_code == 400, body
    assert http.post("/raw", content=b"", headers={"content-encoding": coding}).status_code in (200, 400)


def test_members_of_gzip_follow_each_other(http: Any) -> None:
    body = gzip.compress(b"ab") + gzip.compress(b"cde")
    assert http.post("/raw", content=body, headers={"content-encoding": "gzip"}).json() == 5


def test_unknown_codings_are_415(http: Any) -> None:
    for coding in ("compress", "gzip, nonsense", "gzip, gzip, gzip, gzip"):
        response = http.post("/raw", content=b"x", headers={"content-encoding": coding})
        assert response.status_code == 415 and "gzip" in response.headers["accept-encoding"]


def test_nesting_has_an_end(http: Any) -> None:
    def nested(depth: int) -> bytes:
        return b"[" * depth + b"]" * depth

    assert http.post("/any", content=nested(100), headers=JSON).status_code == 200
    for depth in (300, 5_000, 40_000):
        assert http.post("/any", content=nested(depth), headers=JSON).status_code == 400


def test_numbers_of_any_length_do_no_harm(http: Any) -> None:
    response = http.post("/any", content=b"9" * 90_000, headers=JSON)
    assert response.status_code in (200, 400)


def test_more_fields_than_anybody_needs_are_431(http: Any) -> None:
    assert http.get("/page", headers={f"x-{n}": "1" for n in range(200)}).status_code == 431


def test_what_browsers_are_told(mount: Callable[..., Any]) -> None:
    http = mount(make_router())
    for path in ("/page", "/nowhere", "/livez", "/docs", "/openapi.json"):
        assert http.get(path).headers["x-content-type-options"] == "nosniff"
    for path in ("/page", "/docs"):
        page = http.get(path).headers
        assert "frame-ancestors 'none'" in page["content-security-policy"]
        assert page["referrer-policy"] == "no-referrer"
    assert http.get("/script").headers["content-security-policy"] == "script-src 'self'"
    assert http.get("/nowhere").headers["cache-control"] == "no-store"
    assert "content-security-policy" not in http.get("/openapi.json").headers
    assert "strict-transport-security" not in http.get("/page").headers
    http.base_url = "https://testserver"
    assert http.get("/page").headers["strict-transport-security"].startswith("max-age=")


def test_cors(mount: Callable[..., Any]) -> None:
    cors = web.Cors(
        ("https://a.example", "https://b.example"), credentials=True, expose=("X-A", "X-B"), max_age=60
    )
    http = mount(make_router(cors=cors))
    good = http.get("/page", headers={"origin": "https://b.example"}).headers
    assert good["access-control-allow-origin"] == "https://b.example" and good["vary"] == "Origin"
    assert good["access-control-allow-credentials"] == "true"
    assert good["access-control-expose-headers"] == "X-A, X-B"
    bad = http.get("/page", headers={"origin": "https://c.example"}).headers
    assert "access-control-allow-origin" not in bad and bad["vary"] == "Origin"
    asked = {
        "origin": "https://a.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-thing",
    }
    pre = http.options("/any", headers=asked)
    assert pre.status_code == 204 and pre.headers["access-control-allow-methods"] == "OPTIONS, POST"
    assert pre.headers["access-control-allow-headers"] == "x-thing"
    assert pre.headers["access-control-max-age"] == "60"
    assert http.post("/any", content=b"{", headers=JSON | {"origin": "https://a.example"}).headers[
        "access-control-allow-origin"
    ]
    everyone = mount(make_router(cors=web.Cors(credentials=True)))
    named = everyone.get("/page", headers={"origin": "https://c.example"}).headers
    assert named["access-control-allow-origin"] == "https://c.example"  # never * beside credentials
    wide = mount(make_router(cors=True)).get("/page", headers={"origin": "https://c.example"}).headers
    assert wide["access-control-allow-origin"] == "*" and "access-control-allow-credentials" not in wide


# -- heads, over real connections -------------------------------------------------------------------------


def rest(link: Any) -> bytes:
    data = b""
    while part := link.recv(65536):
        data += part
    return data


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_PATIENCE_S", 0.3)
    monkeypatch.setattr(clocks, "LOOK_EVERY_S", 0.05)


@pytest.mark.usefixtures("impatient")
def test_slow_heads_and_silent_connections_are_closed(live: Callable[..., Any]) -> None:
    server = live(make_router())
    silent, slow, again = server.connect(), server.connect(), server.connect()
    again.sendall(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200 OK" in again.recv(65536)
    start = time.monotonic()
    again.sendall(b"GET /page HT")
    for byte in b"GET /page HTTP/1.1\r\nHost: x\r\nX-Long: ":
        slow.sendall(bytes([byte]))
    assert b"408" in rest(slow) and b"408" in rest(again) and b"408" in rest(silent)
    assert time.monotonic() - start < 3
    for link in (silent, slow, again):
        link.close()


@pytest.mark.usefixtures("impatient")
def test_bytes_that_begin_nothing_do_not_hold_a_connection(live: Callable[..., Any]) -> None:
    """uvicorn's keep-alive clock stops at any byte; ours goes on until a request begins."""
    with live(make_router()).connect() as link:
        link.sendall(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in link.recv(65536)
        link.sendall(b"\r\n")
        assert b"408" in rest(link)


def test_an_endless_head_is_431(live: Callable[..., Any]) -> None:
    with live(make_router()).connect() as link:
        link.sendall(b"GET /page HTTP/1.1\r\nHost: x\r\n")
        data = b""
        for n in range(200):
            try:
                link.sendall(b"X-%d: %s\r\n" % (n, b"y" * 1000))
            except OSError:
                break
        try:
            data = rest(link)
        except ConnectionResetError:
            return
    assert b"431" in data


def test_a_connection_that_is_used_well_is_left_alone(live: Callable[..., Any]) -> None:
    server = live(make_router())
    with server.connect() as link:
        for _ in range(3):
            link.sendall(b"POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
            assert link.recv(65536).endswith(b"3")
        clock = server.server.lifespan.state["clock"]
        assert [c.phase for c in clock.connections] == [protocol.IDLE]
    time.sleep(0.05)
    assert not clock.connections
