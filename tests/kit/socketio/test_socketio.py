"""Socket.IO: packets, both transports, rooms, acknowledgements, bad input; the public suites and client by choice."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from backendhub.kit.socketio.packets import Decoder, Kind, Packet, ProtocolError, encode, joined, parted

HERE = Path(__file__).parent
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # no key is as long as _placeholder


@settings(max_examples=40)
@given(
    st.lists(JSON, max_size=4), st.sampled_from(["/", "/admin", "/a-b/c"]), st.none() | st.integers(0, 10**9)
)
def test_what_is_written_is_read(args: list[Any], namespace: str, id: int | None) -> None:
    packet = Packet(Kind.EVENT, namespace, ["event", *args], id)
    messages = encode(packet)
    assert parted(joined(messages)) == messages or "\x1e" in str(messages)
    decoder, found = Decoder(), None
    for number, message in enumerate(messages):
        found = decoder.feed(message[1:] if number == 0 and isinstance(message, str) else message)
    assert found is not None and found[1:] == packet[1:]


@pytest.mark.parametrize(
    "text",
    [
        "", "7", "2", "2{}", "2[]", "2[1]", '2["connect"]', "2[", '2abc["x"]', "3[]", "4{}", '5["x"]', '21-["x"]',
        "0[]", '0"x"', '1{"a":1}', "2/x", '5999-["x"]', "2" + "[" * 10_000,
    ],
)  # fmt: skip
def test_what_no_client_sends_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        Decoder().feed(text)


def test_attachments_come_when_and_as_many_as_announced() -> None:
    decoder = Decoder()
    assert decoder.feed('51-["x",{"_placeholder":true,"num":0}]') is None
    with pytest.raises(ProtocolError):
        decoder.feed('2["y"]')
    with pytest.raises(ProtocolError):
        Decoder().feed(b"x")
    decoder = Decoder()
    decoder.feed('51-["x",{"_placeholder":true,"num":1}]')
    with pytest.raises(ProtocolError):
        decoder.feed(b"x")


def test_attachments_that_wait_are_bounded_together() -> None:
    """A hundred of a megabyte would wait for the last, in every connection."""
    decoder = Decoder(limit=100)
    decoder.feed('53-["x",{"_placeholder":true,"num":0}]')
    decoder.feed(b"x" * 60)
    with pytest.raises(ProtocolError, match="too large"):
        decoder.feed(b"x" * 60)


async def test_packets_of_one_poll_wait_for_their_handlers() -> None:
    """A body of a megabyte has a hundred thousand packets; they are not all taken at once."""
    from types import SimpleNamespace

    from backendhub.kit.fanout import Fanout
    from backendhub.kit.hub import Hub
    from backendhub.kit.settings import Settings
    from backendhub.kit.socketio import Server, routes, server

    io = Server()
    done, most = 0, 0

    async def say(socket: Any, n: int) -> None:
        nonlocal done, most
        done, most = done + 1, max(most, len(client._inbox))
        await asyncio.sleep(0)

    io.namespace("/").handlers["say"] = say
    hub = Hub(Settings({"database": ":memory:"}))
    session = io.open(SimpleNamespace(hub=hub))  # type: ignore[arg-type]
    client = io._clients[session.sid]
    body = "\x1e".join(["40", *('42["say",1]' for _ in range(1000))])
    request = SimpleNamespace(method="POST", body=body.encode(), hub=hub)
    await routes._posted(session, request)  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        while done < 1000:
            await asyncio.sleep(0)
    assert most <= server.MAX_INBOX + 1
    session.end()
    Fanout.of(hub, io.space).close()
    hub.close()


async def test_an_upgrade_is_not_waited_for_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from backendhub.kit.socketio import Server
    from backendhub.kit.socketio import engine as engines

    class Silent:
        """Sends the probe, and then nothing."""

        probes = 1

        async def receive(self) -> str:
            if not self.probes:
                await asyncio.sleep(60)
            self.probes -= 1
            return "2probe"

        async def send(self, message: str) -> None:
            pass

    monkeypatch.setattr(engines, "UPGRADE_S", 0.05)
    session = Server().open(SimpleNamespace(hub=SimpleNamespace(redis=None, memory=lambda *_: SimpleNamespace(relay=None))))  # type: ignore[arg-type]  # fmt: skip
    assert not await session.upgrade(Silent())  # type: ignore[arg-type]
    assert not session.upgrading and session.transport == "polling"
    session.end()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = int(probe.getsockname()[1])
    process = subprocess.Popen([sys.executable, str(HERE / "fixture.py"), str(number)])
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", number), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    yield number
    process.terminate()
    process.wait(10)


def engine(port: int, **more: Any) -> Any:
    url = f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"
    return connect(url, compression=None, close_timeout=1, **more)


def entered(ws: Any) -> None:
    """Enters the main namespace; the first packets are read."""
    assert ws.recv(timeout=5)[0] == "0"
    ws.send("40")
    assert answer(ws).startswith('40{"sid":') and answer(ws) == '42["auth",{}]'


def answer(ws: Any) -> Any:
    """The next packet that is no ping; pings are answered."""
    while (message := ws.recv(timeout=5)) == "2":
        ws.send("3")
    return message


def test_rooms_acknowledgements_and_attachments(port: int) -> None:
    with engine(port) as a, engine(port) as b:
        entered(a)
        entered(b)
        a.send('42["everyone","hi"]')
        assert answer(a) == answer(b) == '42["said","hi"]'
        a.send('451-["others",{"_placeholder":true,"num":0}]')
        a.send(b"\x01\x02")
        assert answer(b) == '451-["said",{"_placeholder":true,"num":0}]' and answer(b) == b"\x01\x02"
        a.send('427["ask","who"]')
        assert answer(a) == '421["question","who"]'
        a.send('431["me"]')
        assert answer(a) == '437[["me"]]'
        a.send("40/custom,")
        assert answer(a).startswith('40/custom,{"sid":')
        assert answer(a) == '42/custom,["auth",{}]'
        a.send('42/custom,["everyone",1]')
        assert answer(a) == '42/custom,["said",1]'
        a.send("41/custom,")
        a.send('42/custom,["everyone",1]')
        a.send('42["message","last"]')
        assert answer(a) == '42["message-back","last"]'


def test_a_polling_client_goes_on_over_a_websocket_and_loses_nothing(port: int) -> None:
    url = f"http://127.0.0.1:{port}/socket.io/?EIO=4&transport=polling"
    with httpx.Client(timeout=5) as http:
        sid = json.loads(http.get(url).text[1:])["sid"]
        url += f"&sid={sid}"
        assert http.post(url, content="40").text == "ok"
        found = http.get(url).text
        assert found.startswith('40{"sid":')
        target = f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket&sid={sid}"
        with connect(target, compression=None, close_timeout=1) as ws:
            ws.send("2probe")
            assert ws.recv(timeout=5) == "3probe"
            http.post(url, content='42["message",1]\x1e42["message",2]\x1e3')
            ws.send("5")
            expected = ['42["auth",{}]', '42["message-back",1]', '42["message-back",2]']
            got = [answer(ws) for _ in range(3)]
            assert sorted(got) == sorted(expected) and got.index(expected[1]) < got.index(expected[2])
            assert http.get(url).status_code == 400


def test_mistakes_are_refused(port: int) -> None:
    base = f"http://127.0.0.1:{port}/socket.io/"
    for query, code in (
        ("", 0),
        ("?EIO=4&transport=x", 0),
        ("?EIO=3&transport=polling", 5),
        ("?EIO=4&transport=polling&sid=no", 1),
        ("?EIO=4&transport=websocket", 3),
    ):
        reply = httpx.get(base + query)
        assert (reply.status_code, reply.json()["code"]) == (400, code)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert httpx.request(method, base + "?EIO=4&transport=polling").json()["code"] == 2
    for query in ("?EIO=4", "?EIO=3&transport=websocket", "?EIO=4&transport=websocket&sid=no"):
        with pytest.raises(InvalidStatus) as caught, connect(base.replace("http", "ws") + query):
            pass
        assert caught.value.response.status_code == 400
    with engine(port) as ws:
        ws.recv(timeout=5)
        ws.send("4abc")
        with pytest.raises(ConnectionClosed):
            while True:
                ws.recv(timeout=5)


@pytest.mark.parametrize("name", ["socket", "engine"])
def test_the_public_suites(port: int, name: str, tmp_path: Path) -> None:
    folder = (
        Path(os.environ.get("BACKENDHUB_TEST_SOCKETIO_SUITES", "/nonexistent"))
        / f"{name}.io-protocol/test-suite"
    )
    if not (folder / "node_modules").exists() or shutil.which("node") is None:
        pytest.skip(
            "BACKENDHUB_TEST_SOCKETIO_SUITES names no folder with socketio/*-protocol checkouts (npm i in test-suite)"
        )
    text = (folder / "test-suite.js").read_text().replace("http://localhost:3000", f"http://127.0.0.1:{port}")
    copy = folder / f"port-{port}.js"
    copy.write_text(text)
    try:
        done = subprocess.run(
            ["npx", "mocha", copy.name], cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
    finally:
        copy.unlink()
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"{32 if name == 'socket' else 24} passing" in done.stdout


def test_socket_io_client_unchanged(port: int) -> None:
    folder = Path(os.environ.get("BACKENDHUB_TEST_NODE_MODULES", "/nonexistent"))
    if not (folder / "socket.io-client").exists() or shutil.which("node") is None:
        pytest.skip(
            "BACKENDHUB_TEST_NODE_MODULES names no folder with socket.io-client (npm i socket.io-client@4.8)"
        )
    done = subprocess.run(
        ["node", str(HERE / "client.cjs"), str(port)],
        env={**os.environ, "NODE_PATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
