"""The gateway before real servers: routes, plugins, balance, health, sockets, streams, reload."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

Wait = Callable[[Callable[[], bool]], None]


def until(ready: Callable[[], bool]) -> None:
    for _ in range(200):
        if ready():
            return
        time.sleep(0.03)
    raise AssertionError("it does not come")


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str]]
    mood: dict[str, Any]

    def do_GET(self) -> None:
        type(self).seen.append((self.command, self.path))
        if "websocket" in self.headers.get("upgrade", ""):
            return self.socket()
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        if self.path.startswith("/drop") or self.mood.get("drop"):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if self.path.startswith("/slow"):
            time.sleep(1.0)
        if self.path.startswith("/events"):
            return self.events()
        shown = {"name": self.mood["name"], "method": self.command, "path": self.path, "body": body.decode(),
                 "headers": {k.lower(): v for k, v in self.headers.items()}}  # fmt: skip
        data = json.dumps(self.mood.get("json") or shown).encode()
        self.send_response(int(self.headers.get("x-want") or self.mood.get("status") or 200))
        for name, value in (("content-length", str(len(data))), ("server", "secret/1.0"), ("x-powered-by", "php"),
                            ("connection", "x-hop"), ("x-hop", "1"), ("content-type", "application/json")):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def events(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for n in range(3):
            data = b"data: %d\n\n" % n
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.flush()
            time.sleep(0.15)
        self.wfile.write(b"0\r\n\r\n")

    def socket(self) -> None:
        key = self.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        for pair in (("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-accept", accept)):
            self.send_header(*pair)
        self.end_headers()
        self.wfile.flush()
        while head := self.rfile.read(2):  # short masked frames come back as they are, unmasked
            mask, data = self.rfile.read(4), bytearray(self.rfile.read(head[1] & 0x7F))
            for at in range(len(data)):
                data[at] ^= mask[at % 4]
            self.wfile.write(bytes((head[0], len(data))) + data)
            self.wfile.flush()
            if head[0] & 0x0F == 8:
                break
        self.close_connection = True

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, name: str, **mood: Any) -> None:
        self.mood: dict[str, Any] = {"name": name, **mood}
        self.seen: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), type("Handler", (Echo,), {"seen": self.seen, "mood": self.mood}))
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self.thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def start(name: str = "a", **mood: Any) -> Server:
        made.append(Server(name, **mood))
        return made[-1]

    yield start
    for each in made:
        each.stop()


@pytest.fixture
def gateway(serve: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    def start(text: str, *args: str) -> Any:
        file = tmp_path / "kong.yml"
        file.write_text('_format_version: "3.0"\n' + text)
        running = serve("gateway", str(file), "--admin-local", "--log-format", "none", *args)
        running.file = file
        return running

    return start


def token(secret: str, algorithm: str = "HS256", **claims: Any) -> str:
    def part(value: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    head = part({"alg": algorithm, "typ": "JWT"}) + b"." + part(claims)
    mac = hmac.new(secret.encode(), head, "sha256").digest() if algorithm != "none" else b""
    return (head + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


CONSUMERS = """
consumers:
- username: ada
  custom_id: "42"
  keyauth_credentials: [{key: k-ada}]
  basicauth_credentials: [{username: ada, password: "p:w"}]
  jwt_secrets: [{key: ada-iss, secret: a-secret-that-is-long-enough-for-hs256}]
  acls: [{group: staff}]
- username: bob
  keyauth_credentials: [{key: k-bob}]
- username: guest
"""


def test_what_goes_on_and_what_comes_back(gateway: Any, server: Any) -> None:
    up = server()
    http = gateway(
        f"""
services:
- name: s
  url: {up.url}/base
  routes:
  - {{name: strip, paths: [/in]}}
  - {{name: keep, paths: [/keep], strip_path: false, preserve_host: true, methods: [GET, POST]}}
  - {{name: secure, paths: [/tls], protocols: [https]}}
  - {{name: moved, paths: [/moved], protocols: [https], https_redirect_status_code: 301}}
"""
    ).http
    found = http.post("/in/a%2fb/%7Ec?x=1&y=%20", content=b"hello", headers={
        "connection": "x-mine", "x-mine": "1", "x-forwarded-for": "6.6.6.6", "x-consumer-username": "root", "via": "1.0 fred",
    })  # fmt: skip
    shown = found.json()
    assert (shown["method"], shown["path"], shown["body"]) == ("POST", "/base/a%2Fb/~c?x=1&y=%20", "hello")
    headers = shown["headers"]
    assert headers["x-forwarded-for"] == "127.0.0.1" and headers["x-forwarded-prefix"] == "/in"
    assert (
        headers["x-forwarded-host"].startswith("127.0.0.1:") and headers["via"] == "1.0 fred, 1.1 backendhub"
    )
    assert headers["host"] == f"127.0.0.1:{up.server_port}"
    assert "x-mine" not in headers and "x-consumer-username" not in headers
    assert found.headers["via"] == "1.1 backendhub" and "x-hop" not in found.headers
    kept = http.get("/keep/x", headers={"host": "shop.example"}).json()
    assert (kept["path"], kept["headers"]["host"]) == ("/base/keep/x", "shop.example")
    assert http.head("/in").status_code == 200
    chunks = http.post("/in", content=iter([b"one", b"two"])).json()
    assert chunks["body"] == "onetwo"
    for path in ("/nothing", "/in/../nothing", "/KEEP"):
        assert http.get(path).json() == {"message": "no Route matched with those values"}
    assert http.delete("/keep").status_code == 404
    assert http.get("/tls").status_code == 426 and http.get("/moved?q=1").status_code == 301
    assert http.get("/moved?q=1").headers["location"] == "https://127.0.0.1/moved?q=1"
    assert http.get("/livez").text == "ok\n"


def test_no_spelling_of_a_path_goes_around_a_plugin(gateway: Any, server: Any) -> None:
    """Every route with every way to put a plugin before it, and every way to write its path."""
    up = server()
    scopes = {"global": "plugins: [{name: key-auth}]", "service": "", "route": ""}
    for scope, more in scopes.items():
        on_service = "plugins: [{name: key-auth}]" if scope == "service" else ""
        on_route = "plugins: [{name: key-auth}]," if scope == "route" else ""
        running = gateway(
            f"""
services:
- name: s
  url: {up.url}
  {on_service}
  routes:
  - {{name: a, {on_route} paths: [/admin]}}
  - {{name: b, {on_route} paths: ["~/users/[0-9]+"]}}
  - {{name: c, {on_route} hosts: [c.example]}}
  - {{name: d, {on_route} methods: [PUT]}}
{more}
{CONSUMERS}
"""
        )
        paths = ["/admin", "/admin/x", "//admin", "/./admin", "/x/../admin", "/%61dmin", "/admin%2Fx", "/admin/%2e%2e/admin",
                 "/users/7", "/users/7/x", "/users//7", "/x/../users/7"]  # fmt: skip
        asked = [("GET", path, "h") for path in paths] + [("POST", "/admin", "h"), ("OPTIONS", "/admin", "h"),
                 ("HEAD", "/admin", "h"), ("GET", "/", "c.example"), ("GET", "/any", "C.EXAMPLE:80"), ("PUT", "/", "h")]  # fmt: skip
        for method, path, host in asked:
            for key, wanted in ((None, 401), ("k-ada", 200)):
                with socket.create_connection(("127.0.0.1", running.port), timeout=5) as link:
                    head = f"{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n"
                    link.sendall((head + (f"apikey: {key}\r\n" if key else "") + "\r\n").encode())
                    status = int(link.recv(4096).split()[1])
                assert status == wanted, (scope, method, path, host, key)
        running.stop()
    assert not [path for _, path in up.seen if ".." in path]


def test_who_asks(gateway: Any, server: Any) -> None:
    up = server()
    http = gateway(
        f"""
services:
- name: s
  url: {up.url}
  routes:
  - {{name: key, paths: [/key], plugins: [{{name: key-auth, config: {{hide_credentials: true}}}}]}}
  - {{name: basic, paths: [/basic], plugins: [{{name: basic-auth}}]}}
  - {{name: jwt, paths: [/jwt], plugins: [{{name: jwt}}]}}
  - {{name: group, paths: [/group], plugins: [{{name: key-auth}}, {{name: acl, config: {{allow: [staff]}}}}]}}
  - {{name: open, paths: [/open], plugins: [{{name: key-auth, config: {{anonymous: guest}}}}]}}
  - name: either
    paths: [/either]
    plugins: [{{name: key-auth, config: {{anonymous: guest}}}}, {{name: basic-auth, config: {{anonymous: guest}}}}]
{CONSUMERS}
"""
    ).http
    assert http.get("/key").json() == {"message": "No API key found in request"}
    assert http.get("/key").headers["www-authenticate"].startswith("Key")
    assert http.get("/key", headers={"apikey": "no"}).status_code == 401
    shown = http.get("/key?apikey=k-ada&a=1", headers={"x-consumer-username": "root"}).json()
    assert shown["path"] == "/?a=1" and shown["headers"]["x-consumer-username"] == "ada"
    assert shown["headers"]["x-consumer-custom-id"] == "42"
    assert http.get("/basic", auth=("ada", "p:w")).status_code == 200
    for wrong in (("ada", "x"), ("eve", "p:w"), ("ada", "")):
        assert http.get("/basic", auth=wrong).status_code == 401
    secret, later = "a-secret-that-is-long-enough-for-hs256", time.time() + 60

    def bearer(text: str) -> int:
        return int(http.get("/jwt", headers={"authorization": "Bearer " + text}).status_code)

    assert bearer(token(secret, iss="ada-iss", exp=later)) == 200
    for bad in (
        token("other", iss="ada-iss", exp=later), token(secret, "none", iss="ada-iss", exp=later),
        token(secret, iss="ada-iss", exp=time.time() - 1), token(secret, iss="ada-iss"), token(secret, iss="x", exp=later),
        token(secret, "HS512", iss="ada-iss", exp=later), "a.b.c", token(secret, exp=later),
    ):  # fmt: skip
        assert bearer(bad) == 401
    assert http.get("/group", headers={"apikey": "k-ada"}).json()["headers"]["x-consumer-groups"] == "staff"
    assert http.get("/group", headers={"apikey": "k-bob"}).json() == {
        "message": "You cannot consume this service"
    }
    assert http.get("/open").json()["headers"]["x-anonymous-consumer"] == "true"
    assert http.get("/open", headers={"apikey": "k-ada"}).json()["headers"]["x-consumer-username"] == "ada"
    for more in ({"headers": {"apikey": "k-ada"}}, {"auth": ("ada", "p:w")}):
        said = http.get("/either", **more).json()["headers"]
        assert said["x-consumer-username"] == "ada" and "x-anonymous-consumer" not in said
    assert http.get("/either").json()["headers"]["x-anonymous-consumer"] == "true"


def test_how_much_and_from_where(gateway: Any, server: Any) -> None:
    up = server()
    http = gateway(
        f"""
services:
- name: s
  url: {up.url}
  routes:
  - {{name: limit, paths: [/limit], plugins: [{{name: rate-limiting, config: {{hour: 2}}}}]}}
  - {{name: size, paths: [/size], plugins: [{{name: request-size-limiting, config: {{allowed_payload_size: 10, size_unit: bytes}}}}]}}
  - {{name: here, paths: [/here], plugins: [{{name: ip-restriction, config: {{allow: [127.0.0.0/8]}}}}]}}
  - {{name: there, paths: [/there], plugins: [{{name: ip-restriction, config: {{deny: [127.0.0.1]}}}}]}}
  - {{name: off, paths: [/off], plugins: [{{name: request-termination, config: {{status_code: 418, message: tea}}}}]}}
"""
    ).http
    first, second, third = (http.get("/limit") for _ in range(3))
    assert (first.status_code, second.headers["x-ratelimit-remaining-hour"], third.status_code) == (
        200,
        "0",
        429,
    )
    assert (
        third.json() == {"message": "API rate limit exceeded"}
        and 1 <= int(third.headers["retry-after"]) <= 3600
    )
    assert http.post("/size", content=b"x" * 10).status_code == 200
    assert http.post("/size", content=b"x" * 11).json() == {"message": "Request size limit exceeded"}
    assert http.post("/size", content=iter([b"x" * 6, b"x" * 6])).status_code == 413
    assert http.get("/here").status_code == 200 and http.get("/there").status_code == 403
    count = len(up.seen)
    assert (
        http.get("/off").status_code == 418
        and http.get("/off").json() == {"message": "tea"}
        and len(up.seen) == count
    )


def test_fields_are_changed_both_ways(gateway: Any, server: Any) -> None:
    up = server()
    http = gateway(
        f"""
services:
- name: s
  url: {up.url}
  routes:
  - name: change
    paths: [/change]
    plugins:
    - name: request-transformer
      config:
        remove: {{headers: [x-old], querystring: [secret]}}
        rename: {{headers: ["x-a:x-b"]}}
        replace: {{headers: ["x-r:new"], uri: /other}}
        add: {{headers: ["x-added:1"], querystring: ["v:2"]}}
    - {{name: response-transformer, config: {{add: {{headers: ["x-out:1"]}}, remove: {{headers: [content-type]}}}}}}
    - {{name: security-headers}}
    - {{name: correlation-id, config: {{header_name: X-Id, echo_downstream: true}}}}
    - {{name: cors, config: {{origins: ["https://a.example", "https://.*\\\\.b\\\\.example"], credentials: true, max_age: 60}}}}
"""
    ).http
    given = {"x-old": "1", "x-a": "2", "x-r": "old", "origin": "https://x.b.example"}
    found = http.get("/change?secret=1&q=2", headers=given)
    headers = found.json()["headers"]
    assert found.json()["path"] == "/other?q=2&v=2"
    assert "x-old" not in headers and "x-a" not in headers
    assert (headers["x-b"], headers["x-r"], headers["x-added"]) == ("2", "new", "1")
    assert headers["x-id"] == found.headers["x-id"] and "#" in headers["x-id"]
    assert found.headers["x-out"] == "1" and "content-type" not in found.headers
    assert found.headers["x-content-type-options"] == "nosniff" and "server" not in found.headers
    assert (
        found.headers["access-control-allow-origin"] == "https://x.b.example"
        and found.headers["vary"] == "Origin"
    )
    count = len(up.seen)
    ask = {"origin": "https://a.example", "access-control-request-method": "PUT"}
    preflight = http.options("/change", headers=ask)
    assert preflight.headers["access-control-allow-origin"] == "https://a.example" and len(up.seen) == count
    assert preflight.headers["access-control-max-age"] == "60"
    evil = http.options("/change", headers=ask | {"origin": "https://x.b.example.evil"})
    assert "access-control-allow-origin" not in evil.headers


def test_balance_health_and_retries(gateway: Any, server: Any) -> None:
    a, b = server("a"), server("b")
    running = gateway(
        f"""
services:
- name: s
  host: pool
  routes: [{{name: r, paths: [/]}}]
- name: dead
  url: http://127.0.0.1:1
  retries: 1
  routes: [{{name: dead, paths: [/dead]}}]
- name: slow
  url: {a.url}
  read_timeout: 300
  retries: 0
  routes: [{{name: slow, paths: [/slow], strip_path: false}}]
upstreams:
- name: pool
  targets: [{{target: "127.0.0.1:{a.server_port}", weight: 300}}, {{target: "127.0.0.1:{b.server_port}", weight: 100}}]
  healthchecks:
    active: {{http_path: /up, timeout: 0.5, healthy: {{interval: 0.2, successes: 1}}, unhealthy: {{interval: 0.2, tcp_failures: 2, http_failures: 2}}}}
    passive: {{unhealthy: {{tcp_failures: 2}}}}
"""
    )
    http = running.http
    names = [http.get("/x").json()["name"] for _ in range(8)]
    assert names.count("a") == 6 and names.count("b") == 2
    a.mood["drop"] = True
    assert [http.get("/x").json()["name"] for _ in range(8)] == ["b"] * 8  # retried, then ill
    posts = [http.post("/x", content=b"1").status_code for _ in range(2)]
    assert set(posts) <= {200, 502}
    admin = "/_admin/upstreams/pool/health"
    until(lambda: [t["health"] for t in http.get(admin).json()["data"]] == ["UNHEALTHY", "HEALTHY"])
    a.mood["drop"] = False
    until(lambda: [t["health"] for t in http.get(admin).json()["data"]] == ["HEALTHY", "HEALTHY"])
    for each in (a, b):
        each.mood["status"] = 500
    until(lambda: http.get("/x").status_code == 503)
    assert http.get("/x").json() == {"message": "failure to get a peer from the ring-balancer"}
    assert http.get("/dead").status_code == 502 and http.get("/slow").status_code == 504


def test_a_post_is_sent_once(gateway: Any, server: Any) -> None:
    up = server()
    http = gateway(
        f"services: [{{name: s, url: '{up.url}', retries: 3, routes: [{{name: r, paths: [/], strip_path: false}}]}}]"
    ).http
    assert http.post("/drop").status_code == 502 and len(up.seen) == 1
    assert http.put("/drop", content=b"x").status_code == 502 and len(up.seen) == 2
    up.seen.clear()
    assert http.get("/drop").status_code == 502 and len(up.seen) >= 4


def test_breaker_canary_and_mirror(gateway: Any, server: Any) -> None:
    a, b = server("a"), server("b")
    http = gateway(
        f"""
services:
- name: s
  url: {a.url}
  routes:
  - {{name: break, paths: [/break], plugins: [{{name: circuit-breaker, config: {{size: 4, minimum: 4, wait_s: 0.4, half_open: 1}}}}]}}
  - {{name: canary, paths: [/canary], plugins: [{{name: canary, config: {{percentage: 40, hash: header, header_name: x-user, upstream_port: {b.server_port}}}}}]}}
  - {{name: mirror, paths: [/mirror], strip_path: false, plugins: [{{name: mirror, config: {{url: "{b.url}"}}}}]}}
"""
    ).http
    for _ in range(2):
        assert (
            http.get("/break").status_code == 200
            and http.get("/break", headers={"x-want": "503"}).status_code == 503
        )
    count = len(a.seen)
    refused = http.get("/break")
    assert (
        refused.status_code == 503
        and refused.json() == {"message": "The circuit is open"}
        and len(a.seen) == count
    )
    time.sleep(0.45)
    assert [http.get("/break").status_code for _ in range(3)] == [200] * 3
    users = [http.get("/canary", headers={"x-user": f"u{n}"}).json()["name"] for n in range(120)]
    assert 25 <= users.count("b") <= 70
    assert users[:20] == [http.get("/canary", headers={"x-user": f"u{n}"}).json()["name"] for n in range(20)]
    b.seen.clear()
    assert http.post("/mirror/x?y=1", content=b"copy").json()["name"] == "a"
    until(lambda: b.seen == [("POST", "/mirror/x?y=1")])
    b.stop()
    assert http.get("/mirror/x").status_code == 200


def test_one_answer_of_several(gateway: Any, server: Any) -> None:
    user, orders = (
        server("u", json={"id": 7, "name": "ada", "secret": 1}),
        server("o", json={"data": {"items": [1, 2]}}),
    )
    http = gateway(
        f"""
routes:
- name: all
  paths: ["~/users/(?<id>[0-9]+)$"]
  plugins:
  - name: aggregate
    config:
      timeout_s: 0.5
      backends:
      - {{url: "{user.url}/users/{{id}}", deny: [secret]}}
      - {{url: "{orders.url}/orders?user={{id}}", group: orders, target: data}}
"""
    ).http
    found = http.get("/users/7")
    assert found.json() == {"id": 7, "name": "ada", "orders": {"items": [1, 2]}}
    assert found.headers["x-krakend-completed"] == "true" and user.seen == [("GET", "/users/7")]
    assert orders.seen == [("GET", "/orders?user=7")]
    orders.mood["drop"] = True
    partial = http.get("/users/7")
    assert partial.json() == {"id": 7, "name": "ada"} and partial.headers["x-krakend-completed"] == "false"
    assert partial.headers["cache-control"] == "no-store"
    user.mood["status"] = 500
    assert http.get("/users/7").status_code == 502 and http.post("/users/7").status_code == 405


def test_sockets_and_events_pass_through(gateway: Any, server: Any) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    up = server()
    running = gateway(
        f"""
services:
- name: s
  url: {up.url}
  routes:
  - {{name: r, paths: [/events], strip_path: false}}
  - {{name: ws, paths: [/ws], plugins: [{{name: key-auth}}]}}
{CONSUMERS}
"""
    )
    arrived = []
    began = time.monotonic()
    with running.http.stream("GET", "/events") as events:
        for line in events.iter_lines():
            if line:
                arrived.append((line, time.monotonic() - began))
    assert [line for line, _ in arrived] == ["data: 0", "data: 1", "data: 2"]
    assert arrived[0][1] < 0.25 <= arrived[2][1]  # as they come, not at the end
    with connect(
        f"ws://127.0.0.1:{running.port}/ws/chat", additional_headers={"apikey": "k-ada"}, compression=None
    ) as ws:
        for text in ("one", "two", "ü" * 40):
            ws.send(text)
            assert ws.recv(timeout=5) == text
    assert up.seen[-1] == ("GET", "/chat")
    with pytest.raises(InvalidStatus) as caught, connect(f"ws://127.0.0.1:{running.port}/ws"):
        pass
    assert caught.value.response.status_code == 401


def test_a_file_is_followed_and_a_request_never_sees_half_of_it(gateway: Any, server: Any) -> None:
    a, b = server("a"), server("b")

    def text(url: str, key: str) -> str:
        return (
            f'_format_version: "3.0"\nservices: [{{name: s, url: "{url}", routes: [{{name: r, paths: [/]}}]}}]\n'
            f"plugins: [{{name: key-auth}}]\nconsumers: [{{username: ada, keyauth_credentials: [{{key: {key}}}]}}]\n"
        )

    running = gateway(text(a.url, "ka").partition("\n")[2])
    http = running.http
    stop, codes = threading.Event(), set()

    def hammer() -> None:
        with httpx.Client(base_url=running.url) as client:
            while not stop.is_set():
                for key in ("ka", "kb"):
                    found = client.get("/", headers={"apikey": key})
                    codes.add((key, found.status_code, found.json().get("name")))

    threads = [threading.Thread(target=hammer) for _ in range(2)]
    for thread in threads:
        thread.start()
    running.file.write_text(text(b.url, "kb"))
    until(lambda: http.get("/", headers={"apikey": "kb"}).status_code == 200)
    stop.set()
    for thread in threads:
        thread.join()
    assert codes <= {("ka", 200, "a"), ("ka", 401, None), ("kb", 200, "b"), ("kb", 401, None)}
    assert http.post("/_admin/config", content=text(a.url, "ka")).status_code == 409
    running.file.write_text(text(b.url, "kb") + "wrong: 1\n")
    until(lambda: http.get("/_admin/status").status_code == 503)
    assert "'wrong'" in http.get("/_admin/status").json()["message"]
    assert http.get("/", headers={"apikey": "kb"}).status_code == 200


def test_the_admin_api(serve: Callable[..., Any], server: Any) -> None:
    up = server()
    closed = serve("gateway", "--log-format", "none").http
    assert (
        closed.get("/_admin").status_code == 403
        and closed.post("/_admin/config", content="x").status_code == 403
    )
    http = serve("gateway", "--admin-local", "--log-format", "none").http
    assert http.get("/").status_code == 404 and http.get("/openapi.json").status_code == 200
    text = (
        f'_format_version: "3.0"\nservices: [{{name: s, url: "{up.url}", routes: [{{name: r, paths: [/]}}], '
        f"plugins: [{{name: correlation-id}}]}}]\n{CONSUMERS}"
    )
    made = http.post("/_admin/config", json={"config": text})
    assert made.status_code == 201 and len(made.json()["services"]) == 1
    assert http.get("/x").json()["path"] == "/x"
    (service,) = http.get("/_admin/services").json()["data"]
    assert (
        http.get("/_admin/services/s").json()
        == service
        == http.get(f"/_admin/services/{service['id']}").json()
    )
    assert [r["name"] for r in http.get("/_admin/services/s/routes").json()["data"]] == ["r"]
    assert [p["name"] for p in http.get("/_admin/services/s/plugins").json()["data"]] == ["correlation-id"]
    assert "k-ada" not in http.get("/_admin/consumers").text and http.get("/_admin/config").json() == {
        "config": text
    }
    assert http.get("/_admin").json()["plugins"]["enabled_in_cluster"] == ["correlation-id"]
    bad = http.post("/_admin/config", content='_format_version: "3.0"\nservices: [{name: x}]')
    assert bad.status_code == 400 and "no http or https url" in bad.json()["message"]
    assert http.get("/x").status_code == 200 and http.get("/_admin/services/x").status_code == 404
    assert (
        http.post("/_admin/config", content=text, headers={"origin": "http://evil.example"}).status_code
        == 403
    )
    assert http.get("/_admin/nothing").json()["message"] == "Not found"


def test_floods_and_proxies_before_it(gateway: Any, server: Any) -> None:
    up = server()
    running = gateway(
        f"services: [{{name: s, url: '{up.url}', routes: [{{name: r, paths: [/]}}]}}]",
        "--flood", "1", "--trusted", "127.0.0.0/8",
    )  # fmt: skip
    http = running.http

    def ask(client: str) -> Any:
        return http.get("/", headers={"x-forwarded-for": client})

    assert [ask("203.0.113.7").status_code for _ in range(2)] == [200, 200]
    until(lambda: ask("203.0.113.7").status_code == 429)
    assert ask("203.0.113.8").json()["headers"]["x-forwarded-for"] == "203.0.113.8, 127.0.0.1"
    # Only the last hop that is not ours is true: whatever is said before it, this is one client.
    claims = iter(range(1000))
    until(lambda: ask(f"198.51.100.{next(claims) % 250}, 203.0.113.9").status_code == 429)
    assert ask("203.0.113.10").status_code == 200
