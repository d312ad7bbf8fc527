"""Who is in a room and who is signed in: places, pages, and connections that end with the sign-in."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from backendhub.kit import accounts, clock
from backendhub.kit.accounts import sessions
from backendhub.kit.errors import Conflict, HubError, Unauthenticated
from backendhub.kit.identity import Principal
from backendhub.systems.chat.live import Live
from backendhub.systems.chat.service import rooms

Make = Callable[[str], Any]


def test_the_last_place_in_a_room_is_taken_once(
    person: Make, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whichever way: sixteen who join and are put in at once, and a room that is made with too many."""
    monkeypatch.setattr(rooms, "MAX_MEMBERS", 3)
    ann, bob = person("ann"), person("bob")
    room = ann.room(members=["bob"])
    with running.hub.store.transaction() as db:
        users = [accounts.add(db, username=f"u{n}").id for n in range(16)]

    def enter(n: int) -> bool:
        try:
            if n % 2:
                running.hub.store.unit(rooms.join, Principal(users[n], f"u{n}"), room)
            else:
                running.hub.store.unit(rooms.invite, Principal(bob.id, "bob"), room, users[n])
        except Conflict as error:
            assert "3 members" in error.message
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(enter, range(16))) == 1
    assert len(ann.ask("GET", f"/rooms/{room}/members")) == 3
    bob.ask("POST", f"/rooms/{room}/join")  # who is inside is not refused
    with pytest.raises(HubError, match="3 members"):
        ann.room("Full", members=["bob", "u0", "u1"])


def test_members_are_paged(person: Make, running: Any) -> None:
    ann = person("ann")
    with running.hub.store.transaction() as db:
        for n in range(7):
            accounts.add(db, username=f"u{n}")
    room = ann.room(members=[f"u{n}" for n in range(7)])
    a = ann.connect()
    found: list[Any] = []
    while page := ann.ask(
        "GET", f"/rooms/{room}/members", limit=3, after=found[-1]["userId"] if found else ""
    ):
        assert len(page) <= 3
        found += page
    assert sorted(m["name"] for m in found) == ["ann", *(f"u{n}" for n in range(7))]
    assert [m["name"] for m in found if m["online"]] == ["ann"]
    a.wire.close()


def test_who_is_no_longer_signed_in_hears_nothing_more(person: Make, running: Any) -> None:
    """Whatever ended it: another program on the same store, two seconds later at the latest."""
    ann, *gone = (person(name) for name in ("ann", "bob", "cem", "dan"))
    room = ann.room(members=["bob", "cem", "dan"])
    a, *devices = (each.connect() for each in (ann, *gone))
    live = Live.of(running.hub)

    def end(db: Any) -> None:
        sessions.end_all(db, gone[0].id)
        accounts.edit(db, gone[1].id, status=accounts.Status.DISABLED)
        accounts.edit(db, gone[2].id, banned_until=clock.precise() + timedelta(hours=1))

    running.hub.unit(end)
    for device in devices:
        device.until(lambda device=device: not device.wire.open)
    a.until(lambda: set(live.sockets) == {ann.id})
    a.ask("send", room=room, text="without them", txn="1")
    a.until(lambda: a.of("message"))
    assert not any(device.of("message") for device in devices) and len(live.fan.streams[room]) == 1
    for each in gone:
        with pytest.raises(Unauthenticated):
            each.connect()


@pytest.mark.redis
def test_signing_out_ends_the_connections_of_that_sign_in_everywhere(
    pair: tuple[Any, Any],
) -> None:
    make = sys.modules[type(pair[0]).__module__].Person
    bob = make(pair[0], "bob")
    again = make(pair[0], "", known=bob)
    grant = again.ask("POST", "/login", {"login": "bob", "password": "correct horse battery"})
    again.token = again.http.token = grant["token"]
    mine, there, other = bob.connect(), bob.at(pair[1]).connect(), again.connect()
    bob.ask("POST", "/logout")
    for device in (mine, there):
        device.until(lambda device=device: not device.wire.open)
    assert other.wire.open and again.ask("GET", "/me")["name"] == "bob"
    with pytest.raises(Unauthenticated):
        bob.ask("GET", "/me")
    other.wire.close()
