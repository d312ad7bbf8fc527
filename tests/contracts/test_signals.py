"""What a committed transaction tells others, and how a store ends while threads are still in it."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from backendhub.kit.db import Db, Store, connect


@pytest.fixture
def told(store: Store) -> list[str]:
    store.unit(lambda db: db.run("CREATE TABLE t_row (id BIGINT PRIMARY KEY)"))
    topics: list[str] = []
    store.listeners.append(topics.append)
    return topics


def test_a_signal_is_heard_after_the_commit_once_a_topic(store: Store, told: list[str]) -> None:
    with store.transaction() as db:
        db.signal("jobs")
        db.signal("jobs")
        assert told == []
    assert told == ["jobs"]
    store.unit(lambda db: None)
    assert told == ["jobs"]


def test_a_signal_of_what_is_rolled_back_is_not_heard(store: Store, told: list[str]) -> None:
    def unit(db: Db) -> None:
        db.signal("jobs")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.unit(unit)
    store.unit(lambda db: None)
    assert told == []


def test_a_group_signals_when_it_is_committed(store: Store, told: list[str]) -> None:
    store.group([lambda db: db.signal("a"), lambda db: db.signal("b")])
    assert sorted(told) == ["a", "b"]


def test_another_process_s_commit_is_noticed(store: Store, store_url: str, told: list[str]) -> None:
    woken = threading.Event()
    end = store.watch(woken.set)
    other = connect(store_url)
    try:
        time.sleep(0.5)
        woken.clear()
        assert not woken.wait(0.4)  # nothing is committed: nobody is woken

        def unit(db: Db) -> None:
            db.run("INSERT INTO t_row (id) VALUES (1)")
            db.signal("jobs")

        other.unit(unit)
        assert woken.wait(3)
    finally:
        end()
        other.close()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_store_may_be_closed_while_a_thread_is_in_a_transaction(store: Store, told: Any) -> None:
    inside, go = threading.Event(), threading.Event()

    def unit(db: Db) -> int:
        db.run("INSERT INTO t_row (id) VALUES (1)")
        inside.set()
        go.wait(10)
        return int(db.value("SELECT count(*) FROM t_row"))

    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(store.unit(unit)))
    thread.start()
    inside.wait(10)
    store.close()
    go.set()
    thread.join(10)
    assert results == [1]
