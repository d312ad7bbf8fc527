"""A server of `chat`, its accounts and their connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.serving import System

from backendhub.systems.chat import live
from backendhub.systems.chat.client import Http, Wire


class Running(System):
    """One process's worth of server."""

    def __init__(self, database: str, **flags: str) -> None:
        super().__init__("chat", database, **flags)


class Person:
    """An account with its routes and its connections."""

    def __init__(self, running: Running, name: str, known: Person | None = None) -> None:
        self.running = running
        self.http = Http(running.url)
        if known is None:
            given = self.http.ask(
                "POST", "/register", {"username": name, "password": "correct horse battery"}
            )
            self.id, self.token = given["user"]["id"], given["token"]
        else:
            self.id, self.token = known.id, known.token
        self.http.token = self.token
        self.wires: list[Wire] = []

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        return self.http.ask(method, path, body, **query)

    def room(self, name: str = "Room", **more: Any) -> str:
        return str(self.ask("POST", "/rooms", {"name": name, **more})["id"])

    def connect(self, since: dict[str, str] | None = None, device: str = "") -> Device:
        device_ = Device(self, since, device)
        self.wires.append(device_.wire)
        return device_

    def at(self, running: Running) -> Person:
        """The same account at another server."""
        return Person(running, "", known=self)


class Device:
    """A connection and what it has heard."""

    def __init__(self, person: Person, since: dict[str, str] | None, device: str) -> None:
        self.events: list[tuple[str, Any]] = []
        self._changed = threading.Condition()
        self.wire = Wire(person.running.url, person.token, heard=self._heard, device=device, since=since)
        self.until(lambda: any(event == "synced" for event, _ in self.events))

    def _heard(self, event: str, data: Any) -> None:
        with self._changed:
            self.events.append((event, data))
            self._changed.notify_all()

    def until(self, condition: Callable[[], Any], seconds: float = 8) -> None:
        end = time.monotonic() + seconds
        with self._changed:
            while not condition():  # of which not everything is an event
                assert time.monotonic() < end, self.events
                self._changed.wait(0.05)

    def of(self, *events: str) -> list[Any]:
        """The data of events of these names."""
        return [data for event, data in list(self.events) if event in events]

    def hear(self, event: str, count: int = 1) -> Any:
        """The last of so many events of a name."""
        self.until(lambda: len(self.of(event)) >= count)
        return self.of(event)[count - 1]

    def ask(self, event: str, **data: Any) -> Any:
        return self.wire.ask(event, **data)


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Running]]:
    """`start(database, **settings)`: a running server. One with Redis looks at sign-ins only when it is told of them."""
    with ExitStack() as stack:

        def run(database: str, **flags: str) -> Running:
            monkeypatch.setattr(live, "CHECK_EVERY_S", 3600.0 if "redis" in flags else 0.1)
            running = Running(database, files=str(tmp_path / "files"), **flags)
            stack.callback(lambda: running.thread.is_alive() and running.stop())
            return running

        yield run


@pytest.fixture
def running(start: Callable[..., Running], store_url: str) -> Running:
    """A server on each engine."""
    return start(store_url)


@pytest.fixture
def person(running: Running) -> Iterator[Callable[[str], Person]]:
    """`person("ann")`: an account of that server."""
    made: list[Person] = []

    def make(name: str) -> Person:
        made.append(Person(running, name))
        return made[-1]

    yield make
    for each in made:
        for wire in each.wires:
            wire.close()


@pytest.fixture
def pair(start: Callable[..., Running], store_url: str, redis_url: str) -> tuple[Running, Running]:
    """Two servers with one store and one Redis."""
    return start(store_url, redis=redis_url), start(store_url, redis=redis_url)
