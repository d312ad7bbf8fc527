"""The client of other servers: connections that are kept, answers as they come, and every way in which they break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from backendhub.kit import edge
from backendhub.kit.errors import Invalid, Upstream

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


class Far:
    """A server whose every connection is a coroutine of the test."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.connections = 0

    async def __aenter__(self) -> edge.Origin:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            try:
                await self.talk(reader, writer, self.connections)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        self.server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.origin = edge.Origin(
            f"http://127.0.0.1:{port}/base/", answer_s=0.5, idle_s=0.5, connect_s=1, limit=2
        )
        return self.origin

    async def __aexit__(self, *_: object) -> None:
        self.origin.close()
        self.server.close()


async def head(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\r\n\r\n")).decode()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


async def test_connections_are_kept_and_used_again() -> None:
    heads = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while True:
            heads.append(await head(reader))
            writer.write(OK)

    far = Far(talk)
    async with far as origin:
        for _ in range(3):
            answer = await origin.send(b"GET", b"/a?x", [(b"accept", b"*/*")])
            assert (answer.status, await answer.read(), answer.whole, answer.framed) == (
                200,
                b"hello",
                True,
                True,
            )
        answer = await origin.send(b"HEAD", b"/a", [])
        assert answer.whole and await answer.read() == b""
    assert far.connections == 2 or far.connections == 1  # what follows a HEAD is not waited for
    assert heads[0].startswith("GET /base/a?x HTTP/1.1\r\nhost: 127.0.0.1:") and "accept: */*" in heads[0]


async def test_an_idle_connection_that_has_ended_is_replaced_once() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await head(reader)
        writer.write(OK)
        if number == 1:
            await head(reader)  # and ends, without an answer

    far = Far(talk)
    async with far as origin:
        assert await (await origin.send(b"GET", b"/", [])).read() == b"hello"
        assert await (await origin.send(b"GET", b"/", [])).read() == b"hello"
    assert far.connections == 2


async def test_what_must_not_be_sent_twice_is_not() -> None:
    asked = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        asked.append(await head(reader))
        writer.write(OK)
        asked.append(await head(reader))

    async with Far(talk) as origin:
        await (await origin.send(b"GET", b"/", [])).read()
        with pytest.raises(edge.Unreachable):
            await origin.send(b"POST", b"/", [], b"x")
    assert [line.split()[0] for line in asked] == ["GET", "POST"]


async def test_bodies_in_parts_both_ways() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        text = await head(reader)
        assert "transfer-encoding: chunked" in text
        size = 0
        while length := int(await reader.readline(), 16):
            size += len(await reader.readexactly(length))
            await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100):
            writer.write(b"2710\r\n" + b"%d" % (size % 10) * 10_000 + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\nX-Trailer: dropped\r\n\r\n")

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 10_001

    async with Far(talk) as origin:
        answer = await origin.send(b"POST", b"/", [], parts())
        size = 0
        async for part in answer.parts():
            size += len(part)
            await asyncio.sleep(0)
        assert size == 1_000_000 and answer.whole and answer.headers == [(b"transfer-encoding", b"chunked")]


async def test_a_body_that_breaks_off_does_not_look_whole() -> None:
    got = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        got.append(await reader.read())

    async def parts() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError("the client is gone")

    async with Far(talk) as origin:
        with pytest.raises(edge.Unreachable):
            await origin.send(b"POST", b"/", [], parts())
        await asyncio.sleep(0.05)
    assert not got or not got[0].endswith(b"0\r\n\r\n")


async def test_interim_answers_are_told() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK)

    told: list[edge.Interim] = []
    async with Far(talk) as origin:
        answer = await origin.send(b"GET", b"/", [], interim=told.append)
        assert await answer.read() == b"hello"
    assert told == [(102, []), (103, [(b"link", b"</a>")])]


async def test_a_body_without_an_end_of_its_own_ends_with_the_connection() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")

    async with Far(talk) as origin:
        answer = await origin.send(b"GET", b"/", [])
        assert not answer.framed and await answer.read() == b"until the end" and answer.whole


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
async def test_a_body_that_is_cut_short_is_told(raw: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await head(reader)
        writer.write(raw)

    async with Far(talk) as origin:
        answer = await origin.send(b"GET", b"/", [])
        with pytest.raises(ConnectionError):
            await answer.read()
        assert not answer.whole


async def test_deadlines_and_room() -> None:
    """No head in time, no further part in time, nobody there; and no connection is lost by any of it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        text = await head(reader)
        if "/part" in text:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello")
        await asyncio.sleep(2)

    async with Far(talk) as origin:
        for _ in range(3):
            with pytest.raises(edge.TooLate):
                await origin.send(b"GET", b"/head", [])
        answer = await origin.send(b"GET", b"/part", [])
        with pytest.raises(TimeoutError):
            await answer.read()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await origin.send(b"GET", b"/head", [])
        assert origin.places.free == 2  # all places are free again
        held = [await origin.send(b"GET", b"/part", []) for _ in range(2)]
        with pytest.raises(edge.TooLate, match="busy"):
            await origin.send(b"GET", b"/part", [])
        for each in held:
            each.close()
        assert origin.places.free == 2
    with pytest.raises(Upstream):
        await origin.send(b"GET", b"/", [])


async def test_the_protocol_may_change() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nearly")
        while data := await reader.read(100):
            writer.write(data.upper())

    async with Far(talk) as origin:
        answer = await origin.send(b"GET", b"/", [(b"connection", b"upgrade"), (b"upgrade", b"x")])
        assert answer.status == 101 and answer.duplex is not None
        assert await answer.duplex.read() == b"early"
        await answer.duplex.write(b"abc")
        assert await answer.duplex.read() == b"ABC"
        answer.duplex.close()
        assert origin.places.free == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 103 Hints\r\nX: y\r\n\r\n" * 4000,
        b"\x16\x03\x01\x02",
    ],
)  # fmt: skip
async def test_what_has_two_readings_is_no_answer(raw: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await head(reader)
        writer.write(raw)
        await reader.read()

    async with Far(talk) as origin:
        with pytest.raises(edge.Unreachable):
            await origin.send(b"GET", b"/", [])
        assert origin.places.free == 2


async def test_a_trailer_does_not_go_on_for_ever() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ")
        for _ in range(100):
            writer.write(b"y" * 30_000)
            await writer.drain()

    async with Far(talk) as origin:
        answer = await origin.send(b"GET", b"/", [])
        with pytest.raises(ConnectionError, match="too large"):
            await answer.read()


@pytest.mark.parametrize("more", [b"HT", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"x"])
async def test_what_comes_behind_an_answer_belongs_to_nobody(more: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while True:
            await head(reader)
            writer.write(OK + (more if number == 1 else b""))

    far = Far(talk)
    async with far as origin:
        for _ in range(3):
            assert await (await origin.send(b"GET", b"/", [])).read() == b"hello"
    assert far.connections == 2


async def test_a_body_may_take_longer_to_send_than_an_answer_to_come() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await head(reader)
        while length := int(await reader.readline(), 16):
            await reader.readexactly(length + 2)
        writer.write(OK)
        await reader.read()

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(4):
            await asyncio.sleep(0.2)  # together longer than the 0.5 s that an answer may take
            yield b"part"

    async with Far(talk) as origin:
        assert await (await origin.send(b"POST", b"/", [], parts())).read() == b"hello"


async def test_a_server_that_takes_no_more_of_a_body_is_not_waited_for() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await asyncio.sleep(3)

    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 2**20

    async with Far(talk) as origin:
        with pytest.raises(edge.TooLate):
            async with asyncio.timeout(2.5):
                await origin.send(b"POST", b"/", [], parts())


ANSWERS: list[tuple[bytes, bytes, bytes, bytes | None]] = [
    # method, head, body, what is read (None: it breaks off)
    (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello", b"hello"),
    (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"world", b"world"),
    (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"", b""),
    (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"he", None),
    (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"", b""),
    (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n", b"", b""),
    (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", b""),
    (b"GET", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", b"hello", b"hello"),
    (b"GET", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello", b"hello"),
    (b"GET", b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello", b"hello"),
]  # fmt: skip


@pytest.mark.parametrize("split", [False, True])
async def test_a_head_that_came_before_means_what_it_meant(split: bool) -> None:
    """Whether a head is parsed or known, whole or in parts: the answer is the same."""
    script = [answer for answer in ANSWERS for _ in range(4)]
    script += [ANSWERS[n] for n in (0, 3, 0, 2, 0, 1, 4, 0, 7, 0, 9, 0)]
    at = iter(script)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while await head(reader):
            _, answered, body, read = next(at)
            writer.write(answered)
            if split:
                await asyncio.sleep(0.002)
            writer.write(body)
            if read is None:
                return

    async with Far(talk) as origin:
        for method, answered, _, read in script:
            answer = await origin.send(method, b"/", [])
            status = int(answered.rpartition(b"HTTP/1.")[2][2:5])
            assert answer.status == status
            if read is None:
                with pytest.raises(ConnectionError):
                    await answer.read()
            else:
                assert await answer.read() == read and answer.whole
        assert origin.places.free == 2


@pytest.mark.parametrize("url", ["ftp://x", "http://", "x", "http://h/?q", "http://h/#f"])
def test_addresses(url: str) -> None:
    with pytest.raises(Invalid):
        edge.Origin(url)


def test_authorities() -> None:
    found: list[Any] = [
        edge.Origin(u).authority for u in ("http://h", "https://h:443/x", "http://h:81", "http://[::1]:8")
    ]
    assert found == [b"h", b"h", b"h:81", b"[::1]:8"]
