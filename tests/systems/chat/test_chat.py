"""The chat over both wires: order, one message for each transaction id, coming back, who may read, moderation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backendhub.kit.errors import Denied, HubError, NotFound, Unauthenticated

Make = Callable[[str], Any]


def texts(device: Any, room: str) -> list[str]:
    return [m["text"] for m in device.of("message") if m["room"] == room]


def test_what_one_sends_all_members_get_and_nobody_else(person: Make) -> None:
    ann, bob, eve = person("ann"), person("bob"), person("eve")
    room = ann.room(kind="private", members=["bob"])
    a, b, e = ann.connect(), bob.connect(), eve.connect()
    told = a.ask("send", room=room, text="hé", txn="1")
    assert b.hear("message") == a.hear("message")
    message = b.hear("message")
    assert (message["text"], message["number"], message["name"]) == ("hé", told["number"], "ann")
    for attempt in (
        lambda: eve.ask("GET", f"/rooms/{room}"),
        lambda: eve.ask("GET", f"/rooms/{room}/messages"),
        lambda: eve.ask("GET", f"/rooms/{room}/events"),
        lambda: eve.ask("GET", f"/rooms/{room}/members"),
        lambda: eve.ask("GET", f"/rooms/{room}/messages/{told['number']}"),
        lambda: eve.ask("POST", f"/rooms/{room}/messages", {"text": "x"}),
        lambda: eve.ask("POST", f"/rooms/{room}/join"),
        lambda: eve.ask("PUT", f"/rooms/{room}/messages/{told['number']}/reactions/x"),
        lambda: e.ask("history", room=room),
        lambda: e.ask("send", room=room, text="x"),
        lambda: e.ask("typing", room=room),
        lambda: e.ask("read", room=room, to=1),
        lambda: e.ask("join", room=room),
        lambda: eve.ask("GET", "/search", q="h", room=room),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert eve.ask("GET", "/search", q="hé") == [] and len(bob.ask("GET", "/search", q="hé")) == 1
    assert not e.of("message", "typing", "receipt", "joined")


def test_a_transaction_id_of_a_device_is_one_message(person: Make) -> None:
    ann = person("ann")
    room = ann.room()
    a, again = ann.connect(device="phone"), ann.connect(device="phone")
    with ThreadPoolExecutor(8) as pool:

        def send(n: int) -> int:
            return int((a if n % 2 else again).ask("send", room=room, text="once", txn="t1")["number"])

        numbers = set(pool.map(send, range(16)))
    assert len(numbers) == 1
    other = ann.connect(device="laptop")
    assert other.ask("send", room=room, text="once", txn="t1")["number"] not in numbers
    path = f"/rooms/{room}/messages"
    sent = [ann.ask("POST", path, {"text": "x", "txn": "t2", "device": "cli"}) for _ in range(2)]
    assert sent[0] == sent[1]
    assert [m["text"] for m in ann.ask("GET", path)] == ["once", "once", "x"]
    a.until(lambda: len(texts(a, room)) >= 3)
    assert texts(a, room) == ["once", "once", "x"]
    second = ann.room("Other")
    with pytest.raises(HubError):
        a.ask("send", room=second, text="once", txn="t1")


def test_everybody_sees_one_order(person: Make) -> None:
    people = [person(name) for name in ("ann", "bob", "cem")]
    room = people[0].room(members=["bob", "cem"])
    devices = [each.connect() for each in people]

    def talk(which: int) -> None:
        for n in range(25):
            devices[which].ask("send", room=room, text=f"{which}:{n}", txn=str(n))

    threads = [threading.Thread(target=talk, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for device in devices:
        device.until(lambda device=device: len(texts(device, room)) >= 75)
    orders = [[m["number"] for m in device.of("message")] for device in devices]
    assert orders[0] == orders[1] == orders[2] == sorted(set(orders[0]))
    stored = people[0].ask("GET", f"/rooms/{room}/messages", limit=100)
    assert [m["text"] for m in stored] == texts(devices[0], room)


def test_who_comes_back_misses_and_repeats_nothing(person: Make) -> None:
    ann, bob = person("ann"), person("bob")
    room = ann.room(members=["bob"])
    a = ann.connect()
    stop = threading.Event()
    sent: list[str] = []

    def talk() -> None:
        while not stop.is_set():
            sent.append(str(len(sent)))
            a.ask("send", room=room, text=sent[-1], txn=sent[-1])
            stop.wait(0.1 if len(sent) > 80 else 0)  # 100 in ten seconds is what one may say

    first = ann.ask("GET", f"/rooms/{room}/events")[-1]["id"]
    thread = threading.Thread(target=talk)
    thread.start()
    found: list[str] = []
    place = first
    for _ in range(6):
        b = bob.connect({room: place})
        b.until(lambda b=b: len(texts(b, room)) >= 3)
        b.wire.close()
        events = b.of("message")
        found += [m["text"] for m in events]
        place = events[-1]["id"]
    stop.set()
    thread.join()
    b = bob.connect({room: place})
    b.until(lambda: len(found) + len(texts(b, room)) >= len(sent))
    assert found + texts(b, room) == sent
    missed = bob.ask("GET", f"/rooms/{room}/events", since=first, limit=500)
    assert [m["text"] for m in missed if m["event"] == "message"] == sent


def test_edits_reactions_deletions_typing_and_receipts(person: Make) -> None:
    ann, bob = person("ann"), person("bob")
    room = ann.room(members=["bob"])
    a, b = ann.connect(), bob.connect()
    number = a.ask("send", room=room, text="helo", txn="1")["number"]
    a.ask("edit", room=room, message=number, text="hello")
    assert b.hear("edited")["text"] == "hello" and bob.ask("GET", "/search", q="helo") == []
    assert "helo" not in str(bob.ask("GET", f"/rooms/{room}/events"))
    b.ask("react", room=room, message=number, emoji="👍")
    b.ask("react", room=room, message=number, emoji="👍")
    assert a.hear("reacted") | {"id": 0, "number": 0} == {
        "room": room, "number": 0, "id": 0, "message": number, "user": bob.id, "name": "bob", "emoji": "👍",
    }  # fmt: skip
    with pytest.raises(Denied):
        b.ask("edit", room=room, message=number, text="mine")
    with pytest.raises(Denied):
        b.ask("delete", room=room, message=number)
    shown = bob.ask("GET", f"/rooms/{room}/messages/{number}")
    assert shown["text"] == "hello" and shown["reactions"] == [{"emoji": "👍", "users": [bob.id]}]
    assert shown["editedAt"] and len(a.of("reacted")) == 1
    b.ask("typing", room=room, on=True)
    assert a.hear("typing")["user"] == bob.id and not b.of("typing")
    b.ask("read", room=room, to=number)
    assert a.hear("receipt") == {"room": room, "user": bob.id, "seen": number}
    members = {m["name"]: m for m in ann.ask("GET", f"/rooms/{room}/members")}
    assert members["bob"]["seen"] == number and members["bob"]["online"] is True
    bob.ask("DELETE", f"/rooms/{room}/messages/{number}/reactions/👍")
    assert a.hear("unreacted")["emoji"] == "👍"
    a.ask("delete", room=room, message=number)
    assert b.hear("deleted")["message"] == number
    shown = bob.ask("GET", f"/rooms/{room}/messages/{number}")
    assert (shown["text"], shown["reactions"]) == ("", []) and bob.ask("GET", "/search", q="hello") == []
    assert "hello" not in str(bob.ask("GET", f"/rooms/{room}/events"))  # nor do those who come back get it
    b.wire.close()
    assert a.hear("presence", 2) == {"room": room, "user": bob.id, "online": False} or a.of("presence")


def test_direct_conversations_are_one_of_each_two(person: Make) -> None:
    ann, bob, eve = person("ann"), person("bob"), person("eve")
    b = bob.connect()
    with ThreadPoolExecutor(4) as pool:
        opened = set(
            pool.map(
                lambda n: (ann if n % 2 else bob).ask("POST", "/direct", {"user": "bob" if n % 2 else "ann"})[
                    "id"
                ],
                range(8),
            )
        )
    assert len(opened) == 1
    room = opened.pop()
    ann.ask("POST", f"/rooms/{room}/messages", {"text": "psst"})
    assert b.hear("message")["text"] == "psst"
    assert [r["name"] for r in bob.ask("GET", "/rooms")] == ["ann"]
    with pytest.raises(NotFound):
        eve.ask("GET", f"/rooms/{room}/messages")
    with pytest.raises(Denied):
        ann.ask("POST", f"/rooms/{room}/members", {"user": "eve"})
    with pytest.raises(HubError):
        ann.ask("POST", "/direct", {"user": "ann"})


def test_moderation(person: Make) -> None:
    ann, bob, cem = person("ann"), person("bob"), person("cem")
    room = ann.room()
    for each in (bob, cem):
        each.ask("POST", f"/rooms/{room}/join")
    a, c = ann.connect(), cem.connect()
    with pytest.raises(Denied):
        bob.ask("DELETE", f"/rooms/{room}/members/{cem.id}")
    ann.ask("PATCH", f"/rooms/{room}/members/{bob.id}", {"role": "moderator"})
    for act in (("DELETE", f"/rooms/{room}/members/{ann.id}"), ("PUT", f"/rooms/{room}/bans/{ann.id}", {})):
        with pytest.raises(Denied):
            bob.ask(*act)
    bob.ask("PATCH", f"/rooms/{room}/members/{cem.id}", {"mutedFor": 60})
    assert c.hear("muted")["user"] == cem.id
    with pytest.raises(Denied, match="muted until"):
        c.ask("send", room=room, text="x", txn="1")
    bob.ask("PATCH", f"/rooms/{room}/members/{cem.id}", {"mutedFor": 0})
    number = c.ask("send", room=room, text="rude", txn="2")["number"]
    bob.ask("DELETE", f"/rooms/{room}/messages/{number}")
    bob.ask("PUT", f"/rooms/{room}/bans/{cem.id}", {"reason": "rude"})
    assert c.hear("banned")["user"] == cem.id
    a.ask("send", room=room, text="peace", txn="1")
    a.until(lambda: "peace" in texts(a, room))
    with pytest.raises(NotFound):
        c.ask("history", room=room)
    with pytest.raises(Denied, match="banned"):
        cem.ask("POST", f"/rooms/{room}/join")
    with pytest.raises(Denied):
        ann.ask("POST", f"/rooms/{room}/members", {"user": "cem"})
    assert [b["name"] for b in ann.ask("GET", f"/rooms/{room}/bans")] == ["cem"]
    assert "peace" not in texts(c, room)
    bob.ask("DELETE", f"/rooms/{room}/bans/{cem.id}")
    cem.ask("POST", f"/rooms/{room}/join")
    a.ask("send", room=room, text="welcome", txn="3")
    c.until(lambda: "welcome" in texts(c, room))
    assert "peace" not in texts(c, room)
    ann.ask("POST", f"/rooms/{room}/leave")
    roles = {m["name"]: m["role"] for m in bob.ask("GET", f"/rooms/{room}/members")}
    assert roles == {"bob": "owner", "cem": "member"}


def test_who_is_put_out_gets_nothing_that_comes_after(person: Make) -> None:
    """Messages rain while somebody is kicked and comes in again: what lies between is never seen."""
    ann, bob = person("ann"), person("bob")
    room = ann.room()
    bob.ask("POST", f"/rooms/{room}/join")
    a, b = ann.connect(), bob.connect()
    for n in range(10):
        a.ask("send", room=room, text=f"in {n}", txn=f"in {n}")
        ann.ask("DELETE", f"/rooms/{room}/members/{bob.id}")
        a.ask("send", room=room, text=f"out {n}", txn=f"out {n}")
        bob.ask("POST", f"/rooms/{room}/join")
    a.ask("send", room=room, text="end", txn="end")
    b.until(lambda: "end" in texts(b, room))
    assert texts(b, room) == [*(f"in {n}" for n in range(10)), "end"]


def test_files_go_through_the_kit(person: Make, running: Any) -> None:
    import httpx

    ann, bob, eve = person("ann"), person("bob"), person("eve")
    room = ann.room(kind="private", members=["bob"])
    b = bob.connect()
    headers = {"Authorization": f"Bearer {ann.token}"}
    sent = httpx.post(
        f"{running.url}/rooms/{room}/files",
        params={"name": "notes.txt", "text": "see this"},
        content=b"hello",
        headers=headers,
    )
    assert sent.status_code == 201, sent.text
    assert b.hear("message")["attachment"] == {"name": "notes.txt", "type": "text/plain", "size": 5}
    path = f"{running.url}/rooms/{room}/messages/{sent.json()['number']}/file"
    got = httpx.get(path, headers={"Authorization": f"Bearer {bob.token}"})
    assert got.content == b"hello" and "notes.txt" in got.headers["content-disposition"]
    theirs = {"Authorization": f"Bearer {eve.token}"}
    assert httpx.get(path, headers=theirs).status_code == 404 and httpx.get(path).status_code == 401
    more = httpx.post(f"{running.url}/rooms/{room}/files?name=x", content=b"x", headers=theirs)
    assert more.status_code == 404
    ann.ask("DELETE", f"/rooms/{room}/messages/{sent.json()['number']}")
    assert httpx.get(path, headers=headers).status_code == 404


def test_history_is_paged_and_searched(person: Make) -> None:
    ann = person("ann")
    room, other = ann.room("A"), ann.room("B")
    path = f"/rooms/{room}/messages"
    for n in range(25):
        ann.ask("POST", path, {"text": f"number {n} café"})
    ann.ask("POST", f"/rooms/{other}/messages", {"text": "a cafe elsewhere"})
    last = ann.ask("GET", path, limit=10)
    before = ann.ask("GET", path, limit=10, before=last[0]["number"])
    assert [m["text"] for m in before + last] == [f"number {n} café" for n in range(5, 25)]
    assert ann.ask("GET", path, limit=3, after=before[-1]["number"]) == last[:3]
    assert len(ann.ask("GET", "/search", q="cafe", limit=100)) == 26
    found = ann.ask("GET", "/search", q='"number 7"')
    assert [m["text"] for m in found] == ["number 7 café"]
    first = ann.ask("GET", "/search", q="caf", room=room, limit=20)
    rest = ann.ask("GET", "/search", q="caf", room=room, limit=20, before=first[-1]["id"])
    assert len(first) == 20 and len(rest) == 5


def test_strangers_and_nonsense(person: Make, running: Any) -> None:
    from backendhub.systems.chat.client import Wire

    ann = person("ann")
    with pytest.raises(Unauthenticated):
        Wire(running.url, "wrong", heard=lambda *_: None)
    room = ann.room()
    a = ann.connect()
    for event, data in (
        ("send", {}),
        ("send", {"room": room, "text": " "}),
        ("send", {"room": room, "text": "x" * 10_001}),
        ("send", {"room": room, "text": "a\0b"}),
        ("send", {"room": room, "text": "half of a character: \ud83d"}),
        ("react", {"room": room, "message": 1, "emoji": "\ud83d"}),
        ("send", {"room": 5, "text": "x"}),
        ("send", {"room": room, "text": "x", "replyTo": 999}),
        ("react", {"room": room, "message": -1, "emoji": "x"}),
        ("history", {"room": room, "limit": "many"}),
    ):
        with pytest.raises(HubError):
            a.ask(event, **data)
    for n in range(100):
        a.ask("typing", room=room, on=bool(n % 2))
    with pytest.raises(HubError, match="Too many"):
        for n in range(200):
            a.ask("send", room=room, text=str(n), txn=str(n))
    assert a.wire.open


def test_a_slow_reader_is_closed_and_comes_back_for_the_rest(person: Make, running: Any) -> None:
    import json
    import time

    from websockets.sync.client import connect

    from backendhub.kit.fanout import Entry, log
    from backendhub.systems.chat.live import Live

    ann, bob = person("ann"), person("bob")
    room = ann.room(members=["bob"])
    b = bob.connect()
    place = ann.ask("GET", f"/rooms/{room}/events")[-1]["id"]
    url = running.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    with connect(url, compression=None, close_timeout=1, max_size=None) as slow:
        slow.send("40" + json.dumps({"token": ann.token}))
        live = Live.of(running.hub)
        while len(live.fan.streams.get(room, ())) < 2:
            time.sleep(0.01)
        wires = [m.peer._socket.wire for m in live.fan.streams[room].all()]
        count, most = 0, 0
        while len(live.fan.streams[room]) == 2:
            body = json.dumps({"user": bob.id, "name": "bob", "text": "x" * 50_000, "txn": str(count)})
            done = running.hub.unit(
                lambda db, body=body: log.append(db, "chat", room, [Entry("message", body)])
            )
            running.loop.call_soon_threadsafe(live.fan.hinted, room, done.epoch, done.top)
            count += 1
            b.until(lambda count=count: len(texts(b, room)) == count)
            most = max(most, *(wire.transport.get_write_buffer_size() for wire in wires))
            assert count < 2000
        assert most < 512 * 1024 + 2 * 51_000
    a = ann.connect({room: place})
    a.until(lambda: len(texts(a, room)) == count, 30)


@pytest.mark.redis
def test_two_processes_are_one_chat(pair: tuple[Any, Any]) -> None:
    import sys

    module = sys.modules[type(pair[0]).__module__]
    one, two = pair
    ann = module.Person(one, "ann")
    bob = module.Person(two, "bob")
    room = ann.room(kind="private")
    a, b = ann.connect(), bob.connect()
    ann.ask("POST", f"/rooms/{room}/members", {"user": "bob"})
    assert b.hear("joined")["user"] == bob.id
    for n in range(20):
        (a if n % 2 else b).ask("send", room=room, text=str(n), txn=str(n))
    for device in (a, b):
        device.until(lambda device=device: len(texts(device, room)) >= 20)
    assert texts(a, room) == texts(b, room) == [str(n) for n in range(20)]
    b.ask("typing", room=room)
    assert a.hear("typing")["name"] == "bob"
    ann.ask("DELETE", f"/rooms/{room}/members/{bob.id}")
    a.ask("send", room=room, text="without bob", txn="z")
    b.hear("kicked")
    a.until(lambda: "without bob" in texts(a, room))
    with pytest.raises(NotFound):
        b.ask("history", room=room)
    assert "without bob" not in texts(b, room)
    for device in (a, b):
        device.wire.close()
