"""The service over HTTP."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit import hub as hubs
from backendhub.kit.errors import Invalid
from backendhub.systems.rate_limiter import board, service
from backendhub.systems.rate_limiter.demo import SHOP

LOGIN = {"login": "form", "remote_address": "192.0.2.1"}


@pytest.fixture
def http(hub: hubs.Hub, client: Callable[..., Any]) -> Any:
    hub.unit(lambda db: service.put(db, domain="shop", config=SHOP))
    board.of(hub).refresh(hub)
    return client("rate-limiter")


def check(http: Any, *descriptors: dict[str, str], **more: Any) -> Any:
    return http.post("/check", json={"domain": "shop", "descriptors": [*descriptors], **more})


def test_envoy_s_json(http: Any) -> None:
    asked = {"domain": "shop", "descriptors": [{"entries": [{"key": "plan", "value": "free"}]}]}
    first = http.post("/json", json=asked)
    assert first.status_code == 200
    (status,) = first.json()["statuses"]
    assert (
        status["currentLimit"] == {"requestsPerUnit": 1000, "unit": "DAY"} and status["limitRemaining"] == 999
    )
    assert (
        status["code"] == first.json()["overallCode"] == "OK" and status["durationUntilReset"][:-1].isdigit()
    )
    asked["hitsAddend"] = 1000
    over = http.post("/json", json=asked)
    assert (over.status_code, over.json()["overallCode"]) == (429, "OVER_LIMIT")
    # curl says that its data is a form
    plain = http.post(
        "/json",
        content='{"domain": "x", "descriptors": [{"entries": [{"key": "perday"}]}]}',
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert plain.json() == {"overallCode": "OK", "statuses": [{"code": "OK"}]}
    assert http.post("/json", content="{}").status_code == 400


def test_fields_and_problems(http: Any, frozen: Any) -> None:
    found = [check(http, LOGIN) for _ in range(6)]
    assert [r.status_code for r in found] == [200] * 5 + [429]
    assert found[0].headers["ratelimit-policy"] == '"login";q=5;w=60'
    assert found[0].headers["ratelimit"] == '"login";r=4;t=60'
    assert found[0].json() == {
        "allowed": True,
        "limits": [{"limit": "shop.login.remote_address", "remaining": 4, "reset": 60.0}],
    }
    refused = found[5]
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["type"].endswith("#quota-exceeded")
    assert refused.json()["violated-policies"] == ["login"]
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 60
    frozen(f"2026-01-05T09:{wait // 60:02d}:{wait % 60:02d}Z")
    assert check(http, LOGIN).status_code == 200
    assert check(http, {"plan": "blocked"}).status_code == 429
    assert "retry-after" not in check(http, {"plan": "blocked"}).headers
    assert check(http, LOGIN, cost=6).status_code == 422
    assert check(http, LOGIN, cost=-1).status_code == 422 and check(http).status_code == 422


def test_looking_and_forgetting(http: Any, frozen: Any) -> None:
    check(http, {"user": "ada"}, cost=5)
    assert check(http, {"user": "ada"}, cost=0).json()["limits"][0]["remaining"] == 15
    (row,) = http.get("/counters?start=shop|user").json()
    assert (row["key"], row["limit"], row["remaining"]) == ("shop|user=ada", "shop.user", 15)
    reset = http.post("/reset", json={"domain": "shop", "descriptors": [{"user": "ada"}, {"x": "y"}]})
    assert reset.json() == {"reset": 1} and http.get("/counters").json() == []
    assert http.get("/stats").json()["shop.user"]["within"] == 5


def test_seats(http: Any) -> None:
    seat = {"user": "ada", "report": "big"}
    leases = [check(http, seat).json()["limits"][0]["lease"] for _ in range(3)]
    assert check(http, seat).status_code == 429
    assert http.post("/release", json={"lease": leases[0]}).status_code == 204
    assert http.post("/release", json={"lease": leases[0]}).status_code == 204
    assert check(http, seat).status_code == 200 and check(http, seat).status_code == 429
    for bad in ("e30=", "!!", "bm90IGpzb24="):
        assert http.post("/release", json={"lease": bad}).status_code in (400, 422)


def test_what_shadows_would_do(http: Any) -> None:
    for n in range(12):
        found = check(http, {"mail": "x"})
        assert found.status_code == 200 and "ratelimit" not in found.headers
        (told,) = found.json()["limits"]
        assert told["shadow"] == ("would be admitted" if n < 11 else "would be refused")


def test_domains_are_kept_and_served_at_once(http: Any) -> None:
    text = "domain: blog\ndescriptors:\n  - {key: a, rate_limit: {unit: day, requests_per_unit: 1}}\n"
    made = http.put("/domains/blog", content=text, headers={"content-type": "application/yaml"})
    assert (made.status_code, made.json()["revision"], made.headers["etag"]) == (200, 1, '"1"')
    assert {d["domain"]: d["limits"] for d in http.get("/domains").json()}["blog"] == 1
    once = [http.post("/check", json={"domain": "blog", "descriptors": [{"a": "b"}]}) for _ in range(2)]
    assert [r.status_code for r in once] == [200, 429]
    more = text.replace("requests_per_unit: 1", "requests_per_unit: 5")
    yaml = {"content-type": "text/yaml"}
    assert http.put("/domains/blog", content=more, headers={**yaml, "if-match": '"9"'}).status_code == 412
    assert (
        http.put("/domains/blog", content=more, headers={**yaml, "if-match": '"1"'}).json()["revision"] == 2
    )
    assert http.get("/domains/blog").json()["config"] == more
    assert "blog.a: unit=DAY requests_per_unit=5" in http.get("/rlconfig").text
    wrong = http.put("/domains/blog", content=more.replace("key", "kee"), headers=yaml)
    assert wrong.status_code == 422 and "'kee'" in wrong.json()["detail"]
    assert http.put("/domains/other", content=text, headers=yaml).status_code == 422
    assert http.delete("/domains/blog").status_code == 204 and http.delete("/domains/blog").status_code == 404
    assert http.post("/check", json={"domain": "blog", "descriptors": [{"a": "b"}]}).json()["limits"] == [
        {"limit": None, "unlimited": True}
    ]


def test_what_another_process_has_stored_is_seen(hub: hubs.Hub, http: Any) -> None:
    hub.unit(lambda db: service.put(db, domain="late", config="domain: late"))
    for _ in range(60):
        if "late" in {d["domain"] for d in http.get("/domains").json()}:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("the change is not seen")


def test_files_are_followed_and_a_mistake_changes_nothing(
    hub: hubs.Hub, client: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text("domain: d\ndescriptors:\n  - {key: a, rate_limit: {unit: day, requests_per_unit: 1}}\n")
    hub.settings.flags["rate_limiter.files"] = str(tmp_path)
    board.of(hub).refresh(hub)
    http = client("rate-limiter")
    assert http.get("/domains").json() == [{"domain": "d", "limits": 1}]
    assert (
        http.put("/domains/d", content="domain: d", headers={"content-type": "text/yaml"}).status_code == 409
    )
    assert http.delete("/domains/d").status_code == 409

    def until(healthy: bool) -> Any:
        for _ in range(60):
            if (found := http.get("/healthcheck")).status_code == (200 if healthy else 503):
                return found
            time.sleep(0.05)
        raise AssertionError(found.text)

    file.write_text("domain: d\ndescriptors: 7\n")
    assert "no list" in until(False).text
    assert http.get("/domains").json() == [{"domain": "d", "limits": 1}]
    file.write_text("domain: e\ndescriptors: []\n")
    os.utime(file, (1, 1))
    until(True)
    assert http.get("/domains").json() == [{"domain": "e", "limits": 0}]


@pytest.mark.parametrize(
    ("name", "value"), [("algorithm", "magic"), ("fail", "maybe"), ("files", "/no/such.yaml")]
)
def test_settings_that_make_no_sense(hub: hubs.Hub, name: str, value: str) -> None:
    hub.settings.flags[f"rate_limiter.{name}"] = value
    with pytest.raises(Invalid):
        board.of(hub).refresh(hub)
