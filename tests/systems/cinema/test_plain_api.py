"""The cinema's own routes over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from backendhub.kit import accounts
from backendhub.kit.errors import Invalid
from backendhub.kit.hub import Hub
from backendhub.systems.cinema import demo, jobs, prepare
from backendhub.systems.cinema.service import bookings

PASSWORD = "nine purple otters juggle"


@pytest.fixture
def world(hub: Hub, building: Any, frozen: Callable[[str], None]) -> Any:
    return hub.unit(building)


@pytest.fixture
def http(client: Callable[..., Any], world: Any) -> Any:
    return client("cinema")


@pytest.fixture
def admin(hub: Hub, http: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The header of an administrator, who was seeded."""
    monkeypatch.setenv("BACKENDHUB_CINEMA_ADMIN", "ada@example.com")
    monkeypatch.setenv("BACKENDHUB_CINEMA_ADMIN_PASSWORD", PASSWORD)
    prepare.prepare(hub)
    return bearer(http, "ada@example.com")


def bearer(http: Any, email: str) -> dict[str, str]:
    answer = http.post("/sign-in", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def join(http: Any, email: str) -> tuple[str, dict[str, str]]:
    answer = http.post("/users", json={"email": email, "password": PASSWORD, "name": "Somebody"})
    assert answer.status_code == 201, answer.text
    return answer.json()["user"]["id"], {"Authorization": f"Bearer {answer.json()['token']}"}


# -- catalogue ---------------------------------------------------------------------------------------------


def test_what_is_on(http: Any, world: Any) -> None:
    assert [m["title"] for m in http.get("/movies?genre=Family").json()] == ["Paper Planets"]
    assert http.get("/genres").json() == [{"name": "Animation", "movies": 1}, {"name": "Family", "movies": 1}]
    assert [s["id"] for s in http.get("/shows?date=2026-01-06").json()] == [world.show.id]
    assert http.get("/shows?date=2026-01-05").json() == []
    assert len(http.get("/shows").json()) == 1
    assert [h["name"] for h in http.get("/halls").json()] == ["Grand", "Studio"]
    assert [h["name"] for h in http.get("/halls?limit=1").json()] == ["Grand"]
    assert [h["name"] for h in http.get("/halls?after=Grand").json()] == ["Studio"]
    hall = http.get(f"/halls/{world.hall}").json()
    assert hall["rows"][2] == {"label": "C", "seats": 4, "category": "premium"}
    seats = http.get(f"/shows/{world.show.id}/seats").json()
    assert (seats["free"], len(seats["seats"])) == (16, 16)
    assert seats["seats"][0] == {
        "label": "A-1",
        "row": "A",
        "number": "1",
        "category": "standard",
        "price": 950,
        "status": "free",
    }
    poster = http.get(f"/movies/{world.movie.id}/poster.svg")
    assert poster.headers["content-type"].startswith("image/svg+xml") and "Paper Planets" in poster.text
    for path in ("/movies/x", "/shows/x", "/halls/x", "/shows/x/seats", "/holds/x", "/bookings/x"):
        assert http.get(path).status_code == 404, path


def test_a_screening_event(http: Any, world: Any) -> None:
    http.post("/bookings", json={"showId": world.show.id, "seats": ["C-1", "C-2", "C-3", "C-4"], "name": "x"})
    answer = http.get(f"/shows/{world.show.id}/event.jsonld")
    assert answer.headers["content-type"].startswith("application/ld+json")
    found = answer.json()
    assert (found["@context"], found["@type"], found["startDate"]) == (
        "https://schema.org",
        "ScreeningEvent",
        "2026-01-06T20:00:00Z",
    )
    assert found["workPresented"]["duration"] == "PT84M"
    assert (found["maximumAttendeeCapacity"], found["remainingAttendeeCapacity"]) == (16, 12)
    offers = {o["name"]: (o["price"], o["availability"].rpartition("/")[2]) for o in found["offers"]}
    assert offers == {"standard": ("9.50", "InStock"), "premium": ("13.50", "SoldOut")}


def test_only_administrators_change_the_programme(http: Any, world: Any, admin: dict[str, str]) -> None:
    film = {"title": "Rust", "minutes": 100, "genres": ["Drama"]}
    assert http.post("/movies", json=film).status_code == 401
    _, visitor = join(http, "visitor@example.com")
    assert http.post("/movies", json=film, headers=visitor).status_code == 403
    made = http.post("/movies", json=film, headers=admin)
    assert made.status_code == 201
    id = made.json()["id"]
    assert http.get(made.headers["location"]).json()["title"] == "Rust"
    assert http.patch(f"/movies/{id}", json={"rating": "PG"}, headers=admin).json()["rating"] == "PG"
    hall = {
        "name": "Loft",
        "categories": [{"key": "sofa", "label": "Sofa"}],
        "rows": [{"label": "A", "seats": 2, "category": "sofa"}],
    }
    twice = hall | {"categories": hall["categories"] * 2}
    assert http.post("/halls", json=twice, headers=admin).status_code == 422
    loft = http.post("/halls", json=hall, headers=admin).json()
    assert loft["seats"] == 2
    assert http.post("/halls", json=hall, headers=admin).status_code == 409
    show = {
        "movieId": id,
        "hallId": loft["id"],
        "startsAt": "2026-01-08T20:00:00+01:00",
        "prices": {"sofa": 2000},
    }
    told = http.post("/shows", json=show, headers=admin).json()
    assert (told["startsAt"], told["endsAt"], told["capacity"]) == (
        "2026-01-08T19:00:00Z",
        "2026-01-08T20:40:00Z",
        2,
    )
    assert http.post("/shows", json=show, headers=admin).status_code == 409
    assert (
        http.post("/shows", json=show | {"startsAt": "2026-01-09T20:00:00"}, headers=admin).status_code == 422
    )
    assert http.post("/shows", json=show | {"prices": {}}, headers=admin).status_code == 422
    assert http.delete(f"/movies/{id}", headers=admin).status_code == 409
    assert http.post(f"/shows/{told['id']}/cancel", headers=admin).json()["state"] == "cancelled"
    late = http.post("/bookings", json={"showId": told["id"], "seats": ["A-1"], "name": "x"})
    assert (late.status_code, late.json()["code"]) == (409, "show_over")


# -- holds and bookings ------------------------------------------------------------------------------------


def test_a_guest_holds_books_and_cancels(http: Any, world: Any) -> None:
    held = http.post(
        f"/shows/{world.show.id}/holds",
        json={"best": {"number": 2, "together": True, "category": "standard"}},
    )
    assert held.status_code == 201
    hold = held.json()
    assert (hold["amount"], hold["currency"], hold["expiresAt"]) == (1900, "EUR", "2026-01-05T09:10:00Z")
    assert http.get(held.headers["location"]).json() == hold
    statuses = {s["label"]: s["status"] for s in http.get(f"/shows/{world.show.id}/seats").json()["seats"]}
    assert {label for label, status in statuses.items() if status == "held"} == set(hold["seats"])
    taken = http.post(f"/shows/{world.show.id}/holds", json={"seats": [hold["seats"][0], "B-1"]})
    assert (taken.status_code, taken.json()["code"], taken.json()["seats"]) == (
        409,
        "seats_taken",
        [hold["seats"][0]],
    )
    body = {"showId": world.show.id, "hold": hold["id"], "name": "Amira", "email": "amira@example.com"}
    made = http.post("/bookings", json=body, headers={"Idempotency-Key": "k1"})
    again = http.post("/bookings", json=body, headers={"Idempotency-Key": "k1"})
    assert made.status_code == 201 and again.json() == made.json()
    booking = made.json()
    here = {"Booking-Secret": booking["secret"]}
    assert len(booking["tickets"]) == 2 and booking["amount"] == 1900
    assert http.get(f"/bookings/{booking['id']}").status_code == 404
    assert http.get(f"/bookings/{booking['id']}", headers={"Booking-Secret": "wrong"}).status_code == 404
    read = http.get(f"/bookings/{booking['id']}", headers=here).json()
    assert read["secret"] is None and read["tickets"] == booking["tickets"]
    ticket = booking["tickets"][0]
    assert http.get(f"/tickets/{ticket['id']}/qr.svg").status_code == 404
    picture = http.get(f"/tickets/{ticket['id']}/qr.svg", headers=here)
    assert picture.text.startswith("<svg")
    assert http.post(f"/bookings/{booking['id']}/cancel").status_code == 404
    gone = http.post(f"/bookings/{booking['id']}/cancel", headers=here).json()
    assert (gone["state"], gone["tickets"][0]["state"]) == ("cancelled", "void")
    twice = http.post(f"/bookings/{booking['id']}/cancel", headers=here)
    assert (twice.status_code, twice.json()["code"]) == (409, "illegal_move")
    assert http.get(f"/shows/{world.show.id}/seats").json()["free"] == 16


def test_an_expired_hold_and_a_past_show(http: Any, world: Any, frozen: Callable[[str], None]) -> None:
    hold = http.post(f"/shows/{world.show.id}/holds", json={"seats": ["A-1"]}).json()["id"]
    other = http.post(f"/shows/{world.show.id}/holds", json={"seats": ["A-2"]}).json()["id"]
    assert http.delete(f"/holds/{other}").status_code == 204
    frozen("2026-01-05T09:10:00Z")
    late = http.post("/bookings", json={"showId": world.show.id, "hold": hold, "name": "x"})
    assert (late.status_code, late.json()["code"]) == (409, "HOLD_TOKEN_EXPIRED")
    assert http.get(f"/holds/{hold}").status_code == 409
    booking = http.post("/bookings", json={"showId": world.show.id, "seats": ["A-1"], "name": "x"}).json()
    frozen("2026-01-06T20:00:00Z")
    past = http.post("/bookings", json={"showId": world.show.id, "seats": ["A-2"], "name": "x"})
    assert (past.status_code, past.json()["code"]) == (409, "show_over")
    cancel = http.post(f"/bookings/{booking['id']}/cancel", headers={"Booking-Secret": booking["secret"]})
    assert (cancel.status_code, cancel.json()["code"]) == (409, "show_over")


NO_BOOKINGS: list[dict[str, Any]] = [
    {"seats": ["Z-1"], "name": "x"},
    {"seats": [], "name": "x"},
    {"seats": ["A-1"], "name": "  "},
    {"seats": ["A-1"], "name": "x", "email": "no address"},
    {"seats": ["A-1"] * 51, "name": "x"},
    {"best": {"number": 0}, "name": "x"},
    {"seats": ["A-1"], "name": "x", "price": 1},
    {"seats": "A-1", "name": "x"},
]


def test_what_is_no_booking(http: Any, world: Any) -> None:
    for body in NO_BOOKINGS:
        answer = http.post("/bookings", json=body | {"showId": world.show.id})
        assert answer.status_code == 422, (body, answer.text)
        assert answer.headers["content-type"].startswith("application/problem+json")
    assert http.get(f"/shows/{world.show.id}/seats").json()["free"] == 16


# -- people ------------------------------------------------------------------------------------------------


def test_the_first_administrator_makes_others(http: Any, hub: Hub, admin: dict[str, str]) -> None:
    prepare.prepare(hub)  # a second start changes nothing
    key = http.get("/admin/workspace", headers=admin).json()["secretKey"]
    assert len(http.get("/events", auth=(key, "")).json()["items"]) == 1
    id, person = join(http, "mei@example.com")
    assert http.get("/me", headers=person).json()["roles"] == []
    assert http.get("/admin/users", headers=person).status_code == 403
    assert http.get("/admin/users").status_code == 401
    assert {u["email"] for u in http.get("/admin/users", headers=admin).json()} == {
        "ada@example.com",
        "mei@example.com",
    }
    assert http.post(f"/admin/users/{id}/promote", json={"role": "admin"}, headers=admin).json()["roles"] == [
        "admin"
    ]
    assert http.get("/admin/users", headers=person).status_code == 200
    ada = hub.read(accounts.by_email, "ada@example.com").id
    assert http.post(f"/admin/users/{ada}/demote", json={}, headers=person).json()["roles"] == []
    last = http.post(f"/admin/users/{id}/demote", json={}, headers=person)
    assert last.status_code == 409
    assert http.post(f"/admin/users/{id}/promote", json={"role": "king"}, headers=person).status_code == 422
    assert http.post("/users", json={"email": "MEI@example.com", "password": PASSWORD}).status_code == 409
    assert http.post("/users", json={"email": "x@example.com", "password": "password"}).status_code == 422
    assert http.post("/sign-in", json={"email": "mei@example.com", "password": "wrong"}).status_code == 401


def test_two_administrators_change_one_account(
    http: Any, hub: Hub, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one of them says is not lost in what the other says at the same time."""
    id, _ = join(http, "mei@example.com")
    real = accounts.get

    def overtaken(db: Any, who: str) -> Any:
        user = real(db, who)
        if who == id:
            accounts.edit(db, id, roles={"staff"})
        return user

    monkeypatch.setattr(accounts, "get", overtaken)
    assert http.post(f"/admin/users/{id}/promote", json={"role": "admin"}, headers=admin).status_code == 409
    monkeypatch.setattr(accounts, "get", real)
    again = http.post(f"/admin/users/{id}/promote", json={"role": "admin"}, headers=admin)
    assert again.json()["roles"] == ["admin"]


def test_a_seeded_administrator_needs_a_password(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKENDHUB_CINEMA_ADMIN", "ada@example.com")
    with pytest.raises(Invalid, match="admin_password"):
        prepare.prepare(hub)


def test_ones_own_bookings(http: Any, world: Any, admin: dict[str, str]) -> None:
    _, mei = join(http, "mei@example.com")
    _, ola = join(http, "ola@example.com")
    mine = http.post(
        "/bookings", json={"showId": world.show.id, "seats": ["A-1"], "name": "Mei"}, headers=mei
    ).json()
    more = http.post(
        "/bookings", json={"showId": world.show.id, "seats": ["A-2"], "name": "Mei"}, headers=mei
    ).json()
    assert [b["id"] for b in http.get("/bookings", headers=mei).json()] == [more["id"], mine["id"]]
    assert [b["id"] for b in http.get(f"/bookings?before={more['id']}", headers=mei).json()] == [mine["id"]]
    assert http.get("/bookings", headers=ola).json() == []
    assert http.get("/bookings").status_code == 401
    assert http.get(f"/bookings/{mine['id']}", headers=ola).status_code == 404
    assert http.post(f"/bookings/{mine['id']}/cancel", headers=ola).status_code == 404
    assert http.get(f"/bookings/{mine['id']}", headers=admin).status_code == 200
    assert len(http.get(f"/admin/shows/{world.show.id}/bookings?limit=1", headers=admin).json()) == 1
    assert http.post(f"/bookings/{mine['id']}/cancel", headers=mei).status_code == 200


# -- the door and the office -------------------------------------------------------------------------------


def test_staff_scan_and_administrators_count(
    http: Any, world: Any, admin: dict[str, str], frozen: Callable[[str], None]
) -> None:
    id, staff = join(http, "door@example.com")
    booking = http.post(
        "/bookings", json={"showId": world.show.id, "seats": ["A-1", "C-1"], "name": "x"}
    ).json()
    code = booking["tickets"][0]["code"]
    assert http.post("/tickets/scan", json={"code": code}, headers=staff).status_code == 403
    http.post(f"/admin/users/{id}/promote", json={"role": "staff"}, headers=admin)
    early = http.post("/tickets/scan", json={"code": code}, headers=staff)
    assert (early.status_code, early.json()["code"]) == (409, "wrong_show")
    frozen("2026-01-06T19:50:00Z")
    admin, staff = bearer(http, "ada@example.com"), bearer(http, "door@example.com")
    assert http.post("/tickets/scan", json={"code": code}).status_code == 401
    first = http.post("/tickets/scan", json={"code": code, "showId": world.show.id}, headers=staff)
    assert (first.status_code, first.json()["seat"]) == (200, "A-1")
    second = http.post("/tickets/scan", json={"code": code}, headers=staff).json()
    assert (second["code"], second["scannedAt"]) == ("already_scanned", "2026-01-06T19:50:00Z")
    forged = http.post("/tickets/scan", json={"code": code[:-3] + "AAA"}, headers=staff)
    assert (forged.status_code, forged.json()["code"]) == (422, "no_ticket")
    occupancy = http.get("/admin/occupancy?since=2026-01-06", headers=admin).json()
    assert [(o["capacity"], o["sold"], o["scanned"], o["free"], o["percent"]) for o in occupancy] == [
        (16, 2, 1, 14, 12.5)
    ]
    assert http.post("/admin/ticket-key/rotate", json={}, headers=staff).status_code == 403
    rotated = http.post("/admin/ticket-key/rotate", json={"keepHours": 1}, headers=admin)
    assert rotated.json() == {"oldUntil": "2026-01-06T20:50:00Z"}
    old = http.post("/tickets/scan", json={"code": booking["tickets"][1]["code"]}, headers=staff)
    assert old.json()["seat"] == "C-1"
    revenue = http.get("/admin/revenue?since=2026-01-06&days=1&by=day", headers=admin).json()
    assert revenue == [
        {
            "key": "2026-01-06",
            "label": "2026-01-06",
            "currency": "EUR",
            "amount": 2300,
            "tickets": 2,
            "shows": 1,
        }
    ]
    assert http.get("/admin/revenue?since=2026-01-06", headers=staff).status_code == 403


def test_the_sample_cinema(hub: Hub, client: Callable[..., Any], frozen: Callable[[str], None]) -> None:
    assert hub.unit(demo.load) > 100
    http = client("cinema")
    report = http.get("/_check").json()
    assert (report["ok"], len(report["checks"])) == (True, 12)
    shown = http.get("/shows?date=2026-01-05").json()
    assert {s["hall"] for s in shown} == {"Grand", "Studio"}
    assert json.loads(http.get(f"/shows/{shown[0]['id']}/event.jsonld").text)["@type"] == "ScreeningEvent"


def test_the_checks_can_fail(hub: Hub, http: Any, world: Any) -> None:
    hub.unit(world.book, "A-1")
    hub.unit(lambda db: db.run("UPDATE cinema_state SET status = 'free' WHERE label = 'A-1'"))
    hub.unit(lambda db: db.run("UPDATE cinema_booking SET amount = amount + 1"))
    report = http.get("/_check").json()
    broken = {c["name"] for c in report["checks"] if not c["ok"]}
    assert report["ok"] is False
    assert broken == {"a ticket has its seat", "a claim has its status", "a booking is its tickets"}


def test_tidying_changes_nothing_that_counts(
    hub: Hub, http: Any, world: Any, frozen: Callable[[str], None], invariants: Any
) -> None:
    hub.unit(world.book, "A-1")
    kept = hub.unit(
        bookings.hold, world.show.id, bookings.Choice(["A-2"]), ttl=timedelta(minutes=5)
    ).token.token
    frozen("2026-01-06T09:06:00Z")
    before = http.get(f"/shows/{world.show.id}/seats").json()
    assert hub.unit(jobs.tidy) == 1
    assert http.get(f"/shows/{world.show.id}/seats").json() == before
    assert http.get(f"/holds/{kept}").status_code == 404
    assert hub.read(invariants)
