"""The gateway before servers that do not behave: no answer is made up, none is taken for whole that is not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"
ANSWERS = {
    "/ok": OK,
    "/garbage": b"\x16\x03\x01\x02\x00\x00",
    "/cut": HALF,
    "/cut-chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "/unasked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + OK,
    "/lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "/folded": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello",
    "/hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n" + OK,
    "/early": b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge",
    "/twice": OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    "/none": b"",
}
STAYS = ("/ok", "/twice", "/hints", "/unasked")


class Rude:
    """A server that answers by the path, whatever was asked, and ends the connection after most of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(link,), daemon=True).start()

    def _talk(self, link: socket.socket) -> None:
        with link:
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    if not (part := link.recv(65536)):
                        return
                    data += part
                head, _, data = data.partition(b"\r\n\r\n")
                path = head.split()[1].decode()
                self.asked.append(f"{head.split()[0].decode()} {path}")
                link.sendall(ANSWERS[path])
                if path not in STAYS or b"x-last" in head:
                    link.shutdown(socket.SHUT_WR)
                    while link.recv(65536):  # a reset could overtake the answer
                        pass
                    return


@pytest.fixture
def rude() -> Iterator[Rude]:
    made = Rude()
    yield made
    made.listener.close()


@pytest.fixture
def running(serve: Callable[..., Any], tmp_path: Path, rude: Rude) -> Any:
    file = tmp_path / "kong.yml"
    file.write_text(
        f'_format_version: "3.0"\nservices:\n- {{name: s, url: "http://127.0.0.1:{rude.port}", retries: 1, '
        "routes: [{name: r, paths: [/], strip_path: false}, {name: p, paths: [/p], plugins: [{name: security-headers}]}]}\n"
    )
    return serve("gateway", str(file), "--log-format", "none")


@pytest.mark.parametrize("prefix", ["", "/p"])
def test_servers_that_do_not_behave(running: Any, rude: Rude, prefix: str) -> None:
    http: httpx.Client = running.http
    for _ in range(3):  # over a new connection, then over one that is kept, then with a head that is known
        assert http.get(prefix + "/ok").text == "hello"
        for path in ("/garbage", "/unasked", "/lengths", "/folded", "/none"):
            assert http.get(prefix + path).status_code == 502, path
        for path in ("/cut", "/cut-chunks"):
            with pytest.raises(httpx.RemoteProtocolError):
                http.get(prefix + path)
        assert http.get(prefix + "/hints").text == http.get(prefix + "/twice").text == "hello"
        assert http.get(prefix + "/ok").text == "hello"


def test_what_is_sent_again_and_what_is_not(running: Any, rude: Rude) -> None:
    http: httpx.Client = running.http
    last = {"x-last": "1"}
    for _ in range(3):  # each leaves a connection behind that ends unseen
        assert http.get("/ok", headers=last).text == "hello"
    rude.asked.clear()
    assert http.get("/none").status_code == 502
    assert set(rude.asked) == {"GET /none"} and 2 <= len(rude.asked) <= 4
    rude.asked.clear()
    assert http.post("/none", content=b"x").status_code == 502
    assert rude.asked == ["POST /none"]


def test_an_answer_before_the_body_was_read(running: Any) -> None:
    with socket.create_connection(("127.0.0.1", running.port)) as link:
        link.settimeout(10)
        head = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"
        link.sendall(head + b"x" * 1000)
        answer = b""
        while b"large" not in answer:
            part = link.recv(65536)
            assert part
            answer += part
    assert answer.startswith(b"HTTP/1.1 413")


def test_an_upgrade_that_is_none_does_not_open_a_tunnel(running: Any, rude: Rude) -> None:
    """Without `Connection: upgrade` it is a field like any other, which stays here."""
    with socket.create_connection(("127.0.0.1", running.port)) as link:
        link.settimeout(10)
        link.sendall(b"GET /unasked HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n")
        assert link.recv(65536).startswith(b"HTTP/1.1 502")
        link.sendall(b"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n")
        assert link.recv(65536).endswith(b"hello")
