"""Breakers before a real upstream, and Toxiproxy's own client unchanged."""

from __future__ import annotations

import gzip
import socket
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest


class Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[str]
    fields: list[list[str]]

    def do_GET(self) -> None:
        type(self).seen.append(f"{self.command} {self.path}")
        type(self).fields.append([name.lower() for name in self.headers])
        length = int(self.headers.get("content-length") or 0)
        sent = self.rfile.read(length)
        status = int(self.path.rpartition("=")[2]) if "status=" in self.path else 200
        if "break" in self.path:
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")
            self.close_connection = True
            return
        body = sent or repr(sorted((k.lower(), v) for k, v in self.headers.items())).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "x-secret")
        self.send_header("x-secret", "1")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_POST = do_HEAD = do_PUT = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[Any]:
    handler = type("Handler", (Upstream,), {"seen": [], "fields": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    server.seen = handler.seen  # type: ignore[attr-defined]
    server.fields = handler.fields  # type: ignore[attr-defined]
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server(serve: Callable[..., Any], upstream: Any, tmp_path: Path) -> Any:
    url = f"http://127.0.0.1:{upstream.server_port}"
    file = tmp_path / "breakers.yaml"
    file.write_text(
        f"""
resilience4j.circuitbreaker:
  configs:
    default: {{slidingWindowSize: 4, minimumNumberOfCalls: 4, permittedNumberOfCallsInHalfOpenState: 2,
               waitDurationInOpenState: 400ms, timeout: 2s}}
  instances:
    shop: {{upstream: "{url}", allowHealthIndicatorToFail: true}}
    soft: {{upstream: "{url}/soft", fallback: '{{"items": []}}'}}
    again: {{upstream: "{url}", maxAttempts: 3, slidingWindowSize: 100, minimumNumberOfCalls: 100}}
    narrow: {{upstream: "{url}", maxConcurrentCalls: 1}}
    quiet: {{upstream: "{url}", ignoredStatuses: 503}}
    gone: {{upstream: "http://127.0.0.1:1"}}
    bare: {{}}
"""
    )
    return serve("circuit-breaker", str(file), "--log-format", "none")


def state(http: Any, name: str = "shop") -> str:
    found: str = http.get(f"/actuator/circuitbreakers/{name}").json()["state"]
    return found


def test_a_breaker_before_an_upstream(server: Any, upstream: Any) -> None:
    http = server.http
    found = http.post(
        "/guard/shop/a%2Fb?x=1", content=b"hello", headers={"connection": "x-hop", "x-hop": "1"}
    )
    assert (found.status_code, found.content, upstream.seen[-1]) == (200, b"hello", "POST /a%2Fb?x=1")
    assert found.headers["via"] == "1.1 backendhub" and "x-secret" not in found.headers
    shown = http.get(
        "/guard/shop/", headers={"connection": "x-hop", "x-hop": "1", "x-forwarded-for": "6.6.6.6"}
    ).text
    assert "x-hop" not in shown and "'127.0.0.1'" in shown and "6.6.6.6" not in shown
    assert http.head("/guard/shop/x").status_code == 200
    packed = {"content-encoding": "gzip", "content-type": "text/plain"}
    found = http.post("/guard/shop/", content=gzip.compress(b"hello"), headers=packed)
    assert found.content == b"hello" and "content-encoding" not in upstream.fields[-1]
    # as it goes on, unfolded
    for _ in range(2):
        assert http.get("/guard/shop/?status=503").status_code == 503
    assert state(http) == "OPEN" and http.get("/actuator/health").status_code == 503
    count = len(upstream.seen)
    refused = http.get("/guard/shop/")
    assert refused.status_code == 503 and refused.json()["code"] == "not_permitted"
    assert refused.headers["retry-after"] == "1" and len(upstream.seen) == count
    time.sleep(0.45)
    assert http.get("/guard/shop/").status_code == 200 and state(http) == "HALF_OPEN"
    assert http.get("/guard/shop/").status_code == 200 and state(http) == "CLOSED"
    transitions = http.get("/actuator/circuitbreakerevents/shop/STATE_TRANSITION").json()[
        "circuitBreakerEvents"
    ]
    assert [e["stateTransition"] for e in transitions] == [
        "CLOSED_TO_OPEN", "OPEN_TO_HALF_OPEN", "HALF_OPEN_TO_CLOSED",
    ]  # fmt: skip


def test_bodies_that_break_off_are_failures_and_some_answers_say_nothing(server: Any) -> None:
    http = server.http
    for _ in range(4):
        assert http.get("/guard/quiet/?status=503").status_code == 503
    shown = http.get("/actuator/circuitbreakers/quiet").json()
    assert (shown["state"], shown["bufferedCalls"]) == ("CLOSED", 0)
    for _ in range(4):
        with pytest.raises(Exception, match=r"(?i)closed|peer|incomplete"):
            http.get("/guard/shop/break")
    assert state(http) == "OPEN"
    errors = http.get("/actuator/circuitbreakerevents/shop/ERROR").json()["circuitBreakerEvents"]
    assert len(errors) == 4 and "broke off" in errors[0]["errorMessage"]


def test_fallback_retries_and_places(server: Any, upstream: Any) -> None:
    http = server.http
    for _ in range(4):
        assert http.get("/guard/gone/").status_code == 502
    assert state(http, "gone") == "OPEN" and http.get("/guard/gone/").status_code == 503
    for _ in range(4):
        http.get("/guard/soft/?status=500")
    found = http.get("/guard/soft/x")
    assert (found.json(), found.headers["x-fallback"], upstream.seen[-1]) == (
        {"items": []}, "not_permitted", "GET /soft/?status=500",
    )  # fmt: skip
    count = len(upstream.seen)
    assert http.get("/guard/again/?status=500").status_code == 500 and len(upstream.seen) == count + 3
    assert http.post("/guard/again/?status=500").status_code == 500 and len(upstream.seen) == count + 4
    assert http.get("/guard/bare/").status_code == 404 and http.get("/guard/none/").status_code == 404


def test_steering_by_hand(server: Any) -> None:
    http = server.http
    for update, now, code in (
        ("FORCE_OPEN", "FORCED_OPEN", 503),
        ("DISABLE", "DISABLED", 200),
        ("CLOSE", "CLOSED", 200),
    ):
        answer = http.post("/actuator/circuitbreakers/shop", json={"updateState": update})
        assert answer.json() == {
            "circuitBreakerName": "shop", "currentState": now, "message": "shop state has been changed successfully",
        }  # fmt: skip
        assert http.get("/guard/shop/").status_code == code
    assert http.post("/actuator/circuitbreakers/shop", json={"updateState": "MELT"}).status_code == 422
    assert http.post("/actuator/circuitbreakers/x", json={"updateState": "CLOSE"}).status_code == 404
    assert http.get("/actuator/circuitbreakers").json()["circuitBreakers"]["shop"] == {
        "failureRate": "-1.0%", "slowCallRate": "-1.0%", "failureRateThreshold": "50.0%",
        "slowCallRateThreshold": "100.0%", "bufferedCalls": 1, "failedCalls": 0, "slowCalls": 0, "slowFailedCalls": 0,
        "notPermittedCalls": 0, "state": "CLOSED",
    }  # fmt: skip


def test_toxiproxy_s_python_client_unchanged(server: Any, upstream: Any) -> None:
    toxiproxy = pytest.importorskip("toxiproxy")
    client = toxiproxy.Toxiproxy()
    client.update_api_consumer("127.0.0.1", server.port)
    assert client.running() and b"version" in client.version()
    proxy = client.create(name="web", upstream=f"127.0.0.1:{upstream.server_port}")
    port = int(proxy.listen.rpartition(":")[2])

    def get() -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
            link.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return b"".join(iter(lambda: link.recv(65536), b""))

    assert get().startswith(b"HTTP/1.1 200")
    proxy.add_toxic(type="latency", attributes={"latency": 300, "jitter": 0})
    began = time.monotonic()
    assert get() and time.monotonic() - began >= 0.3
    assert proxy.get_toxic("latency_downstream").attributes == {"latency": 300, "jitter": 0}
    proxy.destroy_toxic("latency_downstream")
    assert proxy.toxics() == {}
    with proxy.down(), pytest.raises(ConnectionRefusedError):
        get()
    proxy.add_toxic(name="cut", type="reset_peer", stream="upstream", attributes={"timeout": 0})
    with pytest.raises(ConnectionResetError):
        get()
    with pytest.raises(toxiproxy.exceptions.InvalidToxic):
        proxy.add_toxic(type="magic")
    assert client.reset() and get().startswith(b"HTTP/1.1 200")
    with pytest.raises(toxiproxy.exceptions.ProxyExists):
        client.create(name="web", upstream="127.0.0.1:1")
    made = client.populate(
        [{"name": n, "upstream": "127.0.0.1:1", "listen": "127.0.0.1:0"} for n in ("a", "b")]
    )
    assert len(made) == 2 and set(client.proxies()) == {"web", "a", "b"}
    client.destroy_all()
    assert client.proxies() == {} and client.get_proxy("web") is None
    with pytest.raises(toxiproxy.exceptions.NotFound):
        toxiproxy.api.APIConsumer.get("/proxies/web")


def test_toxiproxy_s_wire(server: Any) -> None:
    http = server.http
    made = http.post("/proxies", content=b'{"name": "p", "upstream": "127.0.0.1:1"}')
    assert made.status_code == 201 and made.json()["enabled"] and made.json()["toxics"] == []
    assert http.get("/proxies/q").json() == {"error": "proxy not found", "status": 404}
    assert http.post("/proxies", json={"name": "x"}).json() == {
        "error": "missing required field: upstream",
        "status": 400,
    }
    assert http.post("/proxies", content=b"{").status_code == 400
    toxic = http.post("/proxies/p/toxics", json={"type": "bandwidth", "attributes": {"rate": 10}})
    assert toxic.status_code == 200 and toxic.json()["name"] == "bandwidth_downstream"
    path = "/proxies/p/toxics/bandwidth_downstream"
    for send in (http.post, http.patch):
        assert send(path, json={"attributes": {"rate": 20}, "toxicity": 0.5}).json()["attributes"] == {
            "rate": 20
        }
    assert http.get(path).json()["toxicity"] == 0.5
    assert http.get("/proxies/p/toxics").json() == [http.get(path).json()]
    assert http.patch("/proxies/p", json={"enabled": False}).json()["enabled"] is False
    assert (
        http.post("/populate", json=[{"name": "p", "upstream": "127.0.0.1:2"}]).json()["proxies"][0][
            "upstream"
        ]
        == "127.0.0.1:2"
    )
    assert http.delete(path).status_code == 404 and http.delete("/proxies/p").status_code == 204
    assert http.post("/reset").status_code == 204
    browser = http.get("/proxies", headers={"user-agent": "Mozilla/5.0"})
    assert browser.status_code == 403


def test_a_fault_opens_a_breaker_and_its_end_closes_it(
    serve: Callable[..., Any], upstream: Any, tmp_path: Path
) -> None:
    """The whole story: a breaker whose upstream is a proxy with a fault."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = tmp_path / "b.yaml"
    file.write_text(
        "resilience4j.circuitbreaker: {instances: {api: {slidingWindowSize: 2, minimumNumberOfCalls: 2, "
        f"permittedNumberOfCallsInHalfOpenState: 1, waitDurationInOpenState: 200ms, upstream: 'http://127.0.0.1:{port}'}}}}}}"
    )
    http = serve("circuit-breaker", str(file), "--log-format", "none").http
    http.post(
        "/proxies",
        json={"name": "api", "listen": f"127.0.0.1:{port}", "upstream": f"127.0.0.1:{upstream.server_port}"},
    )
    assert http.get("/guard/api/").status_code == 200
    http.post("/proxies/api", json={"enabled": False})
    assert http.get("/guard/api/").status_code == 502
    assert state(http, "api") == "OPEN" and http.get("/guard/api/").status_code == 503
    http.post("/proxies/api", json={"enabled": True})
    time.sleep(0.25)
    with ThreadPoolExecutor(6) as pool:  # exactly one may try
        http.post("/proxies/api/toxics", json={"type": "latency", "attributes": {"latency": 300}})
        codes = [*pool.map(lambda _: http.get("/guard/api/").status_code, range(6))]
    assert sorted(codes) == [200, *[503] * 5]
    assert state(http, "api") == "CLOSED"


def test_clients_that_leave_take_no_place_with_them(server: Any) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", server.port)) as link:
            link.sendall(b"GET /guard/narrow/ HTTP/1.1\r\nhost: x\r\n\r\n")
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for _ in range(100):
        if server.http.get("/guard/narrow/").status_code == 200:
            break
        time.sleep(0.02)
    else:
        raise AssertionError("the place is lost")
    assert server.http.head("/guard/narrow/").status_code == 200
    assert server.http.get("/guard/narrow/").status_code == 200
