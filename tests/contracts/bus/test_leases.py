"""Who reads what and what is to be sent, as the store has it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from backendhub.kit import jobs, outbox
from backendhub.kit.bus import PARTITIONS, Received, connect, intake, leases
from backendhub.kit.bus import store as statements
from backendhub.kit.db import Store
from backendhub.kit.errors import Conflict
from backendhub.kit.outbox.relay import Relay


@pytest.fixture
def held(store: Store, frozen: Callable[[str], None]) -> Store:
    store.use("outbox", "jobs")
    store.unit(leases.prepare, "x", ["0"] * PARTITIONS)
    return store


def test_processes_share_the_partitions(held: Store, frozen: Callable[[str], None]) -> None:
    def beat(name: str) -> leases.Share:
        share = held.unit(leases.beat, "x", name)
        for number in share.surplus:
            held.unit(leases.release, "x", name, number)
        return share

    first = beat("a")
    assert len(first.reads) == PARTITIONS and first.sends and first.surplus == []
    assert beat("b").reads == {}
    assert beat("a").surplus == [4, 5, 6, 7]
    assert sorted(beat("b").reads) == [4, 5, 6, 7]
    assert sorted(beat("a").reads) == [0, 1, 2, 3]
    frozen("2026-01-05T09:00:09Z")
    beat("b")
    frozen("2026-01-05T09:00:11Z")  # a is lost
    assert len(beat("b").reads) == PARTITIONS and beat("b").sends
    held.unit(leases.resign, "b")
    assert len(beat("c").reads) == PARTITIONS


def test_who_has_lost_a_partition_changes_nothing_any_more(
    held: Store, frozen: Callable[[str], None]
) -> None:
    held.unit(
        lambda db: db.run(
            "INSERT INTO jobs_kind (name, system, attempts, topics) VALUES ('t.n', 't', 1, '[\"*\"]')"
        )
    )
    event = b'{"specversion":"1.0","id":"1","source":"/s","type":"a.b","subject":"k","data":1}'
    held.unit(leases.beat, "x", "a")
    frozen("2026-01-05T09:00:11Z")
    held.unit(leases.beat, "x", "b")
    with pytest.raises(intake.Taken):
        held.unit(intake.take, ("x", "a", 3), "me", [Received("5", event)])
    assert held.read(jobs.find) == []
    assert held.unit(intake.take, ("x", "b", 3), "me", [Received("6", event)]) == 1
    assert held.unit(intake.take, ("x", "b", 3), "me", [Received("7", event)]) == 0  # it came again
    assert [job.serial for job in held.read(jobs.find)] == ["t.n:k"]
    assert held.unit(leases.beat, "x", "b").reads[3] == "7"


def test_only_a_store_on_a_bus_notes_what_is_to_be_sent(store: Store) -> None:
    store.use("outbox", "jobs")
    count = lambda: store.read(lambda db: db.value(statements.COUNT_SENDING))  # noqa: E731
    store.unit(lambda db: outbox.publish(db, "a.b", 1))
    store.unit(Relay().pump)
    assert count() == 0
    assert store.unit(leases.identity) == store.unit(leases.identity)
    store.unit(lambda db: outbox.publish(db, "a.b", 2))
    store.unit(Relay().pump)
    assert count() == 1


def test_statements_on_both_engines(store: Store) -> None:
    from backendhub.kit.bus import sender, status

    store.use("outbox", "jobs")
    bus = connect("redis://127.0.0.1:1")
    id = store.unit(leases.identity)
    store.unit(leases.prepare, "redis", ["0"] * PARTITIONS)
    for n in range(4):
        store.unit(lambda db, n: outbox.publish(db, "a.b", n, key=f"k{n % 2}"), n)
    store.unit(lambda db: outbox.publish(db, "a." + "b" * 300, 5))
    store.unit(Relay().pump)
    found = store.read(sender.batch, bus, id)
    assert found is not None
    assert [[json.loads(m.body)["data"] for m in wave] for wave in found.waves] == [[0, 1], [2, 3]]
    assert len(found.refused) == 1
    store.unit(lambda db: db.run(statements.SEND_AGAIN, event=found.ids[0]))  # it waits already
    assert store.read(status.of).to_send == 5
    with pytest.raises(Conflict, match="5 events wait"):
        store.unit(status.leave)
    store.unit(sender.sent, found)
    assert store.read(sender.batch, bus, id) is None
    assert [job.name for job in store.read(jobs.find)] == ["bus.send"]
    assert store.read(status.of)[:3] == (intake.source(id), 0, 0)
    assert store.unit(status.leave) == 0
    assert store.read(status.of) == (None, 0, 0, [])
