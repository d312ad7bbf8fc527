"""Areas, channels and seasons over the wire of seats.io's clients."""

from __future__ import annotations

from typing import Any

import pytest

# -- areas and channels ------------------------------------------------------------------------------------


def ga(quantity: int, **more: Any) -> dict[str, Any]:
    return {"objectId": "GA", "quantity": quantity, **more}


def test_an_area_has_its_places_and_no_more(seats: Any, event: str) -> None:
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


def test_channels_have_seats_and_places_for_themselves(seats: Any, event: str) -> None:
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


def test_editing_what_is_for_sale_is_limited(seats: Any, event: str) -> None:
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
def season(seats: Any) -> str:
    made = seats("POST", "/seasons", {"chartKey": "hall", "key": "s", "eventKeys": ["mon", "tue"]}, 201)
    assert [e["key"] for e in made["events"]] == ["mon", "tue"]
    return "s"


def test_a_season_ticket_and_one_evening_cannot_have_one_seat(seats: Any, season: str) -> None:
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


def test_an_event_may_go_its_own_way(seats: Any, season: str) -> None:
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


def test_a_part_of_a_season(seats: Any, season: str) -> None:
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
