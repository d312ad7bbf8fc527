"""The contract of `edge.route`: what handlers get, what clients are sent, in which order, and when it ends."""

from __future__ import annotations

import gzip
import json
import re
import socket
import time
from typing import Any

import httpx
import pytest

from backendhub.kit import edge
from backendhub.kit.edge import clocks, protocol, turn

from .conftest import Seen, make
from .test_framing import rest

HEAD = " HTTP/1.1\r\nHost: x\r\n"


def ask(server: Any, *requests: str, close: bool = True) -> bytes:
    """What the server sends back for requests that are sent at once."""
    with server.connect() as link:
        link.sendall("".join(requests).encode())
        if not close:
            return bytes(link.recv(65536))
        return rest(link)


def get(path: str, *lines: str) -> str:
    return f"GET {path}{HEAD}" + "".join(line + "\r\n" for line in lines) + "\r\n"


def post(path: str, body: str, *lines: str) -> str:
    return (
        f"POST {path}{HEAD}Content-Length: {len(body)}\r\n"
        + "".join(x + "\r\n" for x in lines)
        + "\r\n"
        + body
    )


LAST = "Connection: close"


@pytest.fixture
def http(server: Any) -> Any:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        yield client


def test_routes(http: Any) -> None:
    hot = http.get("/hot")
    assert (hot.status_code, hot.text, hot.headers["content-length"]) == (200, "ready", "5")
    assert "date" in hot.headers and http.head("/hot").headers["content-length"] == "5"
    assert http.get("/things/a%20b/parts/7").json() == {"name": "a b", "part": "7"}
    assert http.get("/later").text == "later"
    assert http.get("/cold").json() == "cold"
    assert http.get("/nowhere").status_code == 404
    assert http.post("/hot").status_code == 404  # other methods are the application's
    assert http.get("/hints").text == "ready"


def test_what_a_handler_declines_is_the_applications(http: Any) -> None:
    for path in ("/declines", "/declines-later"):
        assert http.get(path).json() == "application"
        assert http.post(path, content=b"abc").json() == "application: abc"
        assert http.post(path, content=iter([b"ab", b"c"])).json() == "application: abc"


def test_bodies(http: Any) -> None:
    assert http.post("/echo", content=b"abc").json()["body"] == "abc"
    assert http.post("/echo", content=iter([b"a", b"bc"])).json()["body"] == "abc"
    packed = gzip.compress(b"abc" * 100)
    assert (
        http.post("/echo", content=packed, headers={"content-encoding": "gzip"}).json()["body"] == "abc" * 100
    )
    assert http.post("/count", content=b"x" * 3_000_000).json() == 3_000_000
    assert http.post("/count", content=iter([b"x" * 100_000] * 30)).json() == 3_000_000


def test_bodies_that_are_too_large_are_413(http: Any, seen: Seen) -> None:
    bomb = gzip.compress(b"\0" * 5_000_000)
    for path, content, more in (
        ("/echo", b"x" * 1001, {}),
        ("/echo", iter([b"x" * 501] * 2), {}),
        ("/echo", bomb, {"content-encoding": "gzip"}),
        ("/count", iter([b"x" * 1_000_000] * 11), {}),
    ):
        answer = http.post(path, content=content, headers=more)
        assert answer.status_code == 413 and answer.json()["code"] == "too_large", path
    assert http.post("/echo", content=b"zz", headers={"content-encoding": "gzip"}).status_code == 400
    assert http.post("/echo", content=b"zz", headers={"content-encoding": "lzw"}).status_code == 415
    assert seen.paths == []


def test_failures(http: Any, capfd: Any) -> None:
    assert http.get("/denied").status_code == 403
    crash = http.get("/crash")
    assert crash.status_code == 500 and "nobody" not in crash.text
    assert "nobody expected this" in capfd.readouterr().err
    with pytest.raises(httpx.RemoteProtocolError):  # what is cut short is never taken for whole
        http.get("/breaks")
    assert http.get("/hot").text == "ready"


def test_expectations(server: Any) -> None:
    answer = ask(server, post("/echo", "abc", "Expect: 100-continue", LAST))
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    head = f"POST /echo{HEAD}Content-Length: 5000\r\nExpect: 100-continue\r\n\r\n"
    answer = ask(server, head)  # refused before it is sent, and the connection ends
    assert answer.startswith(b"HTTP/1.1 413") and b"connection: close" in answer
    assert b"100 Continue" in ask(server, post("/count", "abc", "Expect: 100-continue", LAST))


def test_answers_keep_the_order_of_requests(server: Any) -> None:
    """Hot and cold, at once and later, sent in one piece."""
    sent = [get("/later"), get("/hot"), get("/cold"), post("/echo", "one"), get("/cold"), get("/hot")]
    sent += [post("/echo", "two"), get("/declines"), post("/declines-later", "three"), get("/later", LAST)]
    text = ask(server, *sent).decode()
    marks = ["later", "ready", '"cold"', '"body":"one"', '"cold"', "ready", '"body":"two"', '"application"']
    marks += ["application: three", "later"]
    at = 0
    for mark in marks:
        at = text.index(mark, at) + 1
    assert text.count("HTTP/1.1 200 OK") == len(sent)


def test_a_pipeline_that_never_ends_is_cut(server: Any) -> None:
    answer = ask(server, get("/later"), get("/hot") * 2000)
    assert b"HTTP/1.1 429" in answer and answer.count(b"HTTP/1.1 200") == protocol.MAX_PIPELINE + 1
    whole = ask(server, get("/hot") * 2000, get("/hot", LAST))
    assert whole.count(b"HTTP/1.1 200") == 2001


def test_nothing_follows_the_last_request(server: Any, seen: Seen) -> None:
    answer = ask(server, get("/hot", LAST), get("/hidden"))
    assert answer.count(b"HTTP/1.1 200") == 1 and b"connection: close" in answer and seen.paths == []
    old = ask(server, "GET /hot HTTP/1.0\r\n\r\n")
    assert old.endswith(b"ready") and b"connection: close" in old


def test_an_error_comes_after_the_answers_before_it(server: Any) -> None:
    answer = ask(server, get("/later"), get("/cold"), "nonsense\r\n\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200", b"400"]


def test_streams(http: Any, server: Any, seen: Seen) -> None:
    chunked = http.get("/stream?30")
    assert chunked.headers["transfer-encoding"] == "chunked" and len(chunked.content) == 210_000
    known = http.get("/stream?30", headers={"x-known": "1"})
    assert known.headers["content-length"] == "210000" and known.content == chunked.content
    old = ask(server, "GET /stream?3 HTTP/1.0\r\n\r\n")
    assert b"chunked" not in old and old.endswith(b"000002|" * 1000)
    assert seen.cancelled == 3


def test_a_slow_reader_holds_up_the_stream_and_nothing_grows(server: Any, seen: Seen) -> None:
    with server.connect() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.sendall(get("/stream?100000").encode())  # 700 MB, if somebody made them
        time.sleep(0.5)
        [connection] = server.server.server_state.connections
        assert connection.transport.get_write_buffer_size() < 300_000
        assert ask(server, get("/hot", LAST)).endswith(b"ready")
    for _ in range(100):
        if seen.cancelled:
            break
        time.sleep(0.02)
    assert seen.cancelled == 1  # and when the client goes, so does the iterator


def test_a_handler_is_cancelled_with_its_client(server: Any, seen: Seen) -> None:
    with server.connect() as link:
        link.sendall(get("/waits").encode())
        time.sleep(0.1)
    for _ in range(100):
        if seen.cancelled:
            break
        time.sleep(0.02)
    assert seen.cancelled == 1


def test_tunnels(server: Any) -> None:
    lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13")
    with server.connect() as link:
        link.sendall((get("/tunnel", *lines) + "early ").encode())
        data = b""
        while b"EARLY" not in data:
            data += link.recv(1000)
        assert data.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        link.sendall(b"late")
        assert link.recv(100) == b"LATE"
        link.shutdown(socket.SHUT_WR)
        assert rest(link) == b""
    with server.websocket("/socket") as socket_:  # other handshakes are the application's
        assert socket_.recv() == "hello"


def test_heads_that_are_too_large(server: Any) -> None:
    assert b"HTTP/1.1 431" in ask(server, get("/hot", "X: " + "y" * 70_000))
    assert b"HTTP/1.1 431" in ask(server, get("/hot", *[f"X{n}: y" for n in range(101)]))
    assert b"HTTP/1.1 200" in ask(server, get("/hot", "X: " + "y" * 60_000, LAST))
    long = get("/hot", "X: " + "y" * 30_000) * 5 + get("/hot", LAST)
    assert ask(server, long).count(b"HTTP/1.1 200") == 6  # each for itself


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((protocol, "HEAD_PATIENCE_S"), (turn, "PATIENCE_S"), (clocks, "WRITE_PATIENCE_S")):
        monkeypatch.setattr(module, name, 0.3)
    monkeypatch.setattr(turn, "MIN_RATE", 1_000_000)
    monkeypatch.setattr(protocol, "LINGER_S", 0.1)
    monkeypatch.setattr(clocks, "LOOK_EVERY_S", 0.05)


@pytest.mark.usefixtures("impatient")
def test_deadlines(server: Any, seen: Seen) -> None:
    """Heads, bodies for both kinds of hot route, and clients that take nothing of what waits for them."""
    start = time.monotonic()
    links = {name: server.connect() for name in ("silent", "head", "body", "stream", "chunks")}
    links["head"].sendall(b"GET /hot HTTP/1.1\r\nHo")
    links["body"].sendall(post("/echo", "abc")[:-1].encode())
    links["stream"].sendall(post("/count", "abc")[:-1].encode())
    links["chunks"].sendall(f"POST /count{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nab".encode())
    answers = {name: rest(link) for name, link in links.items()}
    assert {name: answer[9:12] for name, answer in answers.items()} == dict.fromkeys(links, b"408")
    assert time.monotonic() - start < 5
    with server.connect() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.sendall(get("/stream?1000").encode())
        for _ in range(200):
            if seen.cancelled:
                break
            time.sleep(0.02)
        assert seen.cancelled == 1
    for link in links.values():
        link.close()


@pytest.mark.usefixtures("impatient")
def test_a_body_that_began_fast_may_not_stop(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "MIN_RATE", 1)  # what has come would be good for hours
    with server.connect() as link:
        link.sendall(f"POST /count{HEAD}Content-Length: 50000\r\n\r\n".encode() + b"x" * 20_000)
        assert b"HTTP/1.1 408" in rest(link)


def test_many_small_chunks_cost_no_more_than_their_bytes(server: Any) -> None:
    """Each was once counted together with all before it: a single packet could stop the event loop for half a minute."""
    with server.connect() as link:
        head = f"POST /count{HEAD}{LAST}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        start = time.monotonic()
        link.sendall(head + b"1\r\nx\r\n" * 60_000 + b"0\r\n\r\n")
        assert rest(link).endswith(b"60000")
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("path", ["/count", "/echo", "/cold"])
@pytest.mark.parametrize("start", [b"0\r\nX: ", b"3;x="])
def test_trailers_and_extensions_do_not_go_on_for_ever(server: Any, path: str, start: bytes) -> None:
    """The parser keeps a field until it is whole."""
    with server.connect() as link:
        link.sendall(f"POST {path}{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + start)
        try:
            for _ in range(100):
                link.sendall(b"y" * 30_000)
        except OSError:
            pass
        assert re.match(rb"HTTP/1.1 431|$", rest(link))
        link.close()
    assert ask(server, get("/hot", LAST)).endswith(b"ready")


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_takes_its_time_is_waited_for(server: Any) -> None:
    assert ask(server, get("/later?0.8", LAST)).endswith(b"later")


def test_draining_finishes_what_was_begun(live: Any, seen: Seen) -> None:
    server = live(make(seen))
    with server.connect() as link, server.connect() as idle:
        link.sendall(get("/later?0.3").encode())
        time.sleep(0.1)
        server.stop()
        answer = rest(link)
        assert answer.endswith(b"later") and b"connection: close" in answer
        assert rest(idle) == b""


def test_who_may_ask(live: Any, seen: Seen) -> None:
    """Where the server demands users, only public routes are hot."""
    from backendhub.kit.identity import Principal

    def authenticate(db: Any, request: Any) -> Any:
        return Principal("u1", "u1") if request.header("authorization") else None

    server = live(make(seen), auth=authenticate)
    assert b"HTTP/1.1 200" in ask(server, get("/hot", LAST))
    assert b"HTTP/1.1 401" in ask(server, get("/closed", LAST))
    assert b'"u1"' in ask(server, get("/closed", LAST, "Authorization: Bearer x"))


def test_below_a_prefix(live: Any, seen: Seen) -> None:
    server = live(make(seen), single=False)
    assert ask(server, get("/thing/hot", LAST)).endswith(b"ready")
    assert b'"part":"2"' in ask(server, get("/thing/things/1/parts/2?x", LAST))
    assert ask(server, get("/thing/cold", LAST)).endswith(b'"cold"')
    assert b"HTTP/1.1 404" in ask(server, get("/hot", LAST))
    assert b"HTTP/1.1 200" in ask(server, get("/livez", LAST))


def test_other_origins_and_what_is_noted(live: Any, seen: Seen) -> None:
    server = live(make(seen, cors=True))
    assert b"access-control-allow-origin: *" in ask(server, get("/hot", "Origin: https://a.example", LAST))
    assert b"access-control" not in ask(server, get("/hot", LAST))
    text = ask(server, get("/metrics", LAST)).decode()
    assert 'http_requests_total{method="GET",route="/hot",status="200"} 2' in text


def test_the_access_log_has_them(live: Any, seen: Seen, capfd: Any) -> None:
    server = live(make(seen), log_format="json")
    ask(server, get("/hot?signature=abc&x=1", LAST))
    server.stop()
    [row] = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    assert (row["target"], row["status"], row["bytes"]) == ("/hot?signature=***&x=1", 200, 5)


def test_fields_are_lines() -> None:
    for value in (b"a\r\nset-cookie: x", b"a\nb", b"a\0b"):
        with pytest.raises(ValueError, match="line break"):
            edge.Response(200, [(b"x", value)], b"")


def test_patterns_leave_what_is_ours() -> None:
    routes = edge.Edge()

    @routes.route("*", "/*")
    def everything(request: edge.Request) -> edge.Answer:
        return None

    assert routes.find(b"BREW", "/a/b") is not None and routes.find(b"GET", "/docs") is not None
    for path in ("/livez", "/readyz", "/metrics", "/_hub", "/_files/x"):
        assert routes.find(b"GET", path) is None
