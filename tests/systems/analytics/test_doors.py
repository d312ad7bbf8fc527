"""The API over HTTP: both doors, sources, questions, files, the dashboard."""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from backendhub.kit.hub import Hub
from backendhub.systems.analytics import demo

BASIC = {"authorization": "Basic " + base64.b64encode(b"key-1:").decode()}


@pytest.fixture
def http(client: Callable[..., Any]) -> Any:
    return client("analytics")


def settled(http: Any, key: str, count: int) -> dict[str, int]:
    """The tally once that many events have been digested, which happens in the background."""
    for _ in range(200):
        answer = http.get(f"/sources/{key}/tallies")
        if answer.status_code == 200 and sum(t["received"] for t in answer.json()) >= count:
            return answer.json()[0]  # type: ignore[no-any-return]
        time.sleep(0.02)
    raise AssertionError(f"{key}: {answer.text}")


@pytest.mark.parametrize("call", ["track", "identify", "page", "screen", "group", "alias", "batch", "b", "t"])
def test_segments_calls(http: Any, call: str) -> None:
    event = {"type": "track", "userId": "u", "event": "Bought", "groupId": "g", "previousId": "p"}
    body = {"batch": [event]} if call in ("batch", "b") else {k: v for k, v in event.items() if k != "type"}
    answer = http.post(f"/v1/{call}", json={"writeKey": "key-1", **body})
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert settled(http, "key-1", 1)["stored"] == 1


def test_a_compressed_batch_with_basic_authentication(http: Any) -> None:
    batch = {
        "batch": [{"type": "track", "event": "Bought", "userId": "u", "messageId": str(n)} for n in range(50)]
    }
    headers = BASIC | {"content-encoding": "gzip", "content-type": "text/plain"}
    for _ in range(2):
        assert (
            http.post(
                "/v1/batch", content=gzip.compress(json.dumps(batch).encode()), headers=headers
            ).status_code
            == 200
        )
    tally = settled(http, "key-1", 100)
    assert (tally["stored"], tally["duplicates"]) == (50, 50)


@pytest.mark.parametrize(
    ("call", "body", "headers", "status"),
    [
        ("track", b"{", BASIC, 400),
        ("track", b"[]", BASIC, 400),
        ("track", b'{"a":"\xff"}', BASIC, 400),
        ("track", b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", BASIC, 400),
        ("batch", b'{"batch":{}}', BASIC, 400),
        ("track", b"{}", {}, 401),
        ("track", b"{}", {"authorization": "Basic ???"}, 401),
        ("track", b'{"writeKey":"no key/"}', {}, 401),
        ("sneeze", b"{}", BASIC, 404),
        ("batch", b"x" * 512_001, BASIC, 413),
        ("batch", gzip.compress(b" " * 2_000_000), BASIC | {"content-encoding": "gzip"}, 413),
    ],
)
def test_what_segments_door_refuses(
    http: Any, call: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = http.post(f"/v1/{call}", content=body, headers=headers)
    assert (answer.status_code, answer.json()["success"]) == (status, False)
    assert answer.json()["message"]


def test_only_known_keys_where_that_is_asked_for(
    http: Any, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKENDHUB_ANALYTICS_KNOWN_ONLY", "true")
    assert http.post("/v1/track", json={"userId": "u", "event": "e"}, headers=BASIC).status_code == 401
    made = http.post("/sources", json={"name": "Shop", "domain": "shop.example"}).json()
    key = {"authorization": "Basic " + base64.b64encode(f"{made['writeKey']}:".encode()).decode()}
    assert http.post("/v1/track", json={"userId": "u", "event": "e"}, headers=key).status_code == 200
    visit = {"n": "pageview", "u": "https://shop.example/", "d": "shop.example,other.example"}
    answer = http.post("/api/event", json=visit, headers={"user-agent": "Firefox/140"})
    assert (answer.status_code, answer.headers["x-plausible-dropped"]) == (202, "1")


def test_plausibles_event(http: Any) -> None:
    event = {
        "name": "pageview",
        "url": "https://a.example/p?utm_source=mail",
        "domain": "a.example",
        "props": {"x": 1},
    }
    agent = {
        "user-agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0",
        "content-type": "text/plain",
        "origin": "https://a.example",
    }
    answer = http.post("/api/event", content=json.dumps(event), headers=agent)
    assert (answer.status_code, answer.text) == (202, "ok")
    assert answer.headers["access-control-allow-origin"] == "*"
    robot = http.post("/api/event", content=json.dumps(event), headers={"user-agent": "Googlebot/2.1"})
    assert (robot.status_code, robot.headers["x-plausible-dropped"]) == (202, "1")
    assert settled(http, "a.example", 1)["stored"] == 1
    assert http.get("/api/v1/stats/realtime/visitors?site_id=a.example").json() == 1
    query = {
        "site_id": "a.example",
        "metrics": ["visitors"],
        "date_range": "day",
        "dimensions": ["visit:source"],
    }
    assert http.post("/api/v2/query", json=query).json()["results"] == [
        {"metrics": [1], "dimensions": ["mail"]}
    ]


@pytest.mark.parametrize(
    "body", ["{", "[]", "{}", '{"d":"a.example"}', '{"d":" ","n":"pageview"}', '{"d":7,"n":"x"}']
)
def test_what_plausibles_door_refuses(http: Any, body: str) -> None:
    answer = http.post("/api/event", content=body)
    assert answer.status_code == 400 and answer.json()["error"]


def test_questions_that_make_no_sense(http: Any) -> None:
    http.post("/sources", json={"name": "Shop", "domain": "a.example"})
    query = {"site_id": "a.example", "metrics": ["visitors"], "date_range": "day"}
    for change, status in (
        ({"site_id": "b.example"}, 404), ({"metrics": ["sales"]}, 400), ({"metrics": []}, 400), ({"date_range": 7}, 400),
        ({"colour": "red"}, 400),
    ):  # fmt: skip
        answer = http.post("/api/v2/query", json=query | change)
        assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_sources_and_goals(http: Any) -> None:
    made = http.post("/sources", json={"name": "Shop", "domain": "a.example", "timezone": "Europe/Berlin"})
    assert made.status_code == 201 and len(made.json()["writeKey"]) >= 32
    assert http.post("/sources", json={"name": "Again", "domain": "a.example"}).status_code == 409
    assert http.post("/sources", json={"name": "Far", "timezone": "Mars/Olympus"}).status_code == 422
    assert http.get("/sources/a.example").json() == made.json()
    assert http.patch("/sources/a.example", json={"name": "Store"}).json()["name"] == "Store"
    http.post("/sources", json={"name": "Second"})
    first = http.get("/sources?limit=1")
    assert [s["name"] for s in first.json()] == ["Store"]
    assert [s["name"] for s in http.get(first.links["next"]["url"]).json()] == ["Second"]
    goal = http.post("/sources/a.example/goals", json={"kind": "page", "match": "/blog/*"}).json()
    assert goal["name"] == "Visit /blog/*"
    assert http.post("/sources/a.example/goals", json={"kind": "page", "match": "blog"}).status_code == 422
    assert http.post("/sources/a.example/goals", json={"kind": "page", "match": "/blog/*"}).status_code == 409
    assert http.get("/sources/a.example/goals").json() == [goal]
    assert http.delete(f"/sources/a.example/goals/{goal['id']}").status_code == 204
    assert http.delete(f"/sources/a.example/goals/{goal['id']}").status_code == 404
    assert http.delete("/sources/a.example").status_code == 204
    assert http.get("/sources/a.example").status_code == 404


def test_files_hold_every_event_once(http: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from backendhub.systems.analytics.service import exporting

    monkeypatch.setattr(exporting, "PAGE", 7)
    batch = [{"type": "track", "event": "Bought", "userId": "ü", "properties": {"n": n}} for n in range(40)]
    http.post("/v1/batch", json={"batch": batch}, headers=BASIC)
    settled(http, "key-1", 40)
    lines = [json.loads(line) for line in http.get("/sources/key-1/export").text.splitlines()]
    assert sorted(line["properties"]["n"] for line in lines) == list(range(40))
    rows = http.get("/sources/key-1/export.csv").text.splitlines()
    assert rows[0].startswith("id,message_id,type") and len(rows) == 41
    assert http.get("/sources/key-1/export?until=2020-01-01").text == ""
    assert http.get("/sources/nobody/export").status_code == 404


def test_the_dashboard(http: Any, hub: Hub) -> None:
    assert "Nothing has come in yet" in http.get("/").text
    hub.unit(demo.load)
    page = http.get("/")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    for words in ("Two Wheels", "Looked at a bike", "Direct / None", "In 30 days"):
        assert words in page.text
    assert "https://" not in page.text.replace("https://bicycles.example", "")
    assert http.get("/?range=ever").status_code == 422
    assert http.get("/?source=nobody").status_code == 404
    assert http.get("/dashboard.js").headers["content-type"].startswith("text/javascript")
    report = http.get("/_check").json()
    assert report["ok"] is True and len(report["checks"]) == 4
