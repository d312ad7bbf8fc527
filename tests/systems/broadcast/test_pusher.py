"""The Pusher protocol: by hand, with the Python library, and with pusher-js where node has it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pusher
import pytest

from backendhub.systems.broadcast import service
from backendhub.systems.broadcast.models import Keys

SECRET = "a secret of the tests"
KEY = "backendhub-key"
APP = Keys("1", KEY, SECRET)


@pytest.fixture
def library(running: Any) -> pusher.Pusher:
    return of(running)


def of(running: Any) -> pusher.Pusher:
    return pusher.Pusher("1", KEY, SECRET, host="127.0.0.1", port=running.port, ssl=False)


class Client:
    """A connection whose messages are read as they come."""

    def __init__(self, running: Any, key: str = KEY, **query: Any) -> None:
        self.ws = running.socket(
            f"/app/{key}", protocol=7, client="js", version="8.6.0", flash="false", **query
        )
        self.id = ""

    def __enter__(self) -> Client:
        self.ws.__enter__()
        told = self.next()
        assert told["event"] == "pusher:connection_established"
        self.id = json.loads(told["data"])["socket_id"]
        return self

    def __exit__(self, *_: object) -> None:
        self.ws.__exit__(None, None, None)

    def next(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ws.recv(timeout=8))
        return found

    def send(self, event: str, data: Any = None, **more: Any) -> None:
        self.ws.send(json.dumps({"event": event, "data": data} | more))

    def subscribe(self, channel: str, **data: Any) -> dict[str, Any]:
        self.send("pusher:subscribe", {"channel": channel} | data)
        return self.next()

    def enter(self, channel: str, user: str) -> dict[str, Any]:
        data = json.dumps({"user_id": user, "user_info": {"name": user}})
        auth = f"{KEY}:{service.sign(SECRET, f'{self.id}:{channel}:{data}')}"
        return self.subscribe(channel, auth=auth, channel_data=data)


def succeeded(told: dict[str, Any]) -> Any:
    assert told["event"] == "pusher_internal:subscription_succeeded", told
    return json.loads(told["data"])


def test_events_of_the_python_library(running: Any, library: pusher.Pusher) -> None:
    with Client(running) as a, Client(running) as b, running.socket(channel="news") as plain:
        assert succeeded(a.subscribe("news")) == {} and succeeded(b.subscribe("news")) == {}
        assert library.trigger("news", "hello", {"n": 1}) == {}
        assert a.next() == {"event": "hello", "channel": "news", "data": '{"n": 1}'} == b.next()
        assert plain.recv(timeout=8) == '{"n": 1}'
        library.trigger("news", "hello", "not for a", socket_id=a.id)
        assert b.next()["data"] == "not for a"
        told = library.trigger_batch([{"channel": "news", "name": f"e{n}", "data": str(n)} for n in range(3)])
        assert told == {}
        assert [a.next()["event"] for _ in range(3)] == ["e0", "e1", "e2"]
        assert library.channels_info()["channels"] == {"news": {}}
        assert library.channel_info("news", ["subscription_count"]) == {
            "occupied": True,
            "subscription_count": 3,
        }
    answer = library.trigger(["x", "y"], "e", "d")
    assert answer == {}


def test_who_has_not_signed_gets_nothing(running: Any, library: pusher.Pusher) -> None:
    wrong = pusher.Pusher("1", KEY, "wrong", host="127.0.0.1", port=running.port, ssl=False)
    with pytest.raises(pusher.errors.PusherBadAuth):
        wrong.trigger("news", "hello", "x")
    with pytest.raises(pusher.errors.PusherBadStatus):
        pusher.Pusher("2", KEY, SECRET, host="127.0.0.1", port=running.port, ssl=False).channels_info()
    with pytest.raises(pusher.errors.PusherBadRequest):
        library.channel_info("news", ["user_count"])
    with Client(running) as client:
        for channel in ("private-x", "presence-x", "private-encrypted-x"):
            told = client.subscribe(channel, auth=f"{KEY}:00", channel_data='{"user_id":"a"}')
            assert told["event"] == "pusher:subscription_error" and told["data"]["status"] == 401
        library.trigger("private-x", "secret", "x")
        client.send("pusher:ping", {})
        assert client.next()["event"] == "pusher:pong"


def test_a_request_is_good_for_ten_minutes_and_one_body() -> None:
    from backendhub.kit.errors import Unauthenticated

    def query(stamp: float, body: bytes) -> dict[str, str]:
        import hashlib

        found = {
            "auth_key": KEY,
            "auth_version": "1.0",
            "auth_timestamp": str(int(stamp)),
            "body_md5": hashlib.md5(body).hexdigest(),
        }
        text = "&".join(f"{name}={found[name]}" for name in sorted(found))
        return found | {"auth_signature": service.sign(SECRET, f"POST\n/apps/1/events\n{text}")}

    def check(query: dict[str, str], body: bytes) -> None:
        service.check_request(APP, "1", "POST", "/apps/1/events", query, body)

    check(query(time.time(), b"{}"), b"{}")
    for bad, body in (
        (query(time.time() - 700, b"{}"), b"{}"),
        (query(time.time(), b"{}"), b"[]"),
        (query(time.time(), b"{}") | {"extra": "1"}, b"{}"),
    ):
        with pytest.raises(Unauthenticated):
            check(bad, body)


def test_presence_tells_who_comes_and_goes_once_a_member(running: Any, library: pusher.Pusher) -> None:
    with Client(running) as a, Client(running) as b, Client(running) as b2:
        assert succeeded(a.enter("presence-r", "ann"))["presence"]["ids"] == ["ann"]
        found = succeeded(b.enter("presence-r", "bob"))["presence"]
        assert found["count"] == 2 and found["hash"]["bob"] == {"name": "bob"}
        added = a.next()
        assert added["event"] == "pusher_internal:member_added"
        assert json.loads(added["data"]) == {"user_id": "bob", "user_info": {"name": "bob"}}
        assert succeeded(b2.enter("presence-r", "bob"))["presence"]["count"] == 2
        assert sorted(u["id"] for u in library.users_info("presence-r")["users"]) == ["ann", "bob"]
        assert library.channel_info("presence-r", ["user_count"])["user_count"] == 2
        b.send("client-typing", {"on": True}, channel="presence-r")
        told = a.next()
        assert told == {
            "event": "client-typing",
            "channel": "presence-r",
            "data": {"on": True},
            "user_id": "bob",
        }
        assert b2.next() == told
        b.send("pusher:unsubscribe", {"channel": "presence-r"})
        b.send("pusher:ping", {})
        assert b.next()["event"] == "pusher:pong"  # it had nothing of its own events, either
        b2.ws.close()
        assert json.loads(a.next()["data"]) == {"user_id": "bob"}


def test_client_events_are_for_subscribers_and_few(running: Any) -> None:
    with Client(running) as a:
        a.subscribe("open")
        a.send("client-x", {}, channel="open")
        assert a.next()["data"]["code"] == 4301
        a.send("client-x", {}, channel="private-other")
        assert a.next()["data"]["code"] == 4301
        a.enter("presence-r", "ann")
        for _ in range(15):
            a.send("client-x", {}, channel="presence-r")
        assert a.next()["data"]["code"] == 4301


def test_what_is_no_json_for_others_is_not_sent_on(running: Any) -> None:
    """Python's reader takes it; a browser's would fail in every other client."""
    with Client(running) as a, Client(running) as b:
        a.enter("presence-r", "ann")
        b.enter("presence-r", "bob")
        a.next()
        for data in ("NaN", "1e999", '{"a": [-Infinity]}', '"\\ud800"'):
            a.ws.send('{"event": "client-x", "channel": "presence-r", "data": ' + data + "}")
            assert a.next()["data"]["code"] == 4301
        a.send("client-y", {}, channel="presence-r")
        assert b.next()["event"] == "client-y"
        a.ws.send('{"event": "\\ud800"}')
        assert "Unknown event" in a.next()["data"]["message"]


def test_nobody_speaks_as_the_protocol_itself(running: Any, library: pusher.Pusher) -> None:
    """Not by the plain doors either, whose messages Pusher's clients get too."""
    path = "/channels/news/messages"
    with Client(running) as a, running.socket("/", "broadcast.json", channel="news") as plain:
        succeeded(a.subscribe("news"))
        for name in ("pusher:raw", "pusher:error", "pusher_internal:member_added", "\x01pusher"):
            assert running.http.post(path, json={"data": "{}", "event": name}).status_code == 422
            plain.send(json.dumps({"data": "{}", "event": name, "ref": 3}))
            told = json.loads(plain.recv(timeout=8))
            assert told["ref"] == 3 and "is no name for an event" in told["error"]
            with pytest.raises(pusher.errors.PusherBadRequest):
                library.trigger("news", name, "{}")
        with pytest.raises(pusher.errors.PusherBadRequest):  # all of a batch or nothing
            library.trigger_batch([{"channel": "news", "name": n, "data": "x"} for n in ("e", "pusher:x")])
        library.trigger("news", "fine", "{}")
        assert a.next()["event"] == "fine"


def test_a_cache_channel_begins_with_its_last_event(running: Any, library: pusher.Pusher) -> None:
    with Client(running) as a, Client(running) as b:
        succeeded(a.subscribe("cache-c"))
        assert a.next()["event"] == "pusher:cache_miss"
        library.trigger("cache-c", "one", "1")
        library.trigger("cache-c", "two", "2")
        assert [a.next()["event"], a.next()["event"]] == ["one", "two"]
        succeeded(b.subscribe("cache-c"))
        assert b.next() == {"event": "two", "channel": "cache-c", "data": "2"}
    assert library.channel_info("cache-c", ["cache"])["cache"]["data"] == "2"


def refused(running: Any, key: str, protocol: int) -> tuple[int, Any]:
    from websockets.exceptions import ConnectionClosed

    with running.socket(f"/app/{key}", protocol=protocol) as ws:
        told = json.loads(ws.recv(timeout=8))
        with pytest.raises(ConnectionClosed) as caught:
            ws.recv(timeout=8)
    assert caught.value.rcvd is not None and caught.value.rcvd.code == told["data"]["code"]
    return told["data"]["code"], told["event"]


def test_strangers_are_told_why(running: Any) -> None:
    assert refused(running, "nobody", 7) == (4001, "pusher:error")
    assert refused(running, KEY, 3) == (4007, "pusher:error")
    with Client(running) as a:
        for wrong in (
            "{",
            "[]",
            '{"event": 5}',
            '{"data": {}}',
            '{"event": "what"}',
            '{"event":"pusher:subscribe"}',
        ):
            a.ws.send(wrong)
            assert a.next()["event"] == "pusher:error", wrong
        assert a.subscribe("no such name!")["event"] == "pusher:subscription_error"


@pytest.mark.redis
def test_leases_of_a_process_that_is_gone_run_out(pair: tuple[Any, Any]) -> None:
    from backendhub.kit.fanout import presence

    one, two = pair
    with Client(one) as a, Client(two) as b:
        succeeded(a.enter("presence-r", "ann"))
        succeeded(b.enter("presence-r", "bob"))
        assert json.loads(a.next()["data"])["user_id"] == "bob"
        late = {"peer": "x", "member": "cem", "info": None, "node": "killed"}
        one.hub.unit(presence.enter, "broadcast", "presence-r", **late, lease_s=0.05)
        assert [p.member for p in one.hub.read(presence.present, "broadcast", "presence-r")] == [
            "ann",
            "bob",
            "cem",
        ]
        time.sleep(0.1)
        assert [p.member for p in one.hub.read(presence.present, "broadcast", "presence-r")] == ["ann", "bob"]
        gone = one.hub.unit(presence.expired, "broadcast")
        assert [g.member for g in gone] == ["cem"] and two.hub.unit(presence.expired, "broadcast") == []
        library = of(one)
        library.trigger("presence-r", "hi", "x")
        assert a.next()["event"] == "hi"
        while (told := b.next())["event"] != "hi":
            assert (
                told["event"] == "pusher_internal:member_added"
            )  # of ann, whom it knows: told late by Redis


@pytest.fixture
def node_modules() -> Iterator[Path]:
    folder = Path(os.environ.get("BACKENDHUB_TEST_NODE_MODULES", "/nonexistent"))
    if shutil.which("node") is None or not (folder / "pusher-js").exists():
        pytest.skip("BACKENDHUB_TEST_NODE_MODULES names no folder with pusher-js (npm i pusher-js@8)")
    yield folder


def test_pusher_js_unchanged(running: Any, library: pusher.Pusher, node_modules: Path) -> None:
    script = Path(__file__).parent / "clients" / "pusher.cjs"
    process = subprocess.Popen(
        ["node", str(script), str(running.port), KEY, SECRET],
        env={**os.environ, "NODE_PATH": str(node_modules)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    first = process.stdout.readline()
    assert first == "READY\n", first + process.stderr.read()
    library.trigger("news", "hello", {"n": 1})
    library.send_to_user("ann", "for-you", {"m": 2})
    time.sleep(0.3)
    deadline = time.monotonic() + 5
    while library.users_info("presence-room")["users"] != [{"id": "ann"}]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    library.terminate_user_connections("ann")
    out, err = process.communicate(timeout=15)
    assert process.returncode == 0, out + err
    seen = [tuple(each) for each in json.loads(out)]
    assert ("hello", {"n": 1}) in [tuple(s) for s in seen]
    for expected in (
        ("members", 1, "ann"),
        ("added", "bob", "BOB"),
        ("typing", True, "bob"),
        ("refused", 401),
        ("cache_miss",),
        ("removed", "bob"),
        ("terminated",),
    ):
        assert expected in seen, seen
    assert ("for you", {"m": 2}) in seen and "own client event came back" not in str(seen)
