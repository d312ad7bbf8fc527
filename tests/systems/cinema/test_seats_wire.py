"""The wire of seats.io's clients over HTTP: errors in its dialect, seasons, areas, channels, pages of listings."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from backendhub.kit.hub import Hub
from backendhub.systems.cinema.service import workspaces

# -- who asks, and errors ----------------------------------------------------------------------------------


def test_errors_are_in_its_dialect(seats: Any, event: str, hub: Hub, theatre: Any, opened: Any) -> None:
    stranger = opened("no-such-key")
    assert stranger.error("GET", "/charts", status=401) == "UNAUTHENTICATED"
    assert seats.http.get("/charts").status_code == 401
    assert seats.error("GET", "/charts/none", status=404) == "CHART_NOT_FOUND"
    assert seats.error("GET", "/events/none", status=404) == "EVENT_NOT_FOUND"
    assert seats.error("GET", "/hold-tokens/none", status=404) == "HOLD_TOKEN_NOT_FOUND"
    assert seats.refused(event, "Z-9", code=404) == "OBJECT_NOT_FOUND"
    assert seats.refused(event, {"objectId": "A-1", "quantity": 2}) == "INVALID_QUANTITY"
    assert seats.refused(event, {"objectId": "GA", "quantity": 0}) == "GENERAL_ERROR"
    assert seats.refused(event, "A-1", "A-1") == "DUPLICATE_OBJECT"
    assert seats.refused(event, "A-1", status="reservedByToken") == "HOLD_TOKEN_REQUIRED"
    assert seats.error("POST", "/events", {"chartKey": "hall", "eventKey": "e"}) == "DUPLICATE_EVENT_KEY"
    assert seats.error("POST", "/system/public/charts/hall", theatre()) == "DUPLICATE_CHART_KEY"
    assert seats.error("POST", "/hold-tokens", {"expiresInMinutes": 0}) == "INVALID_EXPIRATION"
    other = opened(hub.unit(workspaces.add, company="d", name="Other").secret_key)
    assert other.error("GET", "/events/e", status=404) == "EVENT_NOT_FOUND"
    assert other("GET", "/charts")["items"] == []


BAD_DRAWINGS: list[dict[str, Any]] = [
    {"categories": {"list": [{"key": 1}]}},
    {"categories": {"list": ["x"]}},
    {"categories": [1]},
    {"subChart": {"rows": [{"label": "A"}]}},
    {"subChart": {"rows": [{"label": "A", "seats": [{"label": "1", "x": "left", "y": 0}]}]}},
    {"subChart": {"generalAdmissionAreas": [{"label": "GA", "capacity": -1}]}},
    {"subChart": {"generalAdmissionAreas": [{"label": "GA", "capacity": 10**9}]}},
    {"subChart": {"booths": [{"label": "x" * 201}]}},
    {"zones": {"list": [{}]}},
    {"zones": {"list": [{"key": "z"}]}},
    {"name": "a\0b"},
    {"subChart": {"rows": [{"label": "A", "seats": [{"label": "1", "x": 1.7e308, "y": 1.7e308}]}]}},
]


def test_what_is_no_drawing(seats: Any, theatre: Any) -> None:
    for change in BAD_DRAWINGS:
        body = theatre() | change
        assert seats.error("POST", "/system/public/charts/other", body) == "INVALID_DRAWING", change
    assert seats.error("GET", "/charts/other", status=404) == "CHART_NOT_FOUND"


def test_names_have_an_end(seats: Any, event: str, theatre: Any) -> None:
    """PostgreSQL's indexes take no more, and no NUL."""
    for name in ("x" * 201, "%00"):
        assert seats.error("POST", f"/system/public/charts/{name}", theatre()) == "GENERAL_ERROR"
        assert seats.error("POST", f"/charts/hall/tags/{name}") == "GENERAL_ERROR"
        assert seats.error("GET", f"/events/{name}") == "GENERAL_ERROR"
    for extra in ({"A-1": 5}, {"a\0b": {}}):
        path = f"/events/{event}/actions/update-extra-data"
        assert seats.error("POST", path, {"extraData": extra}) == "GENERAL_ERROR"
    twice = {"channels": [{"key": "x"}, {"key": "x"}]}
    assert seats.error("POST", f"/events/{event}/channels/replace", twice) == "CHANNEL_ALREADY_EXISTS"


def test_cells_of_a_report_are_json(seats: Any, event: str) -> None:
    extra = {"name": 'Ärger, "quoted"'}
    seats("POST", f"/events/{event}/actions/update-extra-data", {"extraData": {"A-1": extra}}, 204)
    rows = list(csv.DictReader(io.StringIO(seats("GET", f"/reports/events/{event}.csv"))))
    assert (json.loads(rows[0]["extraData"]), rows[0]["isAvailable"]) == (extra, "true")


# -- statuses ----------------------------------------------------------------------------------------------


def test_all_or_nothing_names_the_seats(seats: Any, event: str) -> None:
    seats.change(event, "A-1", "B-1")
    body = {
        "objects": [{"objectId": n} for n in ("A-1", "A-2", "B-1")],
        "status": "booked",
        "events": [event],
    }
    found = seats("POST", "/events/groups/actions/change-object-status", body, 400)
    assert found["errors"][0]["code"] == "ILLEGAL_STATUS_CHANGE"
    assert "A-1" in found["messages"][0] and "B-1" in found["messages"][0]
    assert seats.status(event, "A-2") == "free"


def test_a_batch_is_one(seats: Any, event: str) -> None:
    changes = [
        {"event": event, "status": "booked", "objects": [{"objectId": "A-1"}]},
        {"event": event, "status": "booked", "objects": [{"objectId": "A-1"}]},
    ]
    assert (
        seats.error("POST", "/events/actions/change-object-status", {"statusChanges": changes})
        == "ILLEGAL_STATUS_CHANGE"
    )
    assert seats.status(event, "A-1") == "free"
    changes[1]["objects"] = [{"objectId": "A-2"}]
    assert (
        len(seats("POST", "/events/actions/change-object-status", {"statusChanges": changes})["results"]) == 2
    )


def test_an_expired_token_and_a_past_show(
    seats: Any, event: str, frozen: Callable[[str], None], hub: Hub, building: Any, opened: Any
) -> None:
    token = seats("POST", "/hold-tokens", {}, 201)["holdToken"]
    seats.change(event, "A-1", status="reservedByToken", holdToken=token)
    assert seats.refused(event, "A-1") == "ILLEGAL_STATUS_CHANGE"
    frozen("2026-01-05T09:14:59.999Z")
    assert seats("GET", f"/hold-tokens/{token}")["expiresInSeconds"] == 0
    assert seats.status(event, "A-1") == "reservedByToken"
    frozen("2026-01-05T09:15:00Z")
    assert seats.status(event, "A-1") == "free"
    assert seats.refused(event, "A-1", holdToken=token) == "HOLD_TOKEN_EXPIRED"
    assert seats.error("POST", f"/hold-tokens/{token}", {"expiresInMinutes": 5}) == "HOLD_TOKEN_EXPIRED"
    seats.change(event, "A-1")
    world = hub.unit(building)
    house = opened(hub.read(workspaces.own).secret_key)
    assert house.change(world.show.id, "A-1")["A-1"]["status"] == "booked"
    frozen("2026-01-06T20:00:00Z")
    assert house.refused(world.show.id, "A-2") == "SHOW_OVER"
    house.change(world.show.id, "A-1", status="free")


def test_what_is_held_is_booked_and_released(seats: Any, event: str) -> None:
    token = seats("POST", "/hold-tokens", {"expiresInMinutes": 5}, 201)["holdToken"]
    seats.change(event, "A-1", "A-2", status="reservedByToken", holdToken=token, orderId="o1")
    booked = seats.change(event, "A-1", holdToken=token, orderId="o1")["A-1"]
    assert (booked["status"], booked["orderId"], booked["holdToken"]) == ("booked", "o1", None)
    seats("POST", f"/hold-tokens/{token}", {"expiresInMinutes": 0})
    assert (seats.status(event, "A-1"), seats.status(event, "A-2")) == ("booked", "free")
    log = seats("GET", f"/events/{event}/status-changes?sort=objectLabel:asc")["items"]
    assert [(c["objectLabel"], c["status"], c["origin"]["type"]) for c in log] == [
        ("A-1", "reservedByToken", "API_CALL"),
        ("A-1", "booked", "API_CALL"),
        ("A-2", "reservedByToken", "API_CALL"),
        ("A-2", "free", "HOLD_TOKEN_EXPIRATION"),
    ]
    assert seats.error("GET", f"/events/{event}/status-changes?sort=price") == "INVALID_SORT"


@pytest.mark.parametrize("sort", ["", "objectLabel", "objectLabel:desc", "status", "date:asc"])
def test_the_log_page_by_page(seats: Any, event: str, sort: str) -> None:
    for label in ("A-1", "B-2", "A-3", "B-1", "A-2"):
        seats.change(event, label)
    path = f"/events/{event}/status-changes?sort={sort}" if sort else f"/events/{event}/status-changes?"
    whole = [c["id"] for c in seats("GET", path)["items"]]
    assert len(whole) == 5
    page, seen = seats("GET", f"{path}&limit=2"), []
    while True:
        seen += [c["id"] for c in page["items"]]
        if "next_page_starts_after" not in page:
            break
        page = seats("GET", f"{path}&limit=2&start_after_id={page['next_page_starts_after']}")
    assert seen == whole
    before = seats("GET", f"{path}&limit=2&end_before_id={whole[4]}")
    assert [c["id"] for c in before["items"]] == whole[2:4]
    assert before["previous_page_ends_before"] == whole[2]


# -- charts and workspaces ---------------------------------------------------------------------------------


def test_charts_by_text_tag_and_page(seats: Any) -> None:
    for name in ("Été", "Opera 50%", "Opera house"):
        seats("POST", "/charts", {"name": name}, 201)
    found = seats("GET", "/charts?filter=OPERA")["items"]
    assert [c["name"] for c in found] == ["Opera house", "Opera 50%"]
    assert [c["name"] for c in seats("GET", "/charts?filter=50%25")["items"]] == ["Opera 50%"]
    seats("POST", f"/charts/{found[0]['key']}/tags/a/b", None, 204)
    assert [c["name"] for c in seats("GET", "/charts?tag=a/b")["items"]] == ["Opera house"]
    assert seats("GET", "/charts/tags") == {"tags": ["a/b"]}
    page = seats("GET", "/charts?limit=3")
    assert len(page["items"]) == 3 and "previous_page_ends_before" not in page
    rest = seats("GET", f"/charts?limit=3&start_after_id={page['next_page_starts_after']}")
    assert [c["name"] for c in rest["items"]] == ["Theatre"] and "next_page_starts_after" not in rest
    seats("DELETE", f"/charts/{found[0]['key']}/tags/a/b", None, 204)
    assert seats("GET", "/charts/tags") == {"tags": []}


def test_a_draft_is_published_and_warnings_are_told(seats: Any, event: str, theatre: Any) -> None:
    seats("POST", "/charts/hall", {"name": "New"}, 204)
    assert seats("GET", "/charts/hall")["status"] == "PUBLISHED_WITH_DRAFT"
    seats("POST", "/charts/hall/version/draft/actions/publish")
    assert seats("GET", "/charts/hall/version/published")["name"] == "New"
    assert (
        seats.error("POST", "/charts/hall/version/draft/actions/publish", status=404)
        == "DRAFT_VERSION_NOT_FOUND"
    )
    odd = theatre()
    odd["subChart"]["rows"][0]["seats"][1]["label"] = "1"
    odd["subChart"]["rows"][1]["seats"][0] |= {"label": "?", "categoryKey": 99}
    seats("POST", "/system/public/charts/odd", odd, 201)
    told = seats("POST", "/charts/odd/version/published/actions/validate")
    assert told == {
        "errors": [],
        "warnings": ["DUPLICATE_LABELS", "UNLABELED_OBJECTS", "OBJECTS_WITHOUT_CATEGORIES"],
    }
    picture = seats.http.get("/charts/hall/version/published/thumbnail", auth=(seats.key, ""))
    assert picture.content.startswith(b"\x89PNG\r\n")


def test_workspaces(seats: Any, hub: Hub, opened: Any) -> None:
    made = seats("POST", "/workspaces", {"name": "Second", "isTest": True}, 201)
    own = opened(made["secretKey"])
    assert own("GET", "/charts")["items"] == []
    answer = seats.http.get("/charts", auth=(seats.key, ""), headers={"X-Workspace-Key": made["key"]})
    assert answer.json()["items"] == []
    assert seats.error("DELETE", f"/workspaces/{made['key']}") == "WORKSPACE_ACTIVE"
    seats("POST", f"/workspaces/{made['key']}/actions/deactivate")
    assert own.error("GET", "/charts", status=401) == "UNAUTHENTICATED"
    assert [w["name"] for w in seats("GET", "/workspaces/inactive")["items"]] == ["Second"]
    first = seats("GET", "/workspaces")["items"][-1]["key"]
    assert seats.error("POST", f"/workspaces/{first}/actions/deactivate") == "WORKSPACE_NEEDED"
    seats("DELETE", f"/workspaces/{made['key']}", None, 204)
    assert seats.error("GET", f"/workspaces/{made['key']}", status=404) == "WORKSPACE_NOT_FOUND"
    kinds = [e["type"] for e in seats("GET", "/event-log")["items"]]
    assert kinds == ["chart.created"]


def test_the_key_of_a_workspace_opens_no_other(seats: Any, theatre: Any, opened: Any) -> None:
    """That of the company's first does, whichever is the default."""
    made = seats("POST", "/workspaces", {"name": "Second"}, 201)
    first = seats("GET", "/workspaces")["items"][-1]
    seats("POST", f"/workspaces/actions/set-default/{made['key']}", None, 204)
    own = opened(made["secretKey"])
    assert own("GET", f"/workspaces/{made['key']}")["name"] == "Second"
    own("POST", "/system/public/charts/mine", theatre(), 201)
    for method, path in (
        ("GET", "/workspaces"),
        ("GET", "/workspaces/active"),
        ("GET", f"/workspaces/{first['key']}"),
        ("POST", f"/workspaces/{first['key']}/actions/regenerate-secret-key"),
        ("POST", f"/workspaces/actions/set-default/{made['key']}"),
        ("DELETE", f"/workspaces/{first['key']}"),
        ("POST", f"/charts/mine/version/published/actions/copy-to-workspace/{first['key']}"),
    ):
        assert own.error(method, path, status=403) == "DENIED", path
    other = seats.http.get("/charts", auth=(own.key, ""), headers={"X-Workspace-Key": first["key"]})
    assert other.status_code == 403
    seats("GET", f"/workspaces/{made['key']}")


def test_companies_for_suites_are_made_by_whoever_has_the_secret(
    seats: Any, monkeypatch: pytest.MonkeyPatch, opened: Any
) -> None:
    path = "/system/private/create-test-company"
    assert seats.http.post(path, auth=("s3cret", "")).status_code == 404
    monkeypatch.setenv("BACKENDHUB_CINEMA_SYSTEM_SECRET", "s3cret")
    assert seats.http.post(path, auth=("wrong", "")).status_code == 401
    made = seats.http.post(path, auth=("s3cret", "")).json()
    assert opened(made["admin"]["secretKey"])("GET", "/workspaces")["items"][0]["isDefault"] is True
