"""Text over WebSocket, server-sent events, JSON routes: one message to everyone, once, in order, and again later."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from backendhub.systems.broadcast.engine import Engine

JSON = "broadcast.json"


def until(condition: Callable[[], Any], seconds: float = 8) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def take(ws: Any, count: int) -> list[Any]:
    return [ws.recv(timeout=8) for _ in range(count)]


def here(running: Any, count: int, channel: str = "main") -> None:
    """Waits until so many connections are in a channel."""
    until(lambda: Engine.of(running.hub).counts_now().get(channel, 0) == count)


def test_every_client_gets_each_message_the_sender_too(running: Any) -> None:
    with running.socket() as a, running.socket() as b, running.socket(channel="other") as c:
        here(running, 2)
        a.send("hé")
        b.send(b"\x00\xff")
        assert take(a, 2) == take(b, 2)
        with pytest.raises(TimeoutError):
            c.recv(timeout=0.1)
        a.send("")
        assert b.recv(timeout=8) == ""


def test_messages_of_many_publishers_come_once_in_one_order(running: Any) -> None:
    with running.socket() as one, running.socket() as two:
        here(running, 2)

        def publish(name: str) -> None:
            with running.socket(mute="true") as ws:
                for n in range(100):
                    ws.send(f"{name}{n}")
                until(lambda: done.is_set(), 20)

        done = threading.Event()
        threads = [threading.Thread(target=publish, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        first, second = take(one, 400), take(two, 400)
        done.set()
        for thread in threads:
            thread.join()
    assert first == second and len(set(first)) == 400
    for name in "abcd":
        assert [m for m in first if m[0] == name] == [f"{name}{n}" for n in range(100)]
    stored = running.http.get("/channels/main/messages", params={"limit": 1000}).json()
    assert [m["data"] for m in stored] == first


def lines(response: Any) -> Iterator[tuple[str, str]]:
    """Id and data of server-sent events."""
    id = data = ""
    for line in response.iter_lines():
        if line.startswith("id: "):
            id = line[4:]
        elif line.startswith("data: "):
            data = line[6:]
        elif not line and data:
            yield id, data
            data = ""


def test_events_go_on_where_a_client_was(running: Any) -> None:
    say = lambda text: running.http.post("/channels/main/messages", json={"data": text}).json()["id"]  # noqa: E731
    ids = [say(f"m{n}") for n in range(5)]
    with running.http.stream("GET", "/sse", headers={"Last-Event-ID": ids[1]}) as response:
        found = lines(response)
        assert [next(found) for _ in range(3)] == [(ids[n], f"m{n}") for n in (2, 3, 4)]
        sixth = say("m5")
        assert next(found) == (sixth, "m5")
    with running.http.stream("GET", "/sse", params={"last": 2}) as response:
        assert [next(lines(response))[1]] == ["m4"]


def test_a_client_that_comes_back_misses_and_repeats_nothing(
    start: Callable[..., Any], store_url: str
) -> None:
    running = start(store_url, **{"broadcast.history": "100000"})
    stop = threading.Event()
    sent = 0

    def publish() -> None:
        nonlocal sent
        with running.socket(mute="true") as ws:
            while not stop.is_set():
                ws.send(str(sent))
                sent += 1
                time.sleep(0.001)
            ws.send("end")
            time.sleep(0.2)

    thread = threading.Thread(target=publish)
    found: list[str] = []
    since: dict[str, str] = {}
    with running.socket("/", JSON, **since) as ws:
        here(running, 1)
        thread.start()
        for _ in range(10):
            told = json.loads(ws.recv(timeout=8))
            found.append(told["data"])
            since = {"since": told["id"]}
    for _ in range(8):
        with running.socket("/", JSON, **since) as ws:
            for _ in range(20):
                told = json.loads(ws.recv(timeout=8))
                found.append(told["data"])
                since = {"since": told["id"]}
    stop.set()
    with running.socket("/", JSON, **since) as ws:
        while found[-1] != "end":
            found.append(json.loads(ws.recv(timeout=8))["data"])
    thread.join()
    assert found == [*map(str, range(sent)), "end"]


def test_what_is_stored_is_confirmed_and_mistakes_are_told(running: Any) -> None:
    with running.socket("/", JSON) as ws:
        ws.send('{"data": "x", "event": "greet", "ref": 7}')
        told = sorted((json.loads(m) for m in take(ws, 2)), key=lambda m: "ack" in m)
        assert told[0]["event"] == "greet" and told[1] == {"ack": 7, "id": told[0]["id"]}
        for wrong in ("[1]", "no json", '{"data": 5}', '{"data": "x", "event": "\\u0001"}'):
            ws.send(wrong)
            assert "error" in json.loads(ws.recv(timeout=8))


def test_a_message_that_cannot_be_kept_is_its_senders_trouble(running: Any) -> None:
    """It is not stored together with what others send in the same moment."""
    with running.socket() as reader, running.socket("/", JSON, mute="true") as good:
        here(running, 1)
        for n in range(5):
            with running.socket(mute="true") as bad:
                bad.send("a\x00b")
                good.send(json.dumps({"data": str(n), "ref": n}))
                with pytest.raises(ConnectionClosed) as caught:
                    bad.recv(timeout=8)
                assert caught.value.rcvd is not None and caught.value.rcvd.code == 1008
        assert [json.loads(m)["ack"] for m in take(good, 5)] == list(range(5))
        good.send('{"data": "\\ud800", "ref": "x"}')
        assert json.loads(good.recv(timeout=8))["ref"] == "x"
        assert take(reader, 5) == list("01234")
    headers = {"Content-Type": "application/json"}
    said = running.http.post("/channels/main/messages", content=b'{"data":"\\ud800"}', headers=headers)
    assert said.status_code == 400


def test_history_is_bounded_and_a_gap_is_told(start: Callable[..., Any], store_url: str) -> None:
    running = start(store_url, **{"broadcast.history": "10"})
    post = lambda n: running.http.post("/channels/c/messages", json={"data": str(n)}).json()["id"]  # noqa: E731
    ids = [post(n) for n in range(35)]
    kept = running.http.get("/channels/c/messages").json()
    assert 10 <= len(kept) <= 20 and kept[-1]["data"] == "34"
    assert running.http.get("/channels").json()[0]["kept"] == len(kept)
    with running.socket("/", JSON, channel="c", since=ids[0]) as ws:
        missed = json.loads(ws.recv(timeout=8))["gap"]["missed"]
        assert missed == 35 - 1 - len(kept)
        assert json.loads(ws.recv(timeout=8))["data"] == kept[0]["data"]
    with running.socket("/", JSON, channel="c", since="0123456789ab-7") as ws:
        assert json.loads(ws.recv(timeout=8))["gap"]["missed"] is None


def test_old_messages_are_forgotten(start: Callable[..., Any], store_url: str) -> None:
    from datetime import timedelta

    from backendhub.systems.broadcast import service

    running = start(store_url)
    running.http.post("/channels/c/messages", json={"data": "x"})
    assert running.hub.unit(service.expire, timedelta(hours=1)) == 0
    time.sleep(0.01)
    running.hub.unit(service.expire, timedelta(0))
    assert running.http.get("/channels/c/messages").json() == []
    # What is sent to who is still there goes on, though the channel was forgotten.
    with running.socket(channel="d") as ws:
        ws.send("1")
        assert ws.recv(timeout=8) == "1"
        time.sleep(0.01)
        running.hub.unit(service.expire, timedelta(0))
        assert running.http.get("/channels").json() == []
        ws.send("2")
        assert ws.recv(timeout=8) == "2"


def test_who_is_too_slow_is_closed_and_memory_does_not_grow(running: Any) -> None:
    with running.socket() as slow, running.socket() as fast, running.socket(mute="true") as publisher:
        here(running, 2)
        payload = "x" * 50_000
        pumped = waiting = 0
        stream = Engine.of(running.hub).fan.streams["main"]
        wires = [member.peer.socket.request.scope["backendhub.wire"] for member in stream.all()]
        while len(stream) == 2:
            publisher.send(payload)
            assert fast.recv(timeout=8) == payload
            waiting = max(waiting, *(wire.transport.get_write_buffer_size() for wire in wires))
            pumped += 1
            assert pumped < 2000
        assert 50_000 < waiting < 256 * 1024 + 2 * 50_010  # what may wait, and one message
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                slow.recv(timeout=8)
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1013
        publisher.send("on")
        assert fast.recv(timeout=8) == "on"


def test_a_server_that_stops_says_so(running: Any) -> None:
    with running.socket() as ws:
        running.stop()
        with pytest.raises(ConnectionClosed) as caught:
            ws.recv(timeout=8)
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1001


def test_private_names_are_not_for_the_plain_doors(running: Any) -> None:
    assert running.http.get("/channels/private-x/messages").status_code == 403
    assert running.http.post("/channels/presence-x/messages", json={"data": "x"}).status_code == 403
    assert running.http.get("/sse", params={"channel": "private-x"}).status_code == 403
    assert running.http.get("/channels/a b/messages").status_code == 422
    assert running.http.get("/sse", params={"since": "nonsense"}).status_code == 422


@pytest.mark.redis
def test_two_processes_are_one_server(pair: tuple[Any, Any]) -> None:
    one, two = pair
    with one.socket() as a, two.socket() as b:
        here(one, 1)
        here(two, 1)
        for n in range(50):
            (a if n % 2 else b).send(str(n))
        first, second = take(a, 50), take(b, 50)
    assert first == second and sorted(first, key=int) == [str(n) for n in range(50)]
