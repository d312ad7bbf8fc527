"""Delivery of events on every road: the store itself on both engines, Redis Streams, RabbitMQ and NATS JetStream.

Kafka is left out: there is no driver for it, because there is no server here to run this suite on.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backendhub_test_road import BUSES, Cut, Road, until

from backendhub.kit import jobs, outbox
from backendhub.kit.bus import connect, leases
from backendhub.kit.bus import store as statements

# -- on every road -------------------------------------------------------------------------------------------------


async def test_what_is_committed_has_its_effect_once_and_each_key_in_its_order(road: Road) -> None:
    async with road.at_work():
        road.publish(100)
        await until(lambda: len(road.effects()) >= 90)
        await asyncio.sleep(0.1)
    assert sorted(road.numbers()) == road.wanted(100)
    assert road.in_order()


async def test_two_receivers_of_a_store_share_and_the_order_holds(road: Road) -> None:
    async with road.at_work(receivers=2) as exchanges:
        if road.url:
            shares = lambda: [len(e.readers) for e in exchanges if e.hub.settings.database == road.there_url]  # noqa: E731
            await until(lambda: shares() == [4, 4])
        road.publish(100, keys=16)
        await until(lambda: len(road.effects()) >= 90)
    assert sorted(road.numbers()) == road.wanted(100)
    assert road.in_order()


async def test_an_event_that_no_handler_can_digest_is_dead_until_somebody_retries_it(
    road: Road, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKENDHUB_DATABASE", road.there_url)
    async with road.at_work():
        road.publish(1, topic="bad.one")
        road.publish(3)
        await until(lambda: len(road.effects()) == 3 and road.jobs("dead"))  # it holds up nobody else
        dead = road.jobs("dead")[0]
        assert (dead.name, dead.attempts) == ("t.poison", 3)
        shown = await asyncio.to_thread(cli, "jobs", "dead", "--format", "json")
        assert json.loads(shown.out)[0]["error"] == "ValueError: this event cannot be digested"
        road.there.unit(lambda db: db.run("INSERT INTO t_cured (n) VALUES (1)"))
        assert (await asyncio.to_thread(cli, "jobs", "retry", "--dead")).code == 0
        await until(lambda: len(road.effects()) == 4)
    assert [key for _, key, _ in road.effects()].count("cured") == 1


# -- on every bus ------------------------------------------------------------------------------------------------


# A process costs a second: one that is killed is tried where confirmation and deduplication differ, not on all three.
@pytest.mark.parametrize("bus_road", BUSES[1:], indirect=True)
async def test_a_sender_killed_after_publishing_loses_nothing_and_doubles_no_effect(bus_road: Road) -> None:
    road = bus_road
    await road.join()
    killed = road.spawn("sender", "die-before-mark")
    await until(lambda: road.here.read(lambda db: db.value(statements.SELF)))
    road.publish(40)
    assert await asyncio.to_thread(killed.wait, 30) == -signal.SIGKILL
    assert road.here.read(lambda db: db.value(statements.COUNT_SENDING)) > 0  # sent, and not struck off
    async with road.at_work():
        await until(lambda: len(road.effects()) >= 36)
        await until(lambda: not road.here.read(lambda db: db.value(statements.COUNT_SENDING)))
        await asyncio.sleep(0.3)
    assert sorted(road.numbers()) == road.wanted(40)
    assert road.in_order()


@pytest.mark.parametrize("bus_road", BUSES[:2], indirect=True)
async def test_a_receiver_killed_before_it_acknowledges_gets_it_again_and_does_it_once(
    bus_road: Road,
) -> None:
    road = bus_road
    await road.join()
    killed = road.spawn("receiver", "die-before-ack")
    async with road.at_work(receivers=0):
        road.publish(40)
        assert await asyncio.to_thread(killed.wait, 30) == -signal.SIGKILL
    async with road.at_work(senders=1):
        await until(lambda: len(road.effects()) >= 36)
        await asyncio.sleep(0.3)
    assert sorted(road.numbers()) == road.wanted(40)
    assert road.in_order()


async def test_connections_that_are_cut_again_and_again(bus_road: Road) -> None:
    road = bus_road
    assert road.url
    async with Cut(road.url) as middle, road.at_work(url=middle.url):
        for round in range(3):
            road.publish(30, first=round * 30)
            await until(lambda: len(road.effects()) > round * 27)  # noqa: B023
            middle.cut()
        await until(lambda: len(road.effects()) >= 81)
        assert middle.cuts >= 3
    assert sorted(road.numbers()) == road.wanted(90)
    assert road.in_order()


async def test_two_stores_get_every_event_each(bus_road: Road, tmp_path: Path) -> None:
    other = Road(bus_road.url, bus_road.here_url, str(tmp_path / "other.db"), tmp_path)
    async with other.at_work(senders=0), bus_road.at_work():
        bus_road.publish(20)
        await until(lambda: len(bus_road.effects()) >= 18 and len(other.effects()) >= 18)
    assert sorted(bus_road.numbers()) == sorted(other.numbers()) == Road.wanted(20)
    bus = connect(other.url or "")
    await bus.leave(other.there.unit(leases.identity))
    await bus.close()
    other.here.close()
    other.there.close()


async def test_what_does_not_fit_into_the_store_stays_with_the_bus(bus_road: Road) -> None:
    road = bus_road

    def waiting() -> int:
        return road.there.read(lambda db: db.value(statements.BACKLOG, limit=1000))

    road.there.unit(lambda db: db.run("INSERT INTO t_hold (n) VALUES (1)"))
    async with road.at_work(backlog=30) as exchanges:
        road.publish(100)
        await until(lambda: waiting() >= 30)
        await until(lambda: not exchanges[-1]._room.is_set())
        road.publish(200, first=100)
        await until(lambda: not road.here.read(lambda db: db.value(statements.COUNT_SENDING)))
        await asyncio.sleep(1.5)  # longer than a reader waits for a message
        assert waiting() <= 90
        road.there.unit(lambda db: db.run("DELETE FROM t_hold"))
        await until(lambda: len(road.effects()) >= 270)
    assert sorted(road.numbers()) == road.wanted(300)
    assert road.in_order()


async def test_an_event_too_large_for_the_bus_is_a_dead_job_and_holds_up_nobody(bus_road: Road) -> None:
    road = bus_road
    async with road.at_work() as exchanges:
        await until(lambda: exchanges[0].sends)
        exchanges[0].bus.limit = 2000
        road.here.unit(lambda db: outbox.publish(db, "order.paid", {"n": 1, "fill": "x" * 3000}, key="k"))
        road.here.unit(lambda db: outbox.publish(db, "order.paid", {"n": 2}, key="k"))
        await until(lambda: road.numbers() == [2])
        dead = await until(lambda: road.here.read(jobs.find, state="dead"))
        assert dead[0].name == "bus.send" and "too large" in dead[0].error
