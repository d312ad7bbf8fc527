"""The plugin proxy-cache before a real server: what is kept, for whom, and how it goes again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest


class Upstream(BaseHTTPRequestHandler):
    """Answers with the fields that the query names, and says how often a path was asked for."""

    protocol_version = "HTTP/1.1"
    counts: Counter[str]

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        type(self).counts[parts.path] += 1
        who = {name: self.headers.get(name) for name in ("authorization", "cookie", "accept-language")}
        body = json.dumps({"n": type(self).counts[parts.path], **who}).encode()
        fields = {"content-type": "application/json", **dict(parse_qsl(parts.query))}
        self.send_response(int(fields.pop("status", 200)))
        for name, value in {**fields, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:10])
            self.wfile.flush()
            self.wfile.write(body[10:])

    do_POST = do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def http(serve: Callable[..., Any], tmp_path: Path) -> Iterator[Any]:
    handler = type("Handler", (Upstream,), {"counts": Counter()})
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    upstream.daemon_threads = True
    thread = Thread(target=upstream.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    (tmp_path / "kong.yml").write_text(f"""
_format_version: "3.0"
services:
- name: s
  url: http://127.0.0.1:{upstream.server_port}
  routes:
  - name: open
    paths: [/open]
    plugins: [{{name: response-transformer, config: {{append: {{headers: ["x-seen:1"]}}}}}}]
  - {{name: mine, paths: [/mine], plugins: [{{name: key-auth, config: {{hide_credentials: true}}}}]}}
  - name: told
    paths: [/told]
    plugins: [{{name: proxy-cache, config: {{strategy: memory, cache_control: true, storage_ttl: 60}}}}]
  plugins: [{{name: proxy-cache, config: {{strategy: memory, vary_headers: [x-shop]}}}}]
consumers:
- {{username: ada, keyauth_credentials: [{{key: k-ada}}]}}
- {{username: bob, keyauth_credentials: [{{key: k-bob}}]}}
""")
    yield serve("gateway", str(tmp_path / "kong.yml"), "--admin-local", "--log-format", "none").http
    upstream.shutdown()
    upstream.server_close()
    thread.join()


def word(answer: Any) -> str:
    return str(answer.headers.get("x-cache-status"))


def test_answers_are_kept_for_those_they_were_for(http: Any) -> None:
    first, again = http.get("/open/a?x-b=1&x-a=2"), http.get("/open/a?x-a=2&x-b=1")
    assert [word(first), word(again)] == ["Miss", "Hit"] and again.json() == first.json()
    assert again.headers["age"] == "0" and again.headers["x-cache-key"] == first.headers["x-cache-key"]
    assert first.headers.get_list("x-seen") == again.headers.get_list("x-seen") == ["1"]
    head = http.head("/open/a?x-b=1&x-a=2")
    assert word(head) == "Hit" and head.headers["content-length"] == str(len(first.content))
    assert word(http.get("/open/a?x-b=1&x-a=3")) == "Miss"
    assert word(http.get("/open/a?x-b=1&x-a=2", headers={"x-shop": "2"})) == "Miss"
    for fields in ({"authorization": "Bearer one"}, {"cookie": "session=one"}):
        name, value = next(iter(fields.items()))
        mine = http.get("/open/c", headers=fields)
        assert word(mine) == "Miss" and mine.json()[name] == value  # nobody else's
        assert word(http.get("/open/c", headers=fields)) == "Hit"
        assert http.get("/open/c", headers={name: "another"}).json()[name] == "another"
    http.cookies.clear()
    ada, bob = (http.get("/mine/x", headers={"apikey": f"k-{name}"}) for name in ("ada", "bob"))
    assert [word(ada), word(bob)] == ["Miss", "Miss"] and ada.json() != bob.json()
    assert word(http.get("/mine/x", headers={"apikey": "k-ada"})) == "Hit"
    assert http.get("/mine/x").status_code == 401

    tagged = http.get("/open/t?etag=%22v1%22")
    same = http.get("/open/t?etag=%22v1%22", headers={"if-none-match": 'W/"v1"'})
    assert (tagged.status_code, same.status_code, word(same), same.content) == (200, 304, "Hit", b"")


def test_what_is_not_kept_and_what_the_upstream_says(http: Any) -> None:
    for query in (
        "set-cookie=a%3D1", "cache-control=private", "cache-control=no-store", "vary=*", "content-type=image/png",
        "status=500",
    ):  # fmt: skip
        assert [word(http.get(f"/open/n?{query}")) for _ in range(2)] == ["Bypass", "Bypass"], query
        http.cookies.clear()
    assert word(http.post("/open/n")) == word(http.get("/open/n", headers={"range": "bytes=0-1"})) == "Bypass"
    assert word(http.get("/open/h", headers={"x-http-method-override": "POST"})) == "Bypass"
    assert [word(http.get("/open/h", headers={"host": h})) for h in ("evil.example", "a.example")] == [
        "Miss",
        "Miss",
    ]
    german = [http.get("/open/v?vary=accept-language", headers={"accept-language": "de"}) for _ in range(2)]
    french = http.get("/open/v?vary=accept-language", headers={"accept-language": "fr"})
    assert [word(a) for a in (*german, french)] == ["Miss", "Hit", "Miss"]
    assert french.json()["accept-language"] == "fr"

    told = "/told/a?cache-control=max-age%3D60"
    assert [word(http.get(told)) for _ in range(2)] == ["Miss", "Hit"]
    assert word(http.get("/told/b")) == "Bypass"  # it says nothing of freshness
    ask = lambda value: http.get(told, headers={"cache-control": value})  # noqa: E731
    assert (
        word(ask("no-cache")) == "Bypass"
        and word(ask("min-fresh=100")) == "Refresh"
        and word(ask("")) == "Hit"
    )
    assert ask("only-if-cached").status_code == 200
    assert http.get("/told/z", headers={"cache-control": "only-if-cached"}).status_code == 504
    assert word(http.get(told, headers={"authorization": "Bearer one"})) == "Bypass"


def test_the_admin_api_looks_at_what_is_kept_and_throws_it_away(http: Any) -> None:
    key = http.get("/open/a").headers["x-cache-key"]
    assert http.get(f"/_admin/proxy-cache/{key}").json()["status"] == 200
    plugins = [p["id"] for p in http.get("/_admin/plugins").json()["data"] if p["name"] == "proxy-cache"]
    found = [http.get(f"/_admin/proxy-cache/{plugin}/caches/{key}").status_code for plugin in plugins]
    assert sorted(found) == [200, 404] and http.get("/_admin/proxy-cache/none/caches/x").status_code == 404
    assert http.delete(f"/_admin/proxy-cache/{key}").status_code == 204
    assert http.delete(f"/_admin/proxy-cache/{key}").status_code == 404
    assert [word(http.get("/open/a")) for _ in range(2)] == ["Miss", "Hit"]
    assert http.delete("/_admin/proxy-cache").status_code == 204
    assert word(http.get("/open/a")) == "Miss"
