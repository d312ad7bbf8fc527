"""Nobody is let in by a second reading of a request."""

from __future__ import annotations

import re
import socket
import time
from typing import Any

import pytest

from .conftest import Seen
from .smuggling import CHUNKED, NEXT, POST, REFUSED


def rest(link: socket.socket) -> bytes:
    data = b""
    try:
        while part := link.recv(65536):
            data += part
    except ConnectionResetError:
        pass
    return data


ANSWER = re.compile(rb"HTTP/1\.1 (400|417|501|505) .*\r\nconnection: close\r\n.*", re.DOTALL | re.IGNORECASE)


@pytest.mark.parametrize("path", [b"/echo", b"/cold"])
def test_two_readings_are_refused(server: Any, seen: Seen, path: bytes) -> None:
    """On hot routes and in the application; and what was hidden behind is never answered."""
    wrong = {}
    for name, data in REFUSED.items():
        with server.connect() as link:
            link.sendall(data.replace(b"/echo", path, 1))
            answer = rest(link)
        if not ANSWER.fullmatch(answer) or len(re.findall(rb"HTTP/1.1 \d", answer)) != 1:
            wrong[name] = answer
    assert wrong == {}
    assert seen.paths == []


def test_it_makes_no_difference_how_the_bytes_arrive(server: Any, seen: Seen) -> None:
    wrong = {}
    for name, data in REFUSED.items():
        with server.connect() as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(0, len(data), 11):
                try:
                    link.sendall(data[at : at + 11])
                except OSError:
                    break
                time.sleep(0.0002)
            answer = rest(link)
        if answer and not ANSWER.fullmatch(answer):
            wrong[name] = answer
    assert wrong == {}
    assert "/hidden" not in seen.paths


GOOD: dict[str, tuple[bytes, bytes]] = {
    "a length": (POST + b"Content-Length: 3\r\n\r\nabc", b"abc"),
    "blanks around a length": (POST + b"Content-Length:  3 \t\r\n\r\nabc", b"abc"),
    "chunks": (CHUNKED + b"\r\n1\r\na\r\n2;ext=1\r\nbc\r\n0\r\n\r\n", b"abc"),
    "chunked in capitals": (POST + b"transfer-encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"abc"),
    "zeros before a chunk size": (CHUNKED + b"\r\n0000000003\r\nabc\r\n0\r\n\r\n", b"abc"),
    "a trailer": (CHUNKED + b"\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\nHost: evil\r\n\r\n", b"abc"),
    "empty lines before the request": (b"\r\n\r\n" + POST + b"Content-Length: 3\r\n\r\nabc", b"abc"),
}


def test_what_is_clear_is_read(server: Any) -> None:
    for name, (data, body) in GOOD.items():
        with server.connect() as link:
            link.sendall(data + b"GET /hot HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = rest(link)
        assert answer.count(b"HTTP/1.1 200 OK") == 2, name
        assert b'"body":"%b"' % body in answer and b'"host":"x"' in answer and answer.endswith(b"ready"), name


def test_the_authority_of_an_absolute_target_counts(server: Any) -> None:
    with server.connect() as link:
        link.sendall(b"GET http://real.example/echo?x=1 HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n")
        assert b'"host":"real.example"' in rest(link)


def test_a_body_behind_an_upgrade_that_is_not_done_is_a_body(server: Any, seen: Seen) -> None:
    """Some clients ask for h2c with their first request. llhttp stops reading there; the body must not become the next
    request, at once or when it comes later."""
    head = POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
    for path in (b"/echo", b"/cold"):
        for pause in (0, 0.05):
            for framed, body in (
                (b"Content-Length: %d\r\n\r\n" % len(NEXT), NEXT),
                (b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(NEXT), NEXT)),
            ):
                with server.connect() as link:
                    link.sendall(head.replace(b"/echo", path) + framed)
                    time.sleep(pause)
                    link.sendall(body + NEXT)
                    answer = rest(link)
                assert answer.count(b"HTTP/1.1 200") == 1 and b"GET /hidden" in answer
    assert "/hidden" not in seen.paths
