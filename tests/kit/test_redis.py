"""Connections to Redis: addresses, errors, answers that do not come, a server that goes away and comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit.cache.redis import RedisCache
from backendhub.kit.errors import Invalid, MissingExtra, StoreError
from backendhub.kit.events import Gap, Message
from backendhub.kit.events.redis import RedisEvents
from backendhub.kit.redis import Redis, RedisFailed, RedisLost, Script, link, parse

pytestmark = pytest.mark.redis


@pytest.fixture
def connect() -> Iterator[Callable[[str], Redis]]:
    made: list[Redis] = []

    def one(url: str) -> Redis:
        made.append(Redis(url))
        return made[-1]

    yield one
    for redis in made:
        redis.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers are waited for a fifth of a second."""
    monkeypatch.setattr(link, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(link, "HEARTBEAT_S", 0.1)


# -- addresses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("redis://", ("127.0.0.1", 6379, "", 0, "", "", False, "backendhub", "redis://127.0.0.1:6379")),
        (
            "redis://u%40x:p%3Aw@cache.example:7000/3?prefix=shop",
            ("cache.example", 7000, "", 3, "u@x", "p:w", False, "shop", "redis://cache.example:7000/3"),
        ),
        ("rediss://:pw@[::1]", ("::1", 6379, "", 0, "", "pw", True, "backendhub", "rediss://::1:6379")),
        ("unix:///run/r.sock?db=2", ("127.0.0.1", 6379, "/run/r.sock", 2, "", "", False, "backendhub", "unix:///run/r.sock")),
    ],
)  # fmt: skip
def test_addresses(url: str, wanted: tuple[Any, ...]) -> None:
    address = parse(url)
    assert (
        address.host, address.port, address.path, address.database, address.user, address.password, address.tls,
        address.prefix, address.shown,
    ) == wanted  # fmt: skip
    assert "pw" not in repr(address) and "p:w" not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://x",
        "redis://x:port",
        "redis://x/one",
        "redis://x?ssl=1",
        "redis://x?prefix=a b",
    ],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(Invalid):
        parse(url)


def test_the_extra_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "hiredis", None)
    with pytest.raises(MissingExtra, match="redis"):
        Redis("redis://")


# -- commands ------------------------------------------------------------------------------------------------


async def test_both_ways_to_ask(connect: Any, redis_url: str) -> None:
    redis = connect(redis_url)
    redis.check()
    one, two = redis.key("one"), redis.key("two")
    assert redis.call("SET", one, b"\x00\xff") == b"OK" and await redis.acall("GET", one) == b"\x00\xff"
    assert redis.call_many([("INCR", two), ("INCR", two)]) == [1, 2]
    assert await redis.acall_many([("INCR", two), ("GET", one)]) == [3, b"\x00\xff"]
    script = Script(f"-- {one}\nreturn {{KEYS[1], ARGV[1], 7}}")
    assert (
        redis.run(script, [one], ["x"]) == [one.encode(), b"x", 7] == await redis.arun(script, [one], ["x"])
    )
    fresh = Script(f"-- {two}\nreturn ARGV[1] * 2")
    assert await redis.arun(fresh, [], [21]) == 42 == redis.run(fresh, [], [21])


async def test_an_answer_that_is_an_error_harms_no_other(connect: Any, redis_url: str) -> None:
    redis = connect(redis_url)
    key = redis.key("k")
    results = await asyncio.gather(
        redis.acall("SET", key, "text"),
        redis.acall("INCR", key),
        redis.acall("GET", key),
        return_exceptions=True,
    )
    assert results[0] == b"OK" and isinstance(results[1], RedisFailed) and results[2] == b"text"
    assert "not an integer" in results[1].message and results[1].status == 503
    with pytest.raises(RedisFailed):
        redis.call("INCR", key)
    with pytest.raises(RedisFailed):
        redis.call_many([("GET", key), ("INCR", key)])
    with pytest.raises(RedisFailed):
        await redis.acall_many([("GET", key), ("INCR", key)])
    with pytest.raises(RedisFailed):
        await redis.arun(Script("return redis.call('INCR', KEYS[1])"), [key], [])
    assert redis.call("GET", key) == b"text"


async def test_hundreds_at_once_get_their_own_answers(connect: Any, redis_url: str) -> None:
    redis = connect(redis_url)
    assert await asyncio.gather(*(redis.acall("ECHO", str(n)) for n in range(500))) == [
        str(n).encode() for n in range(500)
    ]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda n: redis.call("ECHO", str(n)), range(200))) == [
            str(n).encode() for n in range(200)
        ]


async def test_one_that_no_longer_waits_takes_nobodys_answer(connect: Any, redis_url: str) -> None:
    redis = connect(redis_url)
    await redis.acall("PING")
    asking = [asyncio.create_task(redis.acall("ECHO", str(n))) for n in range(20)]
    await asyncio.sleep(0)
    for task in asking[::2]:
        task.cancel()
    assert await asyncio.gather(*asking[1::2]) == [str(n).encode() for n in range(1, 20, 2)]


async def test_names_passwords_databases_and_sockets(connect: Any, redis_server: Any) -> None:
    server = redis_server("--requirepass", "s3cret", "--user", *["ada", "on", ">pw", "~*", "+@all"])
    for url in (
        f"redis://:s3cret@127.0.0.1:{server.port}/2",
        f"redis://ada:pw@127.0.0.1:{server.port}/2",
        f"unix://:s3cret@{server.socket}?db=2",
    ):
        redis = connect(url)
        assert redis.call("INCR", "n") + 1 == await redis.acall("INCR", "n")
        assert "db=2" in (await redis.acall("CLIENT", "INFO")).decode()
    for url in (server.url, f"redis://ada:no@127.0.0.1:{server.port}"):
        with pytest.raises(StoreError) as caught:
            connect(url).check()
        assert "s3cret" not in str(caught.value) and "redis://user:password@host" in (caught.value.hint or "")
        with pytest.raises(StoreError):
            await connect(url).acall("PING")


async def test_tls(
    connect: Any, redis_server: Any, own_certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = own_certificate
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    redis_server(
        "--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key),
        "--tls-ca-cert-file", str(certificate), "--tls-auth-clients", "no",
    )  # fmt: skip
    redis = connect(f"rediss://127.0.0.1:{port}")
    with pytest.raises(RedisLost, match="certificate"):  # nobody has said that this one can be trusted
        redis.call("PING")
    with pytest.raises(RedisLost, match="certificate"):
        await redis.acall("PING")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    trusted = connect(f"rediss://127.0.0.1:{port}")
    assert trusted.call("PING") == b"PONG" == await trusted.acall("PING")


# -- no answer -----------------------------------------------------------------------------------------------


@contextmanager
def peer(answer: bytes | None) -> Iterator[int]:
    """A server that says the same to whatever it is asked, or nothing at all."""
    listener = socket.create_server(("127.0.0.1", 0))
    links: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                links.append(listener.accept()[0])
            except OSError:
                return
            if answer is not None:
                links[-1].recv(1000)
                links[-1].sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()
    for each in links:
        each.close()


@pytest.mark.parametrize(
    "answer", [None, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-ERR unknown command 'HELLO'\r\n" * 2]
)
async def test_what_is_no_redis(connect: Any, impatient: None, answer: bytes | None) -> None:
    with peer(answer) as port:
        redis = connect(f"redis://127.0.0.1:{port}")
        for _ in range(2):
            with pytest.raises(StoreError) as caught:
                redis.check()
            assert f"127.0.0.1:{port}" in caught.value.message and caught.value.exit_code == 7
            start = time.monotonic()
            with pytest.raises(StoreError):
                await redis.acall("PING")
            assert time.monotonic() - start < 1


async def test_nobody_waits_twice_for_a_server_that_is_not_there(connect: Any) -> None:
    redis = connect("redis://127.0.0.1:1")
    assert redis.trouble is None
    for _ in range(3):
        with pytest.raises(RedisLost, match="connection refused"):
            redis.call("PING")
        with pytest.raises(RedisLost, match="connection refused"):
            await redis.acall("PING")
    assert redis.trouble == "connection refused"


async def test_a_server_that_falls_silent_is_given_up(
    connect: Any, impatient: None, redis_server: Any
) -> None:
    server = redis_server()
    redis = connect(server.url)
    await redis.acall("SET", "k", 1)
    server.process.send_signal(signal.SIGSTOP)
    try:
        results = await asyncio.gather(*(redis.acall("GET", "k") for _ in range(5)), return_exceptions=True)
        assert {str(r.reason) for r in results if isinstance(r, RedisLost)} == {"no answer in time"}
        with pytest.raises(RedisLost):
            redis.call("GET", "k")
    finally:
        server.process.send_signal(signal.SIGCONT)
    await _until(lambda: redis.link().wire is not None)
    assert await redis.acall("GET", "k") == b"1" and redis.trouble is None


async def test_a_loop_that_was_busy_blames_nobody_else(connect: Any, impatient: None, redis_url: str) -> None:
    redis = connect(redis_url)
    await redis.acall("PING")
    asking = asyncio.create_task(redis.acall("ECHO", "x"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    time.sleep(0.4)
    assert await asking == b"x"


# -- a server that comes back --------------------------------------------------------------------------------


async def _until(true: Callable[[], bool], seconds: float = 10) -> None:
    for _ in range(int(seconds * 100)):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to be so")


async def test_a_restart_is_noticed_by_commands(connect: Any, redis_server: Any) -> None:
    server = redis_server()
    redis = connect(server.url)
    assert await redis.acall("PING") == b"PONG" == redis.call("PING")
    server.stop()
    await _until(lambda: redis.trouble is not None)
    with pytest.raises(RedisLost):
        await redis.acall("PING")
    with pytest.raises(RedisLost):
        redis.call("PING")
    server.start()
    await _until(lambda: redis.link().wire is not None)
    assert await redis.acall("PING") == b"PONG"
    redis.check()
    assert redis.trouble is None
    server.stop()  # a blocking connection that broke while it was idle is made again, not handed on
    server.start()
    assert redis.call("PING") == b"PONG"


async def test_subscribers_are_told_of_a_restart_once_they_are_subscribed_again(
    connect: Any, redis_server: Any
) -> None:
    server = redis_server()
    events, other = RedisEvents(connect(server.url)), RedisEvents(connect(server.url))
    async with events.subscribe("a.b") as one, events.subscribe("a.*", "c") as two:
        await other.publish("a.b", 1)
        assert [(await one.get()).data, (await two.get()).data] == [1, 1]
        for _ in range(2):
            server.stop()
            await _until(lambda: events.trouble is not None)
            with pytest.raises(StoreError):
                await events.publish("a.b", "lost")
            with pytest.raises(StoreError):
                await events.subscribe("new").opened()
            server.start()
            assert await asyncio.wait_for(one.get(), 10) == Gap("reconnected", None)
            assert await asyncio.wait_for(two.get(), 10) == Gap("reconnected", None)
            assert events.trouble is None
            # From here on nothing is missed: whoever reads its store now and goes on with this has everything.
            await _publish(other, "a.b", "after")
            await _publish(other, "c", "after c")
            assert (await asyncio.wait_for(one.get(), 5)).data == "after"
            assert [(await asyncio.wait_for(two.get(), 5)).data for _ in range(2)] == ["after", "after c"]
    events.close()
    other.close()


async def _publish(events: RedisEvents, topic: str, data: Any) -> None:
    for _ in range(500):
        try:
            await events.publish(topic, data)
            return
        except StoreError:
            await asyncio.sleep(0.01)
    raise AssertionError("Redis never came back")


async def test_under_load_every_loss_is_behind_a_gap(connect: Any, redis_server: Any) -> None:
    """Counts are published without end while connections are killed: a number that is missing has a Gap before it."""
    server = redis_server()
    events, publisher = RedisEvents(connect(server.url)), RedisEvents(connect(server.url))
    admin = connect(server.url)
    gaps = last = 0
    stop = asyncio.Event()

    async def publish() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            await _publish(publisher, "n", n)

    async with events.subscribe("n", limit=100_000) as messages:
        publishing = asyncio.create_task(publish())
        excused = False
        while gaps < 4:
            item = await asyncio.wait_for(messages.get(), 10)
            if isinstance(item, Gap):
                gaps, excused = gaps + 1, True
                continue
            assert isinstance(item, Message)
            assert item.data == last + 1 or (excused and item.data > last), (last, item.data)
            last, excused = item.data, False
            if last % 400 == 0:
                await admin.acall("CLIENT", "KILL", "TYPE", "pubsub")
        stop.set()
        await publishing
    events.close()
    publisher.close()


async def test_many_first_publishes_keep_their_order(connect: Any, redis_url: str) -> None:
    events = RedisEvents(connect(redis_url))
    heard = RedisEvents(connect(redis_url))
    async with heard.subscribe("n") as messages:
        sent = [events.publish("n", n) for n in range(50)]
        await asyncio.sleep(0)
        for n in range(50, 300):
            sent.append(events.publish("n", n))
            if n % 10 == 0:
                await asyncio.sleep(0)
        await asyncio.gather(*sent)
        assert [(await messages.get()).data for _ in range(300)] == list(range(300))
    events.close()
    heard.close()


async def test_a_pattern_that_redis_does_not_allow_is_an_error_of_its_own(
    connect: Any, redis_server: Any
) -> None:
    server = redis_server(
        "--user", *["ada", "on", ">pw", "~*", "+@all", "resetchannels", "&backendhub:events:ok*"]
    )
    events = RedisEvents(connect(f"redis://ada:pw@127.0.0.1:{server.port}"))
    async with events.subscribe("ok") as fine:
        with pytest.raises(RedisFailed, match="NOPERM"):
            await events.subscribe("secret").opened()
        await events.publish("ok", 1)
        assert (await asyncio.wait_for(fine.get(), 5)).data == 1
    events.close()


# -- a cache whose Redis goes away ---------------------------------------------------------------------------


async def test_a_cache_without_redis_misses(connect: Any) -> None:
    cache = RedisCache(connect("redis://127.0.0.1:1"))
    made: list[int] = []
    assert cache.get("k", 7) == 7 and not cache.set("k", 1) and cache.delete("k") == 0
    assert await cache.aget("k", 7) == 7 and not await cache.aset("k", 1) and await cache.adelete("k") == 0
    assert cache.get_or_set("k", lambda: made.append(1) or 5) == 5

    async def make() -> int:
        await asyncio.sleep(0.01)
        made.append(2)
        return 6

    assert await asyncio.gather(*(cache.aget_or_set("k", make) for _ in range(9))) == [6] * 9
    assert made == [1, 2]
    for wrong in (lambda: cache.incr("n"), cache.clear):
        with pytest.raises(StoreError):
            wrong()
    with pytest.raises(StoreError):
        await cache.aincr("n")


async def test_what_was_deleted_or_replaced_meanwhile_does_not_come_back_old(
    connect: Any, redis_server: Any, impatient: None
) -> None:
    server = redis_server()
    redis = connect(server.url)
    cache = RedisCache(redis)
    for key in ("deleted", "replaced", "again", "kept"):
        await cache.aset(key, "old")
    server.process.send_signal(signal.SIGSTOP)  # it keeps its data
    assert await cache.adelete("deleted") == 0 and not await cache.aset("replaced", "new")
    assert not cache.set("again", "new")
    server.process.send_signal(signal.SIGCONT)
    await _until(lambda: redis.link().wire is not None)
    assert await cache.aset("again", "newest")
    assert [await cache.aget(key) for key in ("deleted", "replaced", "again", "kept")] == [
        None,
        None,
        "newest",
        "old",
    ]
    redis.check()
    assert cache.get("deleted") is None and cache.get("kept") == "old"


def test_a_connection_does_not_cross_a_fork(
    connect: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = connect(redis_url)
    mine = redis.call("CLIENT", "ID")
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as in a child
    assert redis.call("CLIENT", "ID") != mine
