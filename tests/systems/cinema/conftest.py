"""A small cinema: two halls, a film, a show tomorrow at eight."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest

from backendhub import registry
from backendhub.kit import checks, reservation, web
from backendhub.kit import hub as hubs
from backendhub.kit.accounts.passwords import Passwords
from backendhub.kit.db import Db
from backendhub.kit.hub import Hub
from backendhub.kit.settings import Settings
from backendhub.systems.cinema import plan
from backendhub.systems.cinema import store as statements
from backendhub.systems.cinema.films import Movie, Show
from backendhub.systems.cinema.service import bookings, events, movies, shows, views, workspaces
from backendhub.systems.cinema.service.bookings import Booked, Choice, Held

TOMORROW = datetime(2026, 1, 6, 20, tzinfo=UTC)
CATEGORIES = [
    {"key": "standard", "label": "Standard", "color": "#4A6FA5"},
    {"key": "premium", "label": "Premium", "color": "#B8860B"},
]
PRICES = {"standard": 950, "premium": 1350}


@dataclass
class Cinema:
    """What tests do with a cinema, in a transaction that each call is given."""

    movie: Movie
    hall: str
    other: str
    show: Show

    def announce(self, db: Db, at: datetime, hall: str | None = None) -> Show:
        return shows.add(db, movie_id=self.movie.id, hall_id=hall or self.hall, starts_at=at, prices=PRICES)

    def hold(self, db: Db, *seats: str, **options: Any) -> Held:
        return bookings.hold(db, self.show.id, Choice(seats), **options)

    def book(self, db: Db, *seats: str, name: str = "Amira", **options: Any) -> Booked:
        return bookings.book(db, self.show.id, Choice(seats), name=name, **options)

    def statuses(self, db: Db) -> dict[str, str]:
        """What is not free."""
        seen = views.view(db, events.by_id(db, self.show.event_id))
        found = {label: seen.state(label).status for label in seen.spots}
        return {label: status for label, status in found.items() if status != "free"}


def build(db: Db) -> Cinema:
    """The cinema, in a store that is empty."""
    movie = movies.add(db, title="Paper Planets", minutes=84, genres=["Animation", "Family"])
    rows = {"A": (6, "standard"), "B": (6, "standard"), "C": (4, "premium")}
    halls = [shows.add_hall(db, name=name, rows=rows, categories=CATEGORIES) for name in ("Grand", "Studio")]
    show = shows.add(db, movie_id=movie.id, hall_id=halls[0].id, starts_at=TOMORROW, prices=PRICES)
    return Cinema(movie, halls[0].id, halls[1].id, show)


def sound(db: Db) -> bool:
    """Whether every invariant holds."""
    report = checks.run(db, [*reservation.CHECKS, *statements.CHECKS])
    assert [c for c in report.checks if not c.ok] == []
    return len(report.checks) == 12


# -- one server for all tests of the API: to build its hundred routes costs more than any of them does --------------


@dataclass
class House:
    """A hub and a client of it, made once; each test gets the hub with nothing in it but an empty store."""

    hub: Hub
    http: Any
    empty: Path
    file: Path

    def open(self) -> None:
        shutil.copyfile(self.empty, self.file)
        self.http.cookies.clear()
        self.hub.passwords = Passwords(memory_kib=8, passes=1)

    def close(self) -> None:
        self.hub.close()
        for part in [
            name for name in self.hub.__dict__ if isinstance(getattr(Hub, name, None), cached_property)
        ]:
            del self.hub.__dict__[part]
        self.hub._memory.clear()
        for rest in self.file.parent.glob(f"{self.file.name}*"):
            rest.unlink()


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    declared = [o for s in registry.SYSTEMS for o in s.settings]
    hub = Hub(Settings({"database": str(folder / "hub.db")}, declared=declared))
    hub.use("cinema")
    hub.store.snapshot(folder / "empty.db")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would rather have httpx2
        from starlette.testclient import TestClient
    systems = [s for s in registry.SYSTEMS if s.name == "cinema"]
    application: Any = web.build_app(systems, hub, single=True, log_format="none")
    with TestClient(application, raise_server_exceptions=False) as http:
        made = House(hub, http, folder / "empty.db", folder / "hub.db")
        made.close()
        yield made


@pytest.fixture
def hub(house: House) -> Iterator[Hub]:
    """The hub on a store of the test's own."""
    house.open()
    hubs.install(house.hub)
    yield house.hub
    hubs.install(None)
    house.close()


@pytest.fixture
def client(house: House, hub: Hub) -> Callable[[str], Any]:
    """`client("cinema")`: an HTTP client of it."""
    return lambda name: house.http


@pytest.fixture
def cinema(db: Db, frozen: Callable[[str], None]) -> Cinema:
    """A cinema on each engine; nine in the morning of 5 January 2026."""
    return build(db)


@pytest.fixture
def building() -> Callable[[Db], Cinema]:
    """Builds a cinema in a store of a test's own."""
    return build


@pytest.fixture
def invariants() -> Callable[[Db], bool]:
    """Whether every invariant holds."""
    return sound


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Serves the sample cinema as a process of its own; its address."""
    with ExitStack() as stack:

        def start() -> str:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            command = [sys.executable, "-m", "backendhub", "serve", "cinema", "--demo", "--port", str(port)]
            process = subprocess.Popen(
                [*command, "--log-format", "none"],
                env={**os.environ, "BACKENDHUB_DATABASE": str(tmp_path / "served.db")},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
            url = f"http://127.0.0.1:{port}"
            for _ in range(300):
                try:
                    httpx.get(f"{url}/healthz", timeout=2)
                    return url
                except httpx.TransportError:
                    assert process.poll() is None
                    time.sleep(0.1)
            raise AssertionError("the server does not start")

        yield start


# -- the wire of seats.io's clients --------------------------------------------------------------------------

WIRED = [
    {"key": 1, "label": "Stalls", "color": "#aaaaaa"},
    {"key": 2, "label": "Floor", "color": "#bbbbbb"},
]


def drawing() -> dict[str, Any]:
    """Two rows of four seats, and an area of ten places."""
    made = plan.hall("Theatre", {"A": (4, 1), "B": (4, 1)}, WIRED)
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


@pytest.fixture
def theatre() -> Callable[[], dict[str, Any]]:
    """The drawing of the chart `hall`, as often as it is asked for."""
    return drawing


@pytest.fixture
def opened(seats: Client) -> Callable[[str], Client]:
    """The same server with another secret key."""
    return lambda key: Client(seats.http, key)
