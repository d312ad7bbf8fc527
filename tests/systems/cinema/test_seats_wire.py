"""The wire of seats.io's clients over HTTP: errors in its dialect, seasons, areas, channels, pages of listings."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from backendhub.kit.hub import Hub
from backendhub.systems.cinema import plan
from backendhub.systems.cinema.service import workspaces

CATEGORIES = [
    {"key": 1, "label": "Stalls", "color": "#aaaaaa"},
    {"key": 2, "label": "Floor", "color": "#bbbbbb"},
]


def drawing() -> dict[str, Any]:
    """Two rows of four seats, and an area of ten places."""
    made = plan.hall("Theatre", {"A": (4, 1), "B": (4, 1)}, CATEGORIES)
    made["subChart"]["generalAdmissionAreas"] = [
        {"label": "GA", "capacity": 10, "categoryKey": 2, "center": {"x": 0, "y": 90}}
    ]
    return made


class Client:
    """Requests with a secret key."""

    def __init__(self, http: Any, key: str) -> None:
        self.http, self.key = http, key

    def __call__(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = self.http.request(method, path, json=body, auth=(self.key, ""))
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer.json() if answer.content and "json" in answer.headers["content-type"] else answer.text

    def error(self, method: str, path: str, body: Any = None, status: int = 400) -> str:
        found = self(method, path, body, status)
        assert found["requestId"] and found["messages"] == [found["errors"][0]["message"]]
        return str(found["errors"][0]["code"])

    def change(self, event: str, *labels: Any, status: str = "booked", **more: Any) -> Any:
        objects = [o if isinstance(o, dict) else {"objectId": o} for o in labels]
        body = {"objects": objects, "status": status, "events": [event], **more}
        return self("POST", "/events/groups/actions/change-object-status", body)["objects"]

    def refused(self, event: str, *labels: Any, status: str = "booked", code: int = 400, **more: Any) -> str:
        objects = [o if isinstance(o, dict) else {"objectId": o} for o in labels]
        body = {"objects": objects, "status": status, "events": [event], **more}
        return self.error("POST", "/events/groups/actions/change-object-status", body, code)

    def status(self, event: str, label: str) -> str:
        return str(self("GET", f"/events/{event}/objects?label={label}")[label]["status"])


@pytest.fixture
def seats(client: Callable[..., Any], hub: Hub, frozen: Callable[[str], None]) -> Client:
    """A workspace with a chart `hall`."""
    own = hub.unit(workspaces.add, company="c", name="Main", is_first=True)
    made = Client(client("cinema"), own.secret_key)
    made("POST", "/system/public/charts/hall", drawing(), 201)
    return made


@pytest.fixture
def event(seats: Client) -> str:
    seats("POST", "/events", {"chartKey": "hall", "eventKey": "e"}, 201)
    return "e"


# -- who asks, and errors ----------------------------------------------------------------------------------


def test_errors_are_in_its_dialect(seats: Client, event: str, hub: Hub) -> None:
    stranger = Client(seats.http, "no-such-key")
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
    assert seats.error("POST", "/system/public/charts/hall", drawing()) == "DUPLICATE_CHART_KEY"
    assert seats.error("POST", "/hold-tokens", {"expiresInMinutes": 0}) == "INVALID_EXPIRATION"
    other = Client(seats.http, hub.unit(workspaces.add, company="d", name="Other").secret_key)
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


def test_what_is_no_drawing(seats: Client) -> None:
    for change in BAD_DRAWINGS:
        body = drawing() | change
        assert seats.error("POST", "/system/public/charts/other", body) == "INVALID_DRAWING", change
    assert seats.error("GET", "/charts/other", status=404) == "CHART_NOT_FOUND"


def test_names_have_an_end(seats: Client, event: str) -> None:
    """PostgreSQL's indexes take no more, and no NUL."""
    for name in ("x" * 201, "%00"):
        assert seats.error("POST", f"/system/public/charts/{name}", drawing()) == "GENERAL_ERROR"
        assert seats.error("POST", f"/charts/hall/tags/{name}") == "GENERAL_ERROR"
        assert seats.error("GET", f"/events/{name}") == "GENERAL_ERROR"
    for extra in ({"A-1": 5}, {"a\0b": {}}):
        path = f"/events/{event}/actions/update-extra-data"
        assert seats.error("POST", path, {"extraData": extra}) == "GENERAL_ERROR"
    twice = {"channels": [{"key": "x"}, {"key": "x"}]}
    assert seats.error("POST", f"/events/{event}/channels/replace", twice) == "CHANNEL_ALREADY_EXISTS"


def test_cells_of_a_report_are_json(seats: Client, event: str) -> None:
    extra = {"name": 'Ärger, "quoted"'}
    seats("POST", f"/events/{event}/actions/update-extra-data", {"extraData": {"A-1": extra}}, 204)
    rows = list(csv.DictReader(io.StringIO(seats("GET", f"/reports/events/{event}.csv"))))
    assert (json.loads(rows[0]["extraData"]), rows[0]["isAvailable"]) == (extra, "true")


# -- statuses ----------------------------------------------------------------------------------------------


def test_all_or_nothing_names_the_seats(seats: Client, event: str) -> None:
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


def test_a_batch_is_one(seats: Client, event: str) -> None:
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
    seats: Client, event: str, frozen: Callable[[str], None], hub: Hub, building: Any
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
    house = Client(seats.http, hub.read(workspaces.own).secret_key)
    assert house.change(world.show.id, "A-1")["A-1"]["status"] == "booked"
    frozen("2026-01-06T20:00:00Z")
    assert house.refused(world.show.id, "A-2") == "SHOW_OVER"
    house.change(world.show.id, "A-1", status="free")


def test_what_is_held_is_booked_and_released(seats: Client, event: str) -> None:
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
def test_the_log_page_by_page(seats: Client, event: str, sort: str) -> None:
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


# -- areas and channels ------------------------------------------------------------------------------------


def ga(quantity: int, **more: Any) -> dict[str, Any]:
    return {"objectId": "GA", "quantity": quantity, **more}


def test_an_area_has_its_places_and_no_more(seats: Client, event: str) -> None:
    token = seats("POST", "/hold-tokens", {}, 201)["holdToken"]
    seats.change(event, ga(4), status="reservedByToken", holdToken=token)
    seats.change(event, ga(3, ticketType="adult"))
    assert seats.refused(event, ga(4)) == "ILLEGAL_STATUS_CHANGE"
    area = seats.change(event, ga(2, ticketType="adult"), ga(1, ticketType="child"), holdToken=token)["GA"]
    assert (area["numBooked"], area["numHeld"], area["numFree"]) == (6, 1, 3)
    area = seats.change(event, ga(1, ticketType="child"), status="free")["GA"]
    assert (area["numBooked"], area["numFree"]) == (5, 4)
    assert seats.refused(event, ga(9), status="free") == "ILLEGAL_STATUS_CHANGE"
    summary = seats("GET", f"/reports/events/{event}/byStatus/summary")
    assert {k: v["count"] for k, v in summary.items()} == {"booked": 5, "reservedByToken": 1, "free": 8 + 4}
    assert seats("GET", "/_check")["ok"] is True


def test_channels_have_seats_and_places_for_themselves(seats: Client, event: str) -> None:
    channel = {"key": "club", "name": "Club", "color": "#000000", "objects": ["A-1"], "areaPlaces": {"GA": 6}}
    seats("POST", f"/events/{event}/channels", channel, 204)
    assert seats.error("POST", f"/events/{event}/channels", channel) == "CHANNEL_ALREADY_EXISTS"
    assert seats.refused(event, "A-1") == "CHANNEL_MISMATCH"
    assert seats.refused(event, ga(5)) == "ILLEGAL_STATUS_CHANGE"
    seats.change(event, ga(4))
    assert seats.refused(event, ga(1)) == "ILLEGAL_STATUS_CHANGE"
    seats.change(event, "A-1", ga(6), channelKeys=["club"])
    assert seats.refused(event, ga(1), channelKeys=["club", "NO_CHANNEL"]) == "ILLEGAL_STATUS_CHANGE"
    assert seats.refused(event, "A-2", channelKeys=["club"]) == "CHANNEL_MISMATCH"
    seats.change(event, "A-2", ignoreChannels=True)
    assert seats("GET", "/_check")["ok"] is True


def test_editing_what_is_for_sale_is_limited(seats: Client, event: str) -> None:
    path = f"/events/{event}/actions/edit-for-sale-config"
    left = [
        seats("POST", path, {"notForSale": [{"object": "A-1"}]})["rateLimitInfo"]["rateLimitRemainingCalls"]
        for _ in range(10)
    ]
    assert left == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert seats.error("POST", path, {"notForSale": [{"object": "A-2"}]}, 429) == "RATE_LIMITED"
    assert seats.refused(event, "A-1") == "ILLEGAL_STATUS_CHANGE"
    seats.change(event, "A-2")


# -- seasons -----------------------------------------------------------------------------------------------


@pytest.fixture
def season(seats: Client) -> str:
    made = seats("POST", "/seasons", {"chartKey": "hall", "key": "s", "eventKeys": ["mon", "tue"]}, 201)
    assert [e["key"] for e in made["events"]] == ["mon", "tue"]
    return "s"


def test_a_season_ticket_and_one_evening_cannot_have_one_seat(seats: Client, season: str) -> None:
    seats.change("mon", "A-1")
    assert seats.refused(season, "A-1") == "ILLEGAL_STATUS_CHANGE"
    assert (seats.status("tue", "A-1"), seats.status(season, "A-1")) == ("free", "free")
    seats.change(season, "A-2", ga(4))
    assert seats.status("mon", "A-2") == seats.status("tue", "A-2") == "booked"
    assert seats.refused("tue", "A-2") == "ILLEGAL_STATUS_CHANGE"
    assert seats.refused("tue", "A-2", status="free") == "ILLEGAL_STATUS_CHANGE"
    assert seats.refused("tue", ga(7)) == "ILLEGAL_STATUS_CHANGE"
    assert seats.refused("tue", ga(1), status="free") == "ILLEGAL_STATUS_CHANGE"
    seats.change("tue", ga(6))
    seats("POST", "/seasons/s/actions/create-events", {"eventKeys": ["wed"]}, 201)
    assert seats.status("wed", "A-2") == "booked"
    assert seats.refused("wed", ga(7)) == "ILLEGAL_STATUS_CHANGE"
    best = {"bestAvailable": {"number": 4}, "status": "booked"}
    found = seats("POST", f"/events/{season}/actions/change-object-status", best)["objects"]
    assert "A-1" not in found and len(found) == 4
    seats.change(season, "A-2", ga(4), status="free")
    assert seats.status("mon", "A-2") == seats.status("wed", "A-2") == "free"
    seats.change("wed", ga(10))
    assert seats("GET", "/_check")["ok"] is True


def test_an_event_may_go_its_own_way(seats: Client, season: str) -> None:
    seats.change(season, "A-1", ga(3))
    seats("POST", "/events/mon/actions/override-season-status", {"objects": ["A-1", "GA"]}, 204)
    assert (seats.status("mon", "A-1"), seats.status("tue", "A-1")) == ("free", "booked")
    seats.change("mon", "A-1", ga(10))
    use = {"objects": ["A-1", "GA"], "season": "s"}
    assert seats.error("POST", "/events/mon/actions/use-season-status", use) == "ILLEGAL_STATUS_CHANGE"
    seats.change("mon", "A-1", ga(10), status="free")
    seats.change(season, "B-1", ga(2))
    seats("POST", "/events/mon/actions/use-season-status", use, 204)
    assert seats.status("mon", "A-1") == "booked"
    assert seats("GET", "/events/mon/objects?label=GA")["GA"]["numBooked"] == 5
    assert (
        seats.error("POST", "/events/mon/actions/use-season-status", use | {"season": "x"}, 404)
        == "SEASON_NOT_FOUND"
    )
    assert seats("GET", "/_check")["ok"] is True


def test_a_part_of_a_season(seats: Client, season: str) -> None:
    part = seats("POST", "/seasons/s/partial-seasons", {"key": "p", "eventKeys": ["mon"]}, 201)
    assert (part["isPartialSeason"], [e["key"] for e in part["events"]]) == (True, ["mon"])
    seats.change("p", "A-1")
    assert (seats.status("mon", "A-1"), seats.status("tue", "A-1")) == ("booked", "free")
    assert seats.refused(season, "A-1") == "ILLEGAL_STATUS_CHANGE"
    seats.change(season, "A-2")
    assert seats.refused("p", "A-2") == "ILLEGAL_STATUS_CHANGE"
    seats("POST", "/seasons/s/partial-seasons/p/actions/add-events", {"eventKeys": ["tue"]})
    assert seats.status("tue", "A-1") == "booked"
    assert seats.error("DELETE", "/seasons/s/partial-seasons/p/events/tue") == "EVENT_HAS_TAKEN_OBJECTS"
    seats.change("p", "A-1", status="free")
    left = seats("DELETE", "/seasons/s/partial-seasons/p/events/tue")
    assert [e["key"] for e in left["events"]] == ["mon"]
    assert seats.error("DELETE", "/events/s") == "SEASON_HAS_EVENTS"
    assert seats("GET", "/_check")["ok"] is True


# -- charts and workspaces ---------------------------------------------------------------------------------


def test_charts_by_text_tag_and_page(seats: Client) -> None:
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


def test_a_draft_is_published_and_warnings_are_told(seats: Client, event: str) -> None:
    seats("POST", "/charts/hall", {"name": "New"}, 204)
    assert seats("GET", "/charts/hall")["status"] == "PUBLISHED_WITH_DRAFT"
    seats("POST", "/charts/hall/version/draft/actions/publish")
    assert seats("GET", "/charts/hall/version/published")["name"] == "New"
    assert (
        seats.error("POST", "/charts/hall/version/draft/actions/publish", status=404)
        == "DRAFT_VERSION_NOT_FOUND"
    )
    odd = drawing()
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


def test_workspaces(seats: Client, hub: Hub) -> None:
    made = seats("POST", "/workspaces", {"name": "Second", "isTest": True}, 201)
    own = Client(seats.http, made["secretKey"])
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


def test_the_key_of_a_workspace_opens_no_other(seats: Client) -> None:
    """That of the company's first does, whichever is the default."""
    made = seats("POST", "/workspaces", {"name": "Second"}, 201)
    first = seats("GET", "/workspaces")["items"][-1]
    seats("POST", f"/workspaces/actions/set-default/{made['key']}", None, 204)
    own = Client(seats.http, made["secretKey"])
    assert own("GET", f"/workspaces/{made['key']}")["name"] == "Second"
    own("POST", "/system/public/charts/mine", drawing(), 201)
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
    seats: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/system/private/create-test-company"
    assert seats.http.post(path, auth=("s3cret", "")).status_code == 404
    monkeypatch.setenv("BACKENDHUB_CINEMA_SYSTEM_SECRET", "s3cret")
    assert seats.http.post(path, auth=("wrong", "")).status_code == 401
    made = seats.http.post(path, auth=("s3cret", "")).json()
    assert (
        Client(seats.http, made["admin"]["secretKey"])("GET", "/workspaces")["items"][0]["isDefault"] is True
    )
