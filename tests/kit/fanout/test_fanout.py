"""The fan-out core by itself: order, resume, what is missed and read from the store, policies, presence."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backendhub.kit import hub as hubs
from backendhub.kit.db import Db, Store
from backendhub.kit.errors import Invalid, StoreError
from backendhub.kit.fanout import (
    Entry,
    Fanout,
    Past,
    Peer,
    Place,
    QueuePeer,
    framed,
    log,
    presence,
)
from backendhub.kit.fanout import store as sql
from backendhub.kit.settings import Settings


def text(channel: str, entry: Entry) -> str:
    assert isinstance(entry.body, str)
    return entry.body


@pytest.fixture
def make(store_url: str) -> Iterator[Callable[..., hubs.Hub]]:
    """`make()`: the hub of one more process on the same store."""
    made: list[hubs.Hub] = []

    def run(**flags: str) -> hubs.Hub:
        hub = hubs.Hub(Settings({"database": store_url, **flags}))
        hub.use("fanout")
        hub.read(lambda db: db.value("SELECT 1"))
        made.append(hub)
        return hub

    yield run
    for each in made:
        each.close()


async def taken(peer: QueuePeer, count: int) -> list[Any]:
    found: list[Any] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            await peer.some()
            found += peer.drain()
    return found


def test_statements_are_understood_by_both_engines(store: Store) -> None:
    import re

    store.use("fanout")
    with store.transaction() as db:
        found = {**vars(sql), "THERE": sql.THERE[store.dialect]}
        for name, statement in found.items():
            if name.startswith("_") or not isinstance(statement, str):
                continue
            if not re.match("SELECT|INSERT|UPDATE|DELETE", statement):
                continue
            if name.endswith("_POSTGRES") and db.dialect != "postgres":
                continue
            names = set(re.findall(r"(?<![:\w]):([a-zA-Z_]\w*)", statement))
            if db.dialect == "sqlite":
                db.fetch("EXPLAIN " + statement, dict.fromkeys(names))
            else:
                from backendhub.kit.db.base import pyformat

                query = pyformat(statement)
                for number, parameter in enumerate(sorted(names), 1):
                    query = query.replace(f"%({parameter})s", f"${number}")
                db.run(f"PREPARE probe AS {query.replace('%%', '%')}")
                db.run("DEALLOCATE probe")


async def test_what_is_published_comes_once_and_in_order(make: Callable[..., hubs.Hub]) -> None:
    fan = Fanout(make(), "t")
    peers = [QueuePeer() for _ in range(3)]
    for peer in peers:
        await fan.join(peer, "c", text)
    entries = await asyncio.gather(*(fan.submit("c", Entry("", str(n))) for n in range(50)))
    assert [e.number for e in entries] == list(range(1, 51))
    for peer in peers:
        assert await taken(peer, 50) == [str(n) for n in range(50)]
    own = Entry("", "mine", skip=peers[0].id)
    await fan.submit("c", own)
    fan.whisper("c", Entry("", "said"))
    assert await taken(peers[0], 1) == ["said"] and await taken(peers[1], 2) == ["mine", "said"]
    fan.close()


async def test_many_who_come_and_go_while_others_publish(make: Callable[..., hubs.Hub]) -> None:
    """Whoever comes back with a place has the whole of it, over any number of rounds."""
    fan, dice = Fanout(make(), "t"), random.Random(7)
    total = 400

    async def publish() -> None:
        for n in range(total):
            await fan.submit("c", Entry("", str(n)))
            await asyncio.sleep(dice.random() * 0.002)

    async def follow() -> list[str]:
        found: list[str] = []
        place = Place("0" * 12, 0)
        while len(found) < total:
            peer = QueuePeer()
            member = await fan.join(peer, "c", text, place if found else None, last=10**6)
            found += await taken(peer, 1)
            fan.leave(member)
            row = await fan.read(log.channel, "t", "c")
            assert row is not None
            place = Place(row.epoch, len(found))
            await asyncio.sleep(dice.random() * 0.005)
        return found

    results = await asyncio.gather(publish(), *(follow() for _ in range(4)))
    for found in results[1:]:
        assert found == [str(n) for n in range(total)]
    fan.close()


async def test_processes_without_news_of_each_other_read_the_store(make: Callable[..., hubs.Hub]) -> None:
    """Numbers that others took are found missing when the next one comes, and read."""
    one, two = Fanout(make(), "t"), Fanout(make(), "t")
    peer = QueuePeer()
    await one.join(peer, "c", text)
    await two.submit("c", Entry("", "a"))
    await two.submit("c", Entry("", "b"))
    await one.submit("c", Entry("", "c"))
    assert await taken(peer, 3) == ["a", "b", "c"]
    await two.submit("c", Entry("", "d"))
    one.lost()
    assert await taken(peer, 1) == ["d"]
    last = await two.submit("c", Entry("", "e"))
    one.hinted("c", last.epoch, last.number)
    one.arrived("c", last.epoch, [last])
    one.arrived("c", last.epoch, [last])
    assert await taken(peer, 1) == ["e"] and not peer.drain()
    one.close()
    two.close()


async def test_who_is_slow_is_left_out_and_reads_on(make: Callable[..., hubs.Hub]) -> None:
    fan = Fanout(make(), "t")
    slow, quick = QueuePeer(policy="gap", limit=100), QueuePeer()
    await fan.join(slow, "c", text)
    await fan.join(quick, "c", text)
    for n in range(300):
        await fan.submit("c", Entry("", f"{n:040d}"))
    assert slow._size <= 200  # its limit and what came last
    assert await taken(quick, 300) == await taken(slow, 300)
    fan.close()


async def test_policies_drop_and_close(make: Callable[..., hubs.Hub]) -> None:
    fan = Fanout(make(), "t")
    loses, closes = QueuePeer(policy="drop", limit=10), QueuePeer(policy="close", limit=10)
    await fan.join(loses, "c", text)
    await fan.join(closes, "c", text)
    for n in range(30):
        await fan.submit("c", Entry("", f"{n:08d}"))
    assert loses.dropped > 20 and len(loses.drain()) == 30 - loses.dropped
    assert closes.closed
    fan.close()


async def test_what_is_no_longer_kept_is_told(make: Callable[..., hubs.Hub]) -> None:
    fan = Fanout(make(), "t", keep=10)
    told: list[Past] = []

    def missed(peer: Peer, channel: str, past: Past) -> None:
        told.append(past)

    first = await fan.submit("c", Entry("", "0"))
    for n in range(1, 50):
        await fan.submit("c", Entry("", str(n)))
    peer = QueuePeer()
    await fan.join(peer, "c", text, Place(first.epoch, 1), missed=missed)
    kept = peer.drain()
    assert 10 <= len(kept) <= 20 and kept[-1] == "49" and told[0].missing == 50 - 1 - len(kept)
    for place, again in (
        (Place("another0epoc", 3), True),
        (Place(first.epoch, 999), True),
        (Place(first.epoch, 50), False),
    ):
        told.clear()
        await fan.join(QueuePeer(), "c", text, place, missed=missed)
        assert bool(told) is again
    fan.close()


async def test_a_transaction_that_fails_is_told_to_who_submitted(
    make: Callable[..., hubs.Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    fan = Fanout(make(), "t")
    peer = QueuePeer()
    await fan.join(peer, "c", text)

    def fail(db: Db, *args: Any, **more: Any) -> Any:
        raise StoreError("full")

    with monkeypatch.context() as patch:
        patch.setattr(log, "append", fail)
        with pytest.raises(StoreError):
            await fan.submit("c", Entry("", "lost"))
    assert (await fan.submit("c", Entry("", "kept"))).number == 1
    assert await taken(peer, 1) == ["kept"]
    fan.close()


async def test_what_no_store_keeps_takes_nothing_with_it(make: Callable[..., hubs.Hub]) -> None:
    """Half of a character, or a NUL, would fail the transaction of everybody who publishes in the same turn."""
    fan = Fanout(make(), "t")
    peer = QueuePeer()
    await fan.join(peer, "c", lambda channel, entry: entry.body)
    good = [fan.submit("c", Entry("", "a"))]
    for bad in (Entry("", "\ud800"), Entry("", "a\x00"), Entry("\x00", "a"), Entry("\udfff", "a")):
        with pytest.raises(Invalid):
            fan.submit("c", bad)
        with pytest.raises(Invalid):
            fan.whisper("c", bad)
    good += [fan.submit("c", Entry("é", "é😀")), fan.submit("c", Entry("", b"\x00\xff"))]
    assert [entry.number for entry in await asyncio.gather(*good)] == [1, 2, 3]
    assert await taken(peer, 3) == ["a", "é😀", b"\x00\xff"]
    fan.close()


async def test_a_codec_that_fails_holds_up_nobody(
    make: Callable[..., hubs.Hub], capfd: pytest.CaptureFixture[str]
) -> None:
    fan = Fanout(make(), "t")
    peer = QueuePeer()
    await fan.join(peer, "bad", lambda channel, entry: str(1 // 0))
    await fan.join(peer, "good", text)
    both = fan.submit("bad", Entry("", "a")), fan.submit("good", Entry("", "b"))
    await asyncio.wait_for(asyncio.gather(*both), 5)
    assert await taken(peer, 1) == ["b"] and "ZeroDivisionError" in capfd.readouterr().err
    fan.close()


async def test_who_publishes_much_waits_for_the_store(make: Callable[..., hubs.Hub]) -> None:
    fan = Fanout(make(), "t")
    half = "x" * (9 << 20)
    first = fan.submit("c", Entry("", half))
    assert fan._group._room.is_set()
    second = fan.submit("c", Entry("", half))
    assert not fan._group._room.is_set()
    await asyncio.wait_for(fan.ready(), 10)
    assert first.done() and second.done() and not fan._group._size
    fan.close()


@pytest.mark.parametrize("told", ["hint", "lost", "entry"])
async def test_a_history_that_begins_anew_is_read_from_its_start(
    make: Callable[..., hubs.Hub], told: str
) -> None:
    """A channel is forgotten, and another process has written more to it since than there was before."""
    one, two = Fanout(make(), "t"), Fanout(make(), "t")
    peer = QueuePeer()
    await one.join(peer, "c", text)
    await one.submit("c", Entry("", "old"))
    await one.submit("c", Entry("", "older"))
    assert await taken(peer, 2) == ["old", "older"]
    await one.unit(lambda db: db.run("DELETE FROM fanout_channel"))
    entries = [await two.submit("c", Entry("", str(n))) for n in range(5)]
    if told == "hint":
        one.hinted("c", entries[-1].epoch, entries[-1].number)
    elif told == "lost":
        one.lost()
    else:
        one.arrived("c", entries[-1].epoch, entries[-1:])
    assert await taken(peer, 5) == list("01234")
    await one.submit("c", Entry("", "next"))
    assert await taken(peer, 1) == ["next"]
    one.close()
    two.close()


@pytest.mark.redis
async def test_redis_that_goes_away_loses_nothing(
    make: Callable[..., hubs.Hub], redis_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from backendhub.kit.fanout import relay

    monkeypatch.setattr(relay, "AGAIN_S", 0.05)
    redis = redis_server()
    one, two = (Fanout(make(redis=redis.url), "t") for _ in range(2))
    peer = QueuePeer()
    await one.join(peer, "c", text)
    await two.join(QueuePeer(), "c", text)
    await two.submit("c", Entry("", "a"))
    assert await taken(peer, 1) == ["a"]
    redis.stop()
    await two.submit("c", Entry("", "b"))
    await two.submit("d", Entry("", "elsewhere"))
    await asyncio.sleep(0.2)
    assert not peer.drain()
    redis.start()
    assert await taken(peer, 1) == ["b"]
    await two.submit("c", Entry("", "c"))
    assert await taken(peer, 1) == ["c"]
    one.close()
    two.close()


def test_numbers_of_parallel_writers_have_no_gap(store: Store) -> None:
    from concurrent.futures import ThreadPoolExecutor

    store.use("fanout")

    def add(n: int) -> int:
        return store.unit(lambda db: log.append(db, "t", f"c{n % 2}", [Entry("", str(n))])).top

    with ThreadPoolExecutor(8) as pool:
        tops = list(pool.map(add, range(80)))
    assert sorted(tops[::2]) == sorted(tops[1::2]) == list(range(1, 41))


def test_members_who_come_and_go_at_once_are_told_of_once(store: Store) -> None:
    from concurrent.futures import ThreadPoolExecutor

    store.use("fanout")

    def enter(n: int) -> bool:
        return store.unit(
            presence.enter, "t", "c", peer=str(n), member="ann", info=None, node="n", lease_s=60
        )

    def leave(n: int) -> bool:
        return store.unit(presence.leave, "t", "c", peer=str(n)) is not None

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(enter, range(16))) == 1
        assert [p.member for p in store.read(presence.present, "t", "c")] == ["ann"]
        assert sum(pool.map(leave, range(16))) == 1
    assert store.read(presence.present, "t", "c") == []


def test_leases_that_end_together_are_asked_about_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with many connections is killed: who is still there by another process is one question."""
    store.use("fanout")

    def fill(db: Db) -> None:
        for n in range(60):
            presence.enter(
                db, "t", f"c{n % 3}", peer=f"a{n}", member=f'm"{n % 20}', info=n, node="killed", lease_s=-1
            )
        presence.enter(db, "t", "c1", peer="b", member='m"1', info=0, node="lives", lease_s=60)
        presence.enter(db, "t", "c2", peer="c", member='m"1', info=0, node="lives", lease_s=60)

    store.unit(fill)
    asked: list[str] = []
    with store.transaction() as db:
        fetch, value = db.fetch, db.value
        monkeypatch.setattr(db, "fetch", lambda q, p: asked.append(q) or fetch(q, p))
        monkeypatch.setattr(db, "value", lambda q, **p: asked.append(q) or value(q, **p))
        gone = presence.expired(db, "t")
        assert len(asked) == 2
        assert {(g.channel, g.member) for g in gone} == {(f"c{n % 3}", f'm"{n % 20}') for n in range(60)} - {
            ("c1", 'm"1'),
            ("c2", 'm"1'),
        }
        assert presence.expired(db, "t") == []


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_frames_are_those_of_the_standard(size: int) -> None:
    from websockets.frames import Frame, Opcode

    data = b"x" * size
    assert framed(data) == Frame(Opcode.BINARY, data).serialize(mask=False)
    assert framed(data.decode()) == Frame(Opcode.TEXT, data).serialize(mask=False)


def test_places_are_read_as_they_were_told() -> None:
    assert Place.read(str(Place("0123456789ab", 7))) == Place("0123456789ab", 7)
    for wrong in ("", "x", "0123456789ab", "0123456789ab-", "0123456789AB-1", "0123456789ab--1", "a-1 "):
        assert Place.read(wrong) is None
